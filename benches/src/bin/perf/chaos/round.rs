//! One round: a load with a fault in the middle, and an exact account at its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringstat_benches::path::TIMING;
use ringstat_collector::DataConfig;
use ringstat_std::{Client, Recorder, Tag};

use super::collector::RestartableCollector;
use super::disk::Disk;
use super::fault::{Fault, Way};
use super::pressure::Pressure;
use super::timeline::Timeline;
use crate::failure::{Exit, Failure};
use crate::results::Metric;

/// How often the collector is sampled.
const LOOK: Duration = Duration::from_millis(50);

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

/// Runs the load with the fault in the middle. The collector's data directory is on `disk`.
pub(super) fn strike(
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
    let recovery = timeline.recovery();
    metrics.extend(recovery.map(|t| Metric::one(name("recovery"), "ns", t.as_nanos() as f64)));
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
            assert!(value("before") > 0.0 && value("recovery") > 0.0, "{metrics:?}");
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
