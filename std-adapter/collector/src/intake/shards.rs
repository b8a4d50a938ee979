//! Decides which shard a datagram belongs to, and presents all shards as one.

use super::{Collector, Source};

/// The collectors that a reader sees as one, each of which is locked only briefly.
///
/// Implemented for one [`Collector`], and for a slice of all [`shards`](Collector::shards).
pub trait Shards {
    /// Returns the number of shards.
    fn count(&self) -> usize;

    /// Calls `at` with one of them, which blocks whoever else waits for that shard.
    fn look<T>(&self, shard: usize, at: impl FnOnce(&Collector) -> T) -> T;
}

impl Shards for Collector {
    fn count(&self) -> usize {
        1
    }

    fn look<T>(&self, _: usize, at: impl FnOnce(&Collector) -> T) -> T {
        at(self)
    }
}

impl Shards for [Collector] {
    fn count(&self) -> usize {
        self.len()
    }

    fn look<T>(&self, shard: usize, at: impl FnOnce(&Collector) -> T) -> T {
        at(&self[shard])
    }
}

/// Returns which of `count` shards takes this datagram: always the same one for a sender. One of ringstat's own format
/// names its sender, whatever its address; for lines of StatsD, the source is the sender.
///
/// The kernel computes the same when it chooses among sockets, in a machine of 32 bits whose numbers are big-endian.
#[must_use]
pub fn shard_of(datagram: &[u8], from: Option<&Source>, count: usize) -> usize {
    if !is_native(datagram) {
        return from.map_or(0, |from| from.shard(count));
    }
    // A datagram without a sender is refused by any shard.
    let sender = datagram.get(4..12).and_then(|sender| sender.try_into().ok());
    sender.map_or(0, |sender| shard_of_bytes(sender, count))
}

/// Returns the shard for the number of a sender.
pub(crate) fn shard_of_sender(sender: u64, count: usize) -> usize {
    shard_of_bytes(sender.to_le_bytes(), count)
}

fn shard_of_bytes(sender: [u8; 8], count: usize) -> usize {
    let word = |bytes: &[u8]| bytes.iter().fold(0u32, |word, b| word << 8 | u32::from(*b));
    let (a, b) = sender.split_at(4);
    shard_of_word(word(a) ^ word(b), count)
}

/// Whether a datagram is of ringstat's own format, as far as its first bytes tell: `RS`, and a control character. What
/// is not may be lines of StatsD.
fn is_native(datagram: &[u8]) -> bool {
    datagram.starts_with(b"RS") && datagram.get(2).is_none_or(|b| *b < b' ')
}

/// Returns the shard for 32 bits that stand for a sender.
pub(super) fn shard_of_word(word: u32, count: usize) -> usize {
    let mut mixed = word;
    mixed ^= mixed >> 16;
    mixed = mixed.wrapping_mul(MIX) >> 16;
    mixed as usize % count.max(1)
}

/// The golden ratio, which spreads numbers that differ only a little.
pub(crate) const MIX: u32 = 0x9E37_79B1;

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many of these senders go to each shard.
    fn spread(senders: impl Iterator<Item = u64>, shards: usize) -> Vec<usize> {
        let mut counts = vec![0; shards];
        for sender in senders {
            let mut datagram = *b"RS\x10\0________--------";
            datagram[4..12].copy_from_slice(&sender.to_le_bytes());
            counts[shard_of(&datagram, None, shards)] += 1;
        }
        counts
    }

    #[test]
    fn senders_are_spread_whatever_their_numbers_are_like() {
        for shards in [2, 3, 4, 8] {
            for shift in [0, 7, 16, 31, 40, 54] {
                let counts = spread((0..1000u64).map(|n| n << shift), shards);
                let fair = 1000 / shards;
                assert!(
                    counts.iter().all(|n| (fair / 2..=fair * 2).contains(n)),
                    "{counts:?} of numbers << {shift}"
                );
            }
        }
        assert_eq!(shard_of(b"RS\x10", None, 7) + shard_of(b"short", None, 7), 0);
    }
}
