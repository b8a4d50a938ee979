//! Which senders are known, and how new ones are admitted.
//!
//! While there is plenty of room, every sender is admitted at once. When half the places are taken, a new number has to
//! appear three times before it gets one: until then it is in a small table, where the latest number displaces whatever
//! was in its place. When all places are taken, a newcomer loses its place, and its series, to the next newcomer; a
//! sender that has been here for a minute keeps its own.
//!
//! The places are those of all shards. One that has more than its part of them gives newcomers' places back when others
//! need them, so that it does not matter which shard a flood of numbers falls on.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};

use ringstat_core::format::Header;
use ringstat_core::receive::IdWindow;

use super::Sender;
use crate::limits::Limit;
use crate::memory::{Budget, heap, table};
use crate::store::Store;

/// Places in the tables of those who wait, of all shards. A flood of 50 000 new numbers a second leaves one there for a
/// second or so; one that falls on a single shard, for a third of a second at least.
const WAITING: usize = 1 << 16;
const WAITING_OF_SHARD: usize = 1 << 14;
/// How often a new number has to appear when half the places are taken.
const TIMES: u8 = 3;
/// After this time,
const SETTLED_MS: u64 = 60_000;
/// and with this many datagrams, a sender is no longer a newcomer.
const SETTLED_DATAGRAMS: u64 = 3;
/// So many give way at once: datagrams wait meanwhile.
const AT_ONCE: u64 = 16;

/// A number that is not known yet.
#[derive(Clone, Copy, Default, Debug)]
struct Waiting {
    id: u64,
    times: u8,
}

/// The senders that are known, the numbers that wait, and the newcomers that give way first.
#[derive(Debug)]
pub(super) struct Senders {
    all: HashMap<u64, Sender, foldhash::fast::RandomState>,
    /// Empty until half the places are taken.
    waiting: Vec<Waiting>,
    /// In the order of arrival; some of them may be newcomers no longer.
    newcomers: VecDeque<u64>,
    hasher: RandomState,
}

/// The number of series displaced by a new sender.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Displaced {
    pub(super) senders: u64,
    pub(super) series: u64,
}

impl Senders {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self { all: HashMap::default(), waiting: Vec::new(), newcomers: VecDeque::new(), hasher }
    }

    /// Returns the sender of a datagram if it is known or is admitted now.
    #[inline]
    pub(super) fn admit(
        &mut self,
        header: &Header,
        budget: &Budget,
        store: &mut Store,
        now_ms: u64,
    ) -> (Option<&mut Sender>, Displaced) {
        let mut displaced = Displaced::default();
        // Looked up twice, because the borrow checker does not see that the first lookup ends with `return`.
        if !self.all.contains_key(&header.sender) {
            match self.make_room(header.sender, budget, store, now_ms) {
                Ok(gone) => displaced = gone,
                Err(limit) => {
                    store.hits.count(limit, header.sender, 1);
                    return (None, displaced);
                }
            }
            self.all.insert(header.sender, Sender::new(&self.hasher, header, now_ms));
            self.newcomers.push_back(header.sender);
            store.set_outside(self.bytes());
        }
        (self.all.get_mut(&header.sender), displaced)
    }

    /// Makes room for a new sender, or says why there is none.
    #[cold]
    fn make_room(
        &mut self,
        id: u64,
        budget: &Budget,
        store: &mut Store,
        now_ms: u64,
    ) -> Result<Displaced, Limit> {
        let mut displaced = Displaced::default();
        if budget.is_half_full() && !self.has_waited(id, budget) {
            return Err(Limit::Senders);
        }
        if !store.claim(self.growth()) {
            return Err(Limit::Bytes);
        }
        while !budget.take_sender(self.all.len()) {
            if !self.displace(budget, store, now_ms, &mut displaced) {
                return Err(Limit::Senders);
            }
        }
        Ok(displaced)
    }

    /// Takes the place of the newcomer that came first. Says whether there was one.
    fn displace(
        &mut self,
        budget: &Budget,
        store: &mut Store,
        now_ms: u64,
        displaced: &mut Displaced,
    ) -> bool {
        while let Some(newest) = self.newcomers.pop_front() {
            if self.all.get(&newest).is_some_and(|s| is_newcomer(s, now_ms)) {
                self.all.remove(&newest);
                budget.give_senders(1);
                store.hits.count(Limit::Newcomers, newest, 1);
                displaced.senders += 1;
                displaced.series += store.forget(newest) as u64;
                return true;
            }
        }
        false
    }

    /// Gives places back that other shards may need.
    pub(super) fn give_way(
        &mut self,
        budget: &Budget,
        store: &mut Store,
        now_ms: u64,
    ) -> Displaced {
        let mut displaced = Displaced::default();
        while budget.owes_senders(self.all.len())
            && displaced.senders < AT_ONCE
            && self.displace(budget, store, now_ms, &mut displaced)
        {}
        displaced
    }

    /// Whether a new number has appeared often enough.
    fn has_waited(&mut self, id: u64, budget: &Budget) -> bool {
        if self.waiting.is_empty() {
            let places = (WAITING / budget.shards()).max(WAITING_OF_SHARD);
            self.waiting = vec![Waiting::default(); places];
        }
        // A random hash, so that nobody can aim at another number's place.
        let place = self.hasher.hash_one(id) as usize % self.waiting.len();
        let waiting = &mut self.waiting[place];
        if waiting.times == 0 || waiting.id != id {
            *waiting = Waiting { id, times: 0 };
        }
        waiting.times += 1;
        let enough = waiting.times >= TIMES;
        if enough {
            *waiting = Waiting::default();
        }
        enough
    }

    /// Forgets the senders not heard from since `before_ms`. Returns how many.
    pub(super) fn sweep(&mut self, budget: &Budget, now_ms: u64, before_ms: u64) -> usize {
        let before = self.all.len();
        self.all.retain(|_, s| s.seen_ms >= before_ms);
        let all = &mut self.all;
        self.newcomers.retain(|id| all.get(id).is_some_and(|s| is_newcomer(s, now_ms)));
        all.values_mut().for_each(|s| s.turn(now_ms));
        let forgotten = before - all.len();
        budget.give_senders(forgotten);
        if all.len() < all.capacity() / 4 {
            all.shrink_to(all.len() * 2);
            self.newcomers.shrink_to_fit();
        }
        forgotten
    }

    pub(super) fn get(&self, id: u64) -> Option<&Sender> {
        self.all.get(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Sender)> {
        self.all.iter().map(|(id, sender)| (*id, sender))
    }

    pub(super) fn finish(&mut self) {
        self.all.values_mut().for_each(Sender::finish);
    }

    /// The memory of all senders. What some of them do not have yet is charged for all.
    pub(super) fn bytes(&self) -> usize {
        table(self.all.capacity(), size_of::<(u64, Sender)>())
            + heap(self.waiting.len() * size_of::<Waiting>())
            + heap(self.newcomers.capacity() * size_of::<u64>())
            + self.all.len() * heap(size_of::<IdWindow>())
    }

    /// The memory of one more sender.
    fn growth(&self) -> usize {
        let (len, capacity, entry) =
            (self.all.len(), self.all.capacity(), size_of::<(u64, Sender)>());
        let grown = if len < capacity { capacity } else { len + 1 };
        table(grown, entry) - table(capacity, entry) + heap(size_of::<IdWindow>()) + 32
    }
}

fn is_newcomer(sender: &Sender, now_ms: u64) -> bool {
    sender.datagrams < SETTLED_DATAGRAMS || now_ms.saturating_sub(sender.since_ms) < SETTLED_MS
}
