//! The smallest task: core's beacon over an embassy-net UDP socket.

use core::task::Poll;

use embassy_futures::poll_once;
use embassy_net::udp::{PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_time::{Duration, Ticker};
use ringstat_core::format::{PAYLOAD_MIN, TimeUnit};
use ringstat_core::instrument::Instrument;
use ringstat_core::send::{Beacon, Epoch, Identity};

use crate::clock::micros;
use crate::never::Never;
use crate::socket::{renew, zeroed};

/// Where [`run_beacon`] sends, as which sender, and how often. The type also sets the size of its only buffer, which is
/// 256 bytes by default.
#[derive(Debug)]
pub struct BeaconConfig<const PAYLOAD: usize = 256> {
    /// The address of the collector.
    pub to: IpEndpoint,
    /// The local port of the socket.
    pub local_port: u16,
    /// The sender's number and its run.
    pub identity: Identity,
    /// The interval in which all instruments are sent once.
    pub interval: Duration,
}

impl BeaconConfig {
    /// Creates the configuration of a beacon that sends once a second to a collector at `to`; `sender` and `epoch` are
    /// as for [`TaskConfig::new`](crate::TaskConfig::new).
    #[must_use]
    pub fn new(to: impl Into<IpEndpoint>, sender: u64, epoch: Epoch) -> Self {
        Self {
            to: to.into(),
            local_port: 49_125,
            identity: Identity::new(sender, epoch),
            interval: Duration::from_secs(1),
        }
    }
}

impl<const PAYLOAD: usize> BeaconConfig<PAYLOAD> {
    /// The same configuration with datagrams of up to `BYTES` bytes, at least [`PAYLOAD_MIN`].
    #[must_use]
    pub fn payload<const BYTES: usize>(self) -> BeaconConfig<BYTES> {
        const { assert!(BYTES >= PAYLOAD_MIN, "no datagram is that small") };
        let Self { to, local_port, identity, interval } = self;
        BeaconConfig { to, local_port, identity, interval }
    }
}

/// Sends the state of all instruments, for ever: for parts that record no events and have little memory. It needs
/// neither a static nor a ring:
///
/// ```
/// use embassy_net::{IpAddress, Stack};
/// use ringstat_embassy::prelude::*;
///
/// static FRAMES: Counter = Counter::new("radio.frames");
/// static LEVEL: Gauge = Gauge::new("board.level");
/// static INSTRUMENTS: [&dyn Instrument; 2] = [&FRAMES, &LEVEL];
///
/// // #[embassy_executor::task]
/// async fn metrics(stack: Stack<'static>) -> ! {
///     let config = BeaconConfig::new((IpAddress::v4(192, 168, 0, 2), 8125), 0xC0FFEE, Epoch::unknown());
///     ringstat_embassy::run_beacon(stack, &INSTRUMENTS, config).await
/// }
/// ```
///
/// While there is no network, nothing is sent, and nothing is missing afterwards: what an instrument sends includes
/// everything that was not sent before.
pub fn run_beacon<'a, const PAYLOAD: usize>(
    stack: Stack<'a>,
    instruments: &'a [&'a dyn Instrument],
    config: BeaconConfig<PAYLOAD>,
) -> impl Future<Output = Never> {
    // An `async fn` would keep its arguments a second time beside what is made of them.
    let BeaconConfig { to, local_port, identity, interval } = config;
    let mut beacon = Beacon::new(identity, TimeUnit::Micros);
    let mut every = Ticker::every(interval);
    async move {
        let (mut tx_meta, mut tx) = ([PacketMetadata::EMPTY; 1], zeroed::<PAYLOAD>());
        let mut socket = UdpSocket::new(stack, &mut [], &mut [], &mut tx_meta, &mut tx);
        loop {
            every.next().await;
            while stack.is_link_up() && stack.is_config_up() {
                // What could not leave yet goes first, however long the network is away.
                socket.flush().await;
                renew(&mut socket, local_port);
                // Packs straight into the socket's buffer.
                let pack = |buf: &mut [u8]| match beacon.pack(micros(), instruments, buf) {
                    Some(packed) => (packed.len, packed.last),
                    None => (0, true),
                };
                // An empty buffer has room at once. Without a route, the next attempt is due in the next interval.
                if !matches!(
                    poll_once(socket.send_to_with(PAYLOAD, to, pack)),
                    Poll::Ready(Ok(false))
                ) {
                    break;
                }
            }
        }
    }
}
