//! A receiving thread: passes datagrams from the kernel to its shard, and sends replies.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quinn_udp::UdpSocketState;

use super::TapFn;
use super::handoff::Handoff;
use super::replies::ReplyBatch;
use super::trains::{Received, Trains};
use crate::intake::{Collector, Replies, Source, shard_of};
use crate::relay::Relays;
use crate::shared::{Shard, Shared, count};

/// How long a thread waits before it checks whether to stop.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// How long a thread that was told to stop keeps reading what the kernel has already received, so that a flood cannot
/// keep it running.
pub(crate) const DRAIN: Duration = Duration::from_secs(1);

/// The state that the receiving threads share.
pub(super) struct ReceiverContext {
    pub(super) shared: Arc<Shared>,
    /// One queue for each thread.
    pub(super) handoffs: Vec<Handoff>,
    /// How many threads have received everything that the kernel had when they were told to stop.
    pub(super) drained: AtomicUsize,
    pub(super) tap: Arc<TapFn>,
    pub(super) relays: Arc<Relays>,
}

impl ReceiverContext {
    /// Passes a datagram to the collector that it belongs to, and on to others.
    #[inline]
    pub(super) fn take(
        &self,
        collector: &mut Collector,
        datagram: &[u8],
        from: &Source,
        now_ms: u64,
    ) -> Replies {
        let replies = collector.receive_from(datagram, Some(from), now_ms);
        let asks = replies.receipt.is_some();
        self.relays.offer(datagram, collector.arrival(), Some(from), asks);
        replies
    }
}

/// One of the receiving threads.
pub(super) struct Receiver {
    pub(super) context: Arc<ReceiverContext>,
    /// Its number, which is that of its shard.
    pub(super) number: usize,
    /// Its sockets, one for each address.
    pub(super) sockets: Vec<Endpoint>,
}

/// A thread's socket at one of the addresses.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) socket: Arc<UdpSocket>,
    /// Whether the socket belongs to another thread: if the kernel does not share addresses, this thread only replies
    /// through it.
    pub(super) borrowed: bool,
}

/// The buffers that a thread receives into, and the replies that it owes.
struct Buffers {
    trains: Trains,
    replies: ReplyBatch,
}

impl Receiver {
    /// Receives until told to stop, and then until the kernel has nothing left or [`DRAIN`] is over.
    pub(super) fn run(self) {
        let shared = &*self.context.shared;
        let mut states = Vec::new();
        for (to, endpoint) in
            self.sockets.iter().enumerate().filter(|(_, endpoint)| !endpoint.borrowed)
        {
            match UdpSocketState::new((&*endpoint.socket).into()) {
                Ok(state) => states.push((to, state)),
                Err(_) => count(&shared.receive_errors),
            }
        }
        let mut buffers = Buffers { trains: Trains::new(), replies: ReplyBatch::default() };
        let (mut deadline, mut drained) = (None, false);
        loop {
            let stopping = shared.stopping();
            let late = stopping
                && *deadline.get_or_insert_with(|| Instant::now() + DRAIN) < Instant::now();
            let mut received = Received::Nothing;
            for (to, state) in &states {
                match self.receive(state, *to, &mut buffers) {
                    Received::Nothing => {}
                    other => received = other,
                }
            }
            if self.take_forwarded(&mut buffers.replies) > 0 {
                received = Received::Something;
            }
            self.shard().write().tick(shared.now_ms());
            if self.number == 0 {
                shared.tick();
            }
            match received {
                Received::Something if !late => continue,
                Received::Failure if !stopping => std::thread::sleep(POLL_INTERVAL),
                _ => {}
            }
            if stopping && !drained {
                drained = true;
                self.context.drained.fetch_add(1, Ordering::AcqRel);
            }
            // Other threads may still have something for this one.
            let all = self.context.drained.load(Ordering::Acquire) == self.context.handoffs.len();
            if late || drained && all && self.take_forwarded(&mut buffers.replies) == 0 {
                return;
            }
            self.wait(if stopping { POLL_INTERVAL / 50 } else { POLL_INTERVAL });
        }
    }

    fn shard(&self) -> &Shard {
        &self.context.shared.shards()[self.number]
    }

    /// Processes what one call receives.
    fn receive(&self, state: &UdpSocketState, to: usize, buffers: &mut Buffers) -> Received {
        let Buffers { trains, replies } = buffers;
        let shared = &*self.context.shared;
        let socket = &self.sockets[to].socket;
        match trains.receive(state, socket) {
            Received::Something => {}
            Received::Nothing => return Received::Nothing,
            Received::Failure => {
                // A receiver cannot do anything about it.
                count(&shared.receive_errors);
                return Received::Failure;
            }
        }
        trains.datagrams().for_each(|(datagram, _)| (self.context.tap)(datagram));
        let now_ms = shared.now_ms();
        let threads = self.context.handoffs.len();
        let mut collector = self.shard().write();
        for (datagram, at) in trains.datagrams() {
            let from = Source::from(at);
            let of = if threads == 1 { 0 } else { shard_of(datagram, Some(&from), threads) };
            if of == self.number {
                let reply = self.context.take(&mut collector, datagram, &from, now_ms);
                replies.note(reply, at, datagram.len());
            } else {
                self.forward(of, datagram, to, at);
            }
        }
        drop(collector);
        replies.send(socket, shared, self.number);
        Received::Something
    }

    /// Hands a datagram on to the thread that owns its sender.
    #[cold]
    fn forward(&self, of: usize, datagram: &[u8], to: usize, from: SocketAddr) {
        let shared = &*self.context.shared;
        let put = self.context.handoffs[of].put(datagram, to, from);
        count(if put { &shared.handed_on } else { &shared.hand_on_drops });
    }

    /// Processes what other threads have handed on.
    fn take_forwarded(&self, replies: &mut ReplyBatch) -> usize {
        let (shared, shard) = (&*self.context.shared, self.shard());
        self.context.handoffs[self.number].take(|forwarded| {
            let Some(from) = forwarded.from else { return };
            let (datagram, source) = (&forwarded.datagram, Source::from(from));
            let now_ms = shared.now_ms();
            let reply = self.context.take(&mut shard.write(), datagram, &source, now_ms);
            replies.note(reply, from, forwarded.datagram.len());
            if let Some(endpoint) = self.sockets.get(forwarded.to) {
                replies.send(&endpoint.socket, shared, self.number);
            }
        })
    }

    /// Sleeps until something arrives, for at most `limit`.
    fn wait(&self, limit: Duration) {
        let own = self.sockets.iter().filter(|endpoint| !endpoint.borrowed);
        self.context.handoffs[self.number].wait(own.map(|endpoint| &*endpoint.socket), limit);
    }
}
