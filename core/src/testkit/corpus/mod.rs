//! Readings that resemble those of real services: endless, and the same on every machine.

mod tables;

pub use tables::{NAMES, TAG_SETS};

use super::Rng;
use crate::record::{Tag, Value};

/// What kind of number a reading is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CorpusKind {
    /// The increase of a count since the last reading.
    Counter,
    /// A level.
    Gauge,
    /// A duration in milliseconds.
    Timing,
    /// A sample of a distribution.
    Distribution,
}

/// One reading.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct CorpusEvent {
    /// The name, which is one of [`NAMES`].
    pub name: &'static str,
    /// The tag set, which is one of [`TAG_SETS`].
    pub tags: &'static [Tag],
    /// The kind, which is always the same for a name.
    pub kind: CorpusKind,
    /// A whole number, or a decimal with one to three places, depending on the name.
    pub value: Value,
    /// The time in nanoseconds since the Unix epoch, later than that of the previous reading.
    pub time_ns: u64,
}

/// An endless series of readings from a seed: names and tag sets in random order, 30 µs apart on average.
///
/// About half of the names have integer values, the others decimals. The published figures for bytes and nanoseconds
/// per event are measured with this series.
///
/// ```
/// use ringstat_core::testkit::{Corpus, NAMES};
///
/// let readings: Vec<_> = Corpus::new(7).take(6000).collect();
/// assert!(readings.is_sorted_by(|a, b| a.time_ns < b.time_ns));
/// assert!(NAMES.contains(&readings[0].name));
/// ```
#[derive(Clone, Debug)]
pub struct Corpus {
    rng: Rng,
    time_ns: u64,
}

impl Corpus {
    /// Creates the series that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed), time_ns: 1_790_000_000_123_456_789 }
    }

    /// Irregular down to the nanosecond: mostly short gaps with a few long ones, as from independent callers.
    fn gap(&mut self) -> u64 {
        // The product of two even draws: 1 ns to 120 µs, 30 µs on average, half of them below 22
        // µs.
        let reach = self.rng.below(120_000);
        1 + self.rng.below(reach + 1)
    }

    fn value(&mut self, name: &'static str) -> Value {
        match last_word(name) {
            "count" | "total" | "errors" | "hits" => Value::U64(1 + self.rng.below(20)),
            "flight" | "use" | "idle" | "depth" => Value::I64(self.rng.below(500) as i64),
            // Numbers of bytes of every magnitude, from kilobytes to hundreds of megabytes.
            "size" | "used" | "resident" => {
                Value::U64(self.rng.below(1 << 28) >> self.rng.below(16))
            }
            // Most readings are small, a few are large. The division gives the f64 that a program would have parsed
            // from the decimal's text.
            _ => {
                let digits = self.rng.below(500_000) >> self.rng.below(6);
                Value::F64(digits as f64 / [10.0, 100.0, 1000.0][name.len() % 3])
            }
        }
    }
}

impl Iterator for Corpus {
    type Item = CorpusEvent;

    fn next(&mut self) -> Option<CorpusEvent> {
        let name = NAMES[self.rng.below(NAMES.len() as u64) as usize];
        let tags = &TAG_SETS[self.rng.below(TAG_SETS.len() as u64) as usize];
        self.time_ns += self.gap();
        Some(CorpusEvent {
            name,
            tags,
            kind: kind_of(name),
            value: self.value(name),
            time_ns: self.time_ns,
        })
    }
}

/// The last word of a name says what it counts, as is common usage.
fn kind_of(name: &str) -> CorpusKind {
    match last_word(name) {
        "count" | "total" | "errors" | "hits" => CorpusKind::Counter,
        "ms" => CorpusKind::Timing,
        "size" | "ratio" => CorpusKind::Distribution,
        _ => CorpusKind::Gauge,
    }
}

fn last_word(name: &str) -> &str {
    name.rsplit(['.', '_']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec::Vec;

    #[test]
    fn the_tables_are_what_they_say() {
        assert_eq!(BTreeSet::from(NAMES).len(), 50);
        assert_eq!(BTreeSet::from(TAG_SETS).len(), 20);
        let length: usize = NAMES.iter().map(|name| name.len()).sum();
        assert!((20 * 50..22 * 50).contains(&length), "{length}");
    }

    #[test]
    fn the_readings_are_what_they_say() {
        let readings: Vec<_> = Corpus::new(1).take(20_000).collect();
        assert_eq!(readings, Corpus::new(1).take(20_000).collect::<Vec<_>>());
        assert_ne!(readings[0], Corpus::new(2).next().unwrap());
        assert!(readings.is_sorted_by(|a, b| a.time_ns < b.time_ns));
        let span = readings[19_999].time_ns - readings[0].time_ns;
        assert!((28_000..32_000).contains(&(span / 20_000)), "{span}");
        let integers = readings.iter().filter(|r| !matches!(r.value, Value::F64(_))).count();
        assert!((8_000..12_000).contains(&integers), "{integers}");
        assert_eq!(readings.iter().map(|r| r.name).collect::<BTreeSet<_>>().len(), 50);
        assert_eq!(readings.iter().map(|r| r.tags).collect::<BTreeSet<_>>().len(), 20);
    }

    #[test]
    fn decimals_are_those_that_their_text_says() {
        for reading in Corpus::new(3).take(5_000) {
            if let Value::F64(value) = reading.value {
                let text = std::format!("{value:.3}");
                assert_eq!(text.parse(), Ok(value), "{text}");
            }
        }
    }
}
