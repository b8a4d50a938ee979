//! The Prometheus text of a fleet's parts.

use std::fmt::{Display, Write as _};

/// A family of counters, each with its labels.
pub(super) fn counter(out: &mut String, name: &str, help: &str, values: &[(&str, u64)]) {
    family(out, "counter", name, help, values);
}

/// A family of gauges, each with its labels.
pub(super) fn gauge(out: &mut String, name: &str, help: &str, values: &[(&str, f64)]) {
    family(out, "gauge", name, help, values);
}

fn family<V: Display>(out: &mut String, kind: &str, name: &str, help: &str, all: &[(&str, V)]) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in all {
        let _ = match *labels {
            "" => writeln!(out, "{name} {value}"),
            labels => writeln!(out, "{name}{{{labels}}} {value}"),
        };
    }
}
