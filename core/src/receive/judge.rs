//! How a datagram is judged. Nothing here changes the tracker.

use super::{
    AUTHENTIC, END, FROM_ZERO, GROWING_EPOCHS, HELD, JOINED, MAX_GAP, STARTED, SequenceTracker,
    Verdict, WINDOW,
};

impl SequenceTracker {
    /// The verdict on a datagram, and its extended number if it has a place in the window.
    #[inline]
    pub(super) fn judge(&self, epoch: u32, sequence: u32) -> (Verdict, u64) {
        if epoch != self.epoch || !self.is(STARTED) {
            return (self.judge_epoch(epoch, sequence), 0);
        }
        if self.is(HELD) {
            let apart = sequence.wrapping_sub(self.held) as i32;
            if apart == 0 {
                return (Verdict::Duplicate, 0);
            }
            if apart.unsigned_abs() <= MAX_GAP {
                // `held` lies far ahead and below END, so this neither wraps nor falls behind
                // `next`.
                let number = self.held_number().wrapping_add_signed(i64::from(apart));
                return (if number < END { Verdict::Jump } else { Verdict::TooLate }, number);
            }
        }
        let ahead = sequence.wrapping_sub(self.next as u32);
        // At the start of an epoch there is nothing before the first datagram, however far ahead it is.
        if ahead as i32 >= 0 || self.next == 0 {
            let number = self.next + u64::from(ahead);
            return (if number < END { self.judge_step(ahead) } else { Verdict::TooLate }, number);
        }
        match self.next.checked_add_signed(i64::from(ahead as i32)) {
            Some(number) if self.next - number <= WINDOW => {
                // If tracking began in mid-epoch, earlier numbers may still arrive.
                let unseen =
                    !self.window.contains(number) || (number < self.first && self.is(JOINED));
                (if unseen { Verdict::Late } else { Verdict::Duplicate }, number)
            }
            _ => (Verdict::TooLate, 0),
        }
    }

    /// The verdict on a number that is `ahead` of the next in order.
    #[inline]
    pub(super) const fn judge_step(&self, ahead: u32) -> Verdict {
        if ahead <= MAX_GAP {
            Verdict::New
        } else if self.is(AUTHENTIC) {
            Verdict::Jump
        } else {
            Verdict::Unconfirmed
        }
    }

    /// The verdict on a datagram that is not of the current epoch.
    #[cold]
    pub(super) fn judge_epoch(&self, epoch: u32, sequence: u32) -> Verdict {
        if !self.is(STARTED) {
            return if self.is(FROM_ZERO) { self.judge_step(sequence) } else { Verdict::New };
        }
        if self.is(GROWING_EPOCHS) && (epoch.wrapping_sub(self.epoch) as i32) < 0 {
            return Verdict::OldEpoch;
        }
        let ended = self.ended(epoch);
        if self.is(AUTHENTIC) {
            return if ended.is_some() { Verdict::OldEpoch } else { Verdict::Restart };
        }
        // In an epoch of which nothing was confirmed nothing lies behind.
        let is_behind = |next: u64| {
            next == u64::MAX || (next > 0 && (sequence.wrapping_sub(next as u32) as i32) < 0)
        };
        if ended.is_some_and(is_behind) {
            return Verdict::OldEpoch;
        }
        self.judge_stranger(epoch, sequence)
    }
}
