//! Prometheus' remote write, versions 1.0 and 2.0.
//!
//! Once an interval a page of `/metrics` is written as samples ([`samples`]) and packed into requests of version 2.0
//! ([`batch`]). Their samples carry the time of the interval, and they go into an [`Outbox`] that all targets share, so
//! that a request that is sent again, even after a restart, is the same as before. Series that have ended since the last
//! interval get a staleness marker.
//!
//! A target that does not accept version 2.0 gets the same request as version 1.0 ([`wire`]).

mod batch;
mod carrier;
mod proto;
mod samples;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;

use self::batch::Builder;
pub(super) use self::carrier::RemoteWriteCarrier;
use self::samples::Samples;
use super::config::RemoteWriteHistograms;
use super::rounds::{self, Round};
use crate::intake::Shards;
use crate::metrics::{Distributions, Page};
use crate::outbox::{Batch, Outbox};
use crate::shared::Shared;

/// The longest time that a slice of the page takes.
const SLICE: Duration = Duration::from_micros(400);

/// The pause between two slices.
const BETWEEN: Duration = Duration::from_millis(1);

/// Takes samples once an interval.
#[derive(Debug)]
pub(super) struct RemoteWrite {
    packer: Packer,
    outbox: Arc<Outbox>,
}

impl RemoteWrite {
    pub(super) fn new(packer: Packer, outbox: Arc<Outbox>) -> Self {
        Self { packer, outbox }
    }
}

impl Round for RemoteWrite {
    fn newest_ms(&self) -> u64 {
        self.outbox.newest_ms()
    }

    fn skipped(&self, rounds: u64) {
        self.outbox.skipped(rounds);
    }

    fn take(&mut self, time_ms: u64, shared: &Shared) {
        let shown = self.packer.shown(shared.distributions);
        let page = Page::new(shared.now_ms(), &shared.io_and_process(), shown);
        let between = || std::thread::sleep(BETWEEN);
        let (batches, omitted) = self.packer.pack(time_ms, page, shared, between);
        // What leaves is not to be taken back by a crash.
        rounds::wait_for_disk(shared);
        batches.into_iter().for_each(|batch| self.outbox.put(batch));
        if omitted > 0 {
            shared.shards()[0].write().cut_page(omitted);
        }
    }
}

/// Packs the present samples into requests, interval by interval.
#[derive(Clone, Debug)]
pub(crate) struct Packer {
    own: Arc<[(String, String)]>,
    histograms: RemoteWriteHistograms,
    hasher: RandomState,
    /// The requests of the last interval, and the keys of their series, sorted.
    before: Vec<Batch>,
    keys: Vec<u64>,
}

impl Packer {
    /// The labels `own` are added to every sample.
    pub(crate) fn new(own: &[(String, String)], histograms: RemoteWriteHistograms) -> Self {
        Self {
            own: own.into(),
            histograms,
            hasher: RandomState::default(),
            before: Vec::new(),
            keys: Vec::new(),
        }
    }

    /// How a page is to show distributions where `/metrics` shows them like that: native histograms are wanted for
    /// themselves.
    pub(crate) fn shown(&self, on_page: Distributions) -> Distributions {
        match self.histograms {
            RemoteWriteHistograms::Native => Distributions::Histograms,
            RemoteWriteHistograms::Classic => on_page,
        }
    }

    /// Packs a page as the samples of a moment, and calls `between` between two slices of it. Returns the requests, and how
    /// many series were left out because the page would have been too long.
    pub(crate) fn pack<S: Shards + ?Sized>(
        &mut self,
        time_ms: u64,
        mut page: Page,
        shards: &S,
        between: impl Fn(),
    ) -> (Vec<Batch>, u64) {
        let builder = Builder::new(time_ms, self.own.clone(), self.hasher.clone());
        let (mut samples, mut batches) = (Samples::new(builder, self.histograms), Vec::new());
        while page.write(&mut samples, shards, SLICE) {
            batches.extend(samples.builder.take());
            between();
        }
        batches.extend(samples.builder.take_rest());
        let keys = samples.builder.into_keys();
        let marks = self.mark(time_ms, &keys);
        (self.before, self.keys) = (batches.clone(), keys);
        batches.extend(marks);
        (batches, page.omitted())
    }

    /// Returns staleness markers for the series of the last interval that are not among `keys`.
    fn mark(&self, time_ms: u64, keys: &[u64]) -> Vec<Batch> {
        let is_gone = |key: &u64| keys.binary_search(key).is_err();
        let gone: Vec<u64> = self.keys.iter().copied().filter(is_gone).collect();
        let mut batches = Vec::new();
        if gone.is_empty() {
            return batches;
        }
        let mut builder = Builder::new(time_ms, self.own.clone(), self.hasher.clone());
        for request in self.before.iter().filter_map(|batch| wire::read(&batch.body)) {
            builder.mark(&request, &gone);
            batches.extend(builder.take());
        }
        batches.extend(builder.take_rest());
        batches
    }
}
