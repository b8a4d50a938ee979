//! The families about each sender, each in a line of a table.

use super::{MetricKind, Sink, family};
use crate::exposition::{RESERVED, labels};
use crate::intake::{Life, LineAccount, Sender};

/// The prefix of every name.
const PREFIX: &str = RESERVED[1];

/// The rest of the name, the type, what it counts, and how to read it. `None` if it cannot be known of a sender: then
/// there is no sample of it.
type Reading = (&'static str, &'static str, &'static str, fn(&Sender, u64) -> Option<u64>);

const READINGS: [Reading; 24] = [
    ("silent_seconds", "gauge", "Seconds since it was last heard of.", |s, now_ms| {
        Some(now_ms.saturating_sub(s.seen_ms) / 1000)
    }),
    ("received_total", "counter", "Datagrams received, each once.", |s, _| {
        numbered(s, s.sequence().received)
    }),
    ("lost_total", "counter", "Datagrams lost for good.", |s, _| numbered(s, s.sequence().lost)),
    ("outstanding", "gauge", "Datagrams missing that may still come.", |s, _| {
        numbered(s, s.sequence().outstanding)
    }),
    ("late_total", "counter", "Datagrams out of order.", |s, _| numbered(s, s.sequence().late)),
    ("duplicates_total", "counter", "Datagrams that came twice.", |s, _| {
        numbered(s, s.sequence().duplicate)
    }),
    ("too_late_total", "counter", "Datagrams older than the window.", |s, _| {
        numbered(s, s.sequence().too_late)
    }),
    ("old_epoch_total", "counter", "Datagrams of a run that was over.", |s, _| {
        numbered(s, s.sequence().old_epoch)
    }),
    (
        "unconfirmed_total",
        "counter",
        "Datagrams far ahead that no second one agreed with.",
        |s, _| numbered(s, s.sequence().unconfirmed.into()),
    ),
    ("jumps_total", "counter", "Jumps ahead by more than a plausible gap.", |s, _| {
        numbered(s, s.sequence().jumps.into())
    }),
    ("missed_before_start", "gauge", "Datagrams from before the collector heard of it.", |s, _| {
        numbered(s, s.sequence().missed_before_start.into())
    }),
    ("restarts_total", "counter", "Restarts.", |s, _| numbered(s, s.sequence().restarts.into())),
    ("resyncs_total", "counter", "Restarts with the epoch that it had.", |s, _| {
        numbered(s, s.resyncs().into())
    }),
    ("strangers_total", "counter", "Datagrams of another run that was not believed.", |s, _| {
        numbered(s, s.sequence().strangers.into())
    }),
    (
        "twins_total",
        "counter",
        "Datagrams that showed that another process uses its number.",
        |s, _| numbered(s, s.sequence().twins.into()),
    ),
    ("clock_jumps_total", "counter", "How often its clock was set.", |s, _| {
        numbered(s, s.clock_jumps().0)
    }),
    ("up", "gauge", "1 while it lives, 0 if it is silent or has said goodbye.", |s, now_ms| {
        numbered(s, u64::from(s.life(now_ms) == Life::Living))
    }),
    ("gone", "gauge", "1 if it has said goodbye.", |s, now_ms| {
        numbered(s, u64::from(s.life(now_ms) == Life::Gone))
    }),
    (
        "start_time_seconds",
        "gauge",
        "When it started, since 1970; 0 if it does not say.",
        |s, _| numbered(s, s.info().map_or(0, |info| info.started_ms / 1000)),
    ),
    ("records_total", "counter", "Records received.", |s, _| Some(s.records)),
    ("lines_total", "counter", "Lines of StatsD received, refused ones included.", |s, _| {
        s.lines().map(|lines| lines.lines)
    }),
    ("refused_lines_total", "counter", "Lines of StatsD refused.", |s, _| {
        s.lines().map(LineAccount::refused_total)
    }),
    ("dropped_total", "counter", "Events that the sender gave up.", |s, _| {
        numbered(s, s.dropped())
    }),
    ("failed_total", "counter", "Datagrams that the sender gave up.", |s, _| {
        numbered(s, s.failed())
    }),
];

/// What is only known of senders that number their datagrams: senders of StatsD lines do not.
fn numbered(sender: &Sender, value: u64) -> Option<u64> {
    sender.lines().is_none().then_some(value)
}

/// The number of families.
pub(super) const COUNT: usize = READINGS.len() + 1;

/// Writes what precedes the samples of a family.
pub(super) fn begin(out: &mut dyn Sink, of: usize) {
    let info =
        ("info", "gauge", "Who it is: where it was last heard from, and what it says of itself.");
    let (name, kind, help) =
        READINGS.get(of).map_or(info, |(name, kind, help, _)| (*name, *kind, *help));
    let kind = if kind == "counter" { MetricKind::Counter } else { MetricKind::Gauge };
    family(out, &format!("{PREFIX}{name}"), kind, help);
}

/// Writes the sample of one sender.
pub(super) fn sample(out: &mut dyn Sink, of: usize, id: u64, sender: &Sender, now_ms: u64) {
    let Some((.., read)) = READINGS.get(of) else { return info(out, id, sender) };
    if let Some(value) = read(sender, now_ms) {
        out.number(&format!("sender=\"{id:016x}\""), value as f64, None);
    }
}

/// Writes who a sender is, by the rules for labels.
fn info(out: &mut dyn Sink, id: u64, sender: &Sender) {
    let address = sender.address();
    let lines = sender.lines();
    let number = (sender.number() != id).then(|| format!("{:016x}", sender.number()));
    let said = sender.info();
    let process = said.filter(|info| info.process > 0).map(|info| info.process.to_string());
    let own = [
        ("address", address.as_deref()),
        ("container", lines.and_then(|lines| lines.container.as_deref())),
        ("host", said.map(|info| &*info.host)),
        ("number", number.as_deref()),
        ("process", process.as_deref()),
        ("protocol", lines.map(|_| "statsd")),
        ("program", said.map(|info| &*info.program)),
        ("version", said.map(|info| &*info.version)),
    ];
    let own = own.iter().filter_map(|(key, value)| Some((*key, (*value)?)));
    let free = said.iter().flat_map(|info| info.labels.iter().map(|(k, v)| (&**k, &**v)));
    let mut text = String::new();
    labels(&mut text, Some(id), own.chain(free), 0);
    out.number(&text, 1.0, None);
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
            strangers: 112,
            twins: 113,
            // A position rather than a count.
            epoch: 0,
            first: 0,
            next: 0,
        };
        let sender = Sender::with_account(account);
        let shown: Vec<u64> = READINGS.iter().filter_map(|(.., read)| read(&sender, 0)).collect();
        for n in 101..=113 {
            assert_eq!(shown.iter().filter(|s| **s == n).count(), 1, "{n} in {shown:?}");
        }
    }
}
