//! A sender's account.

use crate::ledger::Drops;

/// What the sender did with the events that it took from the ring.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Taken from the ring.
    pub taken: u64,
    /// In datagrams that the transport took; of events that are kept until then, acknowledged.
    pub sent: u64,
    /// Given up here, by cause.
    pub dropped: Drops,
    /// Datagrams that the transport took.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams given up.
    pub failed: u64,
    /// Strings that the format could not carry as they were, and that went out altered.
    pub altered: u64,
    /// Events acknowledged.
    pub acknowledged: u64,
    /// How often one was sent again.
    pub repeated: u64,
    /// How often an instrument was not sent, since the format cannot carry its name, or no datagram its tags.
    pub unsendable: u64,
}

impl Totals {
    /// Events taken from the ring whose fate is still open.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.taken - self.sent - self.dropped.total()
    }
}
