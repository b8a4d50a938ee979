//! The client: the handle that recording threads hold.

use std::sync::Arc;
use std::time::Duration;

use ringstat_core::instrument::{Instrument, Meaning, Unit};
use ringstat_core::ledger::{Cause, Ledger};
use ringstat_core::observe::Snapshot;
use ringstat_core::record::{Borrowed, Event, InternError, Outcome, Recorder, Symbol};
use ringstat_core::send::{BreakerState, Identity, Totals, Transport};

use crate::config::ClientConfig;
use crate::identity::{InstanceNumber, OwnInfo};
use crate::registry::{Entry, OwnedCounter, OwnedGauge, OwnedHistogram, Registry};
use crate::shared::{Opening, Room, Shared, State};
use crate::worker::{self, AnyTransport};

mod builder;
mod error;
mod exit;
mod fork;
#[cfg(test)]
mod tests;
mod thread;
#[cfg(feature = "async")]
mod wait;

pub use builder::Builder;
pub use error::{BuildError, FlushError};
use fork::Forks;
use thread::{Thread, after};
#[cfg(feature = "async")]
pub use wait::{Ended, Flushed};

/// Records events, and sends them and the instruments from a thread of its own. Handles are cheap to clone; dropping
/// the last one sends what is left, for at most [`ClientConfig::linger`].
///
/// ```no_run
/// use std::time::Duration;
/// use ringstat_std::{Client, Recorder};
///
/// let stats = Client::builder("127.0.0.1:8125").build()?;
/// let requests = stats.counter("http.requests", &[("service", "shop")]);
/// requests.inc();
/// stats.timing("db.query", Duration::from_millis(3)).tag("table", "orders").record();
/// let ledger = stats.shutdown(Duration::from_secs(1));
/// assert!(ledger.closes());
/// # Ok::<(), ringstat_std::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    /// Only handles share it, so that the last one notices that it is the last.
    thread: Arc<Thread>,
}

/// What a client begins with.
enum Origin<'a> {
    /// These instruments.
    New(Vec<Entry>),
    /// What the client of the parent has, in a child.
    Parent(&'a Shared),
}

impl Client {
    /// Starts building a client that sends to `to`, given as `HOST:PORT` or `ADDRESS:PORT`, or as `unix://PATH` for a Unix
    /// datagram socket.
    pub fn builder(to: impl Into<String>) -> Builder {
        Builder::new(to.into())
    }

    /// `to` is how to connect again; `None` where the transports are the caller's.
    fn begin(
        config: ClientConfig,
        to: Option<String>,
        transports: Vec<AnyTransport>,
        origin: Origin<'_>,
    ) -> Result<Self, BuildError> {
        // A child's is random, as its parent holds the number.
        let instance = match origin {
            Origin::New(_) if config.sender.is_none() => InstanceNumber::take(),
            _ => None,
        };
        let identity = Identity {
            sender: match config.sender.or(instance.as_ref().map(InstanceNumber::number)) {
                Some(sender) => sender,
                None => getrandom::u64().map_err(BuildError::Random)?,
            },
            epoch: getrandom::u32().map_err(BuildError::Random)?,
        };
        let room = Room {
            // A receiver that answers nothing acknowledges nothing: critical events are then sent once, like others.
            acknowledged: config.protocol.acknowledges() && transports.iter().all(|t| t.hears()),
            worker_bytes: worker::bytes(&config, &transports),
        };
        let mut shared = match origin {
            Origin::New(instruments) => Shared::new(&config, identity, instruments, &room),
            Origin::Parent(parent) => Shared::in_child(&config, identity, parent, &room),
        };
        shared.instance = instance;
        let shared = Arc::new(shared);
        if config.protocol.introduces() {
            shared.registry.introduce(OwnInfo::new(&config));
        }
        let handle =
            worker::start(shared.clone(), &config, transports).map_err(BuildError::Thread)?;
        let thread = Thread::new(handle, shared.clone(), Forks::new(to, config));
        Ok(Self { shared, thread: Arc::new(thread) })
    }

    /// Claims a ring of its own for the calling thread now, rather than at the thread's first record. Returns whether
    /// one was left; a thread without one shares a ring with others until one is given back.
    ///
    /// The first record of a thread costs about a microsecond more than the next ones: it looks for a free ring
    /// (linear in [`ClientConfig::shards`]) and touches the memory of it for the first time, which may fault pages in.
    /// It takes no lock and no heap either way; but it may free the few hundred bytes that are left of a client that
    /// the thread recorded to and that has ended since. (In a library that was loaded with `dlopen`, the first access
    /// to any `thread_local!` may allocate; on systems other than Linux, noticing the end of a thread may.)
    ///
    /// A thread's ring is given back when the thread ends.
    pub fn register_thread(&self) -> bool {
        self.here().is_some_and(|client| client.shared.rings.register())
    }

    /// Sends everything recorded so far, and all instruments that have changed, and waits until it is done.
    ///
    /// It is done once nothing waits any more. While other threads record faster than the worker can send, there is
    /// always more, and the flush ends at its timeout.
    ///
    /// # Errors
    /// [`FlushError::Timeout`] when `timeout` passes first; [`FlushError::Forked`] in a child of the client's process;
    /// [`FlushError::Died`] where the sending thread has died.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        let deadline = after(timeout);
        let client = self.here().ok_or(FlushError::Forked)?;
        let asked = client.ask_to_flush();
        let done = |s: &State| flushed(s, asked).is_some();
        if !client.thread.is_worker() && client.shared.control.wait(deadline, done) {
            flushed(&client.shared.control.lock(), asked).unwrap_or(Ok(()))
        } else {
            Err(FlushError::Timeout)
        }
    }

    /// Requests a flush, and returns its number.
    fn ask_to_flush(&self) -> u64 {
        let asked = {
            let mut state = self.shared.control.lock();
            state.flush_asked += 1;
            state.flush_asked
        };
        self.thread.unpark();
        asked
    }

    /// Ends the client when the process ends, by a return from `main` or by [`std::process::exit`]: what is left is
    /// sent then, for at most [`ClientConfig::linger`]. Returns whether the hook is in place. (It is on Unix
    /// systems; on Windows this returns `false`.)
    ///
    /// Intended for a client in a `static`, or one that other threads hold. Nobody drops those, so without this call
    /// whatever they have not sent yet is lost: events as old as [`ClientConfig::batch_age`], instruments as old as
    /// [`ClientConfig::flush_interval`], and critical events that nobody has acknowledged. A signal that kills the
    /// process, [`std::process::abort`] and a panic that aborts lose it in any case.
    ///
    /// The hook is registered with the C library's `atexit`. It runs on the thread that ends the process, before C++
    /// destructors that were registered earlier.
    pub fn flush_on_exit(&self) -> bool {
        let Some(client) = self.here() else { return false };
        self.thread.forks.end_at_exit();
        exit::end_at_exit(Arc::downgrade(&client.thread))
    }

    /// Ends the client: refuses further records, sends what is left for at most `timeout`, and returns the final
    /// ledger. What could not be sent in time is counted there as [`Cause::Shutdown`]; what a blocking transport still
    /// holds after that time is counted as in flight.
    ///
    /// Other handles stay usable and refuse records. A record call that was under way in another thread may still
    /// report success; the next [`ledger`](Self::ledger) counts its record as [`Cause::Shutdown`].
    pub fn shutdown(self, timeout: Duration) -> Ledger {
        if let Some(client) = self.here() {
            client.thread.stop(after(timeout));
        }
        self.ledger()
    }

    /// What became of every record so far; exact whenever no call is in progress.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.here().map_or_else(|| self.shared.forked_ledger(), |client| client.shared.ledger())
    }

    /// What the sender has sent so far, in datagrams and bytes.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.here().map_or_else(Totals::default, |client| client.shared.control.lock().totals)
    }

    /// The state of the circuit breaker as of the worker's last round, and how often it has opened. By default it opens
    /// after five failures in a row; events then wait in the rings, and the policy decides what a full ring gives up.
    #[must_use]
    pub fn breaker(&self) -> (BreakerState, u64) {
        let Some(client) = self.here() else { return (BreakerState::Closed, 0) };
        let state = client.shared.control.lock();
        (state.breaker.state, state.breaker.opened)
    }

    /// How the client is doing: health, ledger, buffers, latency, memory, and what is held back. It can be serialized
    /// in any serde format. Takes about ten microseconds.
    ///
    /// The same figures are sent as metrics of the client's own, named `ringstat.client.…`, every
    /// [`ClientConfig::report_interval`].
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.here().map_or_else(|| self.shared.forked_snapshot(), |client| client.shared.snapshot())
    }

    /// The [`snapshot`](Self::snapshot) as a JSON object whose keys are the names of the fields (feature `json`).
    #[cfg(feature = "json")]
    #[must_use]
    pub fn snapshot_json(&self) -> String {
        // Plain data with names for keys cannot fail to serialize.
        serde_json::to_string(&self.snapshot()).unwrap_or_default()
    }

    /// The client's identity, by which a collector lists it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.here().unwrap_or(self).shared.identity
    }

    /// The largest amount of memory that the rings and the memory for long tags take, in bytes. It is only touched when
    /// it is used.
    #[must_use]
    pub fn ring_bytes(&self) -> usize {
        self.here().unwrap_or(self).shared.rings.bytes()
    }

    /// The symbol of a name made at run time, under which to record events: `stats.count(symbol, 1u8)`. Look it up once
    /// and keep it. Takes neither heap nor lock; there is room for 4096 strings of 65 536 bytes in all.
    ///
    /// # Errors
    /// If there is no room, or the name is empty or longer than 255 bytes. A record that cannot be made for that reason
    /// can be counted with [`Recorder::refuse`] and [`InternError::cause`].
    pub fn intern(&self, name: &str) -> Result<Symbol, InternError> {
        self.shared.names.intern(name)
    }

    /// Sends an instrument that lives in a `static`, with what is recorded on it from now on, as
    /// [`Builder::instrument`] does.
    pub fn register(&self, instrument: &'static dyn Instrument) {
        if let Some(client) = self.here() {
            client.shared.registry.add(instrument);
        }
    }

    /// Returns the counter of that name and tags, which is created if there is none. Look it up once and keep it.
    ///
    /// Beyond [`ClientConfig::max_instruments`], and if the name belongs to an instrument of another type, this returns
    /// a counter that all such calls share: `ringstat.overflow`.
    #[must_use]
    pub fn counter(&self, name: &str, tags: &[(&str, &str)]) -> OwnedCounter {
        self.registry().map_or_else(Registry::unsent_counter, |r| r.counter(name, tags))
    }

    /// Returns the gauge of that name and tags; see [`counter`](Self::counter).
    #[must_use]
    pub fn gauge(&self, name: &str, tags: &[(&str, &str)]) -> OwnedGauge {
        self.registry().map_or_else(Registry::unsent_gauge, |r| r.gauge(name, tags))
    }

    /// Returns the histogram of that name and tags; see [`counter`](Self::counter).
    #[must_use]
    pub fn histogram(&self, name: &str, tags: &[(&str, &str)]) -> OwnedHistogram {
        self.registry().map_or_else(Registry::unsent_histogram, |r| r.histogram(name, tags))
    }

    /// Says what the instruments and events of one name mean, and in what unit their values are. The collector shows it as
    /// `HELP` and `UNIT`; histograms and timings, which have a unit of their own, keep that. Other receivers are not told.
    ///
    /// The text is cut after 255 bytes. A name can be described anew 15 times. Beyond
    /// [`ClientConfig::max_instruments`], further names have no description.
    ///
    /// ```no_run
    /// # let stats = ringstat_std::Client::builder("127.0.0.1:8125").build()?;
    /// stats.describe("cache.size", ringstat_std::Unit::Bytes, "What the cache holds.");
    /// stats.gauge("cache.size", &[]).set(4096.0);
    /// # Ok::<(), ringstat_std::BuildError>(())
    /// ```
    pub fn describe(&self, name: &str, unit: Unit, text: &str) {
        if let Some(registry) = self.registry() {
            registry.describe(name, unit, text);
        }
    }

    /// What was said of a name, by [`describe`](Self::describe) or by a facade.
    #[must_use]
    pub fn described(&self, name: &str) -> Option<Meaning<String>> {
        self.registry()?.descriptions.get(name)
    }

    /// The number of instruments requested at run time that went to the overflow series.
    #[must_use]
    pub fn overflowed_instruments(&self) -> u64 {
        self.here().unwrap_or(self).shared.registry.refused()
    }

    /// The instruments of this process.
    fn registry(&self) -> Option<&Registry> {
        self.here().map(|client| &client.shared.registry)
    }
}

impl Client {
    /// Records an event when the ring is not all there is to think of.
    #[cold]
    fn push_unless_open(&self, event: &Event) -> Outcome {
        match self.shared.valve.opening() {
            Opening::Open => self.shared.rings.push(event),
            Opening::Throttled(level) => self.shared.rings.push_throttled(event, level),
            Opening::Asleep => self.push_and_wake(event),
            Opening::Closed => self.refuse(Cause::Shutdown),
            Opening::Forked => self.push_in_child(event, |client, event| client.push(event)),
        }
    }

    /// The same for an event with text and tags that are not in its slot yet.
    #[cold]
    fn push_with_unless_open(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
        match self.shared.valve.opening() {
            Opening::Open => self.shared.rings.push_with(event, strings),
            Opening::Closed => self.refuse(Cause::Shutdown),
            Opening::Throttled(_) | Opening::Asleep => {
                self.shared.rings.keep_and(event, strings, |event| self.push_unless_open(event))
            }
            Opening::Forked => {
                self.push_in_child(event, |client, event| client.push_with(event, strings))
            }
        }
    }

    /// Records the first event after a long idleness, in which the cheap clock stood still.
    fn push_and_wake(&self, event: &Event) -> Outcome {
        let (mut event, now) = (*event, self.shared.clock.advance().wall);
        if !event.is_stamped() {
            event.set_time(now);
        }
        let outcome = self.shared.rings.push(&event);
        self.shared.valve.wake();
        outcome
    }
}

#[cfg(any(feature = "metrics", feature = "tracing"))]
impl Client {
    /// What this process has; `None` in a child where the client was not begun anew.
    pub(crate) fn max_instruments(&self) -> usize {
        self.thread.forks.config().max_instruments
    }

    pub(crate) fn shared(&self) -> Option<&Arc<Shared>> {
        self.here().map(|client| &client.shared)
    }
}

/// What became of the flush with that number, once it is known.
fn flushed(state: &State, asked: u64) -> Option<Result<(), FlushError>> {
    match state {
        State { died: true, .. } => Some(Err(FlushError::Died)),
        state => (state.flush_done >= asked || state.stopped).then_some(Ok(())),
    }
}

impl Recorder for Client {
    type Strings<'a> = Borrowed<'a>;

    #[inline]
    fn now(&self) -> u64 {
        self.shared.clock.coarse()
    }

    #[inline]
    fn push(&self, event: &Event) -> Outcome {
        if self.shared.valve.is_open() {
            self.shared.rings.push(event)
        } else {
            self.push_unless_open(event)
        }
    }

    #[inline]
    fn push_with(&self, event: &Event, strings: &Borrowed<'_>) -> Outcome {
        if self.shared.valve.is_open() {
            self.shared.rings.push_with(event, strings)
        } else {
            self.push_with_unless_open(event, strings)
        }
    }

    #[cold]
    fn refuse(&self, cause: Cause) -> Outcome {
        self.here().unwrap_or(self).shared.refuse(cause)
    }
}
