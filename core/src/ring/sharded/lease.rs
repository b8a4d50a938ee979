//! A claim on a shard that does not keep the rings alive.

use alloc::sync::{Arc, Weak};

use super::{Shard, Sharded};
use crate::ring::{ShardRing, Storage};

/// The right to record into one shard, kept apart from the rings: for a thread that may outlive them.
///
/// A [`ShardProducer`](super::ShardProducer) over an `Arc` keeps all rings in memory, even when nobody will ever drain
/// them again. A lease keeps only the few hundred bytes of the `Sharded` itself (over boxed slices), and gives the
/// recording end to a caller that has the rings at hand.
///
/// Dropping it gives the shard back, if the rings still exist.
#[derive(Debug)]
pub struct Lease<L: ShardRing, S: Storage<Shard<L>>, F> {
    /// While this exists, nothing else can be allocated at the same address.
    all: Weak<Sharded<L, S, F>>,
    /// The address of the rings, for comparison.
    address: usize,
    index: usize,
}

impl<L: ShardRing, S: Storage<Shard<L>>, F> Lease<L, S, F> {
    /// Claims a free shard, or returns `None` if there is none. Takes time linear in the number of shards.
    #[must_use]
    pub fn claim(all: &Arc<Sharded<L, S, F>>) -> Option<Self> {
        let index = all.take()?;
        Some(Self { all: Arc::downgrade(all), address: Arc::as_ptr(all).addr(), index })
    }

    /// The recording end of the shard, if the shard belongs to `all`.
    #[inline(always)]
    pub fn on<'a>(&'a mut self, all: &'a Arc<Sharded<L, S, F>>) -> Option<L::Producer<'a>> {
        if !self.is_of(all) {
            return None;
        }
        // SAFETY: the shard of these very rings was taken for `self` alone until `self` is dropped, and the end borrows
        // from `self`. Between two owners, the release and the acquire of `claimed` provide the order.
        Some(unsafe { all.shards.slots()[self.index].ring.producer() })
    }

    /// Whether the shard belongs to `all`.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, all: &Arc<Sharded<L, S, F>>) -> bool {
        self.address == Arc::as_ptr(all).addr()
    }

    /// Whether the rings no longer exist.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.all.strong_count() == 0
    }

    /// The index of the shard.
    #[inline(always)]
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

impl<L: ShardRing, S: Storage<Shard<L>>, F> Drop for Lease<L, S, F> {
    fn drop(&mut self) {
        if let Some(all) = self.all.upgrade() {
            all.give_back(self.index);
        }
    }
}
