//! The examples of every README, compiled and run as documentation tests, and code shared by tests with real processes.

/// The pages whose examples are documentation tests.
#[cfg(doctest)]
mod readmes {
    #[doc = include_str!("../../README.md")]
    mod front {}
    #[doc = include_str!("../../core/README.md")]
    mod core {}
    #[doc = include_str!("../../std-adapter/README.md")]
    mod client {}
    #[doc = include_str!("../../std-adapter/collector/README.md")]
    mod collector {}
    #[doc = include_str!("../../std-adapter/command/README.md")]
    mod command {}
    #[doc = include_str!("../../embassy-adapter/README.md")]
    mod embassy {}
    #[doc = include_str!("../../benches/README.md")]
    mod benches {}
}

#[cfg(target_os = "linux")]
pub mod collector;
#[cfg(target_os = "linux")]
pub mod netns;
pub mod process;
#[cfg(target_os = "linux")]
pub mod program;
#[cfg(target_os = "linux")]
pub mod prometheus;
#[cfg(target_os = "linux")]
pub mod terminal;
