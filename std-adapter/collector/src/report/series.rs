//! One series, as plain data.

use ringstat_core::instrument::Unit;
use serde::Serialize;

use crate::series::{Class, Data};
use crate::store::{Series, Store};

/// One series, as plain data.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SeriesReport {
    /// The id of the series' sender, in hexadecimal.
    pub sender: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Its class.
    pub class: Class,
    /// The total, the latest value, or the number of samples, members or happenings.
    pub value: f64,
    /// For a distribution, the median and the 99th percentile, in its unit.
    pub quantiles: Option<[f64; 2]>,
    /// For an event, its last text.
    pub text: Option<String>,
    /// The unit, if it has one.
    pub unit: &'static str,
    /// Whether the value is not exact: sampled records were scaled up, or the members of a set are estimated.
    pub scaled: bool,
}

impl SeriesReport {
    pub(super) fn of(store: &Store, series: &Series) -> Self {
        let (mut quantiles, mut text) = (None, None);
        let value = match &series.data {
            Data::Counter(counter) => counter.value(),
            Data::Gauge(gauge) => gauge.value(),
            Data::Distribution(d) => {
                quantiles = d.quantiles([0.5, 0.99]);
                d.count() as f64
            }
            Data::Set(set) => set.len() as f64,
            Data::Event { count, text: said } => {
                text = said.as_deref().map(str::to_owned);
                *count as f64
            }
        };
        Self {
            sender: format!("{:016x}", series.sender),
            name: store.name(series).to_owned(),
            tags: store.tags(series).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            class: series.class,
            value,
            quantiles,
            text,
            unit: unit_name(series.unit),
            scaled: series.scaled,
        }
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Nanoseconds => "ns",
        Unit::Microseconds => "µs",
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
        Unit::Bytes => "B",
        Unit::Percent => "%",
    }
}
