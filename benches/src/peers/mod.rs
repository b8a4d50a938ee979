//! What ringstat is measured against: said once, for the Criterion benches and `perf peers`.
//!
//! What only a bench has as a peer stands beside that bench.

pub mod clients;
pub mod formats;
pub mod rings;
