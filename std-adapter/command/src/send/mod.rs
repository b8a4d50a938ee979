//! `ringstat send`: sends one value, or a file of values, through the client of `ringstat-std`.
//!
//! A file is sent without losing anything on this side: when the client's ring is full, reading waits, and a limited
//! rate keeps the receiver's socket buffer from overflowing. The collector counts what the network loses.

mod feed;
mod report;
mod source;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ringstat_core::format::{PAYLOAD_MAX, PAYLOAD_MIN};
use ringstat_core::record::spill::BLOCK;
use ringstat_core::record::{Kind, Priority};
use ringstat_core::testkit::Faults;
use ringstat_std::{BuildError, Client, ClientConfig};

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::network::Network;
use crate::jsonl::beside::LARGEST;
use crate::jsonl::records::Records;
use crate::settings::Settings;
use feed::Feed;
use report::{Report, Simulated};

/// The default address of a collector.
pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:8125";
/// The largest number of events in the client's ring.
const RING: usize = 8192;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat send room.celsius 21.5 --tag room=kitchen
  ringstat send deploys 1 --kind counter --to metrics.example.org:8125
  ringstat send deploy 'version 1.2 is out' --kind event --priority high
  ringstat send --file events.jsonl          (for the format, see `ringstat encode --help`)
  generate | ringstat send --file - --aggregate --json

`sent` counts events whose arrival the collector has confirmed; `unconfirmed` and `lost` count the others that left.

Exit codes: 0 everything arrived, 1 something did not, or a line was refused, 2 usage, 3 unknown host or no such file";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the record
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    name: Option<String>,
    /// A number; sets and events may have a text instead, and events need no value
    #[arg(conflicts_with = "file", allow_hyphen_values = true)]
    value: Option<String>,
    /// Kind of the record
    #[arg(long, default_value = "gauge", conflicts_with = "file", value_parser = kinds())]
    kind: Kind,
    /// Tag of the record; may be given several times
    #[arg(long = "tag", value_name = "KEY=VALUE", conflicts_with = "file", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// Priority of the record, for when not all can be kept
    #[arg(long, default_value = "normal", conflicts_with = "file", value_parser = priorities())]
    priority: Priority,
    /// Send the records of a file instead, one JSON object per line; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Add up the counters of the file and send their totals, which are exact at the collector even if the network
    /// loses datagrams
    #[arg(long, requires = "file")]
    aggregate: bool,
    /// Largest number of events of the file to send per second; 0 means as fast as possible, which may be too fast for
    /// a receiver with a small socket buffer
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    rate: u32,
    /// Address of the collector, as HOST:PORT or unix://PATH [default: 127.0.0.1:8125]
    #[arg(long, value_name = "ADDR")]
    to: Option<String>,
    /// The largest datagram, in bytes of UDP payload [default: 1472]
    #[arg(long, value_name = "N",
          value_parser = clap::value_parser!(u16).range(PAYLOAD_MIN as i64..=PAYLOAD_MAX as i64))]
    mtu: Option<u16>,
    /// Number of the sender, in hexadecimal; by default, a new one for each run. Set it for commands that run
    /// repeatedly
    #[arg(long, value_name = "ID", value_parser = crate::encode::parse_sender)]
    sender: Option<u64>,
    /// Give up when nothing could be sent for this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
    /// For tests: drop this share of the datagrams, 0 to 1, except for the last flush
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    loss: Option<f64>,
    /// For tests: the seed that decides which datagrams are dropped
    #[arg(long, value_name = "N", default_value_t = 1, requires = "loss")]
    seed: u64,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

fn kinds() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::as_str))
        .map(|name| Kind::ALL.into_iter().find(|k| k.as_str() == name).unwrap_or(Kind::Gauge))
}

fn priorities() -> impl TypedValueParser<Value = Priority> {
    PossibleValuesParser::new(Priority::ALL.map(Priority::as_str))
        .map(|name| Priority::ALL.into_iter().find(|p| p.as_str() == name).unwrap_or_default())
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give KEY=VALUE, as in route=/a")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn parse_share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|e| format!("{e}"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("from 0 to 1".into()) }
}

pub(crate) fn run(args: &Args, settings: Settings) -> Outcome {
    let to = args.to.clone().unwrap_or(settings.to);
    let timeout = Duration::from_secs(args.timeout);
    let faults = |loss| Faults { loss, ..Faults::NONE };
    let lossy = args.loss.map(|loss| Network::new(&to, faults(loss), args.seed)).transpose()?;
    let client = connect(args, &to, settings.client, lossy.as_ref())?;
    let mut feed =
        Feed::new(&client, RING, if args.file.is_some() { args.rate } else { 0 }, timeout);
    let mut refused = 0;
    match &args.file {
        Some(path) => {
            let mut records = Records::open(path)?;
            source::send_file(&mut records, &mut feed, args.aggregate)?;
            refused = records.refused();
        }
        None => {
            let (event, beside) =
                source::single(args).map_err(|why| Failure::new(Exit::Usage, why))?;
            feed.event(&event, &beside)?;
        }
    }
    let (counters, increments) = (feed.counters(), feed.increments());
    close(&client, lossy.as_ref(), timeout);
    let (identity, overflowed) = (client.identity(), client.overflowed_instruments());
    let totals = client.clone();
    let ledger = client.shutdown(timeout);
    let totals = totals.totals();
    let report = Report {
        to,
        sender: format!("{:016x}", identity.sender),
        ledger,
        ledger_closes: ledger.closes(),
        counters,
        increments,
        datagrams: totals.datagrams,
        bytes: totals.bytes,
        failed_datagrams: totals.failed,
        refused: refused + overflowed,
        simulated: lossy.map(|lossy| {
            let report = lossy.report();
            Simulated { offered: report.offered, lost: report.lost }
        }),
    };
    crate::common::report::print(&report, args.json, false)?;
    report.verdict()
}

fn connect(
    args: &Args,
    to: &str,
    config: ClientConfig,
    lossy: Option<&Network>,
) -> Result<Client, Failure> {
    let payload = args.mtu.map_or(config.payload, usize::from);
    // Only the user's records are sent, and no metrics of the client's own.
    let builder = Client::builder(to)
        .config(config)
        .report_interval(None)
        .payload(payload)
        .shard_events(RING)
        .shared_events(RING)
        // One thread records; each event has room for its text and tags, however long.
        .shards(1)
        .tag_memory(RING * LARGEST * BLOCK)
        // Every flush carries all totals: the last one makes up for whatever was lost.
        .flush_interval(Duration::from_millis(500))
        .refresh_interval(Duration::from_millis(500))
        .max_instruments(1 << 20);
    let builder = if args.sender.is_some() { builder.sender(args.sender) } else { builder };
    let client = match lossy {
        Some(lossy) => builder.build_with(lossy.clone()),
        None => builder.build(),
    };
    client.map_err(|e| {
        let exit = match e {
            BuildError::Config(_) => Exit::Usage,
            _ => Exit::Environment,
        };
        let hint = match e {
            BuildError::Resolve { .. } => "`getent hosts NAME` shows what this machine knows.",
            BuildError::Socket(_) => "Is there a route to it? `ip route get ADDRESS` shows it.",
            _ => "",
        };
        Failure::new(exit, e).hint(hint)
    })
}

/// Sends what is left over the bad network; the datagrams that tell the collector how much there was are sent over a
/// good one.
fn close(client: &Client, lossy: Option<&Network>, timeout: Duration) {
    // What is not sent in time is in the ledger, which decides.
    let _ = client.flush(timeout);
    if let Some(lossy) = lossy {
        lossy.recover();
    }
}
