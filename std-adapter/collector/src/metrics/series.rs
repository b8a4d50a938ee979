//! The series that were sent.
//!
//! Names become `[a-zA-Z_:][a-zA-Z0-9_:]*`, other characters `_`. Suffixes follow Prometheus' conventions: `_total` for
//! counters and events, `_distinct` for sets, `_seconds` for what was measured in time, `_bytes`. Distributions are
//! summaries. Every series has its sender as a label. Where two names become the same, the label `ringstat_name`
//! tells them apart; where a gauge and a distribution would share a name, the distribution's ends in `_summary`.

use std::fmt::Write as _;

use ringstat_core::instrument::Unit;

use super::family;
use crate::intake::Collector;
use crate::series::{Class, Data};
use crate::store::Series;

/// What a series is exposed as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exposed {
    Counter,
    Gauge,
    Summary,
}

pub(super) fn write(out: &mut String, collector: &Collector) {
    let store = collector.store();
    let mut all: Vec<(String, Exposed, &Series)> =
        store.iter().map(|s| (exposed_name(store.name(s), s), exposed(s.class), s)).collect();
    all.sort_unstable_by(|a, b| {
        (&a.0, a.1, a.2.sender)
            .cmp(&(&b.0, b.1, b.2.sender))
            .then_with(|| store.tags(a.2).cmp(store.tags(b.2)))
    });
    for of_name in all.chunk_by(|a, b| a.0 == b.0) {
        for (place, same) in of_name.chunk_by(|a, b| a.1 == b.1).enumerate() {
            let Some((name, kind, first)) = same.first() else { continue };
            let mut name = name.clone();
            let kind = match kind {
                Exposed::Counter => "counter",
                Exposed::Gauge => "gauge",
                Exposed::Summary => "summary",
            };
            if place > 0 {
                let _ = write!(name, "_{kind}");
            }
            let original = store.name(first);
            let ambiguous = same.iter().any(|(_, _, s)| store.name(s) != original);
            let mut help = escape(original, false);
            if same.iter().any(|(_, _, s)| s.scaled) {
                help.push_str(" (sampled, scaled up)");
            }
            family(out, &name, kind, &help);
            for (_, _, series) in same {
                sample(out, collector, &name, series, ambiguous);
            }
        }
    }
}

fn exposed(class: Class) -> Exposed {
    match class {
        Class::Counter | Class::Event => Exposed::Counter,
        Class::Gauge | Class::Set => Exposed::Gauge,
        Class::Timing | Class::Distribution | Class::Histogram => Exposed::Summary,
    }
}

fn exposed_name(name: &str, series: &Series) -> String {
    let mut out = sanitize(name);
    let suffix = match &series.data {
        Data::Counter(_) | Data::Event { .. } => "_total",
        Data::Set(_) => "_distinct",
        Data::Gauge(_) => "",
        Data::Distribution(d) => match d.unit {
            Unit::Nanoseconds | Unit::Microseconds | Unit::Milliseconds | Unit::Seconds => {
                "_seconds"
            }
            Unit::Bytes => "_bytes",
            Unit::Percent => "_percent",
            Unit::None => "",
        },
    };
    if !out.ends_with(suffix) {
        out.push_str(suffix);
    }
    out
}

fn sample(out: &mut String, collector: &Collector, name: &str, series: &Series, ambiguous: bool) {
    let store = collector.store();
    let mut labels = format!("sender=\"{:016x}\"", series.sender);
    if ambiguous {
        let _ = write!(labels, ",ringstat_name=\"{}\"", escape(store.name(series), true));
    }
    let mut used: Vec<String> = vec!["sender".into(), "ringstat_name".into(), "quantile".into()];
    for (key, value) in store.tags(series) {
        let mut label = sanitize(key).replace(':', "_");
        while used.contains(&label) {
            label.push('_');
        }
        let _ = write!(labels, ",{label}=\"{}\"", escape(value, true));
        used.push(label);
    }
    match &series.data {
        Data::Counter(counter) => line(out, name, &labels, counter.value()),
        Data::Gauge(gauge) => line(out, name, &labels, gauge.value()),
        Data::Set(set) => line(out, name, &labels, set.len() as f64),
        Data::Event { count, .. } => line(out, name, &labels, *count as f64),
        Data::Distribution(d) => {
            let scale = match d.unit {
                Unit::Nanoseconds => 1e9,
                Unit::Microseconds => 1e6,
                Unit::Milliseconds => 1e3,
                _ => 1.0,
            };
            const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];
            for (share, value) in SHARES.iter().zip(d.quantiles(SHARES).into_iter().flatten()) {
                line(out, name, &format!("{labels},quantile=\"{share}\""), value / scale);
            }
            line(out, &format!("{name}_sum"), &labels, d.sum() / scale);
            line(out, &format!("{name}_count"), &labels, d.count() as f64);
        }
    }
}

fn line(out: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
}

fn sanitize(name: &str) -> String {
    let mut out: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == ':' { c } else { '_' })
        .collect();
    if out.is_empty() || out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert(0, '_');
    }
    out
}

/// Escapes backslashes and line ends, and in label values quotation marks.
fn escape(text: &str, quoted: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quoted => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out
}
