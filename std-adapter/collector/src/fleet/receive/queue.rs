//! What waits for the log: messages that the receiving threads have filled, and that the publisher has not yet confirmed.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::account::{Account, add};

/// A message for the log, and whom to answer when the log has it.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) shard: u16,
    pub(super) body: Vec<u8>,
    pub(super) datagrams: u64,
    /// The bytes of these datagrams, as they were admitted.
    pub(super) bytes: usize,
    pub(super) acks: Vec<PendingAck>,
}

/// An acknowledgement that may leave when the log has its datagram.
#[derive(Debug)]
pub(super) struct PendingAck {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) to: SocketAddr,
    pub(super) bytes: Box<[u8]>,
}

/// The way from the receiving threads to the publisher. Its bound is in bytes, and what was taken in never comes back:
/// who adds datagrams asks first.
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
