//! What the facade keeps for an instrument.

use std::sync::Arc;

use metrics::{CounterFn, GaugeFn, HistogramFn};
use ringstat_core::instrument::Gauge;
use ringstat_core::ledger::Cause;

use crate::registry::{Counter, FloatHistogram, Owned};
use crate::shared::Shared;
use crate::threads;

/// One indirect call, and no atomic addition on the first thread that increments.
impl CounterFn for Owned<Counter> {
    #[inline]
    fn increment(&self, value: u64) {
        self.inner.add_in(threads::number(), value);
    }

    #[inline]
    fn absolute(&self, value: u64) {
        self.inner.raise_to(value);
    }
}

/// An instrument that refuses NaN and infinities, and where they are counted.
pub(super) struct Checked<I> {
    pub(super) instrument: Arc<Owned<I>>,
    pub(super) client: Arc<Shared>,
}

impl<I> Checked<I> {
    #[inline]
    fn count(&self, taken: bool) {
        if !taken {
            self.client.refuse(Cause::Invalid);
        }
    }
}

impl GaugeFn for Checked<Gauge> {
    fn increment(&self, value: f64) {
        self.count(self.instrument.inner.add(value));
    }

    fn decrement(&self, value: f64) {
        self.count(self.instrument.inner.add(-value));
    }

    #[inline]
    fn set(&self, value: f64) {
        self.count(self.instrument.inner.set(value));
    }
}

impl HistogramFn for Checked<FloatHistogram> {
    #[inline]
    fn record(&self, value: f64) {
        self.count(self.instrument.inner.record_many(value, 1));
    }

    fn record_many(&self, value: f64, count: usize) {
        self.count(self.instrument.inner.record_many(value, count as u64));
    }
}
