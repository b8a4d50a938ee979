//! The faults that a simulated network is asked for, and a report of those that it made.

/// How often each fault happens, as a probability from 0 to 1 for each datagram.
///
/// ```
/// use ringstat_core::testkit::Faults;
///
/// let bad_wifi = Faults { loss: 0.05, reorder: 0.10, duplicate: 0.01, ..Faults::NONE };
/// ```
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Faults {
    /// The datagram is lost. A lost datagram suffers no other fault.
    pub loss: f64,
    /// The datagram arrives twice; each copy is subject to the faults below.
    pub duplicate: f64,
    /// The datagram is shortened to a random length, possibly 0.
    pub truncate: f64,
    /// At least one bit of one byte is changed. Never together with truncation, so that the two counts add up to the
    /// damaged datagrams.
    pub corrupt: f64,
    /// The datagram is held back until up to `reorder_by` later ones were offered.
    pub reorder: f64,
    /// The most that a reordered datagram is held back, in datagrams.
    pub reorder_by: u32,
    /// The datagram is held back for up to `delay_nanos`, if it is not reordered already.
    pub delay: f64,
    /// The most that a delayed datagram is held back, in nanoseconds.
    pub delay_nanos: u64,
}

impl Faults {
    /// A perfect network, also for the remaining fields of a struct that names only a few faults: reordering is then by
    /// up to 8 datagrams, and delays are up to 10 ms.
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

/// Exact counts of what a [`FaultTransport`](super::FaultTransport) did.
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
    /// Passed on, damaged or not.
    pub delivered: u64,
    /// Not sent because of an outage, or because the transport below failed.
    pub failed: u64,
    /// Held back at the moment.
    pub held: u64,
    /// Shortened, each copy counted.
    pub truncated: u64,
    /// Changed, each copy counted.
    pub corrupted: u64,
    /// Held back so that later ones could pass, whether or not one did.
    pub reordered: u64,
    /// Held back for a time.
    pub delayed: u64,
}
