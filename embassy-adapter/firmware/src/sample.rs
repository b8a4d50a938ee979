//! Events that can be checked: the whole contents follow from the event's number, so an event assembled from two would
//! be noticed.

use ringstat_core::chip::Stats;
use ringstat_core::record::{Kind, Outcome, Recorder, Tag};
use ringstat_core::wire::decode::{Body, Content, Record};

const NAMES: [&str; 5] =
    ["motor.turns", "radio.frames.received", "battery", "sensor.samples.taken", "uart.errors"];
const TAGS: [&[Tag]; 3] = [&[], &[("side", "left")], &[("side", "right"), ("stage", "2")]];

/// Records the event with that number.
pub fn record<const N: usize>(stats: &Stats<N>, number: u32) -> Outcome {
    let (name, tags) = of(number);
    let draft = stats.count(name, number).tags(tags).at(u64::from(number));
    if has_text(number) { draft.tag("even", "yes").record() } else { draft.record() }
}

/// The number of an event, if its whole contents follow from that number.
#[must_use]
pub fn number_of(record: &Record<'_>) -> Option<u32> {
    let Body::Event(event) = record.body else { return None };
    let Content::Number(number) = event.content else { return None };
    let number = u32::try_from(number.as_u64()?).ok()?;
    let (name, tags) = of(number);
    let dynamic: &[(&str, &str)] = if has_text(number) { &[("even", "yes")] } else { &[] };
    let whole = event.kind == Kind::Counter
        && event.time_ns == u64::from(number) * 1000
        && record.name.text == name
        && record.tags.iter().eq(tags.iter().chain(dynamic).copied());
    whole.then_some(number)
}

fn of(number: u32) -> (&'static str, &'static [Tag]) {
    (NAMES[(number % 5) as usize], TAGS[(number % 3) as usize])
}

/// Whether the event has a tag that is written into the slot.
fn has_text(number: u32) -> bool {
    number.is_multiple_of(4)
}
