//! Loss detection by sequence number: what a receiver knows about one sender.
//!
//! Every datagram carries its sender's boot epoch and a 32-bit sequence number that starts at 0 in each epoch. From
//! these two, a [`SequenceTracker`] decides whether a datagram is new, late or a duplicate, and keeps the counts that
//! an operator wants to see: received, lost, outstanding. It comes between the checks and the decoder. For sealed
//! datagrams it is also the replay window.
//!
//! ```
//! use ringstat_core::receive::{SequenceTracker, Verdict};
//!
//! let mut tracker = SequenceTracker::from_zero();
//! let epoch = 7;
//! assert_eq!(tracker.observe(epoch, 0), Verdict::New);
//! assert_eq!(tracker.observe(epoch, 2), Verdict::New); // 1 is outstanding,
//! assert_eq!(tracker.observe(epoch, 1), Verdict::Late); // not lost,
//! assert_eq!(tracker.observe(epoch, 1), Verdict::Duplicate); // and comes once.
//! assert_eq!(tracker.observe(epoch, 4), Verdict::New);
//! assert_eq!(tracker.observe(8, 0), Verdict::Stranger); // A restart? One datagram may be a stray.
//! assert_eq!(tracker.observe(8, 1), Verdict::Restart); // Now 3 will not come any more.
//!
//! let stats = tracker.finish();
//! assert_eq!((stats.received, stats.lost, stats.duplicate, stats.restarts), (6, 1, 1, 1));
//! ```
//!
//! # Rules
//! - A number is **lost** if its bit is clear when it leaves the window of [`WINDOW`] numbers, or when its epoch ends.
//!   Until then it is outstanding.
//! - **A jump** ahead by more than [`MAX_GAP`] is believed when two different datagrams agree on it (RFC 3550, appendix
//!   A.1). Otherwise a single stray datagram would turn everything after it into losses.
//! - **A restart** is a new epoch and nothing else. It is believed when two different datagrams agree on it and nothing
//!   new of the current run arrived in between; until then they are strangers, to be kept aside. If the current run is
//!   known to be over ([`leave`](SequenceTracker::leave), [`presume_over`](SequenceTracker::presume_over)), one is
//!   enough. All numbers of the new epoch are expected, from 0.
//! - **Twins** are two processes that send under one number: both of their epochs go on. The one that is not the current
//!   one is to be tracked apart.
//! - **Ended epochs**: epochs may be random, so their order means nothing. The last [`OLD_EPOCHS`] are remembered, and
//!   whatever arrives from them is counted and refused unless it lies ahead of where they ended. If it does, it is a
//!   stranger: that epoch may not have ended at all, and goes on where it was.
//! - **A late start**: counting begins at the first datagram of all, since the sender may be older than the receiver.
//!   The numbers before it are counted separately. A receiver that knows that it was there first uses
//!   [`from_zero`](SequenceTracker::from_zero).
//!
//! # Limits
//! A sender that restarts without changing its epoch looks like one whose datagrams arrive twice or too late. Only time
//! can tell it from a slow path, and there is no clock here: see
//! [`refused_in_a_row`](SequenceTracker::refused_in_a_row). Whoever forges two datagrams that agree is believed until the
//! genuine sender's next two arrive.

mod count;
mod ids;
mod judge;
mod run;
mod saved;
mod verdict;
mod window;

pub use ids::{IdWindow, Seen};
pub use verdict::{Account, Verdict};
pub use window::WINDOW;

use run::{Ended, Strangers};
use window::Window;

/// A step ahead by more than this needs a second datagram that agrees: one alone never makes the window leave behind what
/// is still to come. (RFC 3550 takes 3000, and has no window.)
pub const MAX_GAP: u32 = WINDOW as u32 - 1;

/// How many ended epochs are remembered.
pub const OLD_EPOCHS: usize = 3;

/// The limit of extended numbers. No sender reaches it; forged jumps would, and are refused.
const END: u64 = 1 << 63;

/// Tracks the sequence numbers of one sender, in 328 bytes, without a heap, in a few nanoseconds per datagram.
///
/// `observe` takes constant time: at worst, on a jump, it writes the 16 words of the window. Key
/// trackers by sender id, never by address: addresses change behind NAT, and several processes
/// share one.
///
/// With serde it is saved, and goes on as if nothing had been; a state that no tracker can be in is refused.
///
/// ```
/// use ringstat_core::receive::SequenceTracker;
///
/// let mut tracker = SequenceTracker::from_zero();
/// for sequence in [0, 1, 3] {
///     tracker.observe(1, sequence);
/// }
/// assert_eq!(tracker.stats().outstanding, 1, "2 may still come");
/// assert_eq!(tracker.finish().lost, 1);
/// ```
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(into = "saved::SavedTracker", try_from = "saved::SavedTracker")]
pub struct SequenceTracker {
    window: Window,
    /// The first number expected in this epoch.
    first: u64,
    /// One past the highest number seen in this epoch.
    next: u64,
    received: u64,
    lost: u64,
    late: u64,
    duplicate: u64,
    too_late: u64,
    old_epoch: u64,
    epoch: u32,
    restarts: u32,
    jumps: u32,
    unconfirmed: u32,
    missed_before_start: u32,
    /// The far-ahead number that waits for a second one to agree, if `HELD` says so. It lies at
    /// least `MAX_GAP` ahead of `next`, because whatever comes nearer than that agrees with
    /// it.
    held: u32,
    /// Datagrams of other runs that were not believed, and of those tracked apart.
    strangers: u32,
    twins: u32,
    /// Other runs that may have begun.
    aside: Strangers,
    /// Ended epochs, the latest first; `ended_len` of them count.
    ended: [Ended; OLD_EPOCHS],
    refused_in_a_row: u16,
    ended_len: u8,
    flags: u8,
}

/// An epoch is being tracked.
const STARTED: u8 = 1;
/// `held` is in use.
const HELD: u8 = 1 << 1;
/// This epoch was joined in the middle: `first` may still move down.
const JOINED: u8 = 1 << 2;
/// The next datagram to start with is number 0.
const FROM_ZERO: u8 = 1 << 3;
/// The sender's numbers are authentic: no jump needs a second witness.
const AUTHENTIC: u8 = 1 << 4;
/// The sender's epochs grow: what is not newer is old.
const GROWING_EPOCHS: u8 = 1 << 5;
/// The current run is thought to be over.
const OVER: u8 = 1 << 6;
/// It has said so itself.
const LEFT: u8 = 1 << 7;

impl SequenceTracker {
    /// A tracker that takes the first datagram it sees as the beginning.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            window: Window::settled(),
            first: 0,
            next: 0,
            received: 0,
            lost: 0,
            late: 0,
            duplicate: 0,
            too_late: 0,
            old_epoch: 0,
            epoch: 0,
            restarts: 0,
            jumps: 0,
            unconfirmed: 0,
            missed_before_start: 0,
            held: 0,
            strangers: 0,
            twins: 0,
            aside: Strangers::NONE,
            ended: [Ended::NONE; OLD_EPOCHS],
            refused_in_a_row: 0,
            ended_len: 0,
            flags: 0,
        }
    }

    /// A tracker that expects the sender's datagrams from number 0 on: for a receiver that was
    /// there first.
    #[must_use]
    pub const fn from_zero() -> Self {
        Self::new().with(FROM_ZERO)
    }

    /// A tracker that has seen everything of `epoch` below `next`: for a receiver that goes on from
    /// saved state.
    ///
    /// `next` is taken modulo 2^63.
    #[must_use]
    pub const fn resume(epoch: u32, next: u64) -> Self {
        let mut tracker = Self::new().with(STARTED);
        tracker.epoch = epoch;
        tracker.first = next % END;
        tracker.next = next % END;
        tracker
    }

    /// The same tracker for a sender whose datagrams are authenticated before they come here.
    ///
    /// A jump or a restart is then believed at once, so that the tracker is a strict replay window within an
    /// epoch: nothing is new twice. To shut out replays from epochs long past too, add
    /// [`growing_epochs`](Self::growing_epochs).
    #[must_use]
    pub const fn authentic(self) -> Self {
        self.with(AUTHENTIC)
    }

    /// The same tracker for a sender that commits a growing epoch to storage: any epoch that is not
    /// newer, in serial order, is an old one.
    #[must_use]
    pub const fn growing_epochs(self) -> Self {
        self.with(GROWING_EPOCHS)
    }

    const fn with(mut self, flag: u8) -> Self {
        self.flags |= flag;
        self
    }

    #[inline]
    const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What [`observe`](Self::observe) would say, without counting anything.
    #[inline]
    #[must_use]
    pub fn preview(&self, epoch: u32, sequence: u32) -> Verdict {
        self.judge(epoch, sequence).0
    }

    /// Counts a datagram and says what it is.
    #[inline]
    pub fn observe(&mut self, epoch: u32, sequence: u32) -> Verdict {
        if !self.is(STARTED) {
            self.begin(epoch, sequence);
        }
        let (verdict, number) = self.judge(epoch, sequence);
        match verdict {
            Verdict::New => {
                self.move_up(number);
                self.go_on();
            }
            Verdict::Late => self.fill(number),
            Verdict::Duplicate => self.duplicate = self.duplicate.saturating_add(1),
            Verdict::Restart => self.restart(epoch, sequence),
            Verdict::Unconfirmed => self.hold(sequence),
            Verdict::Jump => {
                self.jump(number);
                self.go_on();
            }
            Verdict::Stranger => self.keep_aside(epoch, sequence),
            Verdict::Twin => self.split_off_twin(epoch, sequence),
            Verdict::TooLate => self.too_late = self.too_late.saturating_add(1),
            Verdict::OldEpoch => self.old_epoch = self.old_epoch.saturating_add(1),
        }
        self.refused_in_a_row = match verdict {
            Verdict::TooLate | Verdict::OldEpoch | Verdict::Duplicate => {
                self.refused_in_a_row.saturating_add(1)
            }
            Verdict::Stranger | Verdict::Twin => self.refused_in_a_row,
            _ => 0,
        };
        verdict
    }

    /// Takes note that an epoch has begun, of which something else than a datagram tells: all its numbers are expected, from
    /// 0. Nothing changes if it is the current one, or an old one.
    pub fn begin_epoch(&mut self, epoch: u32) {
        match self.judge_epoch(epoch, 0) {
            Verdict::OldEpoch => {}
            _ if !self.is(STARTED) => {
                self.epoch = epoch;
                self.flags |= STARTED;
            }
            _ if epoch != self.epoch => self.start_epoch(epoch),
            _ => {}
        }
    }

    /// The sums so far.
    #[must_use]
    pub fn stats(&self) -> Account {
        Account {
            received: self.received,
            lost: self.lost,
            outstanding: self.window.outstanding(),
            late: self.late,
            duplicate: self.duplicate,
            too_late: self.too_late,
            old_epoch: self.old_epoch,
            unconfirmed: self.unconfirmed,
            strangers: self.strangers,
            twins: self.twins,
            missed_before_start: self.missed_before_start,
            restarts: self.restarts,
            jumps: self.jumps,
            epoch: self.epoch,
            first: self.first,
            next: self.next,
        }
    }

    /// One more than the highest number seen in the current epoch.
    #[inline]
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Ends the tracking, at shutdown or when an idle sender is forgotten: what is outstanding is
    /// lost.
    #[must_use]
    pub fn finish(mut self) -> Account {
        let (first, next) = (self.first, self.next);
        self.close();
        Account { first, next, ..self.stats() }
    }

    /// How many datagrams in a row came twice, too late or of an old epoch. Stops at 65 535.
    ///
    /// When this grows for longer than any path can delay a datagram (ten seconds, say), the
    /// tracker is wrong and the sender is right: it restarted without a new epoch. Then call
    /// [`resync`](Self::resync). The decision is the caller's, who has the clock.
    #[must_use]
    pub const fn refused_in_a_row(&self) -> u16 {
        self.refused_in_a_row
    }

    /// Gives up what is outstanding as lost and begins anew with the next datagram, whatever its
    /// epoch and number; with `from_zero` all numbers of that epoch are expected. The sums stay. A caller that
    /// authenticates datagrams has no use for this: it would let replays in.
    pub fn resync(&mut self, from_zero: bool) {
        self.close();
        self.aside = Strangers::NONE;
        self.ended_len = 0;
        self.refused_in_a_row = 0;
        self.flags &= !(STARTED | FROM_ZERO);
        if from_zero {
            self.flags |= FROM_ZERO;
        }
    }
}

impl Default for SequenceTracker {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
