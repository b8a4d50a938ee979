//! What another receiving thread is worth: datagrams from memory, into one shard and into two.

use std::thread;
use std::time::Instant;

use ringstat_benches::corpus::renumber;
use ringstat_collector::{Collector, Limits, shard_of};

use super::{Effort, Wrong, check, wire};
use crate::results::Metric;

/// Datagrams that a shard takes for a sample.
const DATAGRAMS: usize = 20_000;

/// A shard, and the datagrams of a sender that belongs to it.
struct Lane {
    collector: Collector,
    datagrams: Vec<Vec<u8>>,
    next: u32,
}

impl Lane {
    /// Renumbers the datagrams, and takes them `passes` times. Returns nanoseconds without the renumbering.
    fn take(&mut self, passes: usize) -> u128 {
        (0..passes).fold(0, |taken, _| {
            renumber(&mut self.datagrams, &mut self.next);
            let begun = Instant::now();
            for datagram in &self.datagrams {
                let _ = self.collector.receive(datagram, 0);
            }
            taken + begun.elapsed().as_nanos()
        })
    }
}

/// `shards.one` and `shards.two`: events a second, decoded and stored where their series are known, in one shard and in
/// two at the same time. `shards.ratio`: how many times as many. `shards.ns` for each event in one.
pub(super) fn shards(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let datagrams = wire::datagrams()?;
    let events = wire::corpus()?.len() as f64;
    let passes =
        (DATAGRAMS / datagrams.len() * effort.sample_time.as_micros() as usize / 5000).max(1);
    let mut lanes = Vec::new();
    for (shard, collector) in Collector::shards(Limits::default(), 2).into_iter().enumerate() {
        let mut datagrams = datagrams.clone();
        let mut sender = 1u64;
        while shard_of(&datagrams[0], None, 2) != shard {
            sender += 1;
            datagrams.iter_mut().for_each(|d| d[4..12].copy_from_slice(&sender.to_le_bytes()));
        }
        lanes.push(Lane { collector, datagrams, next: 0 });
    }
    let [first, second] = &mut lanes[..] else { return Err(Wrong("not two shards".into())) };
    let mut samples = [const { Vec::new() }; 4];
    for sample in 0..=effort.samples {
        let alone = first.take(passes) as f64;
        let both = thread::scope(|scope| {
            let other = scope.spawn(|| second.take(passes));
            let one = first.take(passes);
            other.join().map(|two| one.max(two) as f64)
        });
        let both = both.map_err(|_| Wrong("a shard panicked".into()))?;
        let stored = events * passes as f64;
        // The first makes the series.
        if sample > 0 {
            let [one, two] = [stored / alone, 2.0 * stored / both];
            for (of, value) in
                samples.iter_mut().zip([one * 1e9, two * 1e9, two / one, alone / stored])
            {
                of.push(value);
            }
        }
    }
    let stored: u64 = lanes.iter().map(|lane| lane.collector.counts().stored).sum();
    let expected = 3 * (effort.samples + 1) as u64 * passes as u64 * events as u64;
    check(stored == expected, || format!("{stored} of {expected} were stored"))?;
    let [one, two, ratio, ns] = samples;
    Ok(vec![
        Metric::new("shards.one", "/s", one),
        Metric::new("shards.two", "/s", two),
        Metric::new("shards.ratio", "x", ratio),
        Metric::new("shards.ns", "ns", ns),
    ])
}
