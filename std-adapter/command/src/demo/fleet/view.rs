//! What the demo shows of a fleet: a row for each part.

use std::time::Duration;

use ringstat_collector::fleet::FleetStatus;

use crate::common::screen::Frame;

/// The state of a fleet at the time `since` the start.
pub(super) fn frame(since: Duration, fleet: &FleetStatus) -> Frame {
    let mut rows = Vec::new();
    for of in &fleet.receivers {
        let (part, report) = (format!("receiver {}", of.name), &of.report);
        let refused = report.malformed + report.queue_full + report.kernel_drops;
        let counts = [report.received, report.waiting, refused];
        rows.push(row(part, of.received_rate, counts));
    }
    for of in &fleet.workers {
        let (part, report) = (format!("{} ({} shards)", of.name, of.report.shards), &of.report);
        let counts = [report.datagrams, report.lag_messages, report.lost + report.missing_messages];
        rows.push(row(part, of.datagram_rate, counts));
    }
    let bytes: u64 = fleet.shards.iter().map(|shard| shard.bytes).sum();
    let owned = fleet.shards.iter().filter(|shard| shard.worker.is_some()).count();
    let log = format!(
        "{owned} of {} shards have a worker; the log has {:.1} MiB",
        fleet.shards.len(),
        bytes as f64 / f64::from(1 << 20)
    );
    Frame {
        line: format!("{:4.0} s: {log}; {}", since.as_secs_f64(), line(fleet)),
        title: vec![String::new(), log],
        columns: &["part", "datagrams/s", "datagrams", "waiting", "lost or refused"],
        texts: 1,
        rows,
    }
}

fn row(part: String, rate: f64, counts: [u64; 3]) -> Vec<String> {
    let counts = counts.map(|n| n.to_string());
    [part, format!("{rate:.0}")].into_iter().chain(counts).collect()
}

fn line(fleet: &FleetStatus) -> String {
    let received: u64 = fleet.receivers.iter().map(|of| of.report.received).sum();
    let read: u64 = fleet.workers.iter().map(|of| of.report.datagrams).sum();
    format!("{received} datagrams received, {read} read")
}
