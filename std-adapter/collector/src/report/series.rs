//! One series, as plain data.

use ringstat_core::instrument::Unit;
use serde::Serialize;

use super::Group;
use crate::series::{Class, Data};
use crate::store::{Series, Store};

/// One series, as plain data.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SeriesReport {
    /// The id of the series' sender, in hexadecimal; empty if it adds up those of several.
    pub sender: String,
    /// Its name, as it is shown.
    pub name: String,
    /// Its tags, as they are shown.
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
        let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
        Self {
            sender: format!("{:016x}", series.sender),
            name: store.shown_name(series).to_owned(),
            tags: store.shown_tags(series).map(own).collect(),
            scaled: series.scaled,
            ..Self::of_data(series.class, series.shown_unit(), &series.data)
        }
    }

    /// The same of one that adds up others.
    pub(super) fn of_group(group: Group) -> Self {
        let Group { sender, scaled, class, unit, data, name, tags, .. } = group;
        let sender = sender.map(|sender| format!("{sender:016x}")).unwrap_or_default();
        Self { sender, name, tags, scaled, ..Self::of_data(class, unit, &data) }
    }

    fn of_data(class: Class, unit: Unit, data: &Data) -> Self {
        let (mut quantiles, mut text) = (None, None);
        let value = match data {
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
            Data::Passed => 0.0,
        };
        Self {
            sender: String::new(),
            name: String::new(),
            tags: Vec::new(),
            class,
            value,
            quantiles,
            text,
            unit: unit_name(unit),
            scaled: false,
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
