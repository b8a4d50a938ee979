//! Remote write: to a receiver that records everything, and to those that people run.

mod account;
mod receiver;
#[cfg(feature = "remote-write-servers")]
mod servers;
