//! The collector: datagrams in, Prometheus text and JSON out.
//!
//! ```text
//!  UDP ─► check ─► sequence tracker ─► store ─┬─► /metrics                 Prometheus text
//!         refusals,   loss per sender,        ├─► /health, /live, /ready   is all well?
//!         by reason   duplicates              ├─► /api/state               JSON
//!                                             └─► /                        a page
//! ```
//!
//! [`Collector`] is the part without IO; [`Server`] puts sockets and threads around it.
//!
//! # What it promises on a network that is not friendly
//! - **Memory**: all that datagrams can make it keep is charged in bytes when it is kept, and stays below
//!   [`Limits::bytes`]. A sender can have three times what is left free, so that others find room. What is beyond a
//!   limit is counted, and [`Limit`] says by which, in `/metrics`, `/health`, the log and on the page.
//! - **Text**: whatever is sent, `/metrics` is a page that Prometheus takes.
//! - **HTTP**: nobody who asks can hold it up: connections, heads and times are bounded, no body is read, and who does
//!   not read is cut off.
//! - **Reception** does not wait for those who ask: their answers are written in slices, and the lock is free between.
//! - **Health** is that of the last minutes, and a sender's trouble is that of the sender.
//!
//! It does not promise to tell a forged sender from a genuine one: datagrams are checked against damage, not forgery.

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
