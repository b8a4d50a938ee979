//! What goes into the next datagram: its header and prologue, critical events, other events, instruments.

use super::fill::{fill, walk};
use super::{Inputs, Packed, SAMPLE_ONE_IN, Sender};
use crate::format::{AnyEvent, Format, Header, PAYLOAD_MIN, Packer, Prologue, Refused};
use crate::instrument::Instruments;
use crate::ledger::Cause;
use crate::record::Resolve;
use crate::ring::Source;
use crate::send::critical::Packing;
use crate::send::{Store, Time};

impl<E: Format, K: Store, const CARRY: usize> Sender<E, K, CARRY> {
    /// Makes the next datagram ask the receiver for a sign of life. Formats without heartbeats have no way to ask, and
    /// ignore this.
    pub fn ask(&mut self) {
        self.asking = E::HEARTBEATS;
    }

    /// Packs a datagram without records that asks for a sign of life, to find out whether the receiver is there without
    /// risking an event. `dropped` is as in [`Inputs`].
    ///
    /// Returns `None` if the format cannot ask, the buffer has fewer than [`PAYLOAD_MIN`] bytes, or the sender
    /// [is recovering](Self::is_recovering).
    pub fn probe(&mut self, now: Time, dropped: u64, buf: &mut [u8]) -> Option<Packed> {
        self.empty(now, dropped, buf, false)
    }

    /// Packs a datagram without records which says that the sender ends, and asks for a sign of life. The receiver then
    /// knows that nothing is amiss when nothing follows. A datagram that is packed later takes it back. `dropped` is as
    /// in [`Inputs`].
    ///
    /// `None` as for [`probe`](Self::probe).
    pub fn goodbye(&mut self, now: Time, dropped: u64, buf: &mut [u8]) -> Option<Packed> {
        self.empty(now, dropped, buf, true)
    }

    #[inline(always)]
    pub(super) fn empty(
        &mut self,
        now: Time,
        dropped: u64,
        buf: &mut [u8],
        goodbye: bool,
    ) -> Option<Packed> {
        // The first datagram of this run would end the one before.
        if !E::HEARTBEATS || self.is_recovering() {
            return None;
        }
        let (header, prologue) = self.opening(now, dropped, true);
        let prologue = Prologue { goodbye, ..prologue };
        let len =
            self.encoder.begin(buf.get_mut(..PAYLOAD_MIN)?, &header, &prologue).ok()?.finish(false);
        self.told = prologue.dropped;
        self.last_packed = Some(now.monotonic);
        let sequence = self.next_sequence();
        Some(Packed { len, sequence, asks: true, events: 0, recorded: None })
    }

    /// The header and prologue of the next datagram.
    pub(super) fn opening(
        &self,
        now: Time,
        dropped: u64,
        wants_receipt: bool,
    ) -> (Header, Prologue) {
        let header = Header {
            sender: self.identity.sender,
            epoch: self.identity.epoch,
            sequence: self.sequence,
            ..Header::default()
        };
        let prologue = Prologue {
            since_boot: self.since_boot,
            unit: self.unit,
            base_time: now.wall.wrapping_add(self.shift),
            dropped: self.given_up(dropped),
            failed: self.totals.failed,
            ack_floor: self.critical.floor(),
            wants_receipt,
            ..Prologue::default()
        };
        (header, prologue)
    }

    /// The number of the datagram that was packed: each datagram takes one.
    pub(super) fn next_sequence(&mut self) -> u32 {
        let next = self.sequence.wrapping_add(1);
        if let Some(retention) = self.critical.retention() {
            retention.number(next);
        }
        core::mem::replace(&mut self.sequence, next)
    }

    /// Fills a datagram. With `anyway` it goes out even if nothing is in it.
    pub(super) fn fill_in<S, I, N>(
        &mut self,
        now: Time,
        inputs: &mut Inputs<'_, S, I, N>,
        buf: &mut [u8],
        events_due: bool,
        anyway: bool,
    ) -> Option<Packed>
    where
        S: Source<K::Event> + ?Sized,
        I: Instruments + ?Sized,
        N: Resolve,
    {
        if let Some(packed) = self.recovery().and_then(|r| r.pack(now.monotonic, buf)) {
            return Some(packed);
        }
        let (header, prologue) = self.opening(now, inputs.dropped, self.asking);
        let mut events = 0;
        let mut full = false;
        let heartbeat_due = self.heartbeat_due(now);
        let mut recorded = None;
        let mut datagram = self.encoder.begin(buf, &header, &prologue).ok()?;
        datagram.shift(self.shift);
        if self.critical.is_due(now.monotonic) {
            let totals = &mut self.totals;
            let repeated = &mut totals.repeated;
            full = self.critical.pack(
                now.monotonic,
                &mut totals.dropped,
                inputs.names,
                |event, above, again| {
                    let packing = match event.pack_identified(&mut datagram, inputs.names, above) {
                        Ok(()) => Packing::Packed,
                        Err(Refused::Full) if datagram.records() > 0 => Packing::Full,
                        Err(Refused::Full) => Packing::TooLarge,
                        Err(Refused::UnknownSymbol) => Packing::Never(Cause::Encode),
                        Err(Refused::Unsupported) => Packing::Never(Cause::Unsupported),
                    };
                    *repeated += u64::from(again && packing == Packing::Packed);
                    packing
                },
            );
        }
        if events_due && !full {
            let empty = datagram.size();
            let mut sample = |event: &K::Event| {
                // A time that the caller set says nothing about how long the event waited.
                if self.until_sample > 0 {
                    self.until_sample -= 1;
                } else if let Some(time) = event.recorded() {
                    self.until_sample = SAMPLE_ONE_IN - 1;
                    recorded = Some(time);
                }
            };
            let carry = (&mut self.carry, &mut self.carried);
            (events, full) = fill(&mut datagram, carry, &mut self.totals, inputs, &mut sample);
            let bytes = datagram.size() - empty;
            self.batcher.packed(usize::from(events), bytes, now.monotonic);
        }
        if !full {
            let totals = &mut self.totals;
            full = walk(&mut self.walk, &mut datagram, totals, now, inputs.instruments);
        }
        let empty = datagram.records() == 0;
        let len = datagram.finish(full && self.pad_full && !empty);
        self.totals.altered = self.encoder.altered();
        // The source had fewer events than it seemed: an empty datagram is sent as a heartbeat, or not at all.
        let untold = prologue.dropped != self.told;
        if empty && !(E::HEARTBEATS && (full || heartbeat_due || untold || anyway)) {
            return None;
        }
        self.told = prologue.dropped;
        let sequence = self.next_sequence();
        self.last_packed = Some(now.monotonic);
        let asks = core::mem::take(&mut self.asking);
        Some(Packed { len, sequence, asks, events, recorded })
    }
}
