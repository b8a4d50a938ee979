//! One series at one moment, as a line.

use ringstat_core::instrument::Unit;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::report::Group;
use crate::series::{Class, Data};
use crate::store::{Series, Store};

/// The quantiles of a distribution that a line contains, with their names.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// One series at one moment.
pub(super) struct Line<'s> {
    time_ms: u64,
    /// `None` if it adds up those of several senders.
    sender: Option<u64>,
    name: &'s str,
    tags: Vec<(&'s str, &'s str)>,
    class: Class,
    unit: Unit,
    data: &'s Data,
    scaled: bool,
}

impl<'s> Line<'s> {
    pub(super) fn of(time_ms: u64, store: &'s Store, series: &'s Series) -> Self {
        Self {
            time_ms,
            sender: Some(series.sender),
            name: store.shown_name(series),
            tags: store.shown_tags(series).collect(),
            class: series.class,
            unit: series.shown_unit(),
            data: &series.data,
            scaled: series.scaled,
        }
    }

    /// The same of one that adds up others.
    pub(super) fn of_group(time_ms: u64, group: &'s Group) -> Self {
        let Group { sender, ref name, ref tags, class, unit, ref data, scaled, .. } = *group;
        let tags = tags.iter().map(|(k, v)| (&**k, &**v)).collect();
        Self { time_ms, sender, name, tags, class, unit, data, scaled }
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { time_ms, sender, name, tags, class, unit: of, data, scaled } = self;
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("time_ms", time_ms)?;
        if let Some(sender) = sender {
            line.serialize_entry("sender", &format_args!("{sender:016x}"))?;
        }
        line.serialize_entry("class", class)?;
        line.serialize_entry("name", name)?;
        // Pairs: a key may come more than once.
        line.serialize_entry("tags", tags)?;
        match data {
            Data::Passed => {}
            Data::Counter(counter) => line.serialize_entry("value", &counter.value())?,
            Data::Gauge(gauge) => line.serialize_entry("value", &gauge.value())?,
            Data::Set(set) => line.serialize_entry("value", &set.len())?,
            Data::Event { count, text } => {
                line.serialize_entry("value", count)?;
                if let Some(text) = text {
                    line.serialize_entry("text", text)?;
                }
            }
            Data::Distribution(d) => {
                line.serialize_entry("count", &d.count())?;
                line.serialize_entry("sum", &d.sum())?;
                if let Some(values) = d.quantiles(QUANTILES.map(|(_, share)| share)) {
                    for ((name, _), value) in QUANTILES.iter().zip(values) {
                        line.serialize_entry(name, &value)?;
                    }
                }
            }
        }
        if let Some(unit) = unit(*of) {
            line.serialize_entry("unit", unit)?;
        }
        if *scaled {
            line.serialize_entry("scaled", &true)?;
        }
        line.end()
    }
}

const fn unit(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::None => None,
        Unit::Nanoseconds => Some("nanoseconds"),
        Unit::Microseconds => Some("microseconds"),
        Unit::Milliseconds => Some("milliseconds"),
        Unit::Seconds => Some("seconds"),
        Unit::Bytes => Some("bytes"),
        Unit::Percent => Some("percent"),
    }
}
