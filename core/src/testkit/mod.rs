//! For tests, ours and yours: time that stands still, networks that fail on request, readings that look real.
//!
//! Everything here is deterministic: the same seed gives the same faults and the same readings, on every machine.
//! It needs an allocator, and it is not made for production.

mod rng;

pub use rng::Rng;
