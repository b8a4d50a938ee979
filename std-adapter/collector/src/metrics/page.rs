//! The page of `/metrics` as it is written, a slice at a time, so that datagrams need not wait for it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{Distributions, family, own, senders, series};
use crate::exposition::RESERVED;
use crate::intake::Collector;
use crate::report::{Io, IoCounts};
use crate::store::Spot;

/// The approximate length of a slice, in bytes.
const SLICE: usize = 32 << 10;

/// The page of `/metrics`, written a slice at a time.
#[derive(Debug)]
pub(crate) struct Page {
    now_ms: u64,
    io: IoCounts,
    shown: Distributions,
    at: Stage,
    /// The senders that existed when the page was begun.
    ids: Vec<u64>,
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
    Families(Option<String>),
    /// The series of a family after a spot.
    Series(u32, String, Option<Spot>),
    End,
    Nothing,
}

impl Page {
    pub(crate) fn new(now_ms: u64, io: &Io, shown: Distributions) -> Self {
        Self {
            now_ms,
            io: io.now,
            shown,
            at: Stage::Own,
            ids: Vec::new(),
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
    pub(crate) fn write(
        &mut self,
        out: &mut String,
        collector: &Collector,
        time: Duration,
    ) -> bool {
        let (start, begin) = (Instant::now(), out.len());
        while start.elapsed() <= time && out.len() - begin < SLICE {
            let at = std::mem::replace(&mut self.at, Stage::Nothing);
            self.at = match at {
                Stage::Own => {
                    own::write(out, collector, &self.io);
                    self.ids = collector.senders().map(|(id, _)| id).collect();
                    Stage::Senders(0, 0)
                }
                Stage::Senders(of, done) => self.senders(out, collector, of, done),
                Stage::Families(name) => match collector.store().family_after(name.as_deref()) {
                    Some(next) => {
                        series::begin(out, &next, self.shown);
                        Stage::Series(next.number, next.name.to_owned(), None)
                    }
                    None => Stage::End,
                },
                Stage::Series(number, name, behind) => {
                    let length = self.written + out.len() - begin;
                    self.series(out, collector, (number, name, behind), length)
                }
                Stage::End => {
                    let name = format!("{}page_omitted_series", RESERVED[0]);
                    family(out, &name, "gauge", "Series left out, as this page would be too long.");
                    let _ = writeln!(out, "{name} {}", self.omitted);
                    Stage::Nothing
                }
                Stage::Nothing => break,
            };
        }
        self.written += out.len() - begin;
        !matches!(self.at, Stage::Nothing)
    }

    /// Writes the next senders of a family.
    fn senders(&self, out: &mut String, collector: &Collector, of: usize, done: usize) -> Stage {
        const AT_ONCE: usize = 64;
        if of == senders::COUNT {
            return Stage::Families(None);
        }
        if done == 0 {
            senders::begin(out, of);
        }
        let next = &self.ids[done..(done + AT_ONCE).min(self.ids.len())];
        // A sender that was forgotten meanwhile is skipped.
        for (id, sender) in next.iter().filter_map(|id| Some((*id, collector.sender(*id)?))) {
            senders::sample(out, of, id, sender, self.now_ms);
        }
        let done = done + next.len();
        if done < self.ids.len() { Stage::Senders(of, done) } else { Stage::Senders(of + 1, 0) }
    }

    /// Writes the next series of a family; `length` is the length of the page so far.
    fn series(
        &mut self,
        out: &mut String,
        collector: &Collector,
        (number, name, mut behind): (u32, String, Option<Spot>),
        length: usize,
    ) -> Stage {
        const AT_ONCE: usize = 16;
        let store = collector.store();
        if length > collector.limits().page {
            self.omitted = store.len().saturating_sub(self.series) as u64;
            return Stage::End;
        }
        // The family may have disappeared, and another one may have its number.
        if !store.is_family(number, &name) {
            return Stage::Families(Some(name));
        }
        let (mut written, end) = (0, out.len() + SLICE);
        for (spot, series) in store.of_family(number, behind).take(AT_ONCE) {
            series::samples(out, store, &name, series, self.shown, &mut self.labels);
            behind = Some(spot);
            written += 1;
            if out.len() > end {
                self.series += written;
                return Stage::Series(number, name, behind);
            }
        }
        self.series += written;
        if written < AT_ONCE {
            Stage::Families(Some(name))
        } else {
            Stage::Series(number, name, behind)
        }
    }
}
