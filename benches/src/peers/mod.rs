//! The peers that both the Criterion benches and `perf peers` compare ringstat with.
//!
//! Peers that only one bench needs are defined next to that bench.

pub mod clients;
pub mod formats;
pub mod rings;
