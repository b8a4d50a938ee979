//! What the collector knows, as plain data: for JSON, the page, and the command's tables.

mod draft;
mod health;
mod io;
mod sender;
mod series;

use std::collections::BTreeMap;
use std::time::Duration;

use ringstat_core::wire::DecodeError;
use serde::Serialize;

pub(crate) use draft::Draft;
pub use health::{Health, Status};
pub use io::{HttpCounts, Io, IoCounts};
pub use sender::{Own, SenderReport};
pub use series::SeriesReport;

use crate::intake::Collector;
use crate::limits::Limit;

/// Everything.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// How the collector is doing; how each sender is, stands with the sender.
    pub health: Health,
    /// How many senders are not healthy.
    pub unwell: usize,
    /// Datagrams received.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams taken.
    pub accepted: u64,
    /// Datagrams seen before.
    pub duplicates: u64,
    /// Datagrams refused as malformed, by reason; only those that happened.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Datagrams refused for want of room for their sender.
    pub refused_senders: u64,
    /// Records read.
    pub records: u64,
    /// Records stored.
    pub stored: u64,
    /// Records that went to an overflow series.
    pub overflowed: u64,
    /// Records that found no room, not even in an overflow series.
    pub refused_series: u64,
    /// Records whose value cannot be one.
    pub refused_values: u64,
    /// How often each limit was reached; only those that were.
    pub limits: BTreeMap<&'static str, u64>,
    /// Critical events that came again and were not stored twice.
    pub repeated: u64,
    /// Acknowledgements sent.
    pub acknowledgements: u64,
    /// Datagrams that the kernel dropped before the collector could read them; a train of segments counts as one.
    pub kernel_drops: u64,
    /// What else the sockets know.
    pub io: IoCounts,
    /// Datagrams lost for good, of all senders.
    pub lost: u64,
    /// Datagrams missing that may still come, of all senders.
    pub outstanding: u64,
    /// Whether every datagram and record is accounted for.
    pub closes: bool,
    /// How many series there are.
    pub series_count: usize,
    /// Memory of all that is kept.
    pub series_bytes: usize,
    /// The senders, the latest heard of first.
    pub senders: Vec<SenderReport>,
    /// Series, the latest heard of first, as many as were asked for.
    pub series: Vec<SeriesReport>,
}

impl Report {
    /// Looks at everything, with at most `series` series. Linear in what there is.
    #[must_use]
    pub fn of(collector: &Collector, io: &Io, now_ms: u64, series: usize) -> Self {
        let mut draft = Draft::new(now_ms, series);
        while draft.step(collector, Duration::MAX) {}
        draft.finish(collector, io)
    }

    fn new(
        collector: &Collector,
        io: &Io,
        senders: Vec<SenderReport>,
        series: Vec<SeriesReport>,
    ) -> Self {
        let (counts, store) = (collector.counts(), collector.store());
        let malformed = DecodeError::ALL.into_iter().zip(counts.malformed);
        let limits = Limit::ALL.into_iter().map(|l| (l.as_str(), store.hits.times(l)));
        Self {
            health: Health::of_collector(collector, io),
            unwell: senders.iter().filter(|s| s.health.status > Status::Healthy).count(),
            datagrams: counts.datagrams,
            bytes: counts.bytes,
            accepted: counts.accepted,
            duplicates: counts.duplicates,
            malformed: malformed.filter(|(_, n)| *n > 0).map(|(e, n)| (e.as_str(), n)).collect(),
            refused_senders: counts.refused_senders,
            records: counts.records,
            stored: counts.stored,
            overflowed: store.overflowed,
            refused_series: counts.refused_series,
            refused_values: counts.refused_values,
            limits: limits.filter(|(_, times)| *times > 0).collect(),
            repeated: counts.repeated,
            acknowledgements: counts.acks,
            kernel_drops: io.now.kernel_drops,
            io: io.now,
            lost: senders.iter().map(|s| s.lost).sum(),
            outstanding: senders.iter().map(|s| s.outstanding).sum(),
            closes: counts.closes(),
            series_count: store.len(),
            series_bytes: store.bytes(),
            senders,
            series,
        }
    }
}
