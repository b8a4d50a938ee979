//! The end of the demo: both sides stop, and their accounts must agree.

use std::time::{Duration, Instant};

use ringstat_std::{Client, Instrument, Ledger, Snapshot};

use super::collectors::{self, Collectors};
use super::{Args, view, workload};
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::network::Network;
use crate::common::{ledger, report};

/// The longest time that what was sent may take to reach the collector in this process.
const ARRIVAL: Duration = Duration::from_secs(5);

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

/// Ends both sides, waits until everything that was sent has arrived, and compares the accounts.
pub(super) fn settle(
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
    let alarms = collectors::alarms(&arrived) + before;
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
        return Err(Failure::new(
            Exit::Verdict,
            "a ledger does not close: this is a bug in ringstat",
        ));
    }
    // With faults, datagrams are lost on purpose.
    let lost = if report.network.is_some() { 0 } else { collector.lost };
    let missing = client.in_flight + client.dropped.total() + lost + unaccounted;
    if missing > 0 {
        let what = "not everything that was recorded arrived";
        return Err(Failure::new(Exit::Verdict, what).hint(
            "Is this machine very busy? The ledgers above say which side lost it, and why.",
        ));
    }
    Ok(())
}
