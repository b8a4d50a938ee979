//! ringstat on a microcontroller: one `static`, one task.
//!
//! Tasks and interrupts record by way of the static; the task of [`run`] packs what they recorded and sends it over an
//! embassy-net UDP socket. Everything is allocated statically: the task's buffers are part of its future.
//!
//! ```text
//!  task, interrupt ─► STATS: ring, critical ring, instruments ─► run: pack ─► UDP socket ─► collector
//!                                                                 ▲────────── acknowledgements ┘
//! ```
//!
//! ```
//! use embassy_net::{IpAddress, Stack};
//! use ringstat_embassy::prelude::*;
//!
//! static FRAMES: Counter = Counter::new("radio.frames");
//! // Room for 64 events, and for 8 alarms, which are sent until they are acknowledged.
//! static STATS: Stats<64, 8> = ringstat_embassy::stats(event_ring!(64))
//!     .critical(event_ring!(8))
//!     .instruments(&[&FRAMES]);
//!
//! // #[embassy_executor::task]
//! async fn metrics(stack: Stack<'static>) -> ! {
//!     // Who it is, and which run: the epoch from a random source or a counter in flash.
//!     let config = TaskConfig::new((IpAddress::v4(192, 168, 0, 2), 8125), 0xC0FFEE, 1);
//!     ringstat_embassy::run(stack, &STATS, config).await
//! }
//!
//! // anywhere, also in interrupts:
//! FRAMES.inc();
//! STATS.gauge("board.celsius", 21i32).record();
//! ```
//!
//! # What it costs
//! The task sleeps until something is due: a batch, the next flush or heartbeat, an acknowledgement, a change of the
//! network. It does not touch the socket while the link or the address is missing; events then wait in the ring, and
//! [its policy](ringstat_core::chip::Stats::policy) decides what a full one gives up.
//!
//! Recording an event masks no interrupts where the part has compare-and-swap. Where it has not (Cortex-M0), each
//! atomic operation masks them for some ten instructions, two or three times an event; so does setting a gauge on any
//! part without 64-bit atomics. With two cores the critical section is that of the part's HAL, which holds off the
//! other core as well. [`Stats::lanes`](ringstat_core::chip::Stats::lanes) give interrupts and cores rings of their own.
//!
//! Bytes and instructions are in the README, measured by `firmware/footprint.sh`. [`run_beacon`] is for parts that only
//! count and measure.
#![no_std]
#![forbid(unsafe_code)]

mod beacon;
mod clock;
mod config;
#[cfg(feature = "dns")]
mod dns;
mod task;

pub use beacon::{BeaconConfig, run_beacon};
pub use clock::micros;
pub use config::TaskConfig;
#[cfg(feature = "dns")]
pub use dns::resolve;
pub use task::{run, stats, totals, wake};

/// What a chip's program takes to record and to send: `use ringstat_embassy::prelude::*;`.
pub mod prelude {
    pub use ringstat_core::prelude::{
        Counter, Gauge, Histogram, Instrument, Outcome, Policy, Priority, Recorder, Stats,
        event_ring,
    };

    pub use crate::{BeaconConfig, TaskConfig};
}
