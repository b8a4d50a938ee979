//! A ring of events, with memory next to it for tags that do not fit into a slot.
//!
//! Only the owner of the ring's recording end takes blocks of the memory, which makes that cheap: see
//! [`spill`](crate::record::spill). Blocks are released from anywhere, in any order.

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
    /// Adds memory to a ring.
    #[must_use]
    pub fn new(ring: L, memory: Option<OwnedTagMemory>) -> Self {
        Self { ring, memory }
    }

    /// Returns the memory, if there is any.
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
        // SAFETY: the caller guarantees that there is no other producer.
        let ring = unsafe { self.ring.producer() };
        Recording { ring, memory: self.memory.as_ref() }
    }

    #[inline(always)]
    unsafe fn consumer(&self) -> L::Consumer<'_> {
        // SAFETY: the caller guarantees that there is no other consumer.
        unsafe { self.ring.consumer() }
    }

    fn len(&self) -> usize {
        self.ring.len()
    }

    fn capacity(&self) -> usize {
        self.ring.capacity()
    }
}

/// The recording end of a ring, with the right to take memory for long tags.
#[derive(Debug)]
pub struct Recording<'a, L: ShardRing + 'a> {
    ring: L::Producer<'a>,
    memory: Option<&'a OwnedTagMemory>,
}

impl<'a, L: ShardRing + 'a> Recording<'a, L> {
    /// Returns the ring's own end.
    #[inline(always)]
    pub fn ring(&mut self) -> &mut L::Producer<'a> {
        &mut self.ring
    }

    /// Returns the right to take blocks of the memory, if there is any.
    #[inline(always)]
    pub fn owner(&mut self) -> Option<Owner<'_>> {
        // SAFETY: this is the only recording end, and it is borrowed as long as the owner lives.
        self.memory.map(|memory| unsafe { memory.owner() })
    }
}

impl<'a, L> Recording<'a, L>
where
    L: ShardRing<Item = Event, Producer<'a>: Reserve<Event>> + 'a,
{
    /// Returns a free slot for the next event, if there is one.
    #[inline(always)]
    pub fn reserve(&mut self) -> Option<Vacancy<'_>> {
        Some(Vacancy { slot: self.ring.reserve()?, memory: self.memory })
    }
}

/// A free slot in a ring, with the right to take memory for long tags.
#[derive(Debug)]
pub struct Vacancy<'a> {
    slot: Reserved<'a, Event>,
    memory: Option<&'a OwnedTagMemory>,
}

impl Vacancy<'_> {
    /// Adds a copy of an event, without the text and tags in its slot.
    #[inline(always)]
    pub fn put_bare(self, event: &Event) {
        // SAFETY: everything of the event is written except for strings in its slot, of which there are none.
        unsafe {
            self.slot.put_with(|place| {
                event.copy_bare(place);
                Some(())
            })
        };
    }

    /// Adds a copy of an event with its tags, and returns whether it was added. It is not if it needs
    /// [`Event::keep_strings`]: an event with a text, with tags that cannot be recorded, or for which no free blocks
    /// are at hand.
    #[inline(always)]
    pub fn put_with(self, event: &Event, strings: &Borrowed<'_>) -> bool {
        // SAFETY: this comes from the only recording end, which is borrowed at the same time.
        let owner = || self.memory.map(|memory| unsafe { memory.owner() });
        // SAFETY: everything of the event is written, including the strings in its slot, if it was copied.
        unsafe { self.slot.put_with(|place| event.copy_with(place, strings, owner)) }.is_some()
    }
}
