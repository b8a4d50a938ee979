//! The state of an instrument as a line of JSON, so that a captured datagram can be packed again unchanged.

use ringstat_core::instrument::{Buckets, Details, Instrument, Layout, Mark, Meaning, Unit};
use ringstat_core::record::{STRING_LIMIT, Tag, Value};
use ringstat_core::wire::decode;

use super::line::{Line, LineKind};
use super::names::Names;
use super::refusal::Refusal;
use super::value::Number;

/// The units' names in JSON.
const UNITS: [(Unit, &str); 7] = [
    (Unit::None, "none"),
    (Unit::Nanoseconds, "nanoseconds"),
    (Unit::Microseconds, "microseconds"),
    (Unit::Milliseconds, "milliseconds"),
    (Unit::Seconds, "seconds"),
    (Unit::Bytes, "bytes"),
    (Unit::Percent, "percent"),
];

/// The name of `unit` in JSON.
pub(crate) fn unit_name(unit: Unit) -> &'static str {
    UNITS.iter().find(|(u, _)| *u == unit).map_or("none", |(_, name)| name)
}

/// The state of an instrument, as read from a line.
#[derive(Debug)]
pub(crate) struct State {
    name: &'static str,
    tags: &'static [Tag],
    unit: Unit,
    held: Held,
    mark: Mark,
}

#[derive(Debug)]
enum Held {
    Total(u64),
    Level(Value),
    Buckets { layout: Layout, sum: Value, counts: Vec<u64> },
    Info(Details<String>),
    Description(Meaning<String>),
}

impl State {
    /// The state that `line` describes.
    pub(crate) fn of(line: &Line<'_>, names: &mut Names) -> Result<Self, Refusal> {
        if line.value.is_some()
            || line.timestamp_ns.is_some()
            || line.rate.is_some()
            || line.id.is_some()
        {
            return Err(Refusal::from(
                "an event's field (value, timestamp_ns, rate, id) on a state",
            ));
        }
        let unit = unit_of(line)?;
        let missing = |field| Refusal(format!("no \"{field}\""));
        let held = match line.kind {
            LineKind::Total => Held::Total(line.total.ok_or_else(|| missing("total"))?),
            LineKind::Level => Held::Level(line.level.ok_or_else(|| missing("level"))?.0),
            LineKind::Info => Held::Info(details(line)?),
            LineKind::Description => {
                Held::Description(Meaning { unit, text: text("text", line.text.as_deref())? })
            }
            _ => {
                let layout = Layout {
                    precision: line.precision.ok_or_else(|| missing("precision"))?,
                    min_exponent: line.min_exponent.ok_or_else(|| missing("min_exponent"))?,
                };
                let most = decode::Buckets::PRECISION_LIMIT;
                if !(1..=most).contains(&layout.precision) {
                    return Err(Refusal(format!("precision {}: 1 to {most}", layout.precision)));
                }
                let Number(sum) = line.sum.ok_or_else(|| missing("sum"))?;
                let pairs = line.buckets.as_ref().ok_or_else(|| missing("buckets"))?;
                Held::Buckets { layout, sum, counts: spread(pairs)? }
            }
        };
        let (name, tags) = line.whole_identity(names)?;
        Ok(Self { name, tags, unit, held, mark: Mark::new() })
    }
}

/// The unit that a line names.
fn unit_of(line: &Line<'_>) -> Result<Unit, Refusal> {
    let Some(name) = line.unit.as_deref() else { return Ok(Unit::None) };
    UNITS.iter().find(|(_, known)| *known == name).map(|(unit, _)| *unit).ok_or_else(|| {
        let known: Vec<_> = UNITS.iter().map(|(_, name)| *name).collect();
        Refusal(format!("unknown unit {name:?}: one of {}", known.join(", ")))
    })
}

/// What an `info` line says; what it does not say is not known.
fn details(line: &Line<'_>) -> Result<Details<String>, Refusal> {
    Ok(Details {
        heartbeat_ms: line.heartbeat_ms.unwrap_or_default(),
        started_ms: line.started_ms.unwrap_or_default(),
        process: line.process.unwrap_or_default(),
        host: text("host", line.host.as_deref())?,
        version: text("version", line.version.as_deref())?,
    })
}

/// A text of a state, which is not too long; empty if there is none.
fn text(what: &str, text: Option<&str>) -> Result<String, Refusal> {
    match text {
        Some(long) if long.len() > STRING_LIMIT => {
            Err(Refusal(format!("a {what} of {} bytes: {STRING_LIMIT} is the most", long.len())))
        }
        text => Ok(text.unwrap_or_default().to_owned()),
    }
}

/// Counts by index, from pairs of index and count.
fn spread(pairs: &[(u16, u64)]) -> Result<Vec<u64>, Refusal> {
    let mut counts = Vec::new();
    for (index, count) in pairs {
        let index = usize::from(*index);
        if index < counts.len() || *count == 0 {
            return Err(Refusal::from("buckets are [index,count] with rising indices, no count 0"));
        }
        counts.resize(index, 0);
        counts.push(*count);
    }
    Ok(counts)
}

impl Instrument for State {
    fn name(&self) -> &str {
        self.name
    }

    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.tags.get(index).copied()
    }

    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        Some((self.name, self.tags))
    }

    fn unit(&self) -> Unit {
        self.unit
    }

    fn state(&self) -> ringstat_core::instrument::State<'_> {
        use ringstat_core::instrument::State;
        match &self.held {
            Held::Total(total) => State::Total(*total),
            Held::Level(level) => State::Level(*level),
            Held::Buckets { .. } => State::Buckets(self),
            Held::Info(details) => State::Info(details),
            Held::Description(meaning) => State::Description(meaning),
        }
    }

    fn version(&self) -> u32 {
        1
    }

    fn mark(&self) -> &Mark {
        &self.mark
    }
}

impl Buckets for State {
    fn layout(&self) -> Layout {
        match &self.held {
            Held::Buckets { layout, .. } => *layout,
            _ => Layout { precision: 0, min_exponent: 0 },
        }
    }

    fn sum(&self) -> Value {
        match &self.held {
            Held::Buckets { sum, .. } => *sum,
            _ => Value::U64(0),
        }
    }

    fn bucket_count(&self, index: usize) -> u64 {
        match &self.held {
            Held::Buckets { counts, .. } => counts.get(index).copied().unwrap_or(0),
            _ => 0,
        }
    }

    fn buckets(&self) -> usize {
        match &self.held {
            Held::Buckets { counts, .. } => counts.len(),
            _ => 0,
        }
    }
}
