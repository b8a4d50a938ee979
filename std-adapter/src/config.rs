//! Setting up a client: presets, the builder, and what can be wrong with a configuration.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_IPV6_MIN, PAYLOAD_MAX, PAYLOAD_MIN};
use ringstat_core::instrument::Instrument;
use ringstat_core::wire::ack::ID_WINDOW;

use crate::client::Client;
use crate::registry::Entry;
pub use ringstat_core::policy::Policy;

/// How a client works. Begin with a [`Preset`] and change what must differ.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Config {
    /// The largest datagram, in bytes of UDP payload: 128 to 65 507.
    pub payload: usize,
    /// So many threads get a ring of their own: 1 to 1024. Further ones share one.
    pub shards: usize,
    /// So many events fit into each of these rings: 1 to 2^24, and at most 2^26 in all of them. 64 bytes each.
    pub shard_events: usize,
    /// So many events fit into the shared ring: 1 to 2^24. 72 bytes each.
    pub shared_events: usize,
    /// What is given up when there is more than the rings can take.
    pub policy: Policy,
    /// A batch closes with so many events while the rings are nearly empty (up to 10 %),
    pub batch_least: usize,
    /// and with so many from half full on, between the two with a number in between. 0, here and there: only when a
    /// datagram is full, or by age.
    pub batch_events: usize,
    /// A batch closes when its first event has waited for so long.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub batch_age: Duration,
    /// Instruments that have changed are sent so often.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub flush_interval: Duration,
    /// Every instrument is sent at least so often.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub refresh_interval: Duration,
    /// A client with nothing to say sends an empty datagram so often. The protocols of agents have none.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub heartbeat_interval: Duration,
    /// The worker looks into the rings so often when there is nothing to do; under load much more often. It bounds how
    /// old the cheap clock is, and what the first burst after a pause may fill.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub idle_sleep: Duration,
    /// A receiver given by name is looked up again so often.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub resolve_interval: Duration,
    /// When there is no way to the receiver, it is tried again after so long, then twice as long and so on,
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff: Duration,
    /// up to this.
    #[cfg_attr(feature = "serde", serde(with = "humantime_serde"))]
    pub backoff_max: Duration,
    /// Room for critical events that are kept until the collector has acknowledged them: 0 to 1024. Until then they are
    /// sent again, so that each is delivered, once, also over a network that loses datagrams. They have a ring
    /// of their own; when it is full, they are refused. 0: they are sent once, like others. So they are where there
    /// is no collector to answer.
    pub critical_events: usize,
    /// A critical event is sent again when it is not acknowledged within so long, then twice as long and so on,
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
    /// The client's own metrics go out so often; `None`: not at all.
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
}

/// What a client sends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Protocol {
    /// ringstat's own format, for its collector: loss is known, and totals heal.
    #[default]
    Native,
    /// Lines for the Datadog agent, Vector, Telegraf or the Prometheus StatsD exporter. What each record becomes, and
    /// what it cannot say, is in [`ringstat_core::text`].
    DogStatsD,
    /// Lines for the original StatsD server.
    StatsD,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Native, Self::DogStatsD, Self::StatsD];

    /// The name that commands and files use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::DogStatsD => "dogstatsd",
            Self::StatsD => "statsd",
        }
    }
}

/// All shards together hold at most so many events: 4 GiB.
const SHARD_EVENTS_MAX: usize = 1 << 26;

/// Where to begin.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Preset {
    /// 16 rings of 8192 events (8 MiB, used as needed), batches of 100 ms.
    #[default]
    Default,
    /// 16 rings of 65 536 events (64 MiB, used as needed), looked into every 5 ms at least.
    HighThroughput,
    /// Every record soon on its way, instruments refreshed often, the newest state kept: drops the oldest when full.
    Reliable,
    /// 2 rings of 256 events (about 50 KiB), small datagrams.
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
    pub fn config(self) -> Config {
        let default = Config {
            payload: PAYLOAD_ETHERNET,
            shards: 16,
            shard_events: 8192,
            shared_events: 4096,
            policy: Policy::DropNewest,
            batch_least: 32,
            batch_events: 0,
            batch_age: Duration::from_millis(100),
            flush_interval: Duration::from_secs(1),
            refresh_interval: Duration::from_secs(30),
            heartbeat_interval: Duration::from_secs(1),
            idle_sleep: Duration::from_millis(10),
            resolve_interval: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
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
            Self::HighThroughput => Config {
                shard_events: 65_536,
                shared_events: 65_536,
                batch_least: 0,
                idle_sleep: Duration::from_millis(5),
                ..default
            },
            Self::Reliable => Config {
                shard_events: 16_384,
                policy: Policy::DropOldest,
                batch_least: 8,
                batch_age: Duration::from_millis(20),
                flush_interval: Duration::from_millis(500),
                refresh_interval: Duration::from_secs(5),
                linger: Duration::from_secs(5),
                ..default
            },
            Self::LowMemory => Config {
                payload: PAYLOAD_IPV6_MIN,
                shards: 2,
                shard_events: 256,
                shared_events: 256,
                critical_events: 32,
                batch_least: 16,
                idle_sleep: Duration::from_millis(5),
                max_instruments: 500,
                ..default
            },
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Preset::Default.config()
    }
}

impl Config {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`BuildError::Config`] names the first field that is out of bounds, its value, and what is allowed.
    pub fn validate(&self) -> Result<(), BuildError> {
        const EVENTS: std::ops::RangeInclusive<usize> = 1..=1 << 24;
        let sizes = [
            ("payload", self.payload, PAYLOAD_MIN..=PAYLOAD_MAX),
            ("shards", self.shards, 1..=1024),
            ("shard_events", self.shard_events, EVENTS),
            ("shared_events", self.shared_events, EVENTS),
            ("max_instruments", self.max_instruments, 0..=1 << 24),
            ("critical_events", self.critical_events, 0..=ID_WINDOW),
            ("ack_attempts", self.ack_attempts.into(), 1..=usize::from(u8::MAX)),
        ];
        for (field, value, allowed) in sizes {
            if !allowed.contains(&value) {
                let allowed = format!("{} to {}", allowed.start(), allowed.end());
                return Err(BuildError::Config { field, value: value.to_string(), allowed });
            }
        }
        if self.shards * self.shard_events > SHARD_EVENTS_MAX {
            return Err(BuildError::Config {
                field: "shard_events",
                value: format!("{} in each of {} shards", self.shard_events, self.shards),
                allowed: format!("{SHARD_EVENTS_MAX} in all of them together"),
            });
        }
        let times = [
            ("batch_age", self.batch_age),
            ("flush_interval", self.flush_interval),
            ("refresh_interval", self.refresh_interval),
            ("heartbeat_interval", self.heartbeat_interval),
            ("idle_sleep", self.idle_sleep),
            ("resolve_interval", self.resolve_interval),
            ("backoff", self.backoff),
            ("backoff_max", self.backoff_max),
            ("ack_timeout", self.ack_timeout),
            ("ack_timeout_max", self.ack_timeout_max),
        ];
        let report = self.report_interval.map(|every| ("report_interval", every));
        for (field, value) in times.into_iter().chain(report) {
            if value < Duration::from_micros(1) || value > Duration::from_secs(86_400) {
                let allowed = "1 µs to 1 day".into();
                return Err(BuildError::Config { field, value: format!("{value:?}"), allowed });
            }
        }
        if let Policy::Sampled(n) | Policy::Graded(n) = self.policy
            && !(2..=64).contains(&n)
        {
            let (field, allowed) = ("policy", "sampled or graded with one in 2 to 64".into());
            return Err(BuildError::Config { field, value: format!("one in {n}"), allowed });
        }
        Ok(())
    }
}

/// Sets up a [`Client`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `.build()`"]
pub struct Builder {
    to: String,
    config: Config,
    instruments: Vec<Entry>,
}

/// One method for each field of [`Config`].
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty),* $(,)?) => {$(
        $(#[$doc])*
        pub fn $name(mut self, $name: $type) -> Self {
            self.config.$name = $name;
            self
        }
    )*};
}

impl Builder {
    pub(crate) fn new(to: String) -> Self {
        Self { to, config: Config::default(), instruments: Vec::new() }
    }

    /// Begins with another preset. Comes before what changes single fields.
    pub fn preset(self, preset: Preset) -> Self {
        self.config(preset.config())
    }

    /// Takes a whole configuration.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Sends an instrument that lives in a `static`.
    pub fn instrument(mut self, instrument: &'static dyn Instrument) -> Self {
        self.instruments.push(Entry::Static(instrument));
        self
    }

    /// Sends instruments that live in `static`s.
    pub fn instruments(mut self, instruments: &[&'static dyn Instrument]) -> Self {
        self.instruments.extend(instruments.iter().map(|i| Entry::Static(*i)));
        self
    }

    setters! {
        /// See [`Config::payload`].
        payload: usize,
        /// See [`Config::shards`].
        shards: usize,
        /// See [`Config::shard_events`].
        shard_events: usize,
        /// See [`Config::shared_events`].
        shared_events: usize,
        /// See [`Config::policy`].
        policy: Policy,
        /// See [`Config::batch_least`].
        batch_least: usize,
        /// See [`Config::batch_events`].
        batch_events: usize,
        /// See [`Config::batch_age`].
        batch_age: Duration,
        /// See [`Config::flush_interval`].
        flush_interval: Duration,
        /// See [`Config::refresh_interval`].
        refresh_interval: Duration,
        /// See [`Config::heartbeat_interval`].
        heartbeat_interval: Duration,
        /// See [`Config::idle_sleep`].
        idle_sleep: Duration,
        /// See [`Config::resolve_interval`].
        resolve_interval: Duration,
        /// See [`Config::backoff`].
        backoff: Duration,
        /// See [`Config::backoff_max`].
        backoff_max: Duration,
        /// See [`Config::critical_events`].
        critical_events: usize,
        /// See [`Config::ack_timeout`].
        ack_timeout: Duration,
        /// See [`Config::ack_timeout_max`].
        ack_timeout_max: Duration,
        /// See [`Config::ack_attempts`].
        ack_attempts: u8,
        /// See [`Config::redundant`].
        redundant: Option<String>,
        /// See [`Config::aggregate`].
        aggregate: bool,
        /// See [`Config::throttle`].
        throttle: bool,
        /// See [`Config::memory_limit`].
        memory_limit: Option<u64>,
        /// See [`Config::report_interval`].
        report_interval: Option<Duration>,
        /// See [`Config::linger`].
        linger: Duration,
        /// See [`Config::max_instruments`].
        max_instruments: usize,
        /// See [`Config::protocol`].
        protocol: Protocol,
        /// See [`Config::timestamps`].
        timestamps: bool,
        /// See [`Config::sender`].
        sender: Option<u64>,
    }

    /// Looks the receiver up, opens the socket and starts the worker.
    ///
    /// That nobody listens there yet is no error: UDP does not know, and the receiver may come later.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Client, BuildError> {
        self.config.validate()?;
        Client::start(self.to, self.config, self.instruments, None)
    }

    /// Like [`build`](Self::build), with a transport of the caller's in place of the socket: for tests, with the fault
    /// and spy transports of `ringstat_core::testkit`. The receiver's name is not looked at.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build_with(
        self,
        transport: Arc<crate::client::TransportFn>,
    ) -> Result<Client, BuildError> {
        self.config.validate()?;
        Client::start(self.to, self.config, self.instruments, Some((transport, None)))
    }

    /// Like [`build_with`](Self::build_with), with the receiver's replies, too, so that critical events can be
    /// acknowledged.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build_with_replies(
        self,
        transport: Arc<crate::client::TransportFn>,
        replies: Arc<crate::client::RepliesFn>,
    ) -> Result<Client, BuildError> {
        self.config.validate()?;
        Client::start(self.to, self.config, self.instruments, Some((transport, Some(replies))))
    }
}

/// Why there is no client.
#[derive(Debug)]
pub enum BuildError {
    /// A field is out of bounds.
    Config {
        /// Which one.
        field: &'static str,
        /// What it was.
        value: String,
        /// What it may be.
        allowed: String,
    },
    /// The receiver's name has no address.
    Resolve {
        /// The name.
        name: String,
        /// What the lookup said.
        source: io::Error,
    },
    /// No socket could be opened.
    Socket(io::Error),
    /// No thread could be started.
    Thread(io::Error),
    /// The system gave no random number for the sender's identity.
    Random(getrandom::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config { field, value, allowed } => {
                write!(f, "{field} is {value}; allowed is {allowed}")
            }
            Self::Resolve { name, source } => write!(
                f,
                "cannot look up '{name}': {source}; give HOST:PORT or ADDRESS:PORT, as in 127.0.0.1:8125"
            ),
            Self::Socket(e) => write!(f, "cannot open a UDP socket to the receiver: {e}"),
            Self::Thread(e) => write!(f, "cannot start the sending thread: {e}"),
            Self::Random(e) => write!(f, "no random number for the epoch: {e}"),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config { .. } | Self::Random(_) => None,
            Self::Resolve { source, .. } => Some(source),
            Self::Socket(e) | Self::Thread(e) => Some(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for preset in Preset::ALL {
            preset.config().validate().unwrap();
        }
    }

    #[test]
    fn an_error_names_the_field_its_value_and_what_is_allowed() {
        let error = |f: fn(&mut Config)| {
            let mut config = Config::default();
            f(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert_eq!(error(|c| c.payload = 5), "payload is 5; allowed is 128 to 65507");
        assert_eq!(
            error(|c| c.shard_events = usize::MAX),
            format!("shard_events is {}; allowed is 1 to 16777216", usize::MAX)
        );
        assert_eq!(
            error(|c| c.idle_sleep = Duration::ZERO),
            "idle_sleep is 0ns; allowed is 1 µs to 1 day"
        );
        assert_eq!(error(|c| c.shards = 0), "shards is 0; allowed is 1 to 1024");
    }
}
