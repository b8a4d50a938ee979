//! The task: core's sender over an embassy-net UDP socket.

use core::cell::Cell;
use core::future::poll_fn;
use core::task::Poll as Ready;

use embassy_futures::select::{Either, select, select4};
use embassy_net::udp::{self, PacketMetadata, UdpSocket};
use embassy_net::{IpEndpoint, Stack};
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer};
use ringstat_core::chip::{EventRing, Stats};
use ringstat_core::format::{PAYLOAD_MIN, TimeUnit};
use ringstat_core::ledger::Cause;
use ringstat_core::record::Resolve;
use ringstat_core::send::{LeanSender, Path, SendError, Sender, Step, Totals, Way};
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;

use crate::clock;
use crate::config::TaskConfig;

/// Signals that a batch waits. There is one task per program, and so one signal.
static WAKE: Signal<CriticalSectionRawMutex, ()> = Signal::new();

/// The sender's account as of the task's last round.
static TOTALS: Mutex<CriticalSectionRawMutex, Cell<Totals>> = Mutex::new(Cell::new(Totals::NONE));

/// Creates a [`Stats`] over `ring`, for a `static`, with this chip's clock. The task is woken when the ring is a
/// quarter full.
#[must_use]
pub const fn stats<const N: usize>(ring: &'static EventRing<N>) -> Stats<N> {
    Stats::new(ring, clock::micros).wake(N.div_ceil(4), wake)
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

/// How long to wait for room in the socket's buffer before everything is checked again.
const BUSY: Duration = Duration::from_millis(100);
/// The shortest pause between two rounds.
const LEAST: Duration = Duration::from_millis(1);
/// How many replies are read in a row.
const REPLIES: usize = 8;

/// Sends what `stats` records, for ever. A program can run one such task.
///
/// The types of `stats` and `config` determine all sizes: two buffers of a datagram, the tables of names, and room for
/// as many critical events as their ring holds. All of that is part of the future, and so of the task's static memory.
pub async fn run<const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize>(
    stack: Stack<'_>,
    stats: &Stats<N, C, M>,
    config: TaskConfig<PAYLOAD, NAMES>,
) -> !
where
    M: Resolve,
{
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 2], [PacketMetadata::EMPTY; 2]);
    let (mut rx, mut tx) = ([0; 2 * Ack::MAX_LEN], [0; PAYLOAD]);
    let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
    // Port 0 is the only port to which a new socket cannot be bound.
    if socket.bind(config.local_port.max(1)).is_err() {
        core::future::pending::<()>().await;
    }
    let seed = config.identity.seed();
    let mut path = Path::new(config.breaker, Some(&config.liveness), TimeUnit::Micros, seed);
    let mut sender: LeanSender<NAMES, C> = Sender::new(config.identity, &config.sender);
    let mut packet = [0; PAYLOAD];
    let mut held = None;
    loop {
        hear(&socket, config.to, |reply| {
            // A faulty reply changes nothing, and is asked for again.
            if Receipt::is_one(reply) {
                if let Ok(receipt) = sender.receipt(reply) {
                    let _ = path.answered(&receipt, clock::micros());
                }
            } else {
                let _ = stats.acknowledged(&mut sender, reply);
            }
        })
        .await;
        if let Some(liveness) = path.liveness() {
            sender.confirmed(liveness.unconfirmed(), liveness.lost());
        }
        TOTALS.lock(|totals| totals.set(*sender.totals()));
        let now = clock::now(config.wall);
        // Nothing is packed while there is no network: the ring's policy decides what is given up meanwhile.
        if !stack.is_link_up() {
            stack.wait_link_up().await;
            path.changed();
            continue;
        }
        if !stack.is_config_up() {
            select(stack.wait_config_up(), stack.wait_link_down()).await;
            path.changed();
            continue;
        }
        match path.way(now.monotonic) {
            Way::Clear => {}
            Way::Wait(until) => {
                idle(stack, &socket, until).await;
                continue;
            }
            Way::Probe => {
                let mut probe = [0; PAYLOAD_MIN];
                let Some(packed) = stats.probe(&mut sender, now, &mut probe) else { continue };
                match send(&socket, config.to, probe.get(..packed.len).unwrap_or(&[])).await {
                    Ok(()) => {
                        path.handed(&packed, now.monotonic);
                        sender.sent(packed);
                    }
                    Err(_) => {
                        path.failed(now.monotonic);
                        sender.withdraw(packed);
                    }
                }
                continue;
            }
        }
        if path.asks(now.monotonic) {
            sender.ask();
        }
        let packed = match held.take() {
            Some(packed) => packed,
            None => match stats.poll(&mut sender, now, &mut packet) {
                Step::Send(packed) => packed,
                Step::Wait(until) => {
                    let waiting = stats.waiting() > 0;
                    let look = now.monotonic.saturating_add(config.look.as_micros());
                    let until = until.min(path.deadline());
                    idle(stack, &socket, if waiting { until.min(look) } else { until }).await;
                    continue;
                }
            },
        };
        match send(&socket, config.to, packet.get(..packed.len).unwrap_or(&[])).await {
            Ok(()) => {
                path.handed(&packed, now.monotonic);
                sender.sent(packed);
            }
            // `send` has waited already.
            Err(SendError::WouldBlock) => held = Some(packed),
            Err(SendError::TooLarge) => sender.gave_up(packed, Cause::SendError),
            // Nothing left the chip, so nothing is lost yet: this datagram serves as the breaker's probe.
            Err(_) => {
                held = Some(packed);
                path.failed(now.monotonic);
            }
        }
    }
}

/// Passes one datagram to the socket, and waits for room, but not for long: a link that is down makes no room.
async fn send(socket: &UdpSocket<'_>, to: IpEndpoint, datagram: &[u8]) -> Result<(), SendError> {
    match select(socket.send_to(datagram, to), Timer::after(BUSY)).await {
        Either::First(Ok(())) => Ok(()),
        Either::First(Err(udp::SendError::NoRoute)) => Err(SendError::Unreachable),
        Either::First(Err(udp::SendError::PacketTooLarge)) => Err(SendError::TooLarge),
        Either::First(Err(udp::SendError::SocketNotBound)) => Err(SendError::Other),
        Either::Second(()) => Err(SendError::WouldBlock),
    }
}

/// Reads what has arrived from the collector's address, without waiting for more.
async fn hear(socket: &UdpSocket<'_>, from: IpEndpoint, mut reply: impl FnMut(&[u8])) {
    let mut buf = [0; Ack::MAX_LEN];
    for _ in 0..REPLIES {
        let received = poll_fn(|cx| {
            Ready::Ready(match socket.poll_recv_from(&mut buf, cx) {
                Ready::Ready(received) => Some(received),
                Ready::Pending => None,
            })
        });
        match received.await {
            None => return,
            // A datagram longer than any acknowledgement is not one, and is dropped.
            Some(Err(udp::RecvError::Truncated)) => {}
            Some(Ok((length, meta))) if meta.endpoint.addr == from.addr => {
                reply(buf.get(..length).unwrap_or(&[]));
            }
            Some(Ok(_)) => {}
        }
    }
}

/// Sleeps until that time of the clock, a batch, a reply, or a change of the network.
async fn idle(stack: Stack<'_>, socket: &UdpSocket<'_>, until: u64) {
    // Always a short sleep, so that other tasks have their turn whatever the deadline is.
    let at = Instant::from_micros(until.min(u64::MAX / 2)).max(Instant::now() + LEAST);
    let (timer, reply) = (Timer::at(at), socket.wait_recv_ready());
    select4(timer, WAKE.wait(), reply, stack.wait_link_down()).await;
}
