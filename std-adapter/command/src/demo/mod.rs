//! `ringstat demo`: the whole path in one process, fed with this machine's own readings.
//!
//! A collector and a client communicate over loopback; one thread takes readings, others record their work, and at the
//! end both sides must agree on every event.

mod collectors;
mod fault;
#[cfg(feature = "nats")]
mod fleet;
mod readings;
mod settle;
mod view;
mod workload;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ringstat_std::{Client, Recorder};

use crate::collect;
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::network::Network;
use crate::common::report;
use crate::common::screen::Screen;
use crate::settings::Settings;
use collectors::Collectors;
use fault::Plan;
use readings::Readings;
use view::View;

/// The interval at which readings are taken and the table is redrawn.
const ROUND: Duration = Duration::from_secs(1);
/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat demo
  ringstat demo --seconds 0 --http 127.0.0.1:9125
  ringstat demo --seconds 5 --json
  ringstat demo --fleet                  (needs nats-server, and the feature `nats`)

Exit codes: 0 both ledgers close and every event arrived, 1 otherwise, 2 usage, 3 no free port, or no nats-server";

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
    /// Run a fleet instead, each part a process of its own: nats-server, two receivers, two workers, and senders
    #[cfg(feature = "nats")]
    #[arg(long, conflicts_with_all = ["fault", "http"])]
    fleet: bool,
    /// Print the address of the page at the start and both ledgers at the end, each as one line of JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, settings: Settings) -> Outcome {
    #[cfg(feature = "nats")]
    if args.fleet {
        return fleet::run(args);
    }
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
    settle::settle(args, client, collectors, network, alarms)
}

/// The seed of the faults, so that they are the same each time.
const SEED: u64 = 7;

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
