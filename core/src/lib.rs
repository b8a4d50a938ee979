//! The heart of ringstat: `no_std`, allocation-free, sans-IO.
//!
//! ```text
//!  record ──► instrument (aggregates in place) ─────────────────┐
//!        └──► event ──► ring ──► batch ──► sender ──► wire::encode ──► datagram
//!                                                                         │ transport: yours
//!                              tracker ◄── wire::decode ◄── datagram ◄────┘
//! ```
//!
//! There is no clock, no socket, no thread and no allocator in here: time comes in as an argument, bytes go in and out
//! of the caller's buffers, and the [`Sender`](send::Sender) says what it wants next. `ringstat-std` puts a thread and a socket
//! around it; [`Stats`](chip::Stats) is all that a chip needs in one `static`.
//!
//! # Features
//! - `alloc`: rings whose capacity is chosen at run time.
//! - `crc32fast`: the fast checksum of hosts.
//! - `critical-section`: atomics that the target lacks.
//! - `text`: the lines of DogStatsD and StatsD.
//! - `testkit`: fake clock, spy and fault transports, a corpus, for your own tests.
#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "alloc", feature = "testkit"))]
extern crate alloc;
#[cfg(any(test, feature = "testkit"))]
extern crate std;

// In the order of the flow, from the ground up: each room imports only from those before it.
mod sync;

pub mod ledger;

// A record becomes an event with names, values and tags,
pub mod record;

// or is aggregated in place.
pub mod instrument;

// Events wait in a ring, and what is given up where that is too small is a matter of policy.
pub mod ring;

pub mod policy;

// Datagrams, in a format of two:
pub mod format;

pub mod wire;

#[cfg(feature = "text")]
pub mod text;

// what a receiver knows of them,
pub mod receive;

// and how they leave.
pub mod send;

// How it is all going.
pub mod observe;

// All of it for a chip, in one `static`.
pub mod chip;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

/// What a chip's program takes to record and to send: `use ringstat_core::prelude::*;`.
///
/// Adapters have preludes of their own, with what they add and without what they do themselves.
pub mod prelude {
    pub use crate::chip::Stats;
    pub use crate::event_ring;
    pub use crate::instrument::{Counter, Gauge, Histogram, Instrument};
    pub use crate::policy::Policy;
    pub use crate::record::{Outcome, Priority, Recorder};
    pub use crate::send::{Identity, SenderConfig, Step, Time};
}
