//! Threads with something to do, so that several record at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ringstat_std::{Client, Counter, Histogram, Instrument, Priority, Recorder, Unit};

/// How many threads there are.
pub(crate) const THREADS: usize = 4;

/// Pieces of work done: a total that the collector must have, too.
pub(crate) static TASKS: Counter = Counter::new("demo.tasks").tags(&[("source", "workload")]);
static TASK_TIME: Histogram =
    Histogram::new("demo.task.time").tags(&[("source", "workload")]).unit(Unit::Nanoseconds);

/// A critical event: delivered whatever the network does.
pub(crate) const ALARM: &str = "demo.alarm";

/// What the threads record on besides events.
pub(crate) static INSTRUMENTS: &[&dyn Instrument] = &[&TASKS, &TASK_TIME];

/// Does small pieces of work until it is to stop, and records each: two instruments, and two events. Every hundredth
/// raises an alarm. Returns how many there were that were not refused.
pub(crate) fn work(client: &Client, thread: usize, stop: &AtomicBool) -> u64 {
    /// A breath between two pieces, so that the demo does not warm the room.
    const REST: Duration = Duration::from_millis(2);
    let worker = thread.to_string();
    let mut seed = thread as u64 + 1;
    let mut data = vec![0u64; 4096];
    let (mut pieces, mut alarms) = (0u64, 0);
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        for value in &mut data {
            // The generator of Steele, Lea and Flood; any numbers will do.
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
        // How late this machine wakes a thread that slept.
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
