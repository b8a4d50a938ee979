//! The presets: whole configurations to begin with.

use std::time::Duration;

use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_IPV6_MIN};
use ringstat_core::policy::Policy;

use super::{ClientConfig, Protocol};

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Preset {
    /// 16 rings of 8192 events (8 MiB, used as needed, and 17 MiB where all have long tags), batches of 100 ms.
    #[default]
    Default,
    /// 16 rings of 65 536 events (64 MiB, used as needed, and 140 MiB where all have long tags), looked into every 5 ms at least.
    HighThroughput,
    /// Every record soon on its way, instruments refreshed often, the newest state kept: drops the oldest when full.
    Reliable,
    /// 2 rings of 256 events (about 50 KiB, and as much for long tags), small datagrams.
    LowMemory,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 4] =
        [Self::Default, Self::HighThroughput, Self::Reliable, Self::LowMemory];

    /// The name that commands and files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::HighThroughput => "high-throughput",
            Self::Reliable => "reliable",
            Self::LowMemory => "low-memory",
        }
    }

    /// Its configuration.
    #[must_use]
    pub fn config(self) -> ClientConfig {
        let default = ClientConfig {
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
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            receipts: true,
            silence: Duration::from_secs(3),
            critical_events: 1024,
            ack_timeout: Duration::from_millis(200),
            ack_timeout_max: Duration::from_secs(5),
            ack_attempts: 10,
            redundant: None,
            aggregate: false,
            throttle: false,
            memory_limit: None,
            report_interval: Some(Duration::from_secs(5)),
            linger: Duration::from_millis(500),
            max_instruments: 10_000,
            protocol: Protocol::Native,
            timestamps: false,
            sender: None,
        };
        match self {
            Self::Default => default,
            Self::HighThroughput => ClientConfig {
                shard_events: 65_536,
                shared_events: 65_536,
                tag_memory: 8 << 20,
                batch_least: 0,
                ..default
            },
            Self::Reliable => ClientConfig {
                shard_events: 16_384,
                tag_memory: 2 << 20,
                policy: Policy::DropOldest,
                batch_least: 8,
                batch_age: Duration::from_millis(20),
                flush_interval: Duration::from_millis(500),
                refresh_interval: Duration::from_secs(5),
                linger: Duration::from_secs(5),
                ..default
            },
            Self::LowMemory => ClientConfig {
                payload: PAYLOAD_IPV6_MIN,
                shards: 2,
                shard_events: 256,
                shared_events: 256,
                tag_memory: 16 << 10,
                critical_events: 32,
                batch_least: 16,
                max_instruments: 500,
                ..default
            },
        }
    }
}
