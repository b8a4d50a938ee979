//! The part of the queue that is on disk: messages that the log did not take within a moment, so that they outlive the
//! receiver.
//!
//! A thread of its own writes and removes them, many in one transaction. What was on disk when a receiver ended, in whatever
//! way, is published by the next one with the same directory.

use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::queue::{Batch, Place};
use crate::data::DataError;
use crate::outbox::DiskQueue;
use crate::server::StartError;

/// A message goes to disk when it has waited for the log so long.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// The file in the directory.
const FILE: &str = "queue.redb";
/// The low bits of a message's key are its shard, the others its number.
const SHARD_BITS: u32 = 12;

/// The messages on disk.
#[derive(Debug)]
pub(super) struct Spool {
    jobs: mpsc::Sender<Job>,
    pub(super) done: UnboundedReceiver<Done>,
    thread: JoinHandle<()>,
    disk: std::sync::Arc<DiskQueue>,
    next: u64,
}

/// A message that is to be written.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) shard: u16,
    /// Its number in its lane.
    pub(super) number: u64,
    pub(super) datagrams: u64,
    pub(super) body: Bytes,
    pub(super) key: u64,
}

#[derive(Debug)]
enum Job {
    Keep(Vec<Copy>),
    Remove(u64),
}

/// What became of messages that were to be written: shard, number in the lane, and key of each.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) messages: Vec<(u16, u64, u64)>,
    pub(super) is_kept: bool,
}

impl Spool {
    /// Opens the queue in a directory, and returns what an earlier receiver left, in order.
    pub(super) fn open(directory: &Path, shards: u16) -> Result<(Self, Vec<Batch>), StartError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        // As private as the measurements.
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.create(directory);
        made.map_err(|e| StartError::Data(DataError::Io(directory.to_owned(), e)))?;
        let file = directory.join(FILE);
        let disk = DiskQueue::open(&file, false).map_err(StartError::Data)?;
        let kept = disk.load().map_err(StartError::Data)?.batches;
        let mut batches = Vec::new();
        for (key, _, datagrams, bytes) in kept {
            let shard = (key & ((1 << SHARD_BITS) - 1)) as u16;
            if shard >= shards {
                let what = format!("it is of another fleet: this one has no shard {shard}");
                return Err(StartError::Data(DataError::Damaged { file, what }));
            }
            batches.push(Batch {
                shard,
                body: Bytes::new(),
                length: bytes,
                datagrams,
                bytes,
                acks: Vec::new(),
                receipts: Vec::new(),
                place: Place::Disk(key),
                since: Instant::now(),
            });
        }
        let last = batches.last().and_then(|batch| batch.place.key());
        let next = last.map_or(0, |key| (key >> SHARD_BITS) + 1);
        let (tell, done) = unbounded_channel();
        let (jobs, received) = mpsc::channel();
        let disk = std::sync::Arc::new(disk);
        let of_thread = disk.clone();
        let thread = std::thread::Builder::new().name("ringstat-queue".into());
        let thread = thread.spawn(move || write(&of_thread, &received, &tell));
        let thread = thread.map_err(StartError::Thread)?;
        Ok((Self { jobs, done, thread, disk, next }, batches))
    }

    /// The key for the next message of a shard.
    pub(super) fn key(&mut self, shard: u16) -> u64 {
        self.next += 1;
        (self.next - 1) << SHARD_BITS | u64::from(shard)
    }

    /// Writes messages. [`done`](Self::done) says when they are on disk.
    pub(super) fn keep(&self, copies: Vec<Copy>) {
        if !copies.is_empty() {
            // The thread ends after this.
            let _ = self.jobs.send(Job::Keep(copies));
        }
    }

    /// Removes a message that the log has.
    pub(super) fn remove(&self, key: u64) {
        let _ = self.jobs.send(Job::Remove(key));
    }

    /// Reads the body of a message.
    pub(super) fn read(&self, key: u64) -> Result<Bytes, String> {
        let body = self.disk.get(key).map_err(|e| e.to_string())?;
        Ok(Bytes::copy_from_slice(&body))
    }

    /// Waits until everything is written and removed. Returns what was written meanwhile.
    pub(super) fn end(mut self) -> Vec<Done> {
        drop(self.jobs);
        // A thread that panicked has reported that on standard error.
        let _ = self.thread.join();
        std::iter::from_fn(|| self.done.try_recv().ok()).collect()
    }
}

/// Does what it is told, as much as there is in one transaction, until the other end is gone.
fn write(disk: &DiskQueue, jobs: &mpsc::Receiver<Job>, tell: &UnboundedSender<Done>) {
    let (mut removed, mut failing) = (Vec::new(), false);
    while let Ok(job) = jobs.recv() {
        let mut copies = Vec::new();
        for job in std::iter::once(job).chain(jobs.try_iter()) {
            match job {
                Job::Keep(more) => copies.extend(more),
                Job::Remove(key) => removed.push(key),
            }
        }
        let rows = copies.iter().map(|of| (of.key, of.datagrams, &of.body[..]));
        let written = disk.change(rows, &removed);
        let is_kept = written.is_ok();
        match written {
            Ok(()) => {
                // What could not be removed is removed with what follows.
                removed.clear();
                if std::mem::take(&mut failing) {
                    tracing::info!("the queue can be written again");
                }
            }
            Err(e) if !std::mem::replace(&mut failing, true) => {
                tracing::error!("the queue cannot be written: {e}; messages wait in memory");
            }
            Err(_) => {}
        }
        if !copies.is_empty() {
            let messages = copies.iter().map(|of| (of.shard, of.number, of.key)).collect();
            let _ = tell.send(Done { messages, is_kept });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(spool: &mut Spool, shard: u16, number: u64, body: &'static [u8]) -> Copy {
        let (body, key) = (Bytes::from_static(body), spool.key(shard));
        Copy { shard, number, datagrams: number + 1, body, key }
    }

    #[test]
    fn what_was_kept_and_not_removed_is_there_again_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, left) = Spool::open(directory.path(), 16).unwrap();
        assert!(left.is_empty());
        let copies = [(15, 0, &b"a"[..]), (3, 0, b"bb"), (15, 1, b"ccc"), (3, 1, b"dddd")];
        let copies = copies.map(|(shard, number, body)| copy(&mut spool, shard, number, body));
        spool.keep(copies[..2].to_vec());
        spool.keep(copies[2..].to_vec());
        spool.remove(copies[1].key);
        let done = spool.end();
        assert!(done.iter().all(|done| done.is_kept));
        assert_eq!(done.iter().map(|done| done.messages.len()).sum::<usize>(), 4);

        let (mut spool, left) = Spool::open(directory.path(), 16).unwrap();
        let known: Vec<_> = left.iter().map(|b| (b.shard, b.datagrams, b.bytes)).collect();
        assert_eq!(known, [(15, 1, 1), (15, 2, 3), (3, 2, 4)]);
        let bodies = left.iter().map(|b| spool.read(b.place.key().unwrap()).unwrap());
        assert_eq!(bodies.collect::<Vec<_>>(), [&b"a"[..], b"ccc", b"dddd"]);
        assert!(spool.key(0) > left[2].place.key().unwrap());
    }

    #[test]
    fn the_queue_of_another_fleet_or_of_a_receiver_that_runs_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(directory.path(), 16).unwrap();
        assert!(matches!(
            Spool::open(directory.path(), 16),
            Err(StartError::Data(DataError::InUse(_)))
        ));
        let copies = vec![copy(&mut spool, 15, 0, b"a")];
        spool.keep(copies);
        spool.end();
        assert!(matches!(
            Spool::open(directory.path(), 15),
            Err(StartError::Data(DataError::Damaged { .. }))
        ));
    }
}
