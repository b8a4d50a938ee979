//! The health of the collector and of each of its senders, judged by the last minutes.
//!
//! A sender's trouble is its own: it appears in the sender's row and does not affect the collector's health.

use ringstat_core::observe::Reason;
use serde::Serialize;

use super::{Io, Own, Totals};
use crate::intake::Sender;
use crate::limits::Limit;

/// The state of something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    #[default]
    Healthy,
    /// Something is being lost or refused.
    Degraded,
    /// Much is being lost.
    Unhealthy,
}

/// A status and the reasons for it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Health {
    /// The worst status of all reasons.
    pub status: Status,
    /// The reasons, one sentence each.
    pub reasons: Vec<String>,
}

/// The share of losses above which a status is unhealthy.
const MUCH: f64 = 0.05;

impl Health {
    fn because(&mut self, status: Status, reason: String) {
        self.status = self.status.max(status);
        self.reasons.push(reason);
    }

    /// The health of the collector itself.
    pub(super) fn of_collector(totals: &Totals, io: &Io) -> Self {
        let mut health = Self::default();
        let lately = |of: fn(&super::IoCounts) -> u64| of(&io.now).saturating_sub(of(&io.before));
        let drops = lately(|i| i.kernel_drops);
        if drops > 0 {
            let much = drops as f64 > MUCH * (drops + totals.received_lately) as f64;
            let status = if much { Status::Unhealthy } else { Status::Degraded };
            health.because(
                status,
                format!(
                    "the kernel dropped {drops} datagrams or groups of them: raise the receive buffer (net.core.rmem_max)"
                ),
            );
        }
        let errors = lately(|i| i.receive_errors);
        if errors > 0 {
            health.because(Status::Degraded, format!("{errors} receive calls failed: see the log"));
        }
        let late = lately(|i| i.hand_on_drops);
        if late > 0 {
            health.because(
                Status::Degraded,
                format!("{late} datagrams were lost between threads: a thread is behind, and this system does not spread senders over sockets"),
            );
        }
        let no_descriptors = lately(|i| i.http.no_descriptors);
        if no_descriptors > 0 {
            health.because(
                Status::Degraded,
                format!("{no_descriptors} times no descriptor was free for an HTTP connection: raise `ulimit -n`"),
            );
        }
        let (hits, before) = (&totals.hits, &totals.hits_before);
        for limit in Limit::ALL {
            let times = hits.times(limit) - before.times(limit);
            if times > 0 {
                let by = match hits.by(limit) {
                    Some(sender) if limit != Limit::Page => {
                        format!(" (last: sender {sender:016x})")
                    }
                    _ => String::new(),
                };
                health.because(Status::Degraded, format!("{times} {}{by}", limit.explain()));
            }
        }
        health
    }

    /// The health of a sender, which reports `own` about itself.
    pub(super) fn of_sender(sender: &Sender, own: &Own) -> Self {
        let mut health = Self::default();
        let lately = sender.losses_lately();
        let share =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let loss = share(lately.lost, lately.expected);
        if loss > MUCH {
            let percent = loss * 100.0;
            health.because(Status::Unhealthy, format!("{percent:.1} % of its datagrams lost"));
        } else if lately.lost > 0 {
            health.because(Status::Degraded, format!("{} of its datagrams lost", lately.lost));
        }
        let drops = share(lately.dropped, lately.dropped.saturating_add(lately.records));
        if drops > 0.01 {
            let percent = drops * 100.0;
            health.because(Status::Degraded, format!("it dropped {percent:.1} % of its events"));
        }
        // Silence is shown but not judged: a sender that sends one value and ends is as silent as one that crashed.
        health.complain(own);
        health
    }

    /// Adds what the sender's own health check complains about.
    fn complain(&mut self, own: &Own) {
        let grade = own.get("health").copied().unwrap_or(0.0);
        if grade < 1.0 {
            return;
        }
        let status = if grade < 2.0 { Status::Degraded } else { Status::Unhealthy };
        let says = |reason: &Reason| own.get(&format!("unwell.{}", reason.as_str())) == Some(&1.0);
        for reason in Reason::ALL.into_iter().filter(says) {
            // By limits of its own, which nobody here knows.
            let (meaning, advice) = (reason.explain(None), reason.advice());
            self.because(status, format!("it says that {meaning} ({advice})"));
        }
    }
}
