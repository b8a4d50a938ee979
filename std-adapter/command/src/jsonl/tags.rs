//! Tags in JSON, in the sender's order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// Tags in the sender's order: an object, or a list of pairs if a key occurs twice.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct TagList<'a>(pub(crate) Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl TagList<'_> {
    pub(crate) fn is_empty(&self) -> bool {
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

/// A string, borrowed if it contains no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
