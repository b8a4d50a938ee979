//! What rules make of a series, before it is sent.

use std::time::Duration;

use ringstat_core::instrument::Unit;
use serde::Serialize;

use crate::exposition::{Families, FamilyKey, Names, labels};
use crate::mapping::{GaugeRule, Mapping};
use crate::series::Class;

/// What rules make of a series.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Explained {
    /// The numbers of the rules that apply, from 1 on.
    pub rules: Vec<usize>,
    /// The name of the family in `/metrics`, unless another one has that name already; `None` if the series is dropped.
    pub family: Option<String>,
    /// The labels, but for that of the sender.
    pub labels: String,
    /// Whether each sender has a series of its own, and a label that says which.
    pub of_sender: bool,
    /// Whether the series is added up with others.
    pub added_up: bool,
    /// How gauges become one.
    pub gauges: Option<GaugeRule>,
    /// The upper bounds of a histogram's buckets, if a rule sets them.
    pub buckets: Option<Vec<f64>>,
    /// The seconds after which the series is forgotten, if a rule sets them.
    pub ttl_seconds: Option<u64>,
}

impl Mapping {
    /// What becomes of a series with that name and these tags.
    #[must_use]
    pub fn explain(&self, name: &str, class: Class, tags: &[(&str, &str)]) -> Explained {
        let rules = self.matching(name, class).map(|number| number + 1).collect();
        let mapped = self.apply(name, class, tags.iter().copied());
        let (of_sender, added_up) =
            mapped.group.as_ref().map_or((true, false), |group| (group.of_sender, true));
        let gauges = (added_up && class == Class::Gauge).then_some(mapped.style.gauges);
        let shown = mapped.name.as_deref().unwrap_or(name);
        let unit = mapped.unit.unwrap_or(class.unit());
        let family = (!self.drops(name, class)).then(|| family(shown, class, unit));
        let mut sent: Vec<_> =
            tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        sent.sort_unstable();
        let tags = mapped.group.map(|group| group.tags).or(mapped.tags).unwrap_or(sent);
        let mut text = String::new();
        labels(&mut text, None, tags.iter().map(|(k, v)| (&**k, &**v)), 0);
        Explained {
            rules,
            family,
            labels: text,
            of_sender,
            added_up,
            gauges,
            buckets: self.buckets(mapped.style).map(<[f64]>::to_vec),
            ttl_seconds: self.ttl(mapped.style).as_ref().map(Duration::as_secs),
        }
    }
}

/// The name of a family that is the only one.
fn family(name: &str, class: Class, unit: Unit) -> String {
    let names = std::sync::Arc::<Names>::default();
    Families::new(names.clone()).take(FamilyKey::of(0, class, unit), name);
    names.after(None).map(|family| family.name.to_string()).unwrap_or_default()
}
