//! A receiving thread: passes datagrams from the kernel to its shard, and sends answers.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

use super::TapFn;
use super::answers::Answers;
use super::inbox::Inbox;
use crate::intake::shard_of;
use crate::shared::{Shard, Shared, count};

/// How long a thread waits before it checks whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long a thread that was told to stop keeps reading what the kernel has already received, so that a flood cannot
/// keep it running.
const DRAIN: Duration = Duration::from_secs(1);
/// The largest size of a datagram, or of several coalesced ones, in bytes.
const ROOM: usize = 65_536;

/// The state that the receiving threads share.
pub(super) struct Post {
    pub(super) shared: Arc<Shared>,
    /// One inbox for each thread.
    pub(super) inboxes: Vec<Inbox>,
    /// How many threads have received everything that the kernel had when they were told to stop.
    pub(super) drained: AtomicUsize,
    pub(super) tap: Arc<TapFn>,
}

/// One of the receiving threads.
pub(super) struct Receiver {
    pub(super) post: Arc<Post>,
    /// Its number, which is that of its shard.
    pub(super) number: usize,
    /// Its sockets, one for each address.
    pub(super) sockets: Vec<Door>,
}

/// A thread's socket at one of the addresses.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) socket: Arc<UdpSocket>,
    /// Whether the socket belongs to another thread: if the kernel does not share addresses, this thread only answers
    /// through it.
    pub(super) borrowed: bool,
}

/// The buffers that a thread receives into.
struct Buffers {
    memory: Vec<u8>,
    meta: Vec<RecvMeta>,
    answers: Answers,
}

/// The result of one receive call.
enum Heard {
    Something,
    Nothing,
    Failure,
}

impl Receiver {
    /// Receives until told to stop, and then until the kernel has nothing left or [`DRAIN`] is over.
    pub(super) fn run(self) {
        let shared = &*self.post.shared;
        let mut states = Vec::new();
        for (to, door) in self.sockets.iter().enumerate().filter(|(_, door)| !door.borrowed) {
            match UdpSocketState::new((&*door.socket).into()) {
                Ok(state) => states.push((to, state)),
                Err(_) => count(&shared.receive_errors),
            }
        }
        let mut buffers = Buffers {
            memory: vec![0; ROOM * quinn_udp::BATCH_SIZE],
            meta: vec![RecvMeta::default(); quinn_udp::BATCH_SIZE],
            answers: Answers::default(),
        };
        let (mut deadline, mut drained) = (None, false);
        loop {
            let stopping = shared.stopping();
            let late = stopping
                && *deadline.get_or_insert_with(|| Instant::now() + DRAIN) < Instant::now();
            let mut heard = Heard::Nothing;
            for (to, state) in &states {
                match self.receive(state, *to, &mut buffers) {
                    Heard::Nothing => {}
                    other => heard = other,
                }
            }
            if self.take_inbox(&mut buffers.answers) > 0 {
                heard = Heard::Something;
            }
            self.shard().write().tick(shared.now_ms());
            if self.number == 0 {
                shared.tick();
            }
            match heard {
                Heard::Something if !late => continue,
                Heard::Failure if !stopping => std::thread::sleep(LOOK),
                _ => {}
            }
            if stopping && !drained {
                drained = true;
                self.post.drained.fetch_add(1, Ordering::AcqRel);
            }
            // Other threads may still have something for this one.
            let all = self.post.drained.load(Ordering::Acquire) == self.post.inboxes.len();
            if late || drained && all && self.take_inbox(&mut buffers.answers) == 0 {
                return;
            }
            self.wait(if stopping { LOOK / 50 } else { LOOK });
        }
    }

    fn shard(&self) -> &Shard {
        &self.post.shared.shards()[self.number]
    }

    /// Processes what one call receives.
    fn receive(&self, state: &UdpSocketState, to: usize, buffers: &mut Buffers) -> Heard {
        let Buffers { memory, meta, answers } = buffers;
        let shared = &*self.post.shared;
        let socket = &self.sockets[to].socket;
        let mut slices: Vec<_> = memory.chunks_exact_mut(ROOM).map(IoSliceMut::new).collect();
        let received = match state.recv(UdpSockRef::from(socket), &mut slices, meta) {
            Ok(received) => received,
            Err(e) => {
                use io::ErrorKind::{ConnectionReset, Interrupted, WouldBlock};
                match e.kind() {
                    WouldBlock | Interrupted => return Heard::Nothing,
                    // On Windows, this means that an answer was sent to a port that is closed by now. It says nothing
                    // about incoming datagrams.
                    ConnectionReset => return Heard::Something,
                    _ => {}
                }
                // A receiver cannot do anything about it.
                count(&shared.receive_errors);
                return Heard::Failure;
            }
        };
        let trains = || slices.iter().map(|b| &**b).zip(&meta[..received]);
        for (buffer, meta) in trains() {
            segments(buffer, meta).for_each(&*self.post.tap);
        }
        let now_ms = shared.now_ms();
        let threads = self.post.inboxes.len();
        let mut collector = self.shard().write();
        for (buffer, meta) in trains() {
            for datagram in segments(buffer, meta) {
                let of = if threads == 1 { 0 } else { shard_of(datagram, threads) };
                if of == self.number {
                    let asks = collector.receive_from(datagram, Some(meta.addr), now_ms);
                    answers.note(asks, meta.addr, datagram.len());
                } else {
                    self.hand_on(of, datagram, to, meta.addr);
                }
            }
        }
        drop(collector);
        answers.send(socket, shared, self.number);
        Heard::Something
    }

    /// Hands a datagram on to the thread that owns its sender.
    #[cold]
    fn hand_on(&self, of: usize, datagram: &[u8], to: usize, from: SocketAddr) {
        let shared = &*self.post.shared;
        let put = self.post.inboxes[of].put(datagram, to, from);
        count(if put { &shared.handed_on } else { &shared.hand_on_drops });
    }

    /// Processes what other threads have handed on.
    fn take_inbox(&self, answers: &mut Answers) -> usize {
        let (shared, shard) = (&*self.post.shared, self.shard());
        self.post.inboxes[self.number].take(|letter| {
            let Some(from) = letter.from else { return };
            let asks = shard.write().receive_from(&letter.datagram, Some(from), shared.now_ms());
            answers.note(asks, from, letter.datagram.len());
            if let Some(door) = self.sockets.get(letter.to) {
                answers.send(&door.socket, shared, self.number);
            }
        })
    }

    /// Sleeps until something arrives, for at most `limit`.
    fn wait(&self, limit: Duration) {
        let own = self.sockets.iter().filter(|door| !door.borrowed);
        self.post.inboxes[self.number].wait(own.map(|door| &*door.socket), limit);
    }
}

/// The datagrams in what one call received. An empty one has a stride of zero, and is refused like any other that is
/// too short.
fn segments<'a>(buffer: &'a [u8], meta: &RecvMeta) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let received = &buffer[..meta.len];
    let empty = received.is_empty().then_some(received);
    received.chunks(meta.stride.max(1)).chain(empty)
}
