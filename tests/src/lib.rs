//! The examples of the README, compiled and run as documentation tests, and what tests with real processes share.
#![doc = include_str!("../../README.md")]

#[cfg(target_os = "linux")]
pub mod collector;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod process;
#[cfg(target_os = "linux")]
pub mod program;
