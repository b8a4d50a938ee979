//! Replies to senders. A reply that is lost does no harm: the sender asks again.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;

use crate::data::{AckRequest, ReplyTo};
use crate::intake::Replies;
use crate::shared::Shared;

/// The replies that a batch of datagrams asks for. Each sender gets one reply of each kind.
#[derive(Default, Debug)]
pub(super) struct ReplyBatch {
    /// The acknowledgements to send, by sender and address, with the length of the longest datagram that asked.
    acks: HashMap<(u64, SocketAddr), usize>,
    receipts: HashMap<(u64, SocketAddr), Receipt>,
}

impl ReplyBatch {
    /// Notes what a datagram of that length asks for.
    pub(super) fn note(&mut self, wanted: Replies, from: SocketAddr, length: usize) {
        if let Some(sender) = wanted.ack {
            let longest = self.acks.entry((sender, from)).or_default();
            *longest = length.max(*longest);
        }
        if let Some(receipt) = wanted.receipt {
            self.receipts.insert((receipt.sender, from), receipt);
        }
    }

    /// Sends the replies.
    ///
    /// If data is kept on disk, acknowledgements are sent once the events are on disk.
    pub(super) fn send(&mut self, socket: &Arc<UdpSocket>, shared: &Shared, number: usize) {
        if let Some(keeper) = shared.keeper() {
            for ((sender, to), length) in self.acks.drain() {
                let to = ReplyTo::Udp(socket.clone(), to);
                keeper.request_ack(AckRequest { shard: number, sender, to, length });
            }
        }
        let shard = &shared.shards()[number];
        let mut buf = [0; Ack::MAX_LEN];
        for ((sender, to), limit) in self.acks.drain() {
            let length = shard.write().ack(sender, limit, &mut buf);
            if let Some(length) = length {
                let _ = socket.send_to(&buf[..length], to);
            }
        }
        for ((_, to), receipt) in self.receipts.drain() {
            let _ = socket.send_to(&receipt.emit(), to);
        }
    }
}
