//! The scenarios: how much load, from how many threads, for how long.

use std::time::Duration;

/// A load by name. Flags replace single numbers of it.
#[derive(clap::ValueEnum, serde::Serialize, Clone, Copy, PartialEq, Eq, Default, Debug)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// 10 000 events a second from 4 threads for 30 s: a quiet service
    #[default]
    Baseline,
    /// 100 000 a second from 8 threads for 60 s
    High,
    /// 500 000 a second from 16 threads for 30 s
    Stress,
    /// 1 000 000 a second from 32 threads for 10 s
    Burst,
    /// 10 000 a second from 4 threads in stages: ramp up, sustain, peak of 3 times, ramp down, cool down; 155 s
    Stages,
    /// 10 000 a second from 4 threads for 30 s; for the middle 10 s, what is sent vanishes
    NetworkFailure,
    /// 4 threads, 3 s a step: finds the highest rate without loss
    Ladder,
}

/// The numbers of a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Numbers {
    /// Events per second, of all threads together; in stages, the rate that is sustained.
    pub(crate) rate: u64,
    /// The number of recording threads.
    pub(crate) concurrency: usize,
    /// The duration of all; for a ladder, that of each step.
    pub(crate) duration: Duration,
    /// Room for this many events, divided among the threads' rings; `None`: as in the preset.
    pub(crate) buffer: Option<u32>,
}

impl Scenario {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::High => "high",
            Self::Stress => "stress",
            Self::Burst => "burst",
            Self::Stages => "stages",
            Self::NetworkFailure => "network-failure",
            Self::Ladder => "ladder",
        }
    }

    pub(crate) const fn numbers(self) -> Numbers {
        // With many threads: a ring for each, and 4 MiB for all of them.
        const MANY: Option<u32> = Some(65_536);
        let (rate, concurrency, seconds, buffer) = match self {
            Self::Baseline | Self::NetworkFailure => (10_000, 4, 30, None),
            Self::High => (100_000, 8, 60, None),
            Self::Stress => (500_000, 16, 30, MANY),
            Self::Burst => (1_000_000, 32, 10, MANY),
            Self::Stages => (10_000, 4, 155, None),
            // The rate at which the climb begins.
            Self::Ladder => (100_000, 4, 3, None),
        };
        Numbers { rate, concurrency, duration: Duration::from_secs(seconds), buffer }
    }
}
