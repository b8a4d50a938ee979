//! What the sender's task asks of a [`Stats`]: what to send, and what became of it.

use super::lane::All;
use super::{FLUSH, Stats};
use crate::format::Format;
use crate::instrument::Instrument;
use crate::ledger::Ledger;
use crate::record::{Event, Resolve};
use crate::send::{
    AckError, Identity, Inputs, LeanSender, Packed, Retained, RetainedStore, RetainingSender,
    Sender, SenderConfig, Step, Store, Time, Totals,
};
use crate::sync::Ordering;
use crate::wire::LeanEncoder;

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
    /// Creates the usual configuration of a sender for this clock: [`SenderConfig::new`] with the clock's unit and origin.
    #[must_use]
    pub const fn config(&self) -> SenderConfig {
        SenderConfig {
            since_boot: self.clock.is_since_boot(),
            ..SenderConfig::new(self.clock.unit())
        }
    }

    /// Creates a sender for what is recorded here, with the tables of [`LeanSender`] and room for `C` critical events.
    /// A sender with other tables or another format can be created from any [`Format`], with room for as many critical
    /// events.
    ///
    /// # Panics
    /// When the configuration is for a clock that counts in another unit: begin with [`config`](Self::config).
    #[must_use]
    pub fn sender(&self, identity: Identity, config: &SenderConfig) -> LeanSender<16, C> {
        assert!(config.unit as u8 == self.clock.unit() as u8, "the clock counts in another unit");
        Sender::new(identity, config)
    }

    /// Creates a sender as [`sender`](Self::sender) does, whose critical events outlive a reset of the chip in `memory`.
    ///
    /// If an earlier run has left events there, they are sent first, in that run's name, and nothing else until they are
    /// acknowledged. Events that are recorded meanwhile wait in their rings. From then on a critical event outlives a
    /// reset once a [`poll`](Self::poll) has taken it out of its ring.
    ///
    /// ```
    /// use ringstat_core::prelude::*;
    /// use ringstat_core::send::Retained;
    /// # fn micros() -> u64 { 0 } fn random() -> u32 { 5 }
    ///
    /// // On a chip: #[unsafe(link_section = ".uninit.ringstat")]
    /// static RETAINED: Retained<8> = Retained::new();
    /// static STATS: Stats<64, 8> =
    ///     Stats::new(event_ring!(64), Clock::micros(micros)).critical(event_ring!(8));
    ///
    /// let epoch = RETAINED.epoch(Epoch::random(random()));
    /// let sender = STATS.retaining_sender(Identity::new(7, epoch), &STATS.config(), &RETAINED);
    /// assert!(!sender.is_recovering(), "there was no run before");
    /// ```
    ///
    /// # Panics
    /// As [`sender`](Self::sender).
    #[must_use]
    pub fn retaining_sender<const BYTES: usize>(
        &self,
        identity: Identity,
        config: &SenderConfig,
        memory: &'static Retained<C, BYTES>,
    ) -> RetainingSender<16, C> {
        assert!(config.unit as u8 == self.clock.unit() as u8, "the clock counts in another unit");
        Sender::with_parts(identity, config, LeanEncoder::new(), RetainedStore::new(memory))
    }

    /// Polls the sender with what was recorded here: see [`Sender::poll`]. `now` is in the unit of the clock in here.
    pub fn poll<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Step {
        self.feed(sender, now);
        self.with_inputs(|inputs| sender.poll(now, inputs, buf))
    }

    /// Whether the sender has something to send: see [`Sender::due`].
    ///
    /// # Errors
    /// When to come back if there is nothing.
    pub fn due<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
    ) -> Result<(), u64> {
        self.feed(sender, now);
        self.with_inputs(|inputs| sender.due(now, inputs))
    }

    /// Packs what was recorded here: see [`Sender::pack`].
    pub fn pack<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Option<Packed> {
        self.with_inputs(|inputs| sender.pack(now, inputs, buf))
    }

    /// What the sender is given before it is asked.
    fn feed<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
    ) {
        const { assert!(C == 0 || E::ACKNOWLEDGES, "nobody acknowledges critical events") };
        // Before the look into the rings: who records behind it wakes again. AcqRel, as in `wake_once`: of two that
        // change this, the later one sees what the earlier one did before.
        if self.woken.swap(0, Ordering::AcqRel) & FLUSH != 0 {
            sender.flush();
            // Whoever flushes wants to know what has arrived.
            sender.ask();
        }
        match self.shift.load(Ordering::Relaxed) {
            0 => {}
            shift => sender.set_wall(shift),
        }
        if let Some(mut critical) = self.critical {
            sender.keep_with(now, &mut critical, &self.tag_memory);
        }
    }

    /// What the sender takes from.
    fn with_inputs<R>(
        &self,
        f: impl FnOnce(&mut Inputs<'_, All<'_, N, C, M>, [&'static dyn Instrument], M>) -> R,
    ) -> R {
        f(&mut Inputs {
            events: &mut All(self),
            instruments: self.instruments,
            names: &self.tag_memory,
            dropped: self.drops().total(),
        })
    }

    /// Calls [`Sender::probe`] with the number of records that the recorders have given up.
    pub fn probe<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Option<Packed> {
        sender.probe(now, self.drops().total(), buf)
    }

    /// Calls [`Sender::goodbye`] with what the recorders have given up so far.
    pub fn goodbye<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        now: Time,
        buf: &mut [u8],
    ) -> Option<Packed> {
        sender.goodbye(now, self.drops().total(), buf)
    }

    /// Calls [`Sender::acknowledged`] with the names and the tag memory of this static.
    ///
    /// # Errors
    /// As [`Sender::acknowledged`].
    pub fn acknowledged<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &mut Sender<E, K, CARRY>,
        datagram: &[u8],
    ) -> Result<u64, AckError> {
        sender.acknowledged(datagram, &self.tag_memory)
    }

    /// What became of every record, from this static and the sender that it is polled with. Exact whenever no call is
    /// in progress.
    #[must_use]
    pub fn ledger<E: Format, K: Store<Event = Event>, const CARRY: usize>(
        &self,
        sender: &Sender<E, K, CARRY>,
    ) -> Ledger {
        self.account(sender.totals())
    }

    /// The same ledger from the totals of the sender, for a caller that does not have the sender itself.
    #[must_use]
    pub fn account(&self, totals: &Totals) -> Ledger {
        totals.ledger(self.waiting() as u64, &self.drops(), 0)
    }
}
