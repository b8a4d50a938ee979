//! Where critical events are kept until the collector has acknowledged them.

use core::fmt;

use crate::format::AnyEvent;
use crate::record::Event;
use crate::wire::ack::ID_WINDOW;

/// Room for critical events until they are acknowledged.
///
/// It is a type parameter of [`Sender`](super::Sender), which takes the size of all its events from it. [`Keep`] has
/// room for a number that is known at compile time, `BoxedKeep` (with the feature `alloc`) for one that is not.
/// [`ID_WINDOW`] places of a larger store are used.
pub trait Store {
    /// An [`Event`] of the size that the sender's rings hold.
    type Event: AnyEvent;

    /// The places, all of them, used or not.
    fn places(&self) -> &[Kept<Self::Event>];

    /// The same places, to be written to.
    fn places_mut(&mut self) -> &mut [Kept<Self::Event>];
}

/// A place for one event.
#[derive(Clone, Copy, Debug)]
pub struct Kept<T> {
    /// `None` once it is settled.
    pub(super) event: Option<T>,
    /// When it is sent, or sent again.
    pub(super) due: u64,
    /// How often it was sent.
    pub(super) attempts: u8,
}

impl<T> Kept<T> {
    /// A place that holds nothing.
    const EMPTY: Self = Self { event: None, due: 0, attempts: 0 };
}

/// Room for `N` events, in place. `Keep<0>` keeps nothing, takes no memory, and the code for it is left out.
///
/// `N` is at most [`ID_WINDOW`]; a larger one does not compile.
#[derive(Clone)]
pub struct Keep<const N: usize, T = Event>([Kept<T>; N]);

impl<const N: usize, T> Keep<N, T> {
    /// Room that holds nothing yet.
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

/// Room for a number of events that is known only at run time; it never changes afterwards.
#[cfg(feature = "alloc")]
pub struct BoxedKeep<T = Event>(alloc::boxed::Box<[Kept<T>]>);

#[cfg(feature = "alloc")]
impl<T> BoxedKeep<T> {
    /// How many bytes room for one event takes.
    pub const PLACE: usize = size_of::<Kept<T>>();

    /// Room for `events` events; more than [`ID_WINDOW`] are never used. 0 keeps nothing.
    #[must_use]
    pub fn new(events: usize) -> Self {
        Self((0..events.min(ID_WINDOW)).map(|_| Kept::EMPTY).collect())
    }
}

#[cfg(feature = "alloc")]
impl<T> Default for BoxedKeep<T> {
    /// Keeps nothing.
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
