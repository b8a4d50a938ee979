// The README is the front page; its examples are tested in `ringstat-tests`, where all features are on.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
//!
//! # Where to begin
//!
//! - [`Client::builder`] sets up a [`Client`], from a [`Preset`] or from a whole [`ClientConfig`].
//! - [`Recorder`] has the methods that record events. [`Counter`], [`Gauge`] and [`Histogram`] live in a `static`;
//!   [`Client::counter`] and its siblings make instruments at run time.
//! - [`Client::ledger`] says what became of every event, by [`Cause`]; [`Client::snapshot`] says how the client is doing.

#![deny(unsafe_code)] // but for two calls of pthreads in `threads::exit` and one of `atexit` in `client::exit`

// From the ground up: each layer imports only from those before it.
pub mod clock;
mod threads;

mod counter;

// What a client is told,
mod config;

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

// What a user holds,
mod client;

// also behind the facade that other crates record through.
#[cfg(feature = "metrics")]
pub mod metrics;

pub use client::{BuildError, Builder, Client, FlushError};
#[cfg(feature = "async")]
pub use client::{Ended, Flushed};
pub use config::{Budget, ClientConfig, ConfigError, Load, Preset, Protocol};
pub use counter::Counter;
pub use registry::{OwnedCounter, OwnedGauge, OwnedHistogram};

pub use ringstat_core::instrument::{Gauge, Histogram, Instrument, Layout, Unit};
pub use ringstat_core::ledger::{Cause, Drops, Ledger};
pub use ringstat_core::observe::{Grade, Health, Reason, Snapshot};
pub use ringstat_core::policy::Policy;
pub use ringstat_core::record::{
    Draft, InternError, Kind, Name, Outcome, Priority, Recorder, Symbol, Tag, Value,
};
pub use ringstat_core::send::{BreakerState, SendError, Transport};
