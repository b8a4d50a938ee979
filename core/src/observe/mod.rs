//! How the client is doing: a grade with reasons, and a snapshot of everything that a client knows about itself.
//!
//! Adapters fill a [`Snapshot`] and grade [`Readings`]; both can be serialized in any serde format.
//!
//! Imports [`send`](crate::send), [`instrument`](crate::instrument) and [`ledger`](crate::ledger).

mod health;
mod snapshot;

pub use health::{
    Grade, Health, HealthCounts, HealthLimits, HealthWindow, Meaning, Readings, Reason,
};
pub use snapshot::{
    BreakerUse, Buffer, Degradation, Latency, Memory, Output, PoolUse, Quantiles, Snapshot,
};
