//! A firmware with a network stack and a UDP socket, built without and with ringstat, so that the difference is what
//! ringstat adds.
//!
//! Without a feature, it increments a static and sends a word from time to time, so that the whole stack is linked.
//! With `silent` it does not even do that, and uses UDP for nothing.
//!
//! `small` adds counters and gauges in 96-byte datagrams. `full` adds histograms, events with tags and text, and
//! critical events in 1472-byte datagrams; each of the features that begin with `with-` adds an option to that. It runs for
//! a second and reports how deep the stack went, including interrupts.
#![no_std]
#![no_main]

#[cfg(feature = "full")]
mod full;

use core::hint::black_box;

use cortex_m_rt::entry;
use embassy_executor::Spawner;
#[cfg(not(feature = "silent"))]
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{
    Config as NetConfig, Ipv4Address, Ipv4Cidr, Runner, StackResources, StaticConfigV4,
};
use embassy_net_driver_channel as channel;
use embassy_time::Timer;
use ringstat_firmware::wire::FRAME;
use ringstat_firmware::{board, host, run, stack as painted, wire};
use static_cell::ConstStaticCell;

/// How much of the stack is examined, in bytes below its top.
const DEPTH: usize = 4096;
#[cfg(any(not(feature = "silent"), feature = "small", feature = "full"))]
const OTHER: (Ipv4Address, u16) = (Ipv4Address::new(10, 0, 0, 2), 8125);
/// One place for the stack, one for [`words`], one for ringstat.
const SOCKETS: usize = 1
    + cfg!(not(feature = "silent")) as usize
    + cfg!(any(feature = "small", feature = "full")) as usize;
/// The time between two interrupts: a millisecond.
const TICK: u32 = board::TICKS_PER_SECOND / 1000;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    host::exit(false)
}

#[entry]
fn main() -> ! {
    painted::paint(DEPTH);
    run::run(|spawner| start(spawner))
}

fn start(spawner: Spawner) {
    static STATE: ConstStaticCell<channel::State<FRAME, 1, 1>> =
        ConstStaticCell::new(channel::State::new());
    static RESOURCES: ConstStaticCell<StackResources<SOCKETS>> =
        ConstStaticCell::new(StackResources::new());
    let (device, runner) = wire::start(STATE.take());
    let config = NetConfig::ipv4_static(StaticConfigV4 {
        address: Ipv4Cidr::new(Ipv4Address::new(10, 0, 0, 1), 24),
        gateway: None,
        dns_servers: Default::default(),
    });
    let (stack, network) = embassy_net::new(device, config, RESOURCES.take(), 1);
    spawner.spawn(wire_task(runner).unwrap());
    spawner.spawn(network_task(network).unwrap());
    #[cfg(not(feature = "silent"))]
    spawner.spawn(words(stack).unwrap());
    let _ = stack;
    spawner.spawn(work().unwrap());
    #[cfg(any(feature = "small", feature = "full"))]
    spawner.spawn(with::metrics(stack).unwrap());
    board::interrupt(board::Timer::High, TICK, tick);
}

#[embassy_executor::task]
async fn wire_task(runner: channel::Runner<'static, FRAME>) -> ! {
    wire::run(runner).await
}

#[embassy_executor::task]
async fn network_task(mut runner: Runner<'static, channel::Device<'static, FRAME>>) -> ! {
    runner.run().await
}

/// What the firmware does with the network without ringstat.
#[cfg(not(feature = "silent"))]
#[embassy_executor::task]
async fn words(stack: embassy_net::Stack<'static>) -> ! {
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
    let (mut rx, mut tx) = ([0; 16], [0; 16]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    if socket.bind(9).is_err() {
        host::exit(false);
    }
    loop {
        if socket.send_to(black_box(b"a word"), OTHER).await.is_err() {
            host::exit(false);
        }
        let _ = embassy_futures::select::select(
            socket.recv_from(&mut [0; 16]),
            Timer::after_millis(100),
        )
        .await;
    }
}

/// What it does besides.
#[embassy_executor::task]
async fn work() -> ! {
    for n in 0..100 {
        record(black_box(n));
        Timer::after_millis(10).await;
    }
    let depth = painted::deepest(DEPTH);
    host::say(format_args!("{depth}"));
    host::exit(true)
}

/// What it does in the interrupt.
fn tick() {
    count();
    board::interrupt(board::Timer::High, TICK, tick);
}

#[cfg(not(any(feature = "small", feature = "full")))]
use without::{count, record};
#[cfg(not(any(feature = "small", feature = "full")))]
mod without {
    use portable_atomic::AtomicU32;
    use portable_atomic::Ordering::Relaxed;

    static TICKS: AtomicU32 = AtomicU32::new(0);

    pub(crate) fn count() {
        TICKS.fetch_add(1, Relaxed);
    }

    pub(crate) fn record(_: u32) {}
}

#[cfg(any(feature = "small", feature = "full"))]
use with::{count, record};
#[cfg(any(feature = "small", feature = "full"))]
mod with {
    use ringstat_core::instrument::{Counter, Gauge};

    pub(crate) static TICKS: Counter = Counter::new("board.ticks");
    pub(crate) static LEVEL: Gauge = Gauge::new("board.level");

    pub(crate) fn count() {
        TICKS.inc();
    }

    #[cfg(feature = "small")]
    pub(crate) use small::{metrics, record};
    #[cfg(feature = "small")]
    mod small {
        use embassy_net::Stack;
        use ringstat_core::instrument::Instrument;
        use ringstat_core::send::Epoch;
        use ringstat_embassy::BeaconConfig;

        use super::{LEVEL, TICKS};

        static INSTRUMENTS: [&dyn Instrument; 2] = [&TICKS, &LEVEL];

        pub(crate) fn record(n: u32) {
            LEVEL.set_int(n.cast_signed());
        }

        #[embassy_executor::task]
        pub(crate) async fn metrics(stack: Stack<'static>) -> ! {
            let config = BeaconConfig::new(crate::OTHER, 1, Epoch::unknown()).payload::<96>();
            ringstat_embassy::run_beacon(stack, &INSTRUMENTS, config).await
        }
    }

    #[cfg(feature = "full")]
    pub(crate) use crate::full::{metrics, record};
}
