//! How much the collector lets itself be asked for. All of it is on by default.

use std::time::Duration;

/// Bounds of the store. What is beyond one is refused under its own reason, or goes to an overflow series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Senders at a time. Up to half of them are taken at once; above that, one has to send twice to be taken, so
    /// that a flood of forged senders does not keep real ones out.
    pub senders: usize,
    /// Series at a time.
    pub series: usize,
    /// Series of one sender at a time: one that goes wild does not take the place of others.
    pub series_per_sender: usize,
    /// Estimated memory of all series, in bytes.
    pub bytes: usize,
    /// Senders and series that were not heard of for so long are forgotten.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            senders: 10_000,
            series: 100_000,
            series_per_sender: 20_000,
            bytes: 256 << 20,
            idle: Duration::from_secs(600),
        }
    }
}
