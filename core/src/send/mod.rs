//! Sending: events and instruments become datagrams, and each event is accounted for.
//!
//! ```text
//!  ring ──► batch: is it time? ──► sender: fill a datagram, by a format ──► pool ──► transport
//!  critical events ──► store: again until acknowledged ──┘                              │
//!  instruments ──► walk ─────────────────────────────────┘        breaker ◄── what became of it
//! ```
//!
//! [`Sender`] is a state machine without IO: an adapter polls it, moves the bytes that it packed, and reports what
//! became of them. [`Transport`] is the interface to the adapter's socket; [`Breaker`] decides when trying makes sense;
//! [`Pool`] holds datagrams that wait for the socket. [`Beacon`] is all of this step that parts without events need.
//!
//! # What an adapter does
//! Both adapters run the same round around a sender:
//!
//! 1. Hand every reply to [`Sender::acknowledged`].
//! 2. Move critical events into the store: [`Sender::keep`].
//! 3. Ask the breaker. While it is open nothing is packed: what waits stays in the ring, where the policy reaches it.
//! 4. Call [`Sender::poll`], send what it packed, and report the result: [`Sender::sent`] or [`Sender::gave_up`]. A
//!    full socket buffer is neither; the same datagram is tried again.
//! 5. Sleep until the time that the sender returned, or until something happens.
//!
//! The rest differs for good reasons. A server has a thread that can look into its rings every 50 µs, packs many
//! datagrams for one system call, and may have two receivers, each with a breaker of its own. A chip has one socket and
//! one buffer, is woken by recorders, and waits for its link. So each adapter has a loop of its own.
//!
//! Imports the formats ([`wire`](crate::wire)), [`ring`](crate::ring), [`instrument`](crate::instrument) and all below.

mod backoff;
mod batch;
mod beacon;
mod breaker;
mod config;
mod critical;
mod liveness;
mod path;
mod pool;
mod retained;
mod sender;
mod store;
mod totals;
mod transport;

pub use beacon::{Beacon, BeaconDatagram};
pub use breaker::{Breaker, BreakerConfig, BreakerState, Permit};
pub use config::{Epoch, Identity, SenderConfig, Time};
pub use critical::RetryConfig;
pub use liveness::{Liveness, LivenessConfig, ReceiptError};
pub use path::{Path, Way};
pub use pool::Pool;
pub use retained::{Recovered, Retained, RetainedStore, Retention};
pub use sender::{AckError, Inputs, Packed, SAMPLE_ONE_IN, Sender, Step};
#[cfg(feature = "alloc")]
pub use store::BoxedStore;
pub use store::{ArrayStore, Store, StoredEvent};
pub use totals::Totals;
pub use transport::{FromFn, SendError, Transport, from_fn};

#[cfg(feature = "alloc")]
use crate::wire::Encoder;
use crate::wire::LeanEncoder;

/// The [`Sender`] of a chip: ringstat's own format with little code and little memory.
///
/// `NAMES` strings and tag sets of a datagram are written only once, see [`LeanEncoder`]; `KEEP` critical events are
/// kept until they are acknowledged, in 80 to 96 bytes each. With `KEEP` = 0 the code for them is left out.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::send::{Identity, LeanSender, SenderConfig};
///
/// // 16 names per datagram, and room for 4 critical events.
/// let config = SenderConfig::new(TimeUnit::Micros);
/// let sender = <LeanSender<16, 4>>::new(Identity { sender: 7, epoch: 1 }, &config);
/// assert_eq!(sender.payload(), 1472);
/// ```
pub type LeanSender<const NAMES: usize = 16, const KEEP: usize = 0> =
    Sender<LeanEncoder<NAMES>, ArrayStore<KEEP>, 4>;

/// A [`LeanSender`] whose critical events outlive a reset: see [`Retained`].
pub type RetainingSender<const NAMES: usize, const KEEP: usize> =
    Sender<LeanEncoder<NAMES>, RetainedStore<KEEP>, 4>;

/// The [`Sender`] of a server, with room for critical events that is chosen at run time. `E` is the encoder of the
/// format.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::send::{BoxedStore, HostSender, Identity, SenderConfig};
/// use ringstat_core::wire::Encoder;
///
/// let identity = Identity { sender: 7, epoch: 1 };
/// let config = SenderConfig::new(TimeUnit::Nanos);
/// // Room for 64 critical events.
/// let sender: HostSender = HostSender::with_parts(identity, &config, Encoder::new(), BoxedStore::new(64));
/// assert_eq!(sender.unacknowledged(), 0);
/// ```
#[cfg(feature = "alloc")]
pub type HostSender<E = Encoder, T = crate::record::Event> = Sender<E, BoxedStore<T>>;

/// A [`Sender`] of StatsD lines, with `S` to remember what was sent; its tables are those of
/// [`text::Encoder`](crate::text::Encoder). Agents acknowledge nothing, so it keeps no critical events.
///
/// ```
/// use ringstat_core::format::TimeUnit;
/// use ringstat_core::instrument::Instrument;
/// use ringstat_core::ring::{Slot, spsc};
/// use ringstat_core::record::{Event, Kind, NoNames};
/// use ringstat_core::send::{ArrayStore, Identity, Inputs, SenderConfig, TextSender, Time};
/// use ringstat_core::text::{Dialect, Encoder, Fixed};
///
/// // Remembers the totals of 4 instruments, and the checked form of 16 names and tag sets.
/// let encoder = Encoder::new(Dialect::DogStatsD, Fixed::<4, 4>::new());
/// let config = SenderConfig::new(TimeUnit::Millis);
/// let identity = Identity { sender: 7, epoch: 1 };
/// let mut sender: TextSender<Fixed<4, 4>, 16, 256> =
///     TextSender::with_parts(identity, &config, encoder, ArrayStore::new());
///
/// let mut ring = spsc::Ring::new([const { Slot::<Event>::new() }; 4]);
/// let (mut producer, mut events) = ring.split();
/// producer.push(Event::new(Kind::Counter, "cache.miss".into(), 3u8.into(), 0).unwrap()).unwrap();
/// let instruments: &[&dyn Instrument] = &[];
/// let mut inputs = Inputs { events: &mut events, instruments, names: &NoNames, dropped: 0 };
/// let mut buf = [0; 1472];
/// let packed = sender.pack(Time { monotonic: 0, wall: 0 }, &mut inputs, &mut buf).unwrap();
/// assert_eq!(&buf[..packed.len], b"cache.miss:3|c");
/// sender.sent(packed);
/// ```
#[cfg(feature = "text")]
pub type TextSender<S, const SLOTS: usize = 256, const ARENA: usize = 4096> =
    Sender<crate::text::Encoder<S, SLOTS, ARENA>>;
