//! A collector on more than one machine, around a log that others keep: NATS JetStream.
//!
//! ```text
//!  datagrams ──► receivers: check, pack, publish ──► log: one stream for each shard ──► workers: track, decode, store ──► outputs
//!                (any number, without state)          │                                  │   (each shard has one owner)
//!                        ▲ acknowledges after the log │         leases, by compare-and-set │
//!                        └────────────────────────────┘         snapshots with positions ◄─┘ in the log's own stores
//! ```
//!
//! A shard is a part of the senders, chosen by a sender's number ([`shard_of`](crate::shard_of)). A receiver appends each
//! datagram to the stream of its shard, whole. The worker that holds a shard's lease reads that stream from where the
//! shard's last snapshot ends, and alone decides what is a duplicate, from the numbers that senders give; so nothing that
//! happens to a receiver, a worker or the broker can make an event count twice.
//!
//! [`names`] has what all parts agree on. Only workers and what shows their state use leases.

#[cfg(all(test, feature = "nats-server"))]
mod broker;
mod lease;
mod log;
mod message;
mod metrics;
pub mod names;
mod objects;
mod parts;
mod receive;
mod status;
mod work;

pub use log::{FleetError, LogConfig};
pub use receive::{ReceiveConfig, ReceiveReport, Receiving};
pub use status::{FleetStatus, ReceiverStatus, ShardStatus, WorkerStatus, status};
pub use work::{WorkConfig, WorkReport, Working};
