//! A ring alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use ringstat_core::ring::Slot;
use ringstat_core::ring::spsc::Ring;

use super::{Effort, Wrong, check, time};
use crate::results::Metric;

/// Items pushed before they are popped.
const ROW: u64 = 512;
/// Rows in a sample of pushes alone.
const ROWS: u64 = 100;

/// Measures `spsc.ns`, the push and pop of one item, and `spsc.push`, pushes per second alone.
pub(super) fn spsc(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let mut ring: Box<Ring<[u64; 8], [Slot<[u64; 8]>; 1024]>> = Box::default();
    let (mut producer, mut consumer) = ring.split();
    let (mut pushed, mut popped) = (0u64, 0u64);
    let samples = time(effort, ROW, || {
        for i in 0..ROW {
            pushed += u64::from(producer.push(black_box([i; 8])).is_ok()) * i;
        }
        while let Some(item) = consumer.pop() {
            popped += black_box(item)[7];
        }
    });
    let mut rates = Vec::new();
    for sample in 0..=effort.samples {
        let mut taken = Duration::ZERO;
        for _ in 0..ROWS {
            let begun = Instant::now();
            for i in 0..ROW {
                pushed += u64::from(producer.push(black_box([i; 8])).is_ok()) * i;
            }
            taken += begun.elapsed();
            while let Some(item) = consumer.pop() {
                popped += black_box(item)[7];
            }
        }
        // The first sample warms up.
        if sample > 0 {
            rates.push((ROW * ROWS) as f64 / taken.as_secs_f64().max(1e-9));
        }
    }
    check(pushed == popped && pushed > 0, || format!("{pushed} went in, {popped} came out"))?;
    Ok(vec![Metric::new("spsc.ns", "ns", samples), Metric::new("spsc.push", "/s", rates)])
}
