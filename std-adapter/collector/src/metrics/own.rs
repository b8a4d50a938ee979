//! The collector's own families, each in a line of a table.

use ringstat_core::wire::DecodeError;

use super::{Reading, Sink, counter, gauge};
use crate::exposition::RESERVED;
use crate::intake::Counts;
use crate::limits::Limit;
use crate::report::{DataNow, Io, IoCounts, Totals};
use crate::statsd::LineError;

/// The prefix of every name; the names of counters also end in `_total`.
const PREFIX: &str = RESERVED[0];

const COUNTERS: [Reading<Counts>; 24] = [
    ("datagrams", "Datagrams received.", |c| c.datagrams),
    ("bytes", "Bytes received.", |c| c.bytes),
    ("accepted", "Datagrams taken.", |c| c.accepted),
    ("duplicates", "Datagrams seen before.", |c| c.duplicates),
    ("too_late", "Datagrams too far behind to tell whether they were seen before.", |c| c.too_late),
    ("old_epoch", "Datagrams of a run that was over.", |c| c.old_epoch),
    ("strangers", "Datagrams of another run, kept aside until it was clear what they are.", |c| {
        c.strangers
    }),
    ("believed", "Datagrams that were kept aside and then taken.", |c| c.believed),
    ("line_datagrams", "Datagrams of StatsD lines.", |c| c.line_datagrams),
    ("lines", "Lines of StatsD, refused ones included.", |c| c.lines),
    (
        "statsd_lines",
        "Malformed datagrams that are lines of StatsD, where these are not taken.",
        |c| c.statsd_lines,
    ),
    ("refused_senders", "Datagrams of senders without room.", |c| c.refused_senders),
    ("broken", "Datagrams taken up to a malformed record.", |c| c.broken),
    ("records", "Records read.", |c| c.records),
    ("stored", "Records stored.", |c| c.stored),
    ("repeated", "Critical events that came again, and were not stored twice.", |c| c.repeated),
    ("acknowledgements", "Acknowledgements made.", |c| c.acks),
    ("refused_series", "Records without room, not even in an overflow series.", |c| {
        c.refused_series
    }),
    ("refused_values", "Records whose value cannot be one.", |c| c.refused_values),
    ("mapped_away", "Records that a rule of the mapping drops.", |c| c.mapped_away),
    ("displaced_senders", "Senders that gave their place to newer ones.", |c| c.displaced_senders),
    ("displaced_series", "Series of senders that gave their place to newer ones.", |c| {
        c.displaced_series
    }),
    ("forgotten_senders", "Idle senders forgotten.", |c| c.forgotten_senders),
    ("forgotten_series", "Idle series forgotten.", |c| c.forgotten_series),
];

const IO: [Reading<IoCounts>; 18] = [
    (
        "kernel_drops",
        "Datagrams that the kernel dropped; a train of segments counts as one.",
        |i| i.kernel_drops,
    ),
    ("receive_errors", "Receive calls that failed.", |i| i.receive_errors),
    ("handed_on", "Datagrams handed on to the thread that has their sender.", |i| i.handed_on),
    ("hand_on_drops", "Datagrams that this thread was too late for.", |i| i.hand_on_drops),
    ("http_connections", "HTTP connections taken.", |i| i.http.connections),
    ("http_requests", "HTTP requests answered.", |i| i.http.requests),
    ("http_bodies", "HTTP requests refused because they had a body.", |i| i.http.bodies),
    ("http_refused", "HTTP connections refused because there were too many.", |i| i.http.refused),
    ("http_displaced", "HTTP connections without a request, closed to make room.", |i| {
        i.http.displaced
    }),
    ("http_unread", "HTTP connections closed because the answer was not read.", |i| i.http.unread),
    ("http_no_descriptors", "Times that no descriptor was free for an HTTP connection.", |i| {
        i.http.no_descriptors
    }),
    ("commits", "Commits of what has changed to the data directory.", |i| i.data.commits),
    ("commit_failures", "Commits of what has changed that failed.", |i| i.data.commit_failures),
    ("critical_commits", "Commits of critical events to the data directory.", |i| {
        i.data.critical_commits
    }),
    ("critical_commit_failures", "Commits of critical events that failed.", |i| {
        i.data.critical_failures
    }),
    ("acknowledgements_withheld", "Acknowledgements of what was not on disk, not sent.", |i| {
        i.data.withheld
    }),
    ("slow_commits", "Commits that took so long that the log says so.", |i| i.data.slow),
    ("committed_bytes", "Bytes written to the data directory.", |i| i.data.bytes),
];

/// Of the data directory, in seconds and bytes.
const DATA: [(&str, &str, fn(&DataNow) -> f64); 4] = [
    ("last_commit_timestamp_seconds", "When the data directory was last written.", |d| {
        d.last_unix_ms as f64 / 1000.0
    }),
    ("commit_duration_seconds", "How long the last write of the data directory took.", |d| {
        d.duration.as_secs_f64()
    }),
    (
        "longest_commit_duration_seconds",
        "The longest that a write of the data directory took.",
        |d| d.longest.as_secs_f64(),
    ),
    ("data_file_bytes", "The size of the data directory's file.", |d| d.file_bytes as f64),
];

const GAUGES: [Reading<Totals>; 4] = [
    ("series", "Series that are kept.", |t| t.series as u64),
    ("series_bytes", "Memory of all that is kept, in bytes.", |t| t.bytes as u64),
    ("max_bytes", "The limit of the memory of all that is kept, in bytes.", |t| {
        t.limits.bytes as u64
    }),
    ("senders", "Senders that are known.", |t| t.senders as u64),
];

pub(super) fn write(out: &mut dyn Sink, totals: &Totals, io: &Io) {
    let counts = &totals.counts;
    let counters = COUNTERS.iter().map(|(name, help, read)| (name, help, read(counts)));
    let of_io = IO.iter().map(|(name, help, read)| (name, help, read(&io.now)));
    for (name, help, value) in counters.chain(of_io) {
        let name = format!("{PREFIX}{name}_total");
        counter(out, &name, help);
        out.number("", value as f64, None);
    }
    for (name, help, read) in GAUGES {
        let name = format!("{PREFIX}{name}");
        gauge(out, &name, help);
        out.number("", read(totals) as f64, None);
    }
    let name = format!("{PREFIX}longest_pause_seconds");
    gauge(out, &name, "The longest that a receiving thread waited for a reader.");
    out.number("", io.longest_pause.as_secs_f64(), None);
    for (name, help, read) in DATA.iter().filter(|_| io.data.is_some()) {
        let name = format!("{PREFIX}{name}");
        gauge(out, &name, help);
        out.number("", io.data.as_ref().map_or(0.0, read), None);
    }
    let name = format!("{PREFIX}overflowed_total");
    counter(out, &name, "Records that went to an overflow series.");
    out.number("", totals.overflowed as f64, None);
    let name = format!("{PREFIX}limit_hits_total");
    counter(out, &name, "How often each limit was reached.");
    for limit in Limit::ALL {
        let times = totals.hits.times(limit);
        out.number(&format!("limit=\"{}\"", limit.as_str()), times as f64, None);
    }
    let name = format!("{PREFIX}refused_lines_total");
    counter(out, &name, "Lines of StatsD refused, by reason.");
    for (reason, n) in LineError::ALL.into_iter().zip(counts.refused_lines) {
        out.number(&format!("reason=\"{}\"", reason.as_str()), n as f64, None);
    }
    let name = format!("{PREFIX}malformed_total");
    counter(out, &name, "Datagrams refused, by reason.");
    for (reason, n) in DecodeError::ALL.into_iter().zip(counts.malformed) {
        out.number(&format!("reason=\"{}\"", reason.as_str()), n as f64, None);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Text;
    use super::*;

    /// Gives each number a value of its own, and returns these.
    fn number(value: &mut Value, next: &mut u64) -> Vec<u64> {
        match value {
            Value::Number(_) => {
                *next += 1;
                *value = (*next).into();
                vec![*next]
            }
            Value::Array(all) => all.iter_mut().flat_map(|v| number(v, next)).collect(),
            Value::Object(all) => all.values_mut().flat_map(|v| number(v, next)).collect(),
            _ => panic!("{value} counts nothing"),
        }
    }

    /// A counter that is added but not exposed fails here.
    #[test]
    fn every_counter_is_exposed() {
        let (mut counts, mut io) = (
            serde_json::to_value(Counts::default()).unwrap(),
            serde_json::to_value(IoCounts::default()).unwrap(),
        );
        let mut next = 1_000_000;
        let expected = [number(&mut counts, &mut next), number(&mut io, &mut next)].concat();
        let (counts, now): (Counts, IoCounts) =
            (serde_json::from_value(counts).unwrap(), serde_json::from_value(io).unwrap());
        let mut text = Text::prometheus();
        write(&mut text, &Totals { counts, ..Totals::default() }, &Io { now, ..Io::default() });
        let text = text.into_string();
        let shown: Vec<u64> =
            text.lines().filter_map(|l| l.rsplit_once(' ')?.1.parse().ok()).collect();
        for n in &expected {
            assert_eq!(shown.iter().filter(|s| *s == n).count(), 1, "{n} in {text}");
        }
    }
}
