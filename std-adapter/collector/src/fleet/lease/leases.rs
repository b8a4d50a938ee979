//! The leases of one worker: what it observes goes in, what it writes and must do comes out.

use std::collections::VecDeque;

use super::members::Members;
use super::shard::{Change, Flight, Purpose, ShardState};
use super::{Record, Shard, Snapshot, Time, Timing, Token, WorkerId};

/// The most shards that are handed over at once.
const DRAINING: usize = 8;

/// All shards, as one worker sees them. Call [`poll`](Self::poll) after each input, and when
/// [`next_wake`](Self::next_wake) has come.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Leases {
    me: WorkerId,
    timing: Timing,
    shards: Vec<ShardState>,
    members: Members,
    /// The number of the last write.
    writes: u64,
    /// When to announce this worker again.
    announce: Time,
    /// When this worker's own announcement last came back through the watch: what else is written is heard, too.
    heard: Option<Time>,
    /// Since when it has come back without a pause.
    hearing_since: Time,
    leaving: bool,
    out: VecDeque<Output>,
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Answer {
    /// It is this revision.
    Done(u64),
    /// The revision that it expected is not current.
    Refused,
    /// The store did not say: it may be done yet.
    Unknown,
}

/// What the worker must do.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Output {
    /// Tell the others that this worker lives.
    Announce,
    /// Tell the others that this worker goes.
    Leave,
    /// Store this record if the shard's revision is as expected (0: there is no such key), and tell
    /// [`answered`](Leases::answered).
    Write { shard: Shard, write: u64, expected: u64, record: Record },
    /// Load the snapshot, if there is one, and work.
    Acquired { shard: Shard, token: Token, snapshot: Option<Snapshot> },
    /// Finish, [`commit`](Leases::commit) a last snapshot, and when that is [`Committed`](Self::Committed), say
    /// [`drained`](Leases::drained).
    Drain { shard: Shard, token: Token },
    /// This snapshot is the valid one: older ones can be removed.
    Committed { shard: Shard, token: Token, snapshot: Snapshot },
    /// Stop at once: somebody else may hold the shard by now.
    Lost { shard: Shard, token: Token },
}

impl Leases {
    /// The leases of a worker, which begins with none.
    pub(crate) fn new(me: WorkerId, shards: Shard, timing: Timing, now: Time) -> Self {
        // Nothing is known of what was written before: each lease is taken for fresh.
        let fresh = ShardState { seen: now, ..ShardState::default() };
        Self {
            members: Members::new(me.clone(), now),
            me,
            timing,
            shards: vec![fresh; usize::from(shards)],
            writes: 0,
            announce: now,
            heard: None,
            hearing_since: now,
            leaving: false,
            out: VecDeque::new(),
        }
    }

    /// Who this worker is.
    pub(crate) fn me(&self) -> &WorkerId {
        &self.me
    }

    /// The shard's token, if this worker may write for it now. To be asked before each write.
    pub(crate) fn holds(&self, shard: Shard, now: Time) -> Option<Token> {
        let hold = self.shards.get(usize::from(shard))?.hold.as_ref()?;
        (now < hold.until).then_some(hold.token)
    }

    /// The newest revision of a shard that was seen.
    #[cfg(test)]
    pub(super) fn seen(&self, shard: Shard) -> u64 {
        self.shards[usize::from(shard)].revision
    }

    /// A worker announced itself.
    pub(crate) fn announced(&mut self, worker: &WorkerId, now: Time) {
        if *worker != self.me {
            return self.members.heard(worker, now);
        }
        if !self.hears(now) {
            // What was silent meanwhile may only not have been heard.
            self.hearing_since = now;
            self.members.forgive(now);
        }
        self.heard = Some(now);
    }

    /// A worker said that it is gone.
    pub(crate) fn left(&mut self, worker: &str, now: Time) {
        self.members.gone(worker, now);
    }

    /// The store has this record for a shard.
    pub(crate) fn observed(&mut self, shard: Shard, revision: u64, record: Record, now: Time) {
        let Some(state) = self.shards.get_mut(usize::from(shard)) else { return };
        // If its time is over, it is lost, whatever is seen now.
        if let Some(token) = state.lapse(now) {
            self.out.push_back(Output::Lost { shard, token });
        }
        let output = match state.see(&self.me, revision, record, now, &self.timing) {
            Change::None => return,
            Change::Acquired(token) => {
                Output::Acquired { shard, token, snapshot: state.record.snapshot.clone() }
            }
            Change::Lost(token) => Output::Lost { shard, token },
            Change::Committed(snapshot) => {
                let Some(hold) = &state.hold else { return };
                Output::Committed { shard, token: hold.token, snapshot }
            }
        };
        self.out.push_back(output);
    }

    /// What became of a write of this worker.
    pub(crate) fn answered(
        &mut self,
        shard: Shard,
        write: u64,
        record: Record,
        answer: Answer,
        now: Time,
    ) {
        match answer {
            Answer::Done(revision) => self.observed(shard, revision, record, now),
            // There is a newer revision, which the watch will show: until then another try would be in vain.
            Answer::Refused => {}
            // If it is done nevertheless, the watch will show that.
            Answer::Unknown => {
                if let Some(state) = self.shards.get_mut(usize::from(shard)) {
                    state.flight.take_if(|flight| flight.write == write);
                }
            }
        }
    }

    /// Makes this snapshot the valid one of its shard, with the next write. Returns whether this worker holds the shard
    /// under this token; if not, the snapshot is void.
    pub(crate) fn commit(
        &mut self,
        shard: Shard,
        token: Token,
        snapshot: Snapshot,
        now: Time,
    ) -> bool {
        if self.holds(shard, now) != Some(token) {
            return false;
        }
        let hold = self.shards[usize::from(shard)].hold.as_mut();
        hold.expect("it is held").commit = Some(snapshot);
        true
    }

    /// The worker has stopped working on a shard that it holds: others can have it.
    pub(crate) fn drained(&mut self, shard: Shard, token: Token) {
        let Some(state) = self.shards.get_mut(usize::from(shard)) else { return };
        if state.hold.as_ref().is_some_and(|hold| hold.token == token && hold.draining) {
            state.hold = None;
            // What is in flight may only renew what is now given up.
            state.flight = None;
        }
    }

    /// Begins to hand over everything, for the end of this worker. It is over when [`is_idle`](Self::is_idle).
    pub(crate) fn leave(&mut self) {
        if !self.leaving {
            self.leaving = true;
            self.out.push_back(Output::Leave);
        }
    }

    /// Whether this worker holds nothing, and the store knows it.
    pub(crate) fn is_idle(&self) -> bool {
        let idle = |state: &ShardState| {
            state.hold.is_none() && state.flight.is_none() && !state.record.is_of(&self.me)
        };
        self.out.is_empty() && self.shards.iter().all(idle)
    }

    /// What to do next, or `None` until there is new input or it is [`next_wake`](Self::next_wake).
    pub(crate) fn poll(&mut self, now: Time) -> Option<Output> {
        if self.out.is_empty() {
            self.expire(now);
            self.announce(now);
            self.renew(now);
            self.share(now);
        }
        self.out.pop_front()
    }

    /// When to poll again, at the latest.
    pub(crate) fn next_wake(&self, now: Time) -> Time {
        let Timing { ttl, renew, answer, .. } = self.timing;
        let shards = self.shards.iter().flat_map(|state| {
            let hold = state.hold.as_ref().map(|hold| match state.flight {
                None => hold.until.min(hold.renew),
                Some(_) => hold.until,
            });
            let foreign = state.hold.is_none() && state.record.holder.is_some();
            let expires = foreign.then_some(state.seen + ttl);
            [hold, state.flight.as_ref().map(|flight| flight.sent + answer), expires]
        });
        let others = [
            (!self.leaving).then_some(self.announce),
            Some(self.members.settled_at(&self.timing)),
            self.members.next_expiry(&self.timing),
            Some(self.may_claim_at()),
        ];
        let all = shards.chain(others).flatten().filter(|time| *time > now);
        all.min().unwrap_or(now + renew)
    }

    /// Whether what others write is heard.
    fn hears(&self, now: Time) -> bool {
        self.heard.is_some_and(|heard| now < heard + self.timing.ttl)
    }

    /// Who begins to hear waits for the announcements of others before it counts them.
    fn may_claim_at(&self) -> Time {
        self.hearing_since + self.timing.renew
    }

    fn expire(&mut self, now: Time) {
        for (shard, state) in (0..).zip(&mut self.shards) {
            state.give_up(now, &self.timing);
            if let Some(token) = state.lapse(now) {
                self.out.push_back(Output::Lost { shard, token });
            }
        }
        if self.hears(now) {
            self.members.expire(now, &self.timing);
        }
    }

    fn announce(&mut self, now: Time) {
        if !self.leaving && self.announce <= now {
            self.announce = now + self.timing.renew;
            self.out.push_back(Output::Announce);
        }
    }

    fn renew(&mut self, now: Time) {
        for shard in 0..self.count() {
            if self.shards[usize::from(shard)].must_renew(now) {
                self.write(shard, Purpose::Renew, now);
            }
        }
    }

    /// Claims below the fair share, hands over above it.
    fn share(&mut self, now: Time) {
        let share = if self.leaving { 0 } else { self.members.share(self.count()) };
        let flying = |state: &ShardState, purpose| {
            state.flight.as_ref().is_some_and(|flight| flight.purpose == purpose)
        };
        let held = self.shards.iter().filter(|state| state.hold.is_some()).count();
        let draining = |state: &ShardState| state.hold.as_ref().is_some_and(|hold| hold.draining);
        let draining = self.shards.iter().filter(|state| draining(state)).count();
        let claims = self.shards.iter().filter(|state| flying(state, Purpose::Claim)).count();

        let have = held - draining + claims;
        if have < share && self.hears(now) && self.may_claim_at() <= now {
            for shard in self.claimable(now).into_iter().take(share - have) {
                self.write(shard, Purpose::Claim, now);
            }
        }
        let settled = self.members.settled_at(&self.timing) <= now && self.hears(now);
        if have > share && (settled || self.leaving) {
            let most = if self.leaving { usize::MAX } else { DRAINING.saturating_sub(draining) };
            self.drain((have - share).min(most));
        }
        if have >= share {
            for shard in 0..self.count() {
                if self.shards[usize::from(shard)].is_left_over(&self.me) {
                    self.write(shard, Purpose::Release, now);
                }
            }
        }
    }

    /// What can be claimed: first what the store says is this worker's, then from a place of its own on, so that the
    /// workers do not all claim the same.
    fn claimable(&self, now: Time) -> Vec<Shard> {
        let from = self.members.rank() * self.shards.len() / self.members.len();
        let from = Shard::try_from(from).unwrap_or_default();
        let all = (from..self.count()).chain(0..from);
        let state = |shard: &Shard| &self.shards[usize::from(*shard)];
        let can = |shard: &Shard| state(shard).is_claimable(&self.me, now, &self.timing);
        let mut shards: Vec<Shard> = all.filter(can).collect();
        shards.sort_by_key(|shard| !state(shard).is_left_over(&self.me));
        shards
    }

    /// Hands over the shards that came last: they have cost the least so far.
    fn drain(&mut self, count: usize) {
        let mut held: Vec<(Token, Shard)> = (0..)
            .zip(&self.shards)
            .filter_map(|(shard, state)| Some((state.hold.as_ref()?, shard)))
            .filter(|(hold, _)| !hold.draining)
            .map(|(hold, shard)| (hold.token, shard))
            .collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        for (token, shard) in held.into_iter().take(count) {
            if let Some(hold) = &mut self.shards[usize::from(shard)].hold {
                hold.draining = true;
                self.out.push_back(Output::Drain { shard, token });
            }
        }
    }

    fn write(&mut self, shard: Shard, purpose: Purpose, now: Time) {
        self.writes += 1;
        let write = self.writes;
        let state = &mut self.shards[usize::from(shard)];
        let record = state.next_record(&self.me, write, purpose);
        state.flight = Some(Flight { write, sent: now, purpose });
        let expected = state.revision;
        self.out.push_back(Output::Write { shard, write, expected, record });
    }

    fn count(&self) -> Shard {
        Shard::try_from(self.shards.len()).unwrap_or(Shard::MAX)
    }
}
