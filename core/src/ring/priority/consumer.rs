//! The sending end: takes the highest level first, and lets no level starve.

use super::{LEVELS, Prioritized, STARVED_AFTER, Storages};
use crate::ring::{Slot, Source, Storage, overwrite};
use crate::sync::Ordering;

/// The sending end of a priority ring.
///
/// ```
/// use ringstat_core::ring::{Source, priority::{Prioritized, Ring}};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// struct Alarm(usize);
/// impl Prioritized for Alarm {
///     fn level(&self) -> usize { self.0 }
/// }
///
/// let mut ring: Ring<Alarm, 4> = Ring::new();
/// let (mut producer, mut consumer) = ring.split();
/// [0, 3, 1].map(|level| producer.push(Alarm(level)).unwrap());
/// let mut taken = Vec::new();
/// consumer.drain(8, |alarm| taken.push(alarm.0));
/// assert_eq!(taken, [3, 1, 0], "the highest level first");
/// ```
#[derive(Debug)]
pub struct Consumer<'a, T, P, I> {
    ring: &'a Storages<T, P, I>,
}

impl<'a, T, P, I> Consumer<'a, T, P, I>
where
    T: Copy + Prioritized,
    P: Storage<Slot<T>>,
    I: Storage<Slot<u32>>,
{
    /// Creates the sending end of a ring.
    ///
    /// # Safety
    /// No other sending end of the ring may exist while this one lives, and everything done through this one must
    /// happen before the next one is used.
    #[inline(always)]
    #[must_use]
    pub unsafe fn new(ring: &'a Storages<T, P, I>) -> Self {
        Self { ring }
    }

    /// The sending end of a level's ring.
    #[inline(always)]
    fn level(&mut self, level: usize) -> overwrite::Consumer<'_, u32, I> {
        // SAFETY: this is the only sending end of the whole ring, and so of each part; it stays borrowed meanwhile.
        unsafe { overwrite::Consumer::new(&self.ring.levels[level]) }
    }

    /// Takes the item whose turn it is, or returns `None` if the ring is empty.
    pub fn pop(&mut self) -> Option<T> {
        // Relaxed: only sending ends touch it, one after the other.
        let starved =
            self.ring.waited.iter().position(|w| w.load(Ordering::Relaxed) >= STARVED_AFTER);
        let order = starved.into_iter().chain((0..LEVELS).rev());
        let (level, number) =
            order.into_iter().find_map(|l| self.level(l).pop().map(|number| (l, number)))?;
        self.ring.waited[level].store(0, Ordering::Relaxed);
        for (waited, ring) in self.ring.waited.iter().zip(&self.ring.levels).take(level) {
            let now = if ring.is_empty() { 0 } else { waited.load(Ordering::Relaxed) + 1 };
            waited.store(now, Ordering::Relaxed);
        }
        // SAFETY: the number came from a level ring, into which it was pushed after its place was written; the place is
        // ours until the number is returned.
        let item = unsafe { self.ring.place(number).read() };
        // The ring has room for every place number. SAFETY: only the sending end returns free places, which is this
        // one.
        let returned = unsafe { overwrite::Producer::new(&self.ring.free) }.push(number);
        debug_assert!(returned.is_ok(), "the free ring holds every number");
        Some(item)
    }
}

impl<T, P, I> Source<T> for Consumer<'_, T, P, I>
where
    T: Copy + Prioritized,
    P: Storage<Slot<T>>,
    I: Storage<Slot<u32>>,
{
    fn drain(&mut self, max: usize, mut f: impl FnMut(T)) -> usize {
        (0..max).map_while(|_| self.pop().map(&mut f)).count()
    }

    fn len(&self) -> usize {
        self.ring.len()
    }

    fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}
