//! The store: series by sender, name, tags, class and unit, within limits.
//!
//! Names and tag sets are interned, so that a record costs one lookup by small numbers. The [`Cache`] remembers these
//! numbers for a datagram, so that a string is hashed once per datagram and not once per record.
//!
//! Everything is charged when it is kept, to its sender and to the total: [`room`](Store::room) says how much a
//! sender's datagram may still take, and [`settle`](Store::settle) charges what it took.

mod admit;
mod cache;
mod charge;
mod common;
mod cut;
mod descriptions;
mod forget;
mod groups;
mod page_index;
mod series;
mod shares;
mod strings;
mod tags;
mod text;
mod wanted;
mod windows;

use std::collections::BTreeSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::exposition::{Families, labels};
use crate::limits::Hits;
use crate::mapping::Style;
use crate::memory::Numbers;
pub(crate) use cache::Cache;
pub(crate) use common::Common;
use cut::Changes;
pub(crate) use cut::{SeriesRow, ValueRow};
use descriptions::Descriptions;
pub(crate) use forget::Known;
use groups::Dropped;
pub(crate) use groups::Pair;
use page_index::PageIndex;
pub(crate) use page_index::PageKey;
pub use series::Series;
use shares::Shares;
use strings::Strings;
use tags::TagSets;
pub(crate) use text::Found;
pub(crate) use wanted::{TagList, Wanted};

/// All series of a shard.
///
/// ```
/// use ringstat_collector::{Collector, Limits};
/// # use ringstat_core::format::{Header, Prologue};
/// # use ringstat_core::record::{Event, Kind, NoNames};
/// # let mut buf = [0; 512];
/// # let mut encoder = <ringstat_core::wire::Encoder>::new();
/// # let header = Header { sender: 7, epoch: 1, ..Header::default() };
/// # let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
/// # let event: Event = Event::new(Kind::Counter, "cache.miss".into(), 3u8.into(), 0).unwrap();
/// # open.event(&event, &NoNames).unwrap();
/// # let length = open.finish(false);
/// # let datagram = &buf[..length];
///
/// let mut collector = Collector::new(Limits::default());
/// collector.receive(datagram, 0);
/// let store = collector.store();
/// for series in store.iter() {
///     println!("{}", store.name(series));
/// }
/// assert_eq!(store.len(), 1);
/// ```
#[derive(Debug)]
pub struct Store {
    common: Arc<Common>,
    names: Strings,
    tag_sets: TagSets,
    hasher: RandomState,
    index: Numbers,
    /// Those that add up others, by what they have in common.
    group_index: Numbers,
    /// The gauges that are parts, behind the places of what they are parts of.
    gauge_parts: BTreeSet<(u32, u32)>,
    /// Names that rules drop.
    dropped: Dropped,
    descriptions: Descriptions,
    series: Vec<Option<Series>>,
    free: Vec<u32>,
    shares: Shares,
    shown: PageIndex,
    /// The memory of the series' contents, in bytes.
    data_bytes: usize,
    /// Memory kept elsewhere that counts towards the same limit.
    outside: usize,
    /// Memory kept for lines of StatsD, which counts towards it, too.
    lines: usize,
    /// What is claimed of the memory that all shards share: never less than is kept, but while a datagram is stored.
    claimed: usize,
    /// Whether distributions keep a window for their quantiles.
    keeps_windows: bool,
    /// Where the next search for idle series begins.
    swept: usize,
    /// The number of series made so far.
    made: u64,
    /// Records that went to an overflow series.
    pub overflowed: u64,
    /// How often each limit was reached.
    pub hits: Hits,
    changes: Changes,
}

/// The name of the series that take what is beyond a limit.
pub const OVERFLOW: &str = "ringstat.overflow";

impl Store {
    /// The empty store of a shard.
    #[must_use]
    pub(crate) fn new(common: Arc<Common>) -> Self {
        let families = Families::new(common.names.clone());
        let hasher = common.hasher.clone();
        Self {
            common,
            names: Strings::default(),
            tag_sets: TagSets::default(),
            hasher: RandomState::default(),
            index: Numbers::default(),
            group_index: Numbers::default(),
            gauge_parts: BTreeSet::new(),
            dropped: Dropped::default(),
            descriptions: Descriptions::default(),
            // Places are numbered from 1.
            series: vec![None],
            free: Vec::new(),
            shares: Shares::default(),
            shown: PageIndex::new(families, hasher),
            data_bytes: 0,
            outside: 0,
            lines: 0,
            claimed: 0,
            keeps_windows: false,
            swept: 0,
            made: 0,
            overflowed: 0,
            hits: Hits::default(),
            changes: Changes::default(),
        }
    }

    fn at(&mut self, place: u32) -> Option<&mut Series> {
        self.series.get_mut(place as usize)?.as_mut()
    }

    /// The number of series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len() + self.group_index.len()
    }

    /// Whether there are no series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterates over all series, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Series> {
        self.series.iter().flatten()
    }

    /// Iterates over the places from `from` on, some of which are empty, so that a reader can pause in between.
    pub(crate) fn places(&self, from: usize) -> impl Iterator<Item = (usize, &Series)> {
        let rest = self.series.iter().enumerate().skip(from);
        rest.filter_map(|(place, series)| Some((place, series.as_ref()?)))
    }

    /// The series of a family after that position on the page.
    pub(crate) fn of_family(
        &self,
        family: u32,
        behind: Option<PageKey>,
    ) -> impl Iterator<Item = (PageKey, &Series)> {
        let all = self.shown.of_family(family, behind);
        all.filter_map(|(page_key, place)| {
            Some((page_key, self.series.get(place as usize)?.as_ref()?))
        })
    }

    /// Notes that a family has a series with values that were scaled up.
    #[cold]
    pub(crate) fn mark_scaled(&mut self, page_key: PageKey) {
        self.shown.mark_scaled(page_key);
    }

    /// Writes the labels of a series.
    pub(crate) fn labels(&self, series: &Series, out: &mut String) {
        let tags = self.tag_sets.get(series.shown().tags);
        labels(out, series.shown_sender(), tags, series.twin);
    }

    /// The upper bounds of a histogram's buckets, if a rule sets them.
    pub(crate) fn buckets(&self, style: Style) -> Option<&[f64]> {
        self.common.mapping.as_ref()?.buckets(style)
    }

    /// The name that a series is shown under, before it is made one that Prometheus takes.
    pub(crate) fn shown_name(&self, series: &Series) -> &str {
        self.names.get(series.shown().name)
    }

    /// The tags that a series is shown with, sorted by key.
    pub(crate) fn shown_tags(&self, series: &Series) -> impl Iterator<Item = (&str, &str)> {
        self.tag_sets.get(series.shown().tags)
    }

    /// The name of a series, as it was sent.
    #[must_use]
    pub fn name(&self, series: &Series) -> &str {
        self.names.get(series.name)
    }

    /// The tags of a series, as they were sent, sorted by key.
    pub fn tags<'a>(&'a self, series: &Series) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.tag_sets.get(series.tags)
    }
}
