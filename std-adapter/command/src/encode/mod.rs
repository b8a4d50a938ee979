//! `ringstat encode`: JSON lines into datagrams, and what they cost.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use ringstat_core::format::{
    Header, PAYLOAD_ETHERNET, PAYLOAD_MAX, PAYLOAD_MIN, Packer, Prologue, Refused,
};
use ringstat_core::record::NoNames;
use ringstat_core::wire::Encoder;
use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::jsonl::line::Refusal;
use crate::jsonl::records::{Item, Records, now_ns};

/// Room for texts: nearly the longest that the wire carries.
const INLINE: usize = 255;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// JSON lines; `-` is standard input
    file: PathBuf,
    /// The largest datagram, in bytes of UDP payload: 1472 fits Ethernet, 1232 any IPv6 path, 8972 jumbo frames
    #[arg(long, value_name = "N", default_value_t = PAYLOAD_ETHERNET as u16,
          value_parser = clap::value_parser!(u16).range(PAYLOAD_MIN as i64..=PAYLOAD_MAX as i64))]
    mtu: u16,
    /// Where the datagrams go, one a line in hexadecimal; `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The sender that the datagrams name, in hexadecimal
    #[arg(long, value_name = "ID", default_value = "0", value_parser = parse_sender)]
    sender: u64,
    /// The run of that sender
    #[arg(long, value_name = "N", default_value_t = 0)]
    epoch: u32,
    /// Report as one JSON object
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
    let mut records = Records::open(&args.file, None)?;
    let mut out = args.out.as_deref().map(create).transpose()?;
    let mut report = Report { mtu: args.mtu, ..Report::default() };
    pack(args, &mut records, &mut report, |datagram| match &mut out {
        Some(out) => writeln!(out, "{}", hex::encode(datagram)),
        None => Ok(()),
    })?;
    if let Some(mut out) = out {
        out.flush()?;
    }
    report.refused = records.refused();
    let records = report.events + report.states;
    report.bytes_per_event = if records == 0 { 0.0 } else { report.bytes as f64 / records as f64 };
    // Datagrams on standard output leave standard error for the report.
    report::print(&report, args.json, args.out.as_deref() == Some(Path::new("-")))?;
    if report.refused > 0 {
        return Err(Failure::reported(Exit::Loss));
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

/// Packs all records, each datagram as full as it gets.
fn pack(
    args: &Args,
    records: &mut Records,
    report: &mut Report,
    mut emit: impl FnMut(&[u8]) -> io::Result<()>,
) -> Outcome {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buffer = vec![0; usize::from(args.mtu)];
    // The record that had no room in the datagram before, and of a histogram the bucket to go on with.
    let mut waiting = None;
    while let Some((line, item, bucket)) = next(&mut waiting, records)? {
        let header = Header {
            sender: args.sender,
            epoch: args.epoch,
            sequence: report.datagrams as u32,
            ..Header::default()
        };
        // As close as possible to the events' own times: differences are shorter.
        let base_time = if let Item::Event(event) = &item { event.time() } else { now_ns() };
        let prologue = Prologue { base_time, ..Prologue::default() };
        let Ok(mut datagram) = encoder.begin(&mut buffer, &header, &prologue) else {
            return Err(Failure::new(Exit::Usage, "no datagram is that small"));
        };
        let mut current = Some((line, item, bucket));
        while let Some((line, item, bucket)) = current {
            match add(&mut datagram, &item, bucket) {
                Ok(None) => match item {
                    Item::Event(_) => report.events += 1,
                    Item::State(_) => report.states += 1,
                },
                Ok(Some(bucket)) => {
                    waiting = Some((line, item, bucket));
                    break;
                }
                Err(_) if datagram.records() > 0 => {
                    waiting = Some((line, item, bucket));
                    break;
                }
                Err(_) => {
                    // Nothing may follow it: the tables name strings that were taken back.
                    records.refuse(line, Refusal::from(ringstat_core::ledger::Cause::TooLarge));
                    break;
                }
            }
            current = next(&mut waiting, records)?;
        }
        if datagram.records() > 0 {
            let length = datagram.finish(false);
            report.datagrams += 1;
            report.bytes += length as u64;
            report.largest = report.largest.max(length);
            emit(&buffer[..length])?;
        }
    }
    Ok(())
}

type Pending = Option<(u64, Item<INLINE>, usize)>;

fn next(waiting: &mut Pending, records: &mut Records) -> Result<Pending, Failure> {
    if waiting.is_some() {
        return Ok(waiting.take());
    }
    Ok(records.next()?.map(|(line, item)| (line, item, 0)))
}

fn add(
    datagram: &mut impl Packer,
    item: &Item<INLINE>,
    bucket: usize,
) -> Result<Option<usize>, Refused> {
    match item {
        Item::Event(event) => datagram.event(event, &NoNames).map(|()| None),
        Item::State(state) => datagram.instrument(0, state, bucket),
    }
}
