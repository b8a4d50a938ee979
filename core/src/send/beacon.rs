//! The smallest sender: sends the state of all instruments, again and again, and nothing else.

use crate::format::{Header, PAYLOAD_ETHERNET, Prologue, Refused, TimeUnit};
use crate::instrument::Instrument;
use crate::send::Identity;
use crate::wire::encode::Datagram;
use crate::wire::table::lean::Bare;

/// Goes through the instruments again and again, and packs them one datagram at a time.
///
/// This is for parts that count and measure but record no events: there is no ring, no store, and no acknowledgement to
/// wait for. An instrument sends its total or latest value, so the next datagram makes up for a lost one; nothing can be
/// given up, and nothing needs an account.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::instrument::{Counter, Instrument};
/// use ringstat_core::send::{Beacon, Identity};
///
/// static FRAMES: Counter = Counter::new("radio.frames");
/// static INSTRUMENTS: [&dyn Instrument; 1] = [&FRAMES];
///
/// let mut beacon = Beacon::new(Identity { sender: 7, epoch: 1 }, TimeUnit::Micros);
/// let mut buf = [0; 256];
/// // Now and then:
/// while let Some(packed) = beacon.pack(1_000_000, &INSTRUMENTS, &mut buf) {
///     // send(&buf[..packed.len]);
///     if packed.last {
///         break;
///     }
/// }
/// ```
pub struct Beacon {
    // Not an `Identity`, whose padding would be memory of the chip.
    sender: u64,
    epoch: u32,
    unit: TimeUnit,
    sequence: u32,
    /// The first instrument of the next datagram.
    next: usize,
}

/// A datagram that a [`Beacon`] has packed into the caller's buffer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BeaconDatagram {
    /// The number of bytes of the buffer that the datagram takes.
    pub len: usize,
    /// Whether all instruments have been packed; the next datagram begins with the first one again.
    pub last: bool,
}

impl Beacon {
    /// Creates a beacon at its first instrument. Its clock counts in `unit` since the start of the part.
    #[must_use]
    pub const fn new(identity: Identity, unit: TimeUnit) -> Self {
        let Identity { sender, epoch } = identity;
        Self { sender, epoch, unit, sequence: 0, next: 0 }
    }

    /// Packs as many instruments as fit, from where the last datagram ended. No more than 1472 bytes of the buffer are
    /// used. If there are no instruments, the datagram is only a sign of life.
    ///
    /// Instruments that cannot be sent are skipped: histograms, instruments whose name was made at run time, is empty
    /// or longer than 255 bytes, and those too large for a datagram of this size. Returns `None` if the buffer has
    /// fewer than [`PAYLOAD_MIN`](crate::format::PAYLOAD_MIN) bytes.
    pub fn pack(
        &mut self,
        now: u64,
        instruments: &[&dyn Instrument],
        buf: &mut [u8],
    ) -> Option<BeaconDatagram> {
        let Self { sender, epoch, sequence, .. } = *self;
        let header = Header { sender, epoch, sequence, ..Header::default() };
        let prologue =
            Prologue { since_boot: true, unit: self.unit, base_time: now, ..Prologue::default() };
        let room = buf.len().min(PAYLOAD_ETHERNET);
        let mut table = Bare;
        let mut datagram =
            Datagram::open(&mut table, buf.get_mut(..room)?, &header, &prologue).ok()?;
        let mut rest = instruments.iter().enumerate().skip(self.next);
        let full = rest.find(|(_, instrument)| {
            let said = datagram.instrument(**instrument, 0);
            // An empty datagram could not have more room.
            said == Err(Refused::Full) && datagram.records() > 0
        });
        self.next = full.map_or(0, |(index, _)| index);
        self.sequence = self.sequence.wrapping_add(1);
        Some(BeaconDatagram { len: datagram.finish(false), last: full.is_none() })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::instrument::{Counter, Gauge, Histogram, Info};
    use crate::record::Value;
    use crate::wire::Decoder;
    use crate::wire::decode::Body;
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn beacon() -> Beacon {
        Beacon::new(Identity { sender: 7, epoch: 3 }, TimeUnit::Micros)
    }

    /// One round: the names, totals and levels that were sent.
    fn round(beacon: &mut Beacon, all: &[&dyn Instrument], room: usize) -> Vec<(String, Value)> {
        let mut decoder: Box<Decoder> = Box::default();
        let mut said = Vec::new();
        let mut buf = [0; 512];
        for expected in beacon.sequence.. {
            let packed = beacon.pack(5, all, &mut buf[..room]).unwrap();
            let mut datagram = decoder.open(&buf[..packed.len]).unwrap();
            assert_eq!(datagram.header().sequence, expected);
            while let Some(record) = datagram.next() {
                let record = record.unwrap();
                let value = match record.body {
                    Body::Total(total) => Value::U64(total),
                    Body::Level(level) => level,
                    Body::Info(info) => Value::U64(info.heartbeat_ms),
                    Body::Buckets(_) | Body::Event(_) | Body::Description(_) => {
                        panic!("only counters and gauges")
                    }
                };
                said.push((record.name.text.into(), value));
            }
            if packed.last {
                break;
            }
        }
        said
    }

    #[test]
    fn every_instrument_is_said_each_round() {
        let (info, frames, level) =
            (Info::new("sensor"), Counter::new("frames"), Gauge::new("level"));
        let micros: Histogram<64> = Histogram::new("micros");
        // The smallest sender has no room for it.
        let all: [&dyn Instrument; 4] = [&info, &frames, &micros, &level];
        let mut beacon = beacon();
        for n in 1..4u64 {
            frames.add(2);
            level.set_int(-5);
            micros.record(7);
            let said = round(&mut beacon, &all, 512);
            let expected = [
                ("sensor", Value::U64(1000)),
                ("frames", Value::U64(2 * n)),
                ("level", Value::I64(-5)),
            ];
            assert!(
                said.iter().map(|(name, value)| (name.as_str(), *value)).eq(expected),
                "{said:?}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_one_datagram_goes_on_in_the_next() {
        const NAMES: [&str; 3] = ["a.name.of.some.length", "another.name.of.some.length", "third"];
        let counters: Vec<Counter> = (0..30)
            .map(|n| Counter::new(NAMES[n % 3]).tags(&[("tag", "of some length")]))
            .collect();
        let all: Vec<&dyn Instrument> = counters.iter().map(|c| c as &dyn Instrument).collect();
        assert_eq!(round(&mut beacon(), &all, 128).len(), 30);
    }

    #[test]
    fn what_can_never_be_said_is_passed_over() {
        let (nameless, good) = (Counter::new(""), Counter::new("good"));
        let long = Counter::new(Box::leak("x".repeat(200).into_boxed_str()));
        let said = round(&mut beacon(), &[&nameless, &long, &good], 128);
        assert_eq!(said, [("good".into(), Value::U64(0))]);
        assert!(round(&mut beacon(), &[], 128).is_empty());
        assert_eq!(beacon().pack(0, &[], &mut [0; 63]), None);
    }
}
