//! `ringstat demo`: the whole path in one process, fed with this machine's own readings.
//!
//! A collector and a client communicate over loopback; one thread takes readings, others record their work, and at the
//! end both sides must agree on every event.

mod fault;
mod readings;
mod screen;
mod view;
mod workload;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringstat_collector::{Running, ServerConfig};
use ringstat_std::{Client, Instrument, Ledger, Recorder, Snapshot};

use crate::collect;
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::network::Network;
use crate::common::{ledger, report};
use crate::settings::Settings;
use fault::Plan;
use readings::Readings;
use screen::Screen;
use view::View;

/// The interval at which readings are taken and the table is redrawn.
const ROUND: Duration = Duration::from_secs(1);
/// The longest time that what was sent may take to reach the collector in this process.
const ARRIVAL: Duration = Duration::from_secs(5);

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat demo
  ringstat demo --seconds 0 --http 127.0.0.1:9125
  ringstat demo --seconds 5 --json

Exit codes: 0 both ledgers close and every event arrived, 1 not so, 2 usage, 3 no free port";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How long to run, in seconds; 0 means until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 15)]
    seconds: u64,
    /// Address to serve the page on; port 0 takes any free one
    #[arg(long, value_name = "ADDR", default_value_t = (Ipv4Addr::LOCALHOST, 0).into())]
    http: SocketAddr,
    /// Faults, separated by commas: loss=P%, duplicate=P%, reorder=P%, cut (the network is cut during the second
    /// quarter of the time), restart (the collector restarts after half of it)
    #[arg(long, value_name = "FAULTS")]
    fault: Option<Plan>,
    /// Print the address of the page at the start and both ledgers at the end, each as one line of JSON
    #[arg(long)]
    json: bool,
}

/// The accounts of both sides.
#[derive(serde::Serialize, Debug)]
struct Report {
    client: Ledger,
    client_closes: bool,
    datagrams_sent: u64,
    /// With faults, what the network did to the datagrams.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Simulated>,
    /// The client's state at the end.
    snapshot: Snapshot,
    /// Critical events recorded, and stored by the collectors.
    critical: (u64, u64),
    /// Events that the client sent and the collector does not have, or the reverse, plus the difference in the totals
    /// of a counter.
    unaccounted: u64,
    collector: ringstat_collector::Report,
}

/// What the network did.
#[derive(Clone, Copy, serde::Serialize, Debug)]
struct Simulated {
    offered: u64,
    lost: u64,
    sent_twice: u64,
    late: u64,
    failed: u64,
}

/// The client's ledger for people.
#[derive(serde::Serialize, Debug)]
struct Shown {
    #[serde(flatten)]
    ledger: Ledger,
    ledger_closes: bool,
}

pub(crate) fn run(args: &Args, settings: Settings) -> Outcome {
    let ended = collect::when_ended()?;
    if args.fault.is_some() && args.seconds < 8 {
        return Err(Failure::new(
            Exit::Usage,
            "faults need time to happen: give --seconds 8 or more",
        ));
    }
    let mut collectors = Collectors::start(args.http)?;
    let network = match &args.fault {
        Some(plan) => Some(Network::new(&collectors.address(), plan.network, SEED)?),
        None => None,
    };
    let builder = Client::builder(collectors.address())
        .config(settings.client)
        .instruments(workload::INSTRUMENTS)
        .flush_interval(ROUND / 2)
        .report_interval(Some(ROUND))
        .backoff_max(ROUND);
    let client = match &network {
        Some(network) => builder.build_with(network.clone()),
        None => builder.build(),
    };
    let client = client.map_err(|e| Failure::new(Exit::Environment, e))?;
    let page = collectors.page();
    if args.json {
        report::print(&serde_json::json!({ "page": page }), true, false)?;
    } else {
        println!("The page is at {page} (/metrics and /health are there, too).");
        if let Some(plan) = &args.fault {
            println!("Faults: {}.", plan.describe());
        }
    }
    let stop = AtomicBool::new(false);
    let alarms = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workload::THREADS)
            .map(|thread| {
                let (client, stop) = (&client, &stop);
                scope.spawn(move || workload::work(client, thread, stop))
            })
            .collect();
        let shown = watch(args, &client, &mut collectors, network.as_ref(), &ended);
        stop.store(true, Ordering::Relaxed);
        let alarms: u64 = workers.into_iter().map(|w| w.join().unwrap_or(0)).sum();
        shown.map(|()| alarms)
    })?;
    settle(args, client, collectors, network, alarms)
}

/// The seed of the faults, so that they are the same each time.
const SEED: u64 = 7;

/// The collector, and the reports of earlier ones.
struct Collectors {
    /// `None` while there is none.
    running: Option<Running>,
    udp: SocketAddr,
    http: Option<SocketAddr>,
    /// Critical events stored by earlier collectors.
    alarms: u64,
}

impl Collectors {
    fn start(http: SocketAddr) -> Result<Self, Failure> {
        let running = Self::open((Ipv4Addr::LOCALHOST, 0).into(), http)?;
        let udp = running.udp().first().copied();
        let udp = udp.ok_or_else(|| Failure::new(Exit::Environment, "no address to send to"))?;
        let http = running.http();
        Ok(Self { running: Some(running), udp, http, alarms: 0 })
    }

    fn open(udp: SocketAddr, http: SocketAddr) -> Result<Running, Failure> {
        collect::start(ServerConfig { udp: vec![udp], http: Some(http), ..ServerConfig::default() })
    }

    fn address(&self) -> String {
        self.udp.to_string()
    }

    fn page(&self) -> String {
        self.http.map(|at| format!("http://{at}/")).unwrap_or_default()
    }

    /// Stops the collector, or starts another one in its place.
    fn be_gone(&mut self, gone: bool) -> Outcome {
        match (gone, self.running.take()) {
            (true, Some(running)) => {
                self.alarms += alarms(&running.stop(usize::MAX));
            }
            (false, None) => {
                let http = self.http.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
                self.running = Some(Self::open(self.udp, http)?);
            }
            (_, as_it_is) => self.running = as_it_is,
        }
        Ok(())
    }
}

/// The number of critical events that a collector has stored.
fn alarms(report: &ringstat_collector::Report) -> u64 {
    let stored = report.series.iter().filter(|s| s.name == workload::ALARM);
    stored.map(|s| s.value as u64).sum()
}

/// Takes readings and shows what the collector has, until the time is over or a signal arrives.
fn watch(
    args: &Args,
    client: &Client,
    collectors: &mut Collectors,
    network: Option<&Network>,
    ended: &mpsc::Receiver<()>,
) -> Outcome {
    let mut readings = Readings::new(client);
    let mut screen = Screen::new();
    let mut view = View::new();
    let begun = Instant::now();
    let limit = Duration::from_secs(args.seconds);
    loop {
        let before = Instant::now();
        readings.record();
        client.timing("demo.readings", before.elapsed()).record();
        let left = if limit.is_zero() { ROUND } else { limit.saturating_sub(begun.elapsed()) };
        if left.is_zero() || ended.recv_timeout(left.min(ROUND)).is_ok() {
            break;
        }
        if let Some((plan, network)) = args.fault.as_ref().zip(network) {
            network.cut(plan.is_cut(begun.elapsed(), limit));
            let gone = plan.is_gone(begun.elapsed(), limit);
            // Not while an acknowledgement could be lost with it.
            let stays = gone && collectors.running.is_some() && !is_acknowledged(client);
            collectors.be_gone(gone && !stays)?;
        }
        if !args.json {
            screen.show(&view.frame(begun.elapsed(), client, collectors.running.as_ref()))?;
        }
    }
    collectors.be_gone(false)?;
    Ok(())
}

/// Whether every critical event is acknowledged, or will be within a moment. A collector knows nothing of what earlier
/// ones stored: if one ended with an acknowledgement under way, the next one would store that event again.
fn is_acknowledged(client: &Client) -> bool {
    let deadline = Instant::now() + ROUND / 4;
    let _ = client.flush(ROUND / 4);
    loop {
        if client.snapshot().output.unacknowledged == 0 {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends both sides, waits until everything that was sent has arrived, and compares the accounts.
fn settle(
    args: &Args,
    client: Client,
    collectors: Collectors,
    network: Option<Network>,
    recorded: u64,
) -> Outcome {
    // Once the network recovers, the totals become exact again.
    if let Some(network) = &network {
        network.recover();
        let _ = client.flush(ARRIVAL);
        let _ = client.flush(ARRIVAL);
    }
    let Collectors { running: Some(running), alarms: before, .. } = collectors else {
        return Err(Failure::new(Exit::Environment, "the collector did not come back"));
    };
    let handle = client.clone();
    let client = client.shutdown(ARRIVAL);
    let datagrams_sent = handle.totals().datagrams;
    let deadline = Instant::now() + ARRIVAL;
    let all_in = || network.is_some() || running.report(0).datagrams >= datagrams_sent;
    while !all_in() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let arrived = running.report(usize::MAX);
    let events: u64 = arrived.series.iter().map(view::events).sum();
    let tasks = arrived.series.iter().find(|s| s.name == workload::TASKS.name());
    let tasks = tasks.map_or(0, |s| s.value as u64);
    let alarms = alarms(&arrived) + before;
    let collector = running.stop(0);
    // Events that are not critical are lost with their datagrams; instruments and critical events never are.
    let events_missing = if network.is_some() {
        0
    } else {
        (client.left() - alarms.min(client.left())).abs_diff(events)
    };
    let report = Report {
        client_closes: client.closes(),
        datagrams_sent,
        network: network.map(|network| {
            let report = network.report();
            Simulated {
                offered: report.offered,
                lost: report.lost,
                sent_twice: report.duplicated,
                late: report.reordered,
                failed: report.failed,
            }
        }),
        snapshot: handle.snapshot(),
        critical: (recorded, alarms),
        unaccounted: events_missing
            + workload::TASKS.total().abs_diff(tasks)
            + recorded.abs_diff(alarms),
        client,
        collector,
    };
    if args.json {
        report::print(&report, true, false)?;
    } else {
        println!("\nThe client's ledger:");
        let (ledger_closes, unaccounted) = (report.client_closes, report.unaccounted);
        report::print(&Shown { ledger: client, ledger_closes }, false, false)?;
        println!("\nThe collector's ledger:");
        ledger::print(&report.collector)?;
        if let Some(network) = &report.network {
            println!("\nThe network:");
            report::print(network, false, false)?;
        }
        println!(
            "\n{:32} {:>9} counted, {tasks:>9} at the collector",
            "tasks (a counter)",
            workload::TASKS.total()
        );
        println!(
            "{:32} {recorded:>9} recorded, {alarms:>8} stored, once each",
            "alarms (critical events)"
        );
        println!("unaccounted between the two: {unaccounted}");
    }
    verdict(&report)
}

fn verdict(report: &Report) -> Outcome {
    let Report { client, client_closes, collector, unaccounted, .. } = report;
    if !client_closes || !collector.closes {
        return Err(Failure::new(Exit::Loss, "a ledger does not close: this is a bug in ringstat"));
    }
    // With faults, datagrams are lost on purpose.
    let lost = if report.network.is_some() { 0 } else { collector.lost };
    let missing = client.in_flight + client.dropped.total() + lost + unaccounted;
    if missing > 0 {
        let what = "not everything that was recorded arrived";
        return Err(Failure::new(Exit::Loss, what).hint(
            "Is this machine very busy? The ledgers above say which side lost it, and why.",
        ));
    }
    Ok(())
}
