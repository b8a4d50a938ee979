//! `ringstat decode`: turns datagrams back into JSON lines, or says why it cannot.

mod capture;
mod print;
mod printer;

use std::io::Read;
use std::path::PathBuf;

use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::jsonl::records;
use printer::Printer;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat decode datagrams.hex
  ringstat decode --headers datagrams.hex
  tcpdump -i any -w - udp port 8125 | ringstat decode - --port 8125

Refused datagrams are reported on standard error with their line or packet number and the reason.

Exit codes: 0 all decoded, 1 some datagrams refused, 2 usage, 3 the file cannot be read";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// File to read: hexadecimal with one datagram a line, or a pcap or pcapng capture; `-` is standard input
    file: PathBuf,
    /// Before its records, print each datagram's header as a line of kind "datagram"; `encode` then packs the
    /// records into such a datagram again
    #[arg(long)]
    headers: bool,
    /// Decode only packets of a capture that were sent to this UDP port, and refuse those that are not datagrams
    /// instead of skipping them
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Also print refusals and the final report as JSON lines, on standard error
    #[arg(long)]
    json: bool,
}

/// What was read.
#[derive(Default, Serialize, Debug)]
struct Report {
    datagrams: u64,
    records: u64,
    bytes: u64,
    refused: u64,
    /// Packets of a capture that are not for ringstat.
    skipped: u64,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut from = records::open(&args.file)?;
    let mut head = Vec::new();
    let failed = |e| Failure::file("read", &args.file, &e);
    from.by_ref().take(4).read_to_end(&mut head).map_err(failed)?;
    let captured = capture::is_capture(&head);
    let mut printer = Printer::new(args);
    if captured {
        printer.capture(head, from)?
    } else {
        printer.hex(head, from)?
    }
    let report = printer.end()?;
    report::print(&report, args.json, true)?;
    if report.refused > 0 {
        return Err(Failure::reported(Exit::Verdict));
    }
    if captured && report.datagrams == 0 && report.skipped > 0 {
        return Err(Failure::new(Exit::Verdict, "no datagram of ringstat's in that capture").hint(
            "Capture where the sender or the collector runs: `tcpdump -i any -w F udp port 8125`.",
        ));
    }
    Ok(())
}
