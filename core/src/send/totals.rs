//! A sender's account.

use crate::ledger::{Drops, Ledger};

/// What the sender did with the events that it took from the ring.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Events taken from the ring.
    pub taken: u64,
    /// Events in datagrams that the transport accepted; critical events only once they are acknowledged.
    pub sent: u64,
    /// Sent events of which it is not known yet whether they arrived; 0 if the receiver cannot say.
    pub unconfirmed: u64,
    /// Sent events that did not arrive, according to the receiver's count.
    pub lost: u64,
    /// Events that the sender gave up, by cause.
    pub dropped: Drops,
    /// Datagrams that the transport accepted.
    pub datagrams: u64,
    /// Bytes of the datagrams that the transport accepted.
    pub bytes: u64,
    /// Datagrams that were packed and given up.
    pub failed: u64,
    /// Strings that the format could not carry unchanged, and that were sent altered.
    pub altered: u64,
    /// Critical events that a receiver acknowledged.
    pub acknowledged: u64,
    /// How often a critical event was sent again.
    pub repeated: u64,
    /// How often an instrument had changed and was not sent, because the format cannot carry its name or because its tags
    /// do not fit a datagram.
    pub unsendable: u64,
}

impl Totals {
    /// The totals of a sender that has taken nothing yet.
    pub const NONE: Self = Self {
        taken: 0,
        sent: 0,
        unconfirmed: 0,
        lost: 0,
        dropped: Drops::NONE,
        datagrams: 0,
        bytes: 0,
        failed: 0,
        altered: 0,
        acknowledged: 0,
        repeated: 0,
        unsendable: 0,
    };

    /// What became of every record: those taken by the sender, `aggregated` ones, those `waiting` in rings, and those
    /// `refused` by the recorders.
    #[must_use]
    pub fn ledger(&self, waiting: u64, refused: &Drops, aggregated: u64) -> Ledger {
        let mut dropped = self.dropped;
        dropped.merge(refused);
        Ledger {
            recorded: self.taken + aggregated + waiting + refused.total(),
            sent: self.sent - self.unconfirmed - self.lost,
            unconfirmed: self.unconfirmed,
            lost: self.lost,
            aggregated,
            dropped,
            in_flight: self.in_flight() + waiting,
        }
    }

    /// Events taken from the ring whose fate is still open.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.taken - self.sent - self.dropped.total()
    }
}
