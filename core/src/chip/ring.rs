//! The rings of a chip: each is a static of its own, and rings of all sizes share one type.

use core::fmt;

use crate::record::Event;
use crate::ring::{Source, mpmc};

/// Room for `N` events, 60 to 72 bytes each; [`event_ring!`](crate::event_ring) makes one in place.
///
/// It is a static of its own because it is initialized to zeros, and so takes memory but no flash.
#[derive(Debug)]
pub struct EventRing<const N: usize>(pub(super) mpmc::Ring<Event, [mpmc::Cell<Event>; N]>);

impl<const N: usize> EventRing<N> {
    /// Creates an empty ring, for the initializer of a static.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        Self(mpmc::Ring::new([const { mpmc::Cell::new() }; N]))
    }
}

#[cfg(not(loom))]
impl<const N: usize> Default for EventRing<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a `&'static` [`EventRing`] with room for the given number of events, for the initializer of a static.
/// (Anywhere else, each place in the code has one ring, however often it is executed.)
#[macro_export]
macro_rules! event_ring {
    ($capacity:expr) => {{
        static RING: $crate::chip::EventRing<{ $capacity }> = $crate::chip::EventRing::new();
        &RING
    }};
}

/// An [`EventRing`] of any size. Nothing else implements it.
#[expect(private_bounds, reason = "what it can do is for this module alone")]
pub trait AnyRing: Reserve {}

impl<const N: usize> AnyRing for EventRing<N> {}

/// The operations on a ring of any size.
pub(super) trait Reserve: Sync {
    fn push(&self, event: &Event) -> bool;
    fn pop(&self) -> Option<Event>;
    fn len(&self) -> usize;
    fn capacity(&self) -> usize;
}

impl<const N: usize> Reserve for EventRing<N> {
    fn push(&self, event: &Event) -> bool {
        self.0.try_push(event)
    }
    fn pop(&self) -> Option<Event> {
        self.0.pop()
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn capacity(&self) -> usize {
        N
    }
}

impl fmt::Debug for dyn AnyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} events", self.len(), self.capacity())
    }
}

impl Source<Event> for &dyn AnyRing {
    fn drain(&mut self, max: usize, mut f: impl FnMut(Event)) -> usize {
        (0..max).map_while(|_| self.pop().map(&mut f)).count()
    }
    fn len(&self) -> usize {
        Reserve::len(*self)
    }
    fn capacity(&self) -> usize {
        Reserve::capacity(*self)
    }
}
