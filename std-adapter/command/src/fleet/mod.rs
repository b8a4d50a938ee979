//! `ringstat fleet`: a fleet at a glance; and what all its parts have in common on the command line: the log.

use std::path::PathBuf;
use std::time::Duration;

use ringstat_collector::StartError;
use ringstat_collector::fleet::{
    FleetError, LogConfig, ReceiverStatus, ShardStatus, WorkerStatus, status,
};

use crate::collect::{cannot_start, log};
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::{report, table};

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat fleet status --log nats://127.0.0.1:4222
  ringstat fleet status --log nats://127.0.0.1:4222 --json

Exit codes: 0 every shard has a worker, 1 some have none, 2 usage, 3 there is no log, or no fleet in it";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Show each shard: its worker, what is in its stream, and how far its snapshot goes; and each receiver and worker: its
    /// rates, what waits, and what was lost where
    Status {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        log: LogArgs,
    },
}

pub(crate) fn run(args: &Args) -> Outcome {
    let What::Status { log, json } = &args.what;
    let fleet = status(&log.config(), Duration::from_secs(1)).map_err(failure)?;
    if *json {
        report::print(&fleet, true, false)?;
    } else {
        let columns = ["shard", "worker", "messages/s", "last", "saved", "unsaved", "log MiB"];
        let rows: Vec<_> = fleet.shards.iter().map(row).collect();
        println!("{}", table::render(&columns, &rows, 2));
        let columns =
            ["receiver", "received/s", "logged/s", "waiting", "refused", "kernel drops", "retries"];
        let rows: Vec<_> = fleet.receivers.iter().map(of_receiver).collect();
        println!("{}", table::render(&columns, &rows, 1));
        let columns = [
            "worker", "shards", "read/s", "stored/s", "lag", "lost", "repeated", "refused",
            "missing",
        ];
        let rows: Vec<_> = fleet.workers.iter().map(of_worker).collect();
        println!("{}", table::render(&columns, &rows, 1));
    }
    if fleet.shards.iter().all(|shard| shard.worker.is_some()) {
        Ok(())
    } else {
        Err(Failure::reported(Exit::Verdict))
    }
}

fn row(of: &ShardStatus) -> Vec<String> {
    vec![
        of.shard.to_string(),
        of.worker.clone().unwrap_or_else(|| "none".into()),
        format!("{:.0}", of.rate),
        of.last.to_string(),
        of.saved.to_string(),
        of.last.saturating_sub(of.saved).to_string(),
        format!("{:.1}", of.bytes as f64 / f64::from(1 << 20)),
    ]
}

/// Datagrams: how many come and go on, and what became of the others.
fn of_receiver(of: &ReceiverStatus) -> Vec<String> {
    let report = &of.report;
    let refused = report.malformed + report.queue_full + report.shutdown;
    let counts = [report.waiting, refused, report.kernel_drops, report.failures];
    let rates = [of.received_rate, of.logged_rate].map(|rate| format!("{rate:.0}"));
    let counts = counts.map(|n| n.to_string());
    [of.name.clone()].into_iter().chain(rates).chain(counts).collect()
}

/// Datagrams and records, but for the lag and what is missing, which are messages.
fn of_worker(of: &WorkerStatus) -> Vec<String> {
    let report = &of.report;
    let counts = [
        report.lag_messages,
        report.lost + report.outstanding,
        report.duplicates,
        report.refused + report.too_late,
        report.missing_messages,
    ];
    let rates = [of.datagram_rate, of.stored_rate].map(|rate| format!("{rate:.0}"));
    let head = [of.name.clone(), report.shards.to_string()];
    head.into_iter().chain(rates).chain(counts.map(|n| n.to_string())).collect()
}

/// Form of what is said, for the parts that run.
#[derive(clap::Args, Debug)]
pub(crate) struct SayArgs {
    /// Form of what is logged on standard error; RUST_LOG sets what that is, as in RUST_LOG=warn
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    pub(crate) log_form: log::Form,
    /// Print the addresses at the start, and the account at the end if there is one, each as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The flags for the log of a fleet.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// URL of a broker of NATS JetStream, or several with commas between them: nats://HOST:4222, tls://HOST:4222
    #[arg(long, value_name = "URL")]
    log: String,
    /// File with credentials for it, as `nsc` makes them
    #[arg(long, value_name = "FILE")]
    log_credentials: Option<PathBuf>,
    /// File with certificates in PEM, to verify the broker by, instead of the system's authorities
    #[arg(long, value_name = "FILE")]
    log_ca_file: Option<PathBuf>,
    /// Number of shards: fixed when the fleet begins [default: what the fleet has, and 64 for a new one]
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// How many brokers of a cluster keep each message, for streams that do not exist yet [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
    /// Largest size of a shard's stream in bytes, for streams that do not exist yet; the broker reserves that much for each [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    shard_bytes: Option<u64>,
}

impl LogArgs {
    pub(crate) fn config(&self) -> LogConfig {
        let default = LogConfig::at(&*self.log);
        LogConfig {
            credentials: self.log_credentials.clone(),
            ca_file: self.log_ca_file.clone(),
            shards: self.shards,
            replicas: self.replicas.map_or(default.replicas, usize::from),
            max_bytes: self.shard_bytes.unwrap_or(default.max_bytes),
            ..default
        }
    }
}

/// The failure for a part of a fleet that does not start, with advice.
pub(crate) fn failure(error: FleetError) -> Failure {
    let hint = match error {
        FleetError::Start(StartError::Thread(e)) => return cannot_start(StartError::Thread(e)),
        FleetError::Start(e) => return cannot_start(e),
        FleetError::Log { .. } => {
            "`nats-server -js -sd DIR` starts a broker on port 4222; Debian has it as nats-server."
        }
        FleetError::Shards { .. } | FleetError::Range(_) => "Leave out --shards.",
        _ => "Update this program.",
    };
    Failure::new(Exit::Environment, error).hint(hint)
}
