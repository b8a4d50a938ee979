//! What became of every datagram and every record.

use super::records::Tally;
use crate::statsd::LineError;
use ringstat_core::wire::DecodeError;
use serde::{Deserialize, Serialize};

/// Counts of everything that was received. Unless stated otherwise, they count since the start of the collector.
///
/// ```
/// use ringstat_collector::{Collector, Limits};
///
/// let mut collector = Collector::new(Limits::default());
/// collector.receive(b"cache.miss:1|c", 0);
/// let counts = collector.counts();
/// assert_eq!((counts.datagrams, counts.lines), (1, 1));
/// assert!(counts.closes(), "every datagram is accounted for");
/// ```
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Counts {
    /// Datagrams received.
    pub datagrams: u64,
    /// Bytes of the datagrams received.
    pub bytes: u64,
    /// Datagrams accepted: valid, new, and from a known sender.
    pub accepted: u64,
    /// Datagrams that had been received before.
    pub duplicates: u64,
    /// Datagrams so far behind that it is not known whether they had been received before.
    pub too_late: u64,
    /// Datagrams of a run that was over.
    pub old_epoch: u64,
    /// Datagrams of another run than the current one, kept aside until it was clear what they are.
    pub strangers: u64,
    /// Those of them that were then looked at once more, as it was clear.
    pub believed: u64,
    /// Datagrams of StatsD lines.
    pub line_datagrams: u64,
    /// Lines in these, those that were refused included.
    pub lines: u64,
    /// Lines refused, by reason in the order of [`LineError::ALL`].
    pub refused_lines: [u64; LineError::ALL.len()],
    /// Malformed datagrams that are lines of StatsD, where these are not taken.
    pub statsd_lines: u64,
    /// Datagrams refused because there was no room for their sender.
    pub refused_senders: u64,
    /// Datagrams refused as malformed, by reason in the order of [`DecodeError::ALL`].
    pub malformed: [u64; DecodeError::ALL.len()],
    /// Accepted datagrams with a malformed record; the records before it are stored.
    pub broken: u64,
    /// Records read.
    pub records: u64,
    /// Records stored: in a series of their own or an overflow series.
    pub stored: u64,
    /// Critical events that were repeated and are not stored twice, or that violate the rules for their identifiers.
    pub repeated: u64,
    /// Acknowledgements written.
    pub acks: u64,
    /// Records beyond a limit that are not stored: states of instruments, because they cannot be added up, and records
    /// that found no room even in an overflow series.
    pub refused_series: u64,
    /// Records not stored because of their value: amounts and samples that are infinite or not a number, and negative
    /// amounts.
    pub refused_values: u64,
    /// Records of series that a rule of the mapping drops.
    pub mapped_away: u64,
    /// Senders that were displaced by newer ones.
    pub displaced_senders: u64,
    /// Series of displaced senders.
    pub displaced_series: u64,
    /// Senders forgotten because they were idle.
    pub forgotten_senders: u64,
    /// Series forgotten because they were idle.
    pub forgotten_series: u64,
}

impl Counts {
    /// The number of malformed datagrams, for all reasons together.
    #[must_use]
    pub fn malformed_total(&self) -> u64 {
        self.malformed.iter().sum()
    }

    /// The number of lines refused, for all reasons together.
    #[must_use]
    pub fn refused_lines_total(&self) -> u64 {
        self.refused_lines.iter().sum()
    }

    /// Adds what became of a datagram's records.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.records += tally.read;
        self.stored += tally.stored;
        self.repeated += tally.repeated;
        self.refused_values += tally.refused_values;
        self.mapped_away += tally.mapped_away;
        let elsewhere = tally.stored + tally.repeated + tally.refused_values + tally.mapped_away;
        self.refused_series += tally.read - elsewhere;
    }

    /// Adds what another shard has counted.
    pub(crate) fn add_up(&mut self, other: &Self) {
        for (own, others) in self.malformed.iter_mut().zip(other.malformed) {
            *own += others;
        }
        for (own, others) in self.refused_lines.iter_mut().zip(other.refused_lines) {
            *own += others;
        }
        self.line_datagrams += other.line_datagrams;
        self.lines += other.lines;
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
        self.accepted += other.accepted;
        self.duplicates += other.duplicates;
        self.too_late += other.too_late;
        self.old_epoch += other.old_epoch;
        self.strangers += other.strangers;
        self.believed += other.believed;
        self.statsd_lines += other.statsd_lines;
        self.refused_senders += other.refused_senders;
        self.broken += other.broken;
        self.records += other.records;
        self.stored += other.stored;
        self.repeated += other.repeated;
        self.acks += other.acks;
        self.refused_series += other.refused_series;
        self.refused_values += other.refused_values;
        self.mapped_away += other.mapped_away;
        self.displaced_senders += other.displaced_senders;
        self.displaced_series += other.displaced_series;
        self.forgotten_senders += other.forgotten_senders;
        self.forgotten_series += other.forgotten_series;
    }

    /// Whether every datagram and every record is accounted for.
    #[must_use]
    pub fn closes(&self) -> bool {
        let dropped = self.duplicates + self.too_late + self.old_epoch + self.refused_senders;
        // A broken datagram counts both under its reason and as accepted, one that was kept aside when it is taken, too.
        self.datagrams + self.believed + self.broken
            == self.accepted
                + self.line_datagrams
                + dropped
                + self.strangers
                + self.malformed_total()
            && self.records
                == self.stored
                    + self.repeated
                    + self.refused_series
                    + self.refused_values
                    + self.mapped_away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A counter that is added and not added up fails here.
    #[test]
    fn every_count_is_added_up() {
        let ones = |value: &mut serde_json::Value| *value = 1.into();
        let mut json = serde_json::to_value(Counts::default()).unwrap();
        for value in json.as_object_mut().unwrap().values_mut() {
            match value.as_array_mut() {
                Some(all) => all.iter_mut().for_each(ones),
                None => ones(value),
            }
        }
        let ones: Counts = serde_json::from_value(json.clone()).unwrap();
        let mut sum = Counts::default();
        sum.add_up(&ones);
        assert_eq!(serde_json::to_value(sum).unwrap(), json);
    }
}
