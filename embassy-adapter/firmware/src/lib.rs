//! Shared by the firmwares of this folder: three boards that QEMU emulates, an executor that sleeps, and communication
//! with the host.
//!
//! | program | board | what it shows |
//! |---|---|---|
//! | `network` | mps2-an385 | tasks and an interrupt record, the adapter's task sends, and a real collector agrees |
//! | `reset` | mps2-an385 | critical events outlive resets |
//! | `alone` | all | record, batch, pack, decode and compare, without a network |
//! | `preempt` | both of Arm | a million interrupts in the middle of a record call |
//! | `serial` | microbit, virt | records and sends over its UART, without a network |
//! | `instructions` | both of Arm | how many instructions each call takes |
//! | `footprint` | both of Arm | the same firmware with and without ringstat, for comparison |
//! | `nopanic` | both of Arm | links only if no record call can panic |
//!
//! `check.sh` and `footprint.sh` build and run them all.
#![no_std]

pub mod board;
pub mod host;
#[cfg(mps2)]
pub mod lan9118;
#[cfg(mps2)]
pub mod network;
pub mod report;
#[cfg(target_arch = "arm")]
pub mod run;
pub mod sample;
#[cfg(target_arch = "arm")]
pub mod stack;
pub mod wire;

#[cfg(target_arch = "arm")]
pub use cortex_m_rt::entry;
#[cfg(target_arch = "riscv32")]
pub use riscv_rt::entry;
