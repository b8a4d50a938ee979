// The README is the front page; its examples are tested in `ringstat-tests`.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
//!
//! # Where to start
//!
//! - [`Server::start`] opens the sockets that a [`ServerConfig`] names, and starts the threads.
//! - [`Collector`] is the part without IO, bounded by [`Limits`]; [`Report`] is its state as plain data.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

// In the order of the flow, from the ground up: each room imports only from those before it.
mod limits;

mod journal;

mod memory;

// How what is kept goes to disk.
mod rows;

// What is kept: values
mod series;

// that rules rename, drop and add up,
mod mapping;

// that are shown under valid names
mod exposition;

// and found by sender, name and tags.
mod store;

// A datagram of text is lines,
mod statsd;

// and any is checked, tracked and stored,
mod intake;

// and what became of everything is shown as plain data
mod report;

// and as Prometheus text.
mod metrics;

// It may be kept on disk.
mod data;

// What waits to be sent to others,
mod outbox;

// and what came in is passed on as it is.
mod relay;

// Around it the machine: the shards and who may look at them,
mod shared;

// the HTTP server,
mod http;

// those to whom it sends,
mod export;

// and the sockets for senders.
mod server;

// Where the time goes can be asked of the running process.
#[cfg(all(unix, feature = "pprof"))]
mod profiling;

// On more than one machine, there is a log between the sockets and the shards.
#[cfg(feature = "nats")]
pub mod fleet;

pub use data::{DataConfig, DataError, DataReport, check_data, show_data};
pub use export::{
    HttpAuth, HttpTarget, JsonLinesConfig, OtlpConfig, OtlpTarget, OtlpTemporality, OtlpTransport,
    OutputConfig, OutputError, RemoteWriteConfig, RemoteWriteHistograms, RemoteWriteProtocol,
    RemoteWriteTarget,
};
pub use intake::{
    Collector, Counts, GaugeSign, Life, LineAccount, Replies, Sender, SenderInfo, Shards, Source,
    shard_of,
};
pub use limits::{Hits, Limit, Limits};
pub use mapping::{GaugeRule, MapError, Mapping};
pub use metrics::{Distributions, Explained, metrics};
#[cfg(all(unix, feature = "pprof"))]
pub use profiling::Profiling;
pub use relay::{RelayConfig, RelayProtocol, RelayTarget, RelayTargetError};
pub use report::{
    DataCounts, DataNow, Health, HttpCounts, Io, IoCounts, LinesReport, OutputCause, OutputCounts,
    OutputReport, Own, Process, RefusedLines, Report, SenderReport, SeriesReport, Status,
};
pub use series::{Class, Counter, Data, Distribution, Gauge, Set};
pub use server::{Running, Server, ServerConfig, StartError, TapFn};
pub use statsd::LineError;
pub use store::{OVERFLOW, Series, Store};
