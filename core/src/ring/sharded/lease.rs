//! A claim on a shard that does not keep the rings alive.

use alloc::sync::{Arc, Weak};

use super::{Shard, Sharded};
use crate::ring::{ShardRing, Storage};

/// The right to record into one shard, kept apart from the rings: for a thread that may outlive them.
///
/// A [`ShardProducer`](super::ShardProducer) over an `Arc` keeps all rings in memory, also when nobody will ever drain
/// them again. A lease keeps only the few hundred bytes of the `Sharded` itself (over boxed slices), and shows the
/// recording end to whoever has the rings at hand.
///
/// Dropping it gives the shard back, if the rings still live.
#[derive(Debug)]
pub struct Lease<L: ShardRing, S: Storage<Shard<L>>, F> {
    /// As long as this lives, nothing else can lie at its address.
    all: Weak<Sharded<L, S, F>>,
    /// That address, to compare with.
    address: usize,
    index: usize,
}

impl<L: ShardRing, S: Storage<Shard<L>>, F> Lease<L, S, F> {
    /// Claims a free shard, if there is one. Linear in the number of shards.
    #[must_use]
    pub fn claim(all: &Arc<Sharded<L, S, F>>) -> Option<Self> {
        let index = all.take()?;
        Some(Self { all: Arc::downgrade(all), address: Arc::as_ptr(all).addr(), index })
    }

    /// The recording end of the shard, if it is one of `all`.
    #[inline(always)]
    pub fn on<'a>(&'a mut self, all: &'a Arc<Sharded<L, S, F>>) -> Option<L::Producer<'a>> {
        if !self.is_of(all) {
            return None;
        }
        // SAFETY: the shard of these very rings was taken for this alone, until it is given back when this is dropped,
        // and the end borrows from this; between two owners the release and the acquire of `claimed` keep the order.
        Some(unsafe { all.shards.slots()[self.index].ring.producer() })
    }

    /// Whether the shard is one of `all`.
    #[inline(always)]
    #[must_use]
    pub fn is_of(&self, all: &Arc<Sharded<L, S, F>>) -> bool {
        self.address == Arc::as_ptr(all).addr()
    }

    /// Whether the rings are gone.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.all.strong_count() == 0
    }

    /// Which shard it is.
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
