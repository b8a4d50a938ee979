//! The client: what recording threads hold.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringstat_core::instrument::{DEFAULT_BUCKETS, Histogram, Instrument};
use ringstat_core::ledger::{Cause, Ledger};
use ringstat_core::observe::{
    BreakerUse, Buffer, Degradation, Health, Memory, Output, PoolUse, Snapshot,
};
use ringstat_core::policy::Throttle;
use ringstat_core::record::{Event, InternError, Interner, Outcome, Recorder, Symbol};
use ringstat_core::ring::percent;
use ringstat_core::send::{BoxedKeep, BreakerState, Identity, SendError, Totals};

use crate::clock::Clock;
use crate::config::{BuildError, Builder, Config, Protocol};
#[cfg(feature = "metrics")]
use crate::metrics::Descriptions;
use crate::registry::{Entry, OwnedCounter, OwnedGauge, OwnedHistogram, Registry};
use crate::resolve::Target;
use crate::rings::Rings;
use crate::udp::Udp;
use crate::worker::monitor::{Timings, level};
use crate::worker::{self, Outlet};

/// A transport of the caller's: sends one datagram.
pub type TransportFn = dyn Fn(&[u8]) -> Result<(), SendError> + Send + Sync;

/// The other direction of such a transport: writes the next reply of the receiver, if one waits, and returns its length.
pub type RepliesFn = dyn Fn(&mut [u8]) -> Option<usize> + Send + Sync;

/// Records events, and sends them and the instruments from a thread of its own. Handles are cheap to clone; dropping
/// the last one sends what is left, for at most [`Config::linger`].
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    /// Shared by the handles only, so that the last one notices.
    _thread: Arc<Thread>,
}

/// Names and texts of events made at run time: 4096 strings, 80 KiB in all.
pub(crate) type Names = Interner<4096, 65_536>;

/// The valve of a client that is shut down.
const CLOSED: u8 = u8::MAX;

/// What recorders and the worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) rings: Rings,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) names: Names,
    #[cfg(feature = "metrics")]
    pub(crate) descriptions: Descriptions,
    pub(crate) timings: Timings,
    pub(crate) identity: Identity,
    /// Bytes that are taken at the start: everything but instruments made at run time.
    fixed_bytes: usize,
    /// What the record call looks at first: 0 to let everything through, the throttle's level, or [`CLOSED`].
    pub(crate) valve: AtomicU8,
    pub(crate) control: Control,
}

/// How handles and the worker talk to each other. Nothing of it is on the record path.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
}

/// What was asked of the worker, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Flushes asked for, and the last one that is done.
    pub(crate) flush_asked: u64,
    pub(crate) flush_done: u64,
    /// The worker is to end, at the latest then.
    pub(crate) stop_at: Option<Instant>,
    /// The worker has ended.
    pub(crate) stopped: bool,
    /// The sender's account as of its last round.
    pub(crate) totals: Totals,
    /// How things were going then, for snapshots.
    pub(crate) aggregated: u64,
    pub(crate) breaker: BreakerUse,
    pub(crate) output: Output,
    pub(crate) pool: PoolUse,
    pub(crate) peak: u64,
    pub(crate) health: Health,
    pub(crate) throttle: u8,
}

impl Control {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn changed(&self) {
        self.changed.notify_all();
    }

    /// Waits until `done`, at the latest until `deadline`. Returns whether it is.
    fn wait(&self, deadline: Instant, done: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        while !done(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

#[derive(Debug)]
struct Thread {
    handle: Mutex<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
    linger: Duration,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.stop(self, after(self.linger));
    }
}

impl Thread {
    fn lock(&self) -> MutexGuard<'_, Option<JoinHandle<()>>> {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end of `timeout` from now on. What is longer than a century is one: a clock ends somewhere.
fn after(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + timeout.min(CENTURY)
}

/// A flush that was not done in time. What was recorded is still on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlushError;

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not everything could be sent in time; it is still on its way")
    }
}

impl std::error::Error for FlushError {}

impl Client {
    /// Sets up a client that sends to `to`: `HOST:PORT` or `ADDRESS:PORT`.
    pub fn builder(to: impl Into<String>) -> Builder {
        Builder::new(to.into())
    }

    pub(crate) fn start(
        to: String,
        config: Config,
        instruments: Vec<Entry>,
        transport: Option<(Arc<TransportFn>, Option<Arc<RepliesFn>>)>,
    ) -> Result<Self, BuildError> {
        let payload = config.payload;
        let outlets = match transport {
            Some((transport, replies)) => vec![Outlet::Custom(transport, replies)],
            None => {
                let connect = |to: &String| {
                    let resolved = Target::resolve(to.clone(), config.resolve_interval);
                    let (target, address) = resolved
                        .map_err(|source| BuildError::Resolve { name: to.clone(), source })?;
                    let udp = Udp::connect(address, payload).map_err(BuildError::Socket)?;
                    Ok(Outlet::Udp(udp, target))
                };
                let both = std::iter::once(&to).chain(&config.redundant).map(connect);
                both.collect::<Result<Vec<_>, BuildError>>()?
            }
        };
        let identity = Identity {
            sender: match config.sender {
                Some(sender) => sender,
                None => getrandom::u64().map_err(BuildError::Random)?,
            },
            epoch: getrandom::u32().map_err(BuildError::Random)?,
        };
        // Who answers nothing acknowledges nothing: critical events are then sent once, like others.
        let answered = config.protocol == Protocol::Native && outlets.iter().all(Outlet::hears);
        let rings = Rings::new(
            config.shards,
            config.shard_events,
            config.shared_events,
            config.policy,
            if answered { config.critical_events } else { 0 },
        );
        let registry = Registry::new(instruments, config.max_instruments);
        let segments = outlets.iter().map(|o| o.segments(payload)).max().unwrap_or(1);
        let shared = Arc::new(Shared {
            fixed_bytes: rings.bytes()
                + size_of::<Shared>()
                + worker::BYTES
                + payload * segments
                + rings.critical().map_or(0, |ring| ring.capacity()) * <BoxedKeep>::PLACE,
            timings: Timings::new(&registry),
            rings,
            clock: Clock::new(),
            registry,
            names: Names::new(),
            #[cfg(feature = "metrics")]
            descriptions: Descriptions::new(config.max_instruments),
            identity,
            valve: AtomicU8::new(0),
            control: Control::default(),
        });
        let thread = std::thread::Builder::new().name("ringstat".into());
        let handle = worker::start(thread, shared.clone(), &config, outlets);
        let handle = handle.map_err(BuildError::Thread)?;
        let thread = Thread {
            handle: Mutex::new(Some(handle)),
            shared: shared.clone(),
            linger: config.linger,
        };
        Ok(Self { shared, _thread: Arc::new(thread) })
    }

    /// Sends everything recorded so far, and all instruments that have changed, and waits until it is done.
    ///
    /// # Errors
    /// [`FlushError`] when `timeout` passes first.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = after(timeout);
        let asked = {
            let mut state = self.shared.control.lock();
            state.flush_asked += 1;
            state.flush_asked
        };
        self._thread.unpark();
        let done = |s: &State| s.flush_done >= asked || s.stopped;
        if self.shared.control.wait(deadline, done) { Ok(()) } else { Err(FlushError) }
    }

    /// Ends the client: refuses further records, sends what is left for at most `timeout`, and returns the final
    /// ledger. What could not be sent in time is in it as [`Cause::Shutdown`].
    ///
    /// Other handles stay usable and refuse records.
    pub fn shutdown(self, timeout: Duration) -> Ledger {
        self.shared.stop(&self._thread, after(timeout));
        self.ledger()
    }

    /// What became of every record so far: exact at every quiet point.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger()
    }

    /// What the sender has sent so far: datagrams, bytes.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.shared.control.lock().totals
    }

    /// The circuit breaker as of the worker's last round, and how often it has opened. It opens when five sends in a
    /// row find no way to the receiver; events then wait in the rings, and the policy decides what a full ring gives up.
    #[must_use]
    pub fn breaker(&self) -> (BreakerState, u64) {
        let state = self.shared.control.lock();
        (state.breaker.state, state.breaker.opened)
    }

    /// How the client is doing: health, ledger, buffers, latency, memory, what is held back. Any serde format shows it;
    /// [`Snapshot`] says what is in it. About ten microseconds.
    ///
    /// The same goes out as metrics of the client's own, under `ringstat.client.`, every
    /// [`Config::report_interval`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Who the client is: what a collector shows it under.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.shared.identity
    }

    /// Memory that the rings take at most, in bytes; it is touched as it is used.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        self.shared.rings.bytes()
    }

    /// The symbol of a name made at run time, to record events under: `stats.count(symbol, 1u8)`. Look it up once and
    /// keep it. No heap, no lock; room for 4096 strings of 65 536 bytes in all.
    ///
    /// # Errors
    /// When there is no room, or the name is empty or longer than 255 bytes. A record that cannot be made for that
    /// reason is counted with [`Recorder::refuse`] and [`InternError::cause`].
    pub fn intern(&self, name: &str) -> Result<Symbol, InternError> {
        self.shared.names.intern(name)
    }

    /// Sends an instrument that lives in a `static` from now on.
    pub fn register(&self, instrument: &'static dyn Instrument) {
        self.shared.registry.add(instrument);
    }

    /// The counter of that name and tags, made if there is none. Look it up once and keep it.
    ///
    /// Beyond [`Config::max_instruments`], and for a name that another type has, it is one that all such share:
    /// `ringstat.overflow`.
    #[must_use]
    pub fn counter(&self, name: &str, tags: &[(&str, &str)]) -> OwnedCounter {
        self.shared.registry.counter(name, tags)
    }

    /// The gauge of that name and tags; see [`counter`](Self::counter).
    #[must_use]
    pub fn gauge_instrument(&self, name: &str, tags: &[(&str, &str)]) -> OwnedGauge {
        self.shared.registry.gauge(name, tags)
    }

    /// The histogram of that name and tags; see [`counter`](Self::counter).
    #[must_use]
    pub fn histogram(&self, name: &str, tags: &[(&str, &str)]) -> OwnedHistogram {
        self.shared.registry.histogram(name, tags)
    }

    /// Instruments asked for at run time that went to the overflow series.
    #[must_use]
    pub fn overflowed_instruments(&self) -> u64 {
        self.shared.registry.refused()
    }
}

#[cfg(feature = "metrics")]
impl Client {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Thread {
    fn unpark(&self) {
        if let Some(handle) = &*self.lock() {
            handle.thread().unpark();
        }
    }
}

impl Shared {
    /// Throttles recorders. A client that is shut down stays so.
    pub(crate) fn throttle(&self, level: u8) {
        let _ = self.valve.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |valve| {
            (valve != CLOSED && valve != level).then_some(level)
        });
    }

    fn stop(&self, thread: &Thread, deadline: Instant) {
        self.valve.store(CLOSED, Ordering::Relaxed);
        {
            let mut state = self.control.lock();
            state.stop_at = Some(state.stop_at.map_or(deadline, |at| at.min(deadline)));
        }
        thread.unpark();
        let handle = thread.lock().take();
        if let Some(handle) = handle {
            // A worker that panicked has said so on standard error; there is nothing to add.
            let _ = handle.join();
        } else {
            self.control.wait(deadline, |s| s.stopped);
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let ledger = self.ledger();
        let (used, capacity, fullest) =
            self.rings.fills().fold((0, 0, 0), |(used, capacity, fullest), (u, c)| {
                (used + u as u64, capacity + c as u64, percent(u, c).max(fullest))
            });
        // What an instrument takes besides its name and tags, at most.
        const INSTRUMENT: usize = size_of::<Histogram<DEFAULT_BUCKETS>>() + 512;
        let (made, limit) = (self.registry.made(), self.registry.limit());
        let state = self.control.lock();
        Snapshot {
            sender: self.identity.sender,
            epoch: self.identity.epoch,
            uptime_nanos: self.clock.monotonic(),
            health: state.health,
            ledger,
            buffer: Buffer { used, capacity, peak: state.peak.max(used), fullest_percent: fullest },
            output: state.output,
            pool: state.pool,
            latency: self.timings.latency(),
            memory: Memory {
                used: (self.fixed_bytes + made * INSTRUMENT) as u64,
                budget: (self.fixed_bytes + limit * INSTRUMENT) as u64,
                names: self.names.bytes_used() as u64,
                names_capacity: Names::BYTES as u64,
                instruments: made as u64,
                instruments_capacity: limit as u64,
                instruments_refused: self.registry.refused(),
            },
            breaker: state.breaker,
            degradation: Degradation {
                level: level(fullest) as u8,
                throttle: state.throttle,
                throttle_one_in: Throttle::one_in(state.throttle),
            },
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        // Later stages first: what moves on meanwhile is missed, never counted twice.
        let (totals, aggregated) = {
            let state = self.control.lock();
            (state.totals, state.aggregated)
        };
        totals.ledger(self.rings.len() as u64, &self.rings.drops(), aggregated)
    }
}

impl Recorder for Client {
    #[inline]
    fn now(&self) -> u64 {
        self.shared.clock.coarse()
    }

    #[inline]
    fn push(&self, event: &Event) -> Outcome {
        match self.shared.valve.load(Ordering::Relaxed) {
            0 => self.shared.rings.push(*event),
            CLOSED => self.refuse(Cause::Shutdown),
            level => self.shared.rings.push_throttled(*event, level),
        }
    }

    #[cold]
    fn refuse(&self, cause: Cause) -> Outcome {
        self.shared.rings.refuse(cause)
    }
}
