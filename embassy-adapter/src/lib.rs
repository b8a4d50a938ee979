// The README is the front page; its examples are tested in `ringstat-tests`.
#![cfg_attr(not(doctest), doc = include_str!("../README.md"))]
//!
//! # When it runs, and when it masks interrupts
//!
//! [`run`] sleeps until something is due: a batch, the next flush or heartbeat, an answer. It does not touch the socket
//! while the link or the address is missing, and looks for them five times a second; events then wait in the ring, and
//! [its policy](ringstat_core::chip::Stats::policy) decides what a full one gives up.
//!
//! Recording an event masks no interrupts on parts with compare-and-swap. On parts without (Cortex-M0), each atomic
//! operation masks them for some ten instructions, two or three times per event; so does setting a gauge on any part
//! without 64-bit atomics. With two cores, the critical section is that of the part's HAL, which holds off the other
//! core as well. [`Stats::lanes`](ringstat_core::chip::Stats::lanes) give interrupts and cores rings of their own.
//!
//! [`run_beacon`] is for parts that only count and measure.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]
#![forbid(unsafe_code)]

mod beacon;
mod client;
mod clock;
mod config;
#[cfg(feature = "dns")]
mod dns;
mod never;
mod route;
#[cfg(feature = "serial")]
mod serial;
mod socket;
mod task;

pub use beacon::{BeaconConfig, run_beacon};
pub use client::Client;
pub use clock::{CLOCK, micros};
pub use config::TaskConfig;
#[cfg(feature = "dns")]
pub use dns::resolve;
pub use route::{NoReceipts, PathConfig, Route};
#[cfg(feature = "serial")]
pub use serial::run_serial;
pub use task::{flush, run, stats, totals, wake};

/// Everything that a chip's program needs to record and to send: `use ringstat_embassy::prelude::*;`.
pub mod prelude {
    pub use ringstat_core::prelude::{
        Counter, Description, Epoch, Gauge, Histogram, Identity, Info, Instrument, Outcome, Policy,
        Priority, Recorder, Stats, event_ring,
    };

    pub use crate::{BeaconConfig, TaskConfig};
}

/// Whether a deliberate mistake is asked for: `.ci/mutants` builds one after the other, with the variable
/// `RINGSTAT_MUTANT`, and a test must notice each. Without its flag there are none, and this folds away.
#[inline(always)]
fn mutant(name: &str) -> bool {
    cfg!(ringstat_mutants) && option_env!("RINGSTAT_MUTANT") == Some(name)
}
