//! Outputs: the collector pushes what it knows to other systems.
//!
//! ```text
//!  shards ──slices──► rounds: once an interval ─┬─► batches ──► outbox ──► one thread for each target ──► HTTP
//!                                               │             (memory or disk)      again until it is taken
//!                                               └─► lines ──► file, rotated
//! ```
//!
//! Nothing here holds up the receiving threads: the shards are read in slices, as for `/metrics`, and what a target does
//! not take waits in an [`outbox`](crate::outbox) of bounded size, where every sample is accounted for.

mod config;
mod deliver;
mod exporter;
mod json_lines;
#[cfg(feature = "otlp")]
mod otlp;
mod post;
mod relayed_lines;
mod remote_write;
mod rounds;
mod seen;
mod walk;

pub use config::{
    HttpAuth, HttpTarget, JsonLinesConfig, OtlpConfig, OtlpTarget, OtlpTemporality, OtlpTransport,
    OutputConfig, OutputError, RemoteWriteConfig, RemoteWriteHistograms, RemoteWriteProtocol,
    RemoteWriteTarget,
};
pub(crate) use exporter::{Exporting, Unprepared, prepare};
#[cfg(feature = "nats")]
pub(crate) use exporter::{WriteOnly, write_only};
#[cfg(feature = "nats")]
pub(crate) use remote_write::Packer;
