//! The value of a line, put into its series.

use super::LineSink;
use crate::intake::MemberKey;
use crate::memory::Room;
use crate::series::Data;
use crate::statsd::{Metric, Sample};
use crate::store::Series;

/// What the sign of a gauge's value means in a line of StatsD.
///
/// For Etsy's server, Telegraf and others, `+3` and `-3` change a gauge, and only a value without a sign sets it. For
/// the Datadog agent, the sign is that of the value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum GaugeSign {
    /// A change, except for a minus in a line with parts that only DogStatsD has: tags behind `|#`, a container, a time.
    #[default]
    ByLine,
    /// A change, always.
    Change,
    /// The sign of the value, always.
    Value,
}

/// What is needed to put a value into its series.
pub(super) struct Apply<'l, 'r, 'b> {
    pub(super) sink: &'l mut LineSink,
    pub(super) members: &'l MemberKey,
    pub(super) room: &'r mut Room<'b>,
    /// Whether the series adds up those of several senders.
    pub(super) of_any: bool,
}

impl Apply<'_, '_, '_> {
    /// Puts a value into its series. Returns whether it could.
    #[inline]
    pub(super) fn sample(
        self,
        series: &mut Series,
        metric: &Metric<'_>,
        sample: &Sample<'_>,
    ) -> bool {
        let Sample { value, rate, text, .. } = *sample;
        series.scaled |= rate < 1.0;
        match &mut series.data {
            Data::Counter(counter) if self.of_any => counter.add_of_any(value * times(rate)),
            Data::Counter(counter) => counter.add(RUN, value * times(rate)),
            Data::Gauge(gauge) => {
                if self.is_change(metric, text) {
                    gauge.change(value);
                } else {
                    gauge.set(metric.time_s, value);
                }
                true
            }
            Data::Distribution(distribution) => {
                let weight = self.sink.weight(rate);
                distribution.add(value, weight, self.room)
            }
            Data::Set(set) => {
                set.add(self.members.hash(text.as_bytes()), self.room);
                series.scaled = !set.is_exact();
                true
            }
            // No line has values of that kind.
            Data::Event { .. } | Data::Passed => false,
        }
    }

    /// Whether the value of a gauge is to be added to the one before.
    fn is_change(&self, metric: &Metric<'_>, text: &str) -> bool {
        match (self.sink.gauges, text.as_bytes().first()) {
            (GaugeSign::Value, _) => false,
            (GaugeSign::Change, sign) => matches!(sign, Some(b'+' | b'-')),
            (GaugeSign::ByLine, sign) => {
                sign == Some(&b'+') || (sign == Some(&b'-') && !metric.is_dogstatsd)
            }
        }
    }
}

impl LineSink {
    /// The number of samples that one of that rate stands for. What is left over of one counts for the next, so that the
    /// sum is right.
    #[inline]
    fn weight(&mut self, rate: f64) -> u32 {
        if rate >= 1.0 {
            return 1;
        }
        let exact = times(rate) + self.left;
        let whole = exact.floor();
        self.left = exact - whole;
        whole as u32
    }
}

/// Lines have no runs: what they count goes on for ever.
const RUN: u32 = 0;

/// How many events one of that rate stands for. Clients that send every third say `@0.3333`, and mean three.
#[inline]
fn times(rate: f64) -> f64 {
    /// So near to a whole number, it is one.
    const NEAR: f64 = 1e-3;
    if rate >= 1.0 {
        return 1.0;
    }
    let exact = rate.recip();
    let whole = exact.round();
    if (exact - whole).abs() < NEAR { whole } else { exact }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up() {
        assert_eq!([1.0, 0.1, 0.5, 0.333_333, 0.142_857].map(times), [1.0, 10.0, 2.0, 3.0, 7.0]);
        let mut lines = LineSink::new(GaugeSign::ByLine);
        for (rate, expected) in [(0.1, 10_000), (0.3, 3_333), (0.7, 1_428)] {
            let sum: u32 = (0..1000).map(|_| lines.weight(rate)).sum();
            assert!(sum.abs_diff(expected) <= 1, "{sum} at {rate}");
        }
        assert_eq!(lines.weight(1.0), 1);
    }
}
