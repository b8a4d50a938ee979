//! Datagrams.

use ringstat_core::format::{Header, Prologue};
use ringstat_core::instrument::{Counter, Description, Gauge, Histogram, Instrument, Unit};
use ringstat_core::record::{Event, Kind, NoNames, Priority};
use ringstat_core::wire::Encoder;

/// What a datagram says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    /// An event of that kind, with a tag.
    Event(Kind, u8, u32),
    /// A critical event with this identifier.
    Critical(u64),
    /// What instruments say.
    State(u32),
    /// What the name of the counter among these means.
    About(Unit, &'static str),
}

/// A datagram of a sender.
pub(super) fn datagram(
    sender: u64,
    (epoch, sequence): (u32, u32),
    floor: Option<u64>,
    says: &[Says],
) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = [0; 8000];
    let header = Header { sender, epoch, sequence, ..Header::default() };
    let prologue =
        Prologue { ack_floor: floor, wants_receipt: true, dropped: 3, ..Prologue::default() };
    let mut open = encoder.begin(&mut buf, &header, &prologue).unwrap();
    for says in says {
        match *says {
            Says::Event(kind, tag, value) => {
                let names = ["a", "b.c", "d"];
                let name = names[tag as usize % 3];
                let mut event: Event = Event::new(kind, name.into(), value.into(), 5).unwrap();
                event.push_tag("tag", &tag.to_string()).unwrap();
                open.event(&event, &NoNames).unwrap();
            }
            Says::About(unit, text) => {
                let about = Description::new("total", text).unit(unit);
                assert_eq!(open.instrument(&about, 0).unwrap(), None);
            }
            Says::Critical(id) => {
                let mut event: Event =
                    Event::new(Kind::Counter, "critical".into(), 1u8.into(), 5).unwrap();
                event.set_priority(Priority::Critical);
                open.identified(&event, &NoNames, id - floor.unwrap()).unwrap();
            }
            Says::State(value) => {
                let (counter, gauge) = (Counter::new("total"), Gauge::new("level"));
                let histogram: Histogram = Histogram::new("sizes");
                counter.add(value.into());
                gauge.set_int(value as i32);
                (0..value % 100).for_each(|n| histogram.record(u64::from(n) * 7));
                for instrument in [&counter as &dyn Instrument, &gauge, &histogram] {
                    assert_eq!(open.instrument(instrument, 0).unwrap(), None);
                }
            }
        }
    }
    let length = open.finish(false);
    buf[..length].to_vec()
}
