//! Lines of StatsD on their way to their series.
//!
//! They have no sequence numbers and say nothing of their sender, so a machine or a Unix socket is one sender, and within
//! it each container that says its name (see [`Source::lines_id`]). What such a sender has sent is counted; what the
//! network lost of it cannot be known, and nothing here pretends to.

mod known;
mod refused;

use serde::{Deserialize, Serialize};

use super::records::Tally;
use super::senders::Senders;
use super::{Counts, MemberKey, Sender, Source};
use crate::memory::{Room, heap};
use crate::series::{Class, Data, say};
use crate::statsd::{Check, Event, Kind, Line, LineError, Metric, Sample, identity, lines};
use crate::store::{Cache, Common, Found, Series, Store, Wanted};
use known::{KnownLines, LineKey};
pub(crate) use refused::Examples;

/// What the sign of a gauge's value means in a line of StatsD.
///
/// For Etsy's server, Telegraf and others, `+3` and `-3` change a gauge, and only a value without a sign sets it. For
/// the Datadog agent, the sign is that of the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum GaugeSign {
    /// A change, except for a minus in a line with parts that only DogStatsD has: tags behind `|#`, a container, a time.
    #[default]
    ByLine,
    /// A change, always.
    Change,
    /// The sign of the value, always.
    Value,
}

/// What is known of a sender of StatsD lines.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct LineAccount {
    /// Lines received, those that were refused included.
    pub lines: u64,
    /// Lines refused, by reason in the order of [`LineError::ALL`].
    pub refused: [u64; LineError::ALL.len()],
    /// The container that it says it is.
    pub container: Option<String>,
}

impl LineAccount {
    /// The number of lines refused, for all reasons together.
    #[must_use]
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().sum()
    }

    /// Its memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        heap(size_of::<Self>()) + self.container.as_ref().map_or(0, |name| heap(name.len()))
    }
}

/// Stores lines, and keeps what is used again for the next ones.
#[derive(Debug)]
pub(super) struct LineSink {
    gauges: GaugeSign,
    cache: Cache,
    known: KnownLines,
    examples: Examples,
    /// What is left over of the weights of samples, which are whole numbers.
    left: f64,
}

impl LineSink {
    pub(super) fn new(gauges: GaugeSign) -> Self {
        Self {
            gauges,
            cache: Cache::default(),
            known: KnownLines::default(),
            examples: Examples::default(),
            left: 0.0,
        }
    }

    pub(super) fn examples(&self) -> &Examples {
        &self.examples
    }
}

/// Takes the lines of one datagram.
pub(super) struct Taker<'a> {
    pub(super) common: &'a Common,
    pub(super) sink: &'a mut LineSink,
    pub(super) store: &'a mut Store,
    pub(super) senders: &'a mut Senders,
    pub(super) members: &'a MemberKey,
    pub(super) counts: &'a mut Counts,
    pub(super) from: Option<&'a Source>,
    pub(super) now_ms: u64,
}

/// Lines in a row of one sender.
struct Run<'t, 'b> {
    id: u64,
    container: Option<&'t str>,
    room: Room<'b>,
    /// How much those that add up series may grow, if rules add any up.
    groups_room: Option<Room<'b>>,
    tally: Tally,
    lines: u64,
}

impl<'b> Run<'_, 'b> {
    /// How much a series may grow, which may be one that adds up others.
    fn room(&mut self, of_any: bool) -> &mut Room<'b> {
        match &mut self.groups_room {
            Some(room) if of_any => room,
            _ => &mut self.room,
        }
    }
}

impl<'a> Taker<'a> {
    /// Takes all lines of a datagram.
    pub(super) fn take(mut self, datagram: &[u8]) {
        self.counts.line_datagrams += 1;
        let mut run = None;
        if let Ok(text) = std::str::from_utf8(datagram) {
            lines(text).for_each(|line| self.line(line, &mut run));
        } else {
            // Those that are text are taken all the same.
            for line in datagram.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                match std::str::from_utf8(line) {
                    Ok(text) => lines(text).for_each(|line| self.line(line, &mut run)),
                    Err(_) => {
                        self.counts.lines += 1;
                        self.refuse(LineError::NotUtf8, line);
                    }
                }
            }
        }
        self.end(run);
        self.store.set_lines(self.sink.known.bytes());
    }

    /// Takes a line: in the run of its sender, which is begun if it is not that of the line before.
    #[inline]
    fn line<'t>(&mut self, line: &'t str, run: &mut Option<Run<'t, 'a>>) {
        self.counts.lines += 1;
        let taken = Line::parse(line).and_then(|read| {
            let container = read.container();
            if run.as_ref().is_none_or(|run| run.container != container) {
                self.end(run.take());
                *run = Some(self.begin(container)?);
            }
            let Some(run) = run else { return Ok(()) };
            run.lines += 1;
            let taken = match read {
                Line::Metric(metric) => self.metric(run, &metric),
                Line::Event(event) => self.event(run, &event),
                Line::Check(check) => self.check(run, &check),
            };
            if taken.is_err() {
                run.lines -= 1;
            }
            taken
        });
        if let Err(reason) = taken {
            self.refuse(reason, line.as_bytes());
        }
    }

    /// Begins a run of lines, unless there is no room for their sender.
    fn begin<'t>(&mut self, container: Option<&'t str>) -> Result<Run<'t, 'a>, LineError> {
        let id = self.from.map_or(0, |from| from.lines_id(container));
        let (common, now_ms) = (self.common, self.now_ms);
        let new = || Sender::of_lines(id, container, now_ms);
        let (admitted, displaced) = self.senders.admit(id, new, &common.budget, self.store, now_ms);
        self.counts.displaced_senders += displaced.senders;
        self.counts.displaced_series += displaced.series;
        let sender = admitted.ok_or(LineError::NoSender)?;
        if sender.datagrams == 0
            && let Some(from) = self.from
        {
            common.journal.new_lines(id, &from.host(), container, now_ms);
        }
        let grown = sender.hear_lines(self.from, now_ms);
        if grown != 0 {
            self.senders.grow(grown);
            self.store.set_outside(self.senders.bytes());
        }
        self.sink.cache.clear();
        let room = self.store.room(common, id);
        let groups_room = common.mapping.as_ref().map(|_| self.store.room_of_groups(common));
        Ok(Run { id, container, room, groups_room, tally: Tally::default(), lines: 0 })
    }

    /// Counts what came of a run, and charges its sender.
    fn end(&mut self, run: Option<Run<'_, 'a>>) {
        let Some(Run { id, room, groups_room, mut tally, lines, .. }) = run else { return };
        tally.mapped_away = self.sink.cache.dropped;
        self.store.settle(id, &room);
        if let Some(room) = groups_room {
            self.store.settle_groups(&room);
        }
        self.counts.add(&tally);
        if let Some(sender) = self.senders.get_mut(id) {
            sender.records += tally.read;
            if let Some(account) = sender.lines_mut() {
                account.lines += lines;
            }
        }
    }

    /// Counts a line that is refused.
    #[cold]
    fn refuse(&mut self, reason: LineError, line: &[u8]) {
        self.counts.refused_lines[reason as usize] += 1;
        // Its container is not known, as it could not be read.
        let id = self.from.map_or(0, |from| from.lines_id(None));
        if let Some(account) = self.senders.get_mut(id).and_then(Sender::lines_mut) {
            account.lines += 1;
            account.refused[reason as usize] += 1;
        }
        if let Some(example) = self.sink.examples.note(reason, line, self.from, self.now_ms) {
            let from = self.from.map(Source::to_string);
            tracing::warn!(
                reason = reason.as_str(),
                from,
                line = example.line,
                "a line of StatsD was refused; others of this minute are only counted"
            );
        }
    }

    #[inline]
    fn metric(&mut self, run: &mut Run<'_, 'a>, metric: &Metric<'_>) -> Result<(), LineError> {
        let mut place = None;
        for sample in metric.samples() {
            let class = class_of(sample.kind);
            let dropped = self.sink.cache.dropped;
            let (found, is_dropped) = match place {
                Some((of, found, is_dropped)) if of == class => {
                    self.sink.cache.dropped += u64::from(is_dropped);
                    (found, is_dropped)
                }
                _ => {
                    let found = self.find(run, metric, class)?;
                    (found, self.sink.cache.dropped > dropped)
                }
            };
            place = Some((class, found, is_dropped));
            run.tally.read += 1;
            let Some((series, of_any)) =
                found.and_then(|found| self.store.storing(found, self.now_ms))
            else {
                continue;
            };
            let (scaled, page_key) = (series.scaled, series.page_key());
            let room = run.room(of_any);
            let stored = Apply { sink: self.sink, members: self.members, room, of_any }
                .sample(series, metric, &sample);
            if series.scaled && !scaled {
                self.store.mark_scaled(page_key);
            }
            run.tally.stored += u64::from(stored);
            run.tally.refused_values += u64::from(!stored);
        }
        Ok(())
    }

    /// Finds the series of a line by its text, or takes the text apart.
    #[inline]
    fn find(
        &mut self,
        run: &mut Run<'_, 'a>,
        metric: &Metric<'_>,
        class: Class,
    ) -> Result<Option<Found>, LineError> {
        let Metric { head, tags, .. } = *metric;
        let key = LineKey { sender: run.id, class, head, tags };
        let hash = self.sink.known.hash(&key);
        if let Some(found) = self.sink.known.find(hash, &key)
            && self.store.is_still(found)
        {
            return Ok(Some(found));
        }
        let (name, tags) = identity(head, tags)?;
        let found = self.series(run, name, &tags, class);
        if let Some(found) = found.filter(|found| found.is_own) {
            let (store, known) = (&mut *self.store, &mut self.sink.known);
            let most = store.len();
            known.insert(hash, &key, found, most, |bytes| store.claim(bytes));
            // Charged at once, so that what is claimed next is beside it.
            store.set_lines(known.bytes());
        }
        Ok(found)
    }

    fn series(
        &mut self,
        run: &mut Run<'_, 'a>,
        name: &str,
        tags: &[(&str, &str)],
        class: Class,
    ) -> Option<Found> {
        let (sender, unit) = (run.id, class.unit());
        let name = (0, name);
        let wanted = Wanted { sender, name, tags, class, unit, may_overflow: true };
        self.store.series_of_text(&mut self.sink.cache, &mut run.room, wanted)
    }

    /// Stores an event: a series by its title, which counts and has the last text, as an event of ringstat's own format.
    fn event(&mut self, run: &mut Run<'_, 'a>, event: &Event<'_>) -> Result<(), LineError> {
        run.tally.read += 1;
        let found = self.series(run, event.title, &event.tags(), Class::Event);
        if let Some((series, of_any)) =
            found.and_then(|found| self.store.storing(found, self.now_ms))
            && let Data::Event { count, text } = &mut series.data
        {
            *count = count.saturating_add(1);
            say(text, event.text, run.room(of_any));
            run.tally.stored += 1;
        }
        Ok(())
    }

    /// Stores the state of a service: a gauge from 0, all is well, to 3, unknown.
    fn check(&mut self, run: &mut Run<'_, 'a>, check: &Check<'_>) -> Result<(), LineError> {
        run.tally.read += 1;
        let found = self.series(run, check.name, &check.tags(), Class::Gauge);
        if let Some(series) = found.and_then(|found| self.store.again(found))
            && let Data::Gauge(gauge) = &mut series.data
        {
            series.seen_ms = self.now_ms;
            gauge.set(check.time_s, check.status.into());
            run.tally.stored += 1;
        }
        Ok(())
    }
}

/// What is needed to put a value into its series.
struct Apply<'l, 'r, 'b> {
    sink: &'l mut LineSink,
    members: &'l MemberKey,
    room: &'r mut Room<'b>,
    /// Whether the series adds up those of several senders.
    of_any: bool,
}

impl Apply<'_, '_, '_> {
    /// Puts a value into its series. Returns whether it could.
    #[inline]
    fn sample(self, series: &mut Series, metric: &Metric<'_>, sample: &Sample<'_>) -> bool {
        let Sample { value, rate, text, .. } = *sample;
        series.scaled |= rate < 1.0;
        match &mut series.data {
            Data::Counter(counter) if self.of_any => counter.add_of_any(value * times(rate)),
            Data::Counter(counter) => counter.add(RUN, value * times(rate)),
            Data::Gauge(gauge) => {
                if self.is_change(metric, text) {
                    gauge.change(value);
                } else {
                    gauge.set(metric.time_s, value);
                }
                true
            }
            Data::Distribution(distribution) => {
                let weight = self.sink.weight(rate);
                distribution.add(value, weight, self.room)
            }
            Data::Set(set) => {
                set.add(self.members.hash(text.as_bytes()), self.room);
                series.scaled = !set.is_exact();
                true
            }
            // No line has values of that kind.
            Data::Event { .. } | Data::Passed => false,
        }
    }

    /// Whether the value of a gauge is to be added to the one before.
    fn is_change(&self, metric: &Metric<'_>, text: &str) -> bool {
        match (self.sink.gauges, text.as_bytes().first()) {
            (GaugeSign::Value, _) => false,
            (GaugeSign::Change, sign) => matches!(sign, Some(b'+' | b'-')),
            (GaugeSign::ByLine, sign) => {
                sign == Some(&b'+') || (sign == Some(&b'-') && !metric.is_dogstatsd)
            }
        }
    }
}

impl LineSink {
    /// The number of samples that one of that rate stands for. What is left over of one counts for the next, so that the
    /// sum is right.
    #[inline]
    fn weight(&mut self, rate: f64) -> u32 {
        if rate >= 1.0 {
            return 1;
        }
        let exact = times(rate) + self.left;
        let whole = exact.floor();
        self.left = exact - whole;
        whole as u32
    }
}

/// Lines have no runs: what they count goes on for ever.
const RUN: u32 = 0;

/// How many events one of that rate stands for. Clients that send every third say `@0.3333`, and mean three.
#[inline]
fn times(rate: f64) -> f64 {
    /// So near to a whole number, it is one.
    const NEAR: f64 = 1e-3;
    if rate >= 1.0 {
        return 1.0;
    }
    let exact = rate.recip();
    let whole = exact.round();
    if (exact - whole).abs() < NEAR { whole } else { exact }
}

fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Counter => Class::Counter,
        Kind::Gauge => Class::Gauge,
        Kind::Timing => Class::Timing,
        Kind::Distribution => Class::Distribution,
        Kind::Set => Class::Set,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up() {
        assert_eq!([1.0, 0.1, 0.5, 0.333_333, 0.142_857].map(times), [1.0, 10.0, 2.0, 3.0, 7.0]);
        let mut lines = LineSink::new(GaugeSign::ByLine);
        for (rate, expected) in [(0.1, 10_000), (0.3, 3_333), (0.7, 1_428)] {
            let sum: u32 = (0..1000).map(|_| lines.weight(rate)).sum();
            assert!(sum.abs_diff(expected) <= 1, "{sum} at {rate}");
        }
        assert_eq!(lines.weight(1.0), 1);
    }
}
