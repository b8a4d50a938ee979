//! A run as Prometheus text, for the text-file collector of a node exporter.

use std::fmt::Write as _;

use super::Run;

/// Formats all numbers as one family, `ringstat_perf`, with name and unit as labels, and adds a family that describes
/// the run.
pub(crate) fn exposition(run: &Run) -> String {
    let mut text = String::from(
        "# HELP ringstat_perf Medians of the latest run.\n# TYPE ringstat_perf gauge\n",
    );
    for m in &run.metrics {
        if m.value.is_finite() {
            let (name, unit) = (escape(&m.name), escape(&m.unit));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "ringstat_perf{{name=\"{name}\",unit=\"{unit}\"}} {}", m.value);
        }
    }
    let e = &run.environment;
    let labels = [
        ("kind", &run.kind),
        ("commit", &e.commit),
        ("machine", &e.machine),
        ("kernel", &e.kernel),
        ("cpu", &e.cpu),
        ("governor", &e.governor),
        ("rustc", &e.rustc),
        ("version", &e.version),
    ];
    let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}=\"{}\"", escape(v))).collect();
    let _ = write!(
        text,
        "# HELP ringstat_perf_run_timestamp_seconds When and where it was measured.\n\
         # TYPE ringstat_perf_run_timestamp_seconds gauge\n\
         ringstat_perf_run_timestamp_seconds{{{}}} {}\n",
        labels.join(","),
        run.at
    );
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Environment, Metric};

    #[test]
    fn every_number_is_a_sample_and_labels_are_escaped() {
        let environment = Environment { cpu: "a \"fast\"\\one".into(), ..Environment::default() };
        let metrics =
            vec![Metric::one("record.p99", "ns", 75.5), Metric::new("empty", "ns", Vec::new())];
        let kind = "bench".into();
        let run = Run { id: 1, at: 1_790_000_000, kind, environment, metrics, ..Run::default() };
        let text = exposition(&run);
        let samples: Vec<_> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(samples.len(), 2, "what is not a number is left out: {text}");
        assert_eq!(samples[0], r#"ringstat_perf{name="record.p99",unit="ns"} 75.5"#);
        assert!(samples[1].contains(r#"cpu="a \"fast\"\\one""#), "{text}");
        assert!(samples[1].ends_with(" 1790000000"), "{text}");
    }
}
