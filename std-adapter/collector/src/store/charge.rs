//! What the store keeps is charged to its senders, and claimed of the memory that all shards share.

use crate::limits::Limit;
use crate::memory::{Room, heap};

use super::page_index::PageIndex;
use super::{Common, Series, Store};

impl Store {
    /// The bookkeeping for a series, in bytes: its entry, and its places in index and page.
    pub(super) const OVERHEAD: usize = size_of::<Option<Series>>() + 10 + PageIndex::OVERHEAD;

    /// How much a datagram of this sender may make the store keep.
    #[inline]
    pub(crate) fn room<'b>(&self, common: &'b Common, sender: u64) -> Room<'b> {
        let spare = self.claimed.saturating_sub(self.bytes());
        let free = common.budget.free_bytes().saturating_add(spare);
        Room::of(&common.budget, self.shares.bytes(sender, free).0, spare)
    }

    /// Charges a sender for what its datagram took.
    #[inline]
    pub(crate) fn settle(&mut self, sender: u64, room: &Room<'_>) {
        self.claimed += room.claimed();
        if room.taken() != 0 {
            self.data_bytes = self.data_bytes.saturating_add_signed(room.taken());
            let taken = room.taken();
            self.shares.change(sender, |s| s.bytes = s.bytes.saturating_add_signed(taken));
        }
        self.balance();
        if room.refused + room.coarser + room.estimated > 0 {
            let short = self.short(sender);
            for (limit, times) in [
                (short, room.refused),
                (Limit::Buckets, room.coarser),
                (Limit::Members, room.estimated),
            ] {
                self.hits.count(limit, sender, times);
            }
        }
    }

    /// Which limit keeps a sender from taking more memory.
    pub(super) fn short(&self, sender: u64) -> Limit {
        let spare = self.claimed.saturating_sub(self.bytes());
        self.shares.bytes(sender, self.common.budget.free_bytes().saturating_add(spare)).1
    }

    /// Claims what is kept, and gives back what was claimed for more.
    pub(super) fn balance(&mut self) {
        self.claimed = self.common.budget.balance(self.claimed, self.bytes());
    }

    /// Claims so many bytes for what others keep. What they keep is bounded together with the store.
    pub(crate) fn claim(&mut self, bytes: usize) -> bool {
        let lacking = (self.bytes() + bytes).saturating_sub(self.claimed);
        if lacking == 0 {
            return true;
        }
        let claimed = self.common.budget.claim(lacking, true);
        self.claimed += claimed.unwrap_or(0);
        claimed.is_some()
    }

    /// Sets how much memory is kept elsewhere.
    pub(crate) fn set_outside(&mut self, bytes: usize) {
        self.outside = bytes;
        self.balance();
    }

    /// Sets how much memory is kept for lines.
    pub(crate) fn set_lines(&mut self, bytes: usize) {
        if bytes != self.lines {
            self.lines = bytes;
            self.balance();
        }
    }

    /// The memory of everything that is kept, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.data_bytes
            + self.outside
            + self.lines
            + self.changes.bytes()
            + self.names.bytes()
            + self.tag_sets.bytes()
            + self.shown.bytes()
            + self.shares.memory()
            + self.index.bytes()
            + self.groups_bytes()
            + heap(self.series.capacity() * size_of::<Option<Series>>())
            + heap(self.free.capacity() * size_of::<u32>())
    }
}
