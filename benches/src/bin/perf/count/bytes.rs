//! The bytes that an event takes on the wire and in memory.

use ringstat_benches::corpus::pack;
use ringstat_core::format::{Format, PAYLOAD_ETHERNET, PAYLOAD_JUMBO};
use ringstat_core::record::Event;
use ringstat_core::ring::{Slot, spsc};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::Encoder;

use super::{allocations, exact};
use crate::results::Metric;
use crate::suite::{self, Wrong, check};

/// The numbers of events in a batch.
const BATCHES: [usize; 5] = [10, 20, 50, 100, 200];

pub(super) fn metrics() -> Result<Vec<Metric>, Wrong> {
    let events = suite::corpus()?;
    let of = |name: &str, value: f64| exact("bytes", name, "B", value);
    let mut metrics = Vec::new();
    for batch in BATCHES {
        metrics.push(of(&format!("batch_{batch}"), batch_bytes(&events, batch)?));
    }
    metrics.extend([
        of("event_1472", event_bytes(&events, PAYLOAD_ETHERNET)?),
        of("event_8972", event_bytes(&events, PAYLOAD_JUMBO)?),
        of("event_dogstatsd", line_bytes(&events, PAYLOAD_ETHERNET)?),
        of("slot", size_of::<Slot<Event>>() as f64),
        of("events_10000", buffered_events().0),
        of("events_10000_small", buffered_events().1),
        of("collect", allocations::of_wire()?.collecting_bytes),
    ]);
    Ok(metrics)
}

/// Returns the bytes per event when each datagram, of at most 1472 bytes, is closed after `batch` events.
fn batch_bytes(events: &[Event], batch: usize) -> Result<f64, Wrong> {
    let (mut encoder, mut buf) = (Box::<Encoder>::default(), vec![0; PAYLOAD_ETHERNET]);
    let (mut bytes, mut packed) = (0, 0);
    for batch in events.chunks(batch) {
        packed += pack(&mut *encoder, &mut buf, batch, |d| bytes += d.len());
    }
    check(packed == events.len(), || format!("{packed} of {} were packed", events.len()))?;
    Ok(bytes as f64 / events.len() as f64)
}

/// Returns the bytes per event of the corpus in datagrams of at most `payload` bytes, including headers.
pub(crate) fn event_bytes(events: &[Event], payload: usize) -> Result<f64, Wrong> {
    bytes(&mut *Box::<Encoder>::default(), events, payload)
}

/// Returns the bytes per event of the corpus as DogStatsD lines, in datagrams of at most `payload` bytes.
pub(crate) fn line_bytes(events: &[Event], payload: usize) -> Result<f64, Wrong> {
    bytes(&mut <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new()), events, payload)
}

fn bytes<F: Format>(format: &mut F, events: &[Event], payload: usize) -> Result<f64, Wrong> {
    let mut bytes = 0;
    let packed = pack(format, &mut vec![0; payload], events, |d| bytes += d.len());
    check(packed == events.len(), || format!("{packed} of {} were packed", events.len()))?;
    Ok(bytes as f64 / events.len() as f64)
}

/// Returns the bytes per event that a ring of 10 000 events takes, with room for dynamic tags and without.
pub(crate) fn buffered_events() -> (f64, f64) {
    const EVENTS: usize = 10_000;
    // Besides its slots, a ring has two indices, each on its own cache line.
    let whole = size_of::<spsc::Ring<Event, [Slot<Event>; EVENTS]>>() - 1024;
    let with_tags = (EVENTS * size_of::<Slot<Event>>()).max(whole);
    (with_tags as f64, (EVENTS * size_of::<Slot<Event<2>>>()) as f64)
}
