//! The full configuration, and each of its options by itself.

use core::hint::black_box;

use embassy_net::Stack;
use ringstat_core::chip::Stats;
use ringstat_core::event_ring;
use ringstat_core::instrument::{Histogram, Instrument};
use ringstat_core::record::{Priority, Recorder};
use ringstat_core::send::Epoch;
use ringstat_embassy::TaskConfig;

use crate::with::{LEVEL, TICKS};

static WORK: Histogram<64> = Histogram::new("board.work");
static INSTRUMENTS: [&dyn Instrument; 3] = [&TICKS, &LEVEL, &WORK];

/// What all have in common.
macro_rules! stats {
    () => {
        ringstat_embassy::stats(event_ring!(16)).instruments(&INSTRUMENTS)
    };
}

#[cfg(not(any(
    feature = "with-lane",
    feature = "with-latency",
    feature = "with-names",
    feature = "with-policy",
    feature = "with-tags",
    feature = "without-critical"
)))]
static STATS: Stats<16, 4> = stats!().critical(event_ring!(4));

#[cfg(feature = "without-critical")]
static STATS: Stats<16> = stats!();

#[cfg(feature = "with-lane")]
static STATS: Stats<16, 4> = stats!().lanes(&[event_ring!(4)]).critical(event_ring!(4));

#[cfg(feature = "with-latency")]
static LATENCY: Histogram<64> = Histogram::new("latency");
#[cfg(feature = "with-latency")]
static STATS: Stats<16, 4> = stats!().critical(event_ring!(4)).latency(&LATENCY);

#[cfg(feature = "with-policy")]
static GRADED: ringstat_core::chip::PolicyRing<4> =
    ringstat_core::chip::PolicyRing::new(ringstat_core::policy::Policy::Graded(10));
#[cfg(feature = "with-policy")]
static STATS: Stats<16, 4> = stats!().lanes(&[&GRADED]).critical(event_ring!(4));

#[cfg(feature = "with-tags")]
static TAGS: ringstat_core::record::TagMemory<8> = ringstat_core::record::TagMemory::new();
#[cfg(feature = "with-tags")]
static STATS: Stats<16, 4, &ringstat_core::record::TagMemory<8>> =
    stats!().critical(event_ring!(4)).tag_memory(&TAGS);

#[cfg(feature = "with-names")]
static NAMES: ringstat_core::record::Interner<8, 128> = ringstat_core::record::Interner::new();
#[cfg(feature = "with-names")]
static STATS: Stats<16, 4, &ringstat_core::record::Interner<8, 128>> =
    stats!().critical(event_ring!(4)).names(&NAMES);

#[cfg(feature = "with-retained")]
#[unsafe(link_section = ".uninit.ringstat")]
static RETAINED: ringstat_core::send::Retained<4> = ringstat_core::send::Retained::new();

pub(crate) fn record(n: u32) {
    LEVEL.set([21.5, 22.25][n as usize % 2]);
    WORK.record(n.into());
    STATS.count("work", n).tags(&[("stage", "one")]).tag("line", "2").record();
    if n % 10 == 0 {
        STATS.event("alarm").text("too hot").priority(Priority::Critical).record();
    }
    option(n);
}

/// What the option adds to the calls.
fn option(n: u32) {
    #[cfg(feature = "with-policy")]
    STATS.by_policy(&GRADED).count("graded", n).record();
    #[cfg(feature = "with-lane")]
    STATS.lane(0).count("lane", n).record();
    #[cfg(feature = "with-names")]
    if let Ok(name) = NAMES.intern(if n % 2 == 0 { "even" } else { "odd" }) {
        STATS.count(name, n).record();
    }
    #[cfg(feature = "with-flush")]
    if n == 50 {
        STATS.flush();
    }
    #[cfg(feature = "with-snapshot")]
    if n == 50 {
        use ringstat_core::observe::{HealthLimits, HealthWindow};
        let mut recent: HealthWindow<2> = HealthWindow::new();
        let totals = ringstat_embassy::totals();
        let snapshot = STATS.snapshot(&totals, &mut recent, &HealthLimits::DEFAULT);
        black_box(snapshot.ledger.sent + snapshot.health.grade() as u64 + snapshot.latency.total.p99);
    }
    black_box(n);
}

#[embassy_executor::task]
pub(crate) async fn metrics(stack: Stack<'static>) -> ! {
    let config = TaskConfig::new(crate::OTHER, 1, Epoch::unknown());
    #[cfg(not(feature = "with-receipts"))]
    let config = config.without_receipts();
    #[cfg(feature = "with-shutdown")]
    {
        let mut client = ringstat_embassy::Client::new(&STATS, config);
        loop {
            let pause = embassy_time::Timer::after_millis(500);
            embassy_futures::select::select(client.run(stack), pause).await;
            let within = embassy_time::Duration::from_millis(10);
            black_box(client.shutdown(stack, within).await.sent);
        }
    }
    #[cfg(feature = "with-retained")]
    {
        ringstat_embassy::Client::retaining(&STATS, config, &RETAINED).run(stack).await
    }
    #[cfg(not(any(feature = "with-retained", feature = "with-shutdown")))]
    ringstat_embassy::run(stack, &STATS, config).await
}
