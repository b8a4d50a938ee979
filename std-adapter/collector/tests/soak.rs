//! A collector at work for a while: 2000 senders, 200 000 events a second from threads that come and go, a scrape every
//! second. At the end every datagram and every event is accounted for, and memory has not grown.
//!
//! `RINGSTAT_SOAK` is the time in seconds; `.ci/soak` asks for a minute.

#![cfg(target_os = "linux")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "attack/wire.rs"]
mod wire;

use std::net::UdpSocket;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use ringstat_collector::Limits;
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;
use wire::{collector, get, until};

const SENDERS: usize = 2000;
/// Threads that send at a time, each for its part of the senders.
const THREADS: usize = 4;
const EVENTS_IN_DATAGRAM: u64 = 20;
/// Datagrams a second, of all threads.
const RATE: f64 = 10_000.0;
/// A thread lives so long, and then another one takes its place.
const LIFE: Duration = Duration::from_secs(1);

/// The next sequence number of each sender.
type Sent = Vec<u32>;

/// Sends for these senders, in turn, for the life of a thread or until `end`.
fn send(to: &UdpSocket, first: usize, sent: &mut Sent, end: Instant) {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let (begun, mut done) = (Instant::now(), 0);
    while begun.elapsed() < LIFE && Instant::now() < end {
        if f64::from(done) > begun.elapsed().as_secs_f64() * RATE / THREADS as f64 {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        let which = done as usize % sent.len();
        datagram(&mut encoder, &mut buf, (first + which) as u64, sent[which], |d| {
            to.send(d).unwrap();
        });
        sent[which] += 1;
        done += 1;
    }
}

fn datagram(
    encoder: &mut Encoder,
    buf: &mut [u8],
    sender: u64,
    sequence: u32,
    send: impl FnOnce(&[u8]),
) {
    let header = Header { sender: sender + 1, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(buf, &header, &Prologue::default()).unwrap();
    for n in 0..EVENTS_IN_DATAGRAM {
        let kind = if n == 0 { Kind::Timing } else { Kind::Counter };
        let event: Event = Event::new(kind, "soak".into(), 1u8.into(), n).unwrap();
        open.event(&event, &NoNames).unwrap();
    }
    let length = open.finish(false);
    send(&buf[..length]);
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn after_a_while_everything_is_accounted_for_and_memory_is_flat() {
    let seconds = std::env::var("RINGSTAT_SOAK").map_or(5, |s| s.parse().expect("seconds"));
    let running = collector(Limits::default());
    let http = running.http().unwrap();
    let end = Instant::now() + Duration::from_secs(seconds);
    let parts: Vec<Mutex<Sent>> =
        (0..THREADS).map(|_| Mutex::new(vec![0; SENDERS / THREADS])).collect();
    let to = running.udp()[0];
    let socket = move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to).unwrap();
        socket
    };
    let (mut settled, mut scrapes) = (None, 0);
    thread::scope(|scope| {
        for (number, part) in parts.iter().enumerate() {
            scope.spawn(move || {
                while Instant::now() < end {
                    // A thread of its own, with a port of its own.
                    let one = scope.spawn(move || {
                        let first = number * (SENDERS / THREADS);
                        send(&socket(), first, &mut part.lock().unwrap(), end);
                    });
                    one.join().unwrap();
                }
            });
        }
        while Instant::now() < end {
            let page = get(http, "/metrics");
            assert!(page.contains("ringstat_collector_page_omitted_series 0\n"));
            scrapes += 1;
            let report = running.report(0);
            assert!(report.closes, "{report:?}");
            let half = end - Duration::from_secs(seconds) / 2;
            if Instant::now() > half {
                settled.get_or_insert_with(resident);
            }
            thread::sleep(Duration::from_secs(1));
        }
    });
    // One more of each, slowly, so that what the kernel dropped before it is known to be missing.
    let (mut encoder, mut buf, socket) = (Box::default(), vec![0; 1472], socket());
    let sent: Vec<u32> = parts.iter().flat_map(|part| part.lock().unwrap().clone()).collect();
    let mut before = running.report(0).datagrams;
    for (sender, sequence) in sent.iter().enumerate() {
        datagram(&mut encoder, &mut buf, sender as u64, *sequence, |d| {
            socket.send(d).unwrap();
        });
        if sender % 100 == 99 {
            before += 100;
            until(|| running.report(0).datagrams >= before);
        }
    }
    let grown = resident().saturating_sub(settled.unwrap());
    assert!(grown < 4 << 20, "{} KiB in the second half", grown >> 10);
    let report = running.stop(usize::MAX);
    assert!(report.closes && report.limits.is_empty(), "{:?}", report.limits);
    assert!(scrapes > 0 && report.senders.len() == SENDERS, "{}", report.senders.len());
    for sender in &report.senders {
        let id = u64::from_str_radix(&sender.id, 16).unwrap() as usize - 1;
        assert_eq!(sender.received + sender.lost, u64::from(sent[id]) + 1, "{sender:?}");
        let counters = report.series.iter().filter(|s| s.sender == sender.id);
        let events: f64 = counters.map(|s| s.value).sum();
        assert_eq!(events, (sender.received * EVENTS_IN_DATAGRAM) as f64, "{sender:?}");
    }
    let expected: u64 = sent.iter().map(|n| u64::from(*n) + 1).sum();
    assert_eq!(report.accepted + report.lost, expected);
    println!(
        "{seconds} s: {} events, {} of {expected} datagrams lost, {scrapes} scrapes",
        report.stored, report.lost
    );
}
