//! Names made at run time: each string once, in a fixed amount of memory, shared by all threads.
//!
//! - Capacity: `N` strings in `BYTES` bytes, plus 8 bytes per string for the hash table. Allocation: none.
//! - Time: a few probes into a table that is at most half full, never more than 128, whether the string is known, new,
//!   or refused.
//! - Progress: [`Interner::resolve`] is wait-free, [`Interner::intern`] lock-free. Nobody waits for anybody: an
//!   interrupted insertion delays no one, and at worst leaves a second copy of the string if another party interns the
//!   same string at that very moment.
//! - When full: returns an error, and counts it.
//! - Callers: anybody, through `&self`, including interrupt handlers.
//!
//! A string is copied into the arena, which only grows, and then published in a slot of a hash table by one
//! compare-and-swap. Published strings never change.
//!
//! ```
//! use ringstat_core::record::Interner;
//! use ringstat_core::record::Resolve;
//!
//! static NAMES: Interner<64, 1024> = Interner::new();
//! let symbol = NAMES.intern("sensor.3.celsius").unwrap();
//! assert_eq!(NAMES.intern("sensor.3.celsius"), Ok(symbol));
//! assert_eq!(NAMES.resolve(symbol), Some("sensor.3.celsius"));
//! ```

#![allow(unsafe_code)] // The arena is shared memory; each block says who may touch it and why.

mod error;
#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(not(loom))]
use super::name::Resolve;
use super::name::{STRING_LIMIT, Symbol, hash};
use crate::sync::{AtomicU32, AtomicUsize, Ordering, UnsafeCell, mutant};
pub use error::InternError;

/// The ordering that makes a string visible to others.
#[inline(always)]
fn publish() -> Ordering {
    if mutant("interner_publish") { Ordering::Relaxed } else { Ordering::AcqRel }
}
/// Whether space in the arena is claimed exclusively.
#[inline(always)]
fn claims() -> bool {
    !mutant("interner_claim")
}

/// The largest number of slots examined for a string. In a half-full table with independent hashes, one string in about
/// 10^11 would need more, and is refused.
const PROBES: usize = 128;

/// An interner with room for `N` strings in `BYTES` bytes, which may be at most 16 MiB.
///
/// ```
/// use ringstat_core::record::{InternError, Interner};
///
/// static NAMES: Interner<2, 64> = Interner::new();
/// let door = NAMES.intern("door.3").unwrap();
/// assert_eq!(NAMES.intern("door.3"), Ok(door), "the same symbol");
/// NAMES.intern("door.4").unwrap();
/// assert_eq!(NAMES.intern("door.5"), Err(InternError::Full));
/// assert_eq!(NAMES.refused(), 1);
/// ```
#[derive(Debug)]
pub struct Interner<const N: usize, const BYTES: usize> {
    /// A hash table with twice as many slots as strings. A slot is 0 if free; otherwise it holds the string's offset in
    /// the arena, shifted left by eight, and its length (1 to 255).
    slots: [[AtomicU32; N]; 2],
    /// The number of strings interned or being interned, at most `N`.
    strings: AtomicUsize,
    /// The number of arena bytes handed out.
    used: AtomicUsize,
    refused: AtomicU32,
    arena: [UnsafeCell<u8>; BYTES],
}

// SAFETY: a byte of the arena is written only by the party that claimed it, before the slot that refers to it is
// published, and only read after that.
unsafe impl<const N: usize, const BYTES: usize> Sync for Interner<N, BYTES> {}

impl<const N: usize, const BYTES: usize> Interner<N, BYTES> {
    /// The size of the arena in bytes.
    pub const BYTES: usize = BYTES;

    /// Creates an empty interner.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0 && BYTES <= 1 << 24, "at least one slot, at most 16 MiB") };
        Self {
            slots: [const { [const { AtomicU32::new(0) }; N] }; 2],
            strings: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            refused: AtomicU32::new(0),
            arena: [const { UnsafeCell::new(0) }; BYTES],
        }
    }

    #[cfg(all(test, loom))]
    fn new() -> Self {
        Self {
            slots: core::array::from_fn(|_| core::array::from_fn(|_| AtomicU32::new(0))),
            strings: AtomicUsize::new(0),
            used: AtomicUsize::new(0),
            refused: AtomicU32::new(0),
            arena: core::array::from_fn(|_| UnsafeCell::new(0)),
        }
    }

    /// Returns the symbol of `text`, adding the string if it is new. Takes constant time, even when there is no room.
    ///
    /// # Errors
    /// See [`InternError`]. Each refusal also counts in [`refused`](Self::refused).
    pub fn intern(&self, text: &str) -> Result<Symbol, InternError> {
        let result = self.find_or_insert(text, &mut 0);
        if result.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    /// The number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.strings.load(Ordering::Relaxed)
    }

    /// Whether the interner holds no strings.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many of the arena's `BYTES` are in use.
    #[must_use]
    pub fn bytes_used(&self) -> usize {
        self.used.load(Ordering::Relaxed).min(BYTES)
    }

    /// The number of strings that fit.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }

    /// How many strings have been refused.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.refused.load(Ordering::Relaxed)
    }

    /// As `intern`, counting the slots that it examines in `probes`.
    fn find_or_insert(&self, text: &str, probes: &mut usize) -> Result<Symbol, InternError> {
        if text.is_empty() || text.len() > STRING_LIMIT {
            return Err(InternError::Length);
        }
        let mut index = hash(text.as_bytes()) as usize % (2 * N);
        let mut mine = None;
        let found = loop {
            *probes += 1;
            let Some(slot) = self.slot(index).filter(|_| *probes <= PROBES.min(2 * N)) else {
                break Err(InternError::Full);
            };
            // Acquire: what the slot refers to was written before.
            let mut entry = slot.load(Ordering::Acquire);
            if entry == 0 {
                // Space that was already claimed is kept for the next free slot if another party takes this one.
                let new = match mine {
                    Some(entry) => entry,
                    None => *mine.insert(self.claim(text)?),
                };
                match slot.compare_exchange(0, new, publish(), Ordering::Acquire) {
                    Ok(_) => return Ok(Symbol(index as u32)),
                    Err(now) => entry = now,
                }
            }
            if self.bytes_of(entry).eq(text.bytes()) {
                break Ok(Symbol(index as u32));
            }
            index = if index + 1 < 2 * N { index + 1 } else { 0 };
        };
        if mine.is_some() {
            // Another party has inserted the same string in the meantime.
            self.strings.fetch_sub(1, Ordering::Relaxed);
        }
        found
    }

    #[inline]
    fn slot(&self, index: usize) -> Option<&AtomicU32> {
        let [first, second] = &self.slots;
        first.get(index).or_else(|| second.get(index.wrapping_sub(N)))
    }

    /// Reserves a slot's worth of capacity and stores `text`.
    fn claim(&self, text: &str) -> Result<u32, InternError> {
        let one_more = |strings: usize| (strings < N).then_some(strings + 1);
        let strings = &self.strings;
        if strings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_err() {
            return Err(InternError::Full);
        }
        self.store(text).inspect_err(|_| {
            strings.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// Copies `text` into the arena and returns the slot value that refers to it.
    fn store(&self, text: &str) -> Result<u32, InternError> {
        let length = text.len();
        let claim = |used: usize| used.checked_add(length).filter(|end| *end <= BYTES);
        let at = if claims() {
            self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
        } else {
            let used = self.used.load(Ordering::Relaxed);
            self.used.store(used + length, Ordering::Relaxed);
            claim(used).map(|_| used).ok_or(used)
        }
        .map_err(|_| InternError::Full)?;
        for (cell, byte) in self.arena[at..at + length].iter().zip(text.bytes()) {
            // SAFETY: a single step of our own moved `used` past these bytes, and nobody else can find them before the
            // slot is published.
            cell.with_mut(|cell| unsafe { *cell = byte });
        }
        Ok((at as u32) << 8 | length as u32)
    }

    /// The bytes that a published slot refers to.
    fn bytes_of(&self, entry: u32) -> impl Iterator<Item = u8> {
        let (at, length) = ((entry >> 8) as usize, (entry & 0xFF) as usize);
        let cells = self.arena.get(at..at + length).unwrap_or(&[]);
        // SAFETY: the slot was published after these bytes were written, the reader of the slot acquired it, and the
        // bytes are never written again.
        cells.iter().map(|cell| cell.with(|cell| unsafe { *cell }))
    }
}

#[cfg(not(loom))]
impl<const N: usize, const BYTES: usize> Default for Interner<N, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(not(loom))]
impl<const N: usize, const BYTES: usize> Resolve for Interner<N, BYTES> {
    fn resolve(&self, symbol: Symbol) -> Option<&str> {
        // Acquire: what the slot refers to was written before.
        let entry = self.slot(symbol.0 as usize)?.load(Ordering::Acquire);
        let (at, length) = ((entry >> 8) as usize, (entry & 0xFF) as usize);
        let cells = self.arena.get(at..at + length).filter(|cells| !cells.is_empty())?;
        // SAFETY: as in `bytes_of`. A cell has the layout of a byte (`repr(transparent)` twice over), and the bytes are
        // those of one `&str`.
        Some(unsafe {
            let bytes = core::slice::from_raw_parts(cells.as_ptr().cast::<u8>(), cells.len());
            core::str::from_utf8_unchecked(bytes)
        })
    }
}
