//! Where events were lost: every generated event is at the far end, or counted at the stage that gave it up.

use ringstat_std::{Cause, Ledger};

/// Events lost, by stage, in the order in which an event passes through them.
#[derive(serde::Serialize, Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Loss {
    /// Refused by the record call: the record could not become an event, or the policy keeps one in N.
    pub(crate) record: u64,
    /// Dropped in the ring, because it was full.
    pub(crate) ring: u64,
    /// Given up by the sending side, because there was no way to the receiver or the client ended first.
    pub(crate) send: u64,
    /// Lost on the way. This and the following numbers are only known if `load` started the receiver.
    pub(crate) network: Option<u64>,
    /// Lost in the receiver's socket, because they were not read in time. The kernel counts datagrams, so missing
    /// events are divided between it and the network in proportion to the datagrams.
    pub(crate) kernel: Option<u64>,
    /// Received but not stored: malformed, or without room.
    pub(crate) collector: Option<u64>,
}

/// The receiver's account.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Received {
    /// Events stored.
    pub(crate) events: u64,
    /// Events received and not stored.
    pub(crate) refused: u64,
    /// Datagrams read.
    pub(crate) datagrams: u64,
    /// Datagrams that the kernel threw away.
    pub(crate) kernel_drops: u64,
}

/// The whole account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    pub(crate) loss: Loss,
    /// Events that are missing although no datagram is, or that arrived twice: zero, unless ringstat has a bug.
    pub(crate) unaccounted: u64,
}

impl Loss {
    pub(crate) fn total(&self) -> u64 {
        self.stages().iter().filter_map(|(_, n)| *n).sum()
    }

    /// Each stage with its usual name.
    pub(crate) fn stages(&self) -> [(&'static str, Option<u64>); 6] {
        [
            ("refused at record", Some(self.record)),
            ("dropped in the ring", Some(self.ring)),
            ("local send", Some(self.send)),
            ("network", self.network),
            ("kernel receive buffer", self.kernel),
            ("collector", self.collector),
        ]
    }
}

/// Combines the accounts of the generator, the client and the receiver. `datagrams` is the number that the client sent.
pub(crate) fn account(
    generated: u64,
    ledger: &Ledger,
    datagrams: u64,
    received: Option<Received>,
) -> Account {
    let mut loss = Loss::default();
    for (cause, n) in ledger.dropped.iter() {
        *stage(&mut loss, cause) += n;
    }
    loss.send += ledger.in_flight;
    let mut unaccounted = generated.abs_diff(ledger.recorded);
    if !ledger.closes() {
        unaccounted += ledger.recorded.abs_diff(
            ledger.left() + ledger.aggregated + ledger.dropped.total() + ledger.in_flight,
        );
    }
    if let Some(received) = received {
        loss.collector = Some(received.refused);
        let arrived = received.events + received.refused;
        let missing = ledger.left().saturating_sub(arrived);
        unaccounted += arrived.saturating_sub(ledger.left());
        let lost = datagrams.saturating_sub(received.datagrams);
        let mut in_kernel = 0;
        if lost == 0 {
            unaccounted += missing;
        } else {
            let drops = received.kernel_drops.min(lost);
            in_kernel = (u128::from(missing) * u128::from(drops) / u128::from(lost)) as u64;
        }
        loss.kernel = Some(in_kernel);
        loss.network = Some(if lost == 0 { 0 } else { missing - in_kernel });
    }
    Account { loss, unaccounted }
}

/// The stage to which a cause belongs. There is no wildcard, so a new cause does not compile until it has a stage.
fn stage(loss: &mut Loss, cause: Cause) -> &mut u64 {
    match cause {
        Cause::Sampled
        | Cause::Throttled
        | Cause::TooManyTags
        | Cause::TagTooLong
        | Cause::TextTooLong
        | Cause::InternerFull
        | Cause::Forked
        | Cause::Invalid => &mut loss.record,
        Cause::Full | Cause::Evicted | Cause::TagMemoryFull => &mut loss.ring,
        Cause::TooLarge
        | Cause::Encode
        | Cause::Unsupported
        | Cause::SendError
        | Cause::Unacknowledged
        | Cause::Shutdown => &mut loss.send,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(recorded: u64, drops: &[(Cause, u64)]) -> Ledger {
        let mut ledger = Ledger { recorded, ..Ledger::default() };
        drops.iter().for_each(|(cause, n)| ledger.dropped.add(*cause, *n));
        ledger.sent = recorded - ledger.dropped.total();
        ledger
    }

    #[test]
    fn every_event_is_delivered_or_lost_at_one_stage() {
        let drops =
            [(Cause::Invalid, 1), (Cause::Full, 20), (Cause::Evicted, 3), (Cause::SendError, 400)];
        let ledger = ledger(10_000, &drops);
        let received = Received { events: 9000, refused: 76, datagrams: 90, kernel_drops: 4 };
        let account = account(10_000, &ledger, 100, Some(received));
        let expected = Loss {
            record: 1,
            ring: 23,
            send: 400,
            network: Some(300),
            kernel: Some(200),
            collector: Some(76),
        };
        assert_eq!(account, Account { loss: expected, unaccounted: 0 });
        assert_eq!(account.loss.total() + received.events, 10_000);
    }

    #[test]
    fn events_that_go_missing_without_a_datagram_are_a_bug_and_not_the_networks() {
        let ledger = ledger(1000, &[]);
        let received = |events| Received { events, datagrams: 10, ..Received::default() };
        let account = |events| account(1000, &ledger, 10, Some(received(events)));
        let whole = account(1000);
        assert_eq!((whole.loss.total(), whole.unaccounted), (0, 0));
        assert_eq!(account(998).unaccounted, 2);
        assert_eq!(account(1001).unaccounted, 1);
    }

    #[test]
    fn a_client_that_forgets_a_record_is_caught() {
        let whole = ledger(999, &[]);
        assert_eq!(account(1000, &whole, 0, None).unaccounted, 1);
        let torn = Ledger { sent: 990, ..whole };
        assert_eq!(account(999, &torn, 0, None).unaccounted, 9);
    }

    #[test]
    fn what_was_never_sent_is_lost_at_the_sender() {
        let ledger = Ledger { recorded: 10, sent: 7, in_flight: 3, ..Ledger::default() };
        let account = account(10, &ledger, 1, None);
        assert_eq!(account, Account { loss: Loss { send: 3, ..Loss::default() }, unaccounted: 0 });
    }
}
