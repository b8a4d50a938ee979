//! In what form `/metrics` answers: the one that the scraper likes best.

use crate::metrics::{Document, Protobuf, Text};

/// A form of the page.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) enum Form {
    /// Prometheus' text format 0.0.4, which everybody gets who asks for nothing else.
    #[default]
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' protobuf, with native histograms.
    Protobuf,
}

impl Form {
    /// The form that the values of an `Accept` header ask for: that of the highest `q`, the first of several.
    pub(super) fn accepted<'h>(headers: impl Iterator<Item = &'h str>) -> Self {
        let mut best: Option<(Self, f64)> = None;
        for (form, q) in headers.flat_map(|header| header.split(',')).filter_map(offered) {
            if q > 0.0 && best.is_none_or(|(_, highest)| q > highest) {
                best = Some((form, q));
            }
        }
        best.map_or(Self::Text, |(form, _)| form)
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// An empty page of that form.
    pub(super) fn page(self) -> Box<dyn Document> {
        match self {
            Self::Text => Box::new(Text::prometheus()),
            Self::OpenMetrics => Box::new(Text::open_metrics()),
            Self::Protobuf => Box::<Protobuf>::default(),
        }
    }
}

/// A form in an `Accept` header, and how much it is liked. `None` if there is no such form here.
fn offered(range: &str) -> Option<(Form, f64)> {
    let mut parts = range.split(';').map(str::trim);
    let kind = parts.next()?.to_ascii_lowercase();
    let parameters: Vec<(String, &str)> = parts
        .filter_map(|part| part.split_once('='))
        .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().trim_matches('"')))
        .collect();
    let parameter =
        |key: &str| parameters.iter().find(|(of, _)| of == key).map(|(_, value)| *value);
    let is_or_none = |key: &str, all: &[&str]| parameter(key).is_none_or(|of| all.contains(&of));
    let form = match &*kind {
        "application/openmetrics-text" if is_or_none("version", &["1.0.0", "0.0.1"]) => {
            Form::OpenMetrics
        }
        "application/vnd.google.protobuf"
            if parameter("proto") == Some("io.prometheus.client.MetricFamily")
                && is_or_none("encoding", &["delimited"]) =>
        {
            Form::Protobuf
        }
        "text/plain" if is_or_none("version", &["0.0.4"]) => Form::Text,
        "text/*" | "*/*" => Form::Text,
        _ => return None,
    };
    let q = parameter("q").map_or(Some(1.0), |q| q.parse().ok());
    // What is no number, or beyond 1, is not what anybody may send.
    Some((form, q.filter(|q| (0.0..=1.0).contains(q)).unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_that_is_liked_best_is_taken() {
        let form = |header: &str| Form::accepted([header].into_iter());
        // Prometheus as it is, and with native histograms.
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(form(prometheus), Form::OpenMetrics);
        let native = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1";
        assert_eq!(form(native), Form::Protobuf);
        for text in [
            "",
            "*/*",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "text/plain;q=0.5,application/openmetrics-text;q=0.4",
            "application/openmetrics-text;version=2.0.0, text/plain",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=7",
            "application/vnd.google.protobuf;proto=another;encoding=delimited",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
            "application/json",
            ";;;,,=;q=",
        ] {
            assert_eq!(form(text), Form::Text, "{text}");
        }
        assert_eq!(
            form("Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=0.3"),
            Form::OpenMetrics
        );
        assert_eq!(form("text/plain;q=0.4,application/openmetrics-text;q=0.5"), Form::OpenMetrics);
        let several = ["text/plain;q=0.2", "application/openmetrics-text;q=0.3"];
        assert_eq!(Form::accepted(several.into_iter()), Form::OpenMetrics);
    }
}
