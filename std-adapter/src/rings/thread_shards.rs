//! Where the calling thread records: its shards at the clients to which it has recorded.
//!
//! They are stored in a `thread_local!` without a destructor, so that a thread's first record takes no lock (see
//! [`threads`]); a hook at the thread's end gives them back. They keep no rings alive: an idle thread keeps at most the
//! 2 KiB that a client's rings take besides their slots, for up to [`CLIENTS`] clients.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use heapless::Vec;
use ringstat_core::policy::{Gate, Sampler};

use super::kinds::End;
use crate::threads;

/// A thread that records to more clients than this uses the shared ring of the others.
pub(super) const CLIENTS: usize = 4;

/// This thread's shard of one client's rings.
pub(super) struct ThreadShard {
    pub(super) client: u64,
    pub(super) end: End,
    pub(super) gate: Gate,
}

/// The most recently used one first.
pub(super) type ThreadShards = Vec<ThreadShard, CLIENTS>;

thread_local! {
    static SHARDS: RefCell<ManuallyDrop<ThreadShards>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    /// Chooses which records this thread keeps while a client is throttled.
    static THROTTLED: Cell<Sampler> = const { Cell::new(Sampler::new(1)) };
}

/// Passes this thread's shards to `f`; `None` if the thread is already using them.
#[inline(always)]
pub(super) fn with<T>(f: impl FnOnce(&mut ThreadShards) -> T) -> Option<T> {
    // `try_with`, which can be inlined; without a destructor it cannot fail.
    SHARDS.try_with(|shards| shards.try_borrow_mut().ok().map(|mut shards| f(&mut shards))).ok()?
}

/// Arranges for the shards to be given back when this thread ends, and returns whether that succeeded. If not, the
/// thread must not have any.
pub(super) fn release_on_exit() -> bool {
    threads::on_exit(|| {
        with(|shards| shards.clear());
    })
}

/// Removes the shards at rings that no longer exist, and frees what little was left of those.
pub(super) fn forget_stale(shards: &mut ThreadShards) {
    shards.retain(|shard| !shard.end.is_stale());
}

/// Whether this thread keeps a record, if one in `n` is kept while a client is throttled.
pub(super) fn keeps_one_in(n: u8) -> bool {
    let mut sampler = THROTTLED.get();
    let keep = sampler.take(n);
    THROTTLED.set(sampler);
    keep
}
