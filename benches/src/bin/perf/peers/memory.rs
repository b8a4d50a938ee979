//! Memory: heap allocations in a steady state, and the size of buffered events.

use super::{Effort, Goal, Measured, Row};
use crate::count;

pub(super) fn rows(_: &Effort) -> Measured<Vec<Row>> {
    let recording = count::of_recording()?;
    let wire = count::of_wire()?;
    let allocations = |what: &str, count: u64| {
        let what = format!("heap allocations: {what}");
        Row::new(&what, count as f64, Goal::AtMost(0.0), "", String::new())
    };
    let (with_tags, without) = count::buffered_events();
    let buffered = |what: &str, bytes: f64, most: f64| {
        Row::new(what, bytes / 1000.0, Goal::AtMost(most), " kB", String::new())
    };
    Ok(vec![
        allocations("recording 10 000 events and on three instruments", recording),
        allocations("encoding 6000 events", wire.encoding),
        allocations("decoding them", wire.decoding),
        allocations("collecting them, series known", wire.collecting),
        buffered("10 000 buffered events", with_tags, 640.0),
        buffered("10 000 buffered events without dynamic tags", without, 500.0),
    ])
}
