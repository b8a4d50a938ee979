//! The JSON form of a record: one object per line, the same for `encode`, `decode` and `send`.
//!
//! [`Line`] is used for both reading and writing, so that `encode` reads whatever `decode` prints. Events look like
//! `{"kind":"timing","name":"http.request","value":12.5,"tags":{"route":"/a"},"timestamp_ns":1790000000000000000,
//! "priority":"high","rate":10}`; states of instruments have the kinds `total`, `level` and `buckets`; what a sender
//! says of itself has `info`, and what a name means `description`; a line of kind `datagram` describes the datagram in which the following records arrived, and is not a record itself.

use std::borrow::Cow;

use ringstat_core::record::{
    Borrowed, DYNAMIC_TAG_LIMIT, DraftStrings, Event, Kind, Priority, STRING_LIMIT, TEXT_LIMIT, Tag,
};
use ringstat_core::wire::TABLE_LIMIT;
use serde::{Deserialize, Serialize};

use super::beside::Beside;
use super::envelope::Envelope;
use super::names::Names;
use super::refusal::Refusal;
use super::tags::TagList;
use super::value::{Content, Number};

/// The most static tags of an event; what follows them are dynamic ones.
const STATIC_TAG_LIMIT: usize = 255;

/// A character that some editors put at the beginning of a text.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The kind of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineKind {
    Counter,
    Gauge,
    Timing,
    #[serde(alias = "histogram")]
    Distribution,
    Set,
    Event,
    Total,
    Level,
    Buckets,
    Info,
    Description,
    Datagram,
}

impl LineKind {
    /// The kind of event, or `None` if the line is something else.
    pub(crate) const fn event(self) -> Option<Kind> {
        Some(match self {
            Self::Counter => Kind::Counter,
            Self::Gauge => Kind::Gauge,
            Self::Timing => Kind::Timing,
            Self::Distribution => Kind::Distribution,
            Self::Set => Kind::Set,
            Self::Event => Kind::Event,
            Self::Total
            | Self::Level
            | Self::Buckets
            | Self::Info
            | Self::Description
            | Self::Datagram => return None,
        })
    }
}

impl From<Kind> for LineKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter => Self::Counter,
            Kind::Gauge => Self::Gauge,
            Kind::Timing => Self::Timing,
            Kind::Distribution => Self::Distribution,
            Kind::Set => Self::Set,
            Kind::Event => Self::Event,
        }
    }
}

/// One line. [`Line::event`] and [`State::of`](crate::jsonl::state::State::of) check which fields belong together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line<'a> {
    pub(crate) kind: LineKind,
    #[serde(borrow, default, skip_serializing_if = "str_is_empty")]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Content<'a>>,
    #[serde(borrow, default, skip_serializing_if = "TagList::is_empty")]
    pub(crate) tags: TagList<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp_ns: Option<u64>,
    #[serde(default, skip_serializing_if = "is_normal")]
    pub(crate) priority: Priority,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<Number>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) precision: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_exponent: Option<i8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) buckets: Option<Vec<(u16, u64)>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heartbeat_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<u32>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<Envelope>,
}

fn str_is_empty(text: &str) -> bool {
    text.is_empty()
}

fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

impl<'a> Line<'a> {
    /// A line with only a kind and a name.
    pub(crate) fn new(kind: LineKind, name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            name: name.into(),
            value: None,
            tags: TagList::default(),
            timestamp_ns: None,
            priority: Priority::Normal,
            rate: None,
            id: None,
            total: None,
            level: None,
            unit: None,
            precision: None,
            min_exponent: None,
            sum: None,
            buckets: None,
            heartbeat_ms: None,
            started_ms: None,
            process: None,
            host: None,
            version: None,
            text: None,
            header: None,
        }
    }

    /// Parses a line.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.starts_with(BYTE_ORDER_MARK) {
            return Err(Refusal::from(
                "a byte-order mark (EF BB BF): save it as UTF-8 without one",
            ));
        }
        serde_json::from_str(text).map_err(|e| {
            let said = e.to_string();
            // The parser always sees line 1; the caller knows the true number.
            let (what, _) = said.split_once(" at line ").unwrap_or((&said, ""));
            Refusal(format!("column {}: {what}", e.column()))
        })
    }

    /// The record was the only one kept of this many.
    pub(crate) fn rate(&self) -> Result<u32, Refusal> {
        match self.rate {
            Some(0) => Err(Refusal::from("rate 0: a record stands for 1 or more of its kind")),
            rate => Ok(rate.unwrap_or(1)),
        }
    }

    /// The line as an event, without its rate and identifier; `now` is its time if the line has none. What does not fit
    /// the event's slot, a text or the tags after the 255th, is kept beside it.
    pub(crate) fn event<const INLINE: usize>(
        &self,
        kind: Kind,
        names: &mut Names,
        now: u64,
    ) -> Result<(Event<INLINE>, Beside), Refusal> {
        if self.total.is_some() || self.level.is_some() || self.buckets.is_some() {
            return Err(Refusal::from("a state's field (total, level, buckets) on an event"));
        }
        let number = match (&self.value, kind) {
            (Some(Content::Number(Number(value))), _) => *value,
            (Some(Content::Text(_)), Kind::Set | Kind::Event) => 1u64.into(),
            (
                Some(Content::Text(_)),
                Kind::Counter | Kind::Gauge | Kind::Timing | Kind::Distribution,
            ) => {
                return Err(Refusal::from("a text as value: only sets and events have texts"));
            }
            (None, Kind::Event) => 1u64.into(),
            (None, Kind::Counter | Kind::Gauge | Kind::Timing | Kind::Distribution | Kind::Set) => {
                return Err(Refusal::from("no value: give it a \"value\""));
            }
        };
        let split = self.tags.0.len().min(STATIC_TAG_LIMIT);
        let (fixed, dynamic) = self.tags.0.split_at(split);
        if dynamic.len() > DYNAMIC_TAG_LIMIT {
            return Err(too_many(self.tags.0.len(), STATIC_TAG_LIMIT + DYNAMIC_TAG_LIMIT));
        }
        let (name, tags) = self.identity(names, fixed.len())?;
        let mut event = Event::new(kind, name.into(), number, self.timestamp_ns.unwrap_or(now))?;
        event.set_tags(tags)?;
        event.set_priority(self.priority);
        let mut strings = Borrowed::new();
        if let Some(Content::Text(text)) = &self.value {
            let long =
                |_| Refusal(format!("a text of {} bytes: {TEXT_LIMIT} is the most", text.len()));
            strings.push_text(&mut event, text).map_err(long)?;
        }
        for (key, value) in dynamic {
            strings.push_tag(&mut event, key, value)?;
        }
        let beside = Beside::keep(&mut event, &strings)?;
        Ok((event, beside))
    }

    /// The name and all tags, kept for the rest of the run.
    pub(crate) fn whole_identity(
        &self,
        names: &mut Names,
    ) -> Result<(&'static str, &'static [Tag]), Refusal> {
        let count = self.tags.0.len();
        if count > TABLE_LIMIT {
            return Err(too_many(count, TABLE_LIMIT));
        }
        self.identity(names, count)
    }

    /// The name and the first `count` tags.
    fn identity(
        &self,
        names: &mut Names,
        count: usize,
    ) -> Result<(&'static str, &'static [Tag]), Refusal> {
        let mut texts = self.tags.iter().flat_map(|(k, v)| [k, v]);
        if let Some(long) = texts.find(|text| text.len() > STRING_LIMIT) {
            let begin: String = long.chars().take(20).collect();
            return Err(Refusal(format!(
                "a tag of {} bytes ({begin}…): {STRING_LIMIT} is the most",
                long.len()
            )));
        }
        match self.name.len() {
            0 => return Err(Refusal::from("no name: give it a \"name\" of 1 to 255 bytes")),
            long if long > STRING_LIMIT => {
                return Err(Refusal(format!("a name of {long} bytes: {STRING_LIMIT} is the most")));
            }
            _ => {}
        }
        Ok((names.string(&self.name)?, names.tags(self.tags.iter().take(count))?))
    }
}

fn too_many(tags: usize, most: usize) -> Refusal {
    Refusal(format!("{tags} tags: {most} is the most"))
}

#[cfg(test)]
mod tests;
