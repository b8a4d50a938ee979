//! The desk's own benchmarks: the few operations whose speed users notice, short enough to run many times.
//!
//! Each benchmark checks that its operations did what they should, because a no-op is fast but wrong. `perf peers`
//! compares with peers; the Criterion benches are more thorough.

mod client;
mod path;
mod ring;
mod scrape;
mod shards;
mod wire;

use std::time::{Duration, Instant};

use crate::failure::{Exit, Failure};
use crate::results::Metric;

/// A benchmark, whose name is the first word of its metrics' names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Benchmark {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether it takes so long that a comparison runs it only when it is named.
    pub(crate) slow: bool,
    run: Function,
}

/// The error when operations did not do what they should.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Wrong(pub(crate) String);

impl<E: std::error::Error> From<E> for Wrong {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// How much time to spend on a benchmark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Effort {
    /// The number of samples of each number.
    pub(crate) samples: usize,
    /// The approximate time that one sample takes.
    pub(crate) sample_time: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self { samples: 20, sample_time: Duration::from_millis(5) }
    }
}

type Function = fn(&Effort) -> Result<Vec<Metric>, Wrong>;

const fn quick(name: &'static str, what: &'static str, run: Function) -> Benchmark {
    Benchmark { name, what, slow: false, run }
}

const fn slow(name: &'static str, what: &'static str, run: Function) -> Benchmark {
    Benchmark { name, what, slow: true, run }
}

/// The percentiles reported for calls that are timed one by one.
const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999)];

/// All benchmarks.
pub(crate) const ALL: [Benchmark; 10] = [
    quick("record", "an event with 3 tags, while the ring is drained", client::record),
    quick("counter", "adding 1 to a static counter", client::counter),
    quick("histogram", "recording on a static histogram", client::histogram),
    quick("spsc", "a 64 B item through a ring, one thread", ring::spsc),
    quick("encode", "an event of the corpus, native format", wire::encode),
    quick("decode", "an event of the corpus, native format", wire::decode),
    quick("collect", "an event decoded and stored", wire::collect),
    slow("shards", "events from memory, into two shards", shards::shards),
    slow("scrape", "a million series scraped while events arrive", scrape::scrape),
    quick("path", "record, loopback UDP, collector, no loss", path::path),
];

/// Sends events through client, loopback and collector, none of which may be lost, and returns events per second.
pub(crate) fn delivered(events: u64) -> Result<f64, Wrong> {
    path::once(events)
}

/// Returns the events of the corpus.
pub(crate) fn corpus() -> Result<Vec<ringstat_core::record::Event>, Wrong> {
    wire::corpus()
}

/// Returns the corpus as datagrams of ringstat's format.
pub(crate) fn datagrams() -> Result<Vec<Vec<u8>>, Wrong> {
    wire::datagrams()
}

/// Returns a function that encodes the corpus each time it is called, and returns the number of events.
pub(crate) fn encoder() -> Result<impl FnMut() -> u64, Wrong> {
    wire::encoder()
}

/// Returns the benchmarks whose names contain one of `filters`, or all of them without filters.
pub(crate) fn selection(filters: &[String]) -> Result<Vec<Benchmark>, Failure> {
    let wanted =
        |b: &&Benchmark| filters.is_empty() || filters.iter().any(|f| b.name.contains(f.as_str()));
    let chosen: Vec<_> = ALL.iter().filter(wanted).copied().collect();
    if chosen.is_empty() {
        let names: Vec<_> = ALL.iter().map(|b| b.name).collect();
        return Err(Failure::new(Exit::Usage, format_args!("no benchmark matches {filters:?}"))
            .hint(format_args!("The benchmarks are: {}.", names.join(", "))));
    }
    Ok(chosen)
}

impl Benchmark {
    pub(crate) fn run(&self, effort: &Effort) -> Result<Vec<Metric>, Failure> {
        (self.run)(effort).map_err(|Wrong(what)| {
            Failure::new(Exit::Verdict, format_args!("{}: {what}", self.name))
                .hint("The operation does not do what it should, so its speed means nothing.")
        })
    }
}

/// Times `operation`, which does `times` things per call, and returns nanoseconds per thing for each sample. Calls it
/// as often as a sample's time allows; the first sample only warms up.
fn time(effort: &Effort, times: u64, mut operation: impl FnMut()) -> Vec<f64> {
    let begun = Instant::now();
    operation();
    let once = begun.elapsed().max(Duration::from_nanos(1));
    let calls = (effort.sample_time.as_nanos() / once.as_nanos()).clamp(1, 1 << 30) as u64;
    let mut sample = || {
        let begun = Instant::now();
        (0..calls).for_each(|_| operation());
        begun.elapsed().as_nanos() as f64 / (calls * times) as f64
    };
    sample();
    (0..effort.samples).map(|_| sample()).collect()
}

/// Returns an error with the text of `what` unless `condition` holds.
pub(crate) fn check(condition: bool, what: impl FnOnce() -> String) -> Result<(), Wrong> {
    if condition { Ok(()) } else { Err(Wrong(what())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_checks_itself_and_names_its_numbers_after_itself() {
        let effort = Effort { samples: 2, sample_time: Duration::from_micros(100) };
        // Those of the collector under load take minutes unless they are optimized.
        for benchmark in ALL.iter().filter(|b| !b.slow) {
            let metrics = benchmark.run(&effort).unwrap();
            assert!(!metrics.is_empty());
            for metric in metrics {
                assert_eq!(metric.name.split('.').next(), Some(benchmark.name));
                assert!(metric.value.is_finite() && metric.value >= 0.0, "{metric:?}");
            }
        }
    }

    #[test]
    fn a_selection_that_selects_nothing_is_an_error() {
        let names = |filters: &[&str]| -> Vec<&str> {
            let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
            selection(&filters).map(|s| s.iter().map(|b| b.name).collect()).unwrap_or_default()
        };
        assert_eq!(names(&[]).len(), ALL.len());
        assert_eq!(names(&["code"]), ["encode", "decode"]);
        assert_eq!(names(&["nothing"]), [""; 0]);
    }
}
