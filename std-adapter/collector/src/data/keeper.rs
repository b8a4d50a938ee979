//! Keeps a collector's data on disk: two threads, and how they communicate with the receiving threads.

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

/// Gives the threads access to the shards.
pub(crate) trait Kept: Send + Sync + 'static {
    /// Returns the number of shards.
    fn count(&self) -> usize;

    /// Works on one of them while its datagrams wait.
    fn change<T>(&self, shard: usize, work: impl FnOnce(&mut Collector) -> T) -> T;

    /// Returns the time of the collector's clock.
    fn now_ms(&self) -> u64;
}

/// The largest number of senders that wait for an acknowledgement; others ask again.
const WAITING: usize = 1 << 16;
/// How long shutdown waits for the disk.
const END: Duration = Duration::from_secs(2);

/// The state that the threads share.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(super) status: Status,
    pub(super) disk: Disk,
    /// For each shard, the number up to which a cut contains critical events.
    through: Vec<AtomicU64>,
    said: Mutex<Said>,
    asks: Condvar,
    ends: Condvar,
}

#[derive(Default, Debug)]
struct Said {
    asked: HashMap<(u64, SocketAddr), Asked>,
    /// Whether the thread of acknowledgements should end, followed by that of cuts.
    ends: [bool; 2],
    /// Whether a cut is wanted at once.
    hurry: bool,
}

impl Wire {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a sender that is to get an acknowledgement once its events are on disk.
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

    /// Waits for senders that ask, and a little longer for others. Returns `None` when the thread should end.
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

    /// Waits for the pause, until the thread should end or, with `may_hurry`, until somebody asks for a cut. Returns whether
    /// it should end.
    pub(super) fn wait(&self, pause: Duration, may_hurry: bool) -> bool {
        let goes_on = |said: &mut Said| !(said.ends[1] || may_hurry && said.hurry);
        let waited = self.ends.wait_timeout_while(self.said(), pause, goes_on);
        let mut said = waited.unwrap_or_else(PoisonError::into_inner).0;
        said.hurry = false;
        said.ends[1]
    }

    /// Asks for a cut now. Whoever has read counters is to find them again after a crash: Prometheus takes one that went
    /// back for one that began anew.
    pub(crate) fn hurry(&self) {
        self.said().hurry = true;
        self.ends.notify_all();
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

    /// Returns the current status.
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }
}

/// A data directory whose data has been read. Nothing is written before it is [started](Keeper::start).
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) dir: Directory,
    pub(super) files: Files,
    pub(super) wire: Arc<Wire>,
    /// Critical events up to this number are in the state.
    pub(super) latest: u64,
}

/// The threads that write to it.
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

    /// Returns the shared state, for requests of acknowledgements and for the status.
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
    /// Writes what is left, unless the disk takes too long. Call it when no more datagrams arrive. Returns whether
    /// everything is on disk.
    pub(crate) fn end(&self) -> bool {
        let until = Instant::now() + END;
        // The events that were acknowledged last are in the last cut.
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

/// Limits reports of a repeated failure: the first is made at once, later ones once a minute.
#[derive(Default, Debug)]
pub(super) struct Alarm {
    told: Option<Instant>,
    on: bool,
}

impl Alarm {
    /// Notes a failure. Returns whether to report it.
    pub(super) fn rings(&mut self) -> bool {
        self.on = true;
        let tell = self.told.is_none_or(|told| told.elapsed() > Duration::from_secs(60));
        if tell {
            self.told = Some(Instant::now());
        }
        tell
    }

    /// Notes a success. Returns whether there had been a failure.
    pub(super) fn ends(&mut self) -> bool {
        std::mem::take(&mut self.on)
    }
}
