//! The loop of a client: it hears what has arrived, sends what is due, and sleeps.
//!
//! It is one poll function rather than an `async` block: it keeps nothing from one poll to the next, so it needs no memory
//! for that, and far less code.

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use embassy_futures::poll_once;
use embassy_net::Stack;
use embassy_net::udp::UdpSocket;
use embassy_time::{Duration, Instant, Timer};
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Resolve};
use ringstat_core::send::{Store, Time, Way};
use ringstat_core::wire::receipt::Receipt;

use super::Client;
use crate::clock;
use crate::mutant;
use crate::route::Route;
use crate::socket::renew;
use crate::task::{WAKE, publish};

/// The shortest pause between two rounds.
const LEAST: Duration = Duration::from_millis(1);

/// How long to wait for room in the socket, or for a route, before everything is checked again: a link that is down makes
/// no room.
const BUSY: Duration = Duration::from_millis(100);

/// How many replies are read in a row.
const REPLIES: usize = 8;

/// What a round has done.
enum Round {
    /// It has sent a datagram, and there may be more to send.
    Sent,
    /// Nothing is due before this time.
    Idle(u64),
    /// There is no network or no route before this time, for all that is known.
    Away(u64),
    /// Something is due, but there is no room in the socket. This is looked at again at this time.
    Full(u64),
}

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, K, R>
    Client<'a, N, C, M, PAYLOAD, NAMES, K, R>
where
    M: Resolve,
    K: Store<Event = Event>,
    R: Route,
{
    /// Sends until nothing is due and `is_done` agrees that nothing will be.
    pub(super) fn send_until(
        &mut self,
        socket: &mut UdpSocket<'_>,
        stack: Stack<'_>,
        is_done: impl Fn(&Self) -> bool,
    ) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            // This round sees whatever was signalled so far.
            WAKE.reset();
            let (until, full) = loop {
                match self.round(socket, stack) {
                    Round::Sent => {}
                    Round::Idle(_) if is_done(self) => return Poll::Ready(()),
                    Round::Idle(until) | Round::Away(until) => break (until, false),
                    Round::Full(until) => break (until, true),
                }
            };
            // The executor comes back to this task after all others that are ready.
            if is_over(socket, until, full, cx) {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
    }

    /// Hears what has arrived, and sends one datagram if one is due.
    fn round(&mut self, socket: &mut UdpSocket<'_>, stack: Stack<'_>) -> Round {
        self.hear(socket);
        let now = self.now();
        let at = now.monotonic;
        if !stack.is_config_up() || !stack.is_link_up() {
            // Nothing is packed while there is no network: the ring's policy decides what is given up meanwhile. A batch is
            // a reason to look earlier: the network may be there by now.
            self.route.changed();
            return Round::Away(at + self.look.as_micros());
        }
        // What an earlier run has left behind is repeated until it is acknowledged, with pauses of its own.
        let recovering = self.sender.is_recovering();
        let probing = match if recovering { Way::Clear } else { self.route.way(at) } {
            Way::Clear => {
                if self.route.asks(at) {
                    self.sender.ask();
                }
                if let Err(until) = self.stats.due(&mut self.sender, now) {
                    return Round::Idle(until.min(self.route.deadline()));
                }
                false
            }
            Way::Wait(until) => return Round::Idle(until),
            Way::Probe => true,
        };
        let later = at + BUSY.as_micros();
        // There is a place for one datagram, which is free when the last one has been sent.
        if !socket.may_send() {
            self.lose("would_block");
            return Round::Full(later);
        }
        renew(socket, self.local_port);
        // Packs straight into that buffer, and only when there is room: nothing is ever packed and then not sent.
        let Self { stats, sender, to, .. } = self;
        let pack = |buf: &mut [u8]| {
            let packed =
                if probing { stats.probe(sender, now, buf) } else { stats.pack(sender, now, buf) };
            (packed.as_ref().map_or(0, |packed| packed.len), packed)
        };
        match poll_once(socket.send_to_with(PAYLOAD, *to, pack)) {
            Poll::Ready(Ok(Some(packed))) => {
                if !recovering {
                    self.route.handed(&packed, at);
                }
                self.stats.measure(&packed);
                self.sender.sent(packed);
                Round::Sent
            }
            Poll::Ready(Ok(None)) | Poll::Pending => Round::Away(later),
            // There is no route, and nothing was packed.
            Poll::Ready(Err(_)) => {
                if !recovering {
                    self.route.failed(at);
                    self.lose("no_route");
                }
                Round::Away(later)
            }
        }
    }

    /// What a worse task would do here: give up what there is to send. Only ever as a deliberate mistake.
    fn lose(&mut self, asked: &str) {
        if mutant(asked) {
            let mut nowhere = [0; PAYLOAD];
            let now = self.now();
            if let Some(packed) = self.stats.pack(&mut self.sender, now, &mut nowhere) {
                self.sender.gave_up(packed, Cause::SendError);
            }
        }
    }

    pub(super) fn now(&self) -> Time {
        Time { monotonic: clock::micros(), wall: self.stats.clock().now() }
    }

    /// Reads what has arrived from the collector, without waiting for more.
    pub(super) fn hear(&mut self, socket: &mut UdpSocket<'_>) {
        for _ in 0..REPLIES {
            let heard = poll_once(socket.recv_from_with(|datagram, meta| {
                // Only the collector can say what has arrived, and it answers from the address that was sent to.
                if meta.endpoint == self.to || mutant("anyone") {
                    self.answered(datagram);
                }
            }));
            if heard.is_pending() {
                break;
            }
        }
        if let Some(liveness) = self.route.liveness() {
            self.sender.confirmed(liveness.unconfirmed(), liveness.lost());
        }
        publish(self.sender.totals());
    }

    /// Takes an answer. A faulty one changes nothing, and is asked for again.
    fn answered(&mut self, answer: &[u8]) {
        if R::ASKS && Receipt::is_one(answer) {
            if let Ok(receipt) = self.sender.receipt(answer) {
                self.route.answered(&receipt, clock::micros());
            }
        } else {
            let _ = self.stats.acknowledged(&mut self.sender, answer);
        }
    }
}

/// Whether the wait until that time of the clock, for a batch, for an answer or, if `full`, for room is over already. If
/// not, each of them wakes the task.
fn is_over(socket: &UdpSocket<'_>, until: u64, full: bool, cx: &mut Context<'_>) -> bool {
    // Always a short sleep, so that other tasks have their turn whatever the deadline is.
    let at = Instant::from_micros(until.min(u64::MAX / 2)).max(Instant::now() + LEAST);
    Pin::new(&mut Timer::at(at)).poll(cx).is_ready()
        | pin!(WAKE.wait()).poll(cx).is_ready()
        | socket.poll_recv_ready(cx).is_ready()
        | (full && socket.poll_send_ready(cx).is_ready())
}
