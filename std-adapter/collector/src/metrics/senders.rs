//! What is known of each sender, each family a line of a table.

use std::fmt::Write as _;

use super::family;
use crate::intake::{Collector, Sender};

/// Before each name.
pub(super) const PREFIX: &str = "ringstat_sender_";

/// The rest of the name, its type, what it counts, and where that stands.
type Reading = (&'static str, &'static str, &'static str, fn(&Sender) -> u64);

const READINGS: [Reading; 14] = [
    ("received_total", "counter", "Datagrams received, each once.", |s| s.sequence().received),
    ("lost_total", "counter", "Datagrams lost for good.", |s| s.sequence().lost),
    ("outstanding", "gauge", "Datagrams missing that may still come.", |s| {
        s.sequence().outstanding
    }),
    ("late_total", "counter", "Datagrams out of order.", |s| s.sequence().late),
    ("duplicates_total", "counter", "Datagrams that came twice.", |s| s.sequence().duplicate),
    ("too_late_total", "counter", "Datagrams older than the window.", |s| s.sequence().too_late),
    ("old_epoch_total", "counter", "Datagrams of a run that was over.", |s| s.sequence().old_epoch),
    ("unconfirmed_total", "counter", "Datagrams far ahead that no second one agreed with.", |s| {
        s.sequence().unconfirmed.into()
    }),
    ("jumps_total", "counter", "Jumps ahead by more than a plausible gap.", |s| {
        s.sequence().jumps.into()
    }),
    ("missed_before_start", "gauge", "Datagrams from before the collector heard of it.", |s| {
        s.sequence().missed_before_start.into()
    }),
    ("restarts_total", "counter", "Restarts.", |s| s.sequence().restarts.into()),
    ("records_total", "counter", "Records received.", |s| s.records),
    ("dropped_total", "counter", "Events that the sender gave up.", Sender::dropped),
    ("failed_total", "counter", "Datagrams that the sender gave up.", Sender::failed),
];

pub(super) fn write(out: &mut String, collector: &Collector, now_ms: u64) {
    let mut senders: Vec<_> = collector.senders().collect();
    senders.sort_unstable_by_key(|(id, _)| *id);
    let silent = format!("{PREFIX}silent_seconds");
    family(out, &silent, "gauge", "Seconds since it was last heard of.");
    for (id, sender) in &senders {
        let silence = now_ms.saturating_sub(sender.seen_ms) / 1000;
        let _ = writeln!(out, "{silent}{{sender=\"{id:016x}\"}} {silence}");
    }
    for (name, kind, help, read) in READINGS {
        let name = format!("{PREFIX}{name}");
        family(out, &name, kind, help);
        for (id, sender) in &senders {
            let _ = writeln!(out, "{name}{{sender=\"{id:016x}\"}} {}", read(sender));
        }
    }
}

#[cfg(test)]
mod tests {
    use ringstat_core::receive::Account;

    use super::*;

    /// Destructured in full: what the tracker learns to count and nobody exposes does not compile here.
    #[test]
    fn every_number_of_the_account_is_exposed() {
        let account = Account {
            received: 101,
            lost: 102,
            outstanding: 103,
            late: 104,
            duplicate: 105,
            too_late: 106,
            old_epoch: 107,
            unconfirmed: 108,
            missed_before_start: 109,
            restarts: 110,
            jumps: 111,
            // Where the counting stands, and not a count.
            epoch: 0,
            first: 0,
            next: 0,
        };
        let sender = Sender::with_account(account);
        let shown: Vec<u64> = READINGS.iter().map(|(.., read)| read(&sender)).collect();
        for n in 101..=111 {
            assert_eq!(shown.iter().filter(|s| **s == n).count(), 1, "{n} in {shown:?}");
        }
    }
}
