//! Shared by the firmwares of this folder: two boards that QEMU emulates, an executor that sleeps, and communication
//! with the host.
//!
//! | program | board | what it shows |
//! |---|---|---|
//! | `network` | mps2-an385 | tasks and an interrupt record, the adapter's task sends, and a real collector agrees |
//! | `alone` | both | record, batch, pack, decode and compare, without a network |
//! | `preempt` | both | a million interrupts in the middle of a record call |
//! | `serial` | microbit | records and sends over its UART, without a network |
//! | `instructions` | both | how many instructions each call takes |
//! | `footprint` | both | the same firmware with and without ringstat, for comparison |
//! | `nopanic` | both | links only if no record call can panic |
//!
//! `check.sh` and `footprint.sh` build and run them all.
#![no_std]

pub mod board;
pub mod host;
#[cfg(not(microbit))]
pub mod lan9118;
pub mod report;
pub mod run;
pub mod sample;
pub mod stack;
pub mod wire;
