//! How much of a shard's stream may still be used, without IO.
//!
//! A broker that is asked to refuse what does not fit compares a stream's size without the overhead of the new message (nats-server
//! 2.9 does), and gives up the oldest message if that was too little. So receivers never come so close: each stops when a
//! stream may be 15/16 full. The broker says how full it is when it is asked, and each confirmation says how many messages came
//! since, other receivers' as well; until it is asked again, all of them count as the largest that there are. What another
//! receiver has in flight cannot be known: for that, and for workers' messages, is the last sixteenth, of which each receiver has no
//! more than an eighth in flight, or one message.

use crate::fleet::log::Size;

/// The largest message in the broker's store: a full one, with its headers and what the broker adds.
const LARGEST: u64 = super::thread::MESSAGE_BYTES as u64 + (2 << 10);
/// What headers and the broker add to a message at most.
const OVERHEAD: u64 = 256;

/// What a receiver knows of a stream.
#[derive(Default, Debug)]
pub(super) struct Room {
    /// What the broker said when it was asked last, unless messages have failed since.
    known: Option<Size>,
    /// The number of the last message that was confirmed since the broker was asked for that,
    newest: u64,
    /// and since it is being asked again.
    newer: u64,
    is_asked: bool,
}

impl Room {
    /// Whether a message of so many bytes may be sent while so many messages and bytes are in flight.
    pub(super) fn admits(&self, length: usize, messages: usize, bytes: usize) -> bool {
        let Some(known) = &self.known else { return false };
        let Some(limit) = known.limit else { return true };
        let reserve = limit / 16;
        let overhead = OVERHEAD.saturating_mul(messages as u64 + 1);
        let in_flight = (bytes as u64).saturating_add(length as u64).saturating_add(overhead);
        let is_share = messages == 0 || in_flight <= reserve / 8;
        is_share && self.used(known).saturating_add(in_flight) <= limit - reserve
    }

    /// Whether the broker should be asked: nothing is known, or what came since may fill half of the room that there was.
    pub(super) fn is_vague(&self) -> bool {
        let Some(known) = &self.known else { return !self.is_asked };
        let Some(limit) = known.limit else { return false };
        let came = self.used(known) - known.bytes;
        let room = (limit - limit / 16).saturating_sub(known.bytes);
        !self.is_asked && came > 0 && came >= room / 2
    }

    /// Whether the broker is being asked.
    pub(super) fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// The broker is being asked.
    pub(super) fn ask(&mut self) {
        self.is_asked = true;
        self.newer = 0;
    }

    /// The broker has answered, or not.
    pub(super) fn answered(&mut self, size: Option<Size>) {
        self.is_asked = false;
        self.known = size;
        self.newest = self.newer;
    }

    /// The broker has confirmed a message with this number.
    pub(super) fn confirmed(&mut self, number: u64) {
        self.newest = self.newest.max(number);
        self.newer = self.newer.max(number);
    }

    /// A message has failed: it may be in the stream, or may still come there.
    pub(super) fn failed(&mut self) {
        self.known = None;
    }

    /// What the stream may have at most, but for what is in flight.
    fn used(&self, known: &Size) -> u64 {
        let came = self.newest.saturating_sub(known.last);
        known.bytes.saturating_add(came.saturating_mul(LARGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn room(bytes: u64) -> Room {
        let mut room = Room::default();
        room.ask();
        room.answered(Some(Size { limit: Some(64 * MIB), bytes, last: 100 }));
        room
    }

    #[test]
    fn nothing_is_sent_before_the_broker_has_said_how_full_the_stream_is() {
        let mut room = Room::default();
        assert!(room.is_vague() && !room.admits(1, 0, 0));
        room.ask();
        assert!(!room.is_vague(), "it was asked");
        room.answered(None);
        assert!(room.is_vague() && !room.admits(1, 0, 0), "it did not answer");
        room.ask();
        room.answered(Some(Size { limit: None, bytes: u64::MAX, last: 1 }));
        room.confirmed(u64::MAX);
        assert!(room.admits(1 << 16, 9, 1 << 30) && !room.is_vague(), "a stream without a limit");
    }

    #[test]
    fn the_last_sixteenth_stays_free() {
        let line = 60 * MIB;
        assert!(room(line - 1000 - OVERHEAD).admits(1000, 0, 0));
        assert!(!room(line - 999 - OVERHEAD).admits(1000, 0, 0));
        assert!(
            !room(line - 1000 - 2 * OVERHEAD).admits(1000, 1, 1000),
            "what is in flight counts"
        );
        assert!(!room(u64::MAX).admits(1000, 0, 0));
    }

    #[test]
    fn no_more_is_in_flight_than_an_eighth_of_what_stays_free() {
        let share = 512 * 1024;
        assert!(room(0).admits(1000, 1, share - 1000 - 2 * OVERHEAD as usize));
        assert!(!room(0).admits(1000, 1, share - 999 - 2 * OVERHEAD as usize));
        assert!(room(0).admits(share, 0, 0), "one message may always be");
    }

    #[test]
    fn messages_of_others_count_as_the_largest_until_the_broker_is_asked_again() {
        let mut room = room(50 * MIB);
        room.confirmed(100 + 70);
        assert!(!room.is_vague() && room.admits(1000, 0, 0));
        room.confirmed(100 + 80);
        assert!(room.is_vague() && room.admits(1000, 0, 0), "half of the room may be used");
        room.confirmed(100 + 156);
        room.confirmed(100 + 3);
        assert!(!room.admits(1000, 0, 0));
        room.ask();
        room.confirmed(257);
        assert!(!room.admits(1000, 0, 0), "it has not answered yet");
        room.answered(Some(Size { limit: Some(64 * MIB), bytes: 51 * MIB, last: 256 }));
        assert!(room.admits(1000, 0, 0));
        let known = room.known.as_ref().unwrap();
        assert_eq!(room.used(known), 51 * MIB + LARGEST, "one came after its answer");
    }

    #[test]
    fn after_a_failure_the_broker_is_asked_first() {
        let mut room = room(0);
        room.failed();
        assert!(room.is_vague() && !room.admits(1, 0, 0));
    }

    /// Receivers that know nothing of each other, each of whose messages is confirmed as late as it may be.
    #[test]
    fn several_receivers_together_never_fill_a_stream() {
        let limit = 16 * MIB;
        let (mut bytes, mut last) = (0, 0);
        let mut rooms: Vec<Room> = (0..8).map(|_| Room::default()).collect();
        let length = super::super::thread::MESSAGE_BYTES;
        let mut stuck = 0;
        while stuck < 3 {
            // All ask, then all send what they may, and only then hear of it.
            let now = Size { limit: Some(limit), bytes, last };
            for room in rooms.iter_mut().filter(|room| room.is_vague() || stuck > 0) {
                room.ask();
                room.answered(Some(now.clone()));
            }
            let before = last;
            let mut sent = Vec::new();
            for room in &rooms {
                let mut messages = 0;
                while room.admits(length, messages, messages * length) {
                    messages += 1;
                    bytes += length as u64 + OVERHEAD;
                    last += 1;
                }
                sent.push(messages);
            }
            for (room, messages) in rooms.iter_mut().zip(sent) {
                if messages > 0 {
                    room.confirmed(last);
                }
            }
            stuck = if last == before { stuck + 1 } else { 0 };
            assert!(bytes < limit, "{bytes} of {limit}");
        }
        assert!(bytes > limit - limit / 16 - LARGEST, "{bytes} of {limit} are used");
    }
}
