//! The thread that publishes messages, and answers senders once the log has them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_nats::jetstream::message::PublishMessage;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep_until;

use super::account::{Account, add};
use super::lanes::Lanes;
use super::queue::Batch;
use crate::fleet::log::Log;
use crate::fleet::names;

/// How many messages may be in flight.
const IN_FLIGHT: usize = 1024;
/// How long the end waits for the log.
const END: Duration = Duration::from_secs(3);

pub(super) struct Publisher {
    pub(super) log: Log,
    pub(super) account: Arc<Account>,
    pub(super) batches: UnboundedReceiver<Batch>,
}

/// What became of one attempt: its shard and number, and whether the log has confirmed it.
struct Landed {
    shard: u16,
    number: u64,
    result: Result<(), Failed>,
}

struct Failed {
    why: String,
    /// Whether the connection was lost.
    lost: bool,
}

impl Publisher {
    /// Publishes until the receiving threads have ended and nothing waits, or the log does not take it in time.
    pub(super) async fn run(mut self) {
        let id = fastrand::u64(..);
        let subjects: Vec<String> = (0..self.log.shards).map(names::subject).collect();
        let mut lanes = Lanes::new(self.log.shards, IN_FLIGHT);
        let mut flights = FuturesUnordered::new();
        let (mut ends, mut failing) = (None, false);
        loop {
            while self.log.is_connected()
                && let Some((number, batch)) = lanes.next(Instant::now())
            {
                let shard = batch.shard;
                let message = PublishMessage::build()
                    .payload(batch.body.clone().into())
                    .message_id(format!("{id:x}.{shard}.{number}"));
                let mut lost = self.log.lost.clone();
                lost.mark_unchanged();
                let sent =
                    self.log.context.send_publish(subjects[usize::from(shard)].clone(), message);
                let sent = sent.await;
                flights.push(async move {
                    let failed = |why, lost| Err(Failed { why, lost });
                    let result = match sent {
                        Err(e) => failed(e.to_string(), false),
                        Ok(confirmed) => tokio::select! {
                            confirmed = confirmed.into_future() => match confirmed {
                                Ok(_) => Ok(()),
                                Err(e) => failed(told(&e), false),
                            },
                            // It will not be answered any more.
                            _ = lost.changed() => failed("the connection was lost".into(), true),
                        },
                    };
                    Landed { shard, number, result }
                });
            }
            self.account.in_flight.store(lanes.in_flight() as u64, Ordering::Relaxed);
            if ends.is_some() && lanes.is_empty() {
                break;
            }
            let rested = lanes.rests_until().map(Into::into);
            tokio::select! {
                Some(landed) = flights.next(), if !flights.is_empty() => {
                    self.landed(&mut lanes, landed, &mut failing);
                }
                batch = self.batches.recv(), if ends.is_none() => match batch {
                    Some(batch) => lanes.add(batch),
                    None => ends = Some(tokio::time::Instant::now() + END),
                },
                () = sleep_until(rested.unwrap_or_else(tokio::time::Instant::now)), if rested.is_some() => {
                    lanes.rested(Instant::now());
                }
                () = sleep_until(ends.unwrap_or_else(tokio::time::Instant::now)), if ends.is_some() => break,
                // Nothing says when a connection is back.
                () = tokio::time::sleep(Duration::from_millis(20)), if !self.log.is_connected() => {}
            }
        }
        let left = self.account.waiting.swap(0, Ordering::Relaxed);
        self.account.waiting_bytes.store(0, Ordering::Relaxed);
        add(&self.account.shutdown, left);
        if left > 0 {
            tracing::error!("the log did not take {left} datagrams before the end: they are lost");
        }
    }

    fn landed(&self, lanes: &mut Lanes, landed: Landed, failing: &mut bool) {
        let Landed { shard, number, result } = landed;
        match result {
            Ok(()) => {
                let Some(batch) = lanes.confirmed(shard, number) else { return };
                if std::mem::take(failing) {
                    tracing::info!("the log takes messages again");
                }
                self.confirmed(&batch);
            }
            Err(Failed { why, lost }) => {
                add(&self.account.failures, 1);
                if !std::mem::replace(failing, true) {
                    tracing::warn!("the log does not confirm messages: {why}; they wait");
                }
                lanes.failed(shard, number, lost, Instant::now());
            }
        }
    }

    /// Accounts for a message that the log has, and tells those who wait for that.
    fn confirmed(&self, batch: &Batch) {
        let account = &self.account;
        add(&account.messages, 1);
        add(&account.logged, batch.datagrams);
        add(&account.logged_bytes, batch.body.len() as u64);
        account.waiting.fetch_sub(batch.datagrams, Ordering::Relaxed);
        account.waiting_bytes.fetch_sub(batch.bytes, Ordering::Relaxed);
        for ack in &batch.acks {
            if ack.socket.send_to(&ack.bytes, ack.to).is_ok() {
                add(&account.acks, 1);
            }
        }
    }
}

/// An error with what caused it.
fn told(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
