//! Critical events that outlive a reset.
//!
//! ```text
//!  run 1: ring ──► store ──► datagrams     reset     run 1 again: what was not acknowledged ──► run 2
//!                   └─► memory that a reset does not clear ─────────┘
//! ```
//!
//! A receiver knows a critical event by sender, epoch and identifier. So what a run has left behind is sent as that run
//! would have sent it: in its epoch, with the next of its sequence numbers and its identifiers. Whatever had arrived
//! before the reset is recognized, and each event is stored once. Only when everything is acknowledged does the new run
//! begin: a receiver takes the first datagram of another epoch for the end of the one before.
//!
//! Events are sent one at a time, the lowest identifier first, so that a datagram can truly say that nothing below its
//! event is outstanding. They are never given up: as long as nobody acknowledges them there is nobody to send to.

mod memory;
#[cfg(all(test, not(loom)))]
mod tests;

pub use memory::Retained;
use memory::{Memory, Place, RECORD_MAX, Run, Saved};

use super::backoff::Backoff;
use super::{ArrayStore, Identity, Packed, Store, StoredEvent};
use crate::format::{AnyEvent, Format, Header, Packer, Prologue};
use crate::record::{Event, Resolve};
use crate::wire::ack::Ack;
use crate::wire::crc::TRAILER;
use crate::wire::encode::Datagram;
use crate::wire::table::lean::Bare;

/// A [`ArrayStore`] whose events are also in memory that outlives a reset.
#[derive(Debug)]
pub struct RetainedStore<const N: usize, T = Event> {
    store: ArrayStore<N, T>,
    retention: Retention,
}

impl<const N: usize, T> RetainedStore<N, T> {
    /// Creates a store with room for `N` events, which are also written to `memory`.
    #[must_use]
    pub fn new<const BYTES: usize>(memory: &'static Retained<N, BYTES>) -> Self {
        Self { store: ArrayStore::new(), retention: Retention::new(memory.erased()) }
    }
}

impl<const N: usize, T: AnyEvent> Store for RetainedStore<N, T> {
    type Event = T;

    fn places(&self) -> &[StoredEvent<T>] {
        self.store.places()
    }

    fn places_mut(&mut self) -> &mut [StoredEvent<T>] {
        self.store.places_mut()
    }

    fn retention(&self) -> Option<&Retention> {
        Some(&self.retention)
    }

    fn retention_mut(&mut self) -> Option<&mut Retention> {
        Some(&mut self.retention)
    }
}

/// What became of the events that a reset left behind.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Recovered {
    /// Events of the run before that were in the memory, undamaged.
    pub found: u16,
    /// Those of them that have been acknowledged since.
    pub acknowledged: u16,
    /// Events that were damaged, or that no longer fit a datagram, and are lost.
    pub damaged: u16,
    /// Events of this run that were too large for their place, and would not outlive a reset.
    pub unretained: u16,
}

/// The state of a [`RetainedStore`]: what is written to the memory, and what is still to be sent of the run before.
#[derive(Debug)]
pub struct Retention {
    memory: Memory,
    /// The run before, while there are events of it to send.
    before: Option<Run>,
    identity: Identity,
    /// When the next attempt is due, and the number of those made for the event in turn.
    due: u64,
    attempts: u32,
    waits: Backoff,
    recovered: Recovered,
}

impl Retention {
    fn new(memory: Memory) -> Self {
        Self {
            memory,
            before: memory.run(),
            identity: Identity { sender: 0, epoch: 0 },
            due: 0,
            attempts: 0,
            waits: Backoff::new(1, 1, 0),
            recovered: Recovered::default(),
        }
    }

    /// Begins with what the memory has, as a sender with that identity, which pauses so between two attempts.
    pub(super) fn start(&mut self, identity: Identity, waits: Backoff) {
        (self.identity, self.waits) = (identity, waits);
        let mut record = [0; RECORD_MAX];
        if self.before.is_some() {
            for place in 0..self.memory.places() {
                match self.memory.read(place, &mut record) {
                    Place::Taken(_) => self.recovered.found += 1,
                    Place::Damaged => self.give_up(place),
                    Place::Free => {}
                }
            }
        }
        self.go_on_if_done();
    }

    /// What became of the events that a reset left behind.
    #[must_use]
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Whether there are events of the run before to send.
    #[must_use]
    pub fn is_recovering(&self) -> bool {
        self.before.is_some()
    }

    /// The number of events of the run before that wait for their acknowledgement.
    pub(super) fn open(&self) -> usize {
        usize::from(self.recovered.found - self.recovered.acknowledged)
    }

    /// Lets the new run begin once nothing of the one before is left.
    fn go_on_if_done(&mut self) {
        if self.open() == 0 {
            self.before = None;
            self.memory.begin(self.identity.sender, self.identity.epoch);
        }
    }

    fn give_up(&mut self, place: usize) {
        self.memory.free(place);
        self.recovered.damaged += 1;
    }

    /// Whether something is to be sent.
    pub(super) fn due(&self, now: u64) -> Result<(), u64> {
        // A clock that has gone back does not prolong the wait.
        let over = self.due <= now || self.due - now > self.waits.longest();
        if over { Ok(()) } else { Err(self.due) }
    }

    /// Packs the event with the lowest identifier, as the run before would have.
    pub(super) fn pack(&mut self, now: u64, buf: &mut [u8]) -> Option<Packed> {
        let run = self.before?;
        let mut record = [0; RECORD_MAX];
        while let Some((place, saved)) = self.lowest(&mut record) {
            let record = record.get(..saved.length).unwrap_or(&[]);
            let Some(len) = packed(&run, &saved, record, buf) else {
                self.recovered.found -= 1;
                self.give_up(place);
                continue;
            };
            let next = run.next.wrapping_add(1);
            self.memory.number(next);
            self.before = Some(Run { next, ..run });
            self.due = now.saturating_add(self.waits.pause(self.attempts));
            self.attempts = self.attempts.saturating_add(1);
            return Some(Packed {
                len,
                sequence: run.next,
                asks: false,
                events: 0,
                recorded: None,
            });
        }
        // Nothing is left, so whatever is missing has been damaged since the start.
        let missing = self.recovered.found - self.recovered.acknowledged;
        self.recovered.found -= missing;
        self.recovered.damaged += missing;
        self.go_on_if_done();
        None
    }

    fn lowest(&self, record: &mut [u8; RECORD_MAX]) -> Option<(usize, Saved)> {
        let taken =
            (0..self.memory.places()).filter_map(|place| match self.memory.read(place, record) {
                Place::Taken(saved) => Some((place, saved)),
                Place::Free | Place::Damaged => None,
            });
        let lowest = taken.min_by_key(|(_, saved)| saved.id)?;
        self.memory.read(lowest.0, record);
        Some(lowest)
    }

    /// Takes an acknowledgement, if it is one for the run before, and returns how many events it settles.
    pub(super) fn acknowledged(&mut self, ack: &Ack<'_>) -> Option<u64> {
        let run = self.before.filter(|run| (run.sender, run.epoch) == (ack.sender, ack.epoch))?;
        let mut record = [0; RECORD_MAX];
        let (_, lowest) = self.lowest(&mut record)?;
        if ack.base > lowest.id || run.next == 0 {
            return Some(0);
        }
        let mut settled = 0;
        for place in 0..self.memory.places() {
            if let Place::Taken(saved) = self.memory.read(place, &mut record)
                && ack.settles(saved.id)
            {
                self.memory.free(place);
                settled += 1;
            }
        }
        if settled > 0 {
            self.recovered.acknowledged += settled;
            // The next one is sent at once.
            (self.due, self.attempts) = (0, 0);
        }
        self.go_on_if_done();
        Some(settled.into())
    }

    /// Notes the number of this run's next datagram.
    pub(super) fn number(&self, next: u32) {
        self.memory.number(next);
    }

    /// Keeps the event in that place of the store. `header` and `prologue` are those of a datagram with this event alone,
    /// whose identifier is its floor.
    pub(super) fn keep<E: Format>(
        &mut self,
        place: usize,
        event: &impl AnyEvent,
        (header, prologue, shift): (&Header, &Prologue, u64),
        encoder: &mut E,
        names: &impl Resolve,
    ) {
        let mut buf = [0; 64 + RECORD_MAX];
        let written = write(event, (header, prologue, shift), encoder, names, &mut buf);
        let kept = written.and_then(|(from, to)| {
            let record = buf.get(from..to)?;
            let saved = Saved {
                id: prologue.ack_floor?,
                base_time: prologue.base_time,
                unit: prologue.unit,
                since_boot: prologue.since_boot,
                length: record.len(),
            };
            self.memory.write(place, &saved, record)
        });
        self.recovered.unretained += u16::from(kept.is_none());
    }

    /// Forgets the event in that place of the store, because it is settled.
    pub(super) fn release(&self, place: usize) {
        self.memory.free(place);
    }
}

/// Writes a datagram with one event, and returns where its record is, without the identifier at its end.
fn write<E: Format>(
    event: &impl AnyEvent,
    (header, prologue, shift): (&Header, &Prologue, u64),
    encoder: &mut E,
    names: &impl Resolve,
    buf: &mut [u8],
) -> Option<(usize, usize)> {
    // Strings that are spelled out, and refer to nothing but each other.
    let prologue = Prologue { packed: false, ..*prologue };
    let mut datagram = encoder.begin(buf, header, &prologue).ok()?;
    datagram.shift(shift);
    let from = datagram.size() - TRAILER;
    event.pack_identified(&mut datagram, names, 0).ok()?;
    let to = datagram.size() - TRAILER;
    datagram.finish(false);
    Some((from, to - 1))
}

/// Writes the datagram of a saved event, and returns its length.
fn packed(run: &Run, saved: &Saved, record: &[u8], buf: &mut [u8]) -> Option<usize> {
    let Run { sender, epoch, next } = *run;
    let header = Header { sender, epoch, sequence: next, ..Header::default() };
    let prologue = Prologue {
        since_boot: saved.since_boot,
        packed: false,
        unit: saved.unit,
        base_time: saved.base_time,
        ack_floor: Some(saved.id),
        ..Prologue::default()
    };
    let mut table = Bare;
    let mut datagram = Datagram::open(&mut table, buf, &header, &prologue).ok()?;
    datagram.again_at_floor(record).ok()?;
    Some(datagram.finish(false))
}
