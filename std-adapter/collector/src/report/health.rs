//! The health of the collector and of each of its senders, judged by the last minutes.
//!
//! A sender's trouble is its own: it appears in the sender's row and does not affect the collector's health.

use ringstat_core::observe::Reason;
use serde::Serialize;

use super::outputs::RELAY;
use super::{Io, OutputCause, OutputReport, Own, Totals};
use crate::intake::{Life, Sender, Source};
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
        let recent = |of: fn(&super::IoCounts) -> u64| of(&io.now).saturating_sub(of(&io.before));
        let drops = recent(|i| i.kernel_drops);
        if drops > 0 {
            let much = drops as f64 > MUCH * (drops + totals.received_recently) as f64;
            let status = if much { Status::Unhealthy } else { Status::Degraded };
            health.because(
                status,
                format!(
                    "the kernel dropped {drops} datagrams or groups of them: raise the receive buffer (net.core.rmem_max)"
                ),
            );
        }
        let errors = recent(|i| i.receive_errors);
        if errors > 0 {
            health.because(Status::Degraded, format!("{errors} receive calls failed: see the log"));
        }
        let late = recent(|i| i.hand_on_drops);
        if late > 0 {
            health.because(
                Status::Degraded,
                format!("{late} datagrams were lost between threads: a thread is behind, and this system does not spread senders over sockets"),
            );
        }
        let (lines, malformed) = totals.recent_malformed();
        if lines > 0 {
            health.because(
                Status::Degraded,
                format!("{lines} datagrams were lines of StatsD, which are refused here: start the collector without --no-statsd, or send them elsewhere"),
            );
        }
        health.of_lines(totals);
        let (reason, most) = malformed.iter().copied().max_by_key(|(_, n)| *n).unwrap_or_default();
        let malformed = malformed.iter().map(|(_, n)| n).sum::<u64>() - lines;
        if malformed > 0 {
            let much = malformed as f64 > MUCH * totals.received_recently as f64;
            let status = if much { Status::Unhealthy } else { Status::Degraded };
            health.because(
                status,
                format!("{malformed} datagrams were malformed (most often {reason}: {most}): see what else sends to this port, or which sender is of another version"),
            );
        }
        let no_descriptors = recent(|i| i.http.no_descriptors);
        if no_descriptors > 0 {
            health.because(
                Status::Degraded,
                format!("{no_descriptors} times no descriptor was free for an HTTP connection: raise `ulimit -n`"),
            );
        }
        health.of_data(io);
        io.outputs.iter().for_each(|output| health.of_output(output));
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

    /// What lines of StatsD have to do with it.
    fn of_lines(&mut self, totals: &Totals) {
        let (refused, (reason, most), lines) = totals.recent_refused_lines();
        if refused == 0 {
            return;
        }
        let much = refused as f64 > MUCH * lines as f64;
        let status = if much { Status::Unhealthy } else { Status::Degraded };
        let example = totals.examples.get(reason).map_or_else(String::new, |example| {
            let from =
                example.from.as_ref().map_or_else(String::new, |from| format!(" from {from}"));
            format!("; for example `{}`{from}", example.line)
        });
        self.because(
            status,
            format!("{refused} lines of StatsD were refused (most often {reason}: {most}{example}): see which program sends them"),
        );
    }

    /// What the data directory has to do with it.
    fn of_data(&mut self, io: &Io) {
        let failures = io.now.data.commit_failures + io.now.data.critical_failures;
        let before = io.before.data.commit_failures + io.before.data.critical_failures;
        if io.data.is_some_and(|data| data.failing) {
            self.because(
                Status::Unhealthy,
                "the data directory cannot be written: see the log; a restart would forget what has come since the last commit, and critical events are not acknowledged".into(),
            );
        } else if failures > before {
            let recent = failures - before;
            self.because(
                Status::Degraded,
                format!("{recent} commits to the data directory failed: see the log"),
            );
        }
    }

    /// What an output has to do with it.
    fn of_output(&mut self, output: &OutputReport) {
        let OutputReport { target, pending_samples, .. } = output;
        let is_relay = output.kind == RELAY;
        let what = if is_relay { "datagrams" } else { "samples" };
        if let Some(why) = &output.failing {
            let (waited, oldest) = (output.failing_for.as_secs(), output.oldest_pending.as_secs());
            self.because(
                Status::Degraded,
                format!("{target} has not taken {what} for {waited} s ({why}): {pending_samples} wait, the oldest for {oldest} s"),
            );
        }
        if let Some(why) = &output.disk_failing {
            self.because(
                Status::Degraded,
                format!("what waits for {target} cannot be written to the data directory ({why}): a restart would lose it"),
            );
        }
        for cause in OutputCause::ALL {
            let (now, before) = (&output.counts.dropped, &output.before.dropped);
            let dropped = now[cause as usize].saturating_sub(before[cause as usize]);
            if dropped > 0 {
                let (status, advice) = match cause {
                    OutputCause::Refused => (Status::Degraded, "it refused them: see the log"),
                    OutputCause::QueueFull => (
                        Status::Unhealthy,
                        if is_relay {
                            "more was waiting than there is room for: see why it does not take them, or raise --relay-queue"
                        } else {
                            "more was waiting than there is room for: see why it does not take them, or raise --remote-write-queue"
                        },
                    ),
                    OutputCause::Disk => {
                        (Status::Degraded, "they could not be read back: see the log")
                    }
                    OutputCause::Shutdown => (Status::Degraded, "the collector ended"),
                    OutputCause::Loop => (
                        Status::Degraded,
                        "they came from that very machine: does it relay to this collector? Lines would go round for ever",
                    ),
                    OutputCause::Unsupported => (
                        Status::Degraded,
                        "its protocol cannot express them, such as negative samples in StatsD",
                    ),
                    // Nothing is missing there.
                    OutputCause::Duplicate => continue,
                };
                self.because(
                    status,
                    format!("{dropped} {what} for {target} were dropped: {advice}"),
                );
            }
        }
    }

    /// The health of a sender, which reports `own` about itself.
    pub(super) fn of_sender(sender: &Sender, own: &Own, now_ms: u64) -> Self {
        let mut health = Self::default();
        let recent = sender.recent_losses();
        let share =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        // What is lost may have been sent before these minutes, so it need not be a part of what was sent in them.
        let loss = share(recent.lost, recent.lost.saturating_add(recent.received));
        if loss > MUCH {
            let percent = loss * 100.0;
            health.because(Status::Unhealthy, format!("{percent:.1} % of its datagrams lost"));
        } else if recent.lost > 0 {
            health.because(Status::Degraded, format!("{} of its datagrams lost", recent.lost));
        }
        let drops = share(recent.dropped, recent.dropped.saturating_add(recent.records));
        if drops > 0.01 {
            let percent = drops * 100.0;
            health.because(Status::Degraded, format!("it dropped {percent:.1} % of its events"));
        }
        if let Some((id, address)) = sender.beside() {
            let at = |from: Option<&Source>| {
                from.map_or_else(|| "an unknown address".into(), Source::to_string)
            };
            let (here, there, number) = (at(sender.source()), at(address), sender.number());
            health.because(
                Status::Degraded,
                format!("two processes send as {number:016x}: this one from {here}, and from {there} the one that is shown as {id:016x}; give each a number of its own (--sender), or none"),
            );
        }
        if sender.life(now_ms) == Life::Silent {
            let silent = sender.silent_ms(now_ms) / 1000;
            let promised = sender.info().map_or(0, |info| info.heartbeat_ms) as f64 / 1000.0;
            health.because(
                Status::Degraded,
                format!("it has been silent for {silent} s without a goodbye, and promised to be heard every {promised} s: look whether its process and its network are up"),
            );
        }
        if recent.clock_jumps > 0 {
            let (_, by_ms) = sender.clock_jumps();
            let by = by_ms as f64 / 1000.0;
            health.because(
                Status::Degraded,
                format!("its clock was set {} times, by {by:+.1} s the last time: times of its events are off; see to its time synchronization", recent.clock_jumps),
            );
        }
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
        let says =
            |reason: &Reason| own.get(&format!("degraded.{}", reason.as_str())) == Some(&1.0);
        for reason in Reason::ALL.into_iter().filter(says) {
            // By limits of its own, which nobody here knows.
            let (meaning, advice) = (reason.explain(None), reason.advice());
            self.because(status, format!("it says that {meaning} ({advice})"));
        }
    }
}
