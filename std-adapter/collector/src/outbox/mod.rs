//! A queue of batches to deliver to one or more targets, in memory or in a file of the data directory.
//!
//! Batches are opaque here. A batch that every target has accepted is removed. When the batches together exceed the limit,
//! the oldest is removed, and counts as dropped for the targets that have not had it. For each target, at any time,
//! restored + queued = sent + dropped + waiting.

mod disk;
mod stands;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "nats")]
pub(crate) use disk::DiskQueue;
#[cfg(not(feature = "nats"))]
use disk::DiskQueue;
pub(crate) use stands::{Standings, Stands};

use crate::data::DataError;
use crate::report::{OutputCause, OutputCounts};

/// A batch that is to be delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Batch {
    /// The time of its samples, in milliseconds of Unix time.
    pub(crate) time_ms: u64,
    /// The number of samples in it.
    pub(crate) samples: u64,
    /// The batch as it is delivered.
    pub(crate) body: Arc<[u8]>,
}

/// The outcome of a batch: all samples that were not sent were dropped for this cause.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) cause: OutputCause,
}

/// The state of a target.
#[derive(Clone, Default, Debug)]
pub(crate) struct Standing {
    pub(crate) counts: OutputCounts,
    pub(crate) pending_samples: u64,
    pub(crate) pending_bytes: usize,
    /// The time of the oldest sample that waits, in milliseconds of Unix time.
    pub(crate) oldest_ms: Option<u64>,
    /// Since when deliveries have failed, and why.
    pub(crate) failing: Option<(Instant, String)>,
}

/// Batches that wait for their targets.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Signalled when a batch was added, or when the collector ends.
    news: Condvar,
    disk: Option<DiskQueue>,
    limit: usize,
}

#[derive(Debug)]
struct State {
    entries: BTreeMap<u64, Entry>,
    /// The number of the next batch.
    next: u64,
    /// The time of the newest batch.
    newest_ms: u64,
    bytes: usize,
    targets: Vec<Target>,
    /// The latest time at which a delivery may begin, once the collector ends.
    ends: Option<Instant>,
    /// Why the file cannot be written, if it cannot.
    disk_fails: Option<String>,
}

#[derive(Debug)]
struct Entry {
    time_ms: u64,
    samples: u64,
    bytes: usize,
    /// `None` if it is on disk.
    body: Option<Arc<[u8]>>,
}

#[derive(Debug)]
struct Target {
    name: String,
    /// The first batch that is not done.
    next: u64,
    /// Whether that one is being delivered.
    busy: bool,
    standing: Standing,
}

impl Outbox {
    /// Creates an outbox for these targets. With a file, it contains the batches that an earlier run did not deliver.
    pub(crate) fn open(
        targets: Vec<String>,
        limit: usize,
        file: Option<(&Path, bool)>,
    ) -> Result<Self, DataError> {
        let disk = file.map(|(path, recover)| DiskQueue::open(path, recover)).transpose()?;
        let kept = disk.as_ref().map(DiskQueue::load).transpose()?.unwrap_or_default();
        let entry = |(number, time_ms, samples, bytes)| {
            (number, Entry { time_ms, samples, bytes, body: None })
        };
        let entries: BTreeMap<u64, Entry> = kept.batches.into_iter().map(entry).collect();
        let target = |name: String| {
            let next = kept.cursors.get(&name).copied().unwrap_or(kept.next);
            let mut target = Target { name, next, busy: false, standing: Standing::default() };
            for entry in entries.range(next..).map(|(_, entry)| entry) {
                target.waits(entry);
                target.standing.counts.restored += entry.samples;
            }
            target
        };
        let targets: Vec<Target> = targets.into_iter().map(target).collect();
        if let Some(disk) = &disk {
            disk.set_cursors(targets.iter().map(|target| (&*target.name, target.next)))?;
        }
        let outbox = Self {
            state: Mutex::new(State {
                bytes: entries.values().map(|entry| entry.bytes).sum(),
                entries,
                next: kept.next,
                newest_ms: kept.newest_ms,
                targets,
                ends: None,
                disk_fails: None,
            }),
            news: Condvar::new(),
            disk,
            limit,
        };
        outbox.tidy();
        Ok(outbox)
    }

    /// The time of the newest batch that was ever added, in this run or an earlier one.
    pub(crate) fn newest_ms(&self) -> u64 {
        self.state().newest_ms
    }

    /// The number of the first batch that some target has not had, or would have next.
    #[cfg(feature = "nats")]
    pub(crate) fn delivered_through(&self) -> u64 {
        let state = self.state();
        state.targets.iter().map(|target| target.next).min().unwrap_or(state.next)
    }

    /// The size of what waits, in bytes.
    #[cfg(feature = "nats")]
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// The number that the next batch will have.
    #[cfg(feature = "nats")]
    pub(crate) fn next_number(&self) -> u64 {
        self.state().next
    }

    /// Puts a batch in. Only one thread may do so at a time.
    pub(crate) fn put(&self, batch: Batch) {
        let Batch { time_ms, samples, body } = batch;
        let number = self.state().next;
        let kept = self.disk.as_ref().map(|disk| disk.put(number, time_ms, samples, &body));
        let bytes = body.len();
        let mut state = self.state();
        // What cannot be written stays in memory, under the same limit.
        let on_disk = matches!(kept, Some(Ok(())));
        state.note_disk(kept);
        let entry = Entry { time_ms, samples, bytes, body: (!on_disk).then_some(body) };
        for target in &mut state.targets {
            target.waits(&entry);
            target.standing.counts.queued += samples;
        }
        state.entries.insert(number, entry);
        state.bytes += bytes;
        (state.next, state.newest_ms) = (number + 1, time_ms);
        let mut gone = Vec::new();
        while state.bytes > self.limit
            && let Some(number) = state.evict()
        {
            gone.push(number);
        }
        drop(state);
        self.news.notify_all();
        self.delete(&gone, None);
    }

    /// Waits for the next batch of a target. Returns `None` if the collector ends and no batch, or no time, is left.
    pub(crate) fn next(&self, target: usize) -> Option<(u64, Batch)> {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            if state.ends.is_some_and(|ends| now >= ends) {
                return None;
            }
            let from = state.targets[target].next;
            let found = state.entries.range(from..).next();
            if let Some((&number, entry)) = found {
                let (time_ms, samples) = (entry.time_ms, entry.samples);
                let body = entry.body.clone();
                let of = &mut state.targets[target];
                (of.next, of.busy) = (number, true);
                drop(state);
                let body = body.map_or_else(|| self.read(number), Ok);
                match body {
                    Ok(body) => return Some((number, Batch { time_ms, samples, body })),
                    Err(e) => {
                        tracing::error!("a batch of {samples} samples cannot be read back: {e}");
                        self.done(target, number, Outcome { sent: 0, cause: OutputCause::Disk });
                    }
                }
                state = self.state();
            } else if state.ends.is_some() {
                return None;
            } else {
                state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Records the outcome of a batch.
    pub(crate) fn done(&self, target: usize, number: u64, outcome: Outcome) {
        let mut state = self.state();
        let Some(entry) = state.entries.get(&number) else { return };
        let (samples, bytes) = (entry.samples, entry.bytes);
        let of = &mut state.targets[target];
        (of.next, of.busy) = (number + 1, false);
        of.leaves(samples, bytes);
        let counts = &mut of.standing.counts;
        counts.sent += outcome.sent;
        counts.dropped[outcome.cause as usize] += samples - outcome.sent.min(samples);
        counts.requests += 1;
        of.standing.failing = None;
        let cursor = (of.name.clone(), of.next);
        let gone = state.delivered();
        drop(state);
        self.delete(&gone, Some(&cursor));
    }

    /// Notes that a delivery has failed and will be tried again. Returns whether it had succeeded before.
    pub(crate) fn failed(&self, target: usize, why: &str) -> bool {
        let mut state = self.state();
        let standing = &mut state.targets[target].standing;
        standing.counts.failures += 1;
        let since = standing.failing.as_ref().map(|(since, _)| *since);
        standing.failing = Some((since.unwrap_or_else(Instant::now), why.to_owned()));
        since.is_none()
    }

    /// Waits for this long. Returns whether there is time for another attempt.
    pub(crate) fn pause(&self, time: Duration) -> bool {
        let goes_on = |state: &mut State| state.ends.is_none();
        let waited = self.news.wait_timeout_while(self.state(), time, goes_on);
        waited.unwrap_or_else(PoisonError::into_inner).0.ends.is_none()
    }

    /// Sets the time after which no delivery begins.
    pub(crate) fn end(&self, by: Instant) {
        self.state().ends = Some(by);
        self.news.notify_all();
    }

    /// Counts intervals in which no samples were taken.
    pub(crate) fn skipped(&self, moments: u64) {
        self.state().targets.iter_mut().for_each(|of| of.standing.counts.skipped += moments);
    }

    /// Counts the undelivered samples in memory as dropped when the process ends, and returns their number.
    pub(crate) fn give_up(&self) -> u64 {
        let mut lost = 0;
        let mut state = self.state();
        let State { entries, targets, .. } = &mut *state;
        for target in targets {
            for entry in entries.range(target.next..).map(|(_, e)| e).filter(|e| e.body.is_some()) {
                target.leaves(entry.samples, entry.bytes);
                target.standing.counts.dropped[OutputCause::Shutdown as usize] += entry.samples;
                lost += entry.samples;
            }
        }
        entries.retain(|_, entry| entry.body.is_none());
        lost
    }

    /// The state of each target.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let state = self.state();
        let of = |target: &Target| {
            let oldest = state.entries.range(target.next..).next();
            Standing { oldest_ms: oldest.map(|(_, e)| e.time_ms), ..target.standing.clone() }
        };
        state.targets.iter().map(of).collect()
    }

    /// Why the file cannot be written, if it cannot.
    pub(crate) fn disk_fails(&self) -> Option<String> {
        self.state().disk_fails.clone()
    }

    fn read(&self, number: u64) -> Result<Arc<[u8]>, String> {
        let disk = self.disk.as_ref().ok_or("it is nowhere")?;
        disk.get(number).map_err(|e| e.to_string())
    }

    /// Removes the batches for which no target waits.
    fn tidy(&self) {
        let gone = self.state().delivered();
        self.delete(&gone, None);
    }

    fn delete(&self, numbers: &[u64], cursor: Option<&(String, u64)>) {
        let Some(disk) = &self.disk else { return };
        if numbers.is_empty() && cursor.is_none() {
            return;
        }
        let deleted = disk.delete(numbers, cursor);
        self.state().note_disk(Some(deleted));
    }

    /// Every step leaves it consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note_disk(&mut self, done: Option<Result<(), disk::Failed>>) {
        match done {
            Some(Ok(())) if self.disk_fails.take().is_some() => {
                tracing::info!("the queue of samples can be written again");
            }
            Some(Ok(())) | None => {}
            Some(Err(e)) => {
                if self.disk_fails.is_none() {
                    tracing::error!(
                        "the queue of samples cannot be written: {e}; they wait in memory"
                    );
                }
                self.disk_fails = Some(e.to_string());
            }
        }
    }

    /// Removes the oldest batch that is not being delivered, and returns its number.
    fn evict(&mut self) -> Option<u64> {
        let is_busy = |number: u64| self.targets.iter().any(|t| t.busy && t.next == number);
        let number = *self.entries.keys().find(|number| !is_busy(**number))?;
        let entry = self.entries.remove(&number)?;
        self.bytes -= entry.bytes;
        for target in self.targets.iter_mut().filter(|target| target.next <= number) {
            target.leaves(entry.samples, entry.bytes);
            target.standing.counts.dropped[OutputCause::QueueFull as usize] += entry.samples;
        }
        Some(number)
    }

    /// Removes the batches that all targets have had, and returns their numbers.
    fn delivered(&mut self) -> Vec<u64> {
        let least = self.targets.iter().map(|target| target.next).min().unwrap_or(self.next);
        let rest = self.entries.split_off(&least);
        let gone = std::mem::replace(&mut self.entries, rest);
        self.bytes -= gone.values().map(|entry| entry.bytes).sum::<usize>();
        gone.into_keys().collect()
    }
}

impl Target {
    fn waits(&mut self, entry: &Entry) {
        self.standing.pending_samples += entry.samples;
        self.standing.pending_bytes += entry.bytes;
    }

    fn leaves(&mut self, samples: u64, bytes: usize) {
        self.standing.pending_samples -= samples;
        self.standing.pending_bytes -= bytes;
    }
}

#[cfg(test)]
mod tests;
