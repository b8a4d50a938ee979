//! The shard of a thread: found, claimed, given back.

use ringstat_core::policy::Gate;

use super::Rings;
use super::kinds::End;
use super::thread_shards::{self, ThreadShard, ThreadShards};

impl Rings {
    /// Claims a shard for the calling thread now, rather than at its first record. Returns whether it has one.
    pub(crate) fn register(&self) -> bool {
        let has_one = |shard: &mut ThreadShard| !matches!(shard.end, End::None { .. });
        thread_shards::with(|shards| self.shard(shards).is_some_and(has_one)).unwrap_or(false)
    }

    /// This thread's shard, which is made if necessary and put first. `None` if the thread has too many.
    pub(super) fn shard<'a>(&self, shards: &'a mut ThreadShards) -> Option<&'a mut ThreadShard> {
        match shards.iter().position(|shard| shard.client == self.id) {
            Some(index) => shards.swap(0, index),
            None => {
                thread_shards::forget_stale(shards);
                let gate = Gate::new(self.policy, self.id as u16);
                let shard = ThreadShard { client: self.id, end: self.find(), gate };
                shards.insert(0, shard).ok()?;
            }
        }
        let shard = shards.first_mut()?;
        if let End::None { vacated } = shard.end
            && vacated != self.all.vacated()
        {
            shard.end = self.find();
        }
        Some(shard)
    }

    /// Claims a shard for this thread, if one is free and will be given back.
    fn find(&self) -> End {
        // Before looking, so that a shard that is given back meanwhile is looked for again.
        let vacated = self.all.vacated();
        let claimed = if thread_shards::release_on_exit() { self.all.claim() } else { None };
        claimed.unwrap_or(End::None { vacated })
    }
}
