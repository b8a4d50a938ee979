//! Threads with work to do, so that several record at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringstat_std::{Client, Counter, Histogram, Instrument, Priority, Recorder, Unit};

/// The number of threads.
pub(crate) const THREADS: usize = 4;

/// Pieces of work done. The collector must arrive at the same total.
pub(crate) static TASKS: Counter = Counter::new("demo.tasks").tags(&[("source", "workload")]);
static TASK_TIME: Histogram =
    Histogram::new("demo.task.time").tags(&[("source", "workload")]).unit(Unit::Nanoseconds);

/// A critical event, which is delivered whatever the network does.
pub(crate) const ALARM: &str = "demo.alarm";

/// The instruments that the threads record on.
pub(crate) static INSTRUMENTS: &[&dyn Instrument] = &[&TASKS, &TASK_TIME];

/// Does small pieces of work until `stop` is set, and records each with two instruments and two events. Every hundredth
/// raises an alarm. Returns the number of alarms that were not refused.
pub(crate) fn work(client: &Client, thread: usize, stop: &AtomicBool) -> u64 {
    /// The pause between two pieces, so that the demo causes little load.
    const REST: Duration = Duration::from_millis(2);
    let worker = thread.to_string();
    let mut seed = thread as u64 + 1;
    let mut data = vec![0u64; 4096];
    let (mut pieces, mut alarms) = (0u64, 0);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        for value in &mut data {
            // The SplitMix generator of Steele, Lea and Flood; any numbers will do.
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            *value = (seed ^ seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        }
        data.sort_unstable();
        let took = begun.elapsed();
        TASKS.inc();
        TASK_TIME.record_duration(took);
        client.timing("demo.task", took).tag("worker", &worker).record();
        let rest = Instant::now();
        std::thread::sleep(REST);
        // How late this machine woke the thread.
        let late = rest.elapsed().saturating_sub(REST);
        let priority = if late > REST { Priority::High } else { Priority::Low };
        client.distribution("demo.wakeup.late", late).priority(priority).record();
        pieces += 1;
        if pieces.is_multiple_of(100) {
            let alarm = client.event(ALARM).priority(Priority::Critical).record();
            alarms += u64::from(alarm.is_recorded());
        }
    }
    alarms
}
