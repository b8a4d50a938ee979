//! Datagrams that lie over real sockets: about runs, positions, floors, identifiers, names and labels. Each lie is told
//! under numbers of the attacker's own and, as far as it can be, under that of the genuine sender beside it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use ringstat_collector::{Limits, Report, Running};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames, Priority};
use ringstat_core::wire::Encoder;
use ringstat_core::wire::ack::{Ack, ID_WINDOW};

use crate::hostile;
use crate::parser::parse;
use crate::wire::{Genuine, SOON, collector, get, until};

const ATTACKER: u64 = 0xbad;

/// A datagram with a critical event for each of these identifiers, which are counted from the floor.
fn critical(header: Header, floor: u64, above: &[u64]) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 8972];
    let prologue = Prologue { ack_floor: Some(floor), ..Prologue::default() };
    let mut open = encoder.begin(&mut buf, &header, &prologue).unwrap();
    for above in above {
        let mut event: Event = Event::new(Kind::Counter, "alarms".into(), 1u8.into(), 0).unwrap();
        event.set_priority(Priority::Critical);
        open.identified(&event, &NoNames, *above).unwrap();
    }
    let length = open.finish(false);
    buf.truncate(length);
    buf
}

/// Sends datagrams as fast as the collector takes them, so that the kernel drops none.
struct Attacker<'a> {
    socket: UdpSocket,
    on: &'a Running,
    sent: u64,
}

impl<'a> Attacker<'a> {
    fn new(on: &'a Running) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(on.udp()[0]).unwrap();
        Self { socket, on, sent: on.report(0).datagrams }
    }

    fn send(&mut self, datagram: &[u8]) {
        self.socket.send(datagram).unwrap();
        self.sent += 1;
        if self.sent.is_multiple_of(32) {
            self.is_heard();
        }
    }

    /// The genuine sender's datagram goes between those of the attacker.
    fn lets_send(&mut self, genuine: &mut Genuine) {
        genuine.send();
        self.sent += 1;
    }

    fn is_heard(&self) {
        until(|| self.on.report(0).datagrams >= self.sent);
        assert_eq!(self.on.report(0).datagrams, self.sent);
    }
}

/// The sum of a counter of one sender.
fn sum(report: &Report, sender: u64, name: &str) -> f64 {
    let id = format!("{sender:016x}");
    let of = report.series.iter().filter(|s| s.sender == id && s.name == name);
    of.map(|s| s.value).sum()
}

#[test]
fn forged_runs_and_positions_change_no_number_of_whom_they_imitate() {
    let running = collector(Limits::default());
    let (mut genuine, mut attacker) = (Genuine::new(&running), Attacker::new(&running));
    attacker.lets_send(&mut genuine);
    for n in 0..300u32 {
        let scattered = n.wrapping_mul(0x9e37_79b9);
        for sender in [Genuine::ID, ATTACKER] {
            // A run that never was, a copy, and for the attacker's own number a position anywhere.
            for (epoch, sequence) in [(1000 + scattered, scattered), (1, 0)] {
                let header = Header { sender, epoch, sequence, ..Header::default() };
                attacker.send(&critical(header, 0, &[]));
            }
        }
        let anywhere =
            Header { sender: ATTACKER, epoch: 1, sequence: scattered, ..Header::default() };
        attacker.send(&critical(anywhere, 0, &[]));
        attacker.lets_send(&mut genuine);
    }
    attacker.is_heard();
    genuine.is_exact(&running);
    let report = running.stop(usize::MAX);
    let known = report.senders.iter().find(|s| s.id == format!("{:016x}", Genuine::ID)).unwrap();
    assert_eq!(
        (known.received, known.lost, known.outstanding),
        (301, Some(0), Some(0)),
        "{known:?}"
    );
    assert_eq!(
        (known.strangers, known.duplicates, known.restarts),
        (Some(300), Some(300), Some(0)),
        "{known:?}"
    );
    assert!(report.closes);
}

/// A sender of critical events, which are acknowledged.
struct Alarms {
    socket: UdpSocket,
    sequence: u32,
}

impl Alarms {
    const ID: u64 = 0xa1a;

    fn new(to: &Running) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to.udp()[0]).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { socket, sequence: 0 }
    }

    /// Sends event `id`, and repeats it until it is acknowledged.
    fn raise(&mut self, id: u64) {
        let begun = Instant::now();
        loop {
            let header =
                Header { sender: Self::ID, epoch: 1, sequence: self.sequence, ..Header::default() };
            self.sequence += 1;
            self.socket.send(&critical(header, id, &[0])).unwrap();
            let mut buf = [0; Ack::MAX_LEN];
            // Other answers are about what came before.
            while let Ok(length) = self.socket.recv(&mut buf) {
                if Ack::parse(&buf[..length]).is_ok_and(|ack| ack.epoch == 1 && ack.settles(id)) {
                    return;
                }
            }
            assert!(begun.elapsed() < SOON, "event {id} is never acknowledged");
        }
    }
}

#[test]
fn forged_floors_and_identifiers_settle_nothing_that_has_not_come() {
    let running = collector(Limits::default());
    let mut genuine = Genuine::new(&running);
    let mut alarms = Alarms::new(&running);
    let attacker = UdpSocket::bind("127.0.0.1:0").unwrap();
    attacker.connect(running.udp()[0]).unwrap();
    let far = ID_WINDOW as u64;
    for n in 0..50u32 {
        genuine.send();
        alarms.raise(n.into());
        for (floor, above) in [
            (u64::MAX, &[0, 1, u64::MAX][..]),
            (u64::MAX - far, &[0, far - 1, far, far + 1]),
            (1 << 40, &[0]),
            // The floor falls.
            (0, &[0, 1, 2]),
            (0, &[far, u64::MAX]),
        ] {
            let own = Header { sender: ATTACKER, epoch: 1, sequence: n, ..Header::default() };
            // A run of the genuine sender that never was, and a copy of a datagram of its real one.
            let stray = Header { sender: Alarms::ID, epoch: 9000 + n, sequence: n, ..own };
            let copy = Header { sender: Alarms::ID, epoch: 1, sequence: 0, ..own };
            for header in [own, stray, copy] {
                attacker.send(&critical(header, floor, above)).unwrap();
            }
        }
    }
    genuine.is_exact(&running);
    // Copies of the real run may raise the events that are open, and no others: all of them have come.
    let report = running.report(usize::MAX);
    assert_eq!(sum(&report, Alarms::ID, "alarms"), 50.0, "each once");
    assert!(sum(&report, ATTACKER, "alarms") <= f64::from(50 * 12));
    assert!(report.closes);
    let known = report.senders.iter().find(|s| s.id == format!("{:016x}", Alarms::ID)).unwrap();
    assert_eq!((known.lost, known.restarts), (Some(0), Some(0)), "{known:?}");
    assert!(running.stop(0).closes);
}

#[test]
fn labels_and_names_that_spoil_a_page_spoil_nothing() {
    let running = collector(Limits::default());
    let (mut genuine, mut attacker) = (Genuine::new(&running), Attacker::new(&running));
    // Reserved, equal, colliding and empty labels under reserved, equal and invalid names; and labels of great length.
    for (sender, records) in [(1, hostile::tricks()), (2, hostile::tricks()), (3, hostile::wide())]
    {
        for datagram in hostile::datagrams(sender, 0, &records) {
            attacker.send(&datagram);
            attacker.lets_send(&mut genuine);
        }
    }
    attacker.is_heard();
    genuine.is_exact(&running);
    let answer = get(running.http().unwrap(), "/metrics");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let page = running.metrics();
    // What is sent in chunks is the page and their sizes, so the page itself is what is parsed.
    assert!(body.contains("genuine_total") && answer.contains("transfer-encoding: chunked"));
    let samples = parse(&page).unwrap_or_else(|e| panic!("{e}"));
    let id = format!("{:016x}", Genuine::ID);
    let known = samples.iter().filter(|s| s.name == "genuine_total" && s.labels["sender"] == id);
    assert_eq!(known.count(), 1);
    let report = running.stop(0);
    assert!(report.closes && report.malformed.is_empty(), "{:?}", report.malformed);
}
