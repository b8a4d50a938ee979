//! `ringstat encode`: packs JSON lines into datagrams, and reports what they cost.

mod pack;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ringstat_core::format::{PAYLOAD_ETHERNET, PAYLOAD_MAX, PAYLOAD_MIN};
use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::jsonl::records::Records;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = r#"A line holds one record:
  {"kind":"timing","name":"http.request","value":12.5,"tags":{"route":"/a"},
   "timestamp_ns":1790000000000000000,"priority":"high","rate":10}

  kind          counter, gauge, timing (in milliseconds), distribution, set, event;
                for an instrument's state total, level, buckets (as `decode` prints them);
                or datagram, with a header: the records that follow are packed under that header
  value         a number; sets and events may have a text; an event needs none
  tags          {"key":"value"}, or [["key","value"]] if a key occurs twice
  timestamp_ns  nanoseconds since 1970; default: now
  priority      low, normal, high, critical; default: normal
  rate          how many records this one stands for, from 1 up; default: 1
  id            the number under which the event is to be acknowledged; default: not at all

Examples:
  ringstat encode events.jsonl
  ringstat encode events.jsonl --mtu 8972 --json
  ringstat encode events.jsonl --out - | ringstat decode -
  ringstat decode --headers capture.pcap | ringstat encode - --out -

Exit codes: 0 all packed, 1 some lines refused, 2 usage, 3 a file cannot be read or written"#;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// File of JSON lines to read; `-` is standard input
    file: PathBuf,
    /// The largest datagram, in bytes of UDP payload: 1472 fits Ethernet, 1232 any IPv6 path, 8972 jumbo frames
    #[arg(long, value_name = "N", default_value_t = PAYLOAD_ETHERNET as u16,
          value_parser = clap::value_parser!(u16).range(PAYLOAD_MIN as i64..=PAYLOAD_MAX as i64))]
    mtu: u16,
    /// File to write the datagrams to, in hexadecimal, one a line; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The sender that the datagrams name, in hexadecimal [default: that of the header before the records, or 0]
    #[arg(long, value_name = "ID", value_parser = parse_sender)]
    sender: Option<u64>,
    /// The epoch of that sender, which numbers its runs [default: that of the header before the records, or 0]
    #[arg(long, value_name = "N")]
    epoch: Option<u32>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn parse_sender(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16)
        .map_err(|e| format!("{e}: up to 16 hexadecimal digits"))
}

/// What was packed.
#[derive(Default, Serialize, Debug)]
struct Report {
    events: u64,
    states: u64,
    datagrams: u64,
    bytes: u64,
    bytes_per_event: f64,
    largest: usize,
    mtu: u16,
    refused: u64,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut records = Records::open(&args.file)?;
    let mut out = args.out.as_deref().map(create).transpose()?;
    let mut report = Report { mtu: args.mtu, ..Report::default() };
    pack::pack(args, &mut records, &mut report, |datagram| match &mut out {
        Some(out) => writeln!(out, "{}", hex::encode(datagram)),
        None => Ok(()),
    })?;
    if let Some(mut out) = out {
        out.flush()?;
    }
    report.refused = records.refused();
    let records = report.events + report.states;
    report.bytes_per_event = if records == 0 { 0.0 } else { report.bytes as f64 / records as f64 };
    // If the datagrams are on standard output, the report goes to standard error.
    report::print(&report, args.json, args.out.as_deref() == Some(Path::new("-")))?;
    if report.refused > 0 {
        return Err(Failure::reported(Exit::Verdict));
    }
    Ok(())
}

fn create(path: &Path) -> Result<Box<dyn Write>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let file = File::create(path).map_err(|e| Failure::file("create", path, &e))?;
    Ok(Box::new(BufWriter::new(file)))
}
