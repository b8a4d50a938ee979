//! The builder of a client.

use std::time::Duration;

use ringstat_core::instrument::Instrument;
use ringstat_core::observe::HealthLimits;
use ringstat_core::policy::{Policy, ThrottleLimits};
use ringstat_core::send::Transport;

use super::{BuildError, Client, Origin};
use crate::config::{Aggregation, ClientConfig, Preset, Protocol};
use crate::registry::{Entry, Source};
use crate::transport::{self, ConnectError};
use crate::worker::AnyTransport;

/// Configures and builds a [`Client`].
///
/// ```no_run
/// use std::time::Duration;
/// use ringstat_std::{Client, Policy, Preset};
///
/// let stats = Client::builder("metrics.example.org:8125")
///     .preset(Preset::HighThroughput)
///     .policy(Policy::DropOldest)
///     .batch_age(Duration::from_millis(20))
///     .build()?;
/// # Ok::<(), ringstat_std::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `.build()`"]
pub struct Builder {
    to: String,
    config: ClientConfig,
    instruments: Vec<Entry>,
}

/// Defines a method for each field of [`ClientConfig`].
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
        Self { to, config: ClientConfig::default(), instruments: Vec::new() }
    }

    /// Starts from another preset. Call it before changing single fields, because it replaces all of them.
    pub fn preset(self, preset: Preset) -> Self {
        self.config(preset.config())
    }

    /// Replaces the whole configuration.
    pub fn config(mut self, config: ClientConfig) -> Self {
        self.config = config;
        self
    }

    /// Sends an instrument that lives in a `static`. What is recorded from now on is sent: a collector sees each client
    /// as a source of its own, and earlier counts may belong to another client. Several clients may send the same
    /// instrument.
    pub fn instrument(mut self, instrument: &'static dyn Instrument) -> Self {
        self.instruments.push(Entry::adopt(Source::Static(instrument)));
        self
    }

    /// Sends several instruments that live in `static`s, each as [`instrument`](Self::instrument) does.
    pub fn instruments(mut self, instruments: &[&'static dyn Instrument]) -> Self {
        self.instruments.extend(instruments.iter().map(|i| Entry::adopt(Source::Static(*i))));
        self
    }

    setters! {
        /// See [`ClientConfig::payload`].
        payload: usize,
        /// See [`ClientConfig::shards`].
        shards: usize,
        /// See [`ClientConfig::shard_events`].
        shard_events: usize,
        /// See [`ClientConfig::shared_events`].
        shared_events: usize,
        /// See [`ClientConfig::tag_memory`].
        tag_memory: usize,
        /// See [`ClientConfig::policy`].
        policy: Policy,
        /// See [`ClientConfig::batch_least`].
        batch_least: usize,
        /// See [`ClientConfig::batch_events`].
        batch_events: usize,
        /// See [`ClientConfig::batch_age`].
        batch_age: Duration,
        /// See [`ClientConfig::flush_interval`].
        flush_interval: Duration,
        /// See [`ClientConfig::refresh_interval`].
        refresh_interval: Duration,
        /// See [`ClientConfig::heartbeat_interval`].
        heartbeat_interval: Duration,
        /// See [`ClientConfig::idle_sleep`].
        idle_sleep: Duration,
        /// See [`ClientConfig::wake_on_first`].
        wake_on_first: bool,
        /// See [`ClientConfig::resolve_interval`].
        resolve_interval: Duration,
        /// See [`ClientConfig::backoff`].
        backoff: Duration,
        /// See [`ClientConfig::backoff_max`].
        backoff_max: Duration,
        /// See [`ClientConfig::receipts`].
        receipts: bool,
        /// See [`ClientConfig::silence`].
        silence: Duration,
        /// See [`ClientConfig::breaker_failures`].
        breaker_failures: u32,
        /// See [`ClientConfig::breaker_successes`].
        breaker_successes: u32,
        /// See [`ClientConfig::backoff_jitter`].
        backoff_jitter: u8,
        /// See [`ClientConfig::datagrams_per_call`].
        datagrams_per_call: usize,
        /// See [`ClientConfig::throttle_limits`].
        throttle_limits: ThrottleLimits,
        /// See [`ClientConfig::health`].
        health: HealthLimits,
        /// See [`ClientConfig::critical_events`].
        critical_events: usize,
        /// See [`ClientConfig::ack_timeout`].
        ack_timeout: Duration,
        /// See [`ClientConfig::ack_timeout_max`].
        ack_timeout_max: Duration,
        /// See [`ClientConfig::ack_attempts`].
        ack_attempts: u8,
        /// See [`ClientConfig::redundant`].
        redundant: Option<String>,
        /// See [`ClientConfig::throttle`].
        throttle: bool,
        /// See [`ClientConfig::memory_limit`].
        memory_limit: Option<u64>,
        /// See [`ClientConfig::report_interval`].
        report_interval: Option<Duration>,
        /// See [`ClientConfig::linger`].
        linger: Duration,
        /// See [`ClientConfig::max_instruments`].
        max_instruments: usize,
        /// See [`ClientConfig::protocol`].
        protocol: Protocol,
        /// See [`ClientConfig::timestamps`].
        timestamps: bool,
        /// See [`ClientConfig::sender`].
        sender: Option<u64>,
        /// See [`ClientConfig::program`].
        program: Option<String>,
        /// See [`ClientConfig::version`].
        version: Option<String>,
        /// See [`ClientConfig::labels`].
        labels: std::collections::BTreeMap<String, String>,
    }

    /// See [`ClientConfig::aggregate`]; `true` is [`Aggregation::ALL`].
    pub fn aggregate(mut self, aggregate: impl Into<Aggregation>) -> Self {
        self.config.aggregate = aggregate.into();
        self
    }

    /// Resolves the receiver's name, opens the socket and starts the worker.
    ///
    /// It is not an error if nobody listens there yet: UDP cannot tell, and the receiver may start later.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(self) -> Result<Client, BuildError> {
        self.config.validate()?;
        let transports = connect_all(&self.to, &self.config)?;
        Client::begin(self.config, Some(self.to), transports, Origin::New(self.instruments))
    }

    /// Like [`build`](Self::build), but with the caller's own transport instead of the socket: another kind of socket,
    /// or the fault and spy transports of `ringstat_core::testkit` for tests. The receiver's name is not resolved.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringstat_core::testkit::SpyTransport;
    /// use ringstat_std::{Client, Recorder};
    ///
    /// let spy = SpyTransport::new();
    /// let stats = Client::builder("a spy").build_with(spy.clone())?;
    /// stats.count("orders", 1u8).record();
    /// assert_eq!(stats.shutdown(Duration::from_secs(5)).sent, 1);
    /// assert!(!spy.datagrams().is_empty());
    /// # Ok::<(), ringstat_std::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build_with(
        self,
        transport: impl Transport + Send + 'static,
    ) -> Result<Client, BuildError> {
        self.config.validate()?;
        let transports: Vec<AnyTransport> = vec![Box::new(transport)];
        Client::begin(self.config, None, transports, Origin::New(self.instruments))
    }
}

/// Opens sockets to the receiver of that name, and to the second receiver if there is one.
pub(super) fn connect_all(
    to: &str,
    config: &ClientConfig,
) -> Result<Vec<AnyTransport>, BuildError> {
    let all = std::iter::once(to).chain(config.redundant.as_deref());
    all.map(|to| connect(to, config)).collect()
}

/// Opens a socket to the receiver of that name.
fn connect(to: &str, config: &ClientConfig) -> Result<AnyTransport, BuildError> {
    match transport::connect(to, config.payload, config.resolve_interval) {
        Ok(transport) => Ok(transport),
        Err(ConnectError::Resolve(source)) => {
            Err(BuildError::Resolve { name: to.to_owned(), source })
        }
        Err(ConnectError::Socket(e)) => Err(BuildError::Socket(e)),
    }
}
