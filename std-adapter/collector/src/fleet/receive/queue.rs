//! What waits for the log: messages that the receiving threads have filled, and that the publisher has not yet confirmed.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::account::{Account, add};

/// A message for the log, and whom to answer when the log has it.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) shard: u16,
    /// Empty while it is on disk and not on its way.
    pub(super) body: Bytes,
    /// Its length.
    pub(super) length: usize,
    pub(super) datagrams: u64,
    /// The bytes of these datagrams, as they were admitted.
    pub(super) bytes: usize,
    /// What may leave when the log has it.
    pub(super) acks: Vec<Answer>,
    /// What may leave when it is safe: when the log has it, or the disk.
    pub(super) receipts: Vec<Answer>,
    pub(super) place: Place,
    /// When it was filled.
    pub(super) since: Instant,
}

/// Where a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Memory,
    /// It is being written to disk under this key.
    Writing(u64),
    /// It is on disk under this key.
    Disk(u64),
}

impl Place {
    /// The key under which it is, or may be, on disk.
    pub(super) fn key(self) -> Option<u64> {
        match self {
            Self::Memory => None,
            Self::Writing(key) | Self::Disk(key) => Some(key),
        }
    }
}

/// An answer to a sender that waits.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) to: SocketAddr,
    pub(super) bytes: Box<[u8]>,
}

impl Answer {
    /// Sends it. Returns whether the system took it.
    pub(super) fn send(&self) -> bool {
        self.socket.send_to(&self.bytes, self.to).is_ok()
    }
}

/// The way from the receiving threads to the publisher. Its bound is in bytes, on disk or not, and what was taken in never
/// comes back: who adds datagrams asks first.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    account: Arc<Account>,
    limit: usize,
    batches: UnboundedSender<Batch>,
}

impl Queue {
    /// Creates a queue that takes datagrams while fewer than `limit` bytes wait.
    pub(super) fn new(account: Arc<Account>, limit: usize) -> (Self, UnboundedReceiver<Batch>) {
        let (batches, received) = unbounded_channel();
        (Self { account, limit, batches }, received)
    }

    /// Whether there is room for this datagram: then it counts as waiting from now on. Otherwise it is refused, and
    /// counted.
    pub(super) fn admit(&self, bytes: usize) -> bool {
        // Threads that ask at the same time exceed it by a datagram each.
        let has_room = self.account.waiting_bytes.load(Ordering::Relaxed) < self.limit;
        if has_room {
            self.account.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
            add(&self.account.waiting, 1);
        } else {
            add(&self.account.queue_full, 1);
        }
        has_room
    }

    /// Puts in a message whose datagrams were all admitted.
    pub(super) fn put(&self, batch: Batch) {
        // The publisher outlives the threads that receive.
        let _ = self.batches.send(batch);
    }
}
