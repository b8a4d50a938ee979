//! Lines of StatsD on their way to their series.
//!
//! They have no sequence numbers and say nothing of their sender, so a machine or a Unix socket is one sender, and within
//! it each container that says its name (see [`Source::lines_id`]). What such a sender has sent is counted; what the
//! network lost of it cannot be known, and nothing here pretends to.

mod account;
mod known;
mod refused;
mod sample;

use super::records::Tally;
use super::senders::Senders;
use super::{Counts, MemberKey, Sender, Source};
use crate::memory::Room;
use crate::series::{Class, Data, say};
use crate::statsd::{Check, Event, Kind, Line, LineError, Metric, identity, lines};
use crate::store::{Cache, Common, Found, Store, Wanted};
pub use account::LineAccount;
use known::{KnownLines, LineKey};
pub(crate) use refused::Examples;
use sample::Apply;
pub use sample::GaugeSign;

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

fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Counter => Class::Counter,
        Kind::Gauge => Class::Gauge,
        Kind::Timing => Class::Timing,
        Kind::Distribution => Class::Distribution,
        Kind::Set => Class::Set,
    }
}
