//! Numbers and texts in JSON. An integer stays an integer; a decimal becomes the nearest `f64`, exactly in both
//! directions.

use std::borrow::Cow;
use std::fmt;

use ringstat_core::record::Value;
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// A number. One that exceeds 64 bits is read as the nearest `f64`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Number(pub(crate) Value);

/// The content of an event besides its name and tags.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Content<'a> {
    Number(Number),
    Text(Cow<'a, str>),
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::U64(v) => serializer.serialize_u64(v),
            Value::I64(v) => serializer.serialize_i64(v),
            // This is how integers are received.
            Value::Decimal { mantissa, scale: 0 } => serializer.serialize_i64(mantissa),
            // On the wire, a decimal stands for the float nearest to it, too.
            Value::F32(_) | Value::F64(_) | Value::Decimal { .. } => {
                serializer.serialize_f64(self.0.as_f64())
            }
        }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Any { texts: false })? {
            Content::Number(number) => Ok(number),
            Content::Text(_) => Err(D::Error::custom("a text where a number is expected")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any { texts: true })
    }
}

struct Any {
    texts: bool,
}

impl<'de> Visitor<'de> for Any {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.texts { "a number or a text" } else { "a number" })
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Content::Number(Number(Value::U64(v))))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Content::Number(Number(Value::I64(v))))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Content::Number(Number(Value::F64(v))))
    }

    fn visit_borrowed_str<E: Error>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(v)))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(v.to_owned())))
    }
}
