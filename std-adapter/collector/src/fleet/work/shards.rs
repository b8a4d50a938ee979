//! The shards of a worker: a reader for each, begun and ended as leases come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

use super::reader::Reader;
use super::samples::{Sampler, Samples};
use super::stand::Stand;
use super::state::Rules;
use crate::export::Packer;
use crate::fleet::lease::{Order, Report, Snapshot, Token};
use crate::fleet::log::Log;
use crate::metrics::Distributions;

/// What a reader is told.
#[derive(Debug)]
pub(super) enum ToReader {
    /// Save the state, report that the shard is drained, and end.
    Drain,
    /// This snapshot is the valid one.
    Committed(Snapshot),
}

/// Where samples go, what packs those of a shard, and in which form.
type Sampling = (Arc<Samples>, Packer, Distributions);

/// The shards of a worker.
#[derive(Debug)]
pub(super) struct Shards {
    log: Log,
    rules: Arc<Rules>,
    sampling: Option<Sampling>,
    reports: UnboundedSender<Report>,
    all: Mutex<BTreeMap<u16, Running>>,
}

/// A reader that runs.
#[derive(Debug)]
struct Running {
    token: Token,
    stand: Arc<Stand>,
    orders: UnboundedSender<ToReader>,
    task: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shards {
    pub(super) fn new(
        log: Log,
        rules: Arc<Rules>,
        sampling: Option<Sampling>,
        reports: UnboundedSender<Report>,
    ) -> Self {
        Self { log, rules, sampling, reports, all: Mutex::default() }
    }

    /// Obeys the leases, until they end.
    pub(super) async fn run(&self, mut orders: UnboundedReceiver<Order>) {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Acquired { shard, token, snapshot } => self.begin(shard, token, snapshot),
                Order::Drain { shard, token } => self.tell(shard, token, ToReader::Drain),
                Order::Committed { shard, token, snapshot } => {
                    self.tell(shard, token, ToReader::Committed(snapshot));
                }
                Order::Lost { shard, token } => {
                    self.lock().remove(&shard).filter(|running| running.token == token);
                    tracing::info!(shard, "another worker may have this shard by now");
                }
            }
        }
    }

    /// How each shard is doing.
    pub(super) fn all(&self) -> Vec<Arc<Stand>> {
        self.lock().values().map(|running| running.stand.clone()).collect()
    }

    fn begin(&self, shard: u16, token: Token, snapshot: Option<Snapshot>) {
        let (orders, received) = unbounded_channel();
        let stand = Arc::new(Stand::new(shard));
        let sampler = self.sampling.as_ref().map(|(samples, packer, distributions)| {
            Sampler::new(samples.clone(), packer.clone(), *distributions)
        });
        let reader = Reader {
            shard,
            token,
            log: self.log.clone(),
            rules: self.rules.clone(),
            sampler,
            stand: stand.clone(),
            orders: received,
            reports: self.reports.clone(),
        };
        let task = tokio::spawn(reader.run(snapshot)).abort_handle();
        self.lock().insert(shard, Running { token, stand, orders, task });
    }

    fn tell(&self, shard: u16, token: Token, what: ToReader) {
        let all = self.lock();
        if let Some(running) = all.get(&shard).filter(|running| running.token == token) {
            let _ = running.orders.send(what);
        }
    }

    /// The shards that are read now: a reader that has handed its shard over has ended.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u16, Running>> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, running| !running.task.is_finished());
        all
    }
}
