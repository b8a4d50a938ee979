//! What an event read from a file has no room for in its slot.

use ringstat_core::record::spill::{Area, BLOCK};
use ringstat_core::record::{
    Borrowed, BoxedTagMemory, DYNAMIC_TAG_LIMIT, Event, Resolve, STRING_LIMIT, Symbol, TEXT_LIMIT,
};

use super::refusal::Refusal;

/// Blocks for the longest text and the longest dynamic tags that an event can have.
pub(crate) const LARGEST: usize =
    (4 + TEXT_LIMIT + DYNAMIC_TAG_LIMIT * 2 * (1 + STRING_LIMIT)).div_ceil(BLOCK);

/// The text and the dynamic tags of one event that are not in its slot, if there are any.
#[derive(Debug, Default)]
pub(crate) struct Beside(Option<BoxedTagMemory>);

impl Beside {
    /// Keeps what does not fit the slot of `event`.
    pub(crate) fn keep<const INLINE: usize>(
        event: &mut Event<INLINE>,
        strings: &Borrowed<'_>,
    ) -> Result<Self, Refusal> {
        let mut memory = None;
        event.keep_strings(strings, |strings| {
            let memory: &BoxedTagMemory = memory.insert(BoxedTagMemory::new(LARGEST, 0));
            memory.area().write(strings)
        })?;
        Ok(Self(memory))
    }

    /// Whether everything is in the slot.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Resolve for Beside {
    const HAS_AREAS: bool = true;

    fn resolve(&self, _: Symbol) -> Option<&str> {
        None
    }

    fn area(&self, number: u16) -> Option<Area<'_>> {
        self.0.as_ref().filter(|_| number == 0).map(BoxedTagMemory::area)
    }
}
