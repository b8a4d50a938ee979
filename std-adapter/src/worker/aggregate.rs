//! Aggregation of repeated events, if the client is configured for it: counters are added up, gauges keep the last
//! value, timings go into a histogram.
//!
//! The events become instruments made at run time, one for each name and set of tags, so that their cumulative state is
//! sent: this takes fewer datagrams, and the next one makes up for a lost one. What is given up is each event's own
//! time.
//!
//! Critical events, sets, happenings, distributions and numbers that an instrument cannot hold exactly stay events, and
//! so do those that find no room for an instrument.

use std::collections::HashMap;

use heapless::Vec;
use ringstat_core::record::{Content, Event, EventStrings, Kind, Name, Priority, Resolve, Value};
use ringstat_core::ring::Source;

use crate::config::Aggregation;
use crate::registry::{OwnedCounter, OwnedGauge, OwnedHistogram, Walk};

/// The instruments into which events have been merged so far.
#[derive(Debug, Default)]
pub(crate) struct Aggregate {
    kinds: Aggregation,
    made: HashMap<Key, Registered>,
    /// The number of events merged.
    pub(crate) merged: u64,
}

/// Events whose dynamic tags take more bytes than this, with a byte of length for each string, stay events.
const DYNAMIC: usize = 128;

/// What makes two events the same series: the name, the address of static tags, and the bytes of dynamic tags.
#[derive(PartialEq, Eq, Hash, Debug)]
struct Key {
    kind: u8,
    name: Name,
    tags: (usize, usize),
    dynamic: Vec<u8, DYNAMIC>,
}

#[derive(Debug)]
enum Registered {
    Counter(OwnedCounter),
    Gauge(OwnedGauge),
    Histogram(OwnedHistogram),
}

/// How an event changes its instrument.
enum Change {
    Add(u64),
    Set(f64),
    /// Adds a number of values of the same number of nanoseconds.
    Record(u64, u64),
}

impl Change {
    fn of(event: &Event) -> Option<Self> {
        let Content::Number(value) = event.content() else { return None };
        if event.priority() == Priority::Critical {
            return None;
        }
        let rate = u64::from(event.rate());
        match event.kind() {
            Kind::Counter => integer(value)?.checked_mul(rate).map(Self::Add),
            Kind::Gauge => float(value).map(Self::Set),
            Kind::Timing => nanos(value).map(|nanos| Self::Record(rate, nanos)),
            Kind::Distribution | Kind::Set | Kind::Event => None,
        }
    }
}

fn integer(value: Value) -> Option<u64> {
    match value {
        Value::U64(n) => Some(n),
        Value::I64(n) => u64::try_from(n).ok(),
        Value::F32(_) | Value::F64(_) | Value::Decimal { .. } => None,
    }
}

/// The value as an `f64`, if that is exact.
fn float(value: Value) -> Option<f64> {
    const EXACT: u64 = 1 << 53;
    match value {
        Value::U64(n) => (n <= EXACT).then_some(n as f64),
        Value::I64(n) => (n.unsigned_abs() <= EXACT).then_some(n as f64),
        Value::F32(x) => Some(x.into()),
        Value::F64(x) => Some(x),
        Value::Decimal { mantissa, .. } => {
            (mantissa.unsigned_abs() <= EXACT).then(|| value.as_f64())
        }
    }
}

/// A timing, which is in milliseconds, in nanoseconds.
fn nanos(value: Value) -> Option<u64> {
    let millis = match value {
        Value::Decimal { mantissa, scale } => {
            let mantissa = u64::try_from(mantissa).ok()?;
            return match scale {
                0..=6 => mantissa.checked_mul(10u64.pow(6 - u32::from(scale))),
                _ => 10u64.checked_pow(u32::from(scale) - 6).map(|d| mantissa / d),
            };
        }
        Value::U64(n) => return n.checked_mul(1_000_000),
        Value::I64(n) => return u64::try_from(n).ok()?.checked_mul(1_000_000),
        Value::F32(x) => f64::from(x),
        Value::F64(x) => x,
    };
    // Saturates. A negative number is not a duration.
    (millis >= 0.0).then_some((millis * 1e6) as u64)
}

impl Aggregate {
    /// `None` if no kind is to be merged.
    pub(crate) fn new(kinds: Aggregation) -> Option<Self> {
        (kinds != Aggregation::NONE).then(|| Self { kinds, ..Self::default() })
    }

    fn merges(&self, kind: Kind) -> bool {
        match kind {
            Kind::Counter => self.kinds.counters,
            Kind::Gauge => self.kinds.levels,
            Kind::Timing => self.kinds.timings,
            Kind::Distribution | Kind::Set | Kind::Event => false,
        }
    }

    /// Merges an event into its instrument. Returns `false` if it must stay an event.
    pub(crate) fn take(
        &mut self,
        event: &Event,
        registry: &Walk<'_>,
        names: &impl Resolve,
    ) -> bool {
        if !self.merges(event.kind()) {
            return false;
        }
        let Some(change) = Change::of(event) else { return false };
        let Some(strings) = event.strings(names) else { return false };
        let mut dynamic = Vec::new();
        for text in strings.tags().flat_map(|(k, v)| [k, v]) {
            // As in the slot: each string after its length.
            let fits = dynamic.push(text.len() as u8).is_ok()
                && dynamic.extend_from_slice(text.as_bytes()).is_ok();
            if !fits {
                return false;
            }
        }
        let tags = (event.tags().as_ptr().addr(), event.tags().len());
        let key = Key { kind: event.kind() as u8, name: event.name(), tags, dynamic };
        let made = match self.made.get(&key) {
            Some(made) => made,
            // Keys of one instrument may differ in the address of its tags, so limiting instruments does not limit
            // keys.
            None if self.made.len() >= 2 * registry.limit() => return false,
            None => match make(event, &strings, registry, names) {
                Some(made) => self.made.entry(key).or_insert(made),
                None => return false,
            },
        };
        match (made, change) {
            (Registered::Counter(counter), Change::Add(n)) => counter.add(n),
            (Registered::Gauge(gauge), Change::Set(value)) => _ = gauge.set(value),
            (Registered::Histogram(histogram), Change::Record(times, nanos)) => {
                (0..times).for_each(|_| histogram.record(nanos));
            }
            // The key includes the kind, and the kind determines the change.
            _ => return false,
        }
        drop(strings);
        event.give_back(names);
        self.merged += 1;
        true
    }
}

fn make(
    event: &Event,
    strings: &EventStrings<'_>,
    registry: &Walk<'_>,
    names: &impl Resolve,
) -> Option<Registered> {
    let name = match event.name() {
        Name::Static(name) => name,
        Name::Interned(symbol) => names.resolve(symbol)?,
    };
    let tags: std::vec::Vec<(&str, &str)> =
        event.tags().iter().copied().chain(strings.tags()).collect();
    match event.kind() {
        Kind::Counter => registry.try_counter(name, &tags).map(Registered::Counter),
        Kind::Gauge => registry.try_gauge(name, &tags).map(Registered::Gauge),
        Kind::Timing => registry.try_histogram(name, &tags).map(Registered::Histogram),
        Kind::Distribution | Kind::Set | Kind::Event => None,
    }
}

/// The rings, without the events that are merged when they are drained.
pub(crate) struct Aggregated<'a, 'r, S, N> {
    pub(crate) events: &'a mut S,
    pub(crate) aggregate: Option<&'a mut Aggregate>,
    pub(crate) registry: &'a Walk<'r>,
    pub(crate) names: &'a N,
}

impl<S: Source<Event>, N: Resolve> Source<Event> for Aggregated<'_, '_, S, N> {
    fn drain(&mut self, max: usize, mut f: impl FnMut(Event)) -> usize {
        let Some(aggregate) = &mut self.aggregate else { return self.events.drain(max, f) };
        let mut passed = 0;
        // Bounded, so that a recorder that never stops does not keep this from returning.
        let mut left = self.events.len();
        while passed < max && left > 0 {
            let taken = self.events.drain((max - passed).min(left), |event| {
                if !aggregate.take(&event, self.registry, self.names) {
                    passed += 1;
                    f(event);
                }
            });
            if taken == 0 {
                break;
            }
            left -= taken;
        }
        passed
    }

    fn len(&self) -> usize {
        self.events.len()
    }

    fn capacity(&self) -> usize {
        self.events.capacity()
    }

    fn fill(&self) -> u8 {
        self.events.fill()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use ringstat_core::instrument::Instruments;
    use ringstat_core::record::NoNames;
    use std::time::Duration;

    fn event(kind: Kind, value: Value) -> Event {
        Event::new(kind, "n".into(), value, 0).unwrap()
    }

    #[test]
    fn what_repeats_becomes_one_instrument_for_each_name_and_tags() {
        let registry = Registry::new(std::vec::Vec::new(), 10);
        let walk = registry.walk();
        let mut aggregate = Aggregate::new(Aggregation::ALL).unwrap();
        for i in 0..100u32 {
            let mut count = event(Kind::Counter, 2u8.into());
            count.set_tags(&[("a", "b")]).unwrap();
            count.push_tag("parity", if i % 2 == 0 { "even" } else { "odd" }).unwrap();
            count.set_rate(3);
            assert!(aggregate.take(&count, &walk, &NoNames));
            assert!(aggregate.take(&event(Kind::Gauge, i.into()), &walk, &NoNames));
            let timing = Value::millis(Duration::from_nanos(1_500_000));
            let mut other = Event::new(Kind::Timing, "t".into(), timing, 0).unwrap();
            other.set_rate(2);
            assert!(aggregate.take(&other, &walk, &NoNames));
        }
        assert_eq!((aggregate.merged, walk.len()), (300, 4));
        for parity in ["even", "odd"] {
            assert_eq!(registry.counter("n", &[("parity", parity), ("a", "b")]).total(), 300);
        }
        assert_eq!(registry.histogram("t", &[]).count(), 200);
    }

    #[test]
    fn kinds_that_are_not_asked_for_stay_events() {
        assert!(Aggregate::new(Aggregation::NONE).is_none());
        let registry = Registry::new(std::vec::Vec::new(), 10);
        let walk = registry.walk();
        let each = [
            (Kind::Counter, Aggregation { counters: true, ..Aggregation::NONE }),
            (Kind::Gauge, Aggregation { levels: true, ..Aggregation::NONE }),
            (Kind::Timing, Aggregation { timings: true, ..Aggregation::NONE }),
        ];
        for (asked, kinds) in each {
            let mut aggregate = Aggregate::new(kinds).unwrap();
            for (number, (kind, _)) in each.into_iter().enumerate() {
                let name = ["counter", "level", "timing"][number];
                let event = Event::new(kind, name.into(), 1u8.into(), 0).unwrap();
                assert_eq!(aggregate.take(&event, &walk, &NoNames), kind == asked, "{kind:?}");
            }
        }
    }

    #[test]
    fn what_an_instrument_cannot_hold_stays_an_event() {
        let registry = Registry::new(std::vec::Vec::new(), 1);
        let walk = registry.walk();
        let mut aggregate = Aggregate::new(Aggregation::ALL).unwrap();
        let mut take = |event: &Event| aggregate.take(event, &walk, &NoNames);
        assert!(!take(&event(Kind::Counter, 1.5f64.into())));
        assert!(!take(&event(Kind::Counter, (-1i32).into())));
        assert!(!take(&event(Kind::Gauge, u64::MAX.into())));
        assert!(!take(&event(Kind::Timing, (-1i32).into())));
        assert!(!take(&event(Kind::Set, 1u8.into())));
        let mut critical = event(Kind::Counter, 1u8.into());
        critical.set_priority(Priority::Critical);
        assert!(!take(&critical));
        assert!(take(&event(Kind::Counter, 1u8.into())));
        let beyond = Event::new(Kind::Counter, "another".into(), 1u8.into(), 0).unwrap();
        assert!(!take(&beyond), "no room for its instrument");
        assert_eq!(registry_len(walk), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded_also_for_the_same_tags_in_other_places() {
        let registry = Registry::new(std::vec::Vec::new(), 4);
        let walk = registry.walk();
        let mut aggregate = Aggregate::new(Aggregation::ALL).unwrap();
        let taken = (0..100).filter(|_| {
            let mut count = event(Kind::Counter, 1u8.into());
            count.set_tags(vec![("a", "b")].leak()).unwrap();
            aggregate.take(&count, &walk, &NoNames)
        });
        assert_eq!((taken.count(), walk.len()), (8, 1));
        assert_eq!(aggregate.made.len(), 8);
    }

    fn registry_len(walk: Walk<'_>) -> usize {
        walk.len()
    }

    #[test]
    fn timings_are_nanoseconds_in_the_histogram() {
        for (value, expected) in [
            (Value::millis(Duration::from_nanos(7)), Some(7)),
            (Value::Decimal { mantissa: 15, scale: 1 }, Some(1_500_000)),
            (Value::Decimal { mantissa: 150, scale: 8 }, Some(1)),
            (Value::U64(2), Some(2_000_000)),
            (Value::F64(0.25), Some(250_000)),
            (Value::F64(-1.0), None),
            (Value::I64(-1), None),
            (Value::U64(u64::MAX), None),
        ] {
            assert_eq!(nanos(value), expected, "{value:?}");
        }
    }
}
