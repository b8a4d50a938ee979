//! The JSON form of a record: one object a line, the same for `encode`, `decode` and `send`.
//!
//! [`Line`] is read and written by one description, so that whatever `decode` prints `encode` reads. Events are
//! `{"kind":"timing","name":"http.request","value":12.5,"tags":{"route":"/a"},"timestamp_ns":1790000000000000000,
//! "priority":"high","rate":10}`; instruments' states have the kinds `total`, `level` and `buckets`; a line of kind
//! `datagram` says which datagram the following records came in, and carries no record itself.

use std::borrow::Cow;
use std::fmt;

use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Kind, Priority, STRING_LIMIT};
use ringstat_std::Client;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::jsonl::names::{Full, Names};
use crate::jsonl::value::{Content, Number};

/// What a line is about.
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
    Datagram,
}

impl LineKind {
    /// The kind of event, unless it is something else.
    pub(crate) const fn event(self) -> Option<Kind> {
        Some(match self {
            Self::Counter => Kind::Counter,
            Self::Gauge => Kind::Gauge,
            Self::Timing => Kind::Timing,
            Self::Distribution => Kind::Distribution,
            Self::Set => Kind::Set,
            Self::Event => Kind::Event,
            Self::Total | Self::Level | Self::Buckets | Self::Datagram => return None,
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

/// One line. Which fields belong together, [`Line::event`] and [`State::of`](crate::jsonl::state::State::of) check.
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
    pub(crate) header: Option<Envelope>,
}

fn str_is_empty(text: &str) -> bool {
    text.is_empty()
}

fn is_normal(priority: &Priority) -> bool {
    *priority == Priority::Normal
}

/// What stands in a datagram besides its records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// In hexadecimal: JSON numbers are exact to 53 bits only in many languages.
    pub(crate) sender: String,
    pub(crate) epoch: u32,
    pub(crate) sequence: u32,
    pub(crate) records: u16,
    pub(crate) base_time_ns: u64,
    pub(crate) since_boot: bool,
    pub(crate) dropped: u64,
    pub(crate) failed: u64,
    pub(crate) bytes: usize,
}

impl<'a> Line<'a> {
    /// A line with nothing but a kind and a name.
    pub(crate) fn new(kind: LineKind, name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            name: name.into(),
            value: None,
            tags: TagList::default(),
            timestamp_ns: None,
            priority: Priority::Normal,
            rate: None,
            total: None,
            level: None,
            unit: None,
            precision: None,
            min_exponent: None,
            sum: None,
            buckets: None,
            header: None,
        }
    }

    /// Reads a line.
    pub(crate) fn parse(text: &'a str) -> Result<Self, Refusal> {
        serde_json::from_str(text).map_err(|e| {
            let said = e.to_string();
            // Every text is line 1 to the parser; the caller knows the true number.
            let (what, _) = said.split_once(" at line ").unwrap_or((&said, ""));
            Refusal(format!("column {}: {what}", e.column()))
        })
    }

    /// The line as an event; `now` is its time if it has none. A text that does not fit the event's slot is interned
    /// by `client`, if there is one.
    pub(crate) fn event<const INLINE: usize>(
        &self,
        kind: Kind,
        names: &mut Names,
        now: u64,
        client: Option<&Client>,
    ) -> Result<Event<INLINE>, Refusal> {
        if self.total.is_some() || self.level.is_some() || self.buckets.is_some() {
            return Err(Refusal::from("a state's field (total, level, buckets) on an event"));
        }
        let number = match (&self.value, kind) {
            (Some(Content::Number(Number(value))), _) => *value,
            (Some(Content::Text(_)), Kind::Set | Kind::Event) => 1u64.into(),
            (Some(Content::Text(_)), _) => {
                return Err(Refusal::from("a text as value: only sets and events have texts"));
            }
            (None, Kind::Event) => 1u64.into(),
            (None, _) => return Err(Refusal::from("no value: give it a \"value\"")),
        };
        let (name, tags) = self.identity(names)?;
        let mut event = Event::new(kind, name.into(), number, self.timestamp_ns.unwrap_or(now))?;
        if let Some(Content::Text(text)) = &self.value
            && event.set_text(text).is_err()
        {
            let symbol = client.and_then(|c| c.intern(text).ok()).ok_or_else(|| {
                Refusal(format!("a text of {} bytes: no room for it any more", text.len()))
            })?;
            event.set_symbol(symbol);
        }
        event.set_tags(tags)?;
        event.set_priority(self.priority);
        event.set_rate(match self.rate.unwrap_or(1) {
            0 => return Err(Refusal::from("rate 0: a record stands for 1 to 255 of its kind")),
            rate => u8::try_from(rate)
                .map_err(|_| Refusal(format!("rate {rate}: senders take rates from 1 to 255")))?,
        });
        Ok(event)
    }

    /// Name and tags, kept for ever.
    pub(crate) fn identity(
        &self,
        names: &mut Names,
    ) -> Result<(&'static str, &'static [ringstat_core::record::Tag]), Refusal> {
        let pairs = &self.tags.0;
        if let Some(long) =
            pairs.iter().flat_map(|(k, v)| [k, v]).find(|text| text.len() > STRING_LIMIT)
        {
            let begin: String = long.chars().take(20).collect();
            return Err(Refusal(format!(
                "a tag of {} bytes ({begin}…): {STRING_LIMIT} is the most",
                long.len()
            )));
        }
        if pairs.len() > 255 {
            return Err(Refusal::from(Cause::TooManyTags));
        }
        if self.name.is_empty() || self.name.len() > STRING_LIMIT {
            return Err(Refusal::from(Cause::Invalid));
        }
        Ok((names.string(&self.name)?, names.tags(self.tags.iter())?))
    }
}

/// Why a line is not a record. Says what would be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal(pub(crate) String);

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self::from(match cause {
            Cause::Invalid => "a name has 1 to 255 bytes, and a number is finite",
            Cause::TooManyTags => "too many tags: 255 is the most",
            Cause::TooLarge => "larger than a datagram: shorten its tags, or raise the limit",
            other => other.as_str(),
        })
    }
}

impl From<Full> for Refusal {
    fn from(Full: Full) -> Self {
        Self::from("too many different names and tag sets in one file: split it")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Tags: an object, or where a key occurs twice a list of pairs, in the order of the sender.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct TagList<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl TagList<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }
}

impl Serialize for TagList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let twice = (1..self.0.len()).any(|i| self.0[..i].iter().any(|(k, _)| *k == self.0[i].0));
        if twice { self.0.serialize(serializer) } else { serializer.collect_map(self.iter()) }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for TagList<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tags;
        impl<'de> Visitor<'de> for Tags {
            type Value = TagList<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags as {\"key\":\"value\"} or [[\"key\",\"value\"]]")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut tags: Vec<(Cow<'de, str>, Cow<'de, str>)> = Vec::new();
                while let Some((Text(key), Text(value))) = map.next_entry()? {
                    if tags.iter().any(|(k, _)| *k == key) {
                        return Err(A::Error::custom(format_args!(
                            "the tag {key:?} twice: if that is meant, write [[\"key\",\"value\"]]"
                        )));
                    }
                    tags.push((key, value));
                }
                Ok(TagList(tags))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut tags = Vec::new();
                while let Some((Text(key), Text(value))) = seq.next_element()? {
                    tags.push((key, value));
                }
                Ok(TagList(tags))
            }
        }
        deserializer.deserialize_any(Tags)
    }
}

/// A string, borrowed where it contains no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
