//! `ringstat demo`: the whole path in one process, fed with this machine's own readings.
//!
//! A collector and a client talk over loopback; one thread takes readings, others record what they do, and at the end
//! both sides must agree on every event.

mod readings;
mod screen;
mod view;
mod workload;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringstat_collector::{Config, Limits, Running};
use ringstat_std::{Client, Instrument, Ledger, Recorder};

use crate::collect;
use crate::failure::{Exit, Failure, Outcome};
use crate::ledger;
use crate::report;
use readings::Readings;
use screen::Screen;
use view::View;

/// The readings are taken, and the table is redrawn, so often.
const ROUND: Duration = Duration::from_secs(1);
/// How long what was sent may take to the collector, in this very process.
const ARRIVAL: Duration = Duration::from_secs(5);

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How long; 0: until Ctrl-C
    #[arg(long, value_name = "N", default_value_t = 15)]
    seconds: u64,
    /// Where the page is to be; port 0: any that is free
    #[arg(long, value_name = "ADDR", default_value_t = (Ipv4Addr::LOCALHOST, 0).into())]
    http: SocketAddr,
    /// The address of the page first, and both ledgers at the end, each as one JSON object in a line
    #[arg(long)]
    json: bool,
}

/// What both sides say.
#[derive(serde::Serialize, Debug)]
struct Report {
    client: Ledger,
    client_closes: bool,
    datagrams_sent: u64,
    /// Events that the client sent and the collector does not have, or the other way round; and by how much the
    /// totals of a counter differ.
    unaccounted: u64,
    collector: ringstat_collector::Report,
}

/// The client's ledger for a person.
#[derive(serde::Serialize, Debug)]
struct Shown {
    #[serde(flatten)]
    ledger: Ledger,
    ledger_closes: bool,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let ended = collect::when_ended()?;
    let running = collect::start(Config {
        udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        http: Some(args.http),
        limits: Limits::default(),
    })?;
    let to = running.udp().first().map(ToString::to_string).unwrap_or_default();
    let client = Client::builder(to)
        .instruments(workload::INSTRUMENTS)
        .flush_interval(ROUND / 2)
        .build()
        .map_err(|e| Failure::new(Exit::Environment, e))?;
    let page = running.http().map(|at| format!("http://{at}/")).unwrap_or_default();
    if args.json {
        report::print(&serde_json::json!({ "page": page }), true, false)?;
    } else {
        println!("The page is at {page} (/metrics and /health are there, too).");
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..workload::THREADS {
            let (client, stop) = (&client, &stop);
            scope.spawn(move || workload::work(client, thread, stop));
        }
        let shown = watch(args, &client, &running, &ended);
        stop.store(true, Ordering::Relaxed);
        shown
    })?;
    settle(args, client, running)
}

/// Takes readings and shows what the collector has, until the time is over or somebody ends it.
fn watch(
    args: &Args,
    client: &Client,
    running: &Running,
    ended: &mpsc::Receiver<()>,
) -> std::io::Result<()> {
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
            return Ok(());
        }
        if !args.json {
            screen.show(&view.frame(begun.elapsed(), client, running))?;
        }
    }
}

/// Ends both sides, waits until everything that was sent has arrived, and compares.
fn settle(args: &Args, client: Client, running: Running) -> Outcome {
    let handle = client.clone();
    let client = client.shutdown(ARRIVAL);
    let datagrams_sent = handle.totals().datagrams;
    let deadline = Instant::now() + ARRIVAL;
    while running.report(0).datagrams < datagrams_sent && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let arrived = running.report(usize::MAX);
    let events: u64 = arrived.series.iter().map(view::events).sum();
    let tasks = arrived.series.iter().find(|s| s.name == workload::TASKS.name());
    let tasks = tasks.map_or(0, |s| s.value as u64);
    let collector = running.stop(0);
    let report = Report {
        client_closes: client.closes(),
        datagrams_sent,
        unaccounted: client.sent.abs_diff(events) + workload::TASKS.total().abs_diff(tasks),
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
        println!("\nunaccounted between the two: {unaccounted}");
    }
    verdict(&report)
}

fn verdict(report: &Report) -> Outcome {
    let Report { client, client_closes, collector, unaccounted, .. } = report;
    if !client_closes || !collector.closes {
        return Err(Failure::new(Exit::Loss, "a ledger does not close: this is a bug in ringstat"));
    }
    let missing = client.in_flight + client.dropped.total() + collector.lost + unaccounted;
    if missing > 0 {
        let what = "not everything that was recorded arrived";
        return Err(Failure::new(Exit::Loss, what).hint(
            "Is this machine very busy? The ledgers above say which side lost it, and why.",
        ));
    }
    Ok(())
}
