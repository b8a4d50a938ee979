//! The collector: datagrams in, Prometheus text and JSON out.
//!
//! ```text
//!  UDP ─► check ─► sequence tracker ─► store ─┬─► /metrics   Prometheus text
//!         refusals,   loss per sender,        ├─► /health    JSON
//!         by reason   duplicates              ├─► /api/state JSON
//!                                             └─► /          a page
//! ```
//!
//! [`Collector`] is the part without IO; [`Server`] puts sockets and threads around it. Limits are on by default:
//! bytes off the network can neither crash it nor make it grow ([`Limits`]).

#![forbid(unsafe_code)]

// In the order of the flow, from the ground up: each room imports only from those before it.
mod limits;

mod memory;

// What is kept: values,
mod series;

// which are shown by names that are valid,
mod exposition;

// and found by sender, name and tags.
mod store;

// A datagram is checked, tracked and put there,
mod intake;

// and what became of everything is shown: as plain data,
mod report;

// and as Prometheus text.
mod metrics;

// Around it the machine: the lock,
mod shared;

// those who ask,
mod http;

// and those who send.
mod server;

pub use intake::{Asks, Collector, Counts, Sender};
pub use limits::{Hits, Limit, Limits};
pub use metrics::metrics;
pub use report::{
    Health, HttpCounts, Io, IoCounts, Own, Report, SenderReport, SeriesReport, Status,
};
pub use series::{Class, Counter, Data, Distribution, Gauge, Set};
pub use server::{Running, Server, ServerConfig, StartError, TapFn};
pub use store::{OVERFLOW, Series, Store};
