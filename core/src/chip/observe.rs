//! How a chip is doing, in the terms that servers use.

use super::Stats;
use super::lane::All;
use crate::ledger::Cause;
use crate::observe::{
    Buffer, Health, HealthCounts, HealthLimits, HealthWindow, Output, Readings, Snapshot,
};
use crate::record::Resolve;
use crate::ring::Source;
use crate::send::Totals;

impl<const N: usize, const C: usize, M: Resolve> Stats<N, C, M> {
    /// How the client is doing: its ledger, its rings, what was sent, and a health with reasons. A program that never calls
    /// it does not contain it.
    ///
    /// `totals` are those of the sender. Rates are taken over the last `W` calls, which `recent` remembers: with a call
    /// every ten seconds and a window of 6, over a minute. What only a server has (a pool, a throttle, measured
    /// latencies) is 0, and so are the numbers of sender and run.
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
            ledger,
            ..Snapshot::default()
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
}
