//! What a bad network is asked to do, and what it did.

/// How often each fault happens, as a probability from 0 to 1 for each datagram.
///
/// ```
/// use ringstat_core::testkit::Faults;
///
/// let bad_wifi = Faults { loss: 0.05, reorder: 0.10, duplicate: 0.01, ..Faults::NONE };
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Faults {
    /// Gone without a trace. A lost datagram suffers nothing else.
    pub loss: f64,
    /// Arrives twice; each copy has its own share of the faults below.
    pub duplicate: f64,
    /// Shortened to a random length, possibly 0.
    pub truncate: f64,
    /// One byte changed, by one bit or more. Never together with truncation, so that the two
    /// counts add up to the damaged datagrams.
    pub corrupt: f64,
    /// Held back until up to `reorder_by` later ones were offered.
    pub reorder: f64,
    /// The most that a reordered datagram is held back, in datagrams.
    pub reorder_by: u32,
    /// Held back for up to `delay_nanos`, if not reordered already.
    pub delay: f64,
    /// The most that a delayed datagram is held back, in nanoseconds.
    pub delay_nanos: u64,
}

impl Faults {
    /// A perfect network, and the rest of a struct that names a few faults only: reordering is then
    /// by up to 8 datagrams, delay up to 10 ms.
    pub const NONE: Self = Self {
        loss: 0.0,
        duplicate: 0.0,
        truncate: 0.0,
        corrupt: 0.0,
        reorder: 0.0,
        reorder_by: 8,
        delay: 0.0,
        delay_nanos: 10_000_000,
    };
}

impl Default for Faults {
    fn default() -> Self {
        Self::NONE
    }
}

/// What a [`FaultTransport`](super::FaultTransport) did, exactly.
///
/// `offered + duplicated = lost + delivered + failed + held`, always.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultReport {
    /// Datagrams that the sender tried to send.
    pub offered: u64,
    /// Second copies made.
    pub duplicated: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Handed on, damaged or not.
    pub delivered: u64,
    /// Not sent because of an outage, or because the transport below failed.
    pub failed: u64,
    /// Held back now.
    pub held: u64,
    /// Shortened, copies counted one by one.
    pub truncated: u64,
    /// Changed, copies counted one by one.
    pub corrupted: u64,
    /// Held back for later ones to pass, whether or not one did.
    pub reordered: u64,
    /// Held back for a time.
    pub delayed: u64,
}
