//! Where critical events are kept until the collector has acknowledged them.

use core::fmt;

use crate::format::AnyEvent;
use crate::record::Event;
use crate::send::Retention;
use crate::wire::ack::ID_WINDOW;

/// Room for critical events until they are acknowledged.
///
/// It is a type parameter of [`Sender`](super::Sender), and determines the size of all its events. [`ArrayStore`] has room
/// for a number of events that is known at compile time, `BoxedStore` (with the feature `alloc`) for a number chosen at
/// run time. A store may be larger, but only [`ID_WINDOW`] places are used.
pub trait Store {
    /// An [`Event`] of the size that the sender's rings hold.
    type Event: AnyEvent;

    /// All places, whether used or not.
    fn places(&self) -> &[StoredEvent<Self::Event>];

    /// All places, for writing.
    fn places_mut(&mut self) -> &mut [StoredEvent<Self::Event>];

    /// What makes the events outlive a reset, if anything does.
    fn retention(&self) -> Option<&Retention> {
        None
    }

    /// The same, for writing.
    fn retention_mut(&mut self) -> Option<&mut Retention> {
        None
    }
}

/// A place for one event.
#[derive(Clone, Copy, Debug)]
pub struct StoredEvent<T> {
    /// The event, or `None` once it is settled.
    pub(super) event: Option<T>,
    /// The time at which it is sent, or sent again.
    pub(super) due: u64,
    /// How often it has been sent.
    pub(super) attempts: u8,
}

impl<T> StoredEvent<T> {
    /// A place that holds nothing.
    const EMPTY: Self = Self { event: None, due: 0, attempts: 0 };
}

/// Room for `N` events, in place. `ArrayStore<0>` keeps nothing, takes no memory, and links no code.
///
/// `N` is at most [`ID_WINDOW`]; a larger number does not compile.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::send::{ArrayStore, Identity, Sender, SenderConfig};
/// use ringstat_core::wire::LeanEncoder;
///
/// let identity = Identity { sender: 7, epoch: 1 };
/// // Room for 8 critical events, all of it inside the sender.
/// let sender: Sender<LeanEncoder<16>, ArrayStore<8>, 4> =
///     Sender::new(identity, &SenderConfig::new(TimeUnit::Micros));
/// assert_eq!(sender.unacknowledged(), 0);
/// ```
#[derive(Clone)]
pub struct ArrayStore<const N: usize, T = Event>([StoredEvent<T>; N]);

impl<const N: usize, T> ArrayStore<N, T> {
    /// Creates an empty store.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N <= ID_WINDOW, "acknowledgements reach no further than their window") };
        Self([const { StoredEvent::EMPTY }; N])
    }
}

impl<const N: usize, T> Default for ArrayStore<N, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize, T> fmt::Debug for ArrayStore<N, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {N} critical events")
    }
}

impl<const N: usize, T: AnyEvent> Store for ArrayStore<N, T> {
    type Event = T;

    fn places(&self) -> &[StoredEvent<T>] {
        &self.0
    }

    fn places_mut(&mut self) -> &mut [StoredEvent<T>] {
        &mut self.0
    }
}

/// Room for a number of events that is chosen at run time and never changes afterwards.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::send::{BoxedStore, HostSender, Identity, SenderConfig};
/// use ringstat_core::wire::Encoder;
///
/// let (identity, config) = (Identity { sender: 7, epoch: 1 }, SenderConfig::new(TimeUnit::Nanos));
/// // Room for 64 critical events, allocated once.
/// let sender: HostSender =
///     HostSender::with_parts(identity, &config, Encoder::new(), BoxedStore::new(64));
/// assert_eq!(sender.unacknowledged(), 0);
/// ```
#[cfg(feature = "alloc")]
pub struct BoxedStore<T = Event>(alloc::boxed::Box<[StoredEvent<T>]>);

#[cfg(feature = "alloc")]
impl<T> BoxedStore<T> {
    /// The size of the place for one event, in bytes.
    pub const PLACE: usize = size_of::<StoredEvent<T>>();

    /// Creates a store for `events` events, of which at most [`ID_WINDOW`] are used. With 0, nothing is kept.
    #[must_use]
    pub fn new(events: usize) -> Self {
        Self((0..events.min(ID_WINDOW)).map(|_| StoredEvent::EMPTY).collect())
    }
}

#[cfg(feature = "alloc")]
impl<T> Default for BoxedStore<T> {
    /// A store that keeps nothing.
    fn default() -> Self {
        Self::new(0)
    }
}

#[cfg(feature = "alloc")]
impl<T> fmt::Debug for BoxedStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "room for {} critical events", self.0.len())
    }
}

#[cfg(feature = "alloc")]
impl<T: AnyEvent> Store for BoxedStore<T> {
    type Event = T;

    fn places(&self) -> &[StoredEvent<T>] {
        &self.0
    }

    fn places_mut(&mut self) -> &mut [StoredEvent<T>] {
        &mut self.0
    }
}
