//! The Prometheus text format, version 0.0.4.
//!
//! Names become `[a-zA-Z_:][a-zA-Z0-9_:]*`, other characters `_`. Suffixes follow Prometheus' conventions: `_total` for
//! counters and events, `_distinct` for sets, `_seconds` for what was measured in time, `_bytes`. Distributions are
//! summaries. Every series has its sender as a label. Where two names become the same, the label `ringstat_name`
//! tells them apart; where a gauge and a distribution would share a name, the distribution's ends in `_summary`.

use std::fmt::Write as _;

use ringstat_core::instrument::Unit;
use ringstat_core::wire::DecodeError;

use crate::collector::Collector;
use crate::series::{Class, Data};
use crate::store::Series;

/// Everything that `/metrics` answers.
#[must_use]
pub fn metrics(collector: &Collector, kernel_drops: u64, now_ms: u64) -> String {
    let mut out = String::with_capacity(4096 + collector.store().len() * 100);
    own(&mut out, collector, kernel_drops);
    of_senders(&mut out, collector, now_ms);
    of_series(&mut out, collector);
    out
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn own(out: &mut String, collector: &Collector, kernel_drops: u64) {
    let counts = collector.counts();
    let store = collector.store();
    let mut one = |name: &str, kind: &str, help: &str, value: u64| {
        family(out, name, kind, help);
        let _ = writeln!(out, "{name} {value}");
    };
    one("ringstat_collector_datagrams_total", "counter", "Datagrams received.", counts.datagrams);
    one("ringstat_collector_bytes_total", "counter", "Bytes received.", counts.bytes);
    one("ringstat_collector_accepted_total", "counter", "Datagrams taken.", counts.accepted);
    one(
        "ringstat_collector_duplicates_total",
        "counter",
        "Datagrams seen before.",
        counts.duplicates,
    );
    one(
        "ringstat_collector_refused_senders_total",
        "counter",
        "Datagrams of senders without room.",
        counts.refused_senders,
    );
    one("ringstat_collector_records_total", "counter", "Records read.", counts.records);
    one("ringstat_collector_stored_total", "counter", "Records stored.", counts.stored);
    one(
        "ringstat_collector_repeated_total",
        "counter",
        "Critical events that came again, and were not stored twice.",
        counts.repeated,
    );
    one(
        "ringstat_collector_acknowledgements_total",
        "counter",
        "Acknowledgements made.",
        counts.acks,
    );
    one(
        "ringstat_collector_overflowed_total",
        "counter",
        "Records that went to an overflow series.",
        store.overflowed,
    );
    one(
        "ringstat_collector_refused_series_total",
        "counter",
        "Instrument states without room.",
        counts.refused_series,
    );
    one(
        "ringstat_collector_kernel_drops_total",
        "counter",
        "Datagrams that the kernel dropped; a train of segments counts as one.",
        kernel_drops,
    );
    one(
        "ringstat_collector_forgotten_senders_total",
        "counter",
        "Idle senders forgotten.",
        counts.forgotten_senders,
    );
    one(
        "ringstat_collector_forgotten_series_total",
        "counter",
        "Idle series forgotten.",
        counts.forgotten_series,
    );
    one("ringstat_collector_series", "gauge", "Series.", store.len() as u64);
    one(
        "ringstat_collector_series_bytes",
        "gauge",
        "Estimated memory of the series.",
        store.bytes() as u64,
    );
    one("ringstat_collector_senders", "gauge", "Senders.", collector.senders().count() as u64);
    let name = "ringstat_collector_malformed_total";
    family(out, name, "counter", "Datagrams refused, by reason.");
    for (reason, n) in DecodeError::ALL.into_iter().zip(counts.malformed) {
        let _ = writeln!(out, "{name}{{reason=\"{}\"}} {n}", reason.as_str());
    }
}

fn of_senders(out: &mut String, collector: &Collector, now_ms: u64) {
    let mut senders: Vec<_> = collector.senders().collect();
    senders.sort_unstable_by_key(|(id, _)| *id);
    let mut all = |name: &str, kind: &str, help: &str, value: &dyn Fn(&crate::Sender) -> u64| {
        family(out, name, kind, help);
        for (id, sender) in &senders {
            let _ = writeln!(out, "{name}{{sender=\"{id:016x}\"}} {}", value(sender));
        }
    };
    all("ringstat_sender_silent_seconds", "gauge", "Seconds since it was last heard of.", &|s| {
        now_ms.saturating_sub(s.seen_ms) / 1000
    });
    all("ringstat_sender_received_total", "counter", "Datagrams received, each once.", &|s| {
        s.sequence().received
    });
    all("ringstat_sender_lost_total", "counter", "Datagrams lost for good.", &|s| {
        s.sequence().lost
    });
    all("ringstat_sender_outstanding", "gauge", "Datagrams missing that may still come.", &|s| {
        s.sequence().outstanding
    });
    all("ringstat_sender_late_total", "counter", "Datagrams out of order.", &|s| s.sequence().late);
    all("ringstat_sender_duplicates_total", "counter", "Datagrams that came twice.", &|s| {
        s.sequence().duplicate
    });
    all(
        "ringstat_sender_missed_before_start_total",
        "counter",
        "Datagrams from before the collector heard of it.",
        &|s| s.sequence().missed_before_start.into(),
    );
    all("ringstat_sender_restarts_total", "counter", "Restarts.", &|s| {
        s.sequence().restarts.into()
    });
    all("ringstat_sender_records_total", "counter", "Records received.", &|s| s.records);
    all(
        "ringstat_sender_dropped_total",
        "counter",
        "Events that the sender gave up.",
        &crate::Sender::dropped,
    );
    all(
        "ringstat_sender_failed_total",
        "counter",
        "Datagrams that the sender gave up.",
        &crate::Sender::failed,
    );
}

/// What a series is exposed as.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exposed {
    Counter,
    Gauge,
    Summary,
}

fn of_series(out: &mut String, collector: &Collector) {
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
