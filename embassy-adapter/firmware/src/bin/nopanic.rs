//! A proof that no record call can panic: this program links only if none of them reaches the panic handler, which
//! calls a function that does not exist. It is linked but never run.
//!
//! With the feature `flawed`, one of the calls can panic, and the program must not link.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;

// For its critical section.
use cortex_m as _;
use cortex_m_rt::entry;
use portable_atomic::AtomicU32;
use portable_atomic::Ordering::Relaxed;
use ringstat_core::chip::{Clock, PolicyRing, Stats};
use ringstat_core::event_ring;
use ringstat_core::instrument::{Counter, Gauge, Histogram};
use ringstat_core::policy::Policy;
use ringstat_core::record::{Priority, Recorder, Tag};

static COUNTER: Counter = Counter::new("counter");
static GAUGE: Gauge = Gauge::new("gauge");
static HISTOGRAM: Histogram<64> = Histogram::new("histogram");
static NEWEST: Stats<16, 4> =
    Stats::new(event_ring!(16), Clock::micros(clock)).critical(event_ring!(4));
static OLDEST: Stats<16> = Stats::new(event_ring!(16), Clock::micros(clock))
    .policy(Policy::DropOldest)
    .lanes(&[event_ring!(4)])
    .wake(8, woken);
static GRADED: PolicyRing<4> = PolicyRing::new(Policy::Graded(3));
static POLICIES: Stats<16> =
    Stats::new(event_ring!(16), Clock::micros(clock)).lanes(&[&GRADED]).wake(8, woken);
static NOW: AtomicU32 = AtomicU32::new(0);

fn clock() -> u64 {
    NOW.load(Relaxed).into()
}

fn woken() {
    NOW.store(0, Relaxed);
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn a_record_call_can_panic() -> !;
    }
    // SAFETY: the function does not exist, so a program that could call it is never linked.
    unsafe { a_record_call_can_panic() }
}

#[entry]
fn main() -> ! {
    loop {
        COUNTER.inc();
        COUNTER.add(black_box(2));
        GAUGE.set_int(black_box(-2));
        GAUGE.set(black_box(2.0));
        GAUGE.add(black_box(2.0));
        HISTOGRAM.record(black_box(2));
        HISTOGRAM.record_duration(black_box(Duration::MAX));
        records(black_box(&NEWEST));
        records(black_box(&OLDEST));
        record(&black_box(&POLICIES).by_policy(&GRADED));
        #[cfg(feature = "flawed")]
        black_box([1, 2, 3][black_box(3)]);
    }
}

fn records<const C: usize>(stats: &Stats<16, C>) {
    record(stats);
    record(&stats.lane(black_box(0)));
}

fn record(stats: &impl Recorder) {
    let (name, tags, text) =
        (black_box("name"), black_box(&[("a", "b")] as &[Tag]), black_box("text"));
    black_box(stats.count(name, black_box(1u64)).tags(tags).record());
    black_box(stats.level(name, black_box(1.0)).tag(text, text).tag(text, text).record());
    black_box(stats.level(name, black_box(1.0f32)).at(black_box(5)).record());
    black_box(stats.timing(name, black_box(Duration::MAX)).sampled(black_box(9)).record());
    black_box(stats.distribution(name, black_box(-1i64)).record());
    black_box(stats.set(name, black_box(1u32)).record());
    black_box(stats.event(name).text(text).priority(Priority::Critical).record());
}
