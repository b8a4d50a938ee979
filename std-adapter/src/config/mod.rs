//! How a client works: its configuration, the presets to begin with, and the bounds of every setting.
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
    /// How many threads get a ring of their own: 1 to 1024. Further threads share one ring.
    pub shards: usize,
    /// How many events fit into the ring of a thread: 1 to 2^24, and at most 2^26 in all of these rings. An event takes
    /// 64 bytes.
    pub shard_events: usize,
    /// How many events fit into the shared ring: 1 to 2^24. An event takes 72 bytes there.
    pub shared_events: usize,
    /// Memory beside each ring, in bytes, for tags and texts that do not fit the 26 bytes of a slot: 0 to 2^30. A block of
    /// 128 bytes, and 4 to manage it, holds three to eight usual tags; an event takes as many as it needs, up to 16 tags
    /// of 255 bytes each and a text of 1000. The memory is touched as it is used. When it is used up,
    /// further such events are refused and counted; with 0 all of them are.
    pub tag_memory: usize,
    /// What is given up when there is more than the rings can take.
    pub policy: Policy,
    /// A batch closes with this many events while there is little to do. 0: it closes only when a datagram is full, or by
    /// age.
    pub batch_least: usize,
    /// A batch closes with at most this many events under load: the number shrinks after each batch while the rings are less
    /// than 25 % full, grows above 50 %, and faster above 75 %. 0: it closes only when a datagram is full, or by age.
    pub batch_events: usize,
    /// A batch closes at the latest when its first event has waited this long: 1 ms to 1 min.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub batch_age: Duration,
    /// The interval at which instruments that have changed are sent: 1 ms to 1 h.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub flush_interval: Duration,
    /// The interval within which every instrument is sent, changed or not: 10 ms to 1 day.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub refresh_interval: Duration,
    /// The interval at which a client that has nothing to say sends an empty datagram: 10 ms to 1 h. The protocols of agents
    /// have no such datagrams.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub heartbeat_interval: Duration,
    /// The longest interval between two looks of the worker into the rings, 1 ms to 1 min; `batch_age` is another bound. Under load it
    /// looks when the next batch is likely to be there. It bounds how old the cheap clock is, and what the first burst
    /// after a pause may fill.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub idle_sleep: Duration,
    /// The first record after a pause wakes the worker, by a system call of some microseconds, so that an idle worker
    /// looks into the rings only twice a second. Without it a record call never makes a system call.
    pub wake_on_first: bool,
    /// The interval at which a receiver that was given by name is looked up again: 1 s to 1 day.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub resolve_interval: Duration,
    /// The circuit breaker opens after this many failures in a row: nothing is sent, and what is recorded waits in the rings
    /// by policy. 0: it never does, and every failure is tried again and again.
    pub breaker_failures: u32,
    /// The circuit breaker closes after this many probes in a row that succeeded: at least 1.
    pub breaker_successes: u32,
    /// The first pause of an open circuit breaker before the receiver is tried again, 1 ms to 1 h. Each further pause is twice
    /// as long.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff: Duration,
    /// The longest pause between two attempts of an open circuit breaker.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff_max: Duration,
    /// Ask the collector for a sign of life about once a second, so that what has arrived is told from what has only left,
    /// and a collector that is gone is noticed, whatever the network says. Agents that take lines have no way to
    /// answer and are not asked. Without it, what has left counts as sent.
    pub receipts: bool,
    /// The circuit breaker opens when the collector has owed an answer for this long, 10 ms to 1 h. Events that left in the
    /// meantime are `unconfirmed` in the ledger until the collector is back and says what it has.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub silence: Duration,
    /// By how many percent such a pause is made longer or shorter, at random, so that not all clients come back at once:
    /// 0 to 49.
    pub backoff_jitter: u8,
    /// How many datagrams go to the system in one call at most, where it takes several: 1 to 32. 1 sends them one by one.
    pub datagrams_per_call: usize,
    /// Room for critical events that are kept until the collector has acknowledged them: 0 to 1024. Until then they are
    /// sent again, so that each is delivered, once, also over a network that loses datagrams. They have a ring
    /// of their own; when it is full, they are refused. 0: they are sent once, like others. So they are where there
    /// is no collector to answer.
    pub critical_events: usize,
    /// How long an acknowledgement of a critical event is awaited before the event is sent again, 1 ms to 1 h. Each further
    /// wait is twice as long.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub ack_timeout: Duration,
    /// The longest wait for an acknowledgement before a critical event is sent again.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub ack_timeout_max: Duration,
    /// A critical event is given up after this many attempts, and counted as unacknowledged.
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
    /// The interval at which the client sends metrics of its own: 10 ms to 1 day. `None`: it sends none.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub report_interval: Option<Duration>,
    /// How long dropping the last handle waits for what is still to be sent.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub linger: Duration,
    /// How many instruments can be made at run time; further ones share an overflow series.
    pub max_instruments: usize,
    /// What is sent: ringstat's own format, or lines for an agent.
    pub protocol: Protocol,
    /// The lines of counters and gauges in DogStatsD carry their second, for agents that take them as they are (7.40 or
    /// later). They do not add such lines up: of two lines of one series in one second only one remains.
    pub timestamps: bool,
    /// The client's number, unique among the senders of a collector. `None`: a random one.
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
