//! ringstat behind the `metrics` facade (feature `metrics`).
//!
//! One line sends everything that your crates record through the facade:
//!
//! ```no_run
//! let stats = ringstat_std::metrics::install("127.0.0.1:8125")?;
//! metrics::counter!("http.requests", "service" => "shop").increment(1);
//! // at the end of the program, send what is left:
//! stats.shutdown(std::time::Duration::from_secs(1));
//! # Ok::<(), ringstat_std::metrics::InstallError>(())
//! ```
//!
//! With settings of your own, or for an agent that speaks DogStatsD:
//!
//! ```no_run
//! use ringstat_std::{Client, Protocol, metrics::Facade};
//!
//! let stats = Client::builder("127.0.0.1:8125").protocol(Protocol::DogStatsD).build()?;
//! Facade::new(&stats).install()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The facade's counters, gauges and histograms are instruments made at run time, with labels as tags: they aggregate
//! in place, and nothing of them can be dropped. Histograms hold floats from a billionth to four trillion, to within
//! 6.3 %. What `describe_…!` says is sent to the collector, which shows it as `HELP` and `UNIT`: the text, and the units that
//! the format knows (times up to seconds, bytes, percent). NaN and infinities change nothing and
//! are counted in the ledger as [`Cause::Invalid`](crate::Cause::Invalid).
//!
//! A macro without a kept handle looks up its key, without a lock and, once the instrument exists, without an
//! allocation. Beyond [`ClientConfig::max_instruments`](crate::ClientConfig::max_instruments), and if a name belongs to
//! an instrument of another type, records go to the series `ringstat.overflow`; [`Client::overflowed_instruments`]
//! counts such requests.

use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString};
use ringstat_core::instrument::Instrument;

use crate::client::{BuildError, Client};
use crate::process::PerProcess;
use crate::shared::Shared;

use crate::registry::Table;
use handle::Checked;
use key::{Known, place};

mod describe;
mod handle;
mod key;

/// Builds a client that sends to `to` (`HOST:PORT` or `ADDRESS:PORT`), and installs it as the recorder of the process.
///
/// The client works until the end of the process. Keep the handle to send what is left at the end, with
/// [`Client::shutdown`] or [`Client::flush`].
///
/// # Errors
/// See [`InstallError`].
pub fn install(to: impl Into<String>) -> Result<Client, InstallError> {
    let client = Client::builder(to).build().map_err(InstallError::Build)?;
    Facade::new(&client).install()?;
    Ok(client)
}

/// Why no recorder was installed.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// The client could not be built.
    Build(BuildError),
    /// Another recorder is installed already.
    Taken,
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(e) => e.fmt(f),
            Self::Taken => f.write_str("the process has a recorder of the metrics facade already"),
        }
    }
}

impl std::error::Error for InstallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Build(e) => Some(e),
            Self::Taken => None,
        }
    }
}

/// A [`metrics::Recorder`] that passes what is recorded through the facade to a client.
///
/// In a forked child it does what its client does: new instruments are not sent until [`Client::restart_after_fork`] is
/// called.
///
/// ```no_run
/// use ringstat_std::{Client, Preset, metrics::Facade};
///
/// let stats = Client::builder("127.0.0.1:8125").preset(Preset::Reliable).build()?;
/// Facade::new(&stats).install()?;
/// metrics::gauge!("queue.length").set(3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Facade {
    client: Client,
    counters: Instruments<Counter>,
    gauges: Instruments<Gauge>,
    histograms: Instruments<Histogram>,
}

/// The instruments of one type.
#[derive(Debug)]
struct Instruments<H> {
    table: Table<Known, H>,
    /// The handle for everything that has no place in the table.
    overflow: PerProcess<H>,
}

impl<H: Clone> Instruments<H> {
    fn new(limit: usize) -> Self {
        Self { table: Table::new(limit), overflow: PerProcess::new() }
    }

    /// The handle of a key; if it is new, `make` asks the client for it. `None` in a child without a client.
    #[inline]
    fn handle(
        &self,
        key: &Key,
        client: &Client,
        make: impl Fn(&Key, &Arc<Shared>) -> H,
    ) -> Option<H> {
        let at = place(key);
        match self.table.get(key.get_hash(), |known| known.is(key, at)) {
            Some(handle) => Some(handle.clone()),
            None => self.new_handle(key, client.shared()?, make),
        }
    }

    #[cold]
    fn new_handle(
        &self,
        key: &Key,
        shared: &Arc<Shared>,
        make: impl Fn(&Key, &Arc<Shared>) -> H,
    ) -> Option<H> {
        if !self.table.is_full()
            && let Some(handle) = self.table.get_or_add(
                key.get_hash(),
                |known| known.is(key, place(key)),
                || (Known::new(key), make(key, shared)),
            )
        {
            return Some(handle.clone());
        }
        match self.overflow.get() {
            Some(overflow) => {
                shared.registry.refuse();
                Some(overflow.clone())
            }
            // For an empty name the registry returns the overflow series, and counts the request.
            None => Some(self.overflow.get_or(|| make(&Key::from_static_name(""), shared)).clone()),
        }
    }
}

impl Facade {
    /// Creates a recorder that passes everything to `client`, and keeps the client working.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        let limit = client.max_instruments();
        Self {
            client: client.clone(),
            counters: Instruments::new(limit),
            gauges: Instruments::new(limit),
            histograms: Instruments::new(limit),
        }
    }

    /// Installs it as the recorder of the process.
    ///
    /// # Errors
    /// [`InstallError::Taken`] if the process already has one.
    pub fn install(self) -> Result<(), InstallError> {
        metrics::set_global_recorder(self).map_err(|_| InstallError::Taken)
    }

    fn describe(&self, name: &KeyName, unit: Option<metrics::Unit>, text: &SharedString) {
        if let Some(shared) = self.client.shared() {
            shared.registry.describe(name.as_str(), describe::unit(unit), text);
        }
    }
}

/// The labels of a key as tags.
fn tags(key: &Key) -> Vec<(&str, &str)> {
    key.labels().map(|label| (label.key(), label.value())).collect()
}

impl metrics::Recorder for Facade {
    fn describe_counter(&self, name: KeyName, unit: Option<metrics::Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<metrics::Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<metrics::Unit>, text: SharedString) {
        self.describe(&name, unit, &text);
        if let Some(shared) = self.client.shared() {
            shared.registry.set_unit(name.as_str(), describe::unit(unit));
        }
    }

    #[inline]
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let handle = self.counters.handle(key, &self.client, |key, shared| {
            Counter::from_arc(shared.registry.counter(key.name(), &tags(key)).0)
        });
        handle.unwrap_or_else(Counter::noop)
    }

    #[inline]
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let handle = self.gauges.handle(key, &self.client, |key, shared| {
            let instrument = shared.registry.gauge(key.name(), &tags(key)).0;
            Gauge::from_arc(Arc::new(Checked { instrument, client: shared.clone() }))
        });
        handle.unwrap_or_else(Gauge::noop)
    }

    #[inline]
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let handle = self.histograms.handle(key, &self.client, |key, shared| {
            let instrument = shared.registry.float_histogram(key.name(), &tags(key));
            if let Some(described) = shared.registry.descriptions.get(instrument.name()) {
                instrument.inner.set_unit(described.unit);
            }
            Histogram::from_arc(Arc::new(Checked { instrument, client: shared.clone() }))
        });
        handle.unwrap_or_else(Histogram::noop)
    }
}
