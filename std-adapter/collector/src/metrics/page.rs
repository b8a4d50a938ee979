//! The page of `/metrics` as it is written, a slice at a time, so that datagrams need not wait for it.
//!
//! All shards make one page: family by family, and within a family shard by shard. A shard is looked at for a few
//! series, and then is free for its datagrams.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Distributions, Sink, gauge, outputs, own, process, senders, series};
use crate::exposition::{Family, Names, RESERVED};
use crate::intake::{Collector, Shards};
use crate::report::{Group, Io, Totals};
use crate::series::Data;
use crate::store::PageKey;

/// The approximate length of a slice, in bytes.
const SLICE: usize = 32 << 10;

/// The page of `/metrics`, written a slice at a time.
#[derive(Debug)]
pub(crate) struct Page {
    now_ms: u64,
    /// `None` if the collector's own families are left out.
    io: Option<Io>,
    shown: Distributions,
    at: Stage,
    /// The senders that existed when the page was begun, with their shards.
    ids: Vec<(usize, u64)>,
    names: Arc<Names>,
    /// Whether rules may add up series.
    mapped: bool,
    /// The number of series when the page was begun, and its largest length in bytes.
    there: usize,
    limit: usize,
    /// The length of the slices before this one, in bytes.
    written: usize,
    series: usize,
    omitted: u64,
    labels: String,
}

/// What comes next.
#[derive(Debug)]
enum Stage {
    Own,
    /// A family that every sender has, and how many senders of it have been written.
    Senders(usize, usize),
    /// The series of the families after this one.
    Families(Option<Arc<str>>),
    /// The series of a family and a shard, behind a page_key.
    Series(Family, usize, Option<PageKey>),
    /// The series of a family that add up others, behind a page_key.
    Groups(Family, Option<PageKey>),
    End,
    Nothing,
}

impl Page {
    pub(crate) fn new(now_ms: u64, io: &Io, shown: Distributions) -> Self {
        Self::with(now_ms, Some(io.clone()), shown)
    }

    /// A page of senders and their series alone: nothing on it depends on the collector that shows it.
    #[cfg(feature = "nats")]
    pub(crate) fn of_senders(now_ms: u64, shown: Distributions) -> Self {
        Self::with(now_ms, None, shown)
    }

    fn with(now_ms: u64, io: Option<Io>, shown: Distributions) -> Self {
        Self {
            now_ms,
            io,
            shown,
            at: Stage::Own,
            ids: Vec::new(),
            names: Arc::default(),
            mapped: false,
            there: 0,
            limit: 0,
            written: 0,
            series: 0,
            omitted: 0,
            labels: String::new(),
        }
    }

    /// How many series were left out because the page would have been too long.
    pub(crate) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Appends the next slice to `out`: as much as can be written in that time. Returns whether more follows.
    pub(crate) fn write<S: Shards + ?Sized>(
        &mut self,
        out: &mut dyn Sink,
        shards: &S,
        time: Duration,
    ) -> bool {
        let start = Instant::now();
        let begin = out.len();
        while start.elapsed() <= time && out.len() - begin < SLICE {
            let at = std::mem::replace(&mut self.at, Stage::Nothing);
            self.at = match at {
                Stage::Own => self.own(out, shards),
                Stage::Senders(of, done) => self.senders(out, shards, of, done),
                Stage::Families(behind) => match self.names.after(behind.as_deref()) {
                    Some(next) => {
                        let is_ambiguous = self.names.is_ambiguous(&next);
                        series::begin(out, &next, is_ambiguous, self.shown);
                        Stage::Series(next, 0, None)
                    }
                    None => Stage::End,
                },
                Stage::Series(of, shard, _) if shard == shards.count() => Stage::Groups(of, None),
                Stage::Series(..) | Stage::Groups(..)
                    if self.written + out.len() - begin > self.limit =>
                {
                    self.omitted = self.there.saturating_sub(self.series) as u64;
                    Stage::End
                }
                // The family may have disappeared, and another one may have its number.
                Stage::Series(of, ..) | Stage::Groups(of, _)
                    if !self.names.is_family(of.number, &of.name) =>
                {
                    Stage::Families(Some(of.name))
                }
                Stage::Series(of, shard, behind) => {
                    match shards.look(shard, |c| self.series(out, c, &of, behind)) {
                        None => Stage::Series(of, shard + 1, None),
                        behind => Stage::Series(of, shard, behind),
                    }
                }
                Stage::Groups(of, behind) if self.mapped => {
                    match self.groups(out, shards, &of, behind) {
                        None => Stage::Families(Some(of.name)),
                        behind => Stage::Groups(of, behind),
                    }
                }
                Stage::Groups(of, _) => Stage::Families(Some(of.name)),
                Stage::End if self.io.is_none() => Stage::Nothing,
                Stage::End => {
                    let name = format!("{}page_omitted_series", RESERVED[0]);
                    gauge(out, &name, "Series left out, as this page would be too long.");
                    out.number("", self.omitted as f64, None);
                    Stage::Nothing
                }
                Stage::Nothing => break,
            };
        }
        self.written += out.len() - begin;
        !matches!(self.at, Stage::Nothing)
    }

    /// The collector's own families.
    fn own<S: Shards + ?Sized>(&mut self, out: &mut dyn Sink, shards: &S) -> Stage {
        let totals = Totals::of(shards);
        if let Some(io) = &self.io {
            own::write(out, &totals, io);
            outputs::write(out, &io.outputs);
            if let Some(of) = &io.process {
                process::write(out, of);
            }
        }
        (self.there, self.limit) = (totals.series, totals.limits.page);
        for shard in 0..shards.count() {
            shards.look(shard, |collector| {
                self.names = collector.names().clone();
                self.mapped = collector.is_mapped();
                self.ids.extend(collector.senders().map(|(id, _)| (shard, id)));
            });
        }
        Stage::Senders(0, 0)
    }

    /// Writes the next senders of a family.
    fn senders<S: Shards + ?Sized>(
        &self,
        out: &mut dyn Sink,
        shards: &S,
        of: usize,
        done: usize,
    ) -> Stage {
        const AT_ONCE: usize = 64;
        if of == senders::COUNT {
            return Stage::Families(None);
        }
        if done == 0 {
            senders::begin(out, of);
        }
        let rest = &self.ids[done..];
        let Some((shard, _)) = rest.first() else { return Stage::Senders(of + 1, 0) };
        let next = rest.iter().take(AT_ONCE).take_while(|(s, _)| s == shard);
        let written = shards.look(*shard, |collector| {
            let each = next.map(|(_, id)| {
                // A sender that was forgotten meanwhile is skipped.
                if let Some(sender) = collector.sender(*id) {
                    senders::sample(out, of, *id, sender, self.now_ms);
                }
            });
            each.count()
        });
        Stage::Senders(of, done + written)
    }

    /// The next series of a family that add up others. Returns the last one's page_key, if there may be more.
    fn groups<S: Shards + ?Sized>(
        &mut self,
        out: &mut dyn Sink,
        shards: &S,
        of: &Family,
        behind: Option<PageKey>,
    ) -> Option<PageKey> {
        let (groups, last) = Group::next(shards, of.number, behind, self.now_ms);
        for group in groups {
            let Group { labels, data, unit, bounds, .. } = group;
            series::samples(out, &labels, &data, (unit, bounds.as_deref()), self.shown, None);
            self.series += 1;
        }
        last
    }

    /// The next series of a family. Returns the last one's page_key, if there may be more in this shard.
    fn series(
        &mut self,
        out: &mut dyn Sink,
        collector: &Collector,
        of: &Family,
        behind: Option<PageKey>,
    ) -> Option<PageKey> {
        const AT_ONCE: usize = 16;
        let store = collector.store();
        let is_over = |id| collector.sender(id).is_some_and(|s| s.gauges_are_over(self.now_ms));
        let (mut written, mut last, end) = (0, None, out.len() + SLICE);
        for (page_key, series) in store.of_family(of.number, behind).take(AT_ONCE) {
            if matches!(series.data, Data::Gauge(_)) && is_over(series.sender) {
                (last, written) = (Some(page_key), written + 1);
                continue;
            }
            self.labels.clear();
            store.labels(series, &mut self.labels);
            let how = (series.shown_unit(), store.buckets(series.style()));
            let sender = collector.sender(series.sender);
            let since = sender.and_then(|sender| sender.counts_since(&series.data));
            series::samples(out, &self.labels, &series.data, how, self.shown, since);
            last = Some(page_key);
            written += 1;
            if out.len() > end {
                break;
            }
        }
        self.series += written;
        last.filter(|_| written == AT_ONCE || out.len() > end)
    }
}
