//! `perf chaos`: the same load with a fault in the middle, to see how much throughput drops and how soon it recovers.
//!
//! ```text
//!  |--- before ---|--- fault ---|--- after ---|
//!   throughput     throughput    time until it is 90 % of what it was before
//! ```
//!
//! Each fault is injected several times, each time with a new client and a new collector. At the end every record must
//! be accounted for, exactly: what was recorded has arrived, was dropped by the client, or was lost on the way.
//!
//! | fault | what is done ([`fault`], [`pressure`], [`disk`]) |
//! |---|---|
//! | loss, outage, stall | the socket loses a third, reports that nobody can be reached, or is always full |
//! | restart | the collector stops and comes back |
//! | cpu, memory | threads of this process take the processors, or memory |
//! | disk-full | no room is left for the collector's data directory |

mod disk;
mod fault;
mod pressure;
mod timeline;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringstat_benches::path::{TIMING, timings};
use ringstat_collector::{DataConfig, Running, Server, ServerConfig};
use ringstat_std::{Client, Recorder, Tag};

use crate::desk::Output;
use crate::failure::{Exit, Failure, Outcome};
use crate::results::{Metric, Run};
use disk::Disk;
use fault::{Fault, Way};
use pressure::Pressure;
use timeline::Timeline;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The faults to cause; all that are possible here, if none is named
    #[arg(value_enum)]
    faults: Vec<Fault>,
    /// The load, as in `ringstat load`
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// How often each fault occurs; below 8, changes of many numbers at once cannot be told from chance
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// How long each fault lasts, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    fault_ms: u64,
    #[command(flatten)]
    output: Output,
}

/// Load scenarios with the rates and threads of `ringstat load`.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Scenario {
    /// 10 000 a second from 4 threads
    Baseline,
    /// 100 000 a second from 8 threads
    #[default]
    High,
    /// 500 000 a second from 16 threads
    Stress,
    /// 1 000 000 a second from 32 threads
    Burst,
}

impl Scenario {
    const fn numbers(self) -> (u64, u64) {
        match self {
            Self::Baseline => (10_000, 4),
            Self::High => (100_000, 8),
            Self::Stress => (500_000, 16),
            Self::Burst => (1_000_000, 32),
        }
    }
}

/// How long to measure before the fault; long enough to establish what is normal.
const BEFORE: Duration = Duration::from_secs(2);
/// How long to wait after the fault; a client that has not recovered by then counts as not recovered.
const AFTER: Duration = Duration::from_secs(10);
/// How often the collector is sampled.
const LOOK: Duration = Duration::from_millis(50);

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

pub(crate) fn run(args: &Args) -> Outcome {
    let times = [BEFORE, Duration::from_millis(args.fault_ms), AFTER];
    let (faults, disk) = possible(&args.faults)?;
    let (mut rounds, mut timelines) = (Vec::new(), Vec::new());
    for round in 0..args.rounds {
        eprintln!("round {} of {}", round + 1, args.rounds);
        for fault in &faults {
            let disk = disk.as_ref().filter(|_| *fault == Fault::DiskFull);
            let (metrics, timeline) = strike(*fault, disk, args.scenario.numbers(), times)?;
            rounds.push(metrics);
            // One picture of each fault is enough.
            if round == 0 {
                timelines.push(timeline.shown(format!("chaos.{}", fault.as_str())));
            }
        }
    }
    args.output.take(Run { timelines, ..Run::now("chaos", Run::merged(rounds)) })
}

/// Returns the faults to cause, and the disk to fill if that is one of them.
fn possible(named: &[Fault]) -> Result<(Vec<Fault>, Option<Disk>), Failure> {
    let mut faults = if named.is_empty() { Fault::ALL.to_vec() } else { named.to_vec() };
    if !faults.contains(&Fault::DiskFull) {
        return Ok((faults, None));
    }
    match Disk::mount() {
        Ok(disk) => Ok((faults, Some(disk))),
        Err(failure) if named.is_empty() => {
            eprintln!("without disk-full: {failure}");
            faults.retain(|fault| *fault != Fault::DiskFull);
            Ok((faults, None))
        }
        Err(failure) => Err(failure),
    }
}

/// Runs the load with the fault in the middle. The collector's data directory is on `disk`.
fn strike(
    fault: Fault,
    disk: Option<&Disk>,
    (rate, threads): (u64, u64),
    [before, during, after]: [Duration; 3],
) -> Result<(Vec<Metric>, Timeline), Failure> {
    let data = disk.map(Disk::directory).transpose()?.map(DataConfig::new);
    let mut collector = RestartableCollector::start(data)?;
    let way = Way::to(collector.address)?;
    let client = match fault {
        // After a restart the client has to notice through its own socket.
        Fault::Restart => Client::builder(collector.address.to_string()).build(),
        _ => Client::builder("a way that fails:1").build_with(way.clone()),
    };
    let client = client.map_err(|e| Failure::new(Exit::Environment, e))?;
    let stop = AtomicBool::new(false);
    let (timeline, seen, recorded) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&client, rate as f64 / threads as f64, &stop)))
            .collect();
        let mut cause = Cause { fault, way: &way, disk, pressure: None };
        let watched = watch(&mut collector, &mut cause, &client, [before, during, after]);
        stop.store(true, Ordering::Relaxed);
        // A worker that panicked recorded an unknown number, and then the account does not close.
        let recorded = workers.into_iter().filter_map(|w| w.join().ok()).sum::<u64>();
        watched.map(|(timeline, seen)| (timeline, seen, recorded))
    })?;
    let ledger = client.shutdown(Duration::from_secs(10));
    let arrived = collector.finish(ledger.left());
    let closes = ledger.closes() && ledger.aggregated == 0 && ledger.recorded == recorded;
    if !closes || arrived > ledger.left() {
        let what = format_args!("{arrived} arrived of {recorded}, and {ledger:?}").to_string();
        return Err(Failure::new(Exit::Verdict, what).hint("This is a bug in ringstat."));
    }
    let name = |what: &str| format!("chaos.{}.{what}", fault.as_str());
    let mut metrics = vec![
        Metric::one(name("before"), "/s", timeline.before()),
        Metric::one(name("during"), "/s", timeline.during()),
        Metric::one(name("degraded"), "%", timeline.degraded_percent()),
        Metric::one(name("dropped"), "events", (ledger.dropped.total() + ledger.in_flight) as f64),
        Metric::one(name("lost_on_the_way"), "events", (ledger.left() - arrived) as f64),
    ];
    let opened = seen.opened.map(|took| Metric::one(name("breaker"), "ns", took.as_nanos() as f64));
    metrics.extend(opened);
    metrics.extend(seen.grown.map(|bytes| Metric::one(name("memory"), "B", bytes as f64)));
    let written =
        seen.written.map(|took| Metric::one(name("written"), "ns", took.as_nanos() as f64));
    if fault == Fault::DiskFull && written.is_none() {
        let what = "disk-full: the collector never failed to write, or never could again";
        return Err(Failure::new(Exit::Verdict, what));
    }
    metrics.extend(written);
    match timeline.recovery() {
        Some(took) => metrics.push(Metric::one(name("recovery"), "ns", took.as_nanos() as f64)),
        None => {
            let what = format_args!("{}: not recovered after {after:?}", fault.as_str());
            return Err(Failure::new(Exit::Verdict, what.to_string()));
        }
    }
    Ok((metrics, timeline))
}

/// Records `rate` events a second, in small groups, and returns how many in all.
fn work(client: &Client, rate: f64, stop: &AtomicBool) -> u64 {
    let begun = Instant::now();
    let mut recorded = 0u64;
    while !stop.load(Ordering::Relaxed) {
        let due = (begun.elapsed().as_secs_f64() * rate) as u64;
        while recorded < due {
            // The return value is ignored, because the ledger counts what becomes of the event.
            let took = Duration::from_micros(recorded & 0xffff);
            let _ = client.timing(TIMING, took).tags(TAGS).record();
            recorded += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    recorded
}

/// A fault, and what is needed to begin and end it.
struct Cause<'a> {
    fault: Fault,
    way: &'a Way,
    disk: Option<&'a Disk>,
    pressure: Option<Pressure>,
}

impl Cause<'_> {
    fn begin(&mut self, collector: &mut RestartableCollector) -> Result<(), Failure> {
        match self.fault {
            Fault::Loss | Fault::Outage | Fault::Stall => self.way.set(self.fault),
            Fault::Restart => collector.stop(),
            Fault::Cpu => self.pressure = Some(Pressure::cpu()),
            Fault::Memory => self.pressure = Some(Pressure::memory()),
            Fault::DiskFull => self.disk.map_or(Ok(()), Disk::fill)?,
        }
        Ok(())
    }

    fn end(&mut self, collector: &mut RestartableCollector) -> Result<(), Failure> {
        self.way.clear();
        self.pressure = None;
        if self.fault == Fault::DiskFull {
            self.disk.map_or(Ok(()), Disk::free)?;
        }
        collector.start_again()
    }
}

/// Samples the collector repeatedly, and starts and ends the fault. Returns as soon as the throughput has recovered.
fn watch(
    collector: &mut RestartableCollector,
    cause: &mut Cause<'_>,
    client: &Client,
    [before, during, after]: [Duration; 3],
) -> Result<(Timeline, Seen), Failure> {
    let begun = Instant::now();
    let (fault_at, well_at) = (before, before + during);
    let mut timeline = Timeline::new(fault_at, well_at);
    let mut seen = Seen::default();
    let mut resident_before = None;
    let (mut struck, mut mended) = (false, false);
    loop {
        std::thread::sleep(LOOK);
        let now = begun.elapsed();
        timeline.look(now, collector.events());
        if !struck && now >= fault_at {
            struck = true;
            resident_before = resident();
            cause.begin(collector)?;
        }
        if struck && seen.opened.is_none() && client.breaker().1 > 0 {
            seen.opened = Some(now.saturating_sub(fault_at));
        }
        if struck && !mended && now >= well_at {
            mended = true;
            cause.end(collector)?;
        }
        if collector.cannot_write() {
            seen.failed_to_write = true;
        } else if mended && seen.failed_to_write && seen.written.is_none() {
            seen.written = Some(now.saturating_sub(well_at));
        }
        let well = timeline.recovery().is_some() && !collector.cannot_write();
        if well || now >= well_at + after {
            let grown = |(before, now): (u64, u64)| now.saturating_sub(before);
            seen.grown = resident_before.zip(resident()).map(grown);
            return Ok((timeline, seen));
        }
    }
}

/// How the client reacted to a fault.
#[derive(Default, Debug)]
struct Seen {
    /// The time until its circuit breaker opened, if it did.
    opened: Option<Duration>,
    /// Whether the collector could not write to its data directory, and after what time it could again.
    failed_to_write: bool,
    written: Option<Duration>,
    /// The growth of the process from the fault to the end, in bytes.
    grown: Option<u64>,
}

/// The resident memory of this process, in bytes.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// A collector that can be stopped and started again.
struct RestartableCollector {
    running: Option<Running>,
    address: SocketAddr,
    data: Option<DataConfig>,
    /// Events that earlier collectors stored.
    before: u64,
}

impl RestartableCollector {
    fn start(data: Option<DataConfig>) -> Result<Self, Failure> {
        let running = listen((Ipv4Addr::LOCALHOST, 0).into(), data.clone())?;
        let address = running.udp().first().copied();
        let address = address.ok_or_else(|| Failure::new(Exit::Environment, "no address"))?;
        Ok(Self { running: Some(running), address, data, before: 0 })
    }

    fn events(&self) -> u64 {
        self.before + self.running.as_ref().map_or(0, |r| timings(&r.report(16)))
    }

    /// Whether its data directory, if it has one, does not take what is to be kept.
    fn cannot_write(&self) -> bool {
        let data = self.running.as_ref().and_then(|r| r.report(0).data);
        data.is_some_and(|data| data.failing)
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.before += timings(&running.stop(16));
        }
    }

    fn start_again(&mut self) -> Result<(), Failure> {
        if self.running.is_none() {
            self.running = Some(listen(self.address, self.data.clone())?);
        }
        Ok(())
    }

    /// Waits until the events still in flight, out of `sent`, have arrived or are lost, and returns how many arrived in
    /// total.
    fn finish(mut self, sent: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.events() < sent && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stop();
        self.before
    }
}

fn listen(at: SocketAddr, data: Option<DataConfig>) -> Result<Running, Failure> {
    let config = ServerConfig { udp: vec![at], http: None, data, ..ServerConfig::default() };
    Server::start(config).map_err(|e| Failure::new(Exit::Environment, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_strikes_and_passes_and_every_event_is_accounted_for() {
        // A disk can only be mounted by a process without other threads: the desk's own test does that.
        for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::DiskFull) {
            let times = [600, 300, 20_000].map(Duration::from_millis);
            let (metrics, _) = strike(fault, None, (5000, 2), times).unwrap();
            let value = |what: &str| {
                let name = format!("chaos.{}.{what}", fault.as_str());
                metrics.iter().find(|m| m.name == name).map(|m| m.value).unwrap()
            };
            assert!(value("before") > 0.0, "{metrics:?}");
            if fault == Fault::Outage {
                assert!(value("breaker") > 0.0, "{metrics:?}");
            }
            if fault == Fault::Loss {
                assert!(value("lost_on_the_way") > 0.0, "{metrics:?}");
            } else if fault != Fault::Restart {
                // Events still in the ring are sent later, and the client counts those that did not fit.
                assert_eq!(value("lost_on_the_way"), 0.0, "{metrics:?}");
            }
        }
    }
}
