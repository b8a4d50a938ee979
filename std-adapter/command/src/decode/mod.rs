//! `ringstat decode`: datagrams back into JSON lines, or the reason why not.

use std::io::{self, BufRead, BufWriter, Cursor, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use ringstat_core::wire::decode::{Body, Content as Held, Record};
use ringstat_core::wire::{DecodeError, Decoder};
use serde::Serialize;

mod capture;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;
use crate::jsonl::line::{Envelope, Line, LineKind, TagList};
use crate::jsonl::lines::{Found, Lines};
use crate::jsonl::records;
use crate::jsonl::state::unit_name;
use crate::jsonl::value::{Content, Number};
use capture::Packet;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Hexadecimal, a datagram a line; or a pcap or pcapng capture; `-` is standard input
    file: PathBuf,
    /// Before its records, print each datagram's header as a line of kind "datagram" (`encode` skips those)
    #[arg(long)]
    headers: bool,
    /// Of a capture, only what was sent to this UDP port; then whatever else is in it is refused, not skipped
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Refusals and the closing report as JSON lines, too (on standard error)
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

/// Where a datagram, or what should have been one, stands.
#[derive(Clone, Copy, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
enum Place {
    Line(u64),
    Packet(u64),
}

/// A datagram that was refused, in JSON.
#[derive(Serialize, Debug)]
struct Refused<'a> {
    #[serde(flatten)]
    place: Place,
    refusal: &'a str,
    message: &'a str,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut from = records::open(&args.file)?;
    let mut head = Vec::new();
    let failed = |e| Failure::file("read", &args.file, &e);
    from.by_ref().take(4).read_to_end(&mut head).map_err(failed)?;
    let captured = capture::is_capture(&head);
    let mut printer = Printer {
        args,
        decoder: Box::default(),
        out: BufWriter::new(io::stdout()),
        live: io::stdout().is_terminal(),
        report: Report::default(),
    };
    if captured {
        printer.capture(head, from)?
    } else {
        printer.hex(head, from)?
    }
    printer.out.flush()?;
    let report = printer.report;
    report::print(&report, args.json, true)?;
    if report.refused > 0 {
        return Err(Failure::reported(Exit::Loss));
    }
    if captured && report.datagrams == 0 && report.skipped > 0 {
        return Err(Failure::new(Exit::Loss, "no datagram of ringstat's in that capture").hint(
            "Capture where the sender or the collector runs: `tcpdump -i any -w F udp port 8125`.",
        ));
    }
    Ok(())
}

struct Printer<'a> {
    args: &'a Args,
    decoder: Box<Decoder>,
    out: BufWriter<io::Stdout>,
    /// Somebody watches.
    live: bool,
    report: Report,
}

impl Printer<'_> {
    fn hex(&mut self, head: Vec<u8>, from: impl BufRead) -> Outcome {
        let mut lines = Lines::new(Cursor::new(head).chain(from));
        loop {
            let next = lines.next().map_err(|e| Failure::file("read", &self.args.file, &e))?;
            let Some((number, found)) = next else { return Ok(()) };
            let place = Place::Line(number);
            match found {
                Found::Line(text) => match hex::decode(text.replace([' ', ':'], "")) {
                    Ok(datagram) => self.datagram(&datagram, place)?,
                    Err(e) => self.refuse(place, "not_hex", &not_hex(text, &e)),
                },
                Found::TooLong => {
                    self.refuse(place, "too_long", DecodeError::TooLong.to_string().as_str());
                }
                Found::NotUtf8 => {
                    self.refuse(place, "not_hex", "neither hexadecimal nor a capture")
                }
            }
        }
    }

    fn capture(&mut self, head: Vec<u8>, from: impl BufRead + Send) -> Outcome {
        let path = self.args.file.clone();
        capture::read(head, from, &path, self.args.port, |number, packet| {
            match packet {
                Packet::Datagram(bytes) => self.datagram(bytes, Place::Packet(number))?,
                Packet::CutShort => self.refuse(
                    Place::Packet(number),
                    "cut_short",
                    "the capture holds only its beginning: capture with a larger snapshot length (-s 0)",
                ),
                Packet::Fragment => self.refuse(
                    Place::Packet(number),
                    "fragment",
                    "a fragment of an IP packet: lower the sender's datagram size below the path's MTU",
                ),
                Packet::Other => self.report.skipped += 1,
            }
            Ok(())
        })
    }

    /// Prints the records of a datagram; those before a bad one are as their sender wrote them.
    fn datagram(&mut self, bytes: &[u8], place: Place) -> io::Result<()> {
        let result = print(&mut self.decoder, &mut self.out, bytes, self.args.headers);
        match result {
            Ok(records) => {
                self.report.datagrams += 1;
                self.report.records += records;
                self.report.bytes += bytes.len() as u64;
            }
            Err(Stopped::Refused(records, error)) => {
                self.report.records += records;
                let mut message = error.to_string();
                if records > 0 {
                    message += &format!(" (behind {records} good records)");
                }
                self.refuse(place, error.as_str(), &message);
            }
            Err(Stopped::Output(error)) => return Err(error),
        }
        if self.live { self.out.flush() } else { Ok(()) }
    }

    fn refuse(&mut self, place: Place, refusal: &str, message: &str) {
        self.report.refused += 1;
        if self.args.json {
            let refused = Refused { place, refusal, message };
            // A struct of strings and numbers always has a JSON form.
            eprintln!("{}", serde_json::to_string(&refused).unwrap_or_default());
            return;
        }
        let path = if self.args.file == Path::new("-") {
            "stdin".into()
        } else {
            self.args.file.display().to_string()
        };
        match place {
            Place::Line(number) => eprintln!("{path}:{number}: {refusal}: {message}"),
            Place::Packet(number) => eprintln!("{path}: packet {number}: {refusal}: {message}"),
        }
    }
}

fn not_hex(text: &str, error: &hex::FromHexError) -> String {
    if text.starts_with('{') {
        return "JSON, not a datagram: `ringstat encode` packs it".into();
    }
    format!("{error}: a datagram a line in hexadecimal, as `ringstat encode --out` writes them")
}

/// Why printing a datagram ended early.
enum Stopped {
    /// Behind so many good records.
    Refused(u64, DecodeError),
    Output(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn print(
    decoder: &mut Decoder,
    out: &mut impl Write,
    bytes: &[u8],
    headers: bool,
) -> Result<u64, Stopped> {
    let mut datagram = decoder.open(bytes).map_err(|e| Stopped::Refused(0, e))?;
    if headers {
        let (header, prologue) = (datagram.header(), datagram.prologue());
        let envelope = Envelope {
            sender: format!("{:016x}", header.sender),
            epoch: header.epoch,
            sequence: header.sequence,
            records: prologue.records,
            base_time_ns: datagram.base_time_ns(),
            since_boot: prologue.since_boot,
            dropped: prologue.dropped,
            failed: prologue.failed,
            bytes: bytes.len(),
        };
        let line = Line { header: Some(envelope), ..Line::new(LineKind::Datagram, "") };
        write_line(out, &line)?;
    }
    let mut records = 0;
    while let Some(record) = datagram.next() {
        write_line(out, &line_of(&record.map_err(|e| Stopped::Refused(records, e))?))?;
        records += 1;
    }
    Ok(records)
}

fn write_line(out: &mut impl Write, line: &Line<'_>) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// A record as the line that `encode` would read it from.
fn line_of<'a>(record: &Record<'a>) -> Line<'a> {
    let kind = match &record.body {
        Body::Event(event) => event.kind.into(),
        Body::Total(_) => LineKind::Total,
        Body::Level(_) => LineKind::Level,
        Body::Buckets(_) => LineKind::Buckets,
    };
    let mut line = Line::new(kind, record.name.text);
    line.tags = TagList(record.tags.iter().map(|(k, v)| (k.into(), v.into())).collect());
    match &record.body {
        Body::Event(event) => {
            line.value = Some(match event.content {
                Held::Number(value) => Content::Number(Number(value)),
                Held::Text(text) => Content::Text(text.into()),
            });
            line.timestamp_ns = Some(event.time_ns);
            line.priority = event.priority;
            line.rate = (event.rate > 1).then_some(event.rate);
        }
        Body::Total(total) => line.total = Some(*total),
        Body::Level(level) => line.level = Some(Number(*level)),
        Body::Buckets(buckets) => {
            line.unit = Some(unit_name(buckets.unit).into());
            line.precision = Some(buckets.layout.precision);
            line.min_exponent = Some(buckets.layout.min_exponent);
            line.sum = Some(Number(buckets.sum));
            line.buckets = Some(buckets.iter().collect());
        }
    }
    line
}
