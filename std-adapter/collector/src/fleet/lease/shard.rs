//! One shard, as one worker sees it: what was seen in the store, what is held, and the write whose fate is open.

use super::record::{Holder, Record, Snapshot, Token, WorkerId};
use super::{Time, Timing};

/// A shard.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct ShardState {
    /// The newest revision that was seen; 0 while the key does not exist.
    pub(super) revision: u64,
    pub(super) record: Record,
    /// When this revision was first seen.
    pub(super) seen: Time,
    pub(super) hold: Option<Hold>,
    pub(super) flight: Option<Flight>,
}

/// A lease that this worker has.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Hold {
    pub(super) token: Token,
    /// When the worker must have stopped.
    pub(super) until: Time,
    /// When to renew.
    pub(super) renew: Time,
    /// A snapshot that is not known to be in the store.
    pub(super) commit: Option<Snapshot>,
    /// Whether it is to be handed over.
    pub(super) draining: bool,
}

/// A write that was sent and not answered.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Flight {
    /// Its number among the writes of this worker.
    pub(super) write: u64,
    pub(super) sent: Time,
    pub(super) purpose: Purpose,
}

/// What a write is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Purpose {
    Claim,
    Renew,
    Release,
}

/// What a new revision meant for this worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    None,
    /// It holds the shard now.
    Acquired(Token),
    /// It does not hold it any more.
    Lost(Token),
    /// Its snapshot is in the store.
    Committed(Snapshot),
}

impl ShardState {
    /// Takes note of a revision.
    pub(super) fn see(
        &mut self,
        me: &str,
        revision: u64,
        record: Record,
        now: Time,
        timing: &Timing,
    ) -> Change {
        if revision <= self.revision {
            return Change::None;
        }
        (self.revision, self.record, self.seen) = (revision, record, now);
        let write = self.record.holder.as_ref().filter(|of| &*of.worker == me).map(|of| of.write);
        // Whatever is in flight expected an older revision: either this is it, or it is refused.
        let flight = self.flight.take();
        let done = flight.filter(|flight| {
            // A release names no holder, but who else gives up this worker's shard?
            Some(flight.write) == write || (flight.purpose == Purpose::Release && write.is_none())
        });
        let Some(hold) = &mut self.hold else {
            return match done {
                Some(flight) if flight.purpose == Purpose::Claim => {
                    let token = Token(revision);
                    self.hold = Some(Hold {
                        token,
                        until: flight.sent + timing.term(),
                        renew: flight.sent + timing.renew,
                        commit: None,
                        draining: false,
                    });
                    Change::Acquired(token)
                }
                _ => Change::None,
            };
        };
        if write.is_none() {
            let token = hold.token;
            self.hold = None;
            return Change::Lost(token);
        }
        match done {
            Some(flight) => {
                hold.until = flight.sent + timing.term();
                hold.renew = flight.sent + timing.renew;
            }
            // An older write of this worker, which was given up and done nevertheless. When that was sent is forgotten.
            None => hold.renew = now,
        }
        match hold.commit.take_if(|commit| self.record.snapshot.as_ref() == Some(commit)) {
            Some(snapshot) => Change::Committed(snapshot),
            None => Change::None,
        }
    }

    /// Stops if the time is over.
    pub(super) fn lapse(&mut self, now: Time) -> Option<Token> {
        self.hold.take_if(|hold| hold.until <= now).map(|hold| hold.token)
    }

    /// Gives up waiting for an answer.
    pub(super) fn give_up(&mut self, now: Time, timing: &Timing) {
        self.flight.take_if(|flight| flight.sent + timing.answer <= now);
    }

    /// Whether this worker should write now to keep what it has, or to store a snapshot.
    pub(super) fn must_renew(&self, now: Time) -> bool {
        let due = |hold: &Hold| hold.commit.is_some() || hold.renew <= now;
        self.flight.is_none() && self.hold.as_ref().is_some_and(due)
    }

    /// Whether nobody can hold the shard any more, as far as this worker can tell.
    pub(super) fn is_claimable(&self, me: &str, now: Time, timing: &Timing) -> bool {
        let idle = self.hold.is_none() && self.flight.is_none();
        let expired = self.seen + timing.ttl <= now;
        idle && (self.record.holder.is_none() || self.record.is_of(me) || expired)
    }

    /// Whether the store says that this worker holds the shard, which it does not.
    pub(super) fn is_left_over(&self, me: &str) -> bool {
        self.hold.is_none() && self.flight.is_none() && self.record.is_of(me)
    }

    /// The record that a write for this purpose stores.
    pub(super) fn next_record(&self, me: &WorkerId, write: u64, purpose: Purpose) -> Record {
        let hold = self.hold.as_ref();
        let holder = Holder { worker: me.clone(), write, token: hold.map(|hold| hold.token) };
        let commit = hold.and_then(|hold| hold.commit.as_ref());
        Record {
            holder: (purpose != Purpose::Release).then_some(holder),
            snapshot: commit.or(self.record.snapshot.as_ref()).cloned(),
        }
    }
}
