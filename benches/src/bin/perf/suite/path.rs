//! The whole path, as fast as it goes without loss.

use ringstat_benches::path::deliver;

use super::{Effort, Wrong};
use crate::results::Metric;

/// Events of a second of sampling.
const PER_SECOND: f64 = 2e6;
/// At least so many events make a sample.
const LEAST: u64 = 2000;
/// A sample takes four times as long as others: each has a new client and a new collector.
const SAMPLES_IN_ONE: usize = 4;

/// `path.events`: recorded in one thread, received and stored in another, a second.
pub(super) fn path(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let events = (effort.sample_time.as_secs_f64() * 20.0 * PER_SECOND) as u64;
    let samples = (0..(effort.samples / SAMPLES_IN_ONE).max(1)).map(|_| once(events.max(LEAST)));
    Ok(vec![Metric::new("path.events", "/s", samples.collect::<Result<_, _>>()?)])
}

/// Events a second of one run with so many.
pub(super) fn once(events: u64) -> Result<f64, Wrong> {
    let taken = deliver(1, events)?;
    Ok(events as f64 / taken.as_secs_f64())
}
