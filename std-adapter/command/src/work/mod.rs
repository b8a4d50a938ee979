//! `ringstat work`: a worker of a fleet, until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use ringstat_collector::Distributions;
use ringstat_collector::fleet::{WorkConfig, Working};

use crate::collect::outputs::RemoteWriteArgs;
use crate::collect::{log, when_ended};
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::fleet::{self, LogArgs, SayArgs};
use crate::settings::Collector;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat work --log nats://127.0.0.1:4222 --name a \\
    --remote-write http://127.0.0.1:8428/api/v1/write
  ringstat work --log nats://127.0.0.1:4222 --name b --http 127.0.0.1:9127

Workers share the shards of a fleet evenly, and take over those of a worker that is gone. All need the same limits, \
rules and intervals; the collector's settings apply to each shard. The time of samples is the log's.

Exit codes: 0 all shards were handed over, 1 some were not, and others take them over, 2 usage, \
3 the port is taken, or there is no log";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of this worker, which no other has
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Address to serve /metrics on; port 0 takes any free one [default: 127.0.0.1:9126]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Number of threads that read shards [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Rules in TOML that rename, drop, relabel and add up series
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Show timings and distributions as summaries with quantiles instead of histograms
    #[arg(long)]
    summaries: bool,
    #[command(flatten)]
    say: SayArgs,
    // At the end: what follows flags with a heading appears under that heading.
    #[command(flatten)]
    remote_write: RemoteWriteArgs,
    #[command(flatten)]
    log: LogArgs,
}

/// Where a worker is.
#[derive(serde::Serialize, Debug)]
struct Address {
    http: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args, settings: Collector) -> Outcome {
    let _logging = log::start(args.say.log_form, None);
    let ended = when_ended()?;
    let mapping = args.map.as_ref().or(settings.map.as_ref());
    let mapping = mapping.map(|file| crate::map::load(file)).transpose()?;
    let default = WorkConfig::of(&*args.name, args.log.config());
    let limits = settings.limits();
    let mut outputs = settings.outputs;
    args.remote_write.apply(&mut outputs);
    // A series must not change its name with its worker.
    outputs.remote_write_labels.entry("instance".into()).or_default();
    let working = Working::start(WorkConfig {
        threads: args.threads.map_or(default.threads, usize::from),
        http: args.http.or(default.http),
        limits,
        mapping,
        distributions: if args.summaries {
            Distributions::Summaries
        } else {
            settings.distributions
        },
        remote_write: outputs.config().remote_write,
        ..default
    });
    let working = working.map_err(fleet::failure)?;
    report::print(&Address { http: working.http() }, args.say.json, false)?;
    let _ = ended.recv();
    if working.stop() { Ok(()) } else { Err(Failure::reported(Exit::Verdict)) }
}
