//! The events that arrived over time, and what follows from them: throughput before and during a fault, and the time to
//! recover.

use std::time::Duration;

use crate::results;

/// The share of the earlier throughput at which the client counts as recovered.
const RECOVERED: f64 = 0.9;
/// The number of consecutive samples over which throughput is averaged.
const IN_A_ROW: usize = 4;
/// The most that one sample counts, as a multiple of the earlier throughput. Datagrams arrive in bursts, but a burst of
/// delayed events is not yet a recovery.
const LUMP: f64 = 2.0;

/// Samples of a running total.
#[derive(Debug)]
pub(super) struct Timeline {
    fault_at: Duration,
    well_at: Duration,
    /// The time of each sample, and how many events had arrived by then.
    looks: Vec<(Duration, u64)>,
}

impl Timeline {
    /// Creates an empty timeline for a fault that begins and ends at these times.
    pub(super) fn new(fault_at: Duration, well_at: Duration) -> Self {
        Self { fault_at, well_at, looks: Vec::new() }
    }

    pub(super) fn look(&mut self, now: Duration, arrived: u64) {
        self.looks.push((now, arrived));
    }

    /// Returns the events per second before the fault, leaving out the first quarter of that time.
    pub(super) fn before(&self) -> f64 {
        self.between(self.fault_at / 4, self.fault_at)
    }

    /// Returns the events per second during the fault.
    pub(super) fn during(&self) -> f64 {
        // The sample after the one in which the fault began is the first that lies wholly within the fault.
        self.between(self.fault_at, self.well_at)
    }

    /// Returns the time of each sample after the first, and the events per second since the one before.
    fn rates(&self) -> impl Iterator<Item = (Duration, f64)> {
        self.looks.windows(2).map(|w| {
            let seconds = (w[1].0 - w[0].0).as_secs_f64().max(1e-9);
            (w[1].0, w[1].1.saturating_sub(w[0].1) as f64 / seconds)
        })
    }

    /// Returns the throughput over time with the begin and the end of the fault and the recovery marked, to be shown.
    pub(super) fn shown(&self, name: String) -> results::Timeline {
        let recovered = self.recovery().map(|took| (self.well_at + took, "recovered"));
        let marks = [(self.fault_at, "fault"), (self.well_at, "end of fault")];
        let marks = marks.into_iter().chain(recovered);
        results::Timeline {
            name,
            unit: "/s".into(),
            seconds: self.rates().map(|r| r.0.as_secs_f64()).collect(),
            values: self.rates().map(|r| r.1).collect(),
            marks: marks.map(|(at, what)| (at.as_secs_f64(), what.to_owned())).collect(),
        }
    }

    fn between(&self, from: Duration, to: Duration) -> f64 {
        let within = |l: &&(Duration, u64)| l.0 >= from && l.0 <= to;
        let (first, last) = (self.looks.iter().find(within), self.looks.iter().rfind(within));
        let (Some(first), Some(last)) = (first, last) else { return 0.0 };
        let seconds = (last.0 - first.0).as_secs_f64();
        if seconds > 0.0 { last.1.saturating_sub(first.1) as f64 / seconds } else { 0.0 }
    }

    /// Returns by how many percent the throughput fell during the fault.
    pub(super) fn degraded_percent(&self) -> f64 {
        let before = self.before();
        if before > 0.0 { (1.0 - self.during() / before).max(0.0) * 100.0 } else { 0.0 }
    }

    /// Returns the time from the end of the fault to the first of several samples that together reach the earlier
    /// throughput, or `None` if that has not happened yet.
    pub(super) fn recovery(&self) -> Option<Duration> {
        let before = self.before();
        let after: Vec<_> = self.rates().filter(|r| r.0 > self.well_at).collect();
        let well = |w: &&[(Duration, f64)]| {
            let mean = w.iter().map(|r| r.1.min(before * LUMP)).sum::<f64>() / w.len() as f64;
            before > 0.0 && mean >= before * RECOVERED && w[0].1 > 0.0
        };
        Some(after.windows(IN_A_ROW).find(well)?[0].0 - self.well_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timeline with samples every 100 ms and a fault from 1 s to 2 s; `arrivals` gives how many events arrive
    /// between samples.
    fn timeline(arrivals: &[(u64, u64)]) -> Timeline {
        let mut timeline = Timeline::new(Duration::from_secs(1), Duration::from_secs(2));
        let (mut ms, mut total) = (0, 0);
        timeline.look(Duration::ZERO, 0);
        for (looks, each) in arrivals {
            for _ in 0..*looks {
                ms += 100;
                total += each;
                timeline.look(Duration::from_millis(ms), total);
            }
        }
        timeline
    }

    #[test]
    fn a_fault_that_halves_the_throughput_and_takes_a_while_to_pass() {
        let timeline = timeline(&[(10, 100), (10, 50), (4, 50), (10, 100)]);
        assert!((timeline.before() - 1000.0).abs() < 1e-6);
        assert!((timeline.during() - 500.0).abs() < 1e-6);
        assert!((timeline.degraded_percent() - 50.0).abs() < 1e-6);
        assert_eq!(timeline.recovery(), Some(Duration::from_millis(500)));
        let shown = timeline.shown("x".into());
        assert_eq!((shown.values.len(), shown.values[15]), (34, 500.0));
        let marks: Vec<_> = shown.marks.iter().map(|m| m.0).collect();
        assert_eq!(marks, [1.0, 2.0, 2.5]);
    }

    #[test]
    fn one_lump_is_no_recovery() {
        assert_eq!(timeline(&[(10, 100), (10, 0), (1, 5000), (5, 0)]).recovery(), None);
        let timeline = timeline(&[(10, 100), (10, 0), (1, 100), (1, 0), (2, 100)]);
        assert_eq!((timeline.degraded_percent(), timeline.recovery()), (100.0, None));
    }

    #[test]
    fn datagrams_that_come_in_lumps_are_as_good_as_before() {
        let steady = [(10, 100), (10, 0)];
        let lumps = (0..8).map(|i| (1, if i % 2 == 0 { 200 } else { 0 }));
        let arrivals: Vec<_> = steady.into_iter().chain(lumps).collect();
        assert_eq!(timeline(&arrivals).recovery(), Some(Duration::from_millis(100)));
    }

    #[test]
    fn nothing_at_all_has_not_recovered() {
        let timeline = timeline(&[(40, 0)]);
        assert_eq!((timeline.before(), timeline.degraded_percent()), (0.0, 0.0));
        assert_eq!(timeline.recovery(), None);
    }
}
