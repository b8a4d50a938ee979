//! How long records take, recorded by the worker and read by snapshots.

use ringstat_core::observe::Latency;
use ringstat_core::send::SAMPLE_ONE_IN;

use crate::registry::{OwnedHistogram, Registry};

/// Histograms of one event in [`SAMPLE_ONE_IN`], as precise as the cheap clock that stamps events.
#[derive(Debug)]
pub(crate) struct Timings {
    pub(crate) in_buffer: OwnedHistogram,
    pub(crate) send: OwnedHistogram,
    pub(crate) total: OwnedHistogram,
}

impl Timings {
    pub(crate) fn new(registry: &Registry) -> Self {
        let histogram =
            |stage| registry.own_histogram("ringstat.client.latency", &[("stage", stage)]);
        Self { in_buffer: histogram("buffer"), send: histogram("send"), total: histogram("total") }
    }

    pub(crate) fn latency(&self) -> Latency {
        Latency {
            one_in: SAMPLE_ONE_IN,
            in_buffer: self.in_buffer.quantiles(),
            send: self.send.quantiles(),
            total: self.total.quantiles(),
        }
    }
}
