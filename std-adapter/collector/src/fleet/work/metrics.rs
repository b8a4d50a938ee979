//! What `/metrics` of a worker says: its shards, how far it has read them, and what became of what was in them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::samples::Samples;
use super::stand::{Numbers, Stand};
use crate::fleet::metrics::{counter, gauge};
use crate::intake::Counts;
use crate::report::OutputCause;

/// What is counted of a shard, whoever reads it.
struct OfShard {
    labels: String,
    numbers: Numbers,
    counts: Counts,
    malformed: u64,
    /// Datagrams that senders numbered and that did not come, or not yet.
    lost: u64,
    outstanding: u64,
    senders: usize,
    series: usize,
    bytes: usize,
}

/// What a worker knows of the shards that it has, and of what became of their samples.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, Debug)]
#[non_exhaustive]
pub struct WorkReport {
    /// Its shards.
    pub shards: u64,
    /// Messages of their streams that it has not read.
    pub lag_messages: u64,
    /// Messages that the log no longer had.
    pub missing_messages: u64,
    /// Messages that could not be read to their end.
    pub unreadable_messages: u64,
    /// Datagrams in the messages that were read.
    pub datagrams: u64,
    /// Those that were taken.
    pub accepted: u64,
    /// Those that had been seen before.
    pub duplicates: u64,
    /// Those too far behind to tell, or of a run that was over.
    pub too_late: u64,
    /// Those refused for their form, or because their senders had no room.
    pub refused: u64,
    /// Those that senders numbered and that are not in the log.
    pub lost: u64,
    /// Those that may still come.
    pub outstanding: u64,
    /// Records stored.
    pub stored: u64,
    /// Samples that wait for receivers of remote write.
    pub samples_pending: u64,
    /// Samples that they refused, or that were not delivered.
    pub samples_dropped: u64,
}

/// How a worker is doing.
pub(super) fn report(
    stands: &[Arc<Stand>],
    outputs: Option<&(Vec<String>, Arc<Samples>)>,
) -> WorkReport {
    let mut report = WorkReport::default();
    for of in stands.iter().map(|stand| OfShard::of(stand)) {
        report.shards += 1;
        report.lag_messages += of.numbers.pending;
        report.missing_messages += of.numbers.read.missing;
        report.unreadable_messages += of.numbers.read.unreadable;
        report.datagrams += of.numbers.read.datagrams;
        report.accepted += of.counts.accepted;
        report.duplicates += of.counts.duplicates;
        report.too_late += of.counts.too_late + of.counts.old_epoch;
        report.refused += of.malformed + of.counts.refused_senders;
        report.lost += of.lost;
        report.outstanding += of.outstanding;
        report.stored += of.counts.stored;
    }
    for of in outputs.iter().flat_map(|(_, samples)| samples.outbox.standings()) {
        report.samples_pending += of.pending_samples;
        report.samples_dropped += of.counts.dropped();
    }
    report
}

type Reading<T> = (&'static str, &'static str, fn(&OfShard) -> T);

const COUNTERS: [Reading<u64>; 14] = [
    ("messages", "Messages read.", |s| s.numbers.read.messages),
    ("datagrams", "Datagrams in them.", |s| s.numbers.read.datagrams),
    ("unreadable_messages", "Messages that could not be read to their end.", |s| {
        s.numbers.read.unreadable
    }),
    ("missing_messages", "Messages that the log no longer had.", |s| s.numbers.read.missing),
    ("accepted", "Datagrams taken.", |s| s.counts.accepted),
    ("duplicates", "Datagrams seen before.", |s| s.counts.duplicates),
    ("too_late", "Datagrams too far behind to tell whether they were seen before.", |s| {
        s.counts.too_late
    }),
    ("old_epoch", "Datagrams of a run that was over.", |s| s.counts.old_epoch),
    ("malformed", "Datagrams refused for their form.", |s| s.malformed),
    ("refused_senders", "Datagrams of senders without room.", |s| s.counts.refused_senders),
    ("records", "Records read.", |s| s.counts.records),
    ("stored", "Records stored.", |s| s.counts.stored),
    ("repeated", "Critical events that came again, and were not stored twice.", |s| {
        s.counts.repeated
    }),
    ("lost", "Datagrams that senders numbered and that are not in the log.", |s| s.lost),
];

const GAUGES: [Reading<f64>; 11] = [
    ("lag_messages", "Messages that have not been read.", |s| s.numbers.pending as f64),
    ("clock_timestamp_seconds", "The time of the last message that was read.", |s| {
        s.numbers.read.clock_ms as f64 / 1000.0
    }),
    ("position", "The number of the last message that was read.", |s| {
        s.numbers.read.position as f64
    }),
    ("saved_position", "The number of the last message that is in a snapshot.", |s| {
        s.numbers.saved as f64
    }),
    ("snapshots", "Snapshots that this worker has taken of the shard.", |s| {
        s.numbers.snapshots as f64
    }),
    ("snapshot_bytes", "The size of the last one.", |s| s.numbers.snapshot_bytes as f64),
    ("snapshot_duration_seconds", "How long it took to take it.", |s| {
        s.numbers.snapshot_time.as_secs_f64()
    }),
    ("outstanding", "Datagrams that may still come.", |s| s.outstanding as f64),
    ("senders", "Senders.", |s| s.senders as f64),
    ("series", "Series.", |s| s.series as f64),
    ("series_bytes", "Memory of all that is kept.", |s| s.bytes as f64),
];

/// Writes all families.
pub(super) fn write(
    out: &mut String,
    stands: &[Arc<Stand>],
    outputs: Option<&(Vec<String>, Arc<Samples>)>,
) {
    let shards: Vec<OfShard> = stands.iter().map(|stand| OfShard::of(stand)).collect();
    gauge(out, "ringstat_worker_shards", "Shards of this worker.", &[("", shards.len() as f64)]);
    for (name, help, read) in COUNTERS {
        let values: Vec<_> = shards.iter().map(|s| (&*s.labels, read(s))).collect();
        counter(out, &format!("ringstat_worker_{name}_total"), help, &values);
    }
    for (name, help, read) in GAUGES {
        let values: Vec<_> = shards.iter().map(|s| (&*s.labels, read(s))).collect();
        gauge(out, &format!("ringstat_worker_{name}"), help, &values);
    }
    if let Some((names, samples)) = outputs {
        of_outputs(out, names, samples);
    }
}

fn of_outputs(out: &mut String, names: &[String], samples: &Samples) {
    let standings = samples.outbox.standings();
    let each = || names.iter().zip(&standings);
    // Without what would end the label.
    let target = |name: &str| format!("target=\"{}\"", name.replace(['\\', '"', '\n'], "_"));
    let families: [(&str, &str, fn(&crate::outbox::Standing) -> u64); 4] = [
        ("samples_queued", "Samples taken.", |s| s.counts.queued),
        ("samples_sent", "Samples that the target has.", |s| s.counts.sent),
        ("samples_dropped", "Samples that it refused, or that were not delivered.", |s| {
            s.counts.dropped[OutputCause::Refused as usize]
                + s.counts.dropped[OutputCause::QueueFull as usize]
                + s.counts.dropped[OutputCause::Shutdown as usize]
        }),
        ("sample_failures", "Requests that failed, and were tried again.", |s| s.counts.failures),
    ];
    for (name, help, read) in families {
        let labels: Vec<_> = each().map(|(name, of)| (target(name), read(of))).collect();
        let values: Vec<_> = labels.iter().map(|(labels, n)| (&**labels, *n)).collect();
        counter(out, &format!("ringstat_worker_{name}_total"), help, &values);
    }
    let labels: Vec<_> = each().map(|(name, of)| (target(name), of.pending_samples)).collect();
    let values: Vec<_> = labels.iter().map(|(labels, n)| (&**labels, *n as f64)).collect();
    gauge(out, "ringstat_worker_samples_pending", "Samples that wait.", &values);
}

impl OfShard {
    fn of(stand: &Stand) -> Self {
        let mut of = Self {
            labels: format!("shard=\"{}\"", stand.shard),
            numbers: stand.numbers(),
            counts: Counts::default(),
            malformed: 0,
            lost: 0,
            outstanding: 0,
            senders: 0,
            series: 0,
            bytes: 0,
        };
        if let Some(collector) = stand.collector() {
            collector.look(|collector| {
                of.counts = collector.counts().clone();
                of.malformed = of.counts.malformed_total();
                for (_, sender) in collector.senders() {
                    let account = sender.sequence();
                    of.lost += account.lost;
                    of.outstanding += account.outstanding;
                }
                of.senders = collector.sender_count();
                (of.series, of.bytes) = (collector.store().len(), collector.store().bytes());
            });
        }
        of
    }
}
