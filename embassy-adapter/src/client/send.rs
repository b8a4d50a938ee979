//! The loop of a client: it hears what has arrived, sends what is due, and sleeps.

use core::future::poll_fn;
use core::task::Poll as Ready;

use embassy_futures::select::{select, select3};
use embassy_net::Stack;
use embassy_net::udp::{self, UdpSocket};
use embassy_time::{Duration, Instant, Timer};
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Resolve};
use ringstat_core::send::{Store, Time, Way};
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::receipt::Receipt;

use super::Client;
use crate::clock;
use crate::mutant;
use crate::socket::{BUSY, is_empty, renew};
use crate::task::{WAKE, publish};

/// The shortest pause between two rounds.
const LEAST: Duration = Duration::from_millis(1);

/// How many replies are read in a row.
const REPLIES: usize = 8;

impl<'a, const N: usize, const C: usize, M, const PAYLOAD: usize, const NAMES: usize, K>
    Client<'a, N, C, M, PAYLOAD, NAMES, K>
where
    M: Resolve,
    K: Store<Event = Event>,
{
    /// Sends until nothing is due and `is_done` agrees that nothing will be.
    pub(super) async fn send_until(
        &mut self,
        socket: &mut UdpSocket<'_>,
        stack: Stack<'_>,
        is_done: impl Fn(&Self) -> bool,
    ) {
        loop {
            self.hear(socket).await;
            if !stack.is_config_up() || !stack.is_link_up() {
                // Nothing is packed while there is no network: the ring's policy decides what is given up meanwhile.
                self.path.changed();
                // A batch is a reason to look earlier: the network may be there by now.
                select(Timer::after(self.look), WAKE.wait()).await;
                continue;
            }
            match self.step(socket).await {
                Ok(()) => {}
                Err(_) if is_done(self) => return,
                Err(until) => idle(socket, until).await,
            }
        }
    }

    /// Sends one datagram, or says until when there is nothing to do.
    async fn step(&mut self, socket: &mut UdpSocket<'_>) -> Result<(), u64> {
        let now = self.now();
        let at = now.monotonic;
        // What an earlier run has left behind is repeated until it is acknowledged, with pauses of its own.
        let recovering = self.sender.is_recovering();
        let probing = match if recovering { Way::Clear } else { self.path.way(at) } {
            Way::Clear => {
                if self.path.asks(at) {
                    self.sender.ask();
                }
                let due = self.stats.due(&mut self.sender, now);
                due.map_err(|until| until.min(self.path.deadline()))?;
                false
            }
            Way::Wait(until) => return Err(until),
            Way::Probe => true,
        };
        if !is_empty(socket).await {
            self.lose("would_block");
            return Ok(());
        }
        // Answers that have arrived since would be lost when the socket is opened anew.
        self.hear(socket).await;
        renew(socket, self.local_port);
        // Packs straight into that buffer, and only when there is room: nothing is ever packed and then not sent.
        let Self { stats, sender, to, .. } = self;
        let pack = |buf: &mut [u8]| {
            let packed =
                if probing { stats.probe(sender, now, buf) } else { stats.pack(sender, now, buf) };
            (packed.as_ref().map_or(0, |packed| packed.len), packed)
        };
        match socket.send_to_with(PAYLOAD, *to, pack).await {
            Ok(Some(packed)) => {
                if !recovering {
                    self.path.handed(&packed, at);
                }
                self.sender.sent(packed);
            }
            Ok(None) => {}
            // There is no route, and nothing was packed.
            Err(_) if recovering => Timer::after(BUSY).await,
            Err(_) => {
                self.path.failed(at);
                self.lose("no_route");
            }
        }
        Ok(())
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
    pub(super) async fn hear(&mut self, socket: &UdpSocket<'_>) {
        let mut buf = [0; Ack::MAX_LEN];
        for _ in 0..REPLIES {
            let received = poll_fn(|cx| {
                Ready::Ready(match socket.poll_recv_from(&mut buf, cx) {
                    Ready::Ready(received) => Some(received),
                    Ready::Pending => None,
                })
            });
            match received.await {
                None => break,
                // A datagram longer than any acknowledgement is not one, and is dropped.
                Some(Err(udp::RecvError::Truncated)) => {}
                // Only the collector can say what has arrived, and it answers from the address that was sent to.
                Some(Ok((length, meta))) if meta.endpoint == self.to || mutant("anyone") => {
                    self.answered(buf.get(..length).unwrap_or(&[]));
                }
                Some(Ok(_)) => {}
            }
        }
        if let Some(liveness) = self.path.liveness() {
            self.sender.confirmed(liveness.unconfirmed(), liveness.lost());
        }
        publish(self.sender.totals());
    }

    /// Takes an answer. A faulty one changes nothing, and is asked for again.
    fn answered(&mut self, answer: &[u8]) {
        if Receipt::is_one(answer) {
            if let Ok(receipt) = self.sender.receipt(answer) {
                let _ = self.path.answered(&receipt, clock::micros());
            }
        } else {
            let _ = self.stats.acknowledged(&mut self.sender, answer);
        }
    }
}

/// Sleeps until that time of the clock, a batch, or an answer.
async fn idle(socket: &UdpSocket<'_>, until: u64) {
    // Always a short sleep, so that other tasks have their turn whatever the deadline is.
    let at = Instant::from_micros(until.min(u64::MAX / 2)).max(Instant::now() + LEAST);
    select3(Timer::at(at), WAKE.wait(), socket.wait_recv_ready()).await;
}
