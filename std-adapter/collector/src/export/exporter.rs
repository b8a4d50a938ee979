//! Starts and ends all outputs.

use std::convert::Infallible;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use std::{fmt, io};

#[cfg(feature = "otlp")]
use super::config::OtlpConfig;
use super::config::{OutputConfig, OutputError, RemoteWriteConfig, shown};
use super::deliver;
use super::json_lines::JsonLines;
#[cfg(feature = "otlp")]
use super::otlp::{Otlp, OtlpCarrier};
use super::relayed_lines::RelayedLines;
use super::remote_write::{Packer, RemoteWrite, RemoteWriteCarrier};
use super::rounds::{self, End};
use crate::data::DataError;
use crate::outbox::{Outbox, Stands};
use crate::relay::{Relay, RelayConfig, RelayProtocol, Relays, is_own};
use crate::report::RELAY;
use crate::shared::Shared;

/// The name of the file with the remote-write queue in the data directory.
const REMOTE_WRITE: &str = "remote_write.redb";
/// The name of the file with the OTLP queue.
#[cfg(feature = "otlp")]
const OTLP: &str = "otlp.redb";
/// How long a collector that ends waits for the last delivery.
const END: Duration = Duration::from_millis(1500);

/// Why outputs cannot be started.
#[derive(Debug)]
pub(crate) enum Unprepared {
    Output(OutputError),
    Data(DataError),
    #[cfg(feature = "nats")]
    Thread(std::io::Error),
}

impl From<OutputError> for Unprepared {
    fn from(error: OutputError) -> Self {
        Self::Output(error)
    }
}

impl From<DataError> for Unprepared {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

/// Outputs that can be started.
#[derive(Default)]
pub(crate) struct Prepared {
    stands: Arc<Stands>,
    remote_write: Option<PreparedWrite>,
    json_lines: Option<(JsonLines, Duration)>,
    #[cfg(feature = "otlp")]
    otlp: Option<PreparedOtlp>,
    relays: Arc<Relays>,
    listens: Vec<SocketAddr>,
}

#[cfg(feature = "otlp")]
struct PreparedOtlp {
    carriers: Vec<OtlpCarrier>,
    config: OtlpConfig,
    outbox: Arc<Outbox>,
}

struct PreparedWrite {
    carriers: Vec<RemoteWriteCarrier>,
    config: RemoteWriteConfig,
    outbox: Arc<Outbox>,
}

/// Checks the targets, and opens the queues in the data directory, if there is one; the second part says whether damaged
/// files are put aside. `listens` are the collector's own addresses, to which it does not relay; `takes_lines` says whether
/// it accepts lines of StatsD.
pub(crate) fn prepare(
    config: OutputConfig,
    dir: Option<(&Path, bool)>,
    listens: &[SocketAddr],
    takes_lines: bool,
) -> Result<Prepared, Unprepared> {
    let mut prepared = Prepared::default();
    let mut stands = Stands::default();
    let OutputConfig { remote_write: config, json_lines, otlp, relay } = config;
    if !config.targets.is_empty() {
        let carriers = config.targets.iter().cloned().map(RemoteWriteCarrier::new);
        let carriers = carriers.collect::<Result<Vec<_>, _>>()?;
        let names = distinct(config.targets.iter().map(|target| shown(&target.http.url)));
        let outbox = open(&names, config.queue_bytes, dir, REMOTE_WRITE)?;
        stands.add("remote_write", names, outbox.clone());
        prepared.remote_write = Some(PreparedWrite { carriers, config, outbox });
    }
    if let Some(config) = json_lines {
        let lines = JsonLines::open(&config)?;
        let name = config.file.display().to_string();
        stands.add("json_lines", vec![name], lines.account().clone());
        prepared.json_lines = Some((lines, config.interval));
    }
    #[cfg(not(feature = "otlp"))]
    if !otlp.targets.is_empty() {
        return Err(OutputError::Feature("otlp").into());
    }
    #[cfg(feature = "otlp")]
    if !otlp.targets.is_empty() {
        let targets = otlp.targets.iter().cloned();
        let carriers = targets.map(|target| OtlpCarrier::new(target.transport, target.http));
        let carriers = carriers.collect::<Result<Vec<_>, _>>()?;
        let names = distinct(otlp.targets.iter().map(|target| shown(&target.http.url)));
        let outbox = open(&names, otlp.queue_bytes, dir, OTLP)?;
        stands.add("otlp", names, outbox.clone());
        prepared.otlp = Some(PreparedOtlp { carriers, config: otlp, outbox });
    }
    check_relays(&relay, listens, takes_lines)?;
    let relays = Relays::new(relay);
    let names = distinct(relays.all().iter().map(|relay| relay.target.to_string()));
    for (name, relay) in names.into_iter().zip(relays.all()) {
        stands.add(RELAY, vec![name], relay.queue.clone());
    }
    (prepared.relays, prepared.listens) = (Arc::new(relays), listens.to_vec());
    prepared.stands = Arc::new(stands);
    Ok(prepared)
}

/// Refuses targets to which nothing can be relayed, or that are this collector. A name that does not resolve yet is
/// accepted, since it may resolve later.
fn check_relays(
    relay: &RelayConfig,
    listens: &[SocketAddr],
    takes_lines: bool,
) -> Result<(), OutputError> {
    for target in &relay.targets {
        let wrong = |why: &str| Err(OutputError::Url { url: target.to_string(), why: why.into() });
        let mut means = target.address.to_socket_addrs().into_iter().flatten();
        if means.any(|to| is_own(to, listens)) {
            return wrong("that is this collector itself");
        }
        let wants_lines = target.protocol != RelayProtocol::Ringstat && target.aggregate.is_none();
        if wants_lines && !takes_lines {
            return wrong(
                "lines of StatsD are refused here (--no-statsd), so there are none to pass on",
            );
        }
    }
    Ok(())
}

/// Opens the queue for these targets, in that file of the data directory if there is one.
fn open(
    names: &[String],
    limit: usize,
    dir: Option<(&Path, bool)>,
    name: &str,
) -> Result<Arc<Outbox>, DataError> {
    let file = dir.map(|(dir, recover)| (dir.join(name), recover));
    let file = file.as_ref().map(|(file, recover)| (&**file, *recover));
    Ok(Arc::new(Outbox::open(names.to_vec(), limit, file)?))
}

/// Returns the names, with a number appended to those that are equal.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let mut distinct = name.clone();
        let mut number = 1;
        while all.contains(&distinct) {
            number += 1;
            distinct = format!("{name}#{number}");
        }
        all.push(distinct);
    }
    all
}

impl Prepared {
    /// The targets that get datagrams as they come in.
    pub(crate) fn relays(&self) -> &Arc<Relays> {
        &self.relays
    }

    /// The state of the outputs.
    pub(crate) fn stands(&self) -> &Arc<Stands> {
        &self.stands
    }

    /// Starts the threads. Call it before datagrams arrive.
    pub(crate) fn start(self, shared: &Arc<Shared>) -> io::Result<Exporting> {
        let (taking, taken) = channel();
        let (delivering, delivered) = channel();
        let (end, mut outboxes) = (Arc::<End>::default(), Vec::new());
        if let Some(PreparedWrite { carriers, config, outbox }) = self.remote_write {
            let names = config.targets.iter().map(|target| shown(&target.http.url));
            for (target, (carrier, name)) in carriers.into_iter().zip(names).enumerate() {
                deliver::start(name, carrier, &outbox, target, delivering.clone())?;
            }
            let packer = Packer::new(&config.labels, config.histograms);
            let round = RemoteWrite::new(packer, outbox.clone());
            rounds::start(round, config.interval, shared, &end, taking.clone())?;
            outboxes.push(outbox);
        }
        if let Some((lines, interval)) = self.json_lines {
            rounds::start(lines, interval, shared, &end, taking.clone())?;
        }
        #[cfg(feature = "otlp")]
        if let Some(PreparedOtlp { carriers, config, outbox }) = self.otlp {
            let names = config.targets.iter().map(|target| shown(&target.http.url));
            for (target, (carrier, name)) in carriers.into_iter().zip(names).enumerate() {
                deliver::start(name, carrier, &outbox, target, delivering.clone())?;
            }
            let round = Otlp::new(config.temporality, outbox.clone(), shared, rounds::unix_ms());
            rounds::start(round, config.interval, shared, &end, taking.clone())?;
            outboxes.push(outbox);
        }
        for Relay { target, queue } in self.relays.all() {
            if let Some(interval) = target.aggregate {
                let round = RelayedLines::new(target.protocol, queue.clone(), shared);
                rounds::start(round, interval, shared, &end, taking.clone())?;
            }
        }
        self.relays.start(&self.listens, &delivering)?;
        Ok(Exporting { end, outboxes, relays: self.relays, taken, delivered })
    }
}

/// Deliveries of remote write alone: others take the samples.
#[cfg(feature = "nats")]
#[derive(Debug)]
pub(crate) struct WriteOnly {
    pub(crate) names: Vec<String>,
    pub(crate) outbox: Arc<Outbox>,
    exporting: Exporting,
}

#[cfg(feature = "nats")]
impl WriteOnly {
    /// Delivers what can be delivered at once, and ends.
    pub(crate) fn end(&self) {
        self.exporting.end();
    }
}

/// Starts to deliver what is put into an outbox in memory.
#[cfg(feature = "nats")]
pub(crate) fn write_only(config: &RemoteWriteConfig) -> Result<WriteOnly, Unprepared> {
    let carriers = config.targets.iter().cloned().map(RemoteWriteCarrier::new);
    let carriers = carriers.collect::<Result<Vec<_>, _>>().map_err(Unprepared::Output)?;
    let names = distinct(config.targets.iter().map(|target| shown(&target.http.url)));
    let outbox = open(&names, config.queue_bytes, None, REMOTE_WRITE).map_err(Unprepared::Data)?;
    let (_, taken) = channel();
    let (delivering, delivered) = channel();
    for (target, (carrier, name)) in carriers.into_iter().zip(names.clone()).enumerate() {
        let started = deliver::start(name, carrier, &outbox, target, delivering.clone());
        started.map_err(Unprepared::Thread)?;
    }
    let outboxes = vec![outbox.clone()];
    let exporting =
        Exporting { end: Arc::default(), outboxes, relays: Arc::default(), taken, delivered };
    Ok(WriteOnly { names, outbox, exporting })
}

/// Outputs that run.
pub(crate) struct Exporting {
    end: Arc<End>,
    outboxes: Vec<Arc<Outbox>>,
    relays: Arc<Relays>,
    /// Disconnected when all rounds are over, and when all deliveries are.
    taken: Receiver<Infallible>,
    delivered: Receiver<Infallible>,
}

impl fmt::Debug for Exporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporting").finish_non_exhaustive()
    }
}

impl Exporting {
    /// Takes the last samples, and delivers what can be delivered at once. Call it when no more datagrams arrive.
    pub(crate) fn end(&self) {
        let by = Instant::now() + END;
        self.end.ask();
        let is_over = |ended: &Receiver<Infallible>| {
            let left = by.saturating_duration_since(Instant::now());
            matches!(ended.recv_timeout(left), Err(RecvTimeoutError::Disconnected))
        };
        let taken = is_over(&self.taken);
        self.outboxes.iter().for_each(|outbox| outbox.end(by));
        self.relays.all().iter().for_each(|relay| relay.queue.end(by));
        let delivered = is_over(&self.delivered);
        let unsent: u64 = self.relays.all().iter().map(|relay| relay.queue.give_up()).sum();
        if unsent > 0 {
            tracing::error!("{unsent} datagrams could not be relayed before the end");
        }
        let lost: u64 = self.outboxes.iter().map(|outbox| outbox.give_up()).sum();
        if lost > 0 {
            tracing::error!("{lost} samples could not be delivered before the end: they are lost");
        } else if !taken || !delivered {
            tracing::warn!("not everything could be delivered before the end");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let names = ["a", "b", "a", "a"].map(str::to_owned);
        assert_eq!(distinct(names.into_iter()), ["a", "b", "a#2", "a#3"]);
    }
}
