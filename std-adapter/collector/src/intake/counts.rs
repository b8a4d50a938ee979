//! What became of every datagram and every record.

use super::records::Tally;
use ringstat_core::wire::DecodeError;
use serde::{Deserialize, Serialize};

/// Counts of everything that came in.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Datagrams.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams taken: checked, new, from a known sender.
    pub accepted: u64,
    /// Datagrams seen before, or too old to tell.
    pub duplicates: u64,
    /// Datagrams refused because no room was left for their sender.
    pub refused_senders: u64,
    /// Datagrams refused as malformed, by reason in the order of [`DecodeError::ALL`].
    pub malformed: [u64; DecodeError::ALL.len()],
    /// Datagrams taken that had a malformed record: what was before it is stored.
    pub broken: u64,
    /// Records read.
    pub records: u64,
    /// Records stored: in a series of their own or an overflow series.
    pub stored: u64,
    /// Critical events that came again and are not stored twice, or that break the rules for their identifiers.
    pub repeated: u64,
    /// Acknowledgements made.
    pub acks: u64,
    /// Records beyond a limit that are not stored: states of instruments, as they cannot be added up, and what found no
    /// room even in an overflow series.
    pub refused_series: u64,
    /// Records not stored because of their value: amounts and samples that are no numbers, and negative amounts.
    pub refused_values: u64,
    /// Senders that gave their place to newer ones.
    pub displaced_senders: u64,
    /// The series of these.
    pub displaced_series: u64,
    /// Senders forgotten because they were idle.
    pub forgotten_senders: u64,
    /// Series forgotten because they were idle.
    pub forgotten_series: u64,
}

impl Counts {
    /// Malformed datagrams of all reasons.
    #[must_use]
    pub fn malformed_total(&self) -> u64 {
        self.malformed.iter().sum()
    }

    /// Adds what came of a datagram's records.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.records += tally.read;
        self.stored += tally.stored;
        self.repeated += tally.repeated;
        self.refused_values += tally.refused_values;
        self.refused_series += tally.read - tally.stored - tally.repeated - tally.refused_values;
    }

    /// Whether every datagram and every record is accounted for.
    #[must_use]
    pub fn closes(&self) -> bool {
        // A broken datagram counts under its reason and as accepted.
        self.datagrams
            == self.accepted + self.duplicates + self.refused_senders + self.malformed_total()
                - self.broken
            && self.records
                == self.stored + self.repeated + self.refused_series + self.refused_values
    }
}
