//! How a client works: its configuration, the presets to begin with, and what may not be asked for.
//!
//! A [`ClientConfig`] is plain data. The builder of the client fills one in and has it [checked](ClientConfig::validate)
//! before anything is started.

use std::time::Duration;

use ringstat_core::observe::HealthLimits;
use ringstat_core::policy::{Policy, ThrottleLimits};

mod budget;
mod check;
mod preset;
mod protocol;

pub use budget::{Budget, Load};
pub use check::ConfigError;
pub(crate) use check::MAX_SEGMENTS;
pub use preset::Preset;
pub use protocol::Protocol;

/// How a client works. Begin with a [`Preset`] and change what must differ.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct ClientConfig {
    /// The largest datagram, in bytes of UDP payload: 128 to 65 507.
    pub payload: usize,
    /// So many threads get a ring of their own: 1 to 1024. Further ones share one.
    pub shards: usize,
    /// So many events fit into each of these rings: 1 to 2^24, and at most 2^26 in all of them. 64 bytes each.
    pub shard_events: usize,
    /// So many events fit into the shared ring: 1 to 2^24. 72 bytes each.
    pub shared_events: usize,
    /// Memory beside each ring, in bytes, for tags and texts that do not fit the 26 bytes of a slot: 0 to 2^30. A block of
    /// 128 bytes, and 4 to manage it, holds three to eight usual tags; an event takes as many as it needs, up to 16 tags
    /// of 255 bytes each and a text of 1000. It is touched as it is used. Used up, further such events are refused and
    /// counted; with 0 all of them are.
    pub tag_memory: usize,
    /// What is given up when there is more than the rings can take.
    pub policy: Policy,
    /// A batch closes with so many events while there is little to do,
    pub batch_least: usize,
    /// and with so many at most under load: the number shrinks after each batch while the rings are less than 25 % full,
    /// grows above 50 %, and faster above 75 %. 0, here and there: only when a datagram is full, or by age.
    pub batch_events: usize,
    /// A batch closes when its first event has waited for so long: 1 ms to 1 min.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub batch_age: Duration,
    /// Instruments that have changed are sent so often: 1 ms to 1 h.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub flush_interval: Duration,
    /// Every instrument is sent at least so often: 10 ms to 1 day.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub refresh_interval: Duration,
    /// A client with nothing to say sends an empty datagram so often: 10 ms to 1 h. The protocols of agents have none.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub heartbeat_interval: Duration,
    /// The worker looks into the rings at least so often, and at least every `batch_age`: 1 ms to 1 min. Under load it
    /// looks when the next batch is likely to be there. It bounds how old the cheap clock is, and what the first burst
    /// after a pause may fill.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub idle_sleep: Duration,
    /// The first record after a pause wakes the worker, by a system call of some microseconds, so that an idle worker
    /// looks into the rings only twice a second. Without it a record call never makes a system call.
    pub wake_on_first: bool,
    /// A receiver given by name is looked up again so often: 1 s to 1 day.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub resolve_interval: Duration,
    /// After so many failures in a row the circuit breaker opens: nothing is sent, and what is recorded waits in the rings
    /// by policy. 0: it never does, and every failure is tried again and again.
    pub breaker_failures: u32,
    /// It closes after so many probes in a row that succeeded: at least 1.
    pub breaker_successes: u32,
    /// While it is open, the receiver is tried again after so long, then twice as long and so on: 1 ms to 1 h,
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff: Duration,
    /// up to this.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff_max: Duration,
    /// Ask the collector for a sign of life about once a second, so that what has arrived is told from what has only left,
    /// and a collector that is gone is noticed, whatever the network says. Agents that take lines have no way to
    /// answer and are not asked. Without it, what has left counts as sent.
    pub receipts: bool,
    /// The circuit breaker opens when the collector has owed an answer for so long, 10 ms to 1 h. What left meanwhile is `unconfirmed`
    /// in the ledger, until the collector is back and tells.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub silence: Duration,
    /// Each such pause is so many percent longer or shorter, at random, so that not all clients come back at once: 0 to 49.
    pub backoff_jitter: u8,
    /// At most so many datagrams go to the system in one call, where it takes several: 1 to 32. 1: one by one.
    pub datagrams_per_call: usize,
    /// Room for critical events that are kept until the collector has acknowledged them: 0 to 1024. Until then they are
    /// sent again, so that each is delivered, once, also over a network that loses datagrams. They have a ring
    /// of their own; when it is full, they are refused. 0: they are sent once, like others. So they are where there
    /// is no collector to answer.
    pub critical_events: usize,
    /// A critical event is sent again when it is not acknowledged within so long, then twice as long and so on: 1 ms to
    /// 1 h,
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub ack_timeout: Duration,
    /// up to this.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub ack_timeout_max: Duration,
    /// It is given up after so many attempts, and counted as unacknowledged.
    pub ack_attempts: u8,
    /// A second receiver that gets every datagram, too: the failure of one is not the failure of both. A collector that
    /// hears both takes each datagram once. Agents do not know what another one has: what only one of two could be sent
    /// never reaches the other, and a database behind both counts twice.
    pub redundant: Option<String>,
    /// Merge repeated events into instruments of their name and tags: counters are added up, of gauges the last value
    /// stays, timings go into a histogram. Fewer datagrams, and lost ones heal; each event's own time is given up.
    pub aggregate: bool,
    /// Keep only some of the low and normal records while the client is unwell: rings over 80 % full, records given up
    /// for want of room, or memory above its limit. What is kept says so, and the collector scales up.
    pub throttle: bool,
    /// With `throttle`: the resident memory of the process, in bytes, from which on records are throttled. Linux only.
    pub memory_limit: Option<u64>,
    /// The client's own metrics go out so often: 10 ms to 1 day; `None`: not at all.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub report_interval: Option<Duration>,
    /// Dropping the last handle waits so long for what is still to be sent.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub linger: Duration,
    /// Instruments made at run time; further ones go to an overflow series.
    pub max_instruments: usize,
    /// What is sent: ringstat's own format, or lines for an agent.
    pub protocol: Protocol,
    /// The lines of counters and gauges in DogStatsD carry their second, for agents that take them as they are (7.40 or
    /// later). They do not add such lines up: of two lines of one series in one second only one remains.
    pub timestamps: bool,
    /// Who the client is; `None`: a random number. Unique among the senders of a collector.
    pub sender: Option<u64>,
    /// When the throttle rises and falls.
    pub throttle_limits: ThrottleLimits,
    /// From where on the client is not well.
    pub health: HealthLimits,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Preset::Default.config()
    }
}
