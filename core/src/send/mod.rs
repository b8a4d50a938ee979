//! Sending: events and instruments become datagrams, and each event is accounted for.
//!
//! ```text
//!  ring ──► batch: is it time? ──► sender: fill a datagram, by a format ──► pool ──► transport
//!  critical events ──► store: again until acknowledged ──┘                              │
//!  instruments ──► walk ─────────────────────────────────┘        breaker ◄── what became of it
//! ```
//!
//! [`Sender`] is a state machine without IO: an adapter polls it, moves the bytes that it packed, and tells it what
//! became of them. [`Transport`] is the seam to the adapter's socket; [`Breaker`] says when trying is of use;
//! [`Pool`] holds datagrams that wait for the socket. [`Beacon`] is the whole step for parts that record no events.
//!
//! # What an adapter does
//! Both adapters run the same round around a sender, and it is this one:
//!
//! 1. Hand every reply to [`Sender::acknowledged`].
//! 2. Move critical events into the store: [`Sender::keep`].
//! 3. Ask the breaker. While it is open nothing is packed: what waits stays in the ring, where the policy reaches it.
//! 4. [`Sender::poll`], send what it packed, and tell what became of it: [`Sender::sent`] or [`Sender::gave_up`]. A
//!    full socket buffer is neither, but a reason to try the same datagram again.
//! 5. Sleep until the time that the sender gave, or something happens.
//!
//! The rest differs for good reasons. A server has a thread that may look into its rings every 50 µs, packs a whole
//! train of datagrams for one system call, and may have two receivers, each with a breaker of its own. A chip has one
//! socket and one buffer, is woken by recorders, and waits for its link. So each adapter has a loop of its own.
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
mod sender;
mod store;
mod totals;
mod transport;

pub use beacon::{Beacon, BeaconDatagram};
pub use breaker::{Breaker, BreakerConfig, BreakerState, Permit};
pub use config::{Identity, SenderConfig, Time};
pub use critical::Patience;
pub use liveness::{Liveness, LivenessConfig, ReceiptError};
pub use path::{Path, Way};
pub use pool::Pool;
pub use sender::{AckError, Inputs, Packed, SAMPLE_ONE_IN, Sender, Step};
#[cfg(feature = "alloc")]
pub use store::BoxedKeep;
pub use store::{Keep, Kept, Store};
pub use totals::Totals;
pub use transport::{FromFn, SendError, Transport, from_fn};

#[cfg(feature = "alloc")]
use crate::wire::Encoder;
use crate::wire::LeanEncoder;

/// The [`Sender`] of a chip: ringstat's own format with little code and little memory.
///
/// `NAMES` strings and tag sets of a datagram are said once only, see [`LeanEncoder`]; `KEEP` critical events are kept
/// until they are acknowledged, 80 to 96 bytes each, and without any the code for it is left out.
pub type LeanSender<const NAMES: usize = 16, const KEEP: usize = 0> =
    Sender<LeanEncoder<NAMES>, Keep<KEEP>, 4>;

/// The [`Sender`] of a server: room for critical events is chosen at run time. `E` is the encoder of the format.
#[cfg(feature = "alloc")]
pub type HostSender<E = Encoder, T = crate::record::Event> = Sender<E, BoxedKeep<T>>;

/// A [`Sender`] of lines for agents, with `S` to remember what was sent; its tables are those of
/// [`text::Encoder`](crate::text::Encoder). Agents acknowledge nothing, so it keeps nothing.
#[cfg(feature = "text")]
pub type TextSender<S, const SLOTS: usize = 256, const ARENA: usize = 4096> =
    Sender<crate::text::Encoder<S, SLOTS, ARENA>>;
