//! What `perf` and the Criterion benches share: events that look real, and threads that begin together.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod threads;
