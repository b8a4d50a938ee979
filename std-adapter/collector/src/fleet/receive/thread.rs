//! A receiving thread: checks datagrams, and packs those of a shard into messages.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use quinn_udp::UdpSocketState;
use ringstat_core::wire::Decoder;
use ringstat_core::wire::ack::{Ack, ID_WINDOW};
use ringstat_core::wire::decode::{Body, Datagram};

use super::account::{Account, add};
use super::queue::{Answer, Batch, Place, Queue};
use super::runs::Runs;
use crate::fleet::message::MessageBuilder;
use crate::intake::{ACK_AMPLIFICATION, Source, shard_of};
use crate::server::{DRAIN, POLL_INTERVAL, Received, Trains, Waker};
use crate::statsd;

/// A message is closed when it is so long, in bytes,
pub(super) const MESSAGE_BYTES: usize = 64 << 10;
/// has so many datagrams,
const MESSAGE_DATAGRAMS: u64 = 256;
/// or is so old.
const AGE: Duration = Duration::from_millis(10);

/// One of the receiving threads.
pub(super) struct Receiver {
    pub(super) sockets: Vec<Arc<UdpSocket>>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) waker: Waker,
    pub(super) intake: Intake,
}

impl Receiver {
    /// Receives until told to stop, and then until the kernel has nothing left.
    pub(super) fn run(mut self) {
        let mut states = Vec::new();
        for socket in &self.sockets {
            match UdpSocketState::new((&**socket).into()) {
                Ok(state) => states.push((socket.clone(), state)),
                Err(_) => add(&self.intake.account.receive_errors, 1),
            }
        }
        let mut trains = Trains::new();
        let mut deadline = None;
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let late = stopping
                && *deadline.get_or_insert_with(|| Instant::now() + DRAIN) < Instant::now();
            let mut received = Received::Nothing;
            for (socket, state) in &states {
                match trains.receive(state, socket) {
                    Received::Nothing => {}
                    Received::Something => {
                        received = Received::Something;
                        self.intake.take(&trains, socket);
                    }
                    Received::Failure => {
                        received = Received::Failure;
                        add(&self.intake.account.receive_errors, 1);
                    }
                }
            }
            let due = self.intake.close_old(Instant::now());
            match received {
                Received::Something if !late => continue,
                _ if stopping => break,
                Received::Failure => std::thread::sleep(AGE),
                _ => {}
            }
            let sockets = self.sockets.iter().map(|socket| &**socket);
            self.waker.wait(sockets, due.unwrap_or(POLL_INTERVAL).min(POLL_INTERVAL));
        }
        self.intake.close_all();
    }
}

/// What is done with datagrams, without the sockets.
pub(super) struct Intake {
    account: Arc<Account>,
    queue: Queue,
    decoder: Box<Decoder>,
    runs: Runs,
    /// For each shard, the message that is being filled.
    open: Vec<Open>,
    /// The messages that were begun, in order: the time at which each is too old, its shard and its number.
    begun: VecDeque<(Instant, u16, u64)>,
    /// Whether lines of StatsD are taken.
    statsd: bool,
    /// Whether a receipt waits until what it is for is safe.
    safe_receipts: bool,
}

/// A message that is being filled, and its number among those of its shard.
#[derive(Default)]
struct Open {
    number: u64,
    message: MessageBuilder,
    /// The bytes of its datagrams.
    bytes: usize,
    acks: Vec<Answer>,
    receipts: Vec<Answer>,
}

/// A datagram's events that have an identifier, and how many have none.
struct Events {
    floor: u64,
    bits: [u8; ID_WINDOW / 8],
    with_id: bool,
    without_id: u64,
}

impl Intake {
    pub(super) fn new(
        account: Arc<Account>,
        queue: Queue,
        shards: u16,
        statsd: bool,
        safe_receipts: bool,
    ) -> Self {
        Self {
            account,
            queue,
            decoder: Box::new(Decoder::new()),
            runs: Runs::default(),
            open: (0..shards).map(|_| Open::default()).collect(),
            begun: VecDeque::new(),
            statsd,
            safe_receipts,
        }
    }

    /// Takes what one call has received.
    fn take(&mut self, trains: &Trains, socket: &Arc<UdpSocket>) {
        let now = Instant::now();
        let (mut count, mut bytes) = (0, 0);
        for (datagram, from) in trains.datagrams() {
            (count, bytes) = (count + 1, bytes + datagram.len() as u64);
            self.take_one(datagram, from, socket, now);
        }
        add(&self.account.received, count);
        add(&self.account.bytes, bytes);
    }

    /// Takes one datagram, and sends the receipt that it asks for.
    fn take_one(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
        socket: &Arc<UdpSocket>,
        now: Instant,
    ) {
        let (mut ack, mut receipt) = (None, None);
        match self.decoder.open(datagram) {
            Ok(mut opened) => {
                if !self.queue.admit(datagram.len()) {
                    return;
                }
                let (header, prologue) = (*opened.header(), *opened.prologue());
                let floor = prologue.ack_floor;
                let mut events = None;
                let asked = self.runs.note(&header, prologue.wants_receipt, now, || {
                    events.insert(Events::of(&mut opened, floor)).without_id
                });
                // Of a copy, the events were not counted, but their acknowledgement may have been lost.
                let events = match (events, floor) {
                    (None, Some(_)) => Some(Events::of(&mut opened, floor)),
                    (events, _) => events,
                };
                receipt = asked.map(|of| {
                    let bytes = Box::from(&of.emit()[..]);
                    Answer { socket: socket.clone(), to: from, bytes }
                });
                if !self.safe_receipts
                    && let Some(receipt) = receipt.take()
                    && receipt.send()
                {
                    add(&self.account.receipts, 1);
                }
                ack = events.filter(|of| of.with_id).and_then(|of| {
                    let bytes = of.ack(header.sender, header.epoch, datagram.len())?;
                    Some(Answer { socket: socket.clone(), to: from, bytes })
                });
            }
            Err(_) if self.statsd && statsd::is_text(datagram) => {
                if !self.queue.admit(datagram.len()) {
                    return;
                }
            }
            Err(e) => return add(&self.account.malformed[e as usize], 1),
        }
        let shard = shard_of(datagram, Some(&Source::from(from)), self.open.len());
        let open = &mut self.open[shard];
        if open.message.len() + datagram.len() > MESSAGE_BYTES {
            open.close(shard as u16, &self.queue);
        }
        if open.message.datagrams() == 0 {
            self.begun.push_back((now + AGE, shard as u16, open.number));
        }
        open.message.add(datagram, from);
        open.bytes += datagram.len();
        open.acks.extend(ack);
        open.receipts.extend(receipt);
        if open.message.datagrams() >= MESSAGE_DATAGRAMS {
            open.close(shard as u16, &self.queue);
        }
    }

    /// Closes messages that are too old. Returns how long it takes until the next one is.
    fn close_old(&mut self, now: Instant) -> Option<Duration> {
        while let Some((due, shard, number)) = self.begun.front().copied() {
            let open = &mut self.open[usize::from(shard)];
            if open.number == number {
                if due > now {
                    return Some(due - now);
                }
                open.close(shard, &self.queue);
            }
            self.begun.pop_front();
        }
        None
    }

    /// Closes all messages.
    fn close_all(&mut self) {
        for (shard, open) in (0..).zip(&mut self.open) {
            open.close(shard, &self.queue);
        }
        self.begun.clear();
    }
}

impl Open {
    /// Passes the message on, if there is anything in it.
    fn close(&mut self, shard: u16, queue: &Queue) {
        if self.message.datagrams() == 0 {
            return;
        }
        self.number += 1;
        let (body, datagrams) = self.message.take();
        queue.put(Batch {
            shard,
            length: body.len(),
            body: body.into(),
            datagrams,
            bytes: std::mem::take(&mut self.bytes),
            acks: std::mem::take(&mut self.acks),
            receipts: std::mem::take(&mut self.receipts),
            place: Place::Memory,
            since: Instant::now(),
        });
    }
}

impl Events {
    /// Reads the records. What cannot be read is for the worker to tell: it will store as much as is counted here.
    fn of(opened: &mut Datagram<'_>, floor: Option<u64>) -> Self {
        let mut events = Self {
            floor: floor.unwrap_or_default(),
            bits: [0; ID_WINDOW / 8],
            with_id: false,
            without_id: 0,
        };
        while let Some(Ok(record)) = opened.next() {
            let Body::Event(event) = record.body else { continue };
            let Some(id) = event.id else {
                events.without_id += 1;
                continue;
            };
            let offset = id.checked_sub(events.floor).and_then(|of| usize::try_from(of).ok());
            let byte = offset.and_then(|of| events.bits.get_mut(of / 8).map(|byte| (byte, of % 8)));
            if let Some((byte, bit)) = byte.filter(|_| floor.is_some()) {
                *byte |= 1 << bit;
                events.with_id = true;
            }
        }
        events
    }

    /// The acknowledgement of what is in this datagram alone. Everything below the floor is settled, as its sender says.
    fn ack(&self, sender: u64, epoch: u32, asked: usize) -> Option<Box<[u8]>> {
        let room = asked.saturating_mul(ACK_AMPLIFICATION).checked_sub(Ack::MIN_LEN)?;
        let bitmap = &self.bits[..room.min(self.bits.len())];
        let mut buf = [0; Ack::MAX_LEN];
        let length = Ack { sender, epoch, base: self.floor, bitmap }.emit(&mut buf)?;
        Some(buf[..length].into())
    }
}
