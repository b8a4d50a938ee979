//! Answers to senders. Senders ask again for an answer that is lost, here or on the way.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;

use crate::data::Asked;
use crate::intake::Asks;
use crate::shared::Shared;

/// The answers that a batch of datagrams asks for. Each sender gets one answer of each kind.
#[derive(Default, Debug)]
pub(super) struct Answers {
    /// The acknowledgements to send, by sender and address, with the length of the longest datagram that asked.
    acks: HashMap<(u64, SocketAddr), usize>,
    receipts: HashMap<(u64, SocketAddr), Receipt>,
}

impl Answers {
    /// Notes what a datagram of that length asks for.
    pub(super) fn note(&mut self, asks: Asks, from: SocketAddr, length: usize) {
        if let Some(sender) = asks.ack {
            let longest = self.acks.entry((sender, from)).or_default();
            *longest = length.max(*longest);
        }
        if let Some(receipt) = asks.receipt {
            self.receipts.insert((receipt.sender, from), receipt);
        }
    }

    /// Sends the answers.
    ///
    /// If data is kept on disk, acknowledgements are sent once the events are on disk.
    pub(super) fn send(&mut self, socket: &Arc<UdpSocket>, shared: &Shared, number: usize) {
        if let Some(wire) = shared.wire() {
            for ((sender, to), length) in self.acks.drain() {
                let socket = socket.clone();
                wire.ask(Asked { shard: number, sender, to, length, socket });
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
