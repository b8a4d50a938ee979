//! ringstat as a layer of `tracing` (feature `tracing`): spans are timed, and events are counted.
//!
//! | in the program | instrument | tags |
//! |---|---|---|
//! | an event (`info!`, `error!`, …) | counter `tracing.events` | `level`, `target`, chosen fields |
//! | a span closes | histogram `tracing.spans`, nanoseconds from its creation | `span`, `target`, chosen fields |
//! | a span cannot be timed | counter `tracing.spans.untimed` | |
//!
//! The values of fields become series, so choose fields that have few values. Each callsite and combination of values
//! is looked up once with a lock and an allocation; from then on, a span or an event takes no lock, no heap and no
//! system call. Beyond [`ClientConfig::max_instruments`](crate::ClientConfig::max_instruments), and if the chosen
//! values of a span or an event are longer than 1024 bytes together, records go to the series `ringstat.overflow`;
//! [`Client::overflowed_instruments`] counts such requests.
//!
//! To filter for this layer alone, use `MetricsLayer::new(&stats).with_filter(LevelFilter::INFO)`, as for any layer.

use std::time::Instant;

use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::client::Client;
use crate::registry::{OwnedCounter, OwnedHistogram};
use fields::{FIELDS_MAX, Fields};
use instruments::Instruments;
use open_spans::OpenSpans;

mod fields;
mod instruments;
mod open_spans;

/// Times the spans of a program and counts its events; the [module](self) says under which names.
///
/// ```no_run
/// use ringstat_std::{Client, tracing::MetricsLayer};
/// use tracing_subscriber::layer::SubscriberExt;
/// use tracing_subscriber::util::SubscriberInitExt;
///
/// let stats = Client::builder("127.0.0.1:8125").build()?;
/// tracing_subscriber::registry().with(MetricsLayer::new(&stats).tags(["route", "status"])).init();
/// # Ok::<(), ringstat_std::BuildError>(())
/// ```
#[derive(Debug)]
pub struct MetricsLayer {
    client: Client,
    /// The fields whose values become tags.
    chosen: Box<[&'static str]>,
    events: Option<Instruments<OwnedCounter>>,
    spans: Option<Instruments<OwnedHistogram>>,
    open: OpenSpans,
    untimed: OwnedCounter,
    /// The origin of the times of spans.
    start: Instant,
}

/// The default for the number of spans that can be open at the same time: 96 KiB.
const OPEN_SPANS: usize = 4096;

impl MetricsLayer {
    /// Creates a layer that records to `client`, and keeps the client working. Spans are timed as `tracing.spans`,
    /// events counted as `tracing.events`, and no field becomes a tag.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        let limit = client.max_instruments();
        Self {
            client: client.clone(),
            chosen: Box::new([]),
            events: Some(Instruments::new("tracing.events", limit)),
            spans: Some(Instruments::new("tracing.spans", limit)),
            open: OpenSpans::new(OPEN_SPANS),
            untimed: client.counter("tracing.spans.untimed", &[]),
            start: Instant::now(),
        }
    }

    /// Makes the values of these fields tags of the spans and events that have them. A value recorded later
    /// (`span.record`) counts as well. More than eight do not compile.
    #[must_use]
    pub fn tags<const N: usize>(mut self, fields: [&'static str; N]) -> Self {
        const { assert!(N <= FIELDS_MAX, "at most eight fields become tags") };
        self.chosen = Box::new(fields);
        self
    }

    /// Counts events under this name; `None` counts none.
    #[must_use]
    pub fn events(mut self, name: impl Into<Option<&'static str>>) -> Self {
        let limit = self.client.max_instruments();
        self.events = name.into().map(|name| Instruments::new(name, limit));
        self
    }

    /// Times spans under this name; `None` times none.
    #[must_use]
    pub fn spans(mut self, name: impl Into<Option<&'static str>>) -> Self {
        let limit = self.client.max_instruments();
        self.spans = name.into().map(|name| Instruments::new(name, limit));
        self
    }

    /// Sets how many spans can be open at the same time, 4096 by default. The number is rounded up to a power of two,
    /// and is at most 2^20; each takes 24 bytes, allocated at once. A span that finds no room is counted in
    /// `tracing.spans.untimed`, which may happen from half of that number on.
    #[must_use]
    pub fn open_spans(mut self, most: usize) -> Self {
        self.open = OpenSpans::new(most);
        self
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl<S: Subscriber> Layer<S> for MetricsLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(events) = &self.events else { return };
        let metadata = event.metadata();
        let mut fields = Fields::new(&self.chosen);
        if !self.chosen.is_empty() {
            event.record(&mut fields);
        }
        let level = ("level", level(metadata.level()));
        if let Some(number) = events.find(&self.client, metadata, &fields, level) {
            events.handle(number).inc();
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let Some(spans) = &self.spans else { return };
        let metadata = attributes.metadata();
        let mut fields = Fields::new(&self.chosen);
        if !self.chosen.is_empty() {
            attributes.record(&mut fields);
        }
        let kind = spans.find(&self.client, metadata, &fields, ("span", metadata.name()));
        if !kind.is_some_and(|kind| self.open.begin(id.into_u64(), self.now(), kind)) {
            self.untimed.inc();
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let Some(spans) = &self.spans else { return };
        let Some(kind) = self.open.kind(id.into_u64()) else { return };
        let Some((metadata, known)) = spans.key(kind) else { return };
        let mut fields = Fields::new(&self.chosen);
        values.record(&mut fields);
        if fields.is_empty() {
            return;
        }
        fields.fill_up(known);
        let kind = spans.find(&self.client, metadata, &fields, ("span", metadata.name()));
        if let Some(kind) = kind {
            self.open.set_kind(id.into_u64(), kind);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let Some(spans) = &self.spans else { return };
        if let Some((begun, kind)) = self.open.end(id.into_u64()) {
            spans.handle(kind).record(self.now().saturating_sub(begun));
        }
    }
}

/// The level as it appears in logs.
fn level(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}
