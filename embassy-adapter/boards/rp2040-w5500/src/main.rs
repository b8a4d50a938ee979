//! ringstat on a W5500-EVB-Pico: Ethernet through a W5500, with both cores and an interrupt recording.
//!
//! What belongs to this board is marked BOARD; the rest is the same on any other. Start a collector on the machine at
//! [`COLLECTOR`] with `ringstat collect --udp 0.0.0.0:8125`, flash with `cargo run --release`, and look at its page.
#![no_std]
#![no_main]

use core::net::Ipv4Addr;

use embassy_executor::{Executor, InterruptExecutor, Spawner};
use embassy_net::{DhcpConfig, Stack, StackResources};
use embassy_net_wiznet::chip::W5500;
use embassy_net_wiznet::{self as wiznet, Device, State};
use embassy_rp::adc::{self, Adc, Channel};
use embassy_rp::clocks::RoscRng;
use embassy_rp::flash::{Blocking, Flash};
use embassy_rp::gpio::{Input, Level, Output, Pull};
use embassy_rp::interrupt::{self, InterruptExt, Priority};
use embassy_rp::multicore::{self, spawn_core1};
use embassy_rp::peripherals::{DMA_CH0, DMA_CH1, SPI0};
use embassy_rp::spi::{self, Async, Spi};
use embassy_rp::{bind_interrupts, dma};
use embassy_time::{Delay, Duration, Instant, Ticker, Timer};
use embedded_hal_bus::spi::ExclusiveDevice;
use panic_halt as _;
use ringstat_embassy::prelude::{Priority as Matters, *};
use static_cell::{ConstStaticCell, StaticCell};

/// The address of the collector.
const COLLECTOR: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 168, 1, 2), 8125);

// The instruments, and the rings in which events wait: room for 128 events, and for 16 critical ones that wait for
// their acknowledgement.
static CELSIUS: Gauge = Gauge::new("board.celsius");
static TICKS: Counter = Counter::new("interrupt.ticks");
static TURNS: Counter = Counter::new("core1.turns");
static SAMPLING: Histogram<64> = Histogram::new("adc.micros");
static INSTRUMENTS: [&dyn Instrument; 4] = [&CELSIUS, &TICKS, &TURNS, &SAMPLING];
static STATS: Stats<128, 16> = ringstat_embassy::stats(event_ring!(128))
    .instruments(&INSTRUMENTS)
    .lanes(&[event_ring!(32)])
    .critical(event_ring!(16));

/// The lane of the second core, so that neither core gets in the other's way.
const CORE1: usize = 0;

/// Sends everything, in datagrams of up to 1472 bytes.
#[embassy_executor::task]
async fn metrics(stack: Stack<'static>, config: TaskConfig) -> ! {
    ringstat_embassy::run(stack, &STATS, config).await
}

// BOARD: the interrupts of SPI's DMA channels, and of the converter.
bind_interrupts!(struct Irqs {
    DMA_IRQ_0 => dma::InterruptHandler<DMA_CH0>, dma::InterruptHandler<DMA_CH1>;
    ADC_IRQ_FIFO => adc::InterruptHandler;
});

// BOARD: the W5500 is connected to SPI0.
type Bus = ExclusiveDevice<Spi<'static, SPI0, Async>, Output<'static>, Delay>;
type Ethernet = wiznet::Runner<'static, W5500, Bus, Input<'static>, Output<'static>>;

/// An executor whose tasks run in an interrupt, ahead of all others.
static URGENT: InterruptExecutor = InterruptExecutor::new();

// BOARD: an interrupt that nothing else uses.
#[embassy_rp::interrupt]
unsafe fn SWI_IRQ_1() {
    // SAFETY: this is the interrupt with which the executor was started.
    unsafe { URGENT.on_interrupt() }
}

#[embassy_executor::main]
async fn main(spawner: Spawner) {
    static STATE: ConstStaticCell<State<4, 4>> = ConstStaticCell::new(State::new());
    static RESOURCES: ConstStaticCell<StackResources<3>> =
        ConstStaticCell::new(StackResources::new());
    static CORE1_STACK: ConstStaticCell<multicore::Stack<4096>> =
        ConstStaticCell::new(multicore::Stack::new());
    static CORE1: StaticCell<Executor> = StaticCell::new();
    let p = embassy_rp::init(embassy_rp::config::Config::default());

    // BOARD: the sender's number. The flash chip has a unique number, which never changes.
    let mut id = [0; 8];
    let mut flash = Flash::<_, Blocking, { 2 * 1024 * 1024 }>::new_blocking(p.FLASH);
    let sender = match flash.blocking_unique_id(&mut id) {
        Ok(()) => u64::from_be_bytes(id),
        Err(_) => RoscRng.next_u64(),
    };
    // BOARD: which run this is. Two runs must not have the same number, and this chip has nothing that counts them:
    // random.
    let epoch = Epoch::random(RoscRng.next_u32());

    // BOARD: Ethernet.
    let mut fast = spi::Config::default();
    fast.frequency = 50_000_000;
    let bus = Spi::new(p.SPI0, p.PIN_18, p.PIN_19, p.PIN_16, p.DMA_CH0, p.DMA_CH1, Irqs, fast);
    let select = Output::new(p.PIN_17, Level::High);
    let Ok(bus) = ExclusiveDevice::new(bus, select, Delay);
    let interrupt = Input::new(p.PIN_21, Pull::Up);
    let reset = Output::new(p.PIN_20, Level::High);
    // The first byte marks the address as locally administered.
    let address = [2, id[3], id[4], id[5], id[6], id[7]];
    let Ok((device, ethernet_runner)) =
        wiznet::new(address, STATE.take(), bus, interrupt, reset).await
    else {
        panic!("no W5500 answers: see the wiring")
    };
    spawner.spawn(ethernet(ethernet_runner).unwrap());

    // The same on every board: the network, and the task that sends.
    let dhcp = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let (stack, runner) = embassy_net::new(device, dhcp, RESOURCES.take(), RoscRng.next_u64());
    spawner.spawn(network(runner).unwrap());
    spawner.spawn(metrics(stack, TaskConfig::new(COLLECTOR, sender, epoch)).unwrap());

    // Three recorders: a task, an interrupt and the other core.
    let sensor = Channel::new_temp_sensor(p.ADC_TEMP_SENSOR);
    spawner.spawn(climate(Adc::new(p.ADC, Irqs, adc::Config::default()), sensor).unwrap());
    interrupt::SWI_IRQ_1.set_priority(Priority::P2);
    URGENT.start(interrupt::SWI_IRQ_1).spawn(tick().unwrap());
    spawn_core1(p.CORE1, CORE1_STACK.take(), || {
        CORE1.init(Executor::new()).run(|spawner| spawner.spawn(turn().unwrap()))
    });
    STATS.event("board.started").text("power").priority(Matters::Critical).record();
}

#[embassy_executor::task]
async fn ethernet(runner: Ethernet) -> ! {
    runner.run().await
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Device<'static>>) -> ! {
    runner.run().await
}

/// Records the chip's temperature once a second; a high temperature is a critical event.
#[embassy_executor::task]
async fn climate(mut adc: Adc<'static, adc::Async>, mut sensor: Channel<'static>) -> ! {
    let mut every = Ticker::every(Duration::from_secs(1));
    loop {
        every.next().await;
        let began = Instant::now();
        let Ok(raw) = adc.read(&mut sensor).await else {
            STATS.event("adc.failed").record();
            continue;
        };
        SAMPLING.record(began.elapsed().as_micros());
        // RP2040 data sheet, 4.9.5: 27 degrees at 0.706 V, and 1.721 mV less for each further degree.
        let celsius = 27.0 - (f32::from(raw) * 3.3 / 4096.0 - 0.706) / 0.001_721;
        CELSIUS.set(celsius.into());
        if celsius > 60.0 {
            STATS.level("board.too_hot", celsius).priority(Matters::Critical).record();
        }
    }
}

/// Records a thousand times a second, in an interrupt.
#[embassy_executor::task]
async fn tick() -> ! {
    let mut every = Ticker::every(Duration::from_millis(1));
    loop {
        every.next().await;
        TICKS.inc();
    }
}

/// Records how late the second core's timer is, a hundred times a second.
#[embassy_executor::task]
async fn turn() -> ! {
    let mut due = Instant::now();
    loop {
        due += Duration::from_millis(10);
        Timer::at(due).await;
        TURNS.inc();
        let late = core::time::Duration::from_micros(due.elapsed().as_micros());
        STATS.lane(CORE1).timing("core1.late", late).tags(&[("core", "1")]).record();
    }
}
