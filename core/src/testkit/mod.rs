//! For tests, ours and yours: time that stands still, networks that fail on request, readings that
//! look real.
//!
//! Everything here is deterministic: the same seed gives the same faults and the same readings, on
//! every machine. It needs an allocator and `std`, and it is not made for production.
//!
//! ```
//! use ringstat_core::testkit::{FaultTransport, Faults, link};
//! use ringstat_core::receive::SequenceTracker;
//! use ringstat_core::send::Transport;
//!
//! // A sender, a bad network, a receiver.
//! let (sender, mut receiver) = link(1024);
//! let faults = Faults { loss: 0.2, reorder: 0.1, ..Faults::NONE };
//! let mut network = FaultTransport::new(sender, faults, 42);
//! for sequence in 0..1000u32 {
//!     network.send(&sequence.to_le_bytes())?;
//! }
//! network.flush();
//!
//! let mut tracker = SequenceTracker::from_zero();
//! while let Some(datagram) = receiver.receive() {
//!     tracker.observe(1, u32::from_le_bytes(datagram.try_into().unwrap()));
//! }
//! let stats = tracker.finish();
//! assert_eq!(stats.received + network.report().lost, 1000);
//! # Ok::<(), ringstat_core::send::SendError>(())
//! ```

mod clock;
mod corpus;
mod fault;
mod link;
mod null;
mod rng;
mod rounds;
mod spy;

pub use clock::FakeClock;
pub use corpus::{Corpus, CorpusEvent, CorpusKind, NAMES, TAG_SETS};
pub use fault::{FaultReport, FaultTransport, Faults};
pub use link::{LinkReceiver, LinkSender, link};
pub use null::NullTransport;
pub use rng::Rng;
pub use rounds::{LONG_TESTS, rounds};
pub use spy::SpyTransport;
