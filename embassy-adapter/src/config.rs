//! Where the task sends, as whom, and how.

use embassy_net::IpEndpoint;
use embassy_time::Duration;
use ringstat_core::format::TimeUnit;
use ringstat_core::send::{BreakerConfig, Identity, SenderConfig};

use crate::clock::micros;

/// How the task works. Begin with [`Config::new`] and change what must differ.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The collector.
    pub to: IpEndpoint,
    /// The port that datagrams come from, and acknowledgements go to.
    pub local_port: u16,
    /// Who sends.
    pub identity: Identity,
    /// Batches, flushes, heartbeats, patience. Its unit must be microseconds.
    pub sender: SenderConfig,
    /// When the stack knows no way: times in microseconds.
    pub breaker: BreakerConfig,
    /// The clock that events are stamped with, in microseconds: since boot, or since 1970 where somebody knows. Then set
    /// `since_boot` of `sender` to `false`, and give the same clock to `Stats::new`.
    pub wall: fn() -> u64,
    /// The ring is looked into at least so often while events wait.
    pub look: Duration,
}

impl Config {
    /// For a collector at `to`; `sender` is unique among its senders and the same over restarts, `epoch` another one for
    /// each run: from a random source, or a counter in memory that survives.
    #[must_use]
    pub fn new(to: impl Into<IpEndpoint>, sender: u64, epoch: u32) -> Self {
        Self {
            to: to.into(),
            local_port: 49_125,
            identity: Identity { sender, epoch },
            sender: SenderConfig {
                unit: TimeUnit::Micros,
                since_boot: true,
                ..SenderConfig::DEFAULT
            },
            breaker: BreakerConfig { failures: 5, backoff: 100_000, backoff_max: 5_000_000 },
            wall: micros,
            look: Duration::from_millis(100),
        }
    }
}
