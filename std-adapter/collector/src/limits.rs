//! Limits on everything that others can make the collector keep or do. All of them are on by default.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits on what is kept and shown. Whatever exceeds one is refused under its own reason, goes to an overflow series,
/// or is kept in a coarser form; [`Limit`] says which, and each time is counted.
///
/// ```
/// use ringstat_collector::Limits;
///
/// let limits = Limits { bytes: 64 << 20, series_per_sender: 1000, ..Limits::default() };
/// assert!(limits.series > limits.series_per_sender);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The number of senders. Up to half of them are admitted at once; above that, a sender has to send three times to
    /// be admitted, and when all places are taken, newcomers displace newcomers.
    pub senders: usize,
    /// The number of series.
    pub series: usize,
    /// The number of series of one sender, so that a runaway sender does not take the place of others.
    pub series_per_sender: usize,
    /// The memory for everything that datagrams can make the collector keep, in bytes. A sender may take three times
    /// what is left free, so that later ones find room.
    pub bytes: usize,
    /// The length of an answer to `/metrics`, in bytes; series beyond it are left out and counted.
    pub page: usize,
    /// Senders not heard from for this long are forgotten.
    pub idle: Duration,
    /// A series that has not changed for this long is forgotten if its sender is silent, gone or forgotten. Those of a
    /// living sender stay.
    pub series_ttl: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            senders: 10_000,
            series: 100_000,
            series_per_sender: 20_000,
            bytes: 256 << 20,
            page: 256 << 20,
            idle: Duration::from_secs(600),
            series_ttl: Duration::from_secs(600),
        }
    }
}

/// A limit that was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Limit {
    /// There was no place for another sender.
    Senders,
    /// A newcomer lost its place, and its series, to another newcomer.
    Newcomers,
    /// There was no place for another series.
    Series,
    /// There was no place for another series of this sender.
    SeriesPerSender,
    /// There was no memory left.
    Bytes,
    /// There was no memory left for this sender, so that some remains for others.
    Share,
    /// A distribution had values so different that it became coarser, or that some were counted in a neighbouring
    /// bucket.
    Buckets,
    /// A set had more members than can be told apart: their number is an estimate from then on.
    Members,
    /// A series did not fit into the answer to `/metrics`.
    Page,
}

impl Limit {
    /// All limits, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::Senders,
        Self::Newcomers,
        Self::Series,
        Self::SeriesPerSender,
        Self::Bytes,
        Self::Share,
        Self::Buckets,
        Self::Members,
        Self::Page,
    ];

    /// The name of the limit in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Senders => "senders",
            Self::Newcomers => "newcomers",
            Self::Series => "series",
            Self::SeriesPerSender => "series_per_sender",
            Self::Bytes => "bytes",
            Self::Share => "share",
            Self::Buckets => "buckets",
            Self::Members => "members",
            Self::Page => "page",
        }
    }

    /// What happened and what to do about it, to be printed after a number of times.
    #[must_use]
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Senders => {
                "datagrams of new senders found no place: raise --max-senders, or find out who forges sender numbers"
            }
            Self::Newcomers => {
                "new senders lost their place to newer ones: raise --max-senders, or find out who forges sender numbers"
            }
            Self::Series => "records found no place for their series: raise --max-series",
            Self::SeriesPerSender => {
                "records exceeded the series of one sender: use fewer distinct tags, or raise --max-series-per-sender"
            }
            Self::Bytes => "times there was no memory left: raise --max-bytes",
            Self::Share => {
                "times a sender had used up its share of memory: use fewer distinct tags, or raise --max-bytes"
            }
            Self::Buckets => "times a distribution became coarser: its values are too far apart",
            Self::Members => {
                "sets stopped counting exactly and are now estimated; use fewer distinct members where the count must be exact"
            }
            Self::Page => "series were left out of /metrics: its answer would be too long",
        }
    }
}

/// How often each limit was reached, and because of which sender last.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Hits {
    times: [u64; Limit::ALL.len()],
    by: [u64; Limit::ALL.len()],
}

impl Hits {
    /// Counts a limit that was reached `times` times because of this sender.
    pub(crate) fn count(&mut self, limit: Limit, sender: u64, times: u64) {
        if times > 0 {
            self.times[limit as usize] += times;
            self.by[limit as usize] = sender;
        }
    }

    /// Adds what another shard has counted.
    pub(crate) fn add_up(&mut self, other: &Self) {
        for limit in Limit::ALL {
            self.count(limit, other.by[limit as usize], other.times(limit));
        }
    }

    /// How often a limit was reached.
    #[must_use]
    pub fn times(&self, limit: Limit) -> u64 {
        self.times[limit as usize]
    }

    /// The sender because of which it was last reached.
    #[must_use]
    pub fn by(&self, limit: Limit) -> Option<u64> {
        (self.times(limit) > 0).then(|| self.by[limit as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        assert!(Limit::ALL.iter().enumerate().all(|(i, limit)| *limit as usize == i));
    }
}
