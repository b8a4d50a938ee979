//! A chip that resets itself again and again while critical events wait for their acknowledgement, which outlive it.
//!
//! Arguments: `to=IP:PORT`, `resets=N`. At the end it prints its last ledger, with how many events its memory ever held.
#![no_std]
#![no_main]

use core::net::{Ipv4Addr, SocketAddrV4};

use cortex_m::peripheral::SCB;
use cortex_m_rt::entry;
use embassy_executor::Spawner;
use embassy_net::{Config as NetConfig, Ipv4Cidr, Stack, StaticConfigV4};
use embassy_time::Timer;
use portable_atomic::{AtomicU32, Ordering};
use ringstat_core::instrument::Counter;
use ringstat_core::record::NoNames;
use ringstat_core::send::{Retained, RetainedStore};
use ringstat_embassy::prelude::*;
use ringstat_embassy::{Client, totals};
use ringstat_firmware::host::{self, Args};
use ringstat_firmware::report::Report;
use ringstat_firmware::{network, run};
use static_cell::StaticCell;

const ROOM: usize = 8;

static LIVES: Counter = Counter::new("lives");
static STATS: Stats<16, ROOM> =
    ringstat_embassy::stats(event_ring!(16)).critical(event_ring!(ROOM)).instruments(&[&LIVES]);

// The start-up code clears none of these. At power-up the emulator's memory is zero.
#[unsafe(link_section = ".uninit.ringstat")]
static RETAINED: Retained<ROOM> = Retained::new();
/// How often the chip has started before.
#[unsafe(link_section = ".uninit.lives")]
static LIVED: AtomicU32 = AtomicU32::new(0);
/// How many events were ever in the retained memory.
#[unsafe(link_section = ".uninit.kept")]
static KEPT: AtomicU32 = AtomicU32::new(0);
/// How many of them were found there after a reset.
#[unsafe(link_section = ".uninit.found")]
static FOUND: AtomicU32 = AtomicU32::new(0);

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
    let config = NetConfig::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Addr::new(10, 0, 2, 15), 24),
        gateway: None,
        dns_servers: Default::default(),
    });
    let stack = network::start(spawner, config, 7);
    let to = args.parse("to", SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 8125));
    let epoch = RETAINED.epoch(Epoch::stored(1));
    let config = TaskConfig::new((*to.ip(), to.port()), 7, epoch).tiny();
    let client = Client::retaining(&STATS, config, &RETAINED);
    FOUND.fetch_add(client.recovered().found.into(), Ordering::Relaxed);
    if client.recovered().damaged > 0 {
        host::fail("retained events are damaged");
    }
    spawner.spawn(metrics(stack, client).unwrap());
    spawner.spawn(work(args).unwrap());
}

type Retaining = Client<'static, 16, ROOM, NoNames, 256, 8, RetainedStore<ROOM>>;

#[embassy_executor::task]
async fn metrics(stack: Stack<'static>, mut client: Retaining) -> ! {
    client.run(stack).await
}

#[embassy_executor::task]
async fn work(args: &'static Args) {
    let life = LIVED.fetch_add(1, Ordering::Relaxed);
    LIVES.inc();
    let resets: u32 = args.parse("resets", 20);
    let last = life == resets;
    // In some lives it does not even get as far as to repeat what an earlier one has left behind.
    if !last && life % 4 == 3 {
        Timer::after_micros(u64::from(life) * 150).await;
        SCB::sys_reset();
    }
    for _ in 0..if last { ROOM as u32 } else { 1 + life % ROOM as u32 } {
        while !STATS.count("critical", 1u8).priority(Priority::Critical).record().is_recorded() {
            Timer::after_micros(100).await;
        }
        // The task has taken it out of its ring once there is nothing left in there.
        while STATS.waiting() > 0 {
            Timer::after_micros(50).await;
        }
        KEPT.fetch_add(1, Ordering::Relaxed);
    }
    if !last {
        SCB::sys_reset();
    }
    while STATS.account(&totals()).in_flight > 0 {
        Timer::after_millis(5).await;
    }
    // The last total of the counter.
    Timer::after_secs(2).await;
    let totals = totals();
    let ledger = STATS.account(&totals);
    let more = [
        ("lives", u64::from(life) + 1),
        ("kept", KEPT.load(Ordering::Relaxed).into()),
        ("found", FOUND.load(Ordering::Relaxed).into()),
    ];
    host::say(format_args!("{}", Report { ledger, totals, more: &more }));
    host::exit(ledger.closes() && ledger.in_flight == 0)
}
