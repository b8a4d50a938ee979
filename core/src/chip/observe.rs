//! How a chip is doing, in the terms that servers use.

use super::Stats;
use super::lane::All;
use crate::instrument::Histogram;
use crate::ledger::Cause;
use crate::observe::{
    Buffer, Health, HealthCounts, HealthLimits, HealthWindow, Latency, Output, Quantiles, Readings,
    Snapshot,
};
use crate::record::Resolve;
use crate::ring::Source;
use crate::send::{Packed, SAMPLE_ONE_IN, Totals};

/// A histogram of any size in which latencies are measured.
pub(super) trait Timed: Sync {
    fn time(&self, nanos: u64);
    fn quantiles(&self) -> Quantiles;
}

// Not a supertrait, which would link the histogram's formatting into every program that measures.
impl core::fmt::Debug for dyn Timed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("latency")
    }
}

impl<const B: usize> Timed for Histogram<B> {
    fn time(&self, nanos: u64) {
        self.record(nanos);
    }

    fn quantiles(&self) -> Quantiles {
        Quantiles::of(self)
    }
}

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
    /// How the client is doing: its ledger, its rings, what was sent, and a health with reasons. A program that never calls
    /// it does not contain it.
    ///
    /// `totals` are those of the sender. Rates are taken over the last `W` calls, which `recent` remembers: with a call
    /// every ten seconds and a window of 6, over a minute. What only a server has (a pool, a throttle) is 0, and so are
    /// the numbers of sender and run, and latencies unless they [are measured](Self::latency).
    ///
    /// ```
    /// use ringstat_core::observe::{Grade, HealthLimits, HealthWindow};
    /// use ringstat_core::prelude::*;
    /// # fn micros() -> u64 { 0 }
    ///
    /// static STATS: Stats<8> = Stats::new(event_ring!(8), Clock::micros(micros));
    ///
    /// let sender = STATS.sender(Identity::new(7, Epoch::stored(1)), &STATS.config());
    /// let mut recent: HealthWindow<6> = HealthWindow::new();
    /// let snapshot = STATS.snapshot(sender.totals(), &mut recent, &HealthLimits::DEFAULT);
    /// assert_eq!(snapshot.health.grade(), Grade::Healthy);
    /// ```
    #[must_use]
    pub fn snapshot<const W: usize>(
        &self,
        totals: &Totals,
        recent: &mut HealthWindow<W>,
        limits: &HealthLimits,
    ) -> Snapshot {
        let ledger = self.account(totals);
        let rings = All(self);
        let tags = [Cause::TagTooLong, Cause::TextTooLong, Cause::TooManyTags];
        let counts = HealthCounts {
            recorded: ledger.recorded,
            dropped: ledger.dropped.total(),
            sends: totals.datagrams + totals.failed,
            send_errors: totals.failed,
            unacknowledged: ledger.dropped.get(Cause::Unacknowledged),
            tags_refused: tags.into_iter().map(|cause| ledger.dropped.get(cause)).sum(),
            ..HealthCounts::NONE
        };
        let readings = Readings {
            recent: recent.growth(counts),
            buffer_percent: rings.fill(),
            unconfirmed: ledger.unconfirmed,
            ..Readings::default()
        };
        recent.tick(counts);
        Snapshot {
            uptime_nanos: self.clock.now().saturating_mul(self.clock.unit().nanos()),
            health: Health::judge(&readings, limits),
            buffer: Buffer {
                used: self.waiting() as u64,
                capacity: (rings.capacity() + self.critical.map_or(0, |ring| ring.capacity()))
                    as u64,
                fullest_percent: rings.fill(),
                ..Buffer::default()
            },
            output: Output {
                datagrams: totals.datagrams,
                bytes: totals.bytes,
                failed: totals.failed,
                send_errors: totals.failed,
                acknowledged: totals.acknowledged,
                repeated: totals.repeated,
                altered: totals.altered,
                unsendable: totals.unsendable,
                ..Output::default()
            },
            latency: self.latency.map_or(Latency::default(), |latency| Latency {
                one_in: SAMPLE_ONE_IN,
                total: latency.quantiles(),
                ..Latency::default()
            }),
            ledger,
            ..Snapshot::default()
        }
    }

    /// Measures how long an event of this datagram took, if [that is asked for](Self::latency). To be called when the network
    /// has accepted the datagram, before [`Sender::sent`](crate::send::Sender::sent).
    pub fn measure(&self, packed: &Packed) {
        if let (Some(latency), Some(recorded)) = (self.latency, packed.recorded) {
            let units = self.clock.now().saturating_sub(recorded);
            latency.time(units.saturating_mul(self.clock.unit().nanos()));
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::chip::Clock;
    use crate::event_ring;
    use crate::observe::{Grade, Reason};
    use crate::record::Recorder;
    use crate::send::{Epoch, Identity, Step, Time};

    #[test]
    fn a_ring_that_overflows_is_a_reason_until_it_is_long_ago() {
        static STATS: Stats<8> = Stats::new(event_ring!(8), Clock::millis(|| 5));
        let mut sender = STATS.sender(Identity::new(7, Epoch::stored(1)), &STATS.config());
        let mut recent: HealthWindow<2> = HealthWindow::new();
        (0..20u8).for_each(|n| _ = STATS.level("a", n).record());
        let mut look =
            |totals: &Totals| STATS.snapshot(totals, &mut recent, &HealthLimits::DEFAULT);
        let snapshot = look(sender.totals());
        assert!(snapshot.health.has(Reason::Drops) && snapshot.health.has(Reason::Buffer));
        assert_eq!((snapshot.ledger.recorded, snapshot.ledger.dropped.total()), (20, 12));
        assert_eq!((snapshot.buffer.used, snapshot.buffer.capacity), (8, 8));
        assert_eq!(snapshot.uptime_nanos, 5_000_000);
        let mut buf = [0; 256];
        sender.flush();
        while let Step::Send(packed) = STATS.poll(&mut sender, Time::default(), &mut buf) {
            sender.sent(packed);
        }
        let snapshot = look(sender.totals());
        assert!(snapshot.health.has(Reason::Drops) && !snapshot.health.has(Reason::Buffer));
        assert_eq!(
            (snapshot.ledger.sent, snapshot.output.datagrams),
            (8, sender.totals().datagrams)
        );
        let snapshot = look(sender.totals());
        assert_eq!(snapshot.health.grade(), Grade::Healthy, "{}", snapshot.health);
    }

    #[test]
    fn one_event_in_some_is_timed_if_asked_for() {
        use crate::sync::{AtomicU64, Ordering};
        static NOW: AtomicU64 = AtomicU64::new(1000);
        static LATENCY: Histogram = Histogram::new("latency");
        static STATS: Stats<256> =
            Stats::new(event_ring!(256), Clock::micros(|| NOW.load(Ordering::Relaxed)))
                .latency(&LATENCY);
        let mut sender = STATS.sender(Identity::new(7, Epoch::stored(1)), &STATS.config());
        (0..130u8).for_each(|n| _ = STATS.level("a", n).record());
        sender.flush();
        NOW.store(3000, Ordering::Relaxed);
        let mut buf = [0; 256];
        while let Step::Send(packed) = STATS.poll(&mut sender, STATS.time(), &mut buf) {
            STATS.measure(&packed);
            sender.sent(packed);
        }
        let mut recent: HealthWindow<2> = HealthWindow::new();
        let latency = STATS.snapshot(sender.totals(), &mut recent, &HealthLimits::DEFAULT).latency;
        assert_eq!((latency.one_in, latency.total.count), (64, 3), "events 0, 64 and 128");
        assert!(latency.total.p50.abs_diff(2_000_000) < 130_000, "{latency:?}");
    }
}
