//! Identifiers of critical events: which of them a receiver has.
//!
//! A critical event is sent until it is acknowledged, each time in another datagram, so its identifier, not the number
//! of the datagram, tells whether it has arrived before. The sender states below which identifier nothing is
//! outstanding, and never has more than [`ID_WINDOW`] identifiers open: a window of that size knows them all, even in a
//! receiver that has just started.

use crate::wire::ack::{Ack, ID_WINDOW};

pub(super) const BYTES: usize = ID_WINDOW / 8;

/// What is known about the critical events of one epoch.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(into = "super::saved::SavedIds", from = "super::saved::SavedIds")]
pub struct IdWindow {
    base: u64,
    /// Bit `i`, counted from the lowest bit of the first byte, says that event `base + i` has arrived.
    bits: [u8; BYTES],
}

/// What is known about an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The event has arrived for the first time, and is now known.
    New,
    /// The event arrived before, or the sender has given it up since.
    Before,
    /// The identifier is beyond the window: a sender that follows the protocol never has so many open. The event is
    /// neither taken nor acknowledged.
    Beyond,
}

impl IdWindow {
    /// Creates a window that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { base: 0, bits: [0; BYTES] }
    }

    pub(super) const fn parts(&self) -> (u64, &[u8; BYTES]) {
        (self.base, &self.bits)
    }

    pub(super) const fn of_parts(base: u64, bits: [u8; BYTES]) -> Self {
        Self { base, bits }
    }

    /// Notes that the sender has nothing outstanding below `floor`. A floor that goes back changes nothing.
    pub fn advance(&mut self, floor: u64) {
        let Some(by) = floor.checked_sub(self.base) else { return };
        self.base = floor;
        let Some(bytes) = usize::try_from(by / 8).ok().filter(|b| *b < BYTES) else {
            self.bits = [0; BYTES];
            return;
        };
        let bits = (by % 8) as u32;
        for i in 0..BYTES {
            let at = |i: usize| self.bits.get(i).copied().map_or(0, u16::from);
            let pair = at(i + bytes) | at(i + bytes + 1) << 8;
            self.bits[i] = (pair >> bits) as u8;
        }
    }

    /// Notes that the event `id` has arrived, and says whether it is new.
    pub fn insert(&mut self, id: u64) -> Seen {
        let Some(offset) = id.checked_sub(self.base) else { return Seen::Before };
        let byte = usize::try_from(offset / 8).ok().and_then(|i| self.bits.get_mut(i));
        let Some(byte) = byte else { return Seen::Beyond };
        let bit = 1 << (offset % 8);
        if *byte & bit != 0 {
            return Seen::Before;
        }
        *byte |= bit;
        Seen::New
    }

    /// The acknowledgement to send to the sender.
    #[must_use]
    pub fn ack(&self, sender: u64, epoch: u32) -> Ack<'_> {
        Ack { sender, epoch, base: self.base, bitmap: &self.bits }
    }
}

impl Default for IdWindow {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::rounds;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    #[test]
    fn it_begins_anywhere_and_knows_what_is_open() {
        let mut ids = IdWindow::new();
        ids.advance(5000);
        assert_eq!(ids.insert(4999), Seen::Before);
        assert_eq!(
            [5000, 6023, 6024].map(|id| ids.insert(id)),
            [Seen::New, Seen::New, Seen::Beyond]
        );
        assert_eq!(ids.insert(5000), Seen::Before);
        let ack = ids.ack(1, 2);
        assert!(ack.settles(4999) && ack.settles(5000) && !ack.settles(5001) && ack.settles(6023));
        ids.advance(u64::MAX);
        assert_eq!([0, u64::MAX].map(|id| ids.insert(id)), [Seen::Before, Seen::New]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(rounds(16, 256)))]

        /// Compared with a set.
        #[test]
        fn it_is_a_set_with_a_floor(steps in proptest::collection::vec((0u64..1500, any::<bool>()), 0..200)) {
            let mut ids = IdWindow::new();
            let (mut model, mut floor) = (BTreeSet::new(), 0);
            for (id, advance) in steps {
                let id = id + floor / 2;
                if advance {
                    ids.advance(id);
                    floor = floor.max(id);
                } else {
                    let expected = if id < floor || model.contains(&id) {
                        Seen::Before
                    } else if id >= floor + ID_WINDOW as u64 {
                        Seen::Beyond
                    } else {
                        model.insert(id);
                        Seen::New
                    };
                    prop_assert_eq!(ids.insert(id), expected);
                }
                for probe in floor.saturating_sub(2)..floor + 1030 {
                    let settled = probe < floor || model.contains(&probe);
                    prop_assert_eq!(ids.ack(0, 0).settles(probe), settled);
                }
            }
        }
    }
}
