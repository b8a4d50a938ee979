//! One series at one moment, as a line.

use ringstat_core::instrument::Unit;
use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::series::Data;
use crate::store::{Series, Store};

/// The quantiles that a line has of a distribution, with their names.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

/// One series at one moment.
pub(super) struct Line<'s> {
    time_ms: u64,
    store: &'s Store,
    series: &'s Series,
}

impl<'s> Line<'s> {
    pub(super) const fn of(time_ms: u64, store: &'s Store, series: &'s Series) -> Self {
        Self { time_ms, store, series }
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { time_ms, store, series } = self;
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("time_ms", time_ms)?;
        line.serialize_entry("sender", &format_args!("{:016x}", series.sender))?;
        line.serialize_entry("class", &series.class)?;
        line.serialize_entry("name", store.name(series))?;
        line.serialize_entry("tags", &Tags(store, series))?;
        match &series.data {
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
        if let Some(unit) = unit(series.unit) {
            line.serialize_entry("unit", unit)?;
        }
        if series.scaled {
            line.serialize_entry("scaled", &true)?;
        }
        line.end()
    }
}

/// The tags of a series, as an array of pairs: a key may come more than once.
struct Tags<'s>(&'s Store, &'s Series);

impl Serialize for Tags<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.tags(self.1))
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
