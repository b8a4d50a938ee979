//! What a receiver remembers of the runs of senders, for receipts: a sender asks for a sign of life, and how much has
//! arrived.
//!
//! Nothing else depends on it, and it is forgotten with the receiver. A receipt says what was received, and so counts what
//! waits for the log; what is refused is not in it, so that senders hold back when the log is away for long.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ringstat_core::format::Header;
use ringstat_core::receive::SequenceTracker;
use ringstat_core::wire::receipt::Receipt;

/// How many runs a thread knows.
const RUNS: usize = 1 << 15;
/// A run that sent nothing for so long gives its place to a new one.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Default, Debug)]
pub(super) struct Runs {
    /// By sender and epoch.
    all: HashMap<(u64, u32), Run>,
    tidied: Option<Instant>,
}

#[derive(Debug)]
struct Run {
    tracker: SequenceTracker,
    instance: u32,
    first: u32,
    datagrams: u64,
    events: u64,
    seen: Instant,
}

impl Runs {
    /// Notes a datagram that was taken; `events` counts those in it that have no identifier, if it must. Returns the receipt
    /// that it asks for. A run is known from the first datagram on that asks.
    pub(super) fn note(
        &mut self,
        header: &Header,
        asks: bool,
        now: Instant,
        events: impl FnOnce() -> u64,
    ) -> Option<Receipt> {
        let key = (header.sender, header.epoch);
        if !self.all.contains_key(&key) {
            if !asks || !self.has_room(now) {
                return None;
            }
            self.all.insert(key, Run::new(header, now));
        }
        let run = self.all.get_mut(&key)?;
        run.seen = now;
        if run.tracker.observe(header.epoch, header.sequence).is_new() {
            run.datagrams += 1;
            run.events += events();
        }
        asks.then_some(Receipt {
            sender: header.sender,
            epoch: header.epoch,
            sequence: header.sequence,
            instance: run.instance,
            first: run.first,
            datagrams: run.datagrams,
            events: run.events,
        })
    }

    fn has_room(&mut self, now: Instant) -> bool {
        let waited = self.tidied.is_none_or(|at| now.duration_since(at) >= IDLE / 10);
        if self.all.len() >= RUNS && waited {
            self.tidied = Some(now);
            self.all.retain(|_, run| now.duration_since(run.seen) < IDLE);
        }
        self.all.len() < RUNS
    }
}

impl Run {
    fn new(header: &Header, now: Instant) -> Self {
        Self {
            tracker: SequenceTracker::resume(header.epoch, header.sequence.into()),
            instance: fastrand::u32(..),
            first: header.sequence,
            datagrams: 0,
            events: 0,
            seen: now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_datagram_counts_once_from_the_first_that_asks() {
        let (mut runs, now) = (Runs::default(), Instant::now());
        let header = |sequence| Header { sender: 7, epoch: 3, sequence, ..Header::default() };
        assert_eq!(runs.note(&header(4), false, now, || 10), None);
        let first = runs.note(&header(5), true, now, || 10).unwrap();
        assert_eq!((first.first, first.datagrams, first.events), (5, 1, 10));
        assert_eq!(runs.note(&header(7), false, now, || 5), None);
        assert_eq!(runs.note(&header(7), false, now, || 5), None);
        let last = runs.note(&header(6), true, now, || 1).unwrap();
        assert_eq!((last.sequence, last.datagrams, last.events), (6, 3, 16));
        assert_eq!(last.instance, first.instance);
    }

    #[test]
    fn the_number_of_runs_is_bounded_and_idle_ones_give_way() {
        let (mut runs, now) = (Runs::default(), Instant::now());
        let header = |sender| Header { sender, epoch: 3, ..Header::default() };
        let taken =
            |runs: &mut Runs, sender, now| runs.note(&header(sender), true, now, || 0).is_some();
        let count = (0..2 * RUNS as u64).filter(|sender| taken(&mut runs, *sender, now)).count();
        assert_eq!(count, RUNS);
        assert!(taken(&mut runs, u64::MAX, now + IDLE));
    }
}
