//! What `/metrics` answers: the Prometheus text format 0.0.4, OpenMetrics 1.0 or protobuf, as the scraper asks.
//!
//! First come the collector's own families, then those about its senders, then the series that they sent.

mod explain;
mod exponential;
mod ladder;
mod native;
mod outputs;
mod own;
mod page;
mod process;
mod protobuf;
mod senders;
mod series;
mod sink;
mod text;

use std::time::Duration;

pub use explain::Explained;
#[cfg(feature = "otlp")]
pub(crate) use exponential::Exponential;
pub use ladder::Distributions;
pub(crate) use native::{Native, Span};
pub(crate) use page::Page;
pub(crate) use protobuf::Protobuf;
pub(crate) use sink::{Document, Head, MetricKind, Shown, Sink, unit_of};
pub(crate) use text::Text;

use crate::intake::Shards;
use crate::report::Io;

/// The whole answer to `/metrics`, written at once, with distributions in the form that `shown` names: of one
/// [`Collector`](crate::Collector), or of all shards.
#[must_use]
pub fn metrics<S: Shards + ?Sized>(
    shards: &S,
    io: &Io,
    now_ms: u64,
    shown: Distributions,
) -> String {
    let mut out = Text::prometheus();
    let mut page = Page::new(now_ms, io, shown);
    while page.write(&mut out, shards, Duration::MAX) {}
    out.into_string()
}

/// The end of a page that is answered by a collector with a data directory: whether what it shows was on disk before it left.
pub(crate) fn on_disk(out: &mut dyn Sink, was: bool) {
    let help = "1 if a crash after this scrape takes nothing on this page back.";
    gauge(out, "ringstat_collector_page_on_disk", help);
    out.number("", f64::from(u8::from(was)), None);
}

/// The name of one of ringstat's own families, what it counts, and how to read it.
type Reading<T> = (&'static str, &'static str, fn(&T) -> u64);

/// Begins one of ringstat's own families.
fn family(out: &mut dyn Sink, name: &str, kind: MetricKind, help: &str) {
    out.begin(Head { name, kind, help, is_ambiguous: false });
}

/// Begins a counter, whose name ends in `_total`.
fn counter(out: &mut dyn Sink, name: &str, help: &str) {
    family(out, name, MetricKind::Counter, help);
}

/// Begins a gauge.
fn gauge(out: &mut dyn Sink, name: &str, help: &str) {
    family(out, name, MetricKind::Gauge, help);
}
