//! Where the records come from: the arguments, or a file of JSON lines.

use std::borrow::Cow;

use ringstat_core::record::{DEFAULT_INLINE, Event, Kind};
use ringstat_std::Value;

use super::Args;
use super::feed::Feed;
use crate::common::failure::Outcome;
use crate::jsonl::beside::Beside;
use crate::jsonl::line::Line;
use crate::jsonl::names::Names;
use crate::jsonl::records::{self, Item, Records};
use crate::jsonl::refusal::Refusal;
use crate::jsonl::tags::TagList;
use crate::jsonl::value::{Content, Number};

/// The record that the arguments describe.
pub(super) fn single(args: &Args) -> Result<(Event, Beside), Refusal> {
    let mut line = Line::new(args.kind.into(), args.name.as_deref().unwrap_or_default());
    line.value = args.value.as_deref().map(parse_value);
    line.priority = args.priority;
    line.tags = TagList(
        args.tags.iter().map(|(k, v)| (Cow::Borrowed(&**k), Cow::Borrowed(&**v))).collect(),
    );
    line.event(args.kind, &mut Names::new(), records::now_ns())
}

/// Parses a number if it looks like one; otherwise it is a text.
fn parse_value(text: &str) -> Content<'_> {
    let number = (text.parse().map(Value::U64).ok())
        .or_else(|| text.parse().map(Value::I64).ok())
        .or_else(|| text.parse().ok().filter(|v: &f64| v.is_finite()).map(Value::F64));
    number.map_or(Content::Text(text.into()), |v| Content::Number(Number(v)))
}

/// Sends the records of a file. Lines that a client cannot send are refused and counted.
pub(super) fn send_file(records: &mut Records, feed: &mut Feed<'_>, aggregate: bool) -> Outcome {
    while let Some((line, item)) = records.next::<DEFAULT_INLINE>()? {
        let recorded = match item {
            Item::Event(recorded) => recorded,
            // The client writes headers and identifiers of its own.
            Item::Datagram(_) => continue,
            Item::State(_) => {
                let why =
                    "an instrument's state: `ringstat encode` packs those, clients have their own";
                records.refuse(line, why);
                continue;
            }
        };
        let Ok(rate) = u8::try_from(recorded.rate) else {
            let why = format!("rate {}: clients take rates from 1 to 255", recorded.rate);
            records.refuse(line, why);
            continue;
        };
        let mut event = recorded.event;
        event.set_rate(rate);
        if aggregate && event.kind() == Kind::Counter {
            if let Err(why) = feed.count(&event, &recorded.beside) {
                records.refuse(line, why);
            }
        } else {
            feed.event(&event, &recorded.beside)?;
        }
    }
    Ok(())
}
