//! Memory accounting: what the allocator takes for an allocation, and how much more may be taken.

mod budget;
mod numbers;

pub(crate) use budget::Budget;
pub(crate) use numbers::Numbers;

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
pub(crate) struct Room<'b> {
    left: usize,
    /// Where more is claimed; without it, all that is left is claimed already.
    budget: Option<&'b Budget>,
    /// Claimed and not taken.
    spare: usize,
    /// Claimed since the beginning.
    claimed: usize,
    /// Bytes taken, minus bytes given back.
    taken: isize,
    /// How often there was no room.
    pub(crate) refused: u64,
    /// How often a distribution became coarser.
    pub(crate) coarser: u64,
    /// How often a set stopped counting exactly.
    pub(crate) estimated: u64,
}

impl<'b> Room<'b> {
    /// Room for `left` bytes, of which `spare` are claimed of the budget.
    pub(crate) fn of(budget: &'b Budget, left: usize, spare: usize) -> Self {
        Self { budget: Some(budget), spare, ..Self::new(left) }
    }

    /// Room for `left` bytes that nobody else takes.
    pub(crate) fn new(left: usize) -> Self {
        Self {
            left,
            budget: None,
            spare: left,
            claimed: 0,
            taken: 0,
            refused: 0,
            coarser: 0,
            estimated: 0,
        }
    }

    /// Takes this many bytes if they are available.
    #[must_use]
    pub(crate) fn take(&mut self, bytes: usize) -> bool {
        if bytes > self.left || !self.claim(bytes, false) {
            self.refused += 1;
            return false;
        }
        self.left -= bytes;
        self.taken += bytes as isize;
        true
    }

    /// Sees to it that so many bytes are claimed, of the reserve if need be, and uses them up.
    pub(crate) fn claim(&mut self, bytes: usize, reserve: bool) -> bool {
        if bytes > self.spare {
            let claim = |b: &Budget| b.claim(bytes - self.spare, reserve);
            let Some(more) = self.budget.and_then(claim) else { return false };
            self.spare += more;
            self.claimed += more;
        }
        self.spare -= bytes;
        true
    }

    /// Gives back bytes that were taken now or earlier.
    pub(crate) fn give(&mut self, bytes: usize) {
        self.left += bytes;
        self.spare += bytes;
        self.taken -= bytes as isize;
    }

    /// Takes bytes that are charged elsewhere, if they are there.
    #[must_use]
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        let there = bytes <= self.left && self.claim(bytes, false);
        if there {
            self.left -= bytes;
        }
        there
    }

    /// The number of bytes to charge.
    pub(crate) fn taken(&self) -> isize {
        self.taken
    }

    /// The number of bytes claimed from the budget.
    pub(crate) fn claimed(&self) -> usize {
        self.claimed
    }
}
