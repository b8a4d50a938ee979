//! Reads the stream of one shard for as long as this worker holds it: takes each message, takes samples when the shard's
//! clock passes a moment, and replaces what was read by a snapshot now and then.
//!
//! # Why it does not ask for its lease before it writes
//!
//! It may have lost the shard without knowing, and nothing that it writes then can harm the next owner:
//! - A snapshot has the reader's token in its name, so it replaces none of another reader's, and becomes valid only by the
//!   lease's compare-and-set, which is refused.
//! - Messages are removed only up to a snapshot that was valid once, and every valid one that follows contains more.
//! - Objects are removed only if a valid snapshot of this reader has replaced them, or if their token is smaller than its own: the
//!   next owner's is greater.
//! - Samples follow from the stream, so the next owner writes the same ones, and a message without datagrams says nothing but
//!   the time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::RawMessageErrorKind;
use futures_util::StreamExt as _;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::samples::Sampler;
use super::shards::ToReader;
use super::snapshot::SnapshotError;
use super::stand::Stand;
use super::state::{Rules, ShardState};
use crate::fleet::lease::{Report, Snapshot, Token};
use crate::fleet::log::Log;
use crate::fleet::message::TICK;
use crate::fleet::{names, objects};

/// How many messages are asked for at a time: 4 MiB of full ones.
const AT_ONCE: usize = 64;
/// How often a reader looks whether something is due besides messages.
const LOOK: Duration = Duration::from_millis(250);
/// The pause after a failure.
const PAUSE: Duration = Duration::from_millis(250);
/// A snapshot is taken when so much time has passed, and as many bytes have been read as the last one has,
const SOONEST: Duration = Duration::from_secs(5);
/// or so much time.
const LATEST: Duration = Duration::from_secs(30);
/// A stream that has been quiet for so long, and is in the valid snapshot as a whole, is emptied but for its last message.
const QUIET: Duration = Duration::from_secs(5);
/// How often a shard may be told the time until its next snapshot is valid: less than what receivers leave free in a stream.
const MOST_TOLD: u32 = 2048;
/// How long after a moment a shard without messages is told the time.
const GRACE_MS: u64 = 500;
/// How long an answer of the log may take.
const ANSWER: Duration = Duration::from_secs(5);

/// Reads one shard.
pub(super) struct Reader {
    pub(super) shard: u16,
    pub(super) token: Token,
    pub(super) log: Log,
    pub(super) rules: Arc<Rules>,
    pub(super) sampler: Option<Sampler>,
    pub(super) stand: Arc<Stand>,
    pub(super) orders: UnboundedReceiver<ToReader>,
    pub(super) reports: UnboundedSender<Report>,
}

/// A snapshot on its way: it may be put in place when the samples that were taken before it have been delivered.
struct Pending {
    bytes: Vec<u8>,
    position: u64,
    /// The number behind the samples that were taken before it.
    end: u64,
}

/// What a reader knows beside the state.
struct Progress {
    /// The snapshot that is valid.
    saved: Option<Snapshot>,
    pending: Option<Pending>,
    /// Whether a snapshot was handed over and it is not known yet whether it is valid.
    committing: bool,
    /// Since the last snapshot was taken: the time, and the bytes read.
    since: Instant,
    bytes: usize,
    /// The size of the last snapshot.
    last_bytes: usize,
    draining: bool,
    /// Whether the last message was the last one of the stream.
    caught_up: bool,
    /// The moment for which the shard was told the time.
    told_ms: u64,
    /// How often it was told since the last snapshot became valid.
    told: u32,
    /// When the last message with datagrams came,
    heard: Instant,
    /// and its number.
    heard_at: u64,
    /// Up to which message the stream is empty, as far as this reader knows.
    emptied: u64,
}

impl Reader {
    /// Reads until the shard is handed over. Dropping this stops it at any time.
    pub(super) async fn run(mut self, saved: Option<Snapshot>) {
        let mut state = loop {
            match self.load(saved.as_ref()).await {
                Ok(state) => break state,
                Err(e) => {
                    tracing::error!("shard {}: {e}", self.shard);
                    sleep(4 * PAUSE).await;
                }
            }
        };
        state.keep();
        self.stand.begin(state.collector.clone());
        self.stand.saved(saved.as_ref().map_or(0, |saved| saved.position));
        let mut progress = Progress {
            last_bytes: saved.as_ref().map_or(0, |saved| saved.bytes as usize),
            saved,
            pending: None,
            committing: false,
            since: Instant::now(),
            bytes: 0,
            draining: false,
            caught_up: false,
            told_ms: 0,
            told: 0,
            heard: Instant::now(),
            heard_at: 0,
            emptied: 0,
        };
        let mut failing = false;
        loop {
            match self.read(&mut state, &mut progress).await {
                Ok(()) => return,
                Err(why) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!("shard {}: the log cannot be read: {why}", self.shard);
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn load(&self, saved: Option<&Snapshot>) -> Result<ShardState, String> {
        let Some(saved) = saved else { return Ok(ShardState::new(&self.rules)) };
        let bytes = objects::get(&self.log, &saved.object).await?;
        let state = ShardState::restore(&self.rules, &bytes);
        state.map_err(|e: SnapshotError| format!("{}: {e}", saved.object))
    }

    /// Reads until the shard is handed over, or the log fails.
    async fn read(
        &mut self,
        state: &mut ShardState,
        progress: &mut Progress,
    ) -> Result<(), String> {
        let mut lost = self.log.lost.clone();
        lost.mark_unchanged();
        let opened = timeout(ANSWER, self.open(state.read.position + 1)).await;
        let (mut messages, pending) = opened.map_err(|e| e.to_string())??;
        // A shard may be taken over without any message to read.
        progress.caught_up = pending == 0;
        self.stand.read(state.read, pending);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = self.orders.recv() => match order {
                    None => return Ok(()),
                    Some(ToReader::Drain) => progress.draining = true,
                    Some(ToReader::Committed(saved)) => {
                        if self.committed(progress, saved).await {
                            return Ok(());
                        }
                    }
                },
                message = messages.next() => {
                    let message = message.ok_or("it ended")?.map_err(|e| e.to_string())?;
                    self.take(state, progress, &message).await?;
                }
                _ = lost.changed() => return Err("the connection was lost".into()),
                _ = look.tick() => {
                    self.tell_time(state, progress).await;
                    self.empty_if_quiet(progress).await;
                }
            }
            if self.save(state, progress).await? {
                return Ok(());
            }
        }
    }

    /// Begins to read at a message. Returns how many there are, too.
    async fn open(&self, from: u64) -> Result<(pull::Stream, u64), String> {
        let stream = self.log.context.get_stream_no_info(names::stream(self.shard)).await;
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: from },
            ack_policy: AckPolicy::None,
            inactive_threshold: Duration::from_secs(30),
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let stream = stream.map_err(|e| e.to_string())?;
        let consumer = stream.create_consumer(config).await.map_err(|e| e.to_string())?;
        let pending = consumer.cached_info().num_pending;
        let messages = consumer.stream().max_messages_per_batch(AT_ONCE);
        let messages = messages.expires(Duration::from_secs(10)).heartbeat(Duration::from_secs(2));
        Ok((messages.messages().await.map_err(|e| e.to_string())?, pending))
    }

    /// Takes a message, and before it the samples of the moments that its time passes.
    async fn take(
        &mut self,
        state: &mut ShardState,
        progress: &mut Progress,
        message: &Message,
    ) -> Result<(), String> {
        let info = message.info().map_err(|e| e.to_string())?;
        let (position, pending) = (info.stream_sequence, info.pending);
        if position <= state.read.position {
            return Ok(());
        }
        let next = state.read.position + 1;
        if position > next {
            if self.has(next).await? {
                return Err(format!("message {next} was lost on its way"));
            }
            tracing::warn!(shard = self.shard, "messages {next} to {} are gone", position - 1);
        }
        let time_ms = info.published.unix_timestamp_nanos() / 1_000_000;
        let time_ms = u64::try_from(time_ms).unwrap_or(0).max(state.read.clock_ms);
        if let Some(sampler) = &mut self.sampler {
            for moment in state.moments(&self.rules, time_ms) {
                sampler.room().await;
                sampler.take(moment, state);
            }
        }
        state.take(position, time_ms, &message.payload);
        progress.bytes += message.length;
        if *message.payload != *TICK {
            (progress.heard, progress.heard_at) = (Instant::now(), position);
        }
        progress.caught_up = pending == 0;
        self.stand.read(state.read, pending);
        Ok(())
    }

    /// Whether a message is in the stream.
    async fn has(&self, position: u64) -> Result<bool, String> {
        let asked = timeout(ANSWER, async {
            let stream = self.log.context.get_stream_no_info(names::stream(self.shard)).await;
            let stream = stream.map_err(|e| e.to_string())?;
            match stream.get_raw_message(position).await {
                Ok(_) => Ok(true),
                Err(e) if e.kind() == RawMessageErrorKind::NoMessageFound => Ok(false),
                Err(e) => Err(e.to_string()),
            }
        });
        asked.await.map_err(|e| e.to_string())?
    }

    /// Publishes a message without datagrams when a moment has passed and nothing else says so: then samples are taken of a
    /// shard whose senders are silent, too.
    async fn tell_time(&self, state: &ShardState, progress: &mut Progress) {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX);
        let due = state.moments(&self.rules, now_ms.saturating_sub(GRACE_MS)).last();
        let may_tell = progress.caught_up && progress.told < MOST_TOLD;
        let Some(due) = due.filter(|due| *due > progress.told_ms && may_tell) else {
            return;
        };
        progress.told_ms = due;
        progress.told += 1;
        // If it is lost, the next moment's is not.
        let _ = self.log.client.publish(names::subject(self.shard), TICK.into()).await;
    }

    /// Takes a snapshot if one is due, and puts it in place if one may be. Returns whether the shard is handed over.
    async fn save(&mut self, state: &ShardState, progress: &mut Progress) -> Result<bool, String> {
        let has_news =
            progress.saved.as_ref().map_or(0, |saved| saved.position) < state.read.position;
        if progress.draining && !has_news && !progress.committing && progress.pending.is_none() {
            let _ = self.reports.send(Report::Drained { shard: self.shard, token: self.token });
            return Ok(true);
        }
        let waited = progress.since.elapsed();
        let is_due = progress.draining
            || waited >= SOONEST && progress.bytes >= progress.last_bytes
            || waited >= LATEST;
        if is_due && has_news && progress.pending.is_none() && !progress.committing {
            let begun = Instant::now();
            let bytes = state.snapshot();
            self.stand.took(bytes.len(), begun.elapsed());
            let end = self.sampler.as_ref().map_or(0, Sampler::end);
            progress.last_bytes = bytes.len();
            (progress.since, progress.bytes) = (Instant::now(), 0);
            progress.pending = Some(Pending { bytes, position: state.read.position, end });
        }
        let delivered = |pending: &mut Pending| {
            self.sampler.as_ref().is_none_or(|sampler| sampler.is_delivered(pending.end))
        };
        let Some(pending) = progress.pending.take_if(delivered) else { return Ok(false) };
        let object = format!("{}.{}.{}", self.shard, self.token.0, pending.position);
        let bytes = pending.bytes.len() as u64;
        if let Err(e) = objects::put(&self.log, &object, &pending.bytes).await {
            progress.pending = Some(pending);
            return Err(e);
        }
        progress.committing = true;
        let snapshot = Snapshot { object, position: pending.position, bytes };
        let (shard, token) = (self.shard, self.token);
        let _ = self.reports.send(Report::Commit { shard, token, snapshot });
        Ok(false)
    }

    /// Removes what a stream keeps between the last two snapshots when nothing comes any more: if it is full, nothing can come,
    /// and there would never be another snapshot.
    async fn empty_if_quiet(&self, progress: &mut Progress) {
        let Some(saved) = progress.saved.as_ref().map(|saved| saved.position) else { return };
        let is_quiet = progress.caught_up && progress.heard.elapsed() >= QUIET;
        if is_quiet && progress.heard_at <= saved && progress.emptied < saved {
            // The last one stays: a broker that is killed may forget the numbers of a stream without any.
            if let Ok(true) = timeout(ANSWER, self.empty(saved - 1)).await {
                progress.emptied = saved;
            }
        }
    }

    /// Removes the messages up to this one from the stream. Returns whether that was done.
    async fn empty(&self, through: u64) -> bool {
        let stream = self.log.context.get_stream_no_info(names::stream(self.shard)).await;
        let Ok(stream) = stream else { return false };
        stream.purge().sequence(through + 1).await.is_ok()
    }

    /// The snapshot is the valid one: what it replaces is removed. The stream keeps the messages between the one before and
    /// this one for a while, for others who copy it. Returns whether that was the last.
    async fn committed(&mut self, progress: &mut Progress, saved: Snapshot) -> bool {
        progress.committing = false;
        progress.told = 0;
        self.stand.saved(saved.position);
        let of_term = format!("{}.{}.", self.shard, self.token.0);
        if !progress.saved.as_ref().is_some_and(|before| before.object.starts_with(&of_term)) {
            let swept = objects::sweep(&self.log, self.shard, self.token, &saved.object);
            let _ = timeout(ANSWER, swept).await;
        }
        if let Some(before) = progress.saved.replace(saved) {
            // What cannot be removed now is removed with the next one, or lies there.
            let removed = timeout(ANSWER, async {
                objects::delete(&self.log, &before.object).await;
                self.empty(before.position).await
            });
            let _ = removed.await;
        }
        if progress.draining {
            let (shard, token) = (self.shard, self.token);
            let _ = self.reports.send(Report::Drained { shard, token });
        }
        progress.draining
    }
}
