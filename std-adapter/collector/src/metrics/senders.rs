//! The families about each sender, each in a line of a table.

use std::fmt::Write as _;

use super::family;
use crate::exposition::RESERVED;
use crate::intake::Sender;

/// The prefix of every name.
const PREFIX: &str = RESERVED[1];

/// The rest of the name, the type, what it counts, and how to read it.
type Reading = (&'static str, &'static str, &'static str, fn(&Sender, u64) -> u64);

const READINGS: [Reading; 15] = [
    ("silent_seconds", "gauge", "Seconds since it was last heard of.", |s, now_ms| {
        now_ms.saturating_sub(s.seen_ms) / 1000
    }),
    ("received_total", "counter", "Datagrams received, each once.", |s, _| s.sequence().received),
    ("lost_total", "counter", "Datagrams lost for good.", |s, _| s.sequence().lost),
    ("outstanding", "gauge", "Datagrams missing that may still come.", |s, _| {
        s.sequence().outstanding
    }),
    ("late_total", "counter", "Datagrams out of order.", |s, _| s.sequence().late),
    ("duplicates_total", "counter", "Datagrams that came twice.", |s, _| s.sequence().duplicate),
    ("too_late_total", "counter", "Datagrams older than the window.", |s, _| s.sequence().too_late),
    ("old_epoch_total", "counter", "Datagrams of a run that was over.", |s, _| {
        s.sequence().old_epoch
    }),
    (
        "unconfirmed_total",
        "counter",
        "Datagrams far ahead that no second one agreed with.",
        |s, _| s.sequence().unconfirmed.into(),
    ),
    ("jumps_total", "counter", "Jumps ahead by more than a plausible gap.", |s, _| {
        s.sequence().jumps.into()
    }),
    ("missed_before_start", "gauge", "Datagrams from before the collector heard of it.", |s, _| {
        s.sequence().missed_before_start.into()
    }),
    ("restarts_total", "counter", "Restarts.", |s, _| s.sequence().restarts.into()),
    ("records_total", "counter", "Records received.", |s, _| s.records),
    ("dropped_total", "counter", "Events that the sender gave up.", |s, _| s.dropped()),
    ("failed_total", "counter", "Datagrams that the sender gave up.", |s, _| s.failed()),
];

/// The number of families.
pub(super) const COUNT: usize = READINGS.len();

/// Writes what precedes the samples of a family.
pub(super) fn begin(out: &mut String, of: usize) {
    let (name, kind, help, _) = READINGS[of];
    family(out, &format!("{PREFIX}{name}"), kind, help);
}

/// Writes the sample of one sender.
pub(super) fn sample(out: &mut String, of: usize, id: u64, sender: &Sender, now_ms: u64) {
    let (name, _, _, read) = READINGS[of];
    let _ = writeln!(out, "{PREFIX}{name}{{sender=\"{id:016x}\"}} {}", read(sender, now_ms));
}

#[cfg(test)]
mod tests {
    use ringstat_core::receive::Account;

    use super::*;

    /// Destructured in full, so that a number that is added to the account but not exposed does not compile here.
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
            // A position rather than a count.
            epoch: 0,
            first: 0,
            next: 0,
        };
        let sender = Sender::with_account(account);
        let shown: Vec<u64> = READINGS.iter().map(|(.., read)| read(&sender, 0)).collect();
        for n in 101..=111 {
            assert_eq!(shown.iter().filter(|s| **s == n).count(), 1, "{n} in {shown:?}");
        }
    }
}
