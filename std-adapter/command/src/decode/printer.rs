//! Prints or refuses each datagram of a file; a refusal gives its place and the reason.

use std::io::{self, BufRead, BufWriter, Cursor, IsTerminal, Read, Write};
use std::path::Path;

use ringstat_core::wire::{DecodeError, Decoder};
use serde::Serialize;

use super::capture::{self, Packet};
use super::print::{Stopped, print};
use super::{Args, Report};
use crate::common::failure::{Failure, Outcome};
use crate::jsonl::line::BYTE_ORDER_MARK;
use crate::jsonl::lines::{Found, Lines};

/// The place of a datagram, or of what should have been one.
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

/// Prints datagrams and counts them.
pub(super) struct Printer<'a> {
    args: &'a Args,
    decoder: Box<Decoder>,
    out: BufWriter<io::Stdout>,
    /// Whether somebody is watching.
    live: bool,
    report: Report,
}

impl<'a> Printer<'a> {
    pub(super) fn new(args: &'a Args) -> Self {
        Self {
            args,
            decoder: Box::default(),
            out: BufWriter::new(io::stdout()),
            live: io::stdout().is_terminal(),
            report: Report::default(),
        }
    }

    /// Returns what was read, once all of it has been printed.
    pub(super) fn end(mut self) -> io::Result<Report> {
        self.out.flush()?;
        Ok(self.report)
    }

    /// Reads lines of hexadecimal, of which `head` is the beginning.
    pub(super) fn hex(&mut self, head: Vec<u8>, from: impl BufRead) -> Outcome {
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

    /// Reads a capture, of which `head` is the beginning.
    pub(super) fn capture(&mut self, head: Vec<u8>, from: impl BufRead + Send) -> Outcome {
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

    /// Prints the records of a datagram. Those before a malformed one are as the sender wrote them.
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
    if text.starts_with(BYTE_ORDER_MARK) {
        return "a byte-order mark (EF BB BF): save it without one".into();
    }
    if text.starts_with('{') {
        return "JSON, not a datagram: `ringstat encode` packs it".into();
    }
    format!("{error}: a datagram a line in hexadecimal, as `ringstat encode --out` writes them")
}
