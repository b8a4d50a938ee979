//! Keeps a collector's data on disk: two threads, and how they communicate with the receiving threads.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout;

use super::acks::{AckRequest, AckWriter, GROUP};
use super::cuts::CutWriter;
use super::directory::Directory;
use super::disk::Disk;
use super::load::Files;
use super::status::Status;
use crate::intake::{Collector, Critical};

/// Access to the shards for the threads that keep them on disk.
pub(crate) trait ShardsMut: Send + Sync + 'static {
    /// Returns the number of shards.
    fn count(&self) -> usize;

    /// Calls `work` with one of them, whose datagrams wait meanwhile.
    fn change<T>(&self, shard: usize, work: impl FnOnce(&mut Collector) -> T) -> T;

    /// Returns the time of the collector's clock.
    fn now_ms(&self) -> u64;
}

/// The largest number of senders that wait for an acknowledgement; others ask again.
const WAITING: usize = 1 << 16;
/// How long a reader waits for a round of cuts.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long shutdown waits for the disk.
const END: Duration = Duration::from_secs(2);

/// The state that the keeper's threads share with each other and with the receiving threads.
#[derive(Debug)]
pub(crate) struct KeeperShared {
    pub(super) status: Status,
    pub(super) disk: Disk,
    /// For each shard, the number up to which a cut contains critical events.
    through: Vec<AtomicU64>,
    requests: Mutex<Requests>,
    rounds: watch::Sender<Rounds>,
    ack_requested: Condvar,
    cut_requested: Condvar,
}

#[derive(Default, Debug)]
struct Requests {
    asked: HashMap<(u64, String), AckRequest>,
    /// Whether the thread of acknowledgements should end, followed by that of cuts.
    ends: [bool; 2],
    /// Whether a cut is wanted at once.
    cut: bool,
    /// The number of the latest round of cuts, and since when it has been running, if it is.
    round: u64,
    running_since: Option<Instant>,
}

/// Rounds of cuts, by number: the latest that is over, and the latest that is on disk as a whole.
#[derive(Clone, Copy, Default, Debug)]
struct Rounds {
    over: u64,
    written: u64,
}

impl KeeperShared {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests an acknowledgement, which is sent once the sender's events are on disk.
    pub(crate) fn request_ack(&self, asked: AckRequest) {
        let mut requests = self.requests();
        if requests.asked.is_empty() {
            self.ack_requested.notify_one();
        }
        if requests.asked.len() >= WAITING {
            self.status.withheld(1);
            return;
        }
        let key = (asked.sender, asked.to.key());
        let length = requests.asked.get(&key).map_or(0, |before| before.length);
        requests.asked.insert(key, AckRequest { length: asked.length.max(length), ..asked });
    }

    /// Waits for requests, and then a little longer to collect more. Returns `None` when the thread should end.
    pub(super) fn next_ack_requests(&self) -> Option<Vec<AckRequest>> {
        let mut requests = self.requests();
        while requests.asked.is_empty() && !requests.ends[0] {
            requests = self.ack_requested.wait(requests).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + GROUP;
        while !requests.ends[0] {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.ack_requested.wait_timeout(requests, left);
            requests = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let asked: Vec<_> = requests.asked.drain().map(|(_, asked)| asked).collect();
        (!asked.is_empty()).then_some(asked)
    }

    /// Waits for `pause`, but at most until the thread should end or, with `until_requested`, until a cut is requested.
    /// Then a round of cuts begins, one of each shard. Returns whether the thread should end after it.
    pub(super) fn begin_round(&self, pause: Duration, until_requested: bool) -> bool {
        let goes_on =
            |requests: &mut Requests| !(requests.ends[1] || until_requested && requests.cut);
        let waited = self.cut_requested.wait_timeout_while(self.requests(), pause, goes_on);
        let mut requests = waited.unwrap_or_else(PoisonError::into_inner).0;
        requests.cut = false;
        requests.round += 1;
        requests.running_since = Some(Instant::now());
        requests.ends[1]
    }

    /// The round is over: all of it is on disk, or not.
    pub(super) fn end_round(&self, written: bool) {
        let mut requests = self.requests();
        requests.running_since = None;
        let round = requests.round;
        drop(requests);
        self.rounds.send_modify(|rounds| {
            rounds.over = round;
            if written {
                rounds.written = round;
            }
        });
    }

    /// Waits until everything that is known now is on disk: a cut is made at once. Returns `false` if it is not, because the
    /// disk fails or takes too long.
    ///
    /// Whoever shows counters waits for this, so that a crash takes none of them back: Prometheus takes a counter that went
    /// back for one that began anew.
    pub(crate) async fn written(&self) -> bool {
        let wanted = {
            let mut requests = self.requests();
            let hangs = requests.running_since.is_some_and(|since| since.elapsed() > PATIENCE);
            if hangs || self.status.is_failing() {
                return false;
            }
            requests.cut = true;
            requests.round + 1
        };
        self.cut_requested.notify_all();
        let mut rounds = self.rounds.subscribe();
        let over = timeout(PATIENCE, rounds.wait_for(|rounds| rounds.over >= wanted)).await;
        over.is_ok_and(|rounds| rounds.is_ok_and(|rounds| rounds.written >= wanted))
    }

    fn end(&self, which: usize) {
        self.requests().ends[which] = true;
        self.ack_requested.notify_all();
        self.cut_requested.notify_all();
    }

    pub(super) fn set_through(&self, shard: usize, number: u64) {
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
    pub(super) shared: Arc<KeeperShared>,
    /// Critical events up to this number are in the state.
    pub(super) latest: u64,
}

/// The threads that write to it.
#[derive(Debug)]
pub(crate) struct KeeperThreads {
    shared: Arc<KeeperShared>,
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
        let shared = KeeperShared {
            status: Status::default(),
            disk,
            through: (0..shards).map(|_| AtomicU64::new(latest)).collect(),
            requests: Mutex::default(),
            rounds: watch::Sender::default(),
            ack_requested: Condvar::new(),
            cut_requested: Condvar::new(),
        };
        Self { dir, files, shared: Arc::new(shared), latest }
    }

    /// Returns the shared state, for requests of acknowledgements and for the status.
    pub(crate) fn shared(&self) -> &Arc<KeeperShared> {
        &self.shared
    }

    /// Starts the threads.
    pub(crate) fn start<K: ShardsMut>(self, shards: &Arc<K>) -> std::io::Result<KeeperThreads> {
        let Self { dir, files, shared, latest } = self;
        let count = shards.count();
        let acks = AckWriter {
            file: files.critical,
            shards: shards.clone(),
            shared: shared.clone(),
            batches: (0..count).map(|_| Critical::default()).collect(),
            needs_cut: vec![latest; count],
            failed: None,
            failing: ReportLimiter::default(),
        };
        let cuts = CutWriter { state: files.state, shards: shards.clone(), shared: shared.clone() };
        let (tell, ended) = channel();
        let start = |name: &str, tell: Sender<()>, work: Box<dyn FnOnce() + Send>| {
            Builder::new().name(name.into()).spawn(move || {
                work();
                let _ = tell.send(());
            })
        };
        let keeper_threads = KeeperThreads { shared, ended, _dir: dir };
        start("ringstat-acks", tell.clone(), Box::new(move || acks.run()))?;
        start("ringstat-data", tell, Box::new(move || cuts.run()))?;
        Ok(keeper_threads)
    }
}

impl KeeperThreads {
    /// Writes what is left, unless the disk takes too long. Call it when no more datagrams arrive. Returns whether
    /// everything is on disk.
    pub(crate) fn end(&self) -> bool {
        let until = Instant::now() + END;
        // The events that were acknowledged last are in the last cut.
        let done = (0..2).all(|which| {
            self.shared.end(which);
            self.ended.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
        });
        let written = done && !self.shared.status.now().failing;
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
pub(super) struct ReportLimiter {
    reported: Option<Instant>,
    failing: bool,
}

impl ReportLimiter {
    /// Notes a failure. Returns whether to report it.
    pub(super) fn failed(&mut self) -> bool {
        self.failing = true;
        let report =
            self.reported.is_none_or(|reported| reported.elapsed() > Duration::from_secs(60));
        if report {
            self.reported = Some(Instant::now());
        }
        report
    }

    /// Notes a success. Returns whether there had been a failure.
    pub(super) fn recovered(&mut self) -> bool {
        std::mem::take(&mut self.failing)
    }
}
