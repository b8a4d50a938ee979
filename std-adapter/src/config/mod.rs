//! How a client works: its configuration, the presets to begin with, and the bounds of every setting.
//!
//! A [`ClientConfig`] is plain data. The builder of a client fills one in and has it [checked](ClientConfig::validate)
//! before anything is started.

use std::collections::BTreeMap;
use std::time::Duration;

use ringstat_core::observe::HealthLimits;
use ringstat_core::policy::{Policy, ThrottleLimits};

mod aggregation;
mod budget;
mod check;
mod preset;
mod protocol;

pub use aggregation::Aggregation;
pub use budget::{Budget, Load};
pub use check::ConfigError;
pub(crate) use check::MAX_SEGMENTS;
pub use preset::Preset;
pub use protocol::Protocol;

/// How a client works. Begin with a [`Preset`] and change what must differ.
///
/// ```
/// use ringstat_std::{ClientConfig, Preset};
///
/// let mut config: ClientConfig = Preset::LowMemory.config();
/// config.shards = 4;
/// assert!(config.validate().is_ok());
/// config.payload = 63;
/// assert_eq!(config.validate().unwrap_err().field, "payload");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct ClientConfig {
    /// The largest datagram, in bytes of UDP payload: 64 to 65 507.
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
    /// The interval at which a client that has nothing to say sends an empty datagram: 10 ms to 1 h. The protocols of
    /// agents have no such datagrams.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub heartbeat_interval: Duration,
    /// The longest interval at which the worker checks the rings, 1 ms to 1 min; it is never longer than `batch_age`.
    /// Under load the worker checks when the next batch is expected. The interval bounds how far the cheap clock lags,
    /// and how much a first burst after a pause can put into the rings unseen.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub idle_sleep: Duration,
    /// Whether the first record after a pause wakes the worker, by a system call of some microseconds. An idle worker
    /// then checks the rings only twice a second. Without it, a record call never makes a system call.
    pub wake_on_first: bool,
    /// The interval at which the name of a receiver is resolved again: 1 s to 1 day.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub resolve_interval: Duration,
    /// The number of failures in a row after which the circuit breaker opens: nothing is sent, and what is recorded
    /// waits in the rings according to the policy. 0: it never opens, and sending is tried again and again.
    pub breaker_failures: u32,
    /// The number of successful probes in a row after which the circuit breaker closes: at least 1.
    pub breaker_successes: u32,
    /// The first pause of an open circuit breaker before the receiver is tried again, 1 ms to 1 h. Each further pause is twice
    /// as long.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff: Duration,
    /// The longest pause between two attempts of an open circuit breaker.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff_max: Duration,
    /// Whether to ask the collector for a sign of life about once a second. What has arrived can then be told from what
    /// has only left, and a collector that is gone is noticed, whatever the network reports. Agents that read lines
    /// cannot answer and are not asked. Without it, what has left counts as sent.
    pub receipts: bool,
    /// The circuit breaker opens when the collector has owed an answer for this long, 10 ms to 1 h. Events that left in
    /// the meantime are `unconfirmed` in the ledger until the collector is back and says what it has received.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub silence: Duration,
    /// By how many percent each of these pauses is lengthened or shortened, at random, so that clients do not all
    /// return at once: 0 to 49.
    pub backoff_jitter: u8,
    /// The largest number of datagrams passed to the system in one call, if it accepts several: 1 to 32. With 1, they
    /// are sent one by one.
    pub datagrams_per_call: usize,
    /// Room for critical events that are kept until the collector has acknowledged them: 0 to 1024. Until then they are
    /// sent again, so that each is delivered exactly once even if the network loses datagrams. They have a ring of
    /// their own, which refuses events when it is full. With 0, and wherever no collector answers, they are sent once,
    /// like others.
    pub critical_events: usize,
    /// How long to wait for the acknowledgement of a critical event before it is sent again, 1 ms to 1 h. Each further
    /// wait is twice as long.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub ack_timeout: Duration,
    /// The longest wait for an acknowledgement before a critical event is sent again.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub ack_timeout_max: Duration,
    /// A critical event is given up after this many attempts, and counted as unacknowledged.
    pub ack_attempts: u8,
    /// A second receiver that gets every datagram, too, so that the failure of one is not the failure of both. A
    /// collector that hears both takes each datagram once. Agents cannot recognize duplicates: what reached only one of
    /// two agents never reaches the other, and a database behind both counts everything twice.
    pub redundant: Option<String>,
    /// Which repeated events to merge into instruments of the same name and tags: counters are added up, levels keep
    /// the last value, timings go into a histogram. This takes fewer datagrams, and the next one makes up for a lost
    /// one; the time of each event is given up.
    pub aggregate: Aggregation,
    /// Whether to keep only some of the low- and normal-priority records while the client is unhealthy: rings over 80 %
    /// full, records given up for lack of room, or memory above its limit. What is kept carries its sampling rate, and
    /// the collector scales it up.
    pub throttle: bool,
    /// With `throttle`, the resident memory of the process, in bytes, above which records are throttled. Linux only.
    pub memory_limit: Option<u64>,
    /// The interval at which the client sends metrics of its own: 10 ms to 1 day. `None`: it sends none.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub report_interval: Option<Duration>,
    /// How long dropping the last handle waits for what is still to be sent.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub linger: Duration,
    /// How many instruments can be made at run time; further ones share an overflow series.
    pub max_instruments: usize,
    /// The format that is sent: ringstat's own, or lines for an agent.
    pub protocol: Protocol,
    /// Whether DogStatsD lines of counters and gauges carry their time, for agents from version 7.40 on. Agents do not
    /// add up such lines: of two lines of one series in the same second only one remains.
    pub timestamps: bool,
    /// The client's number, unique among the senders of a collector. `None`: one that is the same after a restart where
    /// that can be had, and else a random one.
    ///
    /// It can be had on Linux with an `/etc/machine-id`: the number is then a hash of that, the host's name, the name of
    /// the program's file, and the lowest place that no other client of that program holds (in the network namespace, among
    /// 256). Two clients that live at the same time never share it. A client that is restarted gets the number that it had
    /// unless another one took its place in the meantime; where several of one program restart at once, they may swap.
    pub sender: Option<u64>,
    /// The program's name, which the client tells the collector. `None`: the name of its file.
    pub program: Option<String>,
    /// The program's version, which the client tells the collector.
    pub version: Option<String>,
    /// Free labels, which the client tells the collector: where it runs, for instance.
    pub labels: BTreeMap<String, String>,
    /// The limits at which the throttle rises and falls.
    pub throttle_limits: ThrottleLimits,
    /// The limits beyond which the client is no longer healthy.
    pub health: HealthLimits,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Preset::Default.config()
    }
}
