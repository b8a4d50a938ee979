//! JSON lines in a file: once an interval, one line for each series.
//!
//! The file is rotated by size and by age; rotated files are compressed, and the oldest are deleted. A line is in the file
//! completely or not at all: lines that do not fit on a full disk are counted, and the next interval tries again.

mod file;
mod line;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use self::file::Rotating;
use self::line::Line;
use super::config::{JsonLinesConfig, OutputError};
use super::rounds::Round;
use super::walk;
use crate::outbox::{Standing, Standings};
use crate::report::{Group, OutputCause};
use crate::shared::Shared;

/// The approximate size of what is written at once, in bytes.
const CHUNK: usize = 64 << 10;

/// Writes lines to a file.
#[derive(Debug)]
pub(super) struct JsonLines {
    file: Rotating,
    account: Arc<Account>,
    newest_ms: u64,
}

/// The state of the output.
#[derive(Default, Debug)]
pub(super) struct Account(Mutex<Standing>);

impl Account {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standings for Account {
    fn standings(&self) -> Vec<Standing> {
        vec![self.standing().clone()]
    }
}

impl JsonLines {
    /// Opens the file, so that a wrong path is reported at once.
    pub(super) fn open(config: &JsonLinesConfig) -> Result<Self, OutputError> {
        let wrong = |e| OutputError::File(PathBuf::from(&config.file), e);
        let file = Rotating::open(config.clone()).map_err(wrong)?;
        Ok(Self { file, account: Arc::default(), newest_ms: 0 })
    }

    /// How it is going.
    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Writes a chunk of lines.
    fn write(&mut self, chunk: &mut Vec<u8>, lines: &mut u64, time_ms: u64) {
        let (written, count) = (self.file.write(chunk, time_ms), std::mem::take(lines));
        chunk.clear();
        let mut standing = self.account.standing();
        standing.counts.queued += count;
        standing.counts.requests += 1;
        match written {
            Ok(()) => {
                standing.counts.sent += count;
                if standing.failing.take().is_some() {
                    tracing::info!("{} can be written again", self.file.path().display());
                }
            }
            Err(e) => {
                standing.counts.dropped[OutputCause::Disk as usize] += count;
                standing.counts.failures += 1;
                let since = standing.failing.as_ref().map(|(since, _)| *since);
                if since.is_none() {
                    tracing::error!("{} cannot be written: {e}", self.file.path().display());
                }
                standing.failing = Some((since.unwrap_or_else(Instant::now), e.to_string()));
            }
        }
    }
}

impl Round for JsonLines {
    fn newest_ms(&self) -> u64 {
        self.newest_ms
    }

    fn skipped(&self, rounds: u64) {
        self.account.standing().counts.skipped += rounds;
    }

    fn take(&mut self, time_ms: u64, shared: &Shared) {
        self.newest_ms = time_ms;
        let (mut chunk, mut lines) = (Vec::with_capacity(CHUNK + (CHUNK >> 2)), 0);
        let (mut walk, mut groups) = (walk::Walk::default(), BTreeSet::new());
        loop {
            let more = walk.step(shared, |_, collector, series| {
                if series.is_group() {
                    // Each shard may have a piece of it.
                    groups.insert(series.page_key());
                }
                if series.is_group() || series.is_part() {
                    return;
                }
                // Plain data with string keys always serializes; a number that is none becomes null.
                if serde_json::to_writer(&mut chunk, &Line::of(time_ms, collector.store(), series))
                    .is_ok()
                {
                    chunk.push(b'\n');
                    lines += 1;
                }
            });
            if !more {
                for group in std::mem::take(&mut groups) {
                    let group = Group::at(shared, group, shared.now_ms());
                    let line = group.as_ref().map(|group| Line::of_group(time_ms, group));
                    if line.is_some_and(|line| serde_json::to_writer(&mut chunk, &line).is_ok()) {
                        chunk.push(b'\n');
                        lines += 1;
                    }
                    if chunk.len() >= CHUNK {
                        self.write(&mut chunk, &mut lines, time_ms);
                    }
                }
            }
            if chunk.len() >= CHUNK || !more && lines > 0 {
                self.write(&mut chunk, &mut lines, time_ms);
            }
            if !more {
                return;
            }
            std::thread::sleep(walk::BETWEEN);
        }
    }
}
