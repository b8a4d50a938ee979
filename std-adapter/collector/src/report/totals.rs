//! What all shards have counted, added up.

use crate::intake::{Counts, Shards};
use crate::limits::{Hits, Limits};

/// What all shards have counted, added up.
#[derive(Clone, Default, Debug)]
pub(crate) struct Totals {
    pub(crate) counts: Counts,
    pub(crate) limits: Limits,
    pub(crate) hits: Hits,
    /// How often each limit had been reached some minutes ago.
    pub(crate) hits_before: Hits,
    /// Datagrams of the last minutes.
    pub(crate) received_lately: u64,
    pub(crate) senders: usize,
    pub(crate) series: usize,
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
                totals.hits_before.add_up(collector.hits_before());
                totals.received_lately += collector.received_lately();
                totals.senders += collector.sender_count();
                totals.series += store.len();
                totals.bytes += store.bytes();
                totals.overflowed += store.overflowed;
            });
        }
        totals
    }
}
