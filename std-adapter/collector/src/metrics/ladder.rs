//! How distributions are shown on the page, and the bounds of the buckets.

use ringstat_core::instrument::Unit;
use serde::{Deserialize, Serialize};

/// How timings, distributions and histogram instruments are shown on the page of `/metrics`.
///
/// ```
/// use ringstat_collector::{Distributions, ServerConfig};
///
/// let config = ServerConfig { distributions: Distributions::Summaries, ..ServerConfig::default() };
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distributions {
    /// As histograms, which can be added up over senders and are read by `histogram_quantile`. The unit determines the
    /// buckets:
    ///
    /// | unit | upper bounds |
    /// |---|---|
    /// | a time, in seconds | 100 µs to 100 s, in steps of 1, 2.5, 5 |
    /// | bytes | 64 to 1 GiB, in steps of 4 |
    /// | percent | 1, 5, 10, 25, 50, 75, 90, 95, 99, 100 |
    /// | none | 0.001 to 10 000 000, in steps of 1, 2.5, 5 |
    ///
    /// The collector keeps the values of events to within 3.2 %, and those of a histogram instrument to within the error of
    /// its layout. A value that is closer to a bound than that may be counted on the other side of it. Between two bounds,
    /// a quantile is as exact as the interpolation of `histogram_quantile`.
    #[default]
    Histograms,
    /// As summaries with the quantiles 0.5, 0.9, 0.99 and 0.999, which cannot be added up over senders. They are of the last
    /// four to five minutes: there are none if nothing has come since. `_sum` and `_count` are of all time, as ever.
    ///
    /// The window is not kept on disk. A worker of a fleet keeps none: its quantiles are of all that it has seen.
    Summaries,
}

/// The upper bounds of the buckets for values of a unit, without that of the last bucket, which is infinite.
pub(super) const fn ladder(unit: Unit) -> &'static [f64] {
    match unit {
        Unit::Nanoseconds | Unit::Microseconds | Unit::Milliseconds | Unit::Seconds => &[
            0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
            2.5, 5.0, 10.0, 25.0, 50.0, 100.0,
        ],
        Unit::Bytes => &[
            64.0,
            256.0,
            1024.0,
            4096.0,
            16384.0,
            65536.0,
            262144.0,
            1048576.0,
            4194304.0,
            16777216.0,
            67108864.0,
            268435456.0,
            1073741824.0,
        ],
        Unit::Percent => &[1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 100.0],
        Unit::None => &[
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0,
            50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4, 1e5, 2.5e5, 5e5, 1e6,
            2.5e6, 5e6, 1e7,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ladder_rises() {
        for unit in [Unit::None, Unit::Bytes, Unit::Percent, Unit::Seconds] {
            assert!(ladder(unit).is_sorted_by(|a, b| a < b), "{unit:?}");
        }
    }
}
