// The README is the front page; its examples are tested in `ringstat-tests`, where all features are on.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
//!
//! # Where to start
//!
//! - [`Client::builder`] builds a [`Client`], from a [`Preset`] or from a whole [`ClientConfig`].
//! - [`Recorder`] has the methods that record events. [`Counter`], [`Gauge`] and [`Histogram`] live in a `static`;
//!   [`Client::counter`] and its siblings create instruments at run time.
//! - [`Client::ledger`] says what became of every event, by [`Cause`]; [`Client::snapshot`] says how the client is
//!   doing.
//!
//! # Instruments and events
//! There are two ways to record. Instruments aggregate in place: they are kept in a handle or a `static`, and there is
//! nothing to drop under any load. Events are kept one by one, with their time, priority and tags; they go through a
//! ring, where the policy decides.
//!
//! | to record | instrument, made once | event, each time |
//! |---|---|---|
//! | a total | [`Counter`], [`Client::counter`] | [`count`](Recorder::count) |
//! | a latest value | [`Gauge`], [`Client::gauge`] | [`level`](Recorder::level) |
//! | a duration | [`Histogram`], [`Client::histogram`] | [`timing`](Recorder::timing) |
//! | one value of many | [`Histogram`] | [`distribution`](Recorder::distribution) |
//! | distinct members | | [`set`](Recorder::set) |
//! | that something happened | | [`event`](Recorder::event) |
//!
//! # Shutting down
//! Dropping the last handle, or calling [`Client::shutdown`], sends what is left. A process that exits while a `static`
//! or another thread holds the client drops no handle: the events of the last batch age and the instruments of the last
//! flush interval are then lost, unless [`Client::flush_on_exit`] was called. Signal handlers, forked children, destructors and
//! executors have a page of their own: [`where_you_may_call`].
#![cfg_attr(docsrs, feature(doc_cfg))]
#![deny(unsafe_code)] // but for calls of the system in `process`, `threads::exit` and `client::exit`

// From the ground up: each layer imports only from those before it.
pub mod clock;
mod process;
mod threads;

mod counter;

// A client's configuration,
mod config;

// who it is,
mod identity;

// its instruments,
mod registry;

// and the rings that its events go through.
mod rings;

// How datagrams leave,
mod transport;

// what recorders and the worker share,
mod shared;

// and the background thread.
mod worker;

// The handle that a user holds,
mod client;

// and the facades that other crates record through.
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "tracing")]
pub mod tracing;

#[doc = include_str!("../docs/where-you-may-call.md")]
pub mod where_you_may_call {}

pub use client::{BuildError, Builder, Client, FlushError};
#[cfg(feature = "async")]
pub use client::{Ended, Flushed};
pub use config::{Aggregation, Budget, ClientConfig, ConfigError, Load, Preset, Protocol};
pub use counter::Counter;
pub use registry::{OwnedCounter, OwnedGauge, OwnedHistogram};

pub use ringstat_core::instrument::{
    Description, Gauge, Histogram, Instrument, Layout, Meaning, Unit,
};
pub use ringstat_core::ledger::{Cause, Drops, Ledger};
pub use ringstat_core::observe::{Grade, Health, Reason, Snapshot};
pub use ringstat_core::policy::Policy;
pub use ringstat_core::record::{
    Draft, InternError, Kind, Name, Outcome, Priority, Recorder, Symbol, Tag, Value,
};
pub use ringstat_core::send::{BreakerState, SendError, Transport};
