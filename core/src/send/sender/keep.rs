//! Critical events: from their ring into the store, where they wait for their acknowledgement.

use super::Sender;
use crate::format::{Format, Prologue};
use crate::record::Resolve;
use crate::ring::Source;
use crate::send::{Recovered, Retention, Store, Time};

impl<E: Format, K: Store, const CARRY: usize> Sender<E, K, CARRY> {
    /// Moves critical events from their ring into the store, as many as it has room for, to be sent at the next poll.
    pub fn keep<S>(&mut self, now: Time, events: &mut S)
    where
        S: Source<K::Event> + ?Sized,
    {
        let critical = &mut self.critical;
        let taken = events.drain(critical.room(), |event| {
            // A source returns at most as many events as it was asked for.
            let _ = critical.keep(event, now.monotonic);
        });
        self.totals.taken += taken as u64;
    }

    /// The same, and writes those events to the memory that outlives a reset, if the store has one. While it
    /// [is recovering](Self::is_recovering) it takes none. `names` is as in [`Inputs`](super::Inputs).
    pub fn keep_with<S>(&mut self, now: Time, events: &mut S, names: &impl Resolve)
    where
        S: Source<K::Event> + ?Sized,
    {
        if self.is_recovering() {
            return;
        }
        let before = self.critical.len();
        self.keep(now, events);
        if self.critical.retention().is_none() {
            return;
        }
        for offset in before..self.critical.len() {
            let Some((place, id, event)) = self.critical.get(offset) else { continue };
            let (header, prologue) = self.opening(now, 0, false);
            let prologue = Prologue { ack_floor: Some(id), ..prologue };
            if let Some(retention) = self.critical.retention_mut() {
                let opening = (&header, &prologue, self.shift);
                retention.keep(place, &event, opening, &mut self.encoder, names);
            }
        }
    }

    /// Whether it sends what an earlier run has left behind in memory that outlives a reset, and nothing else until that is
    /// acknowledged. An adapter asks for no signs of life meanwhile.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.critical.retention().is_some_and(Retention::is_recovering)
    }

    /// What became of the events that a reset left behind.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.critical.retention().map_or(Recovered::default(), Retention::recovered)
    }

    pub(super) fn recovery(&mut self) -> Option<&mut Retention> {
        self.critical.retention_mut().filter(|retention| retention.is_recovering())
    }

    /// The number of critical events that wait for their acknowledgement, those of an earlier run included.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.critical.open() + self.critical.retention().map_or(0, Retention::open)
    }
}
