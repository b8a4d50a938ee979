//! The receiving thread of one socket: passes datagrams from the kernel to the collector, and sends answers.

use std::io::{self, IoSliceMut};
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

use super::TapFn;
use super::answers::Answers;
use super::wait;
use crate::shared::Shared;

/// How long a thread waits before it checks whether to stop.
const LOOK: Duration = Duration::from_millis(100);
/// How long a thread that was told to stop keeps reading what the kernel has already received, so that a flood cannot
/// keep it running.
const DRAIN: Duration = Duration::from_secs(1);
/// The largest size of a datagram, or of several coalesced ones, in bytes.
const ROOM: usize = 65_536;

/// Receives until told to stop, and then until the kernel has nothing left or [`DRAIN`] is over.
pub(super) fn receive(socket: &UdpSocket, shared: &Shared, tap: &TapFn) {
    let Ok(state) = UdpSocketState::new(UdpSockRef::from(socket)) else {
        shared.receive_errors.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let mut memory = vec![0u8; ROOM * quinn_udp::BATCH_SIZE];
    let mut meta = vec![RecvMeta::default(); quinn_udp::BATCH_SIZE];
    let mut answers = Answers::default();
    let mut deadline = None;
    loop {
        let stopping = shared.stopping();
        if stopping && *deadline.get_or_insert_with(|| Instant::now() + DRAIN) < Instant::now() {
            return;
        }
        let mut buffers: Vec<_> = memory.chunks_exact_mut(ROOM).map(IoSliceMut::new).collect();
        match state.recv(UdpSockRef::from(socket), &mut buffers, &mut meta) {
            Ok(count) => {
                let received = || buffers.iter().map(|b| &**b).zip(&meta[..count]);
                for (buffer, meta) in received() {
                    segments(buffer, meta).for_each(tap);
                }
                let now = shared.now_ms();
                let mut collector = shared.collector();
                for (buffer, meta) in received() {
                    for datagram in segments(buffer, meta) {
                        let asks = collector.receive(datagram, now);
                        answers.note(asks, meta.addr, datagram.len());
                    }
                }
                drop(collector);
                shared.tick();
                answers.send(socket, shared);
            }
            Err(e)
                if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) =>
            {
                if stopping {
                    return;
                }
                wait::readable(socket, LOOK);
                shared.tick();
            }
            // On Windows, an answer was sent to a port that is closed by now. It says nothing about what arrives.
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => {}
            Err(_) => {
                // A receiver cannot do anything about it, but must not spin on it either.
                shared.receive_errors.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(LOOK);
                if stopping {
                    return;
                }
            }
        }
    }
}

/// The datagrams in what one call received. An empty one has a stride of zero, and is refused like any other that is
/// too short.
fn segments<'a>(buffer: &'a [u8], meta: &RecvMeta) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let received = &buffer[..meta.len];
    let empty = received.is_empty().then_some(received);
    received.chunks(meta.stride.max(1)).chain(empty)
}
