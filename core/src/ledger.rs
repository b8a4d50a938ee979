//! The ledger: what became of every recorded event.
//!
//! `recorded = sent + unconfirmed + lost + aggregated + dropped[by cause] + in flight`, exact whenever no call is in
//! progress. The stage that gives a record up counts it there and then, under a [`Cause`]; a [`Ledger`] is a snapshot
//! of all stages.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Why a record was given up. Each cause has a count of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Cause {
    /// The ring was full, and the policy keeps what is already there.
    Full,
    /// The record was the oldest in a full ring and made room for a newer or more urgent one.
    Evicted,
    /// The policy keeps one in N under pressure, and this was one of the others.
    Sampled,
    /// The health monitor was throttling the source.
    Throttled,
    /// The encoded record is larger than a datagram may be.
    TooLarge,
    /// The record has more than 16 dynamic tags, or more than 255 static ones.
    TooManyTags,
    /// The key or the value of a dynamic tag has more than 255 bytes, or the record's tags do not fit the slot and the
    /// recorder has no memory for longer ones.
    TagTooLong,
    /// The record's text has more than 1000 bytes, or does not fit the slot and the recorder has no memory for longer
    /// ones.
    TextTooLong,
    /// The memory for tags and texts that do not fit a slot was used up.
    TagMemoryFull,
    /// The interner has no room for the record's name.
    InternerFull,
    /// The record's name is empty or longer than 255 bytes, its number is NaN, infinite or out of bounds, or its text
    /// was added after a tag.
    Invalid,
    /// The record holds a symbol that the interner does not know, or tags that are no longer in the tag memory.
    Encode,
    /// The transport refused the record's datagram.
    SendError,
    /// The record is a critical event that was not acknowledged in time.
    Unacknowledged,
    /// The client was shut down before the record could be sent.
    Shutdown,
    /// The format cannot express the record, for instance an event in StatsD.
    Unsupported,
    /// The record was made in a child of the process that the client belongs to.
    Forked,
}

impl Cause {
    /// The number of causes.
    pub const COUNT: usize = 17;

    /// Every cause, in the order of its index.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Full,
        Self::Evicted,
        Self::Sampled,
        Self::Throttled,
        Self::TooLarge,
        Self::TooManyTags,
        Self::TagTooLong,
        Self::TextTooLong,
        Self::TagMemoryFull,
        Self::InternerFull,
        Self::Invalid,
        Self::Encode,
        Self::SendError,
        Self::Unacknowledged,
        Self::Shutdown,
        Self::Unsupported,
        Self::Forked,
    ];

    /// The name of the cause in metrics, JSON and pages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Evicted => "evicted",
            Self::Sampled => "sampled",
            Self::Throttled => "throttled",
            Self::TooLarge => "too_large",
            Self::TooManyTags => "too_many_tags",
            Self::TagTooLong => "tag_too_long",
            Self::TextTooLong => "text_too_long",
            Self::TagMemoryFull => "tag_memory_full",
            Self::InternerFull => "interner_full",
            Self::Invalid => "invalid",
            Self::Encode => "encode",
            Self::SendError => "send_error",
            Self::Unacknowledged => "unacknowledged",
            Self::Shutdown => "shutdown",
            Self::Unsupported => "unsupported",
            Self::Forked => "forked",
        }
    }
}

/// Describes the cause for people and logs, in a form that completes a sentence.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the ring was full",
            Self::Evicted => "a newer or more urgent record took its place in a full ring",
            Self::Sampled => "another record was kept in its place, because the ring was nearly full",
            Self::Throttled => "another record was kept in its place, because the client was unhealthy",
            Self::TooLarge => "the record is larger than a datagram may be",
            Self::TooManyTags => "the record has more than 16 dynamic tags or 255 static ones",
            Self::TagTooLong => {
                "a tag's key or value has more than 255 bytes, or there is no tag memory and the tags exceed 26 bytes"
            }
            Self::TextTooLong => "a text has more than 1000 bytes, or there is no tag memory and it exceeds 25 bytes",
            Self::TagMemoryFull => "the memory for tags and texts of more than 26 bytes was used up",
            Self::InternerFull => "the interner has no room for the name",
            Self::Invalid => "the name is empty or longer than 255 bytes, the number is not finite, or a text was added after a tag",
            Self::Encode => "the record holds an unknown symbol, or tags that are no longer in memory",
            Self::SendError => "the transport refused the datagram",
            Self::Unacknowledged => "nobody acknowledged the record in time",
            Self::Shutdown => "the client was shut down before it was sent",
            Self::Unsupported => "the format cannot express the record",
            Self::Forked => "the process is a child of the one that the client belongs to",
        })
    }
}

impl core::error::Error for Cause {}

/// How many records were given up, by cause.
///
/// ```
/// use ringstat_core::ledger::{Cause, Drops};
///
/// let mut drops = Drops::NONE;
/// drops.add(Cause::Full, 3);
/// drops.add(Cause::SendError, 1);
/// assert_eq!((drops.get(Cause::Full), drops.total()), (3, 4));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Drops([u64; Cause::COUNT]);

impl Drops {
    /// No drops.
    pub const NONE: Self = Self([0; Cause::COUNT]);

    /// The number of records given up for `cause`.
    #[inline]
    #[must_use]
    pub const fn get(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    /// Counts `n` more records for `cause`.
    #[inline]
    pub const fn add(&mut self, cause: Cause, n: u64) {
        let cell = &mut self.0[cause as usize];
        *cell = cell.wrapping_add(n);
    }

    /// The number of records given up for all causes together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Iterates over each cause with its count, in the order of [`Cause::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Cause, u64)> + '_ {
        Cause::ALL.into_iter().zip(self.0)
    }

    /// Adds another tally to this one.
    pub fn merge(&mut self, other: &Self) {
        for (cause, n) in other.iter() {
            self.add(cause, n);
        }
    }
}

/// Serializes as a map from cause to count, without the zeros.
impl Serialize for Drops {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let used = || self.iter().filter(|(_, n)| *n > 0);
        let mut map = serializer.serialize_map(Some(used().count()))?;
        for (cause, n) in used() {
            map.serialize_entry(cause.as_str(), &n)?;
        }
        map.end()
    }
}

/// A snapshot of what became of every event that was handed to a client.
///
/// Instruments do not appear here: recording on one cannot be dropped, and the next datagram repeats whatever state a
/// lost one carried.
///
/// ```
/// use ringstat_core::ledger::{Cause, Ledger};
///
/// let mut ledger = Ledger { recorded: 10, sent: 7, in_flight: 1, ..Ledger::default() };
/// ledger.dropped.add(Cause::Full, 2);
/// assert!(ledger.closes());
/// assert_eq!(ledger.to_string(), "10 recorded: 7 sent, 2 dropped (2 full), 1 in flight");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Ledger {
    /// How many record calls were made.
    pub recorded: u64,
    /// Events that reached the receiver, according to its signs of life. Where the receiver cannot say so (StatsD
    /// lines, a transport without replies), events that left.
    pub sent: u64,
    /// Events that left, and of which it is not yet known whether they arrived.
    pub unconfirmed: u64,
    /// Events that left and did not arrive, according to the receiver's count.
    pub lost: u64,
    /// Events that were merged into an instrument of the client, whose state now includes them. This happens only where
    /// the client was configured to do so.
    pub aggregated: u64,
    /// Events given up, by cause.
    pub dropped: Drops,
    /// Events in a ring, or encoded but not yet accepted by the transport.
    pub in_flight: u64,
}

impl Ledger {
    /// Whether every record is accounted for: `recorded = sent + unconfirmed + lost + aggregated + dropped + in
    /// flight`.
    #[must_use]
    pub fn closes(&self) -> bool {
        self.recorded == self.left() + self.aggregated + self.dropped.total() + self.in_flight
    }

    /// The number of events that left the machine, whatever became of them then: sent, unconfirmed and lost.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.sent + self.unconfirmed + self.lost
    }
}

/// Formats the ledger as `10 recorded: 6 sent, 3 dropped (2 full, 1 evicted), 1 in flight`, omitting zeros.
impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} recorded: {} sent", self.recorded, self.sent)?;
        for (n, what) in [
            (self.unconfirmed, "unconfirmed"),
            (self.lost, "lost"),
            (self.aggregated, "aggregated"),
            (self.dropped.total(), "dropped"),
            (self.in_flight, "in flight"),
        ] {
            if n > 0 {
                write!(f, ", {n} {what}")?;
            }
            if n > 0 && what == "dropped" {
                write!(f, " ({})", self.dropped)?;
            }
        }
        Ok(())
    }
}

/// Formats the drops as `2 full, 1 evicted`, or `none`.
impl fmt::Display for Drops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (cause, n) in self.iter().filter(|(_, n)| *n > 0) {
            write!(f, "{}{n} {}", if first { "" } else { ", " }, cause.as_str())?;
            first = false;
        }
        if first { f.write_str("none") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_cause_has_its_own_cell_and_name() {
        let mut drops = Drops::NONE;
        for (i, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, i);
            drops.add(cause, i as u64 + 1);
            assert_eq!(drops.get(cause), i as u64 + 1);
            assert_eq!(Cause::ALL.iter().filter(|c| c.as_str() == cause.as_str()).count(), 1);
        }
        assert_eq!(drops.total(), (1..=Cause::COUNT as u64).sum());
        let mut twice = drops;
        twice.merge(&drops);
        assert_eq!(twice.total(), 2 * drops.total());
    }

    #[test]
    fn a_ledger_reads_as_a_sentence() {
        let mut ledger = Ledger { recorded: 10, sent: 6, in_flight: 1, ..Ledger::default() };
        assert_eq!(ledger.to_string(), "10 recorded: 6 sent, 1 in flight");
        ledger.dropped.add(Cause::Full, 2);
        ledger.dropped.add(Cause::Evicted, 1);
        assert_eq!(
            ledger.to_string(),
            "10 recorded: 6 sent, 3 dropped (2 full, 1 evicted), 1 in flight"
        );
        assert_eq!(Drops::NONE.to_string(), "none");
    }

    #[test]
    fn a_ledger_closes_only_when_nothing_is_missing() {
        let mut ledger = Ledger { recorded: 10, sent: 6, in_flight: 1, ..Ledger::default() };
        assert!(!ledger.closes());
        ledger.dropped.add(Cause::Full, 3);
        assert!(ledger.closes());
    }
}
