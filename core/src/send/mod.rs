//! Sending: events and instruments become datagrams, and every one of them is accounted for.
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
//! Imports the formats ([`wire`](crate::wire)), [`ring`](crate::ring), [`instrument`](crate::instrument) and all below.

mod batch;
mod beacon;
mod breaker;
mod config;
mod critical;
mod pool;
mod sender;
mod totals;
mod transport;

pub use batch::{BatchLimits, Batcher, HIGH_WATERMARK, LOW_WATERMARK};
pub use beacon::{Beacon, BeaconDatagram};
pub use breaker::{Breaker, BreakerConfig, BreakerState, Permit};
pub use config::{Identity, SenderConfig, Time};
pub use critical::{Critical, Kept, Patience};
pub use pool::Pool;
pub use sender::{AckError, Inputs, Packed, SAMPLE_ONE_IN, Sender, Step};
pub use totals::Totals;
pub use transport::{SendError, Transport};

/// A [`Sender`] of lines, with `S` to remember what was sent; its tables are those of
/// [`text::Encoder`](crate::text::Encoder).
#[cfg(feature = "text")]
pub type TextSender<
    S,
    const INLINE: usize = { crate::record::DEFAULT_INLINE },
    const SLOTS: usize = 256,
    const ARENA: usize = 4096,
    const CARRY: usize = 32,
> = Sender<INLINE, SLOTS, ARENA, CARRY, crate::text::Encoder<S, SLOTS, ARENA>>;
