//! What one call receives from a socket: trains of datagrams, each train of one sender and as the kernel coalesced it.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};

/// The largest size of a datagram, or of several coalesced ones, in bytes.
const BUFFER_LEN: usize = 65_536;

/// The result of one receive call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    Something,
    Nothing,
    Failure,
}

/// The buffers that a thread receives into, and what is in them.
#[derive(Debug)]
pub(crate) struct Trains {
    memory: Vec<u8>,
    meta: Vec<RecvMeta>,
    count: usize,
}

impl Trains {
    pub(crate) fn new() -> Self {
        Self {
            memory: vec![0; BUFFER_LEN * quinn_udp::BATCH_SIZE],
            meta: vec![RecvMeta::default(); quinn_udp::BATCH_SIZE],
            count: 0,
        }
    }

    /// Replaces what is here by what has arrived at a socket.
    pub(crate) fn receive(&mut self, state: &UdpSocketState, socket: &UdpSocket) -> Received {
        self.count = 0;
        let Self { memory, meta, count } = self;
        let mut slices: Vec<_> = memory.chunks_exact_mut(BUFFER_LEN).map(IoSliceMut::new).collect();
        match state.recv(UdpSockRef::from(socket), &mut slices, meta) {
            Ok(received) => {
                *count = received;
                Received::Something
            }
            Err(e) => {
                use io::ErrorKind::{ConnectionReset, Interrupted, WouldBlock};
                match e.kind() {
                    WouldBlock | Interrupted => Received::Nothing,
                    // On Windows, this means that an answer was sent to a port that is closed by now. It says nothing
                    // about incoming datagrams.
                    ConnectionReset => Received::Something,
                    _ => Received::Failure,
                }
            }
        }
    }

    /// All datagrams, each with its source.
    pub(crate) fn datagrams(&self) -> impl Iterator<Item = (&[u8], SocketAddr)> {
        let trains = self.memory.chunks_exact(BUFFER_LEN).zip(&self.meta[..self.count]);
        trains.flat_map(|(buffer, meta)| segments(buffer, meta).map(|of| (of, meta.addr)))
    }
}

/// The datagrams in what one call received. An empty one has a stride of zero, and is refused like any other that is
/// too short.
fn segments<'a>(buffer: &'a [u8], meta: &RecvMeta) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let received = &buffer[..meta.len];
    let empty = received.is_empty().then_some(received);
    received.chunks(meta.stride.max(1)).chain(empty)
}
