//! Every interleaving of a small fleet: what the store, the network, the clocks and the operating system may do at any
//! moment, up to a number of ticks and of faults.
//!
//! A tick is a step of true time. Writes arrive at the store at any later moment, or never; so do answers. A worker sees
//! what the store has at any later moment. Workers are stopped, and continued at any later moment, or never, which is a
//! crash. The clocks run at different rates. At the end of each history everything is delivered at once for some ticks, and then each shard must have an
//! owner, and all owners their fair share.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stateright::{Checker, HasDiscoveries, Model, Property};

use super::{Answer, Leases, Output, Record, Shard, Snapshot, Time, Timing, Token, WorkerId};

/// In these units, a tick is ten.
const TIMING: Timing = Timing {
    ttl: Duration::from_millis(30),
    margin: Duration::from_millis(6),
    renew: Duration::from_millis(18),
    answer: Duration::from_millis(9),
    settle: Duration::from_millis(9),
};

/// What a tick is on the clock of each worker: the fastest gains a little less on the slowest than the margin allows.
const RATES: [u64; 3] = [9, 11, 10];

/// What can happen, how often, and what is broken on purpose.
#[derive(Clone)]
struct Fleet {
    workers: usize,
    shards: Shard,
    ticks: u64,
    stops: u8,
    effects: u8,
    commits: u8,
    /// How many writes and answers may be on their way at once.
    writes: usize,
    /// Clocks stand still while a worker is stopped.
    suspends: bool,
    timing: Timing,
    /// The store writes whatever the revision is.
    no_compare: bool,
    /// What workers write elsewhere is taken whatever the token is.
    no_fence: bool,
}

impl Fleet {
    fn new(workers: usize, shards: Shard, ticks: u64) -> Self {
        Self {
            workers,
            shards,
            ticks,
            stops: 1,
            effects: 0,
            commits: 0,
            writes: 3,
            suspends: false,
            timing: TIMING,
            no_compare: false,
            no_fence: false,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct State {
    now: u64,
    store: Vec<Stored>,
    revision: u64,
    workers: Vec<Worker>,
    requests: BTreeMap<Key, Request>,
    effects: BTreeSet<(Shard, Token)>,
    /// How many of each have happened.
    stops: u8,
    begun: u8,
    commits: u8,
    /// A write was accepted that must not have been.
    broken: Option<&'static str>,
    /// The end of the history: whether all was well when everything was delivered.
    ended: Option<bool>,
}

/// A shard in the store, and where its worker writes to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
struct Stored {
    revision: u64,
    record: Record,
    /// The largest token that was accepted.
    fence: Option<Token>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Worker {
    /// `None` before it begins.
    leases: Option<Leases>,
    stopped: bool,
    /// How many ticks its clock stood still.
    lag: u64,
    /// Who announced itself while it was stopped.
    unheard: BTreeSet<usize>,
    /// What it works on: the position up to which it has counted, and whether that is being committed.
    jobs: Vec<Option<(Token, u64, bool)>>,
}

/// Whose write it is, for which shard, and its number.
type Key = (usize, Shard, u64);

/// A write on its way to the store, or its answer on the way back.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Request {
    expected: u64,
    record: Record,
    /// `None` while it has not arrived.
    answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Action {
    Tick,
    Arrive(Key),
    Answer(Key),
    Observe(usize),
    Commit(usize, Shard),
    Begin(usize, Shard),
    Land(Shard, Token),
    Stop(usize),
    Continue(usize),
    End,
}

impl State {
    fn clock(&self, worker: usize) -> Time {
        Duration::from_millis((self.now - self.workers[worker].lag) * RATES[worker])
    }

    /// Who may write for a shard, by its own clock.
    fn owners(&self, shard: Shard) -> Vec<(usize, Token)> {
        let holds = |worker: usize| {
            let token = self.workers[worker].leases.as_ref()?.holds(shard, self.clock(worker))?;
            Some((worker, token))
        };
        (0..self.workers.len()).filter_map(holds).collect()
    }

    /// The worker's leases, if it can run.
    fn running(&mut self, worker: usize) -> Option<(&mut Leases, Time)> {
        let now = self.clock(worker);
        let of = &mut self.workers[worker];
        if of.stopped {
            return None;
        }
        of.leases.as_mut().map(|leases| (leases, now))
    }

    /// Lets a worker do what it wants to do now.
    fn run(&mut self, worker: usize) {
        while let Some((leases, now)) = self.running(worker) {
            let Some(output) = leases.poll(now) else { return };
            let of = &mut self.workers[worker];
            match output {
                Output::Announce => self.announce(worker),
                Output::Leave => {}
                Output::Write { shard, write, expected, record } => {
                    let request = Request { expected, record, answer: None };
                    self.requests.insert((worker, shard, write), request);
                }
                Output::Acquired { shard, token, snapshot } => {
                    let position = snapshot.map_or(0, |snapshot| snapshot.position);
                    of.jobs[usize::from(shard)] = Some((token, position, false));
                }
                Output::Drain { shard, token } => {
                    of.jobs[usize::from(shard)] = None;
                    of.leases.as_mut().unwrap().drained(shard, token);
                }
                Output::Committed { shard, snapshot, .. } => {
                    if let Some((_, position, committing)) = &mut of.jobs[usize::from(shard)] {
                        assert_eq!(*position, snapshot.position);
                        *committing = false;
                    }
                }
                Output::Lost { shard, .. } => of.jobs[usize::from(shard)] = None,
            }
        }
    }

    /// Announcements are heard at once, or when one continues: they do not decide who may write.
    fn announce(&mut self, worker: usize) {
        for other in 0..self.workers.len() {
            match self.running(other) {
                Some((leases, now)) => leases.announced(&id(worker), now),
                None => drop(self.workers[other].unheard.insert(worker)),
            }
        }
    }

    fn arrive(&mut self, key: Key, fleet: &Fleet) {
        let Some(request) = self.requests.get_mut(&key) else { return };
        let stored = &mut self.store[usize::from(key.1)];
        if stored.revision != request.expected && !fleet.no_compare {
            request.answer = Some(Answer::Refused);
            return;
        }
        let position = |record: &Record| record.snapshot.as_ref().map_or(0, |it| it.position);
        let same = stored.record.snapshot == request.record.snapshot;
        if !same && position(&request.record) != position(&stored.record) + 1 {
            self.broken = Some("a snapshot replaces one that it does not contain");
        }
        self.revision += 1;
        stored.revision = self.revision;
        stored.record = request.record.clone();
        request.answer = Some(Answer::Done(self.revision));
    }

    fn answer(&mut self, key: Key) {
        let Some(request) = self.requests.remove(&key) else { return };
        let (worker, shard, write) = key;
        let Some((leases, now)) = self.running(worker) else { return };
        let answer = request.answer.unwrap_or(Answer::Unknown);
        leases.answered(shard, write, request.record, answer, now);
        self.run(worker);
    }

    fn is_behind(&self, worker: usize) -> bool {
        let of = &self.workers[worker];
        let Some(leases) = of.leases.as_ref().filter(|_| !of.stopped) else { return false };
        let behind = |(shard, stored): (Shard, &Stored)| leases.seen(shard) < stored.revision;
        (0..).zip(&self.store).any(behind)
    }

    fn observe(&mut self, worker: usize) {
        let store = self.store.clone();
        let Some((leases, now)) = self.running(worker) else { return };
        for (shard, stored) in (0..).zip(store) {
            leases.observed(shard, stored.revision, stored.record, now);
        }
        self.run(worker);
    }

    fn tick(&mut self, fleet: &Fleet) {
        self.now += 1;
        for of in self.workers.iter_mut().filter(|of| of.stopped && fleet.suspends) {
            of.lag += 1;
        }
        (0..self.workers.len()).for_each(|worker| self.run(worker));
    }

    /// Delivers everything, each thing as soon as it is sent. Returns whether that came to an end.
    fn deliver(&mut self, fleet: &Fleet) -> bool {
        for _ in 0..1000 {
            if let Some((key, request)) = self.requests.first_key_value() {
                match (*key, request.answer) {
                    (key, None) => self.arrive(key, fleet),
                    (key, Some(_)) => self.answer(key),
                }
                continue;
            }
            match (0..self.workers.len()).find(|worker| self.is_behind(*worker)) {
                Some(worker) => self.observe(worker),
                None => return true,
            }
        }
        false
    }

    /// Whether each shard gets an owner, and each worker that runs its share, when everything is delivered.
    fn calms_down(mut self, fleet: &Fleet) -> bool {
        for _ in 0..12 {
            if !self.deliver(fleet) || self.broken.is_some() {
                return false;
            }
            if self.is_shared(fleet) {
                return true;
            }
            self.tick(fleet);
        }
        false
    }

    fn is_shared(&self, fleet: &Fleet) -> bool {
        let mut counts: Vec<Option<usize>> = self
            .workers
            .iter()
            .map(|of| (of.leases.is_some() && !of.stopped).then_some(0))
            .collect();
        if counts.iter().all(Option::is_none) {
            return true;
        }
        for shard in 0..fleet.shards {
            let runs = |owner: &(usize, Token)| !(fleet.suspends && self.workers[owner.0].stopped);
            let owners: Vec<_> = self.owners(shard).into_iter().filter(runs).collect();
            let [(owner, _)] = owners[..] else { return false };
            let Some(count) = &mut counts[owner] else { return false };
            *count += 1;
        }
        let counts = || counts.iter().flatten();
        counts().max().unwrap_or(&0) - counts().min().unwrap_or(&0) <= 1
    }
}

fn id(worker: usize) -> WorkerId {
    ["a", "b", "c"][worker].into()
}

impl Model for Fleet {
    type State = State;
    type Action = Action;

    /// The first worker has all shards, and the others begin.
    fn init_states(&self) -> Vec<State> {
        let worker = || Worker {
            leases: None,
            stopped: false,
            lag: 0,
            unheard: BTreeSet::new(),
            jobs: vec![None; usize::from(self.shards)],
        };
        let mut state = State {
            now: 0,
            store: vec![Stored::default(); usize::from(self.shards)],
            revision: 0,
            workers: (0..self.workers).map(|_| worker()).collect(),
            requests: BTreeMap::new(),
            effects: BTreeSet::new(),
            stops: 0,
            begun: 0,
            commits: 0,
            broken: None,
            ended: None,
        };
        let begin = |state: &mut State, worker: usize| {
            let leases = Leases::new(id(worker), self.shards, self.timing, state.clock(worker));
            state.workers[worker].leases = Some(leases);
            state.run(worker);
        };
        begin(&mut state, 0);
        for _ in 0..4 {
            state.deliver(self);
            state.tick(self);
        }
        state.deliver(self);
        assert!((0..self.shards).all(|shard| state.owners(shard).len() == 1));
        (1..self.workers).for_each(|worker| begin(&mut state, worker));
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.broken.is_some() || state.ended.is_some() {
            return;
        }
        if state.now >= 4 + self.ticks {
            actions.push(Action::End);
        } else {
            actions.push(Action::Tick);
        }
        for (key, request) in &state.requests {
            match request.answer {
                None => actions.push(Action::Arrive(*key)),
                Some(_) if state.workers[key.0].stopped => {}
                Some(_) => actions.push(Action::Answer(*key)),
            }
        }
        for (shard, token) in &state.effects {
            actions.push(Action::Land(*shard, *token));
        }
        for (worker, of) in state.workers.iter().enumerate() {
            if of.leases.is_none() {
                continue;
            }
            if of.stopped {
                actions.push(Action::Continue(worker));
                continue;
            }
            if state.is_behind(worker) {
                actions.push(Action::Observe(worker));
            }
            if state.stops < self.stops {
                actions.push(Action::Stop(worker));
            }
            for (shard, job) in (0..).zip(&of.jobs) {
                let Some((token, _, committing)) = job else { continue };
                if state.begun < self.effects && !state.effects.contains(&(shard, *token)) {
                    actions.push(Action::Begin(worker, shard));
                }
                if state.commits < self.commits && !committing {
                    actions.push(Action::Commit(worker, shard));
                }
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Tick => state.tick(self),
            Action::Arrive(key) => state.arrive(key, self),
            Action::Answer(key) => state.answer(key),
            Action::Observe(worker) => state.observe(worker),
            Action::Commit(worker, shard) => {
                state.commits += 1;
                let now = state.clock(worker);
                let of = &mut state.workers[worker];
                let (token, position, committing) = of.jobs[usize::from(shard)].as_mut()?;
                let object = format!("{}.{}", token.0, *position + 1);
                let snapshot = Snapshot { object, position: *position + 1, bytes: 1 };
                if of.leases.as_mut()?.commit(shard, *token, snapshot, now) {
                    *position += 1;
                    *committing = true;
                }
                state.run(worker);
            }
            Action::Begin(worker, shard) => {
                state.begun += 1;
                let token =
                    state.workers[worker].leases.as_ref()?.holds(shard, state.clock(worker))?;
                state.effects.insert((shard, token));
            }
            Action::Land(shard, token) => {
                state.effects.remove(&(shard, token));
                let fence = &mut state.store[usize::from(shard)].fence;
                let late = fence.is_some_and(|fence| token < fence);
                if !late {
                    *fence = Some(token);
                } else if self.no_fence {
                    state.broken = Some("a write of a former owner is accepted");
                }
            }
            Action::Stop(worker) => {
                state.stops += 1;
                state.workers[worker].stopped = true;
            }
            Action::Continue(worker) => {
                state.workers[worker].stopped = false;
                for other in std::mem::take(&mut state.workers[worker].unheard) {
                    let (leases, now) = state.running(worker)?;
                    leases.announced(&id(other), now);
                }
                state.run(worker);
            }
            Action::End => {
                let ended = state.calms_down(self);
                state = last.clone();
                state.requests.clear();
                state.ended = Some(ended);
            }
        }
        Some(state)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.requests.len() <= self.writes
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("only what an owner writes is accepted", |_, state: &State| {
                state.broken.is_none()
            }),
            Property::always("each shard gets an owner", |_, state: &State| {
                state.ended != Some(false)
            }),
            Property::sometimes("a shard changes hands", |_, state: &State| {
                state.owners(0).first().is_some_and(|(worker, _)| *worker != 0)
            }),
        ];
        if !self.suspends {
            properties.push(Property::always("no shard has two owners", |fleet: &Self, state| {
                (0..fleet.shards).all(|shard| state.owners(shard).len() <= 1)
            }));
        }
        properties
    }
}

/// Tries everything, one tick longer in the long form.
fn check(mut fleet: Fleet) -> impl Checker<Fleet> {
    if std::env::var_os("RINGSTAT_LONG_TESTS").is_some() {
        fleet.ticks += 1;
    }
    fleet.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join()
}

#[track_caller]
fn assert_holds(fleet: Fleet) {
    let checker = check(fleet);
    eprintln!("{} states", checker.unique_state_count());
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > 3000, "{states} states are not all that can happen");
}

#[track_caller]
fn assert_breaks(fleet: Fleet, property: &'static str) {
    assert!(check(fleet).discovery(property).is_some(), "not noticed: {property}");
}

const ONE_OWNER: &str = "no shard has two owners";
const ACCEPTED: &str = "only what an owner writes is accepted";

#[test]
fn two_workers_share_a_shard() {
    assert_holds(Fleet::new(2, 1, 4));
}

#[test]
fn three_workers_share_a_shard() {
    assert_holds(Fleet::new(3, 1, 3));
}

#[test]
fn two_workers_share_two_shards() {
    assert_holds(Fleet { writes: 2, ..Fleet::new(2, 2, 3) });
}

#[test]
fn snapshots_follow_one_another() {
    assert_holds(Fleet { commits: 1, writes: 2, ..Fleet::new(2, 1, 3) });
}

#[test]
fn what_a_former_owner_writes_is_refused() {
    assert_holds(Fleet { effects: 2, ..Fleet::new(2, 1, 3) });
}

#[test]
fn so_it_is_when_the_clock_stood_still() {
    assert_holds(Fleet { effects: 2, suspends: true, ..Fleet::new(2, 1, 3) });
}

#[test]
fn a_store_that_does_not_compare_gives_a_shard_two_owners() {
    assert_breaks(Fleet { no_compare: true, ..Fleet::new(2, 1, 4) }, ONE_OWNER);
}

#[test]
fn a_store_that_does_not_compare_loses_a_snapshot() {
    let fleet = Fleet { no_compare: true, commits: 1, suspends: true, ..Fleet::new(2, 1, 4) };
    assert_breaks(fleet, ACCEPTED);
}

#[test]
fn without_a_margin_clocks_of_different_rates_give_a_shard_two_owners() {
    let timing = Timing { margin: Duration::ZERO, ..TIMING };
    assert_breaks(Fleet { timing, ..Fleet::new(2, 1, 4) }, ONE_OWNER);
}

#[test]
fn who_ignores_the_token_takes_what_a_former_owner_writes() {
    assert_breaks(Fleet { no_fence: true, effects: 2, ..Fleet::new(2, 1, 4) }, ACCEPTED);
}
