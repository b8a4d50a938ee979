//! `ringstat collect`: runs a collector until it is stopped, then prints its ledger.

mod live;
pub(crate) mod log;
mod out;
pub(crate) mod outputs;
mod supervisor;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use ringstat_collector::{
    DataConfig, Distributions, GaugeSign, Limits, OutputError, Running, Server, ServerConfig,
    StartError,
};

use serde::{Deserialize, Serialize};

use crate::bridge::{BAUD, Bridge};
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::{ledger, report};
use crate::health::reachable;
use crate::settings::Collector;
use live::Live;
use out::Out;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat collect
  ringstat collect --udp 0.0.0.0:8125 --http 0.0.0.0:9125 --max-senders 1000
  ringstat collect --udp 127.0.0.1:0 --http 127.0.0.1:0 --json
  RUST_LOG=warn ringstat collect --log json
  ringstat collect --data /var/lib/ringstat
  ringstat collect --remote-write http://127.0.0.1:9090/api/v1/write
  ringstat collect --map rules.toml
  ringstat collect --relay ringstat://central:8125 --relay statsd://graphite:8125?aggregate=10s

Lines of StatsD and DogStatsD are taken on the same addresses. They have no numbers, so what the network loses of \
them is unknown.

Without --data everything is in memory, and a restart forgets it. With it, acknowledged critical events \
are on disk and count once over all restarts; of the rest, a crash loses at most the last second and counts it as lost.

Datagrams are protected against damage, not against forgery: listen only where trusted machines send.

Exit codes: 0 the ledger closes (including what the network lost), 1 it does not, 2 usage, \
3 the port is taken, or the data cannot be used";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Address to receive datagrams on; may be given several times; port 0 takes any free one [default: 127.0.0.1:8125]
    #[arg(long, value_name = "ADDR")]
    udp: Vec<SocketAddr>,
    /// Serial port of a chip without a network, at 115200 bits a second; may be given several times. `ringstat bridge`
    /// does the same in a process of its own
    #[arg(long, value_name = "PORT")]
    serial: Vec<String>,
    /// Path of a Unix datagram socket to receive on as well; may be given several times. Clients send to unix://PATH
    #[arg(long, value_name = "PATH")]
    unix: Vec<PathBuf>,
    /// Refuse lines of StatsD and DogStatsD, which are otherwise taken on every address
    #[arg(long, conflicts_with = "statsd_gauges")]
    no_statsd: bool,
    /// What the sign of a gauge means in a line of StatsD: by-line takes `-3` as a change, but as the value in lines with
    /// DogStatsD's tags, container or time [default: by-line]
    #[arg(long, value_enum, value_name = "SIGN")]
    statsd_gauges: Option<Sign>,
    /// Address to serve the page, /metrics and /health on; port 0 takes any free one [default: 127.0.0.1:9125]
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// Number of threads that receive [default: the number of cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Largest number of senders; datagrams of others are refused [default: 10000]
    #[arg(long, value_name = "N")]
    max_senders: Option<usize>,
    /// Largest number of series; records beyond it go to the series ringstat.overflow [default: 100000]
    #[arg(long, value_name = "N")]
    max_series: Option<usize>,
    /// Largest number of series of one sender [default: 20000]
    #[arg(long, value_name = "N")]
    max_series_per_sender: Option<usize>,
    /// Memory for everything that is kept, in bytes [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<usize>,
    /// Largest answer to /metrics, in bytes; series beyond it are left out and counted [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    max_page: Option<usize>,
    /// Seconds of silence after which senders are forgotten [default: 600]
    #[arg(long, value_name = "SECONDS")]
    idle: Option<u64>,
    /// Seconds after which a series that has not changed is forgotten, unless its sender is alive [default: 600]
    #[arg(long, value_name = "SECONDS")]
    series_ttl: Option<u64>,
    /// Directory to keep everything in, so that a restart forgets nothing: at most a second of what is not critical is
    /// lost in a crash, and counted as lost; critical events are acknowledged when they are on disk
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// With --data: put a damaged file aside and begin with what is left, instead of refusing to start
    #[arg(long)]
    recover: bool,
    /// Rules in TOML that rename, drop, relabel and add up series; `ringstat map check` says whether they are sound
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// Show timings and distributions as summaries, with quantiles of the last five minutes, instead of histograms
    #[arg(long)]
    summaries: bool,
    /// Form of the log on standard error; RUST_LOG sets what is logged, as in RUST_LOG=warn
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    log: log::Form,
    #[cfg(all(unix, feature = "pprof"))]
    #[command(flatten)]
    pprof: crate::common::pprof::Pprof,
    /// Print the addresses at the start and the ledger at the end, each as one line of JSON
    #[arg(long)]
    json: bool,
    // At the end: what follows flags with a heading appears under that heading.
    #[command(flatten)]
    outputs: outputs::OutputArgs,
}

/// What the sign of a gauge's value means.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sign {
    /// A change, except for a minus in a line of DogStatsD
    #[default]
    ByLine,
    /// A change, as for Etsy's server and Telegraf
    Change,
    /// The sign of the value, as for the Datadog agent
    Value,
}

impl From<Sign> for GaugeSign {
    fn from(sign: Sign) -> Self {
        match sign {
            Sign::ByLine => Self::ByLine,
            Sign::Change => Self::Change,
            Sign::Value => Self::Value,
        }
    }
}

/// The addresses of a collector.
#[derive(Serialize, Debug)]
struct Addresses<'a> {
    udp: &'a [SocketAddr],
    http: Option<SocketAddr>,
}

pub(crate) fn run(args: &Args, settings: Collector) -> Outcome {
    // In a terminal there is a live view; in a pipe, or with --json, the log.
    let latest = (!args.json && Live::is_possible()).then(log::Latest::default);
    let _logging = log::start(args.log, latest.as_ref());
    #[cfg(all(unix, feature = "pprof"))]
    let _profiling = args.pprof.start()?;
    let mapping = args.map.as_ref().or(settings.map.as_ref());
    let mapping = mapping.map(|file| crate::map::load(file)).transpose()?;
    let ended = when_ended()?;
    let (limits, threads) = (settings.limits(), settings.threads());
    // To say what a sign means is to want lines.
    let takes_lines = !args.no_statsd && (settings.statsd || args.statsd_gauges.is_some());
    let running = start(ServerConfig {
        udp: if args.udp.is_empty() { settings.udp } else { args.udp.clone() },
        unix: if args.unix.is_empty() { settings.unix } else { args.unix.clone() },
        threads: args.threads.map_or(threads, usize::from),
        statsd: takes_lines.then(|| args.statsd_gauges.unwrap_or(settings.statsd_gauges).into()),
        http: Some(args.http.unwrap_or(settings.http)),
        limits: Limits {
            senders: args.max_senders.unwrap_or(limits.senders),
            series: args.max_series.unwrap_or(limits.series),
            series_per_sender: args.max_series_per_sender.unwrap_or(limits.series_per_sender),
            bytes: args.max_bytes.unwrap_or(limits.bytes),
            page: args.max_page.unwrap_or(limits.page),
            idle: args.idle.map_or(limits.idle, Duration::from_secs),
            series_ttl: args.series_ttl.map_or(limits.series_ttl, Duration::from_secs),
        },
        distributions: if args.summaries {
            Distributions::Summaries
        } else {
            settings.distributions
        },
        data: data(args, settings.data)?,
        outputs: args.outputs.apply(settings.outputs),
        mapping,
    })?;
    let out = Out::new();
    out.text(beginning(&running, args.json)?);
    let bridge = bridge(args, &running)?;
    supervisor::wait(&ended, &running, &out, latest.map(Live::new));
    end_in_time();
    drop(bridge.map(Bridge::end));
    let ledger = running.stop(0);
    let text = if args.json { report::render(&ledger, true)? } else { ledger::render(&ledger) };
    out.text(text.clone());
    match out.end(PATIENCE) {
        Some(written) => written?,
        // Nobody reads it there.
        None => eprint!("{text}"),
    }
    if !ledger.closes {
        return Err(Failure::new(
            Exit::Verdict,
            "the ledger does not close: this is a bug in ringstat",
        ));
    }
    Ok(())
}

/// How long standard output may take for the ledger.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is printed first: where the collector is.
fn beginning(running: &Running, json: bool) -> Result<String, Failure> {
    if json {
        let addresses = Addresses { udp: running.udp(), http: running.http() };
        return Ok(report::render(&addresses, true)?);
    }
    let mut text = String::new();
    let buffer = running.receive_buffer() >> 10;
    for udp in running.udp() {
        text += &format!("datagrams  {udp}  (receive buffer: {buffer} KiB)\n");
    }
    if let Some(http) = running.http() {
        text += &format!("page       http://{http}/  (also /metrics and /health)\n");
    }
    Ok(text + "Ctrl-C ends it.\n")
}

/// Where data is kept.
fn data(args: &Args, set: Option<PathBuf>) -> Result<Option<DataConfig>, Failure> {
    let Some(dir) = args.data.clone().or(set) else {
        let needless = args.recover.then(|| Failure::new(Exit::Usage, "--recover needs --data"));
        return needless.map_or(Ok(None), Err);
    };
    Ok(Some(DataConfig { recover: args.recover, ..DataConfig::new(dir) }))
}

/// Carries the serial ports, if there are any, to the collector's own first address.
fn bridge(args: &Args, running: &Running) -> Result<Option<Bridge>, Failure> {
    if args.serial.is_empty() {
        return Ok(None);
    }
    let own = running.udp().first().copied().ok_or_else(|| {
        Failure::new(Exit::Usage, "the datagrams of serial ports need an address to go to")
            .hint("Give one: `--udp 127.0.0.1:8125`.")
    })?;
    let mut bridge = Bridge::new(reachable(own));
    for port in &args.serial {
        bridge.serial(port, BAUD)?;
    }
    Ok(Some(bridge))
}

/// Exits soon after a signal, even if standard output accepts nothing any more.
fn end_in_time() {
    std::thread::spawn(|| {
        std::thread::sleep(Duration::from_secs(4));
        eprintln!("the ledger could not be printed in time");
        std::process::exit(Exit::Environment as i32);
    });
}

/// Starts a collector.
pub(crate) fn start(config: ServerConfig) -> Result<Running, Failure> {
    Server::start(config).map_err(cannot_start)
}

/// The failure for a collector that does not start, with advice.
pub(crate) fn cannot_start(error: StartError) -> Failure {
    let hint = match &error {
        StartError::Udp(at, _) => {
            format!("`ss -lunp sport = :{}` shows who has it.", at.port())
        }
        StartError::Unix(path, _) => {
            format!("`ss -xlp src {}` shows who has it.", path.display())
        }
        StartError::Http(at, _) => {
            format!("`ss -ltnp sport = :{}` shows who has it.", at.port())
        }
        StartError::Data(e) => crate::data::hint(e),
        StartError::Output(OutputError::Feature(name)) => {
            format!(
                "Released binaries have it, and so has `cargo install ringstat --features {name}`."
            )
        }
        StartError::Output(_) => "`ringstat collect --help` shows how outputs are given.".into(),
        _ => "`ulimit -a` shows what this user may have.".into(),
    };
    Failure::new(Exit::Environment, error).hint(hint)
}

/// Returns a channel that reports SIGINT, SIGTERM and SIGHUP.
pub(crate) fn when_ended() -> Result<mpsc::Receiver<()>, Failure> {
    let (tell, ended) = mpsc::channel();
    let handler = move || {
        // If nobody listens any more, the command is about to end anyway.
        let _ = tell.send(());
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Failure::new(Exit::Environment, format_args!("cannot hear signals: {e}")))?;
    Ok(ended)
}
