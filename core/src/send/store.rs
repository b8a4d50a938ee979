//! Where critical events are kept until the collector has acknowledged them.

use core::fmt;

use crate::format::AnyEvent;
use crate::record::Event;
use crate::wire::ack::ID_WINDOW;

/// Room for critical events until they are acknowledged.
///
/// It is a type parameter of [`Sender`](super::Sender), and determines the size of all its events. [`Keep`] has room
/// for a number of events that is known at compile time, `BoxedKeep` (with the feature `alloc`) for a number chosen at
/// run time. A store may be larger, but only [`ID_WINDOW`] places are used.
pub trait Store {
    /// An [`Event`] of the size that the sender's rings hold.
    type Event: AnyEvent;

    /// All places, whether used or not.
    fn places(&self) -> &[Kept<Self::Event>];

    /// All places, for writing.
    fn places_mut(&mut self) -> &mut [Kept<Self::Event>];
}

/// A place for one event.
#[derive(Clone, Copy, Debug)]
pub struct Kept<T> {
    /// The event, or `None` once it is settled.
    pub(super) event: Option<T>,
    /// The time at which it is sent, or sent again.
    pub(super) due: u64,
    /// How often it has been sent.
    pub(super) attempts: u8,
}

impl<T> Kept<T> {
    /// A place that holds nothing.
    const EMPTY: Self = Self { event: None, due: 0, attempts: 0 };
}

/// Room for `N` events, in place. `Keep<0>` keeps nothing, takes no memory, and links no code.
///
/// `N` is at most [`ID_WINDOW`]; a larger number does not compile.
#[derive(Clone)]
pub struct Keep<const N: usize, T = Event>([Kept<T>; N]);

impl<const N: usize, T> Keep<N, T> {
    /// Creates an empty store.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= ID_WINDOW, "acknowledgements reach no further than their window") };
        Self([const { Kept::EMPTY }; N])
    }
}

impl<const N: usize, T> Default for Keep<N, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, T> fmt::Debug for Keep<N, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {N} critical events")
    }
}

impl<const N: usize, T: AnyEvent> Store for Keep<N, T> {
    type Event = T;

    fn places(&self) -> &[Kept<T>] {
        &self.0
    }

    fn places_mut(&mut self) -> &mut [Kept<T>] {
        &mut self.0
    }
}

/// Room for a number of events that is chosen at run time and never changes afterwards.
#[cfg(feature = "alloc")]
pub struct BoxedKeep<T = Event>(alloc::boxed::Box<[Kept<T>]>);

#[cfg(feature = "alloc")]
impl<T> BoxedKeep<T> {
    /// The size of the place for one event, in bytes.
    pub const PLACE: usize = size_of::<Kept<T>>();

    /// Creates a store for `events` events, of which at most [`ID_WINDOW`] are used. With 0, nothing is kept.
    #[must_use]
    pub fn new(events: usize) -> Self {
        Self((0..events.min(ID_WINDOW)).map(|_| Kept::EMPTY).collect())
    }
}

#[cfg(feature = "alloc")]
impl<T> Default for BoxedKeep<T> {
    /// A store that keeps nothing.
    fn default() -> Self {
        Self::new(0)
    }
}

#[cfg(feature = "alloc")]
impl<T> fmt::Debug for BoxedKeep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {} critical events", self.0.len())
    }
}

#[cfg(feature = "alloc")]
impl<T: AnyEvent> Store for BoxedKeep<T> {
    type Event = T;

    fn places(&self) -> &[Kept<T>] {
        &self.0
    }

    fn places_mut(&mut self) -> &mut [Kept<T>] {
        &mut self.0
    }
}
