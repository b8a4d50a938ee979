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

// In flow order: a datagram comes in,
mod kernel;
mod server;
// is checked and tracked,
mod collector;
mod heard;
mod limits;
// and stored,
mod series;
mod store;
// and shown.
mod prometheus;
mod report;
mod web;

pub use collector::{Asks, Collector, Counts, Sender};
pub use limits::Limits;
pub use prometheus::metrics;
pub use report::{Health, Own, Report, SenderReport, SeriesReport, Status};
pub use series::{Class, Counter, Data, Distribution, Gauge, Set};
pub use server::{Config, Running, Server, StartError, TapFn};
pub use store::{OVERFLOW, Series, Store};
