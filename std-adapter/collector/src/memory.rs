//! Memory accounting: what the allocator takes for an allocation, and how much more may be taken.

/// What the allocator takes for an allocation of that size: a header, and rounding up (as glibc does; others take no
/// more).
#[must_use]
pub(crate) const fn heap(bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    let whole = (bytes + 8).next_multiple_of(16);
    if whole < 32 { 32 } else { whole }
}

/// The size of a hash table with room for `capacity` entries: a power of two of places, of which at most seven in eight
/// are used, with a byte of control for each.
#[must_use]
pub(crate) fn table(capacity: usize, entry: usize) -> usize {
    if capacity == 0 {
        return 0;
    }
    let places = (capacity * 8).div_ceil(7).next_power_of_two().max(4);
    heap(places * (entry + 1) + 16)
}

/// How much more one datagram may make the collector keep.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    /// Bytes taken, minus bytes given back.
    taken: isize,
    /// How often there was no room.
    pub(crate) refused: u64,
    /// How often a distribution became coarser.
    pub(crate) coarser: u64,
    /// How often a set stopped counting exactly.
    pub(crate) estimated: u64,
}

impl Room {
    pub(crate) fn new(left: usize) -> Self {
        Self { left, taken: 0, refused: 0, coarser: 0, estimated: 0 }
    }

    /// Takes this many bytes if they are available.
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

    /// Gives back bytes that were taken now or earlier.
    pub(crate) fn give(&mut self, bytes: usize) {
        self.left += bytes;
        self.taken -= bytes as isize;
    }

    /// Subtracts bytes that are charged elsewhere, as far as they are available.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    pub(crate) fn left(&self) -> usize {
        self.left
    }

    /// The number of bytes to charge.
    pub(crate) fn taken(&self) -> isize {
        self.taken
    }
}
