//! Prints the records of a datagram as lines of JSON.

use std::io::{self, Write};

use ringstat_core::wire::decode::{Body, Content as Held, Record};
use ringstat_core::wire::{DecodeError, Decoder};

use crate::jsonl::envelope::Envelope;
use crate::jsonl::line::{Line, LineKind};
use crate::jsonl::state::unit_name;
use crate::jsonl::tags::TagList;
use crate::jsonl::value::{Content, Number};

/// Why the printing of a datagram ended early.
pub(super) enum Stopped {
    /// A record was malformed, after this many good ones.
    Refused(u64, DecodeError),
    Output(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Prints the records of a datagram, preceded by its header if requested, and returns how many there are.
pub(super) fn print(
    decoder: &mut Decoder,
    out: &mut impl Write,
    bytes: &[u8],
    headers: bool,
) -> Result<u64, Stopped> {
    let mut datagram = decoder.open(bytes).map_err(|e| Stopped::Refused(0, e))?;
    if headers {
        let base = datagram.base_time_ns();
        let envelope = Envelope::of(datagram.header(), datagram.prologue(), base, bytes.len());
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

/// A record as the line from which `encode` would read it.
fn line_of<'a>(record: &Record<'a>) -> Line<'a> {
    let kind = match &record.body {
        Body::Event(event) => event.kind.into(),
        Body::Total(_) => LineKind::Total,
        Body::Level(_) => LineKind::Level,
        Body::Buckets(_) => LineKind::Buckets,
        Body::Info(_) => LineKind::Info,
        Body::Description(_) => LineKind::Description,
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
            line.id = event.id;
        }
        Body::Total(total) => line.total = Some(*total),
        Body::Level(level) => line.level = Some(Number(*level)),
        Body::Info(info) => {
            line.heartbeat_ms = Some(info.heartbeat_ms);
            line.started_ms = Some(info.started_ms);
            line.process = Some(info.process);
            line.host = Some(info.host.into());
            line.version = Some(info.version.into());
        }
        Body::Description(meaning) => {
            line.unit = Some(unit_name(meaning.unit).into());
            line.text = Some(meaning.text.into());
        }
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
