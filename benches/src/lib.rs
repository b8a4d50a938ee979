//! What `perf` and the Criterion benches share: events that look real, the whole path, what ringstat is measured
//! against, and threads that begin together.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod path;
pub mod peers;
pub mod threads;
