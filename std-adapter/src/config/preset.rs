//! The presets: whole configurations to start from.

use std::time::Duration;

use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_IPV6_MIN};
use ringstat_core::observe::HealthLimits;
use ringstat_core::policy::{Policy, ThrottleLimits};

use super::{Aggregation, ClientConfig, MAX_SEGMENTS, Protocol};

/// A configuration to start from. Every setting of a preset can be changed: each is a field of its [`ClientConfig`].
///
/// | preset | rings | batch | age | policy | memory |
/// |---|---|---|---|---|---|
/// | `default` | 16 × 8192 + 4096 | 32, or a datagram | 100 ms | `DropNewest` | 27.1 MB |
/// | `high-throughput` | 16 × 16384 + 16384 | 100 | 50 ms | `ByPriority` | 63.6 MB |
/// | `reliable` | 16 × 8192 + 8192 | 20 | 200 ms | `DropNewest` | 27.4 MB |
/// | `graded` | 16 × 8192 + 4096 | 10 to 100 | 100 ms | `Graded(2)` | 30.7 MB |
/// | `low-memory` | 2 × 1536 + 1024 | 20 | 100 ms | `Sampled(2)` | 0.5 MB |
///
/// *rings* are those that threads own plus the one that further threads share, in events; *memory* is the largest
/// amount that they, the ring of critical events and the memory for long tags take. It is only touched when it is used.
///
/// ```
/// use std::time::Duration;
/// use ringstat_std::{Client, ClientConfig, Preset};
///
/// let config = ClientConfig { batch_age: Duration::from_millis(20), ..Preset::LowMemory.config() };
/// let stats = Client::builder("127.0.0.1:8125").config(config).build()?;
/// # drop(stats);
/// # Ok::<(), ringstat_std::BuildError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Preset {
    /// Moderate rings, and batches that fill a datagram under load.
    #[default]
    Default,
    /// Large rings and large batches that are sent soon; under pressure, the least important records are given up.
    HighThroughput,
    /// Nothing is given up silently: a record that finds no room is refused, and the caller is told. Instruments are
    /// refreshed often, critical events are retried for longer, and shutdown waits for what is left. With a second
    /// receiver in [`ClientConfig::redundant`], the failure of one is not the failure of both.
    Reliable,
    /// Degrades step by step, with batches that follow the load.
    Graded,
    /// Room for 4096 events in all, small datagrams, few instruments; under pressure, every other record is dropped and
    /// the remaining ones count twice.
    LowMemory,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 5] =
        [Self::Default, Self::HighThroughput, Self::Reliable, Self::Graded, Self::LowMemory];

    /// The name in commands and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::HighThroughput => "high-throughput",
            Self::Reliable => "reliable",
            Self::Graded => "graded",
            Self::LowMemory => "low-memory",
        }
    }

    /// The configuration of the preset.
    #[must_use]
    pub fn config(self) -> ClientConfig {
        match self {
            Self::Default => default(),
            Self::HighThroughput => ClientConfig {
                shard_events: 16_384,
                shared_events: 16_384,
                tag_memory: 2 << 20,
                policy: Policy::ByPriority,
                batch_least: 100,
                batch_events: 100,
                batch_age: Duration::from_millis(50),
                ..default()
            },
            Self::Reliable => ClientConfig {
                shared_events: 8192,
                batch_least: 20,
                batch_events: 20,
                batch_age: Duration::from_millis(200),
                flush_interval: Duration::from_millis(500),
                refresh_interval: Duration::from_secs(5),
                ack_attempts: 20,
                linger: Duration::from_secs(5),
                ..default()
            },
            Self::Graded => ClientConfig {
                policy: Policy::Graded(2),
                batch_least: 10,
                batch_events: 100,
                ..default()
            },
            Self::LowMemory => ClientConfig {
                payload: PAYLOAD_IPV6_MIN,
                shards: 2,
                shard_events: 1536,
                shared_events: 1024,
                tag_memory: 64 << 10,
                policy: Policy::Sampled(2),
                batch_least: 20,
                batch_events: 20,
                datagrams_per_call: 4,
                critical_events: 32,
                max_instruments: 500,
                ..default()
            },
        }
    }
}

fn default() -> ClientConfig {
    ClientConfig {
        payload: PAYLOAD_ETHERNET,
        shards: 16,
        shard_events: 8192,
        shared_events: 4096,
        tag_memory: 1 << 20,
        policy: Policy::DropNewest,
        batch_least: 32,
        batch_events: 0,
        batch_age: Duration::from_millis(100),
        flush_interval: Duration::from_secs(1),
        refresh_interval: Duration::from_secs(30),
        heartbeat_interval: Duration::from_secs(1),
        idle_sleep: Duration::from_millis(100),
        wake_on_first: false,
        resolve_interval: Duration::from_secs(60),
        breaker_failures: 5,
        breaker_successes: 1,
        backoff: Duration::from_millis(100),
        backoff_max: Duration::from_secs(5),
        backoff_jitter: 25,
        receipts: true,
        silence: Duration::from_secs(3),
        datagrams_per_call: MAX_SEGMENTS,
        critical_events: 1024,
        ack_timeout: Duration::from_millis(200),
        ack_timeout_max: Duration::from_secs(5),
        ack_attempts: 10,
        redundant: None,
        aggregate: Aggregation::NONE,
        throttle: false,
        memory_limit: None,
        report_interval: Some(Duration::from_secs(5)),
        linger: Duration::from_millis(500),
        max_instruments: 10_000,
        protocol: Protocol::Native,
        timestamps: false,
        sender: None,
        program: None,
        version: None,
        labels: std::collections::BTreeMap::new(),
        throttle_limits: ThrottleLimits::DEFAULT,
        health: HealthLimits::DEFAULT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rings::Rings;

    /// The table row of a preset, generated from its configuration.
    fn row(preset: Preset) -> String {
        let c = preset.config();
        let batch = match (c.batch_least, c.batch_events) {
            (least, 0) => format!("{least}, or a datagram"),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        let (shards, each, shared) = (c.shards, c.shard_events, c.shared_events);
        let rings = Rings::new(shards, each, shared, c.policy, c.critical_events, c.tag_memory);
        format!(
            "/// | `{}` | {} × {} + {} | {batch} | {} ms | `{:?}` | {:.1} MB |",
            preset.as_str(),
            c.shards,
            c.shard_events,
            c.shared_events,
            c.batch_age.as_millis(),
            c.policy,
            rings.bytes() as f64 / 1e6,
        )
    }

    /// Rings are a little smaller where pointers are.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn the_table_says_what_the_presets_are() {
        let source = include_str!("preset.rs");
        let rows = Preset::ALL.map(row);
        let missing: Vec<_> = rows.iter().filter(|row| !source.contains(row.as_str())).collect();
        assert!(missing.is_empty(), "the table should say {missing:#?}");
    }

    #[test]
    fn low_memory_has_room_for_4096_events_in_less_than_a_megabyte() {
        let c = Preset::LowMemory.config();
        assert_eq!(c.shards * c.shard_events + c.shared_events, 4096);
    }
}
