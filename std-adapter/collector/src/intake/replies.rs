//! The answers to datagrams: receipts, and acknowledgements of critical events.

use std::hash::{BuildHasher, RandomState};

use ringstat_core::format::Header;
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::Datagram;
use ringstat_core::wire::receipt::Receipt;

use super::Collector;

/// Counts for one epoch, since the collector first received a datagram of it.
///
/// They are of this life of the collector, whatever it keeps on disk: if they went on after a crash, what came between the
/// last commit and the crash would seem to have arrived when as much has arrived again.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunCounts {
    instance: u32,
    epoch: u32,
    first: u32,
    datagrams: u64,
    events: u64,
}

impl RunCounts {
    /// Creates counts at zero; `header` is that of the first datagram. The random `hasher` gives it an instance number
    /// that differs from those of earlier collectors, and from that of this collector before it forgot the sender.
    pub(super) fn new(hasher: &RandomState, header: &Header) -> Self {
        let instance = hasher.hash_one((header.sender, header.epoch, header.sequence)) as u32;
        Self { instance, epoch: header.epoch, first: header.sequence, datagrams: 0, events: 0 }
    }

    /// Whether the datagram belongs to the epoch that is counted.
    pub(super) fn counts(&self, header: &Header) -> bool {
        self.epoch == header.epoch
    }

    /// Counts a datagram that was not received before, and the events read from it that have no identifier.
    pub(super) fn count(&mut self, events: u64) {
        self.datagrams += 1;
        self.events += events;
    }

    /// The receipt for the datagram with this header.
    pub(super) fn receipt(&self, header: &Header) -> Receipt {
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

/// The answers that a datagram asks of the collector.
///
/// ```
/// use ringstat_collector::{Collector, Limits};
/// use ringstat_core::wire::ack::Ack;
///
/// fn receive(collector: &mut Collector, datagram: &[u8], now_ms: u64, reply: impl Fn(&[u8])) {
///     let replies = collector.receive(datagram, now_ms);
///     if let Some(sender) = replies.ack {
///         let mut buf = [0; Ack::MAX_LEN];
///         if let Some(length) = collector.ack(sender, datagram.len(), &mut buf) {
///             reply(&buf[..length]);
///         }
///     }
///     if let Some(receipt) = replies.receipt {
///         reply(&receipt.emit());
///     }
/// }
/// # receive(&mut Collector::new(Limits::default()), b"", 0, |_| unreachable!());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Replies {
    /// The sender, if it asks for an [acknowledgement](crate::Collector::ack) of critical events.
    pub ack: Option<u64>,
    /// The receipt to send, if the sender asks for a sign of life.
    pub receipt: Option<Receipt>,
}

impl Replies {
    pub(super) fn of(datagram: &Datagram<'_>, id: u64, received: Option<&RunCounts>) -> Self {
        let (header, prologue) = (datagram.header(), datagram.prologue());
        let received =
            received.filter(|received| prologue.wants_receipt && received.counts(header));
        Self {
            ack: prologue.ack_floor.map(|_| id),
            receipt: received.map(|received| received.receipt(header)),
        }
    }
}

/// QUIC has the same bound for answers to an address that is not validated (RFC 9000, section 8). With a lower one, the
/// bitmap would often be cut off, and events would be repeated that had arrived; at a loss of one half in each
/// direction, twenty times as many would be given up.
pub(crate) const ACK_AMPLIFICATION: usize = 3;

impl Collector {
    /// Writes an acknowledgement of the sender's critical events, once they are stored, and returns its length.
    ///
    /// It is at most three times as long as `asked`, the length of the datagram that it answers, so that forging the
    /// origin of a datagram gains little. What is left out follows when lower identifiers are settled. Returns `None`
    /// if there is nothing to acknowledge, or no room.
    pub fn ack(&mut self, sender: u64, asked: usize, buf: &mut [u8]) -> Option<usize> {
        let length = self.write_ack(sender, asked, buf)?;
        self.count_acks(1);
        Some(length)
    }

    /// The same, without counting it.
    pub(crate) fn write_ack(&self, sender: u64, asked: usize, buf: &mut [u8]) -> Option<usize> {
        let ack = self.senders.get(sender)?.ack()?;
        let limit = asked.saturating_mul(ACK_AMPLIFICATION);
        let room = limit.checked_sub(Ack::MIN_LEN)?.min(ack.bitmap.len());
        Ack { bitmap: &ack.bitmap[..room], ..ack }.emit(buf)
    }

    /// Counts acknowledgements that were sent.
    pub(crate) fn count_acks(&mut self, acks: u64) {
        self.counts.acks += acks;
    }
}
