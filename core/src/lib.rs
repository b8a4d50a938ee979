// The README is the front page; its examples are tested in `ringstat-tests`, where all features are on.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
//!
//! # The rooms
//!
//! The modules are rooms in the order in which a record passes through them:
//!
//! ```text
//!  record ──► instrument (aggregates in place) ───────────────────┐
//!        └──► event ──► policy ──► ring ──► send: batch, sender ──┴──► wire::encode ──► datagram
//!                                                                                          │ transport: yours
//!                                       receive: tracker ◄── wire::decode ◄── datagram ◄───┘
//! ```
//!
//! - [`record`] turns a call into an [`Event`](record::Event); [`instrument`] aggregates instead.
//! - [`ring`] holds events until they are sent, and [`policy`] decides what is given up when a ring is full.
//! - [`wire`] is ringstat's own format and `text` the StatsD formats; [`format`](mod@format) is what a sender requires
//!   of either.
//! - [`send`] packs datagrams, repeats critical events, and learns from the receiver's answers what arrived; its state
//!   machine is the [`Sender`](send::Sender). [`receive`] finds what is missing.
//! - [`ledger`] and [`observe`] report what became of every event, and how the client is doing.
//! - [`chip`] puts all of it into one `static`, the [`Stats`](chip::Stats).
#![cfg_attr(docsrs, feature(doc_cfg))]
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

// Events wait in a ring, and a policy decides what to give up when the ring is too small.
pub mod ring;

pub mod policy;

// Datagrams are written in one of two formats,
pub mod format;

pub mod wire;

#[cfg(feature = "text")]
pub mod text;

// which receivers track and account for,
pub mod receive;

// and senders pack, send and confirm.
pub mod send;

// How the client is doing.
pub mod observe;

// All of it for a chip, in one `static`.
pub mod chip;

#[cfg(any(test, feature = "testkit"))]
pub mod testkit;

/// Everything that a chip's program needs to record and to send: `use ringstat_core::prelude::*;`.
///
/// Adapters have preludes of their own, which add their types and omit what the adapter does itself.
pub mod prelude {
    pub use crate::chip::{Clock, Stats};
    pub use crate::event_ring;
    pub use crate::instrument::{Counter, Description, Gauge, Histogram, Info, Instrument};
    pub use crate::policy::Policy;
    pub use crate::record::{Outcome, Priority, Recorder};
    pub use crate::send::{Epoch, Identity, SenderConfig, Step, Time};
}
