//! A ring of events, and beside it the memory for those of their tags that do not fit a slot.
//!
//! Whoever has the recording end of the ring is the only one that takes blocks of the memory, which makes that cheap:
//! see [`spill`](crate::record::spill). Events are given back from anywhere, in any order.

use super::ShardRing;
use super::sealed::{self, Reserve};
use super::storage::Reserved;
use crate::record::spill::Owner;
use crate::record::{Borrowed, Event, OwnedTagMemory};

/// The ring `L`, with memory for long tags if there is any.
#[derive(Debug)]
pub struct WithTags<L> {
    ring: L,
    memory: Option<OwnedTagMemory>,
}

impl<L> WithTags<L> {
    /// Puts memory beside a ring.
    #[must_use]
    pub fn new(ring: L, memory: Option<OwnedTagMemory>) -> Self {
        Self { ring, memory }
    }

    /// The memory, if there is any.
    #[inline]
    #[must_use]
    pub fn memory(&self) -> Option<&OwnedTagMemory> {
        self.memory.as_ref()
    }
}

impl<L: ShardRing> sealed::ShardRing for WithTags<L> {}

impl<L: ShardRing> ShardRing for WithTags<L> {
    type Item = L::Item;
    type Producer<'a>
        = Recording<'a, L>
    where
        Self: 'a;
    type Consumer<'a>
        = L::Consumer<'a>
    where
        Self: 'a;

    #[inline(always)]
    unsafe fn producer(&self) -> Recording<'_, L> {
        // SAFETY: the caller says that there is no other one.
        let ring = unsafe { self.ring.producer() };
        Recording { ring, memory: self.memory.as_ref() }
    }

    #[inline(always)]
    unsafe fn consumer(&self) -> L::Consumer<'_> {
        // SAFETY: the caller says that there is no other one.
        unsafe { self.ring.consumer() }
    }

    fn len(&self) -> usize {
        self.ring.len()
    }

    fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

/// The recording end of a ring, and with it the right to take memory for long tags.
#[derive(Debug)]
pub struct Recording<'a, L: ShardRing + 'a> {
    ring: L::Producer<'a>,
    memory: Option<&'a OwnedTagMemory>,
}

impl<'a, L: ShardRing + 'a> Recording<'a, L> {
    /// The ring's own end.
    #[inline(always)]
    pub fn ring(&mut self) -> &mut L::Producer<'a> {
        &mut self.ring
    }

    /// Takes blocks of the memory, if there is any.
    #[inline(always)]
    pub fn owner(&mut self) -> Option<Owner<'_>> {
        // SAFETY: this is the one recording end, and it is borrowed as long as the owner lives.
        self.memory.map(|memory| unsafe { memory.owner() })
    }
}

impl<'a, L> Recording<'a, L>
where
    L: ShardRing<Item = Event, Producer<'a>: Reserve<Event>> + 'a,
{
    /// A free slot, if there is one, that becomes the next event.
    #[inline(always)]
    pub fn reserve(&mut self) -> Option<Vacancy<'_>> {
        Some(Vacancy { slot: self.ring.reserve()?, memory: self.memory })
    }
}

/// A free slot in a ring, and with it the right to take memory for long tags.
#[derive(Debug)]
pub struct Vacancy<'a> {
    slot: Reserved<'a, Event>,
    memory: Option<&'a OwnedTagMemory>,
}

impl Vacancy<'_> {
    /// Adds a copy of an event. Text and tags that stand in its slot are left out.
    #[inline(always)]
    pub fn put_bare(self, event: &Event) {
        // SAFETY: all of the event is written but what stands in its slot, of which there is nothing.
        unsafe {
            self.slot.put_with(|place| {
                event.copy_bare(place);
                Some(())
            })
        };
    }

    /// Adds a copy of an event with its tags, unless it needs care: [`Event::keep_strings`] has it for an event with a text,
    /// for tags that cannot be recorded, and where there are no free blocks at hand. Whether it was added.
    #[inline(always)]
    pub fn put_with(self, event: &Event, strings: &Borrowed<'_>) -> bool {
        // SAFETY: this comes from the one recording end, which is borrowed meanwhile.
        let owner = self.memory.map(|memory| unsafe { memory.owner() });
        // SAFETY: all of the event is written, and what it says stands in its slot, unless it is none.
        unsafe { self.slot.put_with(|place| event.copy_with(place, strings, owner)) }.is_some()
    }
}
