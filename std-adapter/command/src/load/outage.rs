//! The scenario `network-failure`: for the middle third of the time, what is sent vanishes.
//!
//! ```text
//!  |--- before ---|--- blocked ---|--- after ---|
//!                  breaker opens    probe, breaker closes
//! ```
//!
//! A receiver of ringstat's own format answers, so its datagrams vanish without a word, as behind a firewall. Of others a
//! client learns only what the system reports, so there the system reports that there is no way.

use std::time::Duration;

use ringstat_core::send::BreakerState;
use ringstat_core::testkit::Faults;
use ringstat_std::{Client, Protocol};
use serde::Serialize;

use super::profile::Stage;
use crate::common::failure::Failure;
use crate::common::network::Network;

/// What the client noticed.
#[derive(Serialize, Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct OutageReport {
    /// Seconds from the beginning of the failure until the breaker was open.
    pub(crate) opened_after: Option<f64>,
    /// Seconds from the end of the failure until the breaker was closed.
    pub(crate) recovered_after: Option<f64>,
}

/// A network that fails on time.
pub(crate) struct Outage {
    network: Network,
    /// Whether the receiver can answer.
    answers: bool,
    from: Duration,
    until: Duration,
    blocked: bool,
    report: OutageReport,
}

impl Outage {
    /// A network to that receiver, which fails in the second of these stages.
    pub(crate) fn new(to: &str, protocol: Protocol, stages: &[Stage]) -> Result<Self, Failure> {
        let network = Network::new(to, Faults::NONE, 1)?;
        let (from, until) = stages.get(1).map_or_else(Default::default, |s| (s.from, s.until));
        let answers = protocol.acknowledges();
        Ok(Self { network, answers, from, until, blocked: false, report: OutageReport::default() })
    }

    /// What the client sends by.
    pub(crate) fn network(&self) -> Network {
        self.network.clone()
    }

    /// Blocks or unblocks the network when it is time, and notes what the client has noticed.
    pub(crate) fn look(&mut self, elapsed: Duration, client: &Client) {
        let blocked = (self.from..self.until).contains(&elapsed);
        if blocked != self.blocked {
            self.blocked = blocked;
            if self.answers {
                self.network.swallow(blocked);
            } else {
                self.network.cut(blocked);
            }
        }
        let open = client.breaker().0 != BreakerState::Closed;
        let since = |begin: Duration| Some(elapsed.saturating_sub(begin).as_secs_f64());
        if blocked && open && self.report.opened_after.is_none() {
            self.report.opened_after = since(self.from);
        }
        let is_over = elapsed >= self.until && self.report.opened_after.is_some();
        if is_over && !open && self.report.recovered_after.is_none() {
            self.report.recovered_after = since(self.until);
        }
    }

    /// What the client noticed. Whatever is still to be sent arrives.
    pub(crate) fn end(self) -> OutageReport {
        self.network.recover();
        self.report
    }
}
