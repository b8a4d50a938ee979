//! The program's one task that sends: what a static needs to wake it, and what it shows of its account.

use core::cell::Cell;

use embassy_net::Stack;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Timer, with_timeout};
use ringstat_core::chip::{EventRing, Stats};
use ringstat_core::record::Resolve;
use ringstat_core::send::Totals;

use crate::client::Client;
use crate::clock::CLOCK;
use crate::config::TaskConfig;
use crate::route::Route;

/// Signals that a batch waits. There is one task per program, and so one signal.
pub(crate) static WAKE: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// Sends everything that waits at once, and waits until all of it has arrived, but no longer than `within`: before a
/// sleep or a reset. Returns whether it has. The task must be running.
///
/// ```
/// use embassy_time::Duration;
/// use ringstat_embassy::prelude::*;
///
/// static STATS: Stats<64> = ringstat_embassy::stats(event_ring!(64));
///
/// async fn sleep_deeply() {
///     if !ringstat_embassy::flush(&STATS, Duration::from_millis(500)).await {
///         // The network was too slow, or the collector is away: what waits is in the ring as long as there is power.
///     }
///     // Power down here.
/// }
/// ```
pub async fn flush<const N: usize, const C: usize, M: Resolve>(
    stats: &Stats<N, C, M>,
    within: Duration,
) -> bool {
    stats.flush();
    let arrived = async {
        while stats.waiting() > 0 || totals().in_flight() + totals().unconfirmed > 0 {
            Timer::after(LOOK).await;
        }
    };
    with_timeout(within, arrived).await.is_ok()
}

/// How often [`flush`] looks.
const LOOK: Duration = Duration::from_millis(5);

/// The sender's account as of the task's last round.
static TOTALS: Mutex<CriticalSectionRawMutex, Cell<Totals>> = Mutex::new(Cell::new(Totals::NONE));

/// Creates a [`Stats`] over `ring`, for a `static`, with this chip's clock. The task is woken when the ring is half full.
///
/// ```
/// use ringstat_embassy::prelude::*;
///
/// static STATS: Stats<64, 8> = ringstat_embassy::stats(event_ring!(64)).critical(event_ring!(8));
///
/// // Anywhere, interrupts included:
/// STATS.level("board.celsius", 21i32).record();
/// STATS.event("fuse.blown").priority(Priority::Critical).record();
/// assert_eq!(STATS.waiting(), 2);
/// ```
#[must_use]
pub const fn stats<const N: usize>(ring: &'static EventRing<N>) -> Stats<N> {
    Stats::new(ring, CLOCK).wake(N.div_ceil(2), wake)
}

/// Wakes the task; for use with [`Stats::wake`]. Safe to call from interrupts; masks them for a few instructions.
pub fn wake() {
    WAKE.signal(());
}

/// The sender's account as of the task's last round. [`Stats::account`] turns it into the ledger of the whole client.
#[must_use]
pub fn totals() -> Totals {
    TOTALS.lock(Cell::get)
}

/// Shows the account to [`totals`].
pub(crate) fn publish(now: &Totals) {
    TOTALS.lock(|totals| totals.set(*now));
}

/// Sends what `stats` records, for ever. A program can run one such task. To stop it for a while, use a [`Client`].
///
/// The types of `stats` and `config` determine all sizes: one buffer of a datagram, the tables of names, and room for as
/// many critical events as their ring holds. All of that is part of the future, and so of the task's static memory.
///
/// ```
/// use embassy_net::{IpAddress, Stack};
/// use ringstat_embassy::prelude::*;
///
/// static STATS: Stats<64> = ringstat_embassy::stats(event_ring!(64));
///
/// // #[embassy_executor::task]
/// async fn metrics(stack: Stack<'static>, epoch: Epoch) -> ! {
///     let collector = (IpAddress::v4(192, 168, 0, 2), 8125);
///     ringstat_embassy::run(stack, &STATS, TaskConfig::new(collector, 0xC0FFEE, epoch)).await
/// }
/// ```
pub async fn run<const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, R>(
    stack: Stack<'_>,
    stats: &Stats<N, C, M>,
    config: TaskConfig<PAYLOAD, NAMES, R>,
) -> !
where
    M: Resolve,
    R: Route,
{
    Client::new(stats, config).run(stack).await
}
