//! A ring for one producer and one consumer with four levels: what matters more is sent first and given up last.
//!
//! - Capacity: exactly that of its storage, shared by all levels. Allocation: none.
//! - Progress: both ends are wait-free.
//! - When full: [`Producer::push`] evicts the oldest item of the lowest level that is not above the new item's. The new
//!   item is refused only if there is no such item, or if the consumer is taking from that level at this moment.
//! - Drain order: the highest level first; but a level that has waited for 15 items of higher levels gets a turn, so
//!   that none starves.
//! - Callers: one [`Producer`] and one [`Consumer`], handles that take `&mut self`.
//!
//! Items lie in a pool and never move. What moves is the number of an item's place: through a small [`overwrite`] ring
//! per level, from which the producer can take the oldest number back, and through one more ring that returns free
//! places. Whoever holds the number owns the place.

mod shared;

pub use shared::Shared;

use super::{Full, Pushed, ShardRing, Slot, Source, Storage, overwrite, sealed};
use crate::sync::{AtomicU32, Ordering, const_fn};

/// The number of levels; the last one is the highest.
pub const LEVELS: usize = 4;
/// The largest number of items of higher levels that a level waits for.
const STARVED_AFTER: u32 = 15;

/// Says how much an item matters.
pub trait Prioritized {
    /// The item's level, from 0 (given up first) to [`LEVELS`] − 1. Larger values count as the highest level.
    fn level(&self) -> usize;
}

impl<const INLINE: usize> Prioritized for crate::record::Event<INLINE> {
    fn level(&self) -> usize {
        self.priority() as usize
    }
}

/// A ring over the pool `P`, with place numbers in `I`, all of the same size.
#[derive(Debug)]
pub struct Storages<T, P, I> {
    pool: P,
    levels: [overwrite::Ring<u32, I>; LEVELS],
    free: overwrite::Ring<u32, I>,
    /// Places from this one on have never been used. Belongs to the recording end.
    fresh: AtomicU32,
    /// How many items of higher levels each level has waited for. Belongs to the sending end.
    waited: [AtomicU32; LEVELS],
    item: core::marker::PhantomData<fn(T) -> T>,
}

/// A ring for `N` items, stored in place.
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
/// let mut ring: Ring<Alarm, 2> = Ring::new();
/// let (mut producer, mut consumer) = ring.split();
/// producer.push(Alarm(0)).unwrap();
/// producer.push(Alarm(1)).unwrap();
/// assert_eq!(producer.push(Alarm(3)), Ok(Pushed::Evicted(Alarm(0))));
/// assert_eq!(consumer.pop(), Some(Alarm(3)), "the highest level first");
/// ```
pub type Ring<T, const N: usize> = Storages<T, [Slot<T>; N], [Slot<u32>; N]>;

/// A ring whose capacity is chosen at run time.
#[cfg(feature = "alloc")]
pub type BoxedRing<T> = Storages<T, alloc::boxed::Box<[Slot<T>]>, alloc::boxed::Box<[Slot<u32>]>>;

impl<T: Copy, const N: usize> Ring<T, N> {
    /// Creates an empty ring.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self::over(
            [const { Slot::new() }; N],
            [const { overwrite::Ring::new([const { Slot::new() }; N]) }; LEVELS],
            overwrite::Ring::new([const { Slot::new() }; N]),
            [const { AtomicU32::new(0) }; LEVELS],
        )
    }

    #[cfg(all(test, loom))]
    pub(super) fn for_model() -> Self {
        let numbers = || overwrite::Ring::new(core::array::from_fn(|_| Slot::new()));
        Self::over(
            core::array::from_fn(|_| Slot::new()),
            core::array::from_fn(|_| numbers()),
            numbers(),
            core::array::from_fn(|_| AtomicU32::new(0)),
        )
    }
}

#[cfg(not(loom))]
impl<T: Copy, const N: usize> Default for Ring<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "alloc")]
impl<T: Copy> BoxedRing<T> {
    /// Creates an empty ring for `capacity` items, from 1 to 2^31.
    #[must_use]
    pub fn boxed(capacity: usize) -> Self {
        let capacity = capacity.min(1 << 31);
        let numbers = || overwrite::Ring::new(super::boxed(capacity));
        Self::over(
            super::boxed(capacity),
            core::array::from_fn(|_| numbers()),
            numbers(),
            core::array::from_fn(|_| AtomicU32::new(0)),
        )
    }
}

impl<T: Copy, P, I> Storages<T, P, I> {
    const_fn! {
        const fn over(
            pool: P,
            levels: [overwrite::Ring<u32, I>; LEVELS],
            free: overwrite::Ring<u32, I>,
            waited: [AtomicU32; LEVELS],
        ) -> Self {
            let fresh = AtomicU32::new(0);
            Self { pool, levels, free, fresh, waited, item: core::marker::PhantomData }
        }
    }
}

impl<T: Copy + Prioritized, P: Storage<Slot<T>>, I: Storage<Slot<u32>>> Storages<T, P, I> {
    /// Returns the two ends of the ring.
    pub fn split(&mut self) -> (Producer<'_, T, P, I>, Consumer<'_, T, P, I>) {
        let ring = &*self;
        // SAFETY: `&mut self` proves that there are no other ends, and these two borrow from it.
        unsafe { (Producer::new(ring), Consumer::new(ring)) }
    }

    /// The number of items that fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.pool.slots().len()
    }

    /// The number of items; both ends may have moved on since.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.iter().map(overwrite::Ring::len).sum::<usize>().min(self.capacity())
    }

    /// Whether the ring holds no items; see [`len`](Self::len).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline(always)]
    fn place(&self, number: u32) -> &Slot<T> {
        &self.pool.slots()[number as usize]
    }
}

/// The recording end of a priority ring.
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

/// The sending end of a priority ring.
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

impl<T, P, I> sealed::ShardRing for Storages<T, P, I> {}

impl<T, P, I> ShardRing for Storages<T, P, I>
where
    T: Copy + Prioritized,
    P: Storage<Slot<T>>,
    I: Storage<Slot<u32>>,
{
    type Item = T;
    type Producer<'a>
        = Producer<'a, T, P, I>
    where
        Self: 'a;
    type Consumer<'a>
        = Consumer<'a, T, P, I>
    where
        Self: 'a;

    #[inline(always)]
    unsafe fn producer(&self) -> Producer<'_, T, P, I> {
        // SAFETY: the caller guarantees that there is no other one.
        unsafe { Producer::new(self) }
    }

    #[inline(always)]
    unsafe fn consumer(&self) -> Consumer<'_, T, P, I> {
        // SAFETY: the caller guarantees that there is no other one.
        unsafe { Consumer::new(self) }
    }

    fn len(&self) -> usize {
        Storages::len(self)
    }

    fn capacity(&self) -> usize {
        Storages::capacity(self)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Ranked(usize, u32);

    impl Prioritized for Ranked {
        fn level(&self) -> usize {
            self.0
        }
    }

    static IN_A_STATIC: Ring<Ranked, 3> = Ring::new();

    #[test]
    fn the_lowest_goes_first_and_the_highest_is_sent_first() {
        // SAFETY: these are the only ends of the ring, which belongs to this test.
        let (mut producer, mut consumer) =
            unsafe { (Producer::new(&IN_A_STATIC), Consumer::new(&IN_A_STATIC)) };
        for item in [Ranked(1, 1), Ranked(0, 2), Ranked(2, 3)] {
            assert_eq!(producer.push(item), Ok(Pushed::Stored));
        }
        assert_eq!(producer.push(Ranked(1, 4)), Ok(Pushed::Evicted(Ranked(0, 2))));
        assert_eq!(
            producer.push(Ranked(0, 5)),
            Err(Full(Ranked(0, 5))),
            "nothing lower to give up"
        );
        assert_eq!(producer.push(Ranked(3, 6)), Ok(Pushed::Evicted(Ranked(1, 1))));
        let mut taken = Vec::new();
        consumer.drain(9, |item| taken.push(item));
        assert_eq!(taken, [Ranked(3, 6), Ranked(2, 3), Ranked(1, 4)]);
    }

    #[test]
    fn no_level_starves() {
        let mut ring: Ring<Ranked, 64> = Ring::new();
        let (mut producer, mut consumer) = ring.split();
        for level in 0..3 {
            producer.push(Ranked(level, 0)).unwrap();
        }
        let mut waited = [0; 3];
        for turn in 1..100 {
            producer.push(Ranked(3, turn)).unwrap();
            let item = consumer.pop().unwrap();
            if item.0 < 3 {
                waited[item.0] = turn;
            }
        }
        assert!(waited.iter().all(|w| (1..=20).contains(w)), "{waited:?}");
    }

    #[test]
    fn a_replacement_takes_only_what_is_lower_even_when_there_is_room() {
        let mut ring: Ring<Ranked, 8> = Ring::new();
        let (mut producer, _) = ring.split();
        assert_eq!(producer.push_replacing(Ranked(1, 0)), Err(Full(Ranked(1, 0))));
        for item in [Ranked(1, 1), Ranked(0, 2), Ranked(0, 3)] {
            producer.push(item).unwrap();
        }
        assert_eq!(producer.push_replacing(Ranked(1, 4)), Ok(Pushed::Evicted(Ranked(0, 2))));
        assert_eq!(producer.push_replacing(Ranked(1, 5)), Ok(Pushed::Evicted(Ranked(0, 3))));
        assert_eq!(producer.push_replacing(Ranked(1, 6)), Err(Full(Ranked(1, 6))));
        assert_eq!(producer.len(), 3);
    }

    #[test]
    fn ends_that_are_made_anew_go_on_where_the_last_ones_stopped() {
        let mut ring: Ring<Ranked, 3> = Ring::new();
        let mut taken = Vec::new();
        for n in 0..20 {
            let (mut producer, mut consumer) = ring.split();
            for level in 0..3 {
                producer.push(Ranked(level, n)).unwrap();
            }
            consumer.drain(2, |item| taken.push(item));
        }
        let (mut producer, mut consumer) = ring.split();
        producer.push(Ranked(3, 99)).unwrap();
        consumer.drain(9, |item| taken.push(item));
        let mut once = taken.clone();
        once.sort_unstable_by_key(|r| (r.1, r.0));
        once.dedup();
        assert_eq!(once.len(), taken.len(), "nothing twice");
    }

    proptest! {
        /// Compared with a list: the victim is always the oldest item of the lowest level, and never above the new
        /// item.
        #[test]
        fn never_drops_the_higher_while_there_is_a_lower(steps in proptest::collection::vec((0usize..6, 0u32..3), 0..300)) {
            let mut ring: Ring<Ranked, 5> = Ring::new();
            let (mut producer, mut consumer) = ring.split();
            let mut model: Vec<Ranked> = Vec::new();
            for (n, (level, take)) in steps.into_iter().enumerate() {
                let item = Ranked(level.min(3), n as u32);
                let lowest = model.iter().map(|i| i.0).min().unwrap_or(0);
                let expected = if model.len() < 5 {
                    Ok(Pushed::Stored)
                } else if lowest <= item.0 {
                    let at = model.iter().position(|i| i.0 == lowest).unwrap();
                    Ok(Pushed::Evicted(model.remove(at)))
                } else {
                    Err(Full(item))
                };
                prop_assert_eq!(producer.push(item), expected);
                if expected.is_ok() {
                    model.push(item);
                }
                consumer.drain(take as usize, |taken| {
                    let at = model.iter().position(|i| *i == taken).expect("taken once, and not evicted before");
                    assert!(model[..at].iter().all(|i| i.0 != taken.0), "oldest of its level");
                    model.remove(at);
                });
                prop_assert_eq!(ring_len(&consumer), model.len());
            }
        }
    }

    fn ring_len<S: Source<Ranked>>(source: &S) -> usize {
        source.len()
    }
}
