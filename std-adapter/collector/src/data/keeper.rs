//! What keeps a collector's data: two threads, and what they and the receiving threads say to each other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::acks::{Acks, Asked, GROUP};
use super::cuts::Cuts;
use super::directory::Directory;
use super::disk::Disk;
use super::load::Files;
use super::status::Status;
use crate::intake::{Collector, Critical};

/// The shards, to those who keep what is in them.
pub(crate) trait Kept: Send + Sync + 'static {
    /// How many there are.
    fn count(&self) -> usize;

    /// Works on one of them. Datagrams wait meanwhile.
    fn change<T>(&self, shard: usize, work: impl FnOnce(&mut Collector) -> T) -> T;

    /// The collector's clock.
    fn now_ms(&self) -> u64;
}

/// So many senders wait for an acknowledgement at most; others ask again.
const WAITING: usize = 1 << 16;
/// How long the end waits for the disk.
const END: Duration = Duration::from_secs(2);

/// What the threads share.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(super) status: Status,
    pub(super) disk: Disk,
    /// Of each shard, up to which number a cut has critical events.
    through: Vec<AtomicU64>,
    said: Mutex<Said>,
    asks: Condvar,
    ends: Condvar,
}

#[derive(Default, Debug)]
struct Said {
    asked: HashMap<(u64, SocketAddr), Asked>,
    /// Whether the thread of acknowledgements is to end, and then that of cuts.
    ends: [bool; 2],
}

impl Wire {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a sender that is to be told what is on disk, when it is.
    pub(crate) fn ask(&self, asked: Asked) {
        let mut said = self.said();
        if said.asked.is_empty() {
            self.asks.notify_one();
        }
        if said.asked.len() >= WAITING {
            self.status.withheld(1);
            return;
        }
        let key = (asked.sender, asked.to);
        let length = said.asked.get(&key).map_or(0, |before| before.length);
        said.asked.insert(key, Asked { length: asked.length.max(length), ..asked });
    }

    /// Waits for senders that ask, and a little for others. `None` at the end.
    pub(super) fn asked(&self) -> Option<Vec<Asked>> {
        let mut said = self.said();
        while said.asked.is_empty() && !said.ends[0] {
            said = self.asks.wait(said).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GROUP;
        while !said.ends[0] {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.asks.wait_timeout(said, left);
            said = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let asked: Vec<_> = said.asked.drain().map(|(_, asked)| asked).collect();
        (!asked.is_empty()).then_some(asked)
    }

    /// Waits so long, or until the end. Returns whether that is it.
    pub(super) fn wait(&self, pause: Duration) -> bool {
        let said = self.said();
        let waited = self.ends.wait_timeout_while(said, pause, |said| !said.ends[1]);
        waited.unwrap_or_else(PoisonError::into_inner).0.ends[1]
    }

    fn end(&self, which: usize) {
        self.said().ends[which] = true;
        self.asks.notify_all();
        self.ends.notify_all();
    }

    pub(super) fn is_through(&self, shard: usize, number: u64) {
        self.through[shard].store(number, Ordering::Release);
    }

    pub(super) fn through(&self, shard: usize) -> u64 {
        self.through[shard].load(Ordering::Acquire)
    }

    /// How it is going.
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }
}

/// A data directory whose data is in memory. Nothing is written before it is [started](Keeper::start).
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) dir: Directory,
    pub(super) files: Files,
    pub(super) wire: Arc<Wire>,
    /// Critical events up to this number are in the state.
    pub(super) latest: u64,
}

/// The threads that keep it.
#[derive(Debug)]
pub(crate) struct Keeping {
    wire: Arc<Wire>,
    ended: Receiver<()>,
    _dir: Directory,
}

impl Keeper {
    pub(super) fn new(
        dir: Directory,
        disk: Disk,
        files: Files,
        latest: u64,
        shards: usize,
    ) -> Self {
        let wire = Wire {
            status: Status::default(),
            disk,
            through: (0..shards).map(|_| AtomicU64::new(latest)).collect(),
            said: Mutex::default(),
            asks: Condvar::new(),
            ends: Condvar::new(),
        };
        Self { dir, files, wire: Arc::new(wire), latest }
    }

    /// Where acknowledgements are asked for, and how it is going.
    pub(crate) fn wire(&self) -> &Arc<Wire> {
        &self.wire
    }

    /// Starts the threads.
    pub(crate) fn start<K: Kept>(self, kept: &Arc<K>) -> std::io::Result<Keeping> {
        let Self { dir, files, wire, latest } = self;
        let shards = kept.count();
        let acks = Acks {
            file: files.critical,
            kept: kept.clone(),
            wire: wire.clone(),
            batches: (0..shards).map(|_| Critical::default()).collect(),
            needs_cut: vec![latest; shards],
            failed: None,
            failing: Alarm::default(),
        };
        let cuts = Cuts { state: files.state, kept: kept.clone(), wire: wire.clone() };
        let (tell, ended) = channel();
        let start = |name: &str, tell: Sender<()>, work: Box<dyn FnOnce() + Send>| {
            Builder::new().name(name.into()).spawn(move || {
                work();
                let _ = tell.send(());
            })
        };
        let keeping = Keeping { wire, ended, _dir: dir };
        start("ringstat-acks", tell.clone(), Box::new(move || acks.run()))?;
        start("ringstat-data", tell, Box::new(move || cuts.run()))?;
        Ok(keeping)
    }
}

impl Keeping {
    /// Writes what is left, unless the disk takes too long. Call it when nothing comes in any more. Returns whether all of
    /// it is on disk.
    pub(crate) fn end(&self) -> bool {
        let until = Instant::now() + END;
        // What is acknowledged last is in the last cut.
        let done = (0..2).all(|which| {
            self.wire.end(which);
            self.ended.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
        });
        let written = done && !self.wire.status.now().failing;
        if !written {
            tracing::error!(
                "not everything could be kept: what came last is lost with this process"
            );
        }
        written
    }
}

/// What goes wrong again and again is told at once, and then once a minute.
#[derive(Default, Debug)]
pub(super) struct Alarm {
    told: Option<Instant>,
    on: bool,
}

impl Alarm {
    /// It went wrong. Whether to tell.
    pub(super) fn rings(&mut self) -> bool {
        self.on = true;
        let tell = self.told.is_none_or(|told| told.elapsed() > Duration::from_secs(60));
        if tell {
            self.told = Some(Instant::now());
        }
        tell
    }

    /// It went well. Whether it had gone wrong.
    pub(super) fn ends(&mut self) -> bool {
        std::mem::take(&mut self.on)
    }
}
