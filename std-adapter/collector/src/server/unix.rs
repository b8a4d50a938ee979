//! A thread for each Unix datagram socket: for senders on this machine, whose datagrams the kernel never drops. It makes a
//! sender wait, or tells it that there is no room.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use ringstat_core::wire::ack::Ack;

use super::udp::{DRAIN, POLL_INTERVAL, ReceiverContext};
use crate::data::{AckRequest, ReplyTo};
use crate::intake::{Replies, Source, shard_of};
use crate::shared::count;

/// The size of the largest datagram that the kernel takes by default.
const BUFFER_LEN: usize = 212_992;
/// As the Datadog agent has it: whoever is on this machine may send.
const MODE: u32 = 0o722;

/// A socket that is bound to a path, which disappears with it.
#[derive(Debug)]
pub(super) struct UnixSocket {
    socket: Arc<UnixDatagram>,
    path: PathBuf,
}

impl UnixSocket {
    /// Binds a socket. One that a process has left behind is removed; one at which somebody listens is an error.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
        if is_socket {
            match UnixDatagram::unbound()?.connect(path) {
                Ok(()) => return Err(io::ErrorKind::AddrInUse.into()),
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path)?
                }
                Err(e) => return Err(e),
            }
        }
        let socket = UnixDatagram::bind(path)?;
        let bound = Self { socket: Arc::new(socket), path: path.to_owned() };
        std::fs::set_permissions(path, PermissionsExt::from_mode(MODE))?;
        bound.socket.set_read_timeout(Some(POLL_INTERVAL))?;
        Ok(bound)
    }

    /// Receives until told to stop, and then what is there already, for at most [`DRAIN`].
    pub(super) fn run(self, context: &ReceiverContext) {
        let shared = &*context.shared;
        let source = Source::Unix(self.path.to_string_lossy().into());
        let (mut buf, mut deadline) = (vec![0; BUFFER_LEN], None);
        loop {
            let late = shared.stopping()
                && *deadline.get_or_insert_with(|| Instant::now() + DRAIN) < Instant::now();
            if late {
                return;
            }
            match self.socket.recv_from(&mut buf) {
                Ok((length, from)) => self.take(&buf[..length], &from, &source, context),
                Err(e)
                    if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
                {
                    if shared.stopping() {
                        return;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    count(&shared.receive_errors);
                    std::thread::sleep(POLL_INTERVAL);
                }
            }
        }
    }

    fn take(&self, datagram: &[u8], from: &SocketAddr, source: &Source, context: &ReceiverContext) {
        let shared = &*context.shared;
        (context.tap)(datagram);
        let shard = shard_of(datagram, Some(source), shared.shards().len());
        let now_ms = shared.now_ms();
        let asked = shared.shards()[shard]
            .change(|collector| context.take(collector, datagram, source, now_ms));
        // Without a name there is no way back.
        if asked != Replies::default() && !from.is_unnamed() {
            let to = ReplyTo::Unix(self.socket.clone(), from.clone());
            reply(asked, to, datagram.len(), shard, context);
        }
    }
}

/// Answers a sender, which asks again for an answer that it cannot take now.
fn reply(asked: Replies, to: ReplyTo, length: usize, shard: usize, context: &ReceiverContext) {
    let shared = &*context.shared;
    if let Some(receipt) = asked.receipt {
        let _ = to.send(&receipt.emit());
    }
    let Some(sender) = asked.ack else { return };
    if let Some(keeper) = shared.keeper() {
        keeper.request_ack(AckRequest { shard, sender, to, length });
        return;
    }
    let mut buf = [0; Ack::MAX_LEN];
    let written =
        shared.shards()[shard].change(|collector| collector.ack(sender, length, &mut buf));
    if let Some(length) = written {
        let _ = to.send(&buf[..length]);
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
