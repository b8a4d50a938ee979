//! StatsD and DogStatsD lines, read without copying: the text of a datagram in, samples, events and service checks out.
//!
//! ```text
//! name:value|type|@rate                                StatsD
//! name:1:2:3|type|@rate|#key:value,flag|c:id|T1656581400  DogStatsD: several values, tags, container, time
//! name:1|c:320|ms                                      StatsD: several values, each with a type
//! name,key=value:1|c                                   tags as Telegraf and InfluxDB write them
//! name;key=value:1|c                                   as Graphite does
//! name#key=value:1|c                                   as Librato does
//! name[key=value]:1|c                                  as SignalFx does
//! _e{5,4}:title|text|p:low|t:error|#key:value          an event
//! _sc|name|2|#key:value|m:message                      a service check
//! ```
//!
//! A line is understood as a whole or refused as a whole, for one of the reasons in [`LineError`]. Which series a
//! metric belongs to is not looked at here but left as text ([`Metric::head`], [`Metric::tags`]): the series of most
//! lines is known by that text, and only for a new one is it taken apart ([`identity`]).

mod error;
mod event;
mod metric;
mod number;
mod tags;

pub use error::LineError;
pub(crate) use event::{Check, Event};
pub(crate) use metric::{Kind, Metric, Sample};
pub(crate) use tags::identity;

/// What one line says.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Line<'a> {
    /// Values of a metric.
    Metric(Metric<'a>),
    /// Something that happened.
    Event(Event<'a>),
    /// The state of a service.
    Check(Check<'a>),
}

impl<'a> Line<'a> {
    /// Reads a line, which has no line end.
    #[inline]
    pub(crate) fn parse(line: &'a str) -> Result<Self, LineError> {
        if line.starts_with('_') {
            if let Some(event) = line.strip_prefix("_e{") {
                return Event::parse(event).map(Self::Event);
            }
            if let Some(check) = line.strip_prefix("_sc|") {
                return Check::parse(check).map(Self::Check);
            }
        }
        Metric::parse(line).map(Self::Metric)
    }

    /// The container that it says it came from.
    #[inline]
    pub(crate) fn container(&self) -> Option<&'a str> {
        match self {
            Self::Metric(metric) => metric.container,
            Self::Event(event) => event.container,
            Self::Check(check) => check.container,
        }
    }
}

/// The lines of a text, without their ends and without empty ones.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest.as_bytes());
            let (line, behind) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
            rest = behind;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    })
}

/// Whether a datagram is text as far as its beginning tells, and not one of ringstat's own format, whose third byte is
/// a control character.
#[inline]
pub(crate) fn is_text(datagram: &[u8]) -> bool {
    /// Shorter ones are lines of no dialect.
    const LEAST: usize = 4;
    /// Damage to a datagram of ringstat's own format is found within its header.
    const HEAD: usize = 20;
    let head = &datagram[..datagram.len().min(HEAD)];
    // A character may be cut off at the end.
    let is_utf8 = std::str::from_utf8(head).map_or_else(|e| e.error_len().is_none(), |_| true);
    let is_control = |b: &u8| b.is_ascii_control() && !matches!(b, b'\t' | b'\n' | b'\r');
    datagram.len() >= LEAST && is_utf8 && !head.iter().any(is_control)
}

#[cfg(test)]
mod tests;
