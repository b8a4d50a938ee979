//! What all shards have counted, added up.

use ringstat_core::wire::DecodeError;

use crate::intake::{Counts, Examples, Shards};
use crate::limits::{Hits, Limits};
use crate::statsd::LineError;

/// What all shards have counted, added up.
#[derive(Clone, Default, Debug)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    pub(crate) limits: Limits,
    pub(crate) hits: Hits,
    /// How often each limit had been reached some minutes ago.
    pub(crate) hits_before: Hits,
    /// Datagrams of the last minutes.
    pub(crate) received_recently: u64,
    /// What had been counted some minutes ago.
    pub(crate) counts_before: Counts,
    pub(crate) senders: usize,
    pub(crate) series: usize,
    /// Lines of StatsD that were refused, for example.
    pub(crate) examples: Examples,
    pub(crate) bytes: usize,
    /// Records that went to an overflow series.
    pub(crate) overflowed: u64,
}

impl Totals {
    /// Looks at each shard for a moment.
    pub(crate) fn of<S: Shards + ?Sized>(shards: &S) -> Self {
        let mut totals = Self::default();
        for shard in 0..shards.count() {
            shards.look(shard, |collector| {
                let store = collector.store();
                totals.limits = *collector.limits();
                totals.counts.add_up(collector.counts());
                totals.hits.add_up(&store.hits);
                if let Some(examples) = collector.refused_examples() {
                    totals.examples.add_up(examples);
                }
                totals.hits_before.add_up(collector.hits_before());
                totals.received_recently += collector.received_recently();
                totals.counts_before.add_up(collector.counts_before());
                totals.senders += collector.sender_count();
                totals.series += store.len();
                totals.bytes += store.bytes();
                totals.overflowed += store.overflowed;
            });
        }
        totals
    }
}

impl Totals {
    /// Of the last minutes: datagrams that were lines of StatsD, and malformed ones by reason, these included.
    pub(crate) fn recent_malformed(&self) -> (u64, [(&'static str, u64); DecodeError::ALL.len()]) {
        let (before, now) = (&self.counts_before, &self.counts);
        let by_reason = DecodeError::ALL.map(|e| {
            let i = e as usize;
            (e.as_str(), now.malformed[i].saturating_sub(before.malformed[i]))
        });
        (now.statsd_lines.saturating_sub(before.statsd_lines), by_reason)
    }

    /// Of the last minutes: lines of StatsD that were refused, all of them and those of the most frequent reason, and all
    /// lines.
    pub(crate) fn recent_refused_lines(&self) -> (u64, (LineError, u64), u64) {
        let (before, now) = (&self.counts_before, &self.counts);
        let of = |reason: LineError| {
            let i = reason as usize;
            (reason, now.refused_lines[i].saturating_sub(before.refused_lines[i]))
        };
        let all = now.refused_lines_total().saturating_sub(before.refused_lines_total());
        let most = LineError::ALL.map(of).into_iter().max_by_key(|(_, n)| *n);
        let lines = now.lines.saturating_sub(before.lines);
        (all, most.unwrap_or((LineError::NotUtf8, 0)), lines)
    }
}
