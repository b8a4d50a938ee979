//! The thread that writes critical events in small groups, and acknowledges them once they are on disk.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringstat_core::wire::ack::Ack;

use super::critical::CriticalFile;
use super::keeper::{KeeperShared, ReportLimiter, ShardsMut};
use crate::intake::{Collector, Critical};

/// How long a group waits for more events. Together with a commit, this is at most 50 ms on a healthy disk.
pub(super) const GROUP: Duration = Duration::from_millis(20);
/// A commit that takes longer than this is reported.
const SLOW: Duration = Duration::from_millis(250);
/// How long to wait after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// A sender that asks for an acknowledgement.
#[derive(Clone, Debug)]
pub(crate) struct AckRequest {
    pub(crate) shard: usize,
    pub(crate) sender: u64,
    pub(crate) to: ReplyTo,
    /// The length of the longest datagram that asked.
    pub(crate) length: usize,
}

/// Where an answer goes, and the socket that sends it.
#[derive(Clone, Debug)]
pub(crate) enum ReplyTo {
    Udp(Arc<UdpSocket>, SocketAddr),
    #[cfg(unix)]
    Unix(Arc<std::os::unix::net::UnixDatagram>, std::os::unix::net::SocketAddr),
}

impl ReplyTo {
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket, to) => socket.send_to(bytes, to),
            #[cfg(unix)]
            Self::Unix(socket, to) => {
                // A sender that does not read must not hold others up.
                socket.set_write_timeout(Some(Duration::from_millis(1)))?;
                socket.send_to_addr(bytes, to)
            }
        }
    }

    /// What tells it from others.
    pub(super) fn key(&self) -> String {
        match self {
            Self::Udp(_, to) => to.to_string(),
            #[cfg(unix)]
            Self::Unix(_, to) => format!("{to:?}"),
        }
    }
}

/// An acknowledgement that waits for the disk.
struct Answer {
    shard: usize,
    bytes: Vec<u8>,
    to: ReplyTo,
}

/// The state of the thread.
pub(super) struct AckWriter<K> {
    pub(super) file: CriticalFile,
    pub(super) shards: Arc<K>,
    pub(super) shared: Arc<KeeperShared>,
    /// For each shard, the events that are being written,
    pub(super) batches: Vec<Critical>,
    /// and the number up to which a cut must contain its events before anything is acknowledged, because there was no
    /// room for them or they could not be written.
    pub(super) needs_cut: Vec<u64>,
    pub(super) failed: Option<Instant>,
    pub(super) failing: ReportLimiter,
}

impl<K: ShardsMut> AckWriter<K> {
    /// Runs until told to stop and nothing waits any more.
    pub(super) fn run(mut self) {
        while let Some(asked) = self.shared.next_ack_requests() {
            self.round(asked);
        }
    }

    /// Writes the events that have come, and answers the senders that asked.
    fn round(&mut self, asked: Vec<AckRequest>) {
        let mut answers = Vec::new();
        for shard in 0..self.shards.count() {
            let batch = &mut self.batches[shard];
            let of_shard = asked.iter().filter(|asked| asked.shard == shard);
            self.shards.change(shard, |collector| {
                batch.take(collector.critical());
                // The events that an answer acknowledges are in this batch or in an earlier one.
                for AckRequest { sender, to, length, .. } in of_shard {
                    let mut buf = [0; Ack::MAX_LEN];
                    if let Some(length) = collector.write_ack(*sender, *length, &mut buf) {
                        let (bytes, to) = (buf[..length].to_vec(), to.clone());
                        answers.push(Answer { shard, bytes, to });
                    }
                }
            });
            self.needs_cut[shard] = self.needs_cut[shard].max(batch.omitted());
        }
        #[cfg(test)]
        if self.shared.disk.faults.acknowledges_early() {
            answers.iter().for_each(|a| _ = a.to.send(&a.bytes));
        }
        self.write();
        let mut sent = vec![0; self.shards.count()];
        let mut withheld = 0;
        for Answer { shard, bytes, to } in answers {
            if self.shared.through(shard) < self.needs_cut[shard] {
                withheld += 1;
            } else if to.send(&bytes).is_ok() {
                sent[shard] += 1;
            }
        }
        self.shared.status.withheld(withheld);
        for (shard, sent) in sent.into_iter().enumerate().filter(|(_, sent)| *sent > 0) {
            self.shards.change(shard, |collector| collector.count_acks(sent));
        }
    }

    /// Writes the batches, or leaves them to the next cut.
    fn write(&mut self) {
        if self.batches.iter().all(|batch| batch.iter().next().is_none()) {
            return;
        }
        let rests = self.failed.is_some_and(|at| at.elapsed() < PAUSE);
        let number = |shard: usize| shard as u32;
        let written = if rests {
            false
        } else {
            let more = self.batches.iter().enumerate().flat_map(|(shard, batch)| {
                batch.iter().map(move |(n, datagram)| (number(shard), n, datagram))
            });
            let through = (0..self.batches.len()).map(|s| (number(s), self.shared.through(s)));
            let begun = Instant::now();
            let added = self.file.add(more, through);
            let took = begun.elapsed();
            if took > SLOW {
                self.shared.status.slow();
                let now_ms = self.shards.now_ms();
                let tell = |c: &mut Collector| {
                    c.journal().slow_commit("critical events", took, now_ms);
                };
                self.shards.change(0, tell);
            }
            match added {
                Ok(()) => {
                    self.failed = None;
                    self.shared.status.critical();
                    if self.failing.recovered() {
                        tracing::info!("critical events are kept again");
                    }
                    true
                }
                Err(e) => {
                    self.failed = Some(Instant::now());
                    self.shared.status.critical_failed();
                    if self.failing.failed() {
                        tracing::error!(
                            "critical events cannot be kept: {e}; none is acknowledged before the whole state can"
                        );
                    }
                    false
                }
            }
        };
        if !written {
            for (needs, batch) in self.needs_cut.iter_mut().zip(&self.batches) {
                *needs = (*needs).max(batch.latest());
            }
        }
    }
}
