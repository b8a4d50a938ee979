//! The same client on a host: embassy-net over a TAP device, with Embassy's executor for std, to try the client without
//! a chip.
//!
//! ```text
//! sudo ip tuntap add dev tap0 mode tap user $USER && sudo ip address add 10.5.0.1/24 dev tap0 && sudo ip link set tap0 up
//! ringstat collect --udp 10.5.0.1:8125 &
//! cargo run -p ringstat-embassy --example tap -- tap=tap0 ip=10.5.0.2 to=10.5.0.1:8125
//! ```
//!
//! Further arguments: `sender=N`, `epoch=N`, `events=N`, `critical=N`, `pace=MICROSECONDS` between two records of the
//! task, `pause=MILLISECONDS` after half of them. A thread, which stands in for an interrupt, records a quarter of the
//! events. At the end the program prints its ledger as JSON, and fails if the ledger does not close.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use embassy_executor::{Executor, Spawner};
use embassy_net::{Config as NetConfig, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use embassy_net_tuntap::TunTapDevice;
use embassy_time::{Duration, Instant, Timer};
use ringstat_embassy::prelude::*;
use ringstat_embassy::totals;
use static_cell::StaticCell;

static REQUESTS: Counter = Counter::new("requests");
static TICKS: Counter = Counter::new("board.ticks");
static LEVEL: Gauge = Gauge::new("board.level");
static WORK: Histogram = Histogram::new("board.work");
static INSTRUMENTS: [&dyn Instrument; 4] = [&REQUESTS, &TICKS, &LEVEL, &WORK];
static STATS: Stats<64, 8> =
    ringstat_embassy::stats(event_ring!(64)).critical(event_ring!(8)).instruments(&INSTRUMENTS);
static TICKED: AtomicBool = AtomicBool::new(false);

/// How many alarms may wait for their acknowledgement before the program waits, too.
const UNACKNOWLEDGED: u64 = 8;

/// The value of an argument `key=value`.
fn arg<T: std::str::FromStr>(key: &str, default: T) -> T {
    let mut words = std::env::args().skip(1);
    let value = words.find_map(|word| Some(word.strip_prefix(key)?.strip_prefix('=')?.to_owned()));
    let Some(value) = value else { return default };
    value.parse().unwrap_or_else(|_| {
        eprintln!("tap: cannot read {key}={value}; the head of the example says what there is");
        exit(2)
    })
}

fn main() {
    static EXECUTOR: StaticCell<Executor> = StaticCell::new();
    static RESOURCES: StaticCell<StackResources<2>> = StaticCell::new();
    let tap = arg("tap", "tap0".to_owned());
    let device = TunTapDevice::new(&tap).unwrap_or_else(|e| {
        eprintln!("tap: {tap}: {e}; the head of the example says how to make it");
        exit(2)
    });
    let (sender, epoch) = (arg("sender", 1), arg("epoch", 1));
    let address = StaticConfigV4 {
        address: Ipv4Cidr::new(arg("ip", Ipv4Addr::new(10, 5, 0, 2)), 24),
        gateway: None,
        dns_servers: Default::default(),
    };
    let (stack, runner) = embassy_net::new(
        device,
        NetConfig::ipv4_static(address),
        RESOURCES.init(StackResources::new()),
        sender,
    );
    let to: SocketAddrV4 = arg("to", SocketAddrV4::new(Ipv4Addr::new(10, 5, 0, 1), 8125));
    let config = TaskConfig::new((*to.ip(), to.port()), sender, Epoch::stored(epoch));
    let events: u32 = arg("events", 10_000);
    thread::spawn(move || tick(events / 4));
    EXECUTOR.init(Executor::new()).run(|spawner: Spawner| {
        spawner.spawn(network(runner).expect("once"));
        spawner.spawn(metrics(stack, config).expect("once"));
        spawner.spawn(work(events - events / 4).expect("once"));
    })
}

#[embassy_executor::task]
async fn network(mut runner: Runner<'static, TunTapDevice>) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn metrics(stack: Stack<'static>, config: TaskConfig) -> ! {
    ringstat_embassy::run(stack, &STATS, config).await
}

/// Records a thousand times a second, on a thread of its own.
fn tick(events: u32) {
    for _ in 0..events {
        TICKS.inc();
        STATS.count("events", 1u8).tags(&[("from", "thread")]).record();
        thread::sleep(std::time::Duration::from_millis(1));
    }
    TICKED.store(true, Ordering::Release);
}

/// Records at a steady pace, as a program would, then waits until everything has arrived.
#[embassy_executor::task]
async fn work(events: u32) {
    let critical: u64 = arg("critical", 1000);
    let pace = Duration::from_micros(arg("pace", 400));
    let pause = Duration::from_millis(arg("pause", 0));
    let every = u64::from(events) / critical.max(1);
    let (mut alarms, mut rest, mut timings) = (0, 0, 0);
    for n in 0..events {
        if n == events / 2 {
            Timer::after(pause).await;
        }
        let began = Instant::now();
        REQUESTS.inc();
        LEVEL.set_int(n.cast_signed());
        STATS.count("events", 1u8).tags(&[("from", "task")]).record();
        rest += 1;
        while alarms < critical && (rest >= every || n + 1 == events) {
            while alarms >= totals().acknowledged + UNACKNOWLEDGED {
                Timer::after_millis(1).await;
            }
            alarms += 1;
            rest = 0;
            STATS.count("critical", 1u8).priority(Priority::Critical).record();
        }
        let took = std::time::Duration::from_micros(began.elapsed().as_micros());
        WORK.record_duration(took);
        if n % 100 == 0 {
            STATS.timing("board.step", took).record();
            timings += 1;
        }
        Timer::at(began + pace).await;
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    let busy = || !TICKED.load(Ordering::Acquire) || STATS.account(&totals()).in_flight > 0;
    while busy() && Instant::now() < deadline {
        Timer::after_millis(10).await;
    }
    // Time for the instruments to be sent in their final state. It ends between two heartbeats, which come a second after
    // another: one that the stack still holds would be counted here, and lost with this process.
    Timer::after_millis(3500).await;
    let totals = totals();
    let ledger = STATS.account(&totals);
    let report = serde_json::json!({
        "recorded": ledger.recorded,
        "sent": ledger.sent,
        "unconfirmed": ledger.unconfirmed,
        "lost": ledger.lost,
        "in_flight": ledger.in_flight,
        "closes": ledger.closes(),
        "dropped_total": ledger.dropped.total(),
        "dropped": ledger.dropped,
        "datagrams": totals.datagrams,
        "acknowledged": totals.acknowledged,
        "repeated": totals.repeated,
        "requests": REQUESTS.total(),
        "ticks": TICKS.total(),
        "timings": timings,
    });
    println!("{report}");
    exit(i32::from(!ledger.closes() || ledger.in_flight > 0));
}
