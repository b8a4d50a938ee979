//! The recording end: finds a place, if necessary that of an item that matters less.

use super::{LEVELS, Prioritized, Storages};
use crate::ring::{Full, Pushed, Slot, Storage, overwrite};
use crate::sync::Ordering;

/// The recording end of a priority ring.
///
/// ```
/// use ringstat_core::ring::{Pushed, priority::{Prioritized, Ring}};
///
/// #[derive(Clone, Copy, PartialEq, Debug)]
/// struct Alarm(usize);
/// impl Prioritized for Alarm {
///     fn level(&self) -> usize { self.0 }
/// }
///
/// let mut ring: Ring<Alarm, 4> = Ring::new();
/// let (mut producer, _consumer) = ring.split();
/// producer.push(Alarm(0)).unwrap();
/// // There is room, but an urgent item may be told to displace a lesser one all the same.
/// assert_eq!(producer.push_replacing(Alarm(2)), Ok(Pushed::Evicted(Alarm(0))));
/// assert!(producer.push_replacing(Alarm(1)).is_err(), "nothing matters less");
/// ```
#[derive(Debug)]
pub struct Producer<'a, T, P, I> {
    ring: &'a Storages<T, P, I>,
}

impl<'a, T, P, I> Producer<'a, T, P, I>
where
    T: Copy + Prioritized,
    P: Storage<Slot<T>>,
    I: Storage<Slot<u32>>,
{
    /// Creates the recording end of a ring.
    ///
    /// # Safety
    /// No other recording end of the ring may exist while this one lives, and everything done through this one must
    /// happen before the next one is used (between threads, by a lock or a release and an acquire).
    #[inline(always)]
    #[must_use]
    pub unsafe fn new(ring: &'a Storages<T, P, I>) -> Self {
        Self { ring }
    }

    /// The recording end of a level's ring.
    #[inline(always)]
    fn level(&mut self, level: usize) -> overwrite::Producer<'_, u32, I> {
        // SAFETY: this is the only recording end of the whole ring, and so of each part; it stays borrowed meanwhile.
        unsafe { overwrite::Producer::new(&self.ring.levels[level]) }
    }

    /// Adds an item, in a full ring in place of the oldest item of the lowest level that is not above its own.
    ///
    /// # Errors
    /// [`Full`] gives the item back when everything in the ring matters more, or when the consumer is taking what could
    /// be evicted at this moment.
    #[inline]
    pub fn push(&mut self, item: T) -> Result<Pushed<T>, Full<T>> {
        let level = item.level().min(LEVELS - 1);
        match self.vacant() {
            Some(number) => {
                self.put(number, level, item);
                Ok(Pushed::Stored)
            }
            None => self.replace(item, level, level + 1),
        }
    }

    /// Adds an item in place of the oldest item of the lowest level below its own, even if there is other room.
    ///
    /// # Errors
    /// [`Full`] gives the item back when nothing in the ring matters less, or when the consumer is taking it at this
    /// moment.
    pub fn push_replacing(&mut self, item: T) -> Result<Pushed<T>, Full<T>> {
        let level = item.level().min(LEVELS - 1);
        self.replace(item, level, level)
    }

    /// Adds an item in place of one of the levels below `end`.
    #[cold]
    fn replace(&mut self, item: T, level: usize, end: usize) -> Result<Pushed<T>, Full<T>> {
        let lower = (0..LEVELS.min(end)).find_map(|lower| self.level(lower).evict());
        let Some(number) = lower else { return Err(Full(item)) };
        // SAFETY: the number came from this end's own level ring, so the place is ours, and was written.
        let evicted = unsafe { self.ring.place(number).read() };
        self.put(number, level, item);
        Ok(Pushed::Evicted(evicted))
    }

    #[inline]
    fn put(&mut self, number: u32, level: usize, item: T) {
        // SAFETY: whoever holds the number owns the place: it was never used, or the consumer has read it and returned
        // the number, or this end took the number back.
        unsafe { self.ring.place(number).write(item) };
        // Each level's ring has room for every place number.
        let pushed = self.level(level).push(number);
        debug_assert!(pushed.is_ok(), "a level ring holds every number");
    }

    /// The number of items that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// The number of items; the consumer may have taken some since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether the consumer has taken every item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    fn vacant(&mut self) -> Option<u32> {
        // Relaxed: only recording ends touch it, one after the other.
        let fresh = self.ring.fresh.load(Ordering::Relaxed);
        if (fresh as usize) < self.ring.capacity() {
            self.ring.fresh.store(fresh + 1, Ordering::Relaxed);
            return Some(fresh);
        }
        // SAFETY: free places are returned to the recording end alone, which is this one.
        unsafe { overwrite::Consumer::new(&self.ring.free) }.pop()
    }
}
