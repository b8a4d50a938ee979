//! The thread that publishes messages, and answers senders once the log has them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep_until;

use super::account::{Account, FailureCause, add};
use super::lanes::Lanes;
use super::queue::{Batch, Place};
use super::spool::{self, Done, Spool};
use crate::fleet::log::Log;
use crate::fleet::names;

/// How many messages may be in flight.
const IN_FLIGHT: usize = 1024;
/// How long the end waits for the log.
const END: Duration = Duration::from_secs(3);
/// How often messages are looked for that have waited too long.
const LOOK: Duration = Duration::from_millis(100);

pub(super) struct Publisher {
    pub(super) log: Log,
    pub(super) account: Arc<Account>,
    pub(super) batches: UnboundedReceiver<Batch>,
    /// The queue on disk, and what is in it from before.
    pub(super) spool: Option<(Spool, Vec<Batch>)>,
}

/// What became of one attempt: its shard and number, and whether the log has confirmed it.
struct Landed {
    shard: u16,
    number: u64,
    /// Its number in the stream.
    result: Result<u64, Failed>,
}

struct Failed {
    why: String,
    cause: FailureCause,
}

impl From<PublishError> for Failed {
    fn from(error: PublishError) -> Self {
        let cause = match error.kind() {
            PublishErrorKind::TimedOut => FailureCause::NoAnswer,
            PublishErrorKind::BrokenPipe => FailureCause::ConnectionLost,
            _ => FailureCause::Refused,
        };
        Self { why: told(&error), cause }
    }
}

impl Publisher {
    /// Publishes until the receiving threads have ended and nothing waits, or the log does not take it in time.
    pub(super) async fn run(mut self) {
        let id = fastrand::u64(..);
        let subjects: Vec<String> = (0..self.log.shards).map(names::subject).collect();
        let mut lanes = Lanes::new(self.log.shards, IN_FLIGHT);
        let (mut flights, mut asked) = (FuturesUnordered::new(), FuturesUnordered::new());
        let (mut ends, mut failing, mut is_full) = (None, false, false);
        let (mut spool, left) = self.spool.take().unzip();
        left.into_iter().flatten().for_each(|batch| lanes.add(batch));
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            while self.log.is_connected()
                && let Some((number, batch)) = lanes.next(Instant::now())
            {
                let shard = batch.shard;
                let body = match (&spool, batch.place) {
                    (Some(spool), Place::Disk(key)) if batch.body.is_empty() => spool.read(key),
                    _ => Ok(batch.body.clone()),
                };
                let body = match body {
                    Ok(body) => body,
                    Err(e) => {
                        tracing::error!("a message of the queue cannot be read back: {e}");
                        lanes.failed(shard, number, false, Instant::now());
                        continue;
                    }
                };
                let message = PublishMessage::build()
                    .payload(body)
                    .message_id(format!("{id:x}.{shard}.{number}"));
                let mut lost = self.log.lost.clone();
                lost.mark_unchanged();
                let sent =
                    self.log.context.send_publish(subjects[usize::from(shard)].clone(), message);
                let sent = sent.await;
                flights.push(async move {
                    let result = match sent {
                        Err(e) => Err(e.into()),
                        Ok(confirmed) => tokio::select! {
                            confirmed = confirmed.into_future() => match confirmed {
                                Ok(confirmed) => Ok(confirmed.sequence),
                                Err(e) => Err(e.into()),
                            },
                            // It will not be answered any more.
                            _ = lost.changed() => Err(Failed {
                                why: "the connection was lost".into(),
                                cause: FailureCause::ConnectionLost,
                            }),
                        },
                    };
                    Landed { shard, number, result }
                });
            }
            while let Some(shard) = lanes.next_vague() {
                let log = self.log.clone();
                asked.push(async move { (shard, log.size(shard).await) });
            }
            self.account.in_flight.store(lanes.in_flight() as u64, Ordering::Relaxed);
            self.account.full_shards.store(lanes.full(), Ordering::Relaxed);
            if lanes.full() > 0 && !std::mem::replace(&mut is_full, true) {
                tracing::warn!("{} shards are full; what is for them waits", lanes.full());
            } else if lanes.full() == 0 && std::mem::take(&mut is_full) {
                tracing::info!("no shard is full any more");
            }
            if ends.is_some() && lanes.is_empty() {
                break;
            }
            let rested = lanes.rests_until().map(Into::into);
            tokio::select! {
                Some(landed) = flights.next(), if !flights.is_empty() => {
                    self.landed(&mut lanes, spool.as_ref(), landed, &mut failing);
                }
                Some((shard, size)) = asked.next(), if !asked.is_empty() => {
                    let size = size.inspect_err(|why| {
                        tracing::debug!("the log does not say how full shard {shard} is: {why}");
                    });
                    lanes.answered(shard, size.ok(), Instant::now());
                }
                batch = self.batches.recv(), if ends.is_none() => match batch {
                    Some(batch) => lanes.add(batch),
                    None => ends = Some(tokio::time::Instant::now() + END),
                },
                done = kept(&mut spool) => self.kept(&mut lanes, done),
                _ = look.tick(), if spool.is_some() => {
                    if let Some(spool) = &mut spool
                        && let Some(before) = Instant::now().checked_sub(spool::PATIENCE)
                    {
                        let copies = lanes.keep(before, |shard| spool.key(shard));
                        spool.keep(copies);
                    }
                }
                () = sleep_until(rested.unwrap_or_else(tokio::time::Instant::now)), if rested.is_some() => {
                    lanes.rested(Instant::now());
                }
                () = sleep_until(ends.unwrap_or_else(tokio::time::Instant::now)), if ends.is_some() => break,
                // Nothing says when a connection is back.
                () = tokio::time::sleep(Duration::from_millis(20)), if !self.log.is_connected() => {}
            }
        }
        if let Some(mut spool) = spool {
            let copies = lanes.keep(Instant::now(), |shard| spool.key(shard));
            spool.keep(copies);
            spool.end().into_iter().for_each(|done| self.kept(&mut lanes, done));
        }
        let is_kept = |batch: &&Batch| matches!(batch.place, Place::Disk(_));
        let kept: u64 = lanes.left().filter(is_kept).map(|batch| batch.datagrams).sum();
        let left = self.account.waiting.swap(0, Ordering::Relaxed) - kept;
        self.account.waiting_bytes.store(0, Ordering::Relaxed);
        add(&self.account.kept, kept);
        add(&self.account.shutdown, left);
        if kept > 0 {
            tracing::warn!("{kept} datagrams wait on disk for the next start");
        }
        if left > 0 {
            tracing::error!("the log did not take {left} datagrams before the end: they are lost");
        }
    }

    /// Notes what is on disk now, and sends the receipts that waited for it.
    fn kept(&self, lanes: &mut Lanes, done: Done) {
        for (shard, number, key) in done.messages {
            let receipts = lanes.kept(shard, number, key, done.is_kept);
            add(&self.account.receipts, receipts.iter().filter(|of| of.send()).count() as u64);
        }
    }

    fn landed(&self, lanes: &mut Lanes, spool: Option<&Spool>, landed: Landed, failing: &mut bool) {
        let Landed { shard, number, result } = landed;
        match result {
            Ok(at) => {
                let Some(mut batch) = lanes.confirmed(shard, number, at) else { return };
                if let Some((spool, key)) = spool.zip(batch.place.key()) {
                    spool.remove(key);
                }
                let receipts = lanes.receipts(number, &mut batch);
                add(&self.account.receipts, receipts.iter().filter(|of| of.send()).count() as u64);
                if std::mem::take(failing) {
                    tracing::info!("the log takes messages again");
                }
                self.confirmed(&batch);
            }
            Err(Failed { why, cause }) => {
                add(&self.account.failures[cause as usize], 1);
                if !std::mem::replace(failing, true) {
                    tracing::warn!("the log does not confirm messages: {why}; they wait");
                }
                let at_once = cause == FailureCause::ConnectionLost;
                lanes.failed(shard, number, at_once, Instant::now());
            }
        }
    }

    /// Accounts for a message that the log has, and tells those who wait for that.
    fn confirmed(&self, batch: &Batch) {
        let account = &self.account;
        add(&account.messages, 1);
        add(&account.logged, batch.datagrams);
        add(&account.logged_bytes, batch.length as u64);
        account.waiting.fetch_sub(batch.datagrams, Ordering::Relaxed);
        account.waiting_bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
        for ack in &batch.acks {
            if ack.send() {
                add(&account.acks, 1);
            }
        }
    }
}

/// Waits for what is on disk, if there is one.
async fn kept(spool: &mut Option<Spool>) -> Done {
    match spool {
        Some(spool) => match spool.done.recv().await {
            Some(done) => done,
            // Its thread has panicked, and reported that on standard error.
            None => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
