//! The leases of a worker, bound to NATS: one bucket, watched as a whole.
//!
//! Keys of shards are only written by compare-and-set and never deleted. Keys of workers are announcements; those of
//! workers that have long been gone are removed by others.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};

use async_nats::jetstream::kv::{self, Entry, Operation, Store, UpdateErrorKind};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Answer, Leases, Output, Record, Shard, Snapshot, Time, Timing, Token, WorkerId};
use crate::fleet::log::{FleetError, Log, LogConfig};
use crate::fleet::names::{LEASES, shard_key};

/// What stands before the name of a worker in its key.
const WORKER: &str = "worker.";
/// How long an announcement stays after the worker has gone.
const FORGET: Duration = Duration::from_secs(24 * 3600);
/// How long to wait before the bucket is watched again.
const AGAIN: Duration = Duration::from_millis(250);
/// How many observations may wait to be looked at.
const WAITING: usize = 1024;

/// What a worker has to do for a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Load the snapshot, if there is one, and work.
    Acquired { shard: Shard, token: Token, snapshot: Option<Snapshot> },
    /// Commit a last snapshot, stop, and report that it is drained.
    Drain { shard: Shard, token: Token },
    /// This snapshot is the valid one now.
    Committed { shard: Shard, token: Token, snapshot: Snapshot },
    /// Stop at once: another worker may have the shard by now.
    Lost { shard: Shard, token: Token },
}

/// What a worker has done for a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Report {
    /// This snapshot is written, and is to be the valid one. Nothing comes of it if the lease is over.
    Commit { shard: Shard, token: Token, snapshot: Snapshot },
    /// It has stopped working on a shard that it was to drain.
    Drained { shard: Shard, token: Token },
}

/// Keeps the leases of a worker until it is told to [`leave`](Self::leave). When it is dropped, the leases run out.
#[derive(Debug)]
pub(crate) struct Keeper {
    reports: UnboundedSender<Report>,
    leave: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Begins to claim shards. Returns what the worker has to do; there is no end of it before that of the keeper.
    ///
    /// # Errors
    /// The log cannot be reached, or has no room for the bucket.
    pub(crate) async fn start(
        log: Log,
        config: &LogConfig,
        worker: WorkerId,
    ) -> Result<(Self, UnboundedReceiver<Order>), FleetError> {
        let store = bucket(&log, config).await?;
        let (tell, orders) = unbounded_channel();
        let (reports, reported) = unbounded_channel();
        let (leave, leaves) = oneshot::channel();
        let keeping = Keeping {
            leases: Leases::new(key_part(&worker), log.shards, Timing::DEFAULT, Time::ZERO),
            origin: Instant::now(),
            writes: FuturesUnordered::new(),
            store,
            log,
            orders: tell,
        };
        let task = tokio::spawn(keeping.run(reported, leaves));
        Ok((Self { reports, leave: Some(leave), task }, orders))
    }

    /// Where the worker reports.
    pub(crate) fn reports(&self) -> UnboundedSender<Report> {
        self.reports.clone()
    }

    /// Hands over all shards. Returns when the log knows that none is held any more.
    pub(crate) async fn leave(mut self) {
        let _ = self.leave.take().map(|leave| leave.send(()));
        let _ = (&mut self.task).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes the bucket of the leases if there is none.
async fn bucket(log: &Log, config: &LogConfig) -> Result<Store, FleetError> {
    if let Ok(store) = log.context.get_key_value(LEASES).await {
        return Ok(store);
    }
    let bucket = kv::Config {
        bucket: LEASES.into(),
        history: 1,
        num_replicas: config.replicas,
        ..kv::Config::default()
    };
    match log.context.create_key_value(bucket).await {
        Ok(store) => Ok(store),
        // Another worker may have made it meanwhile.
        Err(e) => log.context.get_key_value(LEASES).await.map_err(|_| config.fails(e)),
    }
}

/// A name of which each character may stand in a key.
fn key_part(worker: &str) -> WorkerId {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    worker.chars().map(|c| if allowed(c) { c } else { '_' }).collect::<String>().into()
}

/// What became of a write.
type Written = (Shard, u64, Record, Answer);

struct Keeping {
    leases: Leases,
    /// When the worker's clock began.
    origin: Instant,
    log: Log,
    store: Store,
    writes: FuturesUnordered<Pin<Box<dyn Future<Output = Option<Written>> + Send>>>,
    orders: UnboundedSender<Order>,
}

impl Keeping {
    async fn run(
        mut self,
        mut reports: UnboundedReceiver<Report>,
        mut leave: oneshot::Receiver<()>,
    ) {
        let (tell, mut observed) = mpsc::channel(WAITING);
        let watching = tokio::spawn(watch(self.log.clone(), self.store.clone(), tell));
        let mut leaving = false;
        while !(leaving && self.leases.is_idle() && self.writes.is_empty()) {
            self.act();
            let wake = self.leases.next_wake(self.now()).saturating_sub(self.now());
            tokio::select! {
                Some(entry) = observed.recv() => self.observe(&entry),
                Some(written) = self.writes.next() => {
                    if let Some((shard, write, record, answer)) = written {
                        let now = self.now();
                        self.leases.answered(shard, write, record, answer, now);
                    }
                }
                Some(report) = reports.recv() => self.report(report),
                left = &mut leave, if !leaving => {
                    if left.is_err() {
                        break;
                    }
                    leaving = true;
                    self.leases.leave();
                }
                () = sleep(wake) => {}
            }
        }
        watching.abort();
    }

    fn now(&self) -> Time {
        self.origin.elapsed()
    }

    /// Does what is to be done now.
    fn act(&mut self) {
        // The time at which a write is sent is never earlier than what the leases take it for.
        while let Some(output) = self.leases.poll(self.now()) {
            let order = match output {
                Output::Announce => {
                    let (store, key) = (self.store.clone(), self.worker_key());
                    self.writes.push(Box::pin(async move {
                        let _ = store.put(key, "".into()).await;
                        None
                    }));
                    continue;
                }
                Output::Leave => {
                    let (store, key) = (self.store.clone(), self.worker_key());
                    self.writes.push(Box::pin(async move {
                        let _ = store.delete(key).await;
                        None
                    }));
                    continue;
                }
                Output::Write { shard, write, expected, record } => {
                    let written = store(self.store.clone(), shard, expected, record);
                    self.writes.push(Box::pin(async move {
                        let (record, answer) = written.await;
                        Some((shard, write, record, answer))
                    }));
                    continue;
                }
                Output::Acquired { shard, token, snapshot } => {
                    Order::Acquired { shard, token, snapshot }
                }
                Output::Drain { shard, token } => Order::Drain { shard, token },
                Output::Committed { shard, token, snapshot } => {
                    Order::Committed { shard, token, snapshot }
                }
                Output::Lost { shard, token } => Order::Lost { shard, token },
            };
            let _ = self.orders.send(order);
        }
    }

    fn worker_key(&self) -> String {
        format!("{WORKER}{}", self.leases.me())
    }

    fn report(&mut self, report: Report) {
        let now = self.now();
        match report {
            Report::Commit { shard, token, snapshot } => {
                self.leases.commit(shard, token, snapshot, now);
            }
            Report::Drained { shard, token } => self.leases.drained(shard, token),
        }
    }

    fn observe(&mut self, entry: &Entry) {
        let now = self.now();
        if let Some(worker) = entry.key.strip_prefix(WORKER) {
            let worker = WorkerId::from(worker);
            match entry.operation {
                _ if is_forgotten(entry) => self.forget(&entry.key),
                Operation::Put => self.leases.announced(&worker, now),
                Operation::Delete | Operation::Purge => self.leases.left(&worker, now),
            }
            return;
        }
        let number = |shard: &Shard| shard_key(*shard) == entry.key;
        let shard = entry.key.rsplit('.').next().and_then(|shard| shard.parse().ok());
        let Some(shard) = shard.filter(number) else { return };
        // A key that somebody deleted by hand is a shard without an owner and without a snapshot.
        let record = match entry.operation {
            Operation::Put => serde_json::from_slice(&entry.value),
            Operation::Delete | Operation::Purge => Ok(Record::default()),
        };
        match record {
            Ok(record) => self.leases.observed(shard, entry.revision, record, now),
            Err(e) => tracing::error!(shard, "the lease cannot be read: {e}"),
        }
    }

    /// Removes what a worker left that has long been gone.
    fn forget(&self, key: &str) {
        let (stream, key) = (self.store.stream.clone(), key.to_owned());
        let prefix = self.store.prefix.clone();
        self.writes.push(Box::pin(async move {
            let _ = stream.purge().filter(format!("{prefix}{key}")).await;
            None
        }));
    }
}

fn is_forgotten(entry: &Entry) -> bool {
    // Clocks are compared here, but only to tidy up.
    SystemTime::now().duration_since(entry.created.into()).is_ok_and(|age| age >= FORGET)
}

/// Stores a record by compare-and-set.
async fn store(store: Store, shard: Shard, expected: u64, record: Record) -> (Record, Answer) {
    let value = match serde_json::to_vec(&record) {
        Ok(value) => value,
        Err(e) => {
            tracing::error!(shard, "the lease cannot be written: {e}");
            return (record, Answer::Unknown);
        }
    };
    let answer = match store.update(shard_key(shard), value.into(), expected).await {
        Ok(revision) => Answer::Done(revision),
        Err(e) if e.kind() == UpdateErrorKind::WrongLastRevision => Answer::Refused,
        Err(e) => {
            tracing::debug!(shard, "the lease is not known to be written: {e}");
            Answer::Unknown
        }
    };
    (record, answer)
}

/// Passes on what is in the bucket, and what comes. This worker's own announcements come again and again: when nothing
/// does, the watch is broken and begins anew.
async fn watch(mut log: Log, store: Store, tell: mpsc::Sender<Entry>) {
    loop {
        log.lost.mark_unchanged();
        if let Ok(mut entries) = store.watch_with_history(">").await {
            loop {
                let next = tokio::select! {
                    next = timeout(Timing::DEFAULT.ttl, entries.next()) => next,
                    _ = log.lost.changed() => break,
                };
                let Ok(Some(Ok(entry))) = next else { break };
                if tell.send(entry).await.is_err() {
                    return;
                }
            }
        }
        sleep(AGAIN).await;
    }
}
