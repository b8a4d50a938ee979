//! How the outputs are doing: where the collector sends what it knows.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

/// The kind of output whose samples are datagrams.
pub(crate) const RELAY: &str = "relay";

/// Why samples were dropped instead of sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum OutputCause {
    /// The target refused them for good.
    Refused,
    /// More was waiting than there is room for; the oldest are dropped.
    QueueFull,
    /// They could not be read back from the data directory.
    Disk,
    /// The collector ended, and they waited in memory.
    Shutdown,
    /// A relay had been given them before: they arrived twice, or too late to tell.
    Duplicate,
    /// They came from the machine to which they were to be relayed.
    Loop,
    /// The target's protocol cannot express them.
    Unsupported,
}

impl OutputCause {
    /// All causes, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Refused,
        Self::QueueFull,
        Self::Disk,
        Self::Shutdown,
        Self::Duplicate,
        Self::Loop,
        Self::Unsupported,
    ];

    /// The name of the cause in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::QueueFull => "queue_full",
            Self::Disk => "disk",
            Self::Shutdown => "shutdown",
            Self::Duplicate => "duplicate",
            Self::Loop => "loop",
            Self::Unsupported => "unsupported",
        }
    }
}

/// What became of the samples for one target. For a relay, samples are datagrams that came in, or lines that were made here.
/// All of them only grow, and `restored` and `queued` together are what was
/// sent, dropped and is pending.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct OutputCounts {
    /// Samples that an earlier life of the collector left in the data directory.
    pub restored: u64,
    /// Samples that were taken since.
    pub queued: u64,
    /// Samples that the target has taken.
    pub sent: u64,
    /// Samples that were dropped, by [`OutputCause`].
    pub dropped: [u64; OutputCause::ALL.len()],
    /// Requests that the target has decided.
    pub requests: u64,
    /// Requests that failed, and were or will be sent again.
    pub failures: u64,
    /// Moments at which no samples were taken, because it took too long before or the clock was set back.
    pub skipped: u64,
}

impl OutputCounts {
    /// Samples that were dropped, for whatever cause.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

/// A target of an output, and how it is doing.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct OutputReport {
    /// The kind of output, such as `remote_write`.
    pub kind: &'static str,
    /// Where it goes, without what may be secret.
    pub target: String,
    /// What became of the samples.
    pub counts: OutputCounts,
    /// The counts of some minutes ago: health is judged by what has happened since.
    #[serde(skip)]
    pub before: OutputCounts,
    /// Samples that wait to be sent.
    pub pending_samples: u64,
    /// Their size, compressed, in bytes.
    pub pending_bytes: usize,
    /// The age of the oldest of them, in JSON in seconds.
    #[serde(serialize_with = "seconds")]
    pub oldest_pending: Duration,
    /// Why the target does not take samples, if it does not.
    pub failing: Option<String>,
    /// For how long it has not, in JSON in seconds.
    #[serde(serialize_with = "seconds")]
    pub failing_for: Duration,
    /// Why what waits cannot be written to the data directory, if it cannot.
    pub disk_failing: Option<String>,
}

fn seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl OutputReport {
    /// Whether every sample is accounted for.
    #[must_use]
    pub fn closes(&self) -> bool {
        let OutputCounts { restored, queued, sent, .. } = self.counts;
        restored + queued == sent + self.counts.dropped() + self.pending_samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        assert!(OutputCause::ALL.iter().enumerate().all(|(i, cause)| *cause as usize == i));
    }
}
