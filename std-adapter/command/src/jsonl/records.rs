//! Records from a file of JSON lines, each with its line number. Lines that are not records are reported and counted.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use ringstat_core::record::Event;

use crate::common::failure::Failure;
use crate::jsonl::beside::Beside;
use crate::jsonl::envelope::Envelope;
use crate::jsonl::line::{Line, LineKind};
use crate::jsonl::lines::{Found, Lines};
use crate::jsonl::names::Names;
use crate::jsonl::refusal::Refusal;
use crate::jsonl::state::State;

/// Opens a file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let open = || {
        let file = File::open(path)?;
        // Opening a directory succeeds; only reading it fails.
        if file.metadata()?.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok(file)
    };
    let file = open().map_err(|e| Failure::file("open", path, &e))?;
    Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
}

/// The time of this machine's clock, in nanoseconds since the Unix epoch.
pub(crate) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The contents of a line.
pub(crate) enum Item<const INLINE: usize> {
    Event(Recorded<INLINE>),
    State(State),
    /// The header of the datagram in which the following records arrived.
    Datagram(Envelope),
}

/// An event, and what does not fit its slot.
pub(crate) struct Recorded<const INLINE: usize> {
    pub(crate) event: Event<INLINE>,
    pub(crate) rate: u32,
    pub(crate) id: Option<u64>,
    pub(crate) beside: Beside,
}

/// The records of a file.
pub(crate) struct Records {
    lines: Lines<Box<dyn BufRead + Send>>,
    path: String,
    names: Names,
    refused: u64,
}

impl Records {
    /// Opens a file.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let shown =
            if path.as_os_str() == "-" { "stdin".into() } else { path.display().to_string() };
        Ok(Self { lines: Lines::new(open(path)?), path: shown, names: Names::new(), refused: 0 })
    }

    /// The number of lines refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    /// Reports and counts a line that is refused later on.
    pub(crate) fn refuse(&mut self, line: u64, why: impl Display) {
        self.refused += 1;
        eprintln!("{}:{line}: {why}", self.path);
    }

    /// The next record and its line number, or `None` at the end of the file.
    pub(crate) fn next<const INLINE: usize>(
        &mut self,
    ) -> Result<Option<(u64, Item<INLINE>)>, Failure> {
        loop {
            let next = self.lines.next();
            let next = next.map_err(|e| Failure::file("read", Path::new(&self.path), &e))?;
            let Some((number, found)) = next else { return Ok(None) };
            match read(found, &mut self.names) {
                Ok(item) => return Ok(Some((number, item))),
                Err(why) => self.refuse(number, why),
            }
        }
    }
}

/// Reads the contents of a line.
fn read<const INLINE: usize>(found: Found<'_>, names: &mut Names) -> Result<Item<INLINE>, Refusal> {
    let text = match found {
        Found::Line(text) => text,
        Found::TooLong => return Err(Refusal::from("a line of more than a megabyte")),
        Found::NotUtf8 => return Err(Refusal::from("not UTF-8")),
    };
    let mut line = Line::parse(text)?;
    if let Some(kind) = line.kind.event() {
        let (event, beside) = line.event(kind, names, now_ns())?;
        return Ok(Item::Event(Recorded { event, rate: line.rate()?, id: line.id, beside }));
    }
    if line.kind == LineKind::Datagram {
        let header = line.header.take().ok_or_else(|| Refusal::from("no \"header\""))?;
        return Ok(Item::Datagram(header));
    }
    Ok(Item::State(State::of(&line, names)?))
}
