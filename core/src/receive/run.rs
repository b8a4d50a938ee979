//! Decides which run of a sender is the current one, and what to do with datagrams of others.

use serde::{Deserialize, Serialize};

use super::{END, LEFT, MAX_GAP, OLD_EPOCHS, OVER, SequenceTracker, Verdict};

/// Datagrams of a run other than the current one, which are kept aside until it is clear what they are.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Stranger {
    epoch: u32,
    /// Their sequence numbers, of which `len` are used.
    numbers: [u32; Self::LIMIT],
    len: u8,
    /// The number of new datagrams of the current run since the first of them, up to 2.
    current_since: u8,
}

/// All datagrams that are kept aside, of at most two epochs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Strangers {
    /// The first slot is reserved for a while, so that several runs besides the current one are distinguished one
    /// after the other. The second one is for any newcomer, so that a stray in the first keeps nothing out.
    slots: [Stranger; 2],
    /// How often another epoch took the second slot since the first was taken.
    passed: u8,
}

impl Strangers {
    pub(super) const NONE: Self = Self { slots: [Stranger::NONE; 2], passed: 0 };
    /// How often the first slot may be passed by.
    const MAX_PASSES: u8 = 64;

    pub(super) fn is_sound(&self) -> bool {
        self.slots.iter().all(|s| usize::from(s.len) <= Stranger::LIMIT)
    }

    /// Returns the slot of the datagrams that a datagram agrees with.
    fn find(&self, epoch: u32, sequence: u32) -> Option<usize> {
        self.slots.iter().position(|s| s.agrees(epoch, sequence))
    }

    /// Takes out the datagrams that a datagram agrees with.
    fn take(&mut self, epoch: u32, sequence: u32) -> Option<Stranger> {
        let slot = self.find(epoch, sequence)?;
        Some(core::mem::replace(self.slots.get_mut(slot)?, Stranger::NONE))
    }

    /// Returns the slot for the first datagram of an epoch.
    fn slot_for(&mut self, epoch: u32) -> usize {
        let [first, second] = &self.slots;
        let (is_first, is_second) = (first.is_of(epoch), second.is_of(epoch));
        if !is_second && (is_first || first.len == 0 || self.passed >= Self::MAX_PASSES) {
            self.passed = 0;
            return 0;
        }
        self.passed = self.passed.saturating_add(u8::from(!is_second));
        1
    }
}

/// An epoch that ended, and the sequence number that would have been its next.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Ended {
    epoch: u32,
    next: u64,
}

impl Ended {
    pub(super) const NONE: Self = Self { epoch: 0, next: 0 };

    pub(super) fn is_sound(&self) -> bool {
        self.next <= END || self.next == u64::MAX
    }
}

impl Stranger {
    /// The largest number of datagrams that are kept aside.
    const LIMIT: usize = 3;
    const NONE: Self = Self { epoch: 0, numbers: [0; Self::LIMIT], len: 0, current_since: 0 };

    fn numbers(&self) -> &[u32] {
        self.numbers.get(..usize::from(self.len)).unwrap_or(&[])
    }

    fn is_of(&self, epoch: u32) -> bool {
        self.len > 0 && self.epoch == epoch
    }

    /// Returns whether a datagram may belong to them.
    fn agrees(&self, epoch: u32, sequence: u32) -> bool {
        self.is_of(epoch)
            && (sequence.wrapping_sub(self.numbers[0]).cast_signed()).unsigned_abs() <= MAX_GAP
    }

    /// Returns the verdict on one more of them.
    fn judge(&self) -> Verdict {
        match self.current_since {
            0 => Verdict::Restart,
            // The last datagram of a run that has ended may have been overtaken.
            1 if usize::from(self.len) < Self::LIMIT => Verdict::Stranger,
            1 => Verdict::Restart,
            _ => Verdict::Twin,
        }
    }
}

impl SequenceTracker {
    /// Returns the verdict on a datagram of an epoch that is neither the current one nor an old one.
    pub(super) fn judge_stranger(&self, epoch: u32, sequence: u32) -> Verdict {
        let strangers = &self.aside;
        let agreed = strangers.find(epoch, sequence).and_then(|i| strangers.slots.get(i));
        match agreed {
            Some(stranger) if stranger.numbers().contains(&sequence) => Verdict::Duplicate,
            _ if self.is(OVER) => Verdict::Restart,
            Some(stranger) => stranger.judge(),
            None => Verdict::Stranger,
        }
    }

    /// Returns where that epoch ended, if it did.
    pub(super) fn ended(&self, epoch: u32) -> Option<u64> {
        let ended = self.ended.get(..usize::from(self.ended_len)).unwrap_or(&[]);
        ended.iter().find(|e| e.epoch == epoch).map(|e| e.next)
    }

    /// Notes that the current run goes on.
    #[inline]
    pub(super) fn go_on(&mut self) {
        self.flags &= !(OVER | LEFT);
        for stranger in &mut self.aside.slots {
            stranger.current_since = (stranger.current_since + 1).min(2);
        }
    }

    /// Keeps a datagram of another run aside.
    #[cold]
    pub(super) fn keep_aside(&mut self, epoch: u32, sequence: u32) {
        let aside = &mut self.aside;
        let stranger = match aside.find(epoch, sequence) {
            Some(slot) => &mut aside.slots[slot],
            None => {
                let slot = aside.slot_for(epoch);
                aside.slots[slot] = Stranger { epoch, ..Stranger::NONE };
                &mut aside.slots[slot]
            }
        };
        if let Some(slot) = stranger.numbers.get_mut(usize::from(stranger.len)) {
            *slot = sequence;
            stranger.len += 1;
        }
        self.strangers = self.strangers.saturating_add(1);
    }

    /// Forgets the strangers that turned out to be a sender of their own, including the datagram that showed it.
    #[cold]
    pub(super) fn split_off_twin(&mut self, epoch: u32, sequence: u32) {
        let removed = self.aside.take(epoch, sequence).map_or(0, |s| s.len.into());
        self.strangers = self.strangers.saturating_sub(removed);
        self.twins = self.twins.saturating_add(removed + 1);
    }

    /// Ends the current epoch and switches to another: one that begins with this datagram, or with those kept aside
    /// that it agrees with, or one that had not ended after all.
    #[cold]
    pub(super) fn restart(&mut self, epoch: u32, sequence: u32) {
        let resumed = self.ended(epoch);
        let stranger = self.aside.take(epoch, sequence);
        self.start_epoch(epoch);
        if let Some(next) = resumed {
            (self.first, self.next) = (next, next);
        }
        let Some(stranger) = stranger else { return self.begin_with(sequence) };
        self.strangers = self.strangers.saturating_sub(stranger.len.into());
        let mut agreed = [sequence; Stranger::LIMIT + 1];
        agreed[..usize::from(stranger.len)].copy_from_slice(stranger.numbers());
        let agreed = &mut agreed[..=usize::from(stranger.len)];
        // They are sorted from the lowest on, even if they wrap around.
        agreed.sort_unstable_by_key(|n| n.wrapping_sub(sequence).cast_signed());
        for number in agreed {
            self.agreed(*number);
        }
    }

    /// Ends the current epoch, and starts the next one without any datagrams.
    pub(super) fn start_epoch(&mut self, epoch: u32) {
        // Nothing can follow in a run that has said goodbye.
        let next = if self.is(LEFT) { u64::MAX } else { self.next };
        self.remember(Ended { epoch: self.epoch, next });
        self.close();
        self.restarts = self.restarts.saturating_add(1);
        self.epoch = epoch;
        self.aside = Strangers::NONE;
        self.flags &= !(OVER | LEFT);
    }

    /// Takes the first datagram of a run, which has no strangers to agree with.
    fn begin_with(&mut self, sequence: u32) {
        let ahead = sequence.wrapping_sub(self.next as u32);
        match self.judge_step(ahead) {
            Verdict::New => self.move_up(self.next + u64::from(ahead)),
            Verdict::Jump => self.jump(self.next + u64::from(ahead)),
            _ => self.hold(sequence),
        }
    }

    /// Takes a number that others agree with, however far ahead it is.
    fn agreed(&mut self, sequence: u32) {
        let ahead = sequence.wrapping_sub(self.next as u32);
        let number = self.next + u64::from(ahead);
        if number >= END {
            self.too_late = self.too_late.saturating_add(1);
            return;
        }
        if ahead > MAX_GAP {
            self.jumps = self.jumps.saturating_add(1);
        }
        self.move_up(number);
    }

    fn remember(&mut self, ended: Ended) {
        self.ended.rotate_right(1);
        self.ended[0] = ended;
        self.ended_len = (self.ended_len + 1).min(OLD_EPOCHS as u8);
    }

    /// Returns whether a datagram is still kept aside. One judged [`Verdict::Stranger`] may have been displaced since.
    #[must_use]
    pub fn is_aside(&self, epoch: u32, sequence: u32) -> bool {
        self.aside.slots.iter().any(|s| s.is_of(epoch) && s.numbers().contains(&sequence))
    }

    /// Forgets the datagrams kept aside, for a receiver that has not stored them.
    pub fn forget_aside(&mut self) {
        self.aside = Strangers::NONE;
    }

    /// Notes that a datagram of the current run, which has just been accepted, said goodbye. If it is the highest one,
    /// whatever comes of another run is a restart. New datagrams of the current run revoke this.
    pub fn leave(&mut self, sequence: u32) {
        if sequence.wrapping_add(1) == self.next as u32 {
            self.flags |= OVER | LEFT;
        }
    }

    /// Returns whether the current run has said goodbye.
    #[must_use]
    pub const fn has_left(&self) -> bool {
        self.is(LEFT)
    }

    /// Notes that the current run is presumed over, because it was silent for too long. If it has not ended after all,
    /// it may continue where it was.
    pub fn presume_over(&mut self) {
        self.flags |= OVER;
    }
}
