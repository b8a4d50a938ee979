//! A sender's account.

use crate::ledger::{Drops, Ledger};

/// What the sender did with the events that it took from the ring.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Events taken from the ring.
    pub taken: u64,
    /// Events in datagrams that the transport took; critical events only once they are acknowledged.
    pub sent: u64,
    /// Of those sent, nobody knows yet whether they arrived. 0 where the receiver cannot say.
    pub unconfirmed: u64,
    /// Of those sent, these did not arrive, as the receiver's count shows.
    pub lost: u64,
    /// Events that the sender gave up, by cause.
    pub dropped: Drops,
    /// Datagrams that the transport took.
    pub datagrams: u64,
    /// Bytes of the datagrams that the transport took.
    pub bytes: u64,
    /// Datagrams that were packed and given up.
    pub failed: u64,
    /// Strings that the format could not carry as they were, and that went out altered.
    pub altered: u64,
    /// Critical events that a receiver acknowledged.
    pub acknowledged: u64,
    /// How often a critical event was sent again.
    pub repeated: u64,
    /// How often an instrument was not sent, since the format cannot carry its name, or no datagram its tags.
    pub unsendable: u64,
}

impl Totals {
    /// Nothing taken yet.
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

    /// What became of every record: of those in here, of the `aggregated` ones, of those that wait in rings, and of those
    /// that the recorders gave up.
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
