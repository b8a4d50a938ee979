//! What has been heard of one run of a sender, as receipts tell it.

use std::hash::{BuildHasher, RandomState};

use ringstat_core::format::Header;
use ringstat_core::wire::receipt::Receipt;

/// Counts over one epoch, since the collector began to listen to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    instance: u32,
    epoch: u32,
    first: u32,
    datagrams: u64,
    events: u64,
}

impl Heard {
    /// Nothing yet; `header` is that of the first datagram. The random `hasher` makes it another instance than the one of a
    /// collector before, or of this one before it forgot the sender.
    pub(crate) fn new(hasher: &RandomState, header: &Header) -> Self {
        let instance = hasher.hash_one((header.sender, header.epoch, header.sequence)) as u32;
        Self { instance, epoch: header.epoch, first: header.sequence, datagrams: 0, events: 0 }
    }

    /// Whether it counts the epoch of this datagram.
    pub(crate) fn counts(&self, header: &Header) -> bool {
        self.epoch == header.epoch
    }

    /// Counts a datagram that was not here before, and the events read from it that have no identifier.
    pub(crate) fn count(&mut self, events: u64) {
        self.datagrams += 1;
        self.events += events;
    }

    /// The answer to the datagram with this header.
    pub(crate) fn receipt(&self, header: &Header) -> Receipt {
        Receipt {
            sender: header.sender,
            epoch: header.epoch,
            sequence: header.sequence,
            instance: self.instance,
            first: self.first,
            datagrams: self.datagrams,
            events: self.events,
        }
    }
}
