//! What became of datagrams, and of events that will not be sent.

use super::{Packed, Sender};
use crate::format::{AnyEvent, Format};
use crate::ledger::Cause;
use crate::record::Resolve;
use crate::ring::Source;
use crate::send::Store;

impl<E: Format, K: Store, const CARRY: usize> Sender<E, K, CARRY> {
    /// Takes back a probe that the network did not accept: nothing is lost with it, and its number is used for the next
    /// datagram, unless one was packed meanwhile.
    pub fn withdraw(&mut self, probe: Packed) {
        if probe.events == 0 && probe.sequence.wrapping_add(1) == self.sequence {
            self.sequence = probe.sequence;
        } else {
            self.gave_up(probe, Cause::SendError);
        }
    }

    /// Reports that the transport accepted the datagram.
    pub fn sent(&mut self, packed: Packed) {
        self.totals.sent += u64::from(packed.events);
        self.totals.datagrams += 1;
        self.totals.bytes += packed.len as u64;
        self.encoder.settle(packed.sequence, true);
    }

    /// Reports that the datagram will not be sent. Its number stays used up, so that the receiver's gap shows it; all
    /// instruments are sent again.
    pub fn gave_up(&mut self, packed: Packed, cause: Cause) {
        self.encoder.settle(packed.sequence, false);
        self.totals.dropped.add(cause, u64::from(packed.events));
        self.totals.failed += 1;
        self.walk.resend_all();
    }

    /// Gives up everything that still waits in ring and sender, counted as `cause`, and returns how many events that
    /// was. `names` is as in [`Inputs`](super::Inputs).
    pub fn abandon<S>(&mut self, events: &mut S, cause: Cause, names: &impl Resolve) -> u64
    where
        S: Source<K::Event> + ?Sized,
    {
        let left = self.carry.get(self.carried..).unwrap_or(&[]);
        left.iter().for_each(|event| event.give_back(names));
        let mut given_up = left.len() as u64;
        self.carry.clear();
        self.carried = 0;
        // Events that arrive meanwhile are taken too, but a recorder that never stops does not keep this from
        // returning.
        let drained = events.drain(events.len(), |event| event.give_back(names)) as u64;
        self.totals.taken += drained;
        given_up += drained;
        self.totals.dropped.add(cause, given_up);
        given_up + self.critical.abandon(&mut self.totals.dropped, cause, names)
    }

    /// Counts as `cause` what is in flight although no datagram has it: a caller's instrument panicked while the
    /// datagram was packed. Comes after [`abandon`](Self::abandon).
    pub fn give_up_unfinished(&mut self, cause: Cause) {
        self.totals.dropped.add(cause, self.totals.in_flight());
    }
}
