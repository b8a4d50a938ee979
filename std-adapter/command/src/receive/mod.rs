//! `ringstat receive`: a receiver of a fleet, until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use ringstat_collector::fleet::{ReceiveConfig, Receiving};

use crate::collect::{log, when_ended};
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::fleet::{self, LogArgs, SayArgs};

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat receive --log nats://127.0.0.1:4222
  ringstat receive --log nats://a:4222,nats://b:4222 --replicas 3 --udp 0.0.0.0:8125
  ringstat receive --log nats://127.0.0.1:4222 --data /var/lib/ringstat

Any number of receivers may run; `ringstat work` reads what they publish. Critical events are acknowledged when the \
log has them. What the log does not take waits in memory, and with --data on disk, up to --queue bytes; \
beyond that, datagrams are refused and counted.

Exit codes: 0 everything that was received is in the log or on disk, 1 some was refused or given up, 2 usage, \
3 the port is taken, or there is no log";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Address to receive datagrams on; may be given several times; port 0 takes any free one [default: 127.0.0.1:8125]
    #[arg(long, value_name = "ADDR")]
    udp: Vec<SocketAddr>,
    /// Address to serve /metrics on; port 0 takes any free one [default: 127.0.0.1:9125]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Number of threads that receive; one is enough for most networks [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Refuse lines of StatsD and DogStatsD
    #[arg(long)]
    no_statsd: bool,
    /// Directory for what waits for the log, so that it outlives this receiver; no other one may use it
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Bytes that may wait for the log, in memory and on disk [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    queue: Option<usize>,
    #[command(flatten)]
    say: SayArgs,
    // At the end: what follows flags with a heading appears under that heading.
    #[command(flatten)]
    log: LogArgs,
}

/// Where a receiver is.
#[derive(serde::Serialize, Debug)]
struct Addresses<'a> {
    udp: &'a [SocketAddr],
    http: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let _logging = log::start(args.say.log_form, None);
    let ended = when_ended()?;
    let default = ReceiveConfig::to(args.log.config());
    let receiving = Receiving::start(ReceiveConfig {
        udp: if args.udp.is_empty() { default.udp.clone() } else { args.udp.clone() },
        threads: args.threads.map_or(default.threads, usize::from),
        statsd: !args.no_statsd,
        http: args.http.or(default.http),
        data: args.data.clone(),
        queue_bytes: args.queue.unwrap_or(default.queue_bytes),
        ..default
    });
    let receiving = receiving.map_err(fleet::failure)?;
    let addresses = Addresses { udp: receiving.udp(), http: receiving.http() };
    report::print(&addresses, args.say.json, false)?;
    let _ = ended.recv();
    let account = receiving.stop();
    report::print(&account, args.say.json, false)?;
    match (account.closes, account.queue_full + account.shutdown) {
        (true, 0) => Ok(()),
        (true, _) => Err(Failure::reported(Exit::Verdict)),
        (false, _) => {
            let bug = "the account does not close: this is a bug in ringstat";
            Err(Failure::new(Exit::Verdict, bug))
        }
    }
}
