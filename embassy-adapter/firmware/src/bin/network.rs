//! Tasks and a timer interrupt record, and the adapter's task sends to a collector over Ethernet. At the end the chip
//! prints its ledger.
//!
//! Arguments, all of them optional: `to=IP:PORT`, `ip=IP/BITS` (DHCP without it), `gateway=IP`, `sender=N`,
//! `epoch=N`, `events=N`, `critical=N`, `pace=MICROSECONDS` between two records of a task, `pause=MILLISECONDS` after
//! half of them, `keep=1` to keep critical events until they are acknowledged, however long that takes.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration as Took;

use cortex_m_rt::entry;
use embassy_executor::Spawner;
use embassy_net::{Config as NetConfig, Ipv4Cidr, Stack, StaticConfigV4};
use embassy_time::{Duration, Instant, Timer};
use portable_atomic::{AtomicU32, Ordering};
use ringstat_core::chip::Stats;
use ringstat_core::event_ring;
use ringstat_core::instrument::{Counter, Gauge, Histogram, Instrument};
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Priority, Recorder, Tag};
use ringstat_core::send::Epoch;
use ringstat_embassy::{TaskConfig, totals};
use ringstat_firmware::host::{self, Args};
use ringstat_firmware::report::Report;
use ringstat_firmware::{board, network, run};
use static_cell::StaticCell;

static FROM_TASK: [Tag; 1] = [("from", "task")];
static FROM_INTERRUPT: [Tag; 1] = [("from", "interrupt")];
static REQUESTS: Counter = Counter::new("requests");
static TICKS: Counter = Counter::new("board.ticks");
static LEVEL: Gauge = Gauge::new("board.level");
static WORK: Histogram = Histogram::new("board.work");
static INSTRUMENTS: [&dyn Instrument; 4] = [&REQUESTS, &TICKS, &LEVEL, &WORK];
/// As large as in README.
static STATS: Stats<64, 8> = ringstat_embassy::stats(event_ring!(64))
    .critical(event_ring!(8))
    .instruments(&INSTRUMENTS)
    .lanes(&[event_ring!(16)]);

/// The lane of the interrupt.
const INTERRUPT: usize = 0;
/// How many alarms may wait for their acknowledgement before the program waits, too.
const UNACKNOWLEDGED: u64 = 8;
/// Records of the interrupt that are still to be made.
static TO_TICK: AtomicU32 = AtomicU32::new(0);
/// The time between two of them: a millisecond.
const TICK: u32 = board::TICKS_PER_SECOND / 1000;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    host::panicked(info)
}

#[entry]
fn main() -> ! {
    run::run(|spawner| {
        spawner.spawn(start(spawner).unwrap());
    })
}

#[embassy_executor::task]
async fn start(spawner: Spawner) {
    static ARGS: StaticCell<Args> = StaticCell::new();
    let args = ARGS.init(Args::read());
    let (sender, epoch) = (args.parse("sender", 1), args.parse("epoch", 1));
    let seed = sender << 32 | u64::from(epoch);
    let stack = network::start(spawner, net_config(args), seed);
    let to = args.parse("to", SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 8125));
    let mut config = TaskConfig::new((*to.ip(), to.port()), sender, Epoch::stored(epoch));
    if args.parse("keep", 0) == 1 {
        config.sender.retry = config.sender.retry.without_end();
    }
    spawner.spawn(metrics(stack, config).unwrap());
    let events: u32 = args.parse("events", 10_000);
    let pace = Duration::from_micros(args.parse("pace", 400));
    // What is recorded before there is a network waits in the ring, which is no larger than it must be.
    stack.wait_config_up().await;
    TO_TICK.store(events / 4, Ordering::Relaxed);
    board::interrupt(board::Timer::High, TICK, tick);
    spawner.spawn(work(events - events / 4, pace, args).unwrap());
}

fn net_config(args: &Args) -> NetConfig {
    let Some(address) = args.get("ip") else {
        return NetConfig::dhcpv4(embassy_net::DhcpConfig::default());
    };
    let (address, bits) = address.split_once('/').unwrap_or((address, "24"));
    let (Ok(address), Ok(bits @ 0..=32)) = (address.parse(), bits.parse()) else {
        host::fail("ip must be an address and the length of its prefix: 10.0.2.15/24");
    };
    let gateway: Ipv4Addr = args.parse("gateway", Ipv4Addr::new(10, 0, 2, 2));
    NetConfig::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(address, bits),
        gateway: Some(gateway),
        dns_servers: Default::default(),
    })
}

#[embassy_executor::task]
async fn metrics(stack: Stack<'static>, config: TaskConfig) -> ! {
    ringstat_embassy::run(stack, &STATS, config).await
}

/// What runs in the interrupt.
fn tick() {
    TICKS.inc();
    let left = TO_TICK.load(Ordering::Relaxed);
    if left > 0 {
        TO_TICK.store(left - 1, Ordering::Relaxed);
        STATS.lane(INTERRUPT).count("events", 1u8).tags(&FROM_INTERRUPT).record();
    }
    board::interrupt(board::Timer::High, TICK, tick);
}

/// Records at a steady pace, as a program would, then waits until everything has arrived.
#[embassy_executor::task]
async fn work(events: u32, pace: Duration, args: &'static Args) {
    let critical: u64 = args.parse("critical", 1000);
    let every = u64::from(events) / critical.max(1);
    let (mut alarms, mut rest, mut timings) = (0, 0, 0);
    let pause = Duration::from_millis(args.parse("pause", 0));
    for n in 0..events {
        if n == events / 2 {
            Timer::after(pause).await;
        }
        let began = Instant::now();
        REQUESTS.inc();
        LEVEL.set_int(n.cast_signed());
        STATS.count("events", 1u8).tags(&FROM_TASK).record();
        rest += 1;
        while alarms < critical && (rest >= every || n + 1 == events) {
            while alarms >= settled() + UNACKNOWLEDGED {
                Timer::after_millis(1).await;
            }
            alarms += 1;
            rest = 0;
            STATS.count("critical", 1u8).priority(Priority::Critical).record();
        }
        let took = Took::from_micros(began.elapsed().as_micros());
        WORK.record_duration(took);
        if n % 100 == 0 {
            STATS.timing("board.step", took).record();
            timings += 1;
        }
        Timer::at(began + pace).await;
    }
    end(timings).await
}

/// Critical events of which is known what became of them.
fn settled() -> u64 {
    let totals = totals();
    totals.acknowledged + totals.dropped.get(Cause::Unacknowledged)
}

/// Waits until nothing is in flight and the instruments have been sent as they are, and says what the chip knows.
async fn end(timings: u64) -> ! {
    let busy = || TO_TICK.load(Ordering::Relaxed) > 0 || STATS.account(&totals()).in_flight > 0;
    let deadline = Instant::now() + Duration::from_secs(60);
    while busy() && Instant::now() < deadline {
        Timer::after_millis(10).await;
    }
    board::interrupt(board::Timer::High, board::TICKS_PER_SECOND, || {});
    Timer::after_secs(3).await;
    let totals = totals();
    let ledger = STATS.account(&totals);
    let more = [("requests", REQUESTS.total()), ("ticks", TICKS.total()), ("timings", timings)];
    host::say(format_args!("{}", Report { ledger, totals, more: &more }));
    host::exit(ledger.closes() && ledger.in_flight == 0)
}
