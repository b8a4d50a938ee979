//! How a datagram changes the tracker once it has been judged.

use super::{FROM_ZERO, HELD, JOINED, STARTED, SequenceTracker, Window};

impl SequenceTracker {
    /// Begins with the first datagram of all, or the first after [`resync`](Self::resync).
    #[cold]
    pub(super) fn begin(&mut self, epoch: u32, sequence: u32) {
        self.epoch = epoch;
        self.flags |= STARTED;
        if !self.is(FROM_ZERO) {
            self.flags |= JOINED;
            self.missed_before_start = sequence;
            self.first = u64::from(sequence);
            self.next = self.first;
        }
    }

    /// Takes a number that is the next in order or ahead of it.
    #[inline]
    pub(super) fn move_up(&mut self, number: u64) {
        let lost = self.window.advance(self.next, number + 1);
        self.lost = self.lost.saturating_add(lost);
        self.next = number + 1;
        self.received = self.received.saturating_add(1);
    }

    /// Takes a number within the window that was missing.
    pub(super) fn fill(&mut self, number: u64) {
        if number < self.first {
            // The start moves down; the numbers in between are now expected too.
            self.window.clear(number, self.first);
            self.first = number;
            self.missed_before_start = number as u32;
        }
        self.window.insert(number);
        self.received = self.received.saturating_add(1);
        self.late = self.late.saturating_add(1);
    }

    /// Remembers a number that lies far ahead, replacing one that no other agreed with.
    #[cold]
    pub(super) fn hold(&mut self, sequence: u32) {
        self.held = sequence;
        self.flags |= HELD;
        self.unconfirmed = self.unconfirmed.saturating_add(1);
    }

    /// Takes a number that lies far ahead and the remembered one that it agrees with, in their order.
    #[cold]
    pub(super) fn jump(&mut self, number: u64) {
        self.jumps = self.jumps.saturating_add(1);
        if !self.is(HELD) {
            return self.move_up(number);
        }
        let held = self.held_number();
        self.flags &= !HELD;
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        self.move_up(held.min(number));
        self.move_up(held.max(number));
    }

    pub(super) fn held_number(&self) -> u64 {
        self.next + u64::from(self.held.wrapping_sub(self.next as u32))
    }

    /// Counts what is outstanding as lost, and leaves an empty epoch that begins at 0.
    pub(super) fn close(&mut self) {
        self.lost = self.lost.saturating_add(self.window.outstanding());
        self.window = Window::settled();
        self.first = 0;
        self.next = 0;
        self.flags &= !(HELD | JOINED);
    }
}
