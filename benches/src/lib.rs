//! Code shared by `perf` and the Criterion benches: realistic events, the whole path, the peers that ringstat is
//! compared with, and threads that start together.

#![forbid(unsafe_code)]

pub mod corpus;
pub mod path;
pub mod peers;
pub mod threads;
