//! The workers that live, and what share of the shards each should have.

use std::collections::BTreeMap;

use super::{Shard, Time, Timing, WorkerId};

/// The workers that announce themselves.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Members {
    me: WorkerId,
    /// The others, and when each was last heard.
    others: BTreeMap<WorkerId, Time>,
    /// When somebody last came or went.
    changed: Time,
}

impl Members {
    pub(super) fn new(me: WorkerId, now: Time) -> Self {
        Self { me, others: BTreeMap::new(), changed: now }
    }

    /// A worker announced itself.
    pub(super) fn heard(&mut self, worker: &WorkerId, now: Time) {
        if self.others.insert(worker.clone(), now).is_none() {
            self.changed = now;
        }
    }

    /// A worker said that it is gone.
    pub(super) fn gone(&mut self, worker: &str, now: Time) {
        if self.others.remove(worker).is_some() {
            self.changed = now;
        }
    }

    /// Nothing could be heard until now: nobody is gone for having been silent.
    pub(super) fn forgive(&mut self, now: Time) {
        self.others.values_mut().for_each(|heard| *heard = now);
    }

    /// Forgets those that were silent for too long.
    pub(super) fn expire(&mut self, now: Time, timing: &Timing) {
        let before = self.others.len();
        self.others.retain(|_, heard| now < *heard + timing.ttl);
        if self.others.len() != before {
            self.changed = now;
        }
    }

    /// When the next one is silent for too long.
    pub(super) fn next_expiry(&self, timing: &Timing) -> Option<Time> {
        self.others.values().min().map(|heard| *heard + timing.ttl)
    }

    /// When the members will have been the same for long enough to hand shards over.
    pub(super) fn settled_at(&self, timing: &Timing) -> Time {
        self.changed + timing.settle
    }

    /// How many workers live, this one included.
    pub(super) fn len(&self) -> usize {
        self.others.len() + 1
    }

    /// This worker's place among all, in the order of their names.
    pub(super) fn rank(&self) -> usize {
        self.others.range::<WorkerId, _>(..&self.me).count()
    }

    /// How many of the shards this worker should hold. The shares of all members that see each other add up to all shards.
    pub(super) fn share(&self, shards: Shard) -> usize {
        let (shards, workers) = (usize::from(shards), self.len());
        shards / workers + usize::from(self.rank() < shards % workers)
    }
}
