//! A collector with a data directory at work for a while: 2000 senders, 200 000 events a second from threads that come and
//! go, a scrape every second, and now and then a `kill -9`. After each of them every datagram and every event is accounted
//! for, no number that was scraped has gone back, and neither memory nor the directory has grown.
//!
//! `SOAK_SECONDS` is the time in seconds and `SOAK_LIFE_SECONDS` that of one life; `.ci/soak` asks for a minute.

#![cfg(target_os = "linux")]

mod common;

use std::collections::HashMap;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::collector::Collector;
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;

const SENDERS: usize = 2000;
/// Threads that send at a time, each for its part of the senders.
const THREADS: usize = 4;
const EVENTS_IN_DATAGRAM: u64 = 20;
/// Datagrams a second, of all threads.
const RATE: f64 = 10_000.0;
/// A thread lives so long, and then another one takes its place.
const LIFE_OF_THREAD: Duration = Duration::from_secs(1);
/// There are at least so many lives, however slow the machine is.
const LIVES: usize = 3;
/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(60);

/// Begins a life of the collector.
fn start(dir: &Path, udp: &str) -> Collector {
    Collector::start_at(udp, |command| {
        command.arg("--data").arg(dir).env("RUST_LOG", "warn");
    })
}

/// Its resident memory, in bytes. Its command may run under others that end it with this test.
fn resident(collector: &Collector) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.id()));
    let status = status.expect("it runs");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

/// A page of `/metrics`.
struct Page(HashMap<String, f64>);

impl Page {
    fn scrape(collector: &Collector) -> Self {
        let text = collector.scrape();
        assert!(text.contains("\nringstat_collector_page_omitted_series 0\n"), "all of it");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    fn own(&self, name: &str) -> f64 {
        self.0[&format!("ringstat_collector_{name}")]
    }

    /// A number about a sender, or 0 if it is not known.
    fn of_sender(&self, name: &str, sender: usize) -> u64 {
        self.0.get(&format!("{name}{{sender=\"{:016x}\"}}", sender + 1)).map_or(0, |n| *n as u64)
    }

    /// What only grows in the data directory: counters of senders and their series.
    fn kept(&self) -> impl Iterator<Item = (&str, f64)> {
        let all = self.0.iter().map(|(name, value)| (&**name, *value));
        all.filter(|(name, _)| {
            let family = name.split('{').next().unwrap_or_default();
            let of_data = family.starts_with("ringstat_sender_") || family.starts_with("soak_");
            of_data && ["_total", "_count", "_bucket"].iter().any(|end| family.ends_with(end))
        })
    }
}

/// The next sequence number of each sender.
type Sent = Vec<u32>;

/// What sends: the threads, and whether they are to wait.
struct Load<'a> {
    to: &'a str,
    parts: Vec<Mutex<Sent>>,
    rests: AtomicBool,
    ends: AtomicBool,
}

impl Load<'_> {
    fn socket(&self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.to).unwrap();
        socket
    }

    /// Sends for a part of the senders, in turn, for the life of a thread.
    fn send(&self, number: usize) {
        let (socket, mut sent) = (self.socket(), self.parts[number].lock().unwrap());
        let first = number * (SENDERS / THREADS);
        let mut encoder: Box<Encoder> = Box::default();
        let (begun, mut done) = (Instant::now(), 0);
        while begun.elapsed() < LIFE_OF_THREAD && !self.rests.load(Ordering::Acquire) {
            if f64::from(done) > begun.elapsed().as_secs_f64() * RATE / THREADS as f64 {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            let which = done as usize % sent.len();
            send(&socket, &mut encoder, first + which, sent[which]);
            sent[which] += 1;
            done += 1;
        }
    }

    /// Waits until no thread sends, and returns what each sender has sent.
    fn rest(&self) -> Vec<u32> {
        self.rests.store(true, Ordering::Release);
        self.parts.iter().flat_map(|part| part.lock().unwrap().clone()).collect()
    }

    fn go_on(&self) {
        self.rests.store(false, Ordering::Release);
    }
}

/// Ends the threads that send, also when the test fails.
struct End<'a>(&'a Load<'a>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.rests.store(true, Ordering::Release);
        self.0.ends.store(true, Ordering::Release);
    }
}

fn send(socket: &UdpSocket, encoder: &mut Encoder, sender: usize, sequence: u32) {
    let mut buf = [0; 1472];
    let header = Header { sender: sender as u64 + 1, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    for n in 0..EVENTS_IN_DATAGRAM {
        let kind = if n == 0 { Kind::Timing } else { Kind::Counter };
        let event: Event = Event::new(kind, "soak".into(), 1u8.into(), n).unwrap();
        open.event(&event, &NoNames).unwrap();
    }
    let length = open.finish(false);
    // While there is no collector it is refused; its number is used up all the same.
    let _ = socket.send(&buf[..length]);
}

/// Sends one more datagram of each sender, and again of those whose last one the kernel has dropped, so that all that is
/// missing before it shows; then everything is accounted for. Returns how many datagrams were lost so far.
fn settle(collector: &Collector, load: &Load<'_>) -> u64 {
    let mut sent = load.rest();
    let (mut encoder, socket) = (Box::default(), load.socket());
    let mut open: Vec<usize> = (0..SENDERS).collect();
    let begun = Instant::now();
    let page = loop {
        for some in open.chunks(50) {
            for sender in some {
                send(&socket, &mut encoder, *sender, sent[*sender]);
                sent[*sender] += 1;
            }
            thread::sleep(Duration::from_millis(1));
        }
        let page = Page::scrape(collector);
        open.retain(|sender| accounted(&page, *sender) != u64::from(sent[*sender]));
        if open.is_empty() {
            break page;
        }
        assert!(begun.elapsed() < SOON, "the account of {} senders does not close", open.len());
    };
    for sender in 0..SENDERS {
        let received = page.of_sender("ringstat_sender_received_total", sender);
        let counted = page.of_sender("soak_total", sender);
        let timed = page.of_sender("soak_seconds_count", sender);
        assert_eq!(counted, received * (EVENTS_IN_DATAGRAM - 1), "sender {sender}");
        assert_eq!(timed, received, "sender {sender}");
    }
    let numbers = sent.chunks(SENDERS / THREADS);
    load.parts.iter().zip(numbers).for_each(|(part, of)| part.lock().unwrap().copy_from_slice(of));
    load.go_on();
    let received = (0..SENDERS).map(|s| page.of_sender("ringstat_sender_received_total", s));
    sent.into_iter().map(u64::from).sum::<u64>() - received.sum::<u64>()
}

/// How many datagrams of a sender the collector has, or knows to be missing.
fn accounted(page: &Page, sender: usize) -> u64 {
    let of = ["received_total", "lost_total", "outstanding", "missed_before_start"];
    of.iter().map(|of| page.of_sender(&format!("ringstat_sender_{of}"), sender)).sum()
}

fn seconds(variable: &str, default: u64) -> Duration {
    let given = std::env::var(variable);
    Duration::from_secs(given.map_or(default, |s| s.parse().expect("seconds")))
}

#[test]
fn lives_that_end_with_a_kill_account_for_everything_and_memory_is_flat() {
    let (time, life) = (seconds("SOAK_SECONDS", 6), seconds("SOAK_LIFE_SECONDS", 2));
    let dir = tempfile::tempdir().unwrap();
    let mut collector = start(dir.path(), "127.0.0.1:0");
    let udp = collector.udp.clone();
    let part = || Mutex::new(vec![0; SENDERS / THREADS]);
    let load = Load {
        to: &udp,
        parts: (0..THREADS).map(|_| part()).collect(),
        rests: AtomicBool::new(false),
        ends: AtomicBool::new(false),
    };
    let (mut scrapes, mut memory, mut files, mut lost) = (0, Vec::new(), Vec::new(), 0);
    let begun = Instant::now();
    let collector = thread::scope(|scope| {
        let _end = End(&load);
        for number in 0..THREADS {
            let load = &load;
            scope.spawn(move || {
                while !load.ends.load(Ordering::Acquire) {
                    // A thread of its own, with a port of its own.
                    scope.spawn(move || load.send(number)).join().unwrap();
                    while load.rests.load(Ordering::Acquire) && !load.ends.load(Ordering::Acquire) {
                        thread::sleep(Duration::from_millis(5));
                    }
                }
            });
        }
        while begun.elapsed() < time || memory.len() < LIVES {
            let since = Instant::now();
            let mut last = Page::scrape(&collector);
            while since.elapsed() < life {
                thread::sleep(Duration::from_secs(1).min(life / 2));
                last = Page::scrape(&collector);
                scrapes += 1;
            }
            memory.push(resident(&collector));
            files.push(last.own("data_file_bytes"));
            // In the middle of the load, and right after a scrape.
            let last = Page::scrape(&collector);
            collector.kill();
            let again = Instant::now();
            collector = start(dir.path(), &udp);
            let first = Page::scrape(&collector);
            let took = again.elapsed();
            for (name, value) in last.kept() {
                let now = first.0.get(name).copied().unwrap_or(0.0);
                assert!(now >= value, "{name} was {value}, and is {now} after the crash");
            }
            lost = settle(&collector, &load);
            println!(
                "after {:.0?}: back in {took:.1?}, {lost} datagrams lost so far, {} MiB, {:.0} MiB on disk",
                begun.elapsed(),
                memory.last().unwrap() >> 20,
                files.last().unwrap() / 1048576.0
            );
        }
        collector
    });
    let took = begun.elapsed();
    assert!(scrapes > 0 && lost > 0, "what comes while there is no collector is lost");
    // Of the first life everything is new.
    let (early, late) = memory[1..].split_at(memory[1..].len().div_ceil(2));
    let most = |of: &[usize]| of.iter().max().copied().unwrap_or(0);
    let grown = most(late).saturating_sub(most(early));
    assert!(grown < 8 << 20, "{memory:?}");
    let (first, last) = (files[1], files[files.len() - 1]);
    assert!(last < 2.0 * first, "{files:?}");
    let events: u64 =
        load.parts.iter().flat_map(|p| p.lock().unwrap().clone()).map(u64::from).sum();
    let rate = (events * EVENTS_IN_DATAGRAM) as f64 / took.as_secs_f64();
    println!(
        "{} lives, {scrapes} scrapes, {rate:.0} events a second, {lost} datagrams lost",
        memory.len()
    );
    assert_eq!(collector.end()["closes"], true);
}
