//! Critical events: kept and sent again until they are acknowledged or, in the end, given up.
//!
//! The store is bounded, and its identifiers are close together: an acknowledged event leaves a hole that closes when
//! all events before it are gone, so that a receiver needs to know no more than a window. A full store takes no more
//! events; they stay in their ring, and a full ring refuses them at the record call.
//!
//! Nothing is lost silently: an event leaves the store when it is acknowledged, or it is given up after a number of
//! attempts and counted as [`Cause::Unacknowledged`].

use core::time::Duration;

use super::backoff::Backoff;
use super::{Retention, Store, StoredEvent};
use crate::format::AnyEvent;
use crate::ledger::{Cause, Drops};
use crate::record::Resolve;
use crate::wire::ack::{Ack, ID_WINDOW};

/// How often a critical event is sent, and how long each attempt waits for its acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryConfig {
    /// How long to wait for an acknowledgement before the event is sent again, plus or minus a quarter. Each further
    /// attempt waits twice as long.
    pub timeout: Duration,
    /// The longest time that any attempt waits for its acknowledgement.
    pub timeout_max: Duration,
    /// The number of attempts after which the event is given up, or 0 to keep it as long as there is room. While the
    /// circuit breaker is open no attempt is made, and none is counted.
    pub attempts: u8,
}

impl RetryConfig {
    /// 200 ms, up to 5 s, ten attempts: about half a minute in all.
    pub const DEFAULT: Self = Self {
        timeout: Duration::from_millis(200),
        timeout_max: Duration::from_secs(5),
        attempts: 10,
    };

    /// Keeps the pauses, but never gives an event up. When the store is full, events wait in their ring; when that is
    /// full as well, new ones are refused and counted.
    #[must_use]
    pub const fn without_end(self) -> Self {
        Self { attempts: 0, ..self }
    }
}

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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::receive::{IdWindow, Seen};
    use crate::record::{Event, Kind, NoNames};
    use crate::send::ArrayStore;
    use alloc::collections::VecDeque;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const RETRY: RetryConfig = RetryConfig {
        timeout: Duration::from_nanos(100),
        timeout_max: Duration::from_nanos(800),
        attempts: 3,
    };

    fn store<const N: usize>() -> Critical<ArrayStore<N>> {
        Critical::new(ArrayStore::new(), RETRY, |d| d.as_nanos() as u64, 1)
    }

    fn event(n: u64) -> Event {
        Event::new(Kind::Event, "e".into(), n.into(), n).unwrap()
    }

    /// Packs at most `room` of the events that are due, and returns their identifiers.
    fn sent<const N: usize>(
        store: &mut Critical<ArrayStore<N>>,
        now: u64,
        drops: &mut Drops,
        room: usize,
    ) -> Vec<u64> {
        let floor = store.floor;
        let mut ids = Vec::new();
        store.pack(now, drops, &NoNames, |_, above, _| {
            if ids.len() == room {
                return Packing::Full;
            }
            ids.push(floor + above);
            Packing::Packed
        });
        ids
    }

    #[test]
    fn it_is_sent_again_with_growing_pauses_and_given_up_in_the_end() {
        let mut store = store::<4>();
        let mut drops = Drops::NONE;
        store.keep(event(0), 0).unwrap();
        assert_eq!(sent(&mut store, 0, &mut drops, 9), [0]);
        let mut pauses = Vec::new();
        let mut last = 0;
        for now in 0..2000 {
            if store.is_due(now) && !sent(&mut store, now, &mut drops, 9).is_empty() {
                pauses.push(now - last);
                last = now;
            }
        }
        assert_eq!(pauses.len(), 2, "three attempts in all");
        assert!((75..=126).contains(&pauses[0]) && (150..=251).contains(&pauses[1]), "{pauses:?}");
        assert_eq!(drops.get(Cause::Unacknowledged), 1);
        assert_eq!((store.open(), store.floor(), store.room()), (0, None, 4));
    }

    #[test]
    fn without_an_end_it_is_sent_until_it_is_acknowledged() {
        let retry = RETRY.without_end();
        let mut store: Critical<ArrayStore<1>> =
            Critical::new(ArrayStore::new(), retry, |d| d.as_nanos() as u64, 1);
        let mut drops = Drops::NONE;
        store.keep(event(0), 0).unwrap();
        let mut now = 0;
        for _ in 0..1000 {
            assert_eq!(sent(&mut store, now, &mut drops, 9), [0]);
            let next = store.deadline().unwrap();
            assert!((1..=800).contains(&(next - now)), "neither a storm nor silence");
            now = next;
        }
        assert_eq!((drops.total(), store.open()), (0, 1));
        let ack = Ack { sender: 0, epoch: 0, base: 0, bitmap: &[1] };
        assert_eq!(store.acknowledged(&ack, &NoNames), Some(1));
    }

    #[test]
    fn an_acknowledgement_settles_what_it_names_and_no_more() {
        let mut store = store::<4>();
        let mut drops = Drops::NONE;
        (0..4).for_each(|n| store.keep(event(n), 0).unwrap());
        assert!(store.keep(event(9), 0).is_err());
        assert_eq!(sent(&mut store, 0, &mut drops, 2), [0, 1], "no room for the others");
        let ack = |base, bitmap| Ack { sender: 0, epoch: 0, base, bitmap };
        assert_eq!(store.acknowledged(&ack(0, &[0b0110]), &NoNames), None, "2 was never sent");
        assert_eq!(store.acknowledged(&ack(1, &[]), &NoNames), None, "nor was 1 ever the floor");
        assert_eq!(store.acknowledged(&ack(0, &[0b0010]), &NoNames), Some(1));
        assert_eq!((store.open(), store.floor(), store.room()), (3, Some(0), 0), "a hole");
        assert_eq!(sent(&mut store, 1, &mut drops, 9), [2, 3]);
        assert_eq!(store.acknowledged(&ack(0, &[0b0111]), &NoNames), Some(2));
        assert_eq!((store.open(), store.floor(), store.room()), (1, Some(3), 3));
        assert_eq!(store.acknowledged(&ack(0, &[0b0111]), &NoNames), Some(0), "once");
        assert_eq!(store.abandon(&mut drops, Cause::Shutdown, &NoNames), 1);
        assert_eq!(drops.get(Cause::Unacknowledged), 1);
    }

    #[test]
    fn what_can_never_be_sent_is_given_up_at_once_and_without_room_nothing_is_kept() {
        let mut store = store::<2>();
        let mut drops = Drops::NONE;
        store.keep(event(0), 0).unwrap();
        assert!(
            store.pack(0, &mut drops, &NoNames, |_, _, _| Packing::TooLarge),
            "nothing may follow it"
        );
        assert_eq!((drops.get(Cause::TooLarge), store.open()), (1, 0));
        let mut none = self::store::<0>();
        assert!(none.keep(event(0), 0).is_err() && !none.is_due(u64::MAX));
        assert_eq!((none.floor(), none.deadline(), none.room()), (None, None, 0));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_stop_it() {
        let mut store = store::<2>();
        let mut drops = Drops::NONE;
        store.keep(event(0), 1_000_000).unwrap();
        assert_eq!(sent(&mut store, 1_000_000, &mut drops, 9), [0]);
        assert!(!store.is_due(1_000_001) && store.is_due(5));
        assert_eq!(sent(&mut store, 5, &mut drops, 9), [0]);
    }

    proptest! {
        /// Over a network that loses datagrams in both directions, each event is delivered at most once, exactly once
        /// if it is acknowledged, and the account closes at every step.
        #[test]
        fn each_is_delivered_once_or_given_up(
            steps in proptest::collection::vec((0u8..4, 0u64..300, any::<u8>()), 0..300),
        ) {
            let mut store = store::<8>();
            let mut receiver = IdWindow::new();
            let mut drops = Drops::NONE;
            let (mut now, mut kept, mut acknowledged) = (0, 0u64, 0);
            let mut delivered: Vec<u64> = Vec::new();
            let mut under_way: VecDeque<(u64, Vec<u64>)> = VecDeque::new();
            for (step, by, dice) in steps {
                now += by;
                match step {
                    0 => kept += u64::from(store.keep(event(kept), now).is_ok()),
                    1 => if let Some(floor) = store.floor() {
                        let ids = sent(&mut store, now, &mut drops, usize::from(dice % 5));
                        under_way.push_back((floor, ids));
                    },
                    2 => if dice % 3 != 0 && let Some((floor, ids)) = under_way.pop_front() {
                        receiver.advance(floor);
                        for id in ids {
                            match receiver.insert(id) {
                                Seen::New => delivered.push(id),
                                Seen::Before => {}
                                Seen::Beyond => prop_assert!(false, "the window holds all that is open"),
                            }
                        }
                        if dice % 2 == 0 {
                            under_way.pop_front(); // lost
                        }
                    },
                    _ => if dice % 3 != 0 {
                        acknowledged += store.acknowledged(&receiver.ack(0, 0), &NoNames).expect("it is honest");
                    },
                }
                prop_assert_eq!(kept, acknowledged + drops.total() + store.open() as u64);
            }
            let mut once = delivered.clone();
            once.sort_unstable();
            once.dedup();
            prop_assert_eq!(once.len(), delivered.len());
            prop_assert!(acknowledged <= delivered.len() as u64);
        }
    }
}
