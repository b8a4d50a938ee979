//! Starting the worker: its thread, its encoder, its memory.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringstat_core::format::{Format, TimeUnit};
use ringstat_core::policy::Throttle;
use ringstat_core::send::{
    BoxedStore, BreakerConfig, LivenessConfig, RetryConfig, Sender, SenderConfig, Transport,
};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire;

use super::aggregate::Aggregate;
use super::guard::{Ended, Guarded};
use super::monitor::Monitor;
use super::pace::Pace;
use super::report::Report;
use super::route::{Datagrams, Route, Tally};
use super::{AnyTransport, Worker};
use crate::config::{ClientConfig, Protocol};
use crate::shared::Shared;

/// Starts the worker in a thread, with the encoder of the configured protocol. There is one transport, or two for
/// redundant sending.
pub(crate) fn start(
    shared: Arc<Shared>,
    config: &ClientConfig,
    transports: Vec<AnyTransport>,
) -> io::Result<JoinHandle<()>> {
    let lines =
        |dialect| <text::Encoder<_>>::new(dialect, Growing::new()).timestamps(config.timestamps);
    match config.protocol {
        Protocol::Native => spawn(shared, config, transports, <wire::Encoder>::new()),
        Protocol::DogStatsD => spawn(shared, config, transports, lines(Dialect::DogStatsD)),
        Protocol::StatsD => spawn(shared, config, transports, lines(Dialect::StatsD)),
    }
}

fn spawn<E: Format + Send + 'static>(
    shared: Arc<Shared>,
    config: &ClientConfig,
    transports: Vec<AnyTransport>,
    encoder: E,
) -> io::Result<JoinHandle<()>> {
    let worker = Worker::new(shared, config, transports, encoder);
    thread::Builder::new().name("ringstat".into()).spawn(move || {
        let _ended = Ended(worker.shared.clone());
        worker.run();
    })
}

/// The memory that a worker takes, in bytes, including its pool.
pub(crate) fn bytes(config: &ClientConfig, transports: &[AnyTransport]) -> usize {
    size_of::<Worker<wire::Encoder>>() + config.payload * segments(config, transports)
}

/// The number of datagrams per call that every transport accepts.
fn segments(config: &ClientConfig, transports: &[AnyTransport]) -> usize {
    let least = transports.iter().map(|t| t.segments(config.payload)).min();
    least.unwrap_or(1).clamp(1, config.datagrams_per_call)
}

impl<E: Format> Worker<E> {
    fn new(
        shared: Arc<Shared>,
        config: &ClientConfig,
        transports: Vec<AnyTransport>,
        encoder: E,
    ) -> Self {
        let segments = segments(config, &transports);
        let at_most = |events: usize| if events == 0 { usize::MAX } else { events };
        let config_of_sender = SenderConfig {
            payload: config.payload,
            unit: TimeUnit::Nanos,
            since_boot: false,
            batch_least: at_most(config.batch_least),
            batch_events: at_most(config.batch_events),
            batch_age: config.batch_age,
            flush_interval: config.flush_interval,
            refresh_interval: config.refresh_interval,
            heartbeat_interval: config.heartbeat_interval,
            retry: RetryConfig {
                timeout: config.ack_timeout,
                timeout_max: config.ack_timeout_max,
                attempts: config.ack_attempts,
            },
            pad_full: segments > 1,
        };
        let nanos = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let breaker = BreakerConfig {
            failures: config.breaker_failures,
            successes: config.breaker_successes,
            backoff: nanos(config.backoff),
            backoff_max: nanos(config.backoff_max),
            jitter: (u16::from(config.backoff_jitter) * 256 / 100).min(255) as u8,
        };
        let seed = shared.identity.seed();
        let liveness = LivenessConfig { silence: config.silence, ..LivenessConfig::DEFAULT };
        let liveness = (E::ACKNOWLEDGES && config.receipts).then_some(&liveness);
        let heard = liveness.is_some() && transports.iter().all(|t| t.hears());
        let route = |(i, transport)| {
            let transport = Guarded::new(transport, shared.clone());
            Route::new(transport, breaker, seed.wrapping_add(i), E::NUMBERED, liveness)
        };
        let throttle = config.throttle.then(|| Throttle::new(config.throttle_limits));
        Self {
            sender: Sender::with_parts(
                shared.identity,
                &config_of_sender,
                encoder,
                BoxedStore::new(shared.rings.critical().map_or(0, |ring| ring.capacity())),
            ),
            routes: (0..).zip(transports).map(route).collect(),
            pool: Datagrams::new(
                vec![0; config.payload * segments].into_boxed_slice(),
                config.payload,
            ),
            aggregate: Aggregate::new(config.aggregate),
            monitor: Monitor::new(config.health, heard, throttle, config.memory_limit),
            report: config.report_interval.map(Report::new),
            tally: Tally::default(),
            pace: Pace::new(nanos(config.idle_sleep.min(config.batch_age))),
            room: config.shard_events.min(config.shared_events) as u64,
            wake_on_first: config.wake_on_first,
            flushing: None,
            merged_before: 0,
            shared,
        }
    }
}
