//! ringstat on an ESP32-C3 over Wi-Fi, with critical events that outlive a reset.
//!
//! What belongs to this board is marked BOARD; the rest is the same on any other. Start a collector on the machine at
//! [`COLLECTOR`] with `ringstat collect --udp 0.0.0.0:8125`, flash with `SSID=… PASSWORD=… cargo run --release`
//! (`cargo install espflash`), and look at its page.
#![no_std]
#![no_main]

use core::net::Ipv4Addr;

use embassy_executor::Spawner;
use embassy_net::{DhcpConfig, Stack, StackResources};
use embassy_time::{Duration, Ticker, Timer};
use esp_backtrace as _;
use esp_hal::clock::CpuClock;
use esp_hal::rng::Rng;
use esp_hal::timer::timg::TimerGroup;
use esp_hal::tsens::{self, TemperatureSensor};
use esp_radio::wifi::sta::StationConfig;
use esp_radio::wifi::{self, AuthenticationMethodConfig, Interface, WifiController};
use ringstat_core::send::Retained;
use ringstat_embassy::Client;
use ringstat_embassy::prelude::*;
use static_cell::ConstStaticCell;

/// The address of the collector.
const COLLECTOR: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 168, 1, 2), 8125);
/// The name and password of the Wi-Fi network.
const SSID: &str = env_or(option_env!("SSID"), "ringstat");
const PASSWORD: &str = env_or(option_env!("PASSWORD"), "a password");

const fn env_or(value: Option<&'static str>, otherwise: &'static str) -> &'static str {
    match value {
        Some(value) => value,
        None => otherwise,
    }
}

// The instruments, and the rings in which events wait: room for 64 events, and for 8 critical ones that wait for their
// acknowledgement.
static CELSIUS: Gauge = Gauge::new("board.celsius");
static JOINED: Counter = Counter::new("wifi.joined");
static STATS: Stats<64, 8> = ringstat_embassy::stats(event_ring!(64))
    .instruments(&[&CELSIUS, &JOINED])
    .critical(event_ring!(8));

/// Critical events, in memory that a reset does not clear. BOARD: where that is.
#[unsafe(link_section = ".rtc_fast.persistent")]
static RETAINED: Retained<8> = Retained::new();

/// Sends everything, in datagrams of up to 1472 bytes; first of all the critical events that a reset has left behind.
#[embassy_executor::task]
async fn metrics(stack: Stack<'static>, config: TaskConfig) -> ! {
    Client::retaining(&STATS, config, &RETAINED).run(stack).await
}

esp_bootloader_esp_idf::esp_app_desc!();

#[esp_rtos::main]
async fn main(spawner: Spawner) {
    static RESOURCES: ConstStaticCell<StackResources<3>> =
        ConstStaticCell::new(StackResources::new());
    let p = esp_hal::init(esp_hal::Config::default().with_cpu_clock(CpuClock::max()));

    // BOARD: the heap and the threads of the radio's driver. ringstat uses neither.
    esp_alloc::heap_allocator!(#[esp_hal::ram(reclaimed)] size: 64 * 1024);
    esp_alloc::heap_allocator!(size: 36 * 1024);
    esp_rtos::start(TimerGroup::new(p.TIMG0).timer0, p.FROM_CPU_INTR0);

    // BOARD: the sender's number, and random numbers.
    let mut id = [0; 8];
    id[2..].copy_from_slice(esp_hal::efuse::base_mac_address().as_bytes());
    let sender = u64::from_be_bytes(id);
    let random = Rng::new();
    // Which run this is: one more than the last one, or a random number after power was off.
    let epoch = RETAINED.epoch(Epoch::random(random.random()));

    // BOARD: Wi-Fi.
    let Ok(controller) = WifiController::new(p.WIFI, Default::default()) else {
        panic!("the radio does not start")
    };
    spawner.spawn(join(controller).unwrap());

    // The same on every board: the network, and the task that sends.
    let dhcp = embassy_net::Config::dhcpv4(DhcpConfig::default());
    let seed = u64::from(random.random()) << 32 | u64::from(random.random());
    let (stack, runner) = embassy_net::new(Interface::station(), dhcp, RESOURCES.take(), seed);
    spawner.spawn(network(runner).unwrap());
    spawner.spawn(metrics(stack, TaskConfig::new(COLLECTOR, sender, epoch)).unwrap());

    let Ok(sensor) = TemperatureSensor::new(p.TSENS, tsens::Config::default()) else {
        panic!("no temperature sensor")
    };
    spawner.spawn(climate(sensor).unwrap());
    STATS.event("board.started").priority(Priority::Critical).record();
}

#[embassy_executor::task]
async fn network(mut runner: embassy_net::Runner<'static, Interface>) -> ! {
    runner.run().await
}

/// Joins the Wi-Fi network, and again whenever it is lost. Events wait in their rings meanwhile.
#[embassy_executor::task]
async fn join(mut controller: WifiController<'static>) -> ! {
    let (Ok(ssid), Ok(password)) = (SSID.try_into(), PASSWORD.try_into()) else {
        panic!("the name or the password of the network is too long")
    };
    let station = StationConfig::default()
        .with_ssid(ssid)
        .with_authentication(AuthenticationMethodConfig::Wpa2Personal(password));
    if controller.set_config(&wifi::Config::Station(station)).is_err() {
        panic!("the radio does not accept its configuration")
    }
    loop {
        if controller.connect_async().await.is_ok() {
            JOINED.inc();
            let _ = controller.wait_for_disconnect_async().await;
        }
        Timer::after_secs(5).await;
    }
}

/// Records the chip's temperature once a second; a high temperature is a critical event.
#[embassy_executor::task]
async fn climate(sensor: TemperatureSensor<'static>) -> ! {
    let mut every = Ticker::every(Duration::from_secs(1));
    loop {
        every.next().await;
        let celsius = sensor.get_temperature().to_celsius();
        CELSIUS.set(celsius.into());
        if celsius > 80.0 {
            STATS.level("board.too_hot", celsius).priority(Priority::Critical).record();
        }
    }
}
