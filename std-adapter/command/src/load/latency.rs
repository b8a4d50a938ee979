//! Latencies: histograms with two significant digits, and the percentiles that a report shows.

use hdrhistogram::Histogram;

/// Longer times count as this long.
const LONGEST_NS: u64 = 60_000_000_000;

/// A histogram of nanoseconds, to within one percent.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u32>);

/// The percentiles that a report shows, in nanoseconds.
#[derive(serde::Serialize, Clone, Copy, PartialEq, Default, Debug)]
pub(crate) struct Percentiles {
    pub(crate) samples: u64,
    pub(crate) mean: f64,
    pub(crate) p50: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Latencies {
    /// Takes 15 KiB, all of it touched at once, so that memory does not seem to grow during a run.
    pub(crate) fn new() -> Self {
        // The bounds are constants that the crate accepts; otherwise the first test would fail.
        let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, 2)
            .unwrap_or_else(|_| Histogram::new(2).expect("two digits are allowed"));
        histogram.saturating_record(LONGEST_NS);
        histogram.reset();
        Self(histogram)
    }

    pub(crate) fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns.clamp(1, LONGEST_NS));
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same bounds, so every value of one fits the other.
        let _ = self.0.add(&other.0);
    }

    /// `None` if nothing was measured.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        if self.0.is_empty() {
            return None;
        }
        let at = |q| self.0.value_at_quantile(q);
        Some(Percentiles {
            samples: self.0.len(),
            mean: self.0.mean(),
            p50: at(0.5),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max(),
        })
    }
}

/// Formats a time for people, with three digits and a unit.
pub(crate) fn show(ns: u64) -> String {
    let ns = ns as f64;
    let (value, unit) = match ns {
        n if n < 1e3 => (n, "ns"),
        n if n < 1e6 => (n / 1e3, "µs"),
        n if n < 1e9 => (n / 1e6, "ms"),
        n => (n / 1e9, "s"),
    };
    let digits = if value >= 100.0 || unit == "ns" {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_one_percent() {
        let mut latencies = Latencies::new();
        assert_eq!(latencies.percentiles(), None);
        (1..=100_000u64).for_each(|ns| latencies.record(ns));
        let p = latencies.percentiles().unwrap();
        assert_eq!(p.samples, 100_000);
        for (is, should) in [(p.p50, 50_000), (p.p95, 95_000), (p.p99, 99_000), (p.p999, 99_900)] {
            assert!(is.abs_diff(should) <= should / 100, "{is} {should}");
        }
    }

    #[test]
    fn what_is_out_of_bounds_counts_at_the_bound() {
        let mut latencies = Latencies::new();
        latencies.record(0);
        latencies.record(u64::MAX);
        let mut sum = Latencies::new();
        sum.merge(&latencies);
        let p = sum.percentiles().unwrap();
        assert_eq!((p.samples, p.p50), (2, 1));
        assert!(p.max >= LONGEST_NS);
    }

    #[test]
    fn numbers_are_shown_with_a_unit_that_fits() {
        let shown = [7, 1500, 23_456, 1_500_000, 250_000_000, 2_000_000_000].map(show);
        assert_eq!(shown, ["7 ns", "1.50 µs", "23.5 µs", "1.50 ms", "250 ms", "2.00 s"]);
    }
}
