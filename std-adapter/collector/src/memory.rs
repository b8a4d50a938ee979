//! Memory, as it is charged: what the allocator takes for it, and who may take more.

/// What the allocator takes for so many bytes: its header, and rounded up (glibc's, and others are no greedier).
#[must_use]
pub(crate) const fn heap(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    let whole = (bytes + 8).next_multiple_of(16);
    if whole < 32 { 32 } else { whole }
}

/// A hash table with room for `capacity` entries: a power of two of places, seven of eight of them used at most, and a
/// byte of control for each.
#[must_use]
pub(crate) fn table(capacity: usize, entry: usize) -> usize {
    if capacity == 0 {
        return 0;
    }
    let places = (capacity * 8).div_ceil(7).next_power_of_two().max(4);
    heap(places * (entry + 1) + 16)
}

/// How much one datagram may still make the collector keep.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    /// Taken, less what was given back.
    taken: isize,
    /// Times that there was none.
    pub(crate) refused: u64,
    /// Times that a distribution became coarser.
    pub(crate) coarser: u64,
    /// Times that a set stopped counting exactly.
    pub(crate) estimated: u64,
}

impl Room {
    pub(crate) fn new(left: usize) -> Self {
        Self { left, taken: 0, refused: 0, coarser: 0, estimated: 0 }
    }

    /// Takes so many bytes, if they are there.
    #[must_use]
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if bytes > self.left {
            self.refused += 1;
            return false;
        }
        self.left -= bytes;
        self.taken += bytes as isize;
        true
    }

    /// Gives back what was taken now or before.
    pub(crate) fn give(&mut self, bytes: usize) {
        self.left += bytes;
        self.taken -= bytes as isize;
    }

    /// Takes what is charged elsewhere. There may be a little less.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// What is to be charged.
    pub(crate) fn taken(&self) -> isize {
        self.taken
    }
}
