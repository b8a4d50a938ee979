//! Who owns which block of the memory for long tags: one word per block, and nothing else is trusted.
//!
//! ```text
//!  free ──take──► taken ──park──► parked ──reopen──► taken ──free──► free, one generation on
//!                   ▲                 ◄────park───────┘
//!                   └ one party alone may touch the bytes
//! ```
//!
//! A block goes from free or parked to taken by a compare-and-swap, so that two never have it, whatever they believe:
//! a stamp that was used before, or kept too long, opens nothing. Nobody waits for anybody: who finds a block taken goes
//! on to the next, and gives up after [`PROBES`].
//!
//! Where one party alone takes blocks, none that it has found free can be taken by another, and no stamp opens a free
//! one: the owner writes its bytes and [parks](park_found) it, by plain loads and stores.

use core::ops::Range;

use crate::sync::{AtomicU32, Ordering, const_fn, mutant};

/// How many blocks in use a taker examines before it gives up.
const PROBES: usize = 64;

const STATE: u32 = 0b11;
const FREE: u32 = 0;
const TAKEN: u32 = 1;
const PARKED: u32 = 2;
/// One generation. The generation of a block advances each time it becomes free.
const GENERATION: u32 = 4;

/// The ordering with which a free block is taken: whoever owned it before has finished with its bytes.
#[inline(always)]
fn acquire_free() -> Ordering {
    if mutant("spill_take") { Ordering::Relaxed } else { Ordering::Acquire }
}
#[cfg(feature = "alloc")]
/// The same, for the owner, who finds the block free.
#[inline(always)]
fn acquire_clear() -> Ordering {
    if mutant("spill_find") { Ordering::Relaxed } else { Ordering::Acquire }
}
/// What opening a parked run makes visible: its bytes.
#[inline(always)]
fn acquire_parked() -> Ordering {
    if mutant("spill_open") { Ordering::Relaxed } else { Ordering::Acquire }
}
/// The ordering with which a run is parked: its bytes have been written, or read.
#[inline(always)]
fn release_parked() -> Ordering {
    if mutant("spill_park") { Ordering::Relaxed } else { Ordering::Release }
}
/// The ordering with which a block is freed: its bytes have been read.
#[inline(always)]
fn release_free() -> Ordering {
    if mutant("spill_free") { Ordering::Relaxed } else { Ordering::Release }
}

/// The claim on one block.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Claim(AtomicU32);

impl Claim {
    const_fn! {
        /// Creates the claim on a free block.
        pub(super) const fn new() -> Self {
            Self(AtomicU32::new(FREE))
        }
    }

    /// Takes the block if it is free.
    #[inline]
    fn take(&self) -> bool {
        let word = self.0.load(Ordering::Relaxed);
        if mutant("spill_claim") {
            self.0.store(word & !STATE | TAKEN, Ordering::Release);
            return word & STATE == FREE;
        }
        word & STATE == FREE
            && self
                .0
                .compare_exchange(word, word | TAKEN, acquire_free(), Ordering::Relaxed)
                .is_ok()
    }

    /// Frees the block, which the caller must have taken.
    #[inline]
    fn free(&self) {
        // Relaxed: nobody else writes a word that says `TAKEN`.
        let word = self.0.load(Ordering::Relaxed);
        self.0.store((word & !STATE).wrapping_add(GENERATION), release_free());
    }

    /// Leaves the block, which nobody else may write, and returns the stamp that opens it.
    #[inline]
    pub(super) fn park(&self) -> u32 {
        let stamp = self.0.load(Ordering::Relaxed) & !STATE | PARKED;
        self.0.store(stamp, release_parked());
        stamp
    }

    #[cfg(feature = "alloc")]
    /// Whether the block is free, and whoever had it before is done with its bytes.
    #[inline]
    fn is_clear(&self) -> bool {
        self.0.load(acquire_clear()) & STATE == FREE
    }

    pub(super) fn is_free(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STATE == FREE
    }
}

/// Takes `count` adjacent blocks, starting the search at `cursor`.
#[inline]
pub(super) fn take(claims: &[Claim], cursor: &AtomicU32, count: usize) -> Option<Range<usize>> {
    if count == 0 || count > claims.len() {
        return None;
    }
    // Relaxed: it is only a place to begin; several takers may begin at the same one.
    let mut first = cursor.load(Ordering::Relaxed) as usize;
    // Most events need one block, and the next one is free.
    if count == 1 && claims.get(first).is_some_and(Claim::take) {
        cursor.store(first as u32 + 1, Ordering::Relaxed);
        return Some(first..first + 1);
    }
    let (mut probes, mut wrapped) = (0, false);
    loop {
        if first + count > claims.len() {
            if wrapped {
                return None;
            }
            (first, wrapped) = (0, true);
        }
        let run = first..first + count;
        let got = claims.get(run.clone())?.iter().take_while(|claim| claim.take()).count();
        if got == count {
            cursor.store(run.end as u32, Ordering::Relaxed);
            return Some(run);
        }
        free(claims, first..first + got);
        probes += got + 1;
        if probes > PROBES {
            // The next taker starts its search further on.
            cursor.store(first as u32, Ordering::Relaxed);
            return None;
        }
        first += got + 1;
    }
}

#[cfg(feature = "alloc")]
/// Blocks in a row that the one party that takes any has found free: they stay so until that one parks them.
pub(super) struct Clear<'a> {
    /// The number of the first one.
    pub(super) first: usize,
    claim: &'a Claim,
    /// What the first one's claim says.
    word: u32,
    rest: &'a [Claim],
}

#[cfg(feature = "alloc")]
impl<'a> Clear<'a> {
    /// The `count` blocks at `cursor`, if all are free.
    #[inline(always)]
    pub(super) fn next(claims: &'a [Claim], cursor: &AtomicU32, count: usize) -> Option<Self> {
        // Relaxed: only the owner writes it.
        let first = cursor.load(Ordering::Relaxed) as usize;
        let claim = claims.get(first)?;
        let word = claim.0.load(acquire_clear());
        if word & STATE != FREE {
            return None;
        }
        // Most events need one block.
        let mut rest: &[Claim] = &[];
        if count > 1 {
            rest = claims.get(first + 1..first + count)?;
            if !rest.iter().all(Claim::is_clear) {
                return None;
            }
        }
        cursor.store((first + count) as u32, Ordering::Relaxed);
        Some(Self { first, claim, word, rest })
    }

    /// Leaves the blocks to whoever is given the stamp that this returns.
    #[inline(always)]
    pub(super) fn park(self) -> u32 {
        // Relaxed: seen by who opens the first one, below.
        for claim in self.rest {
            claim.0.store(claim.0.load(Ordering::Relaxed) | TAKEN, Ordering::Relaxed);
        }
        let stamp = self.word | PARKED;
        self.claim.0.store(stamp, release_parked());
        stamp
    }
}

#[cfg(feature = "alloc")]
/// Looks for `count` free blocks in a row, from about `cursor` on, for the one party that takes any: they stay so until
/// that one [parks](park_found) them. Returns the first.
pub(super) fn find(claims: &[Claim], cursor: &AtomicU32, count: usize) -> Option<usize> {
    let mut first = cursor.load(Ordering::Relaxed) as usize;
    let (mut probes, mut wrapped) = (0, false);
    loop {
        let Some(run) = claims.get(first..first + count) else {
            if wrapped || count > claims.len() {
                return None;
            }
            (first, wrapped) = (0, true);
            continue;
        };
        let clear = run.iter().take_while(|claim| claim.is_clear()).count();
        if clear == count {
            cursor.store((first + count) as u32, Ordering::Relaxed);
            return Some(first);
        }
        probes += clear + 1;
        first += clear + 1;
        if probes > PROBES {
            // The next one looks further on.
            cursor.store(first as u32, Ordering::Relaxed);
            return None;
        }
    }
}

#[cfg(feature = "alloc")]
/// Leaves a run that [`find`] has found to whoever is given the stamp that this returns.
pub(super) fn park_found(claims: &[Claim], first: usize, count: usize) -> u32 {
    let run = claims.get(first..first + count);
    let Some((claim, rest)) = run.and_then(<[_]>::split_first) else { return 0 };
    // Relaxed: seen by who opens the first one, below.
    for claim in rest {
        claim.0.store(claim.0.load(Ordering::Relaxed) & !STATE | TAKEN, Ordering::Relaxed);
    }
    claim.park()
}

/// Parks a run, which the caller must have taken, for whoever is given the returned stamp.
#[inline]
pub(super) fn park(claims: &[Claim], first: usize) -> u32 {
    claims.get(first).map_or(0, Claim::park)
}

/// Takes a parked run by its stamp; at most one party succeeds.
#[inline]
pub(super) fn reopen(claims: &[Claim], first: usize, stamp: u32) -> bool {
    let Some(claim) = claims.get(first) else { return false };
    let taken = stamp & !STATE | TAKEN;
    if mutant("spill_twice") {
        claim.0.store(taken, Ordering::Release);
        return true;
    }
    stamp & STATE == PARKED
        && claim.0.compare_exchange(stamp, taken, acquire_parked(), Ordering::Relaxed).is_ok()
}

/// Frees blocks that the caller has taken.
#[inline]
pub(super) fn free(claims: &[Claim], run: Range<usize>) {
    claims.get(run).unwrap_or(&[]).iter().for_each(Claim::free);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn claims(count: usize) -> (Vec<Claim>, AtomicU32) {
        ((0..count).map(|_| Claim::new()).collect(), AtomicU32::new(0))
    }

    #[test]
    fn runs_follow_each_other_and_begin_again_at_the_start() {
        let (claims, cursor) = claims(5);
        assert_eq!(take(&claims, &cursor, 2), Some(0..2));
        assert_eq!(take(&claims, &cursor, 2), Some(2..4));
        assert_eq!(take(&claims, &cursor, 2), None, "one is left");
        free(&claims, 0..2);
        assert_eq!(take(&claims, &cursor, 2), Some(0..2), "a run does not go round the end");
        assert_eq!(take(&claims, &cursor, 1), Some(4..5));
        assert_eq!(take(&claims, &cursor, 1), None);
        assert_eq!((take(&claims, &cursor, 0), take(&claims, &cursor, 6)), (None, None));
    }

    #[test]
    fn a_stamp_opens_once_and_not_after_its_time() {
        let (claims, cursor) = claims(1);
        take(&claims, &cursor, 1).unwrap();
        let stamp = park(&claims, 0);
        assert!(reopen(&claims, 0, stamp) && !reopen(&claims, 0, stamp));
        assert_eq!(park(&claims, 0), stamp, "put back as it was");
        assert!(reopen(&claims, 0, stamp));
        free(&claims, 0..1);
        take(&claims, &cursor, 1).unwrap();
        let next = park(&claims, 0);
        assert!(next != stamp && !reopen(&claims, 0, stamp) && reopen(&claims, 0, next));
        assert!(!reopen(&claims, 1, next) && !reopen(&claims, 0, 0));
    }

    #[test]
    fn what_is_in_use_is_passed_over_but_not_for_ever() {
        let (claims, cursor) = claims(3 * PROBES);
        let all: Vec<_> = (0..claims.len()).map(|_| take(&claims, &cursor, 1).unwrap()).collect();
        free(&claims, all[2 * PROBES].clone());
        assert_eq!(take(&claims, &cursor, 1), None, "too far away for one look");
        let looks = (0..).find(|_| take(&claims, &cursor, 1).is_some()).unwrap();
        assert!(looks <= 3, "but the next one goes on there: {looks}");
    }
}
