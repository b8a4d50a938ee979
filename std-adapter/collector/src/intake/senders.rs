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

use super::cut::ChangedSenders;
use super::{Life, Sender};
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
    pub(super) all: HashMap<u64, Sender, foldhash::fast::RandomState>,
    /// Empty until half the places are taken.
    waiting: Vec<Waiting>,
    /// In the order of arrival; some of them may be newcomers no longer.
    newcomers: VecDeque<u64>,
    hasher: RandomState,
    /// Runs beside another one under the same number, and the ids that they got.
    twins: HashMap<(u64, u32), u64, foldhash::fast::RandomState>,
    /// Memory behind the senders, besides identifiers.
    kept: usize,
    pub(super) cuts: ChangedSenders,
}

/// As many processes may share a number with another one.
const TWINS: u64 = 8;

/// The number of series displaced by a new sender.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Displaced {
    pub(super) senders: u64,
    pub(super) series: u64,
}

impl Senders {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            all: HashMap::default(),
            waiting: Vec::new(),
            newcomers: VecDeque::new(),
            hasher,
            twins: HashMap::default(),
            kept: 0,
            cuts: ChangedSenders::default(),
        }
    }

    /// The id of the sender of a datagram: the number in it, unless it is that of another process.
    #[inline]
    pub(super) fn route(&self, header: &Header) -> u64 {
        if self.twins.is_empty() {
            return header.sender;
        }
        self.twins.get(&(header.sender, header.epoch)).copied().unwrap_or(header.sender)
    }

    /// Finds an id for a run that goes on beside another one: the same again for one that follows one that is over, and
    /// the same in every run of the collector. `None`: too many share the number.
    pub(super) fn tell_apart(&mut self, header: &Header, now_ms: u64) -> Option<u64> {
        let Header { sender, epoch, .. } = *header;
        let id = (1..=TWINS).map(|place| twin(sender, place)).find(|id| {
            self.all.get(id).is_none_or(|s| s.number() == sender && s.is_over(now_ms))
        })?;
        if let Some(before) = self.all.get(&id) {
            self.twins.remove(&(sender, before.epoch()));
        }
        self.twins.insert((sender, epoch), id);
        self.pair(sender, id);
        Some(id)
    }

    /// Says of two that they share a number.
    pub(super) fn pair(&mut self, one: u64, other: u64) {
        let address = |id| self.all.get(&id).and_then(Sender::source).cloned();
        let (at_one, at_other) = (address(one), address(other));
        if let Some(sender) = self.all.get_mut(&one) {
            sender.beside = Some((other, at_other));
        }
        if let Some(sender) = self.all.get_mut(&other) {
            sender.beside = Some((one, at_one));
        }
    }

    /// Says of all that share a number that they do, and forgets those that are gone.
    fn pair_all(&mut self, now_ms: u64) {
        let all = &self.all;
        self.twins.retain(|(_, epoch), id| all.get(id).is_some_and(|s| s.epoch() == *epoch));
        self.all.values_mut().for_each(|s| s.beside = None);
        let all = &self.all;
        let lives = |id| all.get(&id).is_some_and(|s: &Sender| !s.is_over(now_ms));
        let pairs = self.twins.iter().map(|((number, _), id)| (*number, *id));
        let living: Vec<_> = pairs.filter(|(a, b)| lives(*a) && lives(*b)).collect();
        living.into_iter().for_each(|(number, id)| self.pair(number, id));
    }

    /// Takes note that a sender keeps so much more memory.
    pub(super) fn grow(&mut self, bytes: isize) {
        self.kept = self.kept.saturating_add_signed(bytes);
    }

    /// Returns the sender with that id of a datagram if it is known or is admitted now.
    #[inline]
    pub(super) fn admit(
        &mut self,
        id: u64,
        new: impl FnOnce() -> Sender,
        budget: &Budget,
        store: &mut Store,
        now_ms: u64,
    ) -> (Option<&mut Sender>, Displaced) {
        let mut displaced = Displaced::default();
        // Looked up twice, because the borrow checker does not see that the first lookup ends with `return`.
        if !self.all.contains_key(&id) {
            match self.make_room(id, budget, store, now_ms) {
                Ok(gone) => displaced = gone,
                Err(limit) => {
                    store.hits.count(limit, id, 1);
                    return (None, displaced);
                }
            }
            let mut sender = new();
            self.kept += sender.bytes();
            self.cuts.before_insertion(id, &mut sender);
            self.all.insert(id, sender);
            self.newcomers.push_back(id);
            store.set_outside(self.bytes());
        }
        (self.get_mut(id), displaced)
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
                if let Some(mut gone) = self.all.remove(&newest) {
                    self.cuts.before_removal(newest, &mut gone);
                    self.kept -= gone.bytes();
                }
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

    /// The senders that have fallen silent or said goodbye since the last look.
    pub(super) fn changes(&mut self, now_ms: u64) -> impl Iterator<Item = (u64, Life)> {
        self.all.iter_mut().filter_map(move |(id, sender)| {
            let life = sender.life(now_ms);
            let was = std::mem::replace(&mut sender.was, life);
            (life != was).then_some((*id, life))
        })
    }

    /// Forgets the senders not heard from since `before_ms`. Returns how many.
    pub(super) fn sweep(&mut self, budget: &Budget, now_ms: u64, before_ms: u64) -> usize {
        let before = self.all.len();
        let (kept, cuts) = (&mut self.kept, &mut self.cuts);
        self.all.retain(|id, s| {
            let stays = s.seen_ms >= before_ms;
            if !stays {
                cuts.before_removal(*id, s);
                *kept -= s.bytes();
            }
            stays
        });
        if !self.twins.is_empty() {
            self.pair_all(now_ms);
        }
        let all = &mut self.all;
        self.newcomers.retain(|id| all.get(id).is_some_and(|s| is_newcomer(s, now_ms)));
        all.values_mut().for_each(|s| s.rotate(now_ms));
        let forgotten = before - all.len();
        budget.give_senders(forgotten);
        if all.len() < all.capacity() / 4 {
            all.shrink_to(all.len() * 2);
            self.newcomers.shrink_to_fit();
        }
        forgotten
    }

    /// Puts a sender of a life before back, whatever the limits: it had a place then.
    pub(super) fn put_back(&mut self, id: u64, sender: Sender, budget: &Budget) {
        budget.put_sender();
        if sender.number() != id {
            self.twins.insert((sender.number(), sender.epoch()), id);
        }
        self.kept += sender.bytes();
        self.all.insert(id, sender);
    }

    /// A sender that is about to change.
    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Sender> {
        let sender = self.all.get_mut(&id)?;
        self.cuts.before_change(id, sender);
        Some(sender)
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
            + table(self.twins.capacity(), size_of::<((u64, u32), u64)>())
            + self.kept
            + self.cuts.bytes()
    }

    /// The memory of one more sender.
    fn growth(&self) -> usize {
        let (len, capacity, entry) =
            (self.all.len(), self.all.capacity(), size_of::<(u64, Sender)>());
        let grown = if len < capacity { capacity } else { len + 1 };
        table(grown, entry) - table(capacity, entry) + heap(size_of::<IdWindow>()) + 32
    }
}

/// The id of the process in that place among those that share a number: as good as random, and always the same.
fn twin(number: u64, place: u64) -> u64 {
    // The output function of SplitMix64.
    let mut z = number ^ place.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

fn is_newcomer(sender: &Sender, now_ms: u64) -> bool {
    sender.datagrams < SETTLED_DATAGRAMS || now_ms.saturating_sub(sender.since_ms) < SETTLED_MS
}
