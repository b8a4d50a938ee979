//! Critical events: kept and sent again until they are acknowledged or, in the end, given up.
//!
//! The store is bounded, and its identifiers are close together: an acknowledged event leaves a hole that closes when
//! all events before it are gone, so that a receiver needs to know no more than a window. A full store takes no more
//! events; they stay in their ring, and a full ring refuses them at the record call.
//!
//! Nothing is lost silently: an event leaves the store when it is acknowledged, or it is given up after a number of
//! attempts and counted as [`Cause::Unacknowledged`].

mod retry;
#[cfg(all(test, not(loom)))]
mod tests;

use core::time::Duration;

use super::backoff::Backoff;
use super::{Retention, Store, StoredEvent};
use crate::format::AnyEvent;
use crate::ledger::{Cause, Drops};
use crate::record::Resolve;
use crate::wire::ack::{Ack, ID_WINDOW};
pub use retry::RetryConfig;

/// What became of an event that was to be packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Packing {
    /// It is in the datagram.
    Packed,
    /// The datagram has no room left for it.
    Full,
    /// It can never be sent.
    Never(Cause),
    /// No datagram has room for it. Nothing may follow it in this datagram, whose string tables contain strings that
    /// were taken back.
    TooLarge,
}

/// What is known about the events in a [`Store`]. With an empty store, nothing is kept and no code is linked.
#[derive(Debug)]
pub(crate) struct Critical<K> {
    store: K,
    /// The place of the event with the lowest identifier, and how many places are in use from there on.
    head: usize,
    len: usize,
    /// The identifier of the event at the head.
    floor: u64,
    /// The first identifier that has never been sent.
    unsent: u64,
    /// A lower bound of all times at which something is due.
    next_due: u64,
    /// How long each attempt waits for its acknowledgement.
    waits: Backoff,
    attempts: u8,
    /// How many of the events in use are not settled.
    open: usize,
}

impl<K: Store> Critical<K> {
    /// Creates an empty store. Times are in units of the clock, into which `units` converts durations; `seed` should
    /// differ between senders.
    pub(crate) fn new(
        store: K,
        retry: RetryConfig,
        units: impl Fn(Duration) -> u64,
        seed: u32,
    ) -> Self {
        Self {
            store,
            head: 0,
            len: 0,
            floor: 0,
            unsent: 0,
            next_due: u64::MAX,
            waits: Backoff::new(units(retry.timeout), units(retry.timeout_max), seed),
            attempts: retry.attempts,
            open: 0,
        }
    }

    /// The largest number of events that it holds.
    pub(crate) fn capacity(&self) -> usize {
        self.store.places().len().min(ID_WINDOW)
    }

    /// What makes the events outlive a reset, if anything does.
    pub(crate) fn retention(&self) -> Option<&Retention> {
        self.store.retention()
    }

    /// The same, for writing.
    pub(crate) fn retention_mut(&mut self) -> Option<&mut Retention> {
        self.store.retention_mut()
    }

    /// The number of places in use from the head on.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The event that is `offset` places behind the head, with its place and its identifier.
    pub(crate) fn get(&self, offset: usize) -> Option<(usize, u64, K::Event)> {
        let at = self.place(offset);
        let event = self.store.places().get(at)?.event?;
        Some((at, self.floor.wrapping_add(offset as u64), event))
    }

    /// How many more events it can take at the moment.
    pub(crate) fn room(&self) -> usize {
        self.capacity().saturating_sub(self.len)
    }

    /// The number of events that wait for their acknowledgement.
    pub(crate) fn open(&self) -> usize {
        // If there is no room at all, this is 0 at compile time, and the code that would send them is left out.
        if self.capacity() == 0 { 0 } else { self.open }
    }

    /// The lowest outstanding identifier, which each datagram states while there is one.
    pub(crate) fn floor(&self) -> Option<u64> {
        (self.open() > 0).then_some(self.floor)
    }

    /// Takes an event, to be sent at once. Gives the event back when there is no room.
    pub(crate) fn keep(&mut self, event: K::Event, now: u64) -> Result<(), K::Event> {
        if self.room() == 0 {
            return Err(event);
        }
        let at = self.place(self.len);
        self.store.places_mut()[at] = StoredEvent { event: Some(event), due: now, attempts: 0 };
        self.len += 1;
        self.open += 1;
        self.next_due = self.next_due.min(now);
        Ok(())
    }

    /// Whether an event has to be sent or given up at `now`.
    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.open() > 0 && self.is_over(self.next_due, now)
    }

    /// The time at which the next event is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        (self.open() > 0).then_some(self.next_due)
    }

    /// Passes the events that are due to `pack`, with how far the identifier is above the floor and whether the event
    /// was sent before, and gives up those that were tried too often. Returns whether the datagram is full.
    pub(crate) fn pack(
        &mut self,
        now: u64,
        drops: &mut Drops,
        names: &impl Resolve,
        mut pack: impl FnMut(&K::Event, u64, bool) -> Packing,
    ) -> bool {
        let (mut next_due, mut full) = (u64::MAX, false);
        for offset in 0..self.len {
            let at = self.place(offset);
            let StoredEvent { event: Some(event), due, attempts } = self.store.places()[at] else {
                continue;
            };
            if !self.is_over(due, now) {
                next_due = next_due.min(due);
                continue;
            }
            let packing = if self.attempts > 0 && attempts >= self.attempts {
                Packing::Never(Cause::Unacknowledged)
            } else if full {
                Packing::Full
            } else {
                pack(&event, offset as u64, attempts > 0)
            };
            match packing {
                Packing::Packed => {
                    self.unsent = self.unsent.max(self.floor.wrapping_add(offset as u64 + 1));
                    let again = now.saturating_add(self.waits.pause(attempts.into()));
                    next_due = next_due.min(again);
                    let slot = &mut self.store.places_mut()[at];
                    (slot.due, slot.attempts) = (again, attempts.saturating_add(1));
                }
                Packing::Full => {
                    full = true;
                    next_due = next_due.min(now);
                }
                Packing::Never(cause) => {
                    drops.add(cause, 1);
                    self.settle(at, names);
                }
                Packing::TooLarge => {
                    drops.add(Cause::TooLarge, 1);
                    self.settle(at, names);
                    full = true;
                }
            }
        }
        self.next_due = next_due;
        self.close_gaps();
        full
    }

    /// Takes an acknowledgement, and returns how many events it settles. `None` if no receiver of these datagrams can
    /// have written it: its base is a floor that was never sent, or it names an event that was never sent.
    pub(crate) fn acknowledged(&mut self, ack: &Ack<'_>, names: &impl Resolve) -> Option<u64> {
        if ack.base > self.floor || ack.end() > self.unsent.max(self.floor) {
            return None;
        }
        let mut settled = 0;
        for offset in 0..self.len {
            let at = self.place(offset);
            let id = self.floor.wrapping_add(offset as u64);
            if self.store.places()[at].event.is_some() && ack.settles(id) {
                self.settle(at, names);
                settled += 1;
            }
        }
        self.close_gaps();
        Some(settled)
    }

    /// Gives up everything: events that were sent as unacknowledged, the others as `cause`.
    pub(crate) fn abandon(&mut self, drops: &mut Drops, cause: Cause, names: &impl Resolve) -> u64 {
        let mut given_up = 0;
        for offset in 0..self.len {
            let at = self.place(offset);
            let slot = self.store.places()[at];
            if slot.event.is_some() {
                drops.add(if slot.attempts > 0 { Cause::Unacknowledged } else { cause }, 1);
                given_up += 1;
                self.settle(at, names);
            }
        }
        self.close_gaps();
        given_up
    }

    // Inlined in all loops below, its code would be larger than theirs.
    #[inline(never)]
    fn place(&self, offset: usize) -> usize {
        let capacity = self.store.places().len();
        let at = self.head + offset;
        if at < capacity { at } else { at - capacity }
    }

    fn settle(&mut self, at: usize, names: &impl Resolve) {
        if let Some(event) = self.store.places_mut()[at].event.take() {
            event.give_back(names);
        }
        if let Some(retention) = self.store.retention_mut() {
            retention.release(at);
        }
        self.open -= 1;
    }

    fn close_gaps(&mut self) {
        while self.len > 0 && self.store.places()[self.head].event.is_none() {
            self.head = self.place(1);
            self.len -= 1;
            self.floor = self.floor.wrapping_add(1);
        }
    }

    /// Whether a wait until `due` is over. A clock that has gone back does not prolong the wait, because no wait is
    /// longer than the longest one.
    fn is_over(&self, due: u64, now: u64) -> bool {
        due <= now || due - now > self.waits.longest()
    }
}
