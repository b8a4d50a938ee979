//! ringstat for servers.
//!
//! Recording threads write into rings of their own; one background thread drains them, packs and sends:
//!
//! ```text
//!  record ──► shard of this thread ──┐                      ┌─► connected UDP socket
//!  record ──► shard of that thread ──┼─► worker: pack, send ┤
//!  record ──► shared ring ───────────┘      ▲               └─► (many datagrams a call)
//!  Counter, Gauge, Histogram ───────────────┘
//! ```
//!
//! ```no_run
//! use std::time::Duration;
//! use ringstat_std::{Client, Counter, Recorder};
//!
//! static REQUESTS: Counter = Counter::new("http.requests").tags(&[("service", "shop")]);
//!
//! let stats = Client::builder("127.0.0.1:8125").instrument(&REQUESTS).build()?;
//! REQUESTS.inc();
//! stats.timing("db.query", Duration::from_micros(1250)).tag("table", "orders").record();
//! let ledger = stats.shutdown(Duration::from_secs(1));
//! assert!(ledger.closes());
//! # Ok::<(), ringstat_std::BuildError>(())
//! ```
//!
//! A record call takes no lock, no heap and no system call, also not to wake the worker, which looks into the rings
//! by itself: every [`ClientConfig::idle_sleep`] when there is nothing to do, more often under load.

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
