//! What `perf` and the Criterion benches share: events that look real, the whole path, and threads that begin
//! together.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod path;
pub mod threads;
