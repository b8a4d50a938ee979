//! The log for operators, with a limited rate for each kind of line, so that no sender can fill the disk.
//!
//! All shards share one journal. It is written through `tracing`, so whoever embeds the collector decides where it goes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ringstat_core::format::Header;
use ringstat_core::wire::DecodeError;

use crate::limits::Limit;

/// The largest number of lines of a kind within a minute; the rest are counted.
const PER_MINUTE: u64 = 10;
/// How long nothing more is logged about the same limit.
const QUIET_MS: u64 = 60_000;

/// The id of a sender, and its address.
type Process = (u64, Option<String>);

/// The kinds of lines that can come as often as somebody sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Topic {
    NewSender,
    Restart,
    Twins,
    Silent,
    Gone,
    SlowCommit,
}

impl Topic {
    const ALL: [Self; 6] =
        [Self::NewSender, Self::Restart, Self::Twins, Self::Silent, Self::Gone, Self::SlowCommit];

    const fn one(self) -> &'static str {
        match self {
            Self::NewSender => "a new sender",
            Self::Restart => "a sender began again",
            Self::Twins => {
                "two processes send under one number: give each a number of its own (--sender), or none"
            }
            Self::Silent => "a sender is silent, and has not said goodbye",
            Self::Gone => "a sender has said goodbye",
            Self::SlowCommit => "a commit to the data directory was slow",
        }
    }

    const fn many(self) -> &'static str {
        match self {
            Self::NewSender => "new senders",
            Self::Restart => "restarts of senders",
            Self::Twins => "processes under the number of another",
            Self::Silent => "senders that are silent",
            Self::Gone => "goodbyes",
            Self::SlowCommit => "slow commits",
        }
    }
}

/// What has been logged so far, to limit the rate of each kind.
#[derive(Default, Debug)]
pub(crate) struct Journal {
    topics: [Quota; Topic::ALL.len()],
    refused: [AtomicBool; DecodeError::ALL.len()],
    limits: [Quiet; Limit::ALL.len()],
}

/// How often a topic has come in this minute.
#[derive(Default, Debug)]
struct Quota {
    minute: AtomicU64,
    told: AtomicU64,
    untold: AtomicU64,
}

/// When a limit was logged, counted from 1, and how often it has been reached since.
#[derive(Default, Debug)]
struct Quiet {
    told_ms: AtomicU64,
    times: AtomicU64,
}

impl Journal {
    /// Logs what happened to the sender of this header.
    #[cold]
    pub(crate) fn sender(&self, topic: Topic, header: &Header, now_ms: u64) {
        if self.may_tell(topic, now_ms) {
            let (sender, epoch) = (format!("{:016x}", header.sender), header.epoch);
            tracing::info!(sender, epoch, "{}", topic.one());
        }
    }

    /// Logs that two processes send under one number, each with its id and address.
    #[cold]
    pub(crate) fn twins(&self, one: Process, other: Process, now_ms: u64) {
        if self.may_tell(Topic::Twins, now_ms) {
            let ((id, at), (other, other_at)) = (one, other);
            let (number, other) = (format!("{id:016x}"), format!("{other:016x}"));
            tracing::warn!(number, ?at, other, ?other_at, "{}", Topic::Twins.one());
        }
    }

    /// Logs that a sender of StatsD lines is new.
    #[cold]
    pub(crate) fn new_lines(&self, id: u64, from: &str, container: Option<&str>, now_ms: u64) {
        if self.may_tell(Topic::NewSender, now_ms) {
            let sender = format!("{id:016x}");
            tracing::info!(sender, from, container, "a new sender of StatsD lines");
        }
    }

    /// Logs that the state of a sender's life has changed.
    pub(crate) fn life(&self, topic: Topic, id: u64, now_ms: u64) {
        if self.may_tell(topic, now_ms) {
            let sender = format!("{id:016x}");
            tracing::info!(sender, "{}", topic.one());
        }
    }

    /// Logs that a commit to the data directory, of what its file is for, took long.
    pub(crate) fn slow_commit(&self, of: &'static str, took: Duration, now_ms: u64) {
        if self.may_tell(Topic::SlowCommit, now_ms) {
            tracing::warn!(of, ?took, "{}", Topic::SlowCommit.one());
        }
    }

    /// Whether a line of this kind may be written now. If not, it is counted.
    fn may_tell(&self, topic: Topic, now_ms: u64) -> bool {
        self.end_minute(topic, now_ms);
        let quota = &self.topics[topic as usize];
        let may = quota.told.fetch_add(1, Relaxed) < PER_MINUTE;
        if !may {
            quota.untold.fetch_add(1, Relaxed);
        }
        may
    }

    /// Logs the first datagram that is refused for this reason.
    #[cold]
    pub(crate) fn refused(&self, reason: DecodeError) {
        if !self.refused[reason as usize].swap(true, Relaxed) {
            let reason = reason.as_str();
            tracing::warn!(reason, "a datagram was refused; further ones are counted by reason");
        }
    }

    /// Logs that a limit was reached `more` times, the last time because of the sender `by`: at once, and then once a
    /// minute as long as it continues.
    pub(crate) fn limit(&self, limit: Limit, by: u64, more: u64, now_ms: u64) {
        let quiet = &self.limits[limit as usize];
        let times = quiet.times.fetch_add(more, Relaxed) + more;
        let told_ms = quiet.told_ms.load(Relaxed);
        let due = told_ms == 0 || now_ms + 1 >= told_ms + QUIET_MS;
        if times == 0 || !due {
            return;
        }
        let mine = quiet.told_ms.compare_exchange(told_ms, now_ms + 1, Relaxed, Relaxed);
        if mine.is_ok() {
            let times = quiet.times.swap(0, Relaxed);
            let by = format!("{by:016x}");
            tracing::warn!(limit = limit.as_str(), by, "{times} {}", limit.explain());
        }
    }

    /// Logs how many lines were suppressed in past minutes.
    pub(crate) fn tick(&self, now_ms: u64) {
        Topic::ALL.into_iter().for_each(|topic| self.end_minute(topic, now_ms));
    }

    fn end_minute(&self, topic: Topic, now_ms: u64) {
        let (quota, minute) = (&self.topics[topic as usize], now_ms / 60_000);
        if quota.minute.load(Relaxed) == minute || quota.minute.swap(minute, Relaxed) == minute {
            return;
        }
        quota.told.store(0, Relaxed);
        let untold = quota.untold.swap(0, Relaxed);
        if untold > 0 {
            tracing::info!("{untold} more {} were not logged one by one", topic.many());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_ten_lines_a_minute() {
        let journal = Journal::default();
        let told = |topic, minute: u64| {
            (0..1000).filter(|n| journal.may_tell(topic, minute * 60_000 + n)).count()
        };
        assert_eq!([told(Topic::Restart, 0), told(Topic::Restart, 0)], [10, 0]);
        assert_eq!(told(Topic::NewSender, 0), 10, "each kind by itself");
        assert_eq!(journal.topics[Topic::Restart as usize].untold.load(Relaxed), 1990);
        journal.tick(59_999);
        assert_eq!(journal.topics[Topic::Restart as usize].untold.load(Relaxed), 1990);
        journal.tick(60_000);
        assert_eq!(journal.topics[Topic::Restart as usize].untold.load(Relaxed), 0);
        assert_eq!(told(Topic::Restart, 1), 10);
        assert!(Topic::ALL.iter().enumerate().all(|(i, topic)| *topic as usize == i));
    }

    #[test]
    fn a_limit_is_told_at_once_and_then_once_a_minute() {
        let journal = Journal::default();
        let left = || journal.limits[Limit::Bytes as usize].times.load(Relaxed);
        let hit = |more, now_ms| {
            journal.limit(Limit::Bytes, 1, more, now_ms);
            left()
        };
        assert_eq!([hit(0, 0), hit(3, 0), hit(4, 5000), hit(5, 59_999)], [0, 0, 4, 9]);
        assert_eq!(hit(0, 60_000), 0, "what came meanwhile is told");
    }
}
