//! The whole path, as fast as it goes without loss.

use ringstat_benches::path::deliver;

use super::{Effort, Wrong};
use crate::results::Metric;

/// Events to send for each second of sampling time.
const PER_SECOND: f64 = 2e6;
/// The least number of events in a sample.
const LEAST: u64 = 2000;
/// A sample takes four times as long as in other benchmarks, because each starts a new client and a new collector.
const SAMPLES_IN_ONE: usize = 4;

/// Measures `path.events`, in events per second: recorded in one thread, received and stored in another.
pub(super) fn path(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let events = (effort.sample_time.as_secs_f64() * 20.0 * PER_SECOND) as u64;
    let samples = (0..(effort.samples / SAMPLES_IN_ONE).max(1)).map(|_| once(events.max(LEAST)));
    Ok(vec![Metric::new("path.events", "/s", samples.collect::<Result<_, _>>()?)])
}

/// Returns the events per second of one run with this many events.
pub(super) fn once(events: u64) -> Result<f64, Wrong> {
    let taken = deliver(1, events)?;
    Ok(events as f64 / taken.as_secs_f64())
}
