//! Reads the page of `/metrics` back, line by line.
//!
//! By construction, what is pushed is what a scrape would find at the same moment: names, labels and what is shown at all
//! are decided in one place. Prometheus' agents do the same when they scrape themselves.

use std::borrow::Cow;

use super::proto::MetricType;
use crate::exposition::{read_labels, unescaped};
use crate::metrics::unit_of;

/// The family to which the lines after its head belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) help: String,
    pub(super) kind: MetricType,
}

impl Default for Head {
    fn default() -> Self {
        Self { name: String::new(), help: String::new(), kind: MetricType::Unspecified }
    }
}

impl Head {
    /// The unit, which the name of a family ends with if it has one.
    pub(super) fn unit(&self) -> &'static str {
        unit_of(self.name.strip_suffix("_total").unwrap_or(&self.name))
    }

    /// Takes a line that begins with `#`.
    pub(super) fn read(&mut self, line: &str) {
        let mut words = line.splitn(4, ' ').skip(1);
        let (Some(what), Some(name)) = (words.next(), words.next()) else { return };
        let rest = words.next().unwrap_or_default();
        match what {
            "HELP" => {
                let help = unescaped(rest).into_owned();
                *self = Self { name: name.to_owned(), help, kind: MetricType::Unspecified };
            }
            "TYPE" => {
                self.kind = match rest {
                    "counter" => MetricType::Counter,
                    "gauge" => MetricType::Gauge,
                    "histogram" => MetricType::Histogram,
                    "summary" => MetricType::Summary,
                    _ => MetricType::Unspecified,
                };
            }
            _ => {}
        }
    }
}

/// A sample, as its line has it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) labels: Vec<(&'a str, Cow<'a, str>)>,
    pub(super) value: f64,
}

impl<'a> Line<'a> {
    /// Reads a line that does not begin with `#`.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let (name, mut rest) = line.split_at(line.find(['{', ' '])?);
        let mut labels = Vec::new();
        if let Some(inside) = rest.strip_prefix('{') {
            let mut all = read_labels(inside);
            labels.extend(&mut all);
            rest = all.rest().strip_prefix('}')?;
        }
        Some(Self { name, labels, value: rest.trim_start().parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let line =
            Line::read("a_total{sender=\"1\",b=\"x\\\"}, \\\\n\\n\",c=\"é=\"} -1.5e-7").unwrap();
        let labels: Vec<_> = line.labels.iter().map(|(k, v)| (*k, &**v)).collect();
        assert_eq!(labels, [("sender", "1"), ("b", "x\"}, \\n\n"), ("c", "é=")]);
        assert_eq!((line.name, line.value), ("a_total", -1.5e-7));
        let bare = Line::read("up 1").unwrap();
        assert_eq!((bare.name, bare.labels.len(), bare.value), ("up", 0, 1.0));
        assert_eq!(Line::read("x{le=\"+Inf\"} +Inf").unwrap().value, f64::INFINITY);
        assert!(Line::read("x NaN").unwrap().value.is_nan());
        for broken in ["", "x", "x{", "x{a=\"b} 1", "x{a} 1", "x{} y"] {
            assert_eq!(Line::read(broken), None, "{broken}");
        }
    }

    #[test]
    fn heads_say_type_help_and_unit() {
        let mut head = Head::default();
        head.read("# HELP a_seconds How long\\nit \\\\ takes.");
        assert_eq!((&*head.name, &*head.help), ("a_seconds", "How long\nit \\ takes."));
        assert_eq!(head.kind, MetricType::Unspecified);
        head.read("# TYPE a_seconds histogram");
        assert_eq!((head.kind, head.unit()), (MetricType::Histogram, "seconds"));
        head.read("# HELP b_bytes_total x");
        assert_eq!((head.kind, head.unit()), (MetricType::Unspecified, "bytes"));
        head.read("# HELP seconds x");
        assert_eq!(head.unit(), "");
    }
}
