//! Runs as Prometheus text: a gauge for each kind of unit, in Prometheus' base units.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Run;

/// A family of metrics: its name, its help, and by what a number is multiplied.
type Family = (&'static str, &'static str, f64);

/// Returns the family to which numbers of a unit belong.
fn family(unit: &str) -> Family {
    match unit {
        "ns" => ("ringstat_perf_seconds", "Times.", 1e-9),
        "B" => ("ringstat_perf_bytes", "Sizes.", 1.0),
        "/s" => ("ringstat_perf_per_second", "Rates.", 1.0),
        "%" => ("ringstat_perf_ratio", "Shares, from 0 to 1.", 0.01),
        _ => ("ringstat_perf_number", "Counts, of what the label `unit` says.", 1.0),
    }
}

/// Formats the medians of all numbers, and a family that describes the runs.
pub(crate) fn exposition(runs: &[Run]) -> String {
    let mut families: BTreeMap<&str, (&str, String)> = BTreeMap::new();
    for m in runs.iter().flat_map(|r| &r.metrics).filter(|m| m.value.is_finite()) {
        let (family, help, by) = family(&m.unit);
        let lines = &mut families.entry(family).or_insert((help, String::new())).1;
        let name = escape(&m.name);
        let unit = if family.ends_with("_number") {
            format!(",unit=\"{}\"", escape(&m.unit))
        } else {
            String::new()
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{family}{{name=\"{name}\"{unit}}} {}", m.value * by);
    }
    let mut text = String::new();
    for (family, (help, lines)) in families {
        let _ = write!(text, "# HELP {family} {help}\n# TYPE {family} gauge\n{lines}");
    }
    text += "# HELP ringstat_perf_run_timestamp_seconds When and where it was measured.\n\
             # TYPE ringstat_perf_run_timestamp_seconds gauge\n";
    for run in runs {
        let e = &run.environment;
        let labels = [
            ("kind", &run.kind),
            ("commit", &e.commit),
            ("branch", &e.branch),
            ("machine", &e.machine),
            ("kernel", &e.kernel),
            ("cpu", &e.cpu),
            ("governor", &e.governor),
            ("rustc", &e.rustc),
            ("version", &e.version),
        ];
        let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
        let labels = labels.join(",");
        let _ = writeln!(text, "ringstat_perf_run_timestamp_seconds{{{labels}}} {}", run.at);
    }
    text
}

/// Escapes the value of a label.
pub(crate) fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Environment, Metric};

    #[test]
    fn every_number_is_in_the_family_of_its_unit_and_labels_are_escaped() {
        let environment = Environment { cpu: "a \"fast\"\\one".into(), ..Environment::default() };
        let metrics = vec![
            Metric::one("record.p99", "ns", 75.5),
            Metric::one("load.high.drop_rate", "%", 2.0),
            Metric::one("profile.x.calls.futex", "calls", 7.0),
            Metric::new("empty", "ns", Vec::new()),
        ];
        let kind = "bench".into();
        let run = Run { id: 1, at: 1_790_000_000, kind, environment, metrics, ..Run::default() };
        let text = exposition(&[run]);
        let samples: Vec<_> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(samples.len(), 4, "what is not a number is left out: {text}");
        let expected = [
            r#"ringstat_perf_number{name="profile.x.calls.futex",unit="calls"} 7"#,
            r#"ringstat_perf_ratio{name="load.high.drop_rate"} 0.02"#,
        ];
        assert_eq!(samples[..2], expected);
        assert!(samples[2].starts_with(r#"ringstat_perf_seconds{name="record.p99"} 0.0000000755"#));
        assert!(samples[3].contains(r#"cpu="a \"fast\"\\one""#), "{text}");
        assert!(samples[3].ends_with(" 1790000000"), "{text}");
        assert_eq!(text.matches("# TYPE").count(), 4);
    }
}
