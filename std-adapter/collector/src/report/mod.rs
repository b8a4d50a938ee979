//! The collector's state as plain data: for JSON, the page, and the command's tables.

mod draft;
mod group;
mod health;
mod io;
mod lines;
mod outputs;
mod sender;
mod series;
mod totals;

use std::collections::BTreeMap;
use std::time::Duration;

use ringstat_core::wire::DecodeError;
use serde::Serialize;

pub(crate) use draft::Draft;
pub(crate) use group::Group;
pub use health::{Health, Status};
pub use io::{DataCounts, DataNow, HttpCounts, Io, IoCounts, Process};
pub use lines::{LinesReport, RefusedLines};
pub(crate) use outputs::RELAY;
pub use outputs::{OutputCause, OutputCounts, OutputReport};
pub use sender::{Own, SenderReport};
pub use series::SeriesReport;
pub(crate) use totals::Totals;

use crate::intake::Shards;
use crate::limits::Limit;

/// The collector's state as plain data. Sizes are in bytes.
///
/// ```
/// use ringstat_collector::{Collector, Io, Limits, Report};
///
/// let collector = Collector::new(Limits::default());
/// let report = Report::of(&collector, &Io::default(), 0, 100);
/// assert!(report.closes && report.senders.is_empty());
/// ```
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The health of the collector; that of each sender is listed with the sender.
    pub health: Health,
    /// The number of senders whose health is degraded or worse.
    pub degraded_senders: usize,
    /// Datagrams received.
    pub datagrams: u64,
    /// Bytes of the datagrams received.
    pub bytes: u64,
    /// Datagrams accepted.
    pub accepted: u64,
    /// Datagrams that had been received before.
    pub duplicates: u64,
    /// Datagrams too far behind to tell whether they had been received before.
    pub too_late: u64,
    /// Datagrams of runs that were over.
    pub old_epoch: u64,
    /// Datagrams of other runs that are kept aside, or were not believed.
    pub strangers: u64,
    /// Datagrams refused as malformed, by reason; reasons that did not occur are left out.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Datagrams of StatsD lines.
    pub line_datagrams: u64,
    /// Lines of StatsD, refused ones included.
    pub lines: u64,
    /// Lines refused, by reason; reasons that did not occur are left out.
    pub refused_lines: BTreeMap<&'static str, RefusedLines>,
    /// Datagrams refused for lack of room for their sender.
    pub refused_senders: u64,
    /// Records read.
    pub records: u64,
    /// Records stored.
    pub stored: u64,
    /// Records that went to an overflow series.
    pub overflowed: u64,
    /// Records that found no room, not even in an overflow series.
    pub refused_series: u64,
    /// Records with a value that is not allowed.
    pub refused_values: u64,
    /// Records of series that a rule of the mapping drops.
    pub mapped_away: u64,
    /// How often each limit was reached; limits that were not reached are left out.
    pub limits: BTreeMap<&'static str, u64>,
    /// Critical events that were repeated and are not stored twice.
    pub repeated: u64,
    /// Acknowledgements sent.
    pub acknowledgements: u64,
    /// Datagrams that the kernel dropped before the collector could read them; segments that were sent together count
    /// as one.
    pub kernel_drops: u64,
    /// Other counts of the sockets.
    pub io: IoCounts,
    /// How the data directory is doing, where there is one.
    pub data: Option<DataNow>,
    /// Where the collector sends what it knows, and how that is going.
    pub outputs: Vec<OutputReport>,
    /// Datagrams lost for good, of all senders that number their datagrams. What the network loses of StatsD lines, nobody
    /// can know.
    pub lost: u64,
    /// Missing datagrams that may still arrive, of the same senders.
    pub outstanding: u64,
    /// Whether every datagram and record is accounted for.
    pub closes: bool,
    /// The number of series.
    pub series_count: usize,
    /// The memory of everything that is kept, in bytes.
    pub series_bytes: usize,
    /// The senders, the most recently heard from first.
    pub senders: Vec<SenderReport>,
    /// As many series as were requested, the most recently heard from first.
    pub series: Vec<SeriesReport>,
}

impl Report {
    /// Looks at everything, with at most `series` series: of one [`Collector`](crate::Collector), or of all shards. Linear
    /// in what there is.
    #[must_use]
    pub fn of<S: Shards + ?Sized>(shards: &S, io: &Io, now_ms: u64, series: usize) -> Self {
        let mut draft = Draft::new(now_ms, series);
        while draft.step(shards, Duration::MAX) {}
        draft.finish(shards, io)
    }

    fn new(
        totals: &Totals,
        io: &Io,
        senders: Vec<SenderReport>,
        series: Vec<SeriesReport>,
    ) -> Self {
        let counts = &totals.counts;
        let malformed = DecodeError::ALL.into_iter().zip(counts.malformed);
        let limits = Limit::ALL.into_iter().map(|l| (l.as_str(), totals.hits.times(l)));
        Self {
            health: Health::of_collector(totals, io),
            degraded_senders: senders.iter().filter(|s| s.health.status > Status::Healthy).count(),
            datagrams: counts.datagrams,
            bytes: counts.bytes,
            accepted: counts.accepted,
            duplicates: counts.duplicates,
            too_late: counts.too_late,
            old_epoch: counts.old_epoch,
            strangers: counts.strangers.saturating_sub(counts.believed),
            malformed: malformed.filter(|(_, n)| *n > 0).map(|(e, n)| (e.as_str(), n)).collect(),
            line_datagrams: counts.line_datagrams,
            lines: counts.lines,
            refused_lines: RefusedLines::all(totals),
            refused_senders: counts.refused_senders,
            records: counts.records,
            stored: counts.stored,
            overflowed: totals.overflowed,
            refused_series: counts.refused_series,
            refused_values: counts.refused_values,
            mapped_away: counts.mapped_away,
            limits: limits.filter(|(_, times)| *times > 0).collect(),
            repeated: counts.repeated,
            acknowledgements: counts.acks,
            kernel_drops: io.now.kernel_drops,
            io: io.now,
            data: io.data,
            outputs: io.outputs.clone(),
            lost: senders.iter().filter_map(|s| s.lost).sum(),
            outstanding: senders.iter().filter_map(|s| s.outstanding).sum(),
            closes: counts.closes(),
            series_count: totals.series,
            series_bytes: totals.bytes,
            senders,
            series,
        }
    }
}
