//! The encoder, and a datagram of lines being filled.

use super::Dialect;
use super::checked::CheckedStrings;
use super::clean::{Place, Rule};
use super::number::Rate;
use super::sent::Sent;
use crate::format::{Format, Header, PAYLOAD_MAX, PAYLOAD_MIN, Packer, Prologue, Refused};
use crate::instrument::{Buckets, Instrument, State};
use crate::record::{Event, Resolve};
use crate::wire::cursor::Writer;

/// Writes StatsD or DogStatsD lines. `S` remembers what was sent of each instrument: [`Fixed`](super::Fixed), or with
/// the feature `alloc` [`Growing`](super::Growing).
///
/// `SLOTS` static names and tag sets are remembered, and `ARENA` bytes of tags are kept in the form in which they are
/// written. Anything beyond that is written just the same, but more slowly. The default takes 10 KiB; `Encoder<_, 16,
/// 256>` takes 0.5 KiB on a 32-bit chip.
///
/// ```
/// use ringstat_core::format::{Format, Header, Packer, Prologue};
/// use ringstat_core::record::{Event, Kind, NoNames};
/// use ringstat_core::text::{Dialect, Encoder, Fixed};
///
/// let mut encoder: Encoder<_, 16, 256> = Encoder::new(Dialect::DogStatsD, Fixed::<4, 4>::new());
/// let mut buf = [0; 512];
/// let mut lines = encoder.begin(&mut buf, &Header::default(), &Prologue::default()).unwrap();
/// let mut event: Event = Event::new(Kind::Timing, "db.query".into(), 12.5.into(), 0).unwrap();
/// event.set_tags(&[("table", "orders")]).unwrap();
/// lines.event(&event, &NoNames).unwrap();
/// let length = lines.finish(false);
/// assert_eq!(&buf[..length], b"db.query:12.5|ms|#table:orders");
/// ```
pub struct Encoder<S, const SLOTS: usize = 256, const ARENA: usize = 4096> {
    dialect: Dialect,
    timestamps: bool,
    checked: CheckedStrings<SLOTS, ARENA>,
    sent: S,
    rate: Rate,
    altered: u64,
}

impl<S: Sent, const SLOTS: usize, const ARENA: usize> Encoder<S, SLOTS, ARENA> {
    /// Creates an encoder that remembers nothing yet.
    #[must_use]
    pub const fn new(dialect: Dialect, sent: S) -> Self {
        Self {
            dialect,
            timestamps: false,
            checked: CheckedStrings::new(),
            sent,
            rate: Rate::new(),
            altered: 0,
        }
    }

    /// Adds the time, in seconds, to DogStatsD lines of counters and gauges (version 1.3 of the protocol, agent 7.40 or
    /// later), unless the clock counts from boot or the record is sampled.
    ///
    /// Off by default, because an agent does not add up lines with a time: of two lines of one series in the same
    /// second only one remains, which is wrong for counters that are recorded as events.
    #[must_use]
    pub const fn timestamps(mut self, on: bool) -> Self {
        self.timestamps = on;
        self
    }
}

impl<S: Sent, const SLOTS: usize, const ARENA: usize> Format for Encoder<S, SLOTS, ARENA> {
    type Datagram<'a>
        = Lines<'a, S, SLOTS, ARENA>
    where
        S: 'a;

    const HEARTBEATS: bool = false;
    const ACKNOWLEDGES: bool = false;
    const NUMBERED: bool = false;

    fn begin<'a>(
        &'a mut self,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Lines<'a, S, SLOTS, ARENA>, Refused> {
        if buf.len() < PAYLOAD_MIN {
            return Err(Refused::Full);
        }
        let limit = buf.len().min(PAYLOAD_MAX);
        let per_second = 1_000_000_000 / prologue.unit.nanos();
        Ok(Lines {
            w: Writer::new(&mut buf[..limit]),
            dialect: self.dialect,
            word: Rule::of(self.dialect, Place::Word),
            value: Rule::of(self.dialect, Place::Value),
            per_second: (!prologue.since_boot).then_some(per_second),
            timestamps: self.timestamps && self.dialect == Dialect::DogStatsD,
            now: prologue.base_time,
            shift: 0,
            sequence: header.sequence,
            records: 0,
            checked: &mut self.checked,
            rate: &mut self.rate,
            sent: &mut self.sent,
            altered: &mut self.altered,
        })
    }

    fn settle(&mut self, sequence: u32, sent: bool) {
        self.sent.settle(sequence, sent);
    }

    fn altered(&self) -> u64 {
        self.altered
    }
}

/// A datagram of lines being filled.
pub struct Lines<'a, S, const SLOTS: usize, const ARENA: usize> {
    pub(super) w: Writer<'a>,
    pub(super) dialect: Dialect,
    pub(super) word: Rule,
    pub(super) value: Rule,
    /// Ticks of the client's clock per second, if it counts from the Unix epoch.
    pub(super) per_second: Option<u64>,
    /// What is to be added to the times of events.
    pub(super) shift: u64,
    /// Whether counters and gauges carry their time.
    pub(super) timestamps: bool,
    pub(super) now: u64,
    sequence: u32,
    records: u16,
    pub(super) checked: &'a mut CheckedStrings<SLOTS, ARENA>,
    pub(super) rate: &'a mut Rate,
    sent: &'a mut S,
    pub(super) altered: &'a mut u64,
}

impl<S: Sent, const SLOTS: usize, const ARENA: usize> Packer for Lines<'_, S, SLOTS, ARENA> {
    #[inline]
    fn records(&self) -> u16 {
        self.records
    }

    fn size(&self) -> usize {
        self.w.position()
    }

    fn shift(&mut self, by: u64) {
        self.shift = by;
    }

    #[inline]
    fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        self.whole(|lines| lines.write_event(event, names))
    }

    fn instrument(
        &mut self,
        number: usize,
        instrument: &dyn Instrument,
        from_bucket: usize,
    ) -> Result<Option<usize>, Refused> {
        match instrument.state() {
            State::Total(total) => self.growth(number, 0, total, |lines, growth| {
                lines.write_counter(instrument, growth)
            })?,
            State::Level(level) => self.whole(|lines| lines.write_gauge(instrument, level))?,
            // Agents know senders by where they are, and lines describe nothing.
            State::Info(_) | State::Description(_) => {}
            State::Buckets(buckets) => {
                return self.buckets(number, instrument, buckets, from_bucket);
            }
        }
        Ok(None)
    }

    fn finish(self, _pad: bool) -> usize {
        self.w.position()
    }
}

impl<S: Sent, const SLOTS: usize, const ARENA: usize> Lines<'_, S, SLOTS, ARENA> {
    /// Runs `write`, after a newline unless the line is the first, and undoes everything if it fails.
    #[inline]
    fn whole(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let (start, altered) = (self.w.position(), *self.altered);
        if self.records == u16::MAX {
            return Err(Refused::Full);
        }
        let newline = if start > 0 { self.w.byte(b'\n') } else { Ok(()) };
        let result = newline.map_err(Refused::from).and_then(|()| write(self));
        match result {
            Ok(()) => self.records += 1,
            Err(_) => {
                self.w.rewind(start);
                *self.altered = altered;
            }
        }
        result
    }

    /// Writes the amount by which a number has grown since it was last sent, if it has.
    fn growth(
        &mut self,
        instrument: usize,
        cell: usize,
        total: u64,
        write: impl FnOnce(&mut Self, u64) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        let growth = total.wrapping_sub(self.sent.get(instrument, cell));
        // A chip without 64-bit atomics may briefly read a total that is too low; the next flush reads it again.
        if growth == 0 || growth > i64::MAX as u64 {
            return Ok(());
        }
        self.whole(|lines| {
            write(lines, growth)?;
            lines.sent.add(instrument, cell, growth, lines.sequence)
        })
    }

    /// Writes a line for each bucket that has grown, from `from` on, as far as there is room.
    fn buckets(
        &mut self,
        number: usize,
        instrument: &dyn Instrument,
        buckets: &dyn Buckets,
        from: usize,
    ) -> Result<Option<usize>, Refused> {
        let empty = self.records;
        for bucket in from..buckets.buckets() {
            let total = buckets.bucket_count(bucket);
            let written = self.growth(number, bucket, total, |lines, growth| {
                let middle = buckets.layout().middle(bucket);
                lines.write_bucket(instrument, middle, growth)
            });
            match written {
                Ok(()) => {}
                Err(Refused::Full) if self.records > empty => return Ok(Some(bucket)),
                Err(refused) => return Err(refused),
            }
        }
        Ok(None)
    }
}
