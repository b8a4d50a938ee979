//! `Limits::bytes` holds, whatever is sent. This is measured at the allocator and as the resident memory of the
//! process.

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ringstat_collector::{Collector, Io, Limits, Report};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::instrument::{Buckets as _, Histogram};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::testkit::Rng;
use ringstat_core::wire::Encoder;

/// Counts allocated bytes.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Ordering::Relaxed) + by;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        grown(block.size());
        // SAFETY: the caller fulfils the contract.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        NOW.fetch_sub(block.size(), Ordering::Relaxed);
        // SAFETY: the caller fulfils the contract.
        unsafe { System.dealloc(at, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BYTES: usize = 16 << 20;
/// The memory of a collector that has received nothing.
const BASE: usize = 1 << 20;

/// A sender of consecutive datagrams.
struct Attacker {
    sender: u64,
    sequence: u32,
    encoder: Box<Encoder>,
    buf: Vec<u8>,
}

impl Attacker {
    fn new(sender: u64) -> Self {
        Self { sender, sequence: 0, encoder: Box::default(), buf: vec![0; 8972] }
    }

    /// Sends as many of the events as fit into a datagram.
    fn send(&mut self, to: &mut Collector, events: impl Iterator<Item = Event>) {
        let header =
            Header { sender: self.sender, sequence: self.sequence, epoch: 1, ..Header::default() };
        self.sequence += 1;
        let mut open = self.encoder.begin(&mut self.buf, &header, &Prologue::default()).unwrap();
        for event in events {
            if open.event(&event, &NoNames) != Ok(()) {
                break;
            }
        }
        let length = open.finish(false);
        to.receive(&self.buf[..length], 0);
    }
}

fn event(kind: Kind, name: &'static str, value: f64, id: &str) -> Event {
    let mut event: Event = Event::new(kind, name.into(), value.into(), 0).unwrap();
    event.push_tag("id", id).unwrap();
    event
}

/// Measures the largest amount that was allocated during `attack` in addition to what was there before, and checks the
/// collector afterwards.
fn peak(what: &str, attack: impl FnOnce(&mut Collector)) {
    let limits = Limits {
        senders: 5000,
        series: usize::MAX,
        series_per_sender: usize::MAX,
        bytes: BYTES,
        ..Limits::default()
    };
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let mut collector = Collector::new(limits);
    attack(&mut collector);
    let kept = NOW.load(Ordering::Relaxed) - before;
    let peak = PEAK.load(Ordering::Relaxed) - before;
    let charged = collector.store().bytes();
    assert!(peak <= BYTES + BYTES / 10 + BASE, "{what}: {} KiB", peak >> 10);
    assert!(kept <= charged + charged / 10 + BASE, "{what}: {kept} kept, {charged} charged");
    // The limit must be reached, or it would not have been tested.
    assert!(charged > BYTES / 2, "{what}: {} KiB charged", charged >> 10);
    let report = Report::of(&collector, &Io::default(), 0, 0);
    assert!(report.closes && !report.limits.is_empty(), "{what}: {:?}", report.limits);
    assert!(!report.health.reasons.is_empty(), "{what}: the limit is told");
}

fn growing_distributions(collector: &mut Collector) {
    let mut rng = Rng::new(1);
    for sender in 0..4 {
        let mut attacker = Attacker::new(sender);
        for n in 0..8000u64 {
            // Each of many series gets two values that are as far apart as possible.
            let id = (n % 2000).to_string();
            let value = (rng.below(2000) as f64 - 1000.0).exp2();
            attacker.send(collector, [event(Kind::Timing, "t", value, &id)].into_iter());
        }
    }
}

/// Sends states of histograms with more than 300 buckets each, spread from the lowest to the highest.
fn growing_histograms(collector: &mut Collector) {
    static NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 8972];
    let mut rng = Rng::new(2);
    for sender in 0..2600u64 {
        for (sequence, name) in (0..).zip(NAMES) {
            let histogram: Histogram<{ 1 + 40 * 8 }> = Histogram::new(name);
            (0..300).for_each(|_| histogram.record(1 << rng.below(40) | rng.below(1 << 20)));
            assert!(histogram.buckets() > 300);
            let header = Header { sender, sequence, epoch: 1, ..Header::default() };
            let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
            let _ = open.instrument(&histogram, 0);
            let length = open.finish(false);
            collector.receive(&buf[..length], 0);
        }
    }
}

/// The same distributions, each of which keeps a window for its quantiles.
fn windows(collector: &mut Collector) {
    collector.keep_windows(0);
    growing_distributions(collector);
    (1..=480).for_each(|second| collector.tick(second * 1000));
}

fn sets(collector: &mut Collector) {
    for sender in 0..8 {
        let mut attacker = Attacker::new(sender);
        for n in 0..600u32 {
            let members = (0..300).map(|m| {
                event(Kind::Set, "members", f64::from(n * 300 + m), &(n % 50).to_string())
            });
            attacker.send(collector, members);
        }
    }
}

fn series(collector: &mut Collector) {
    for sender in 0..4 {
        let mut attacker = Attacker::new(sender);
        for n in 0..1500u32 {
            let ids = (0..50).map(|i| format!("{sender}-{}", n * 50 + i));
            attacker.send(collector, ids.map(|id| event(Kind::Counter, "wild", 1.0, &id)));
        }
    }
}

fn senders(collector: &mut Collector) {
    for sender in 0..3000 {
        let mut attacker = Attacker::new(sender);
        // Each sender sends often enough to be admitted, with as much as fits into a datagram.
        for n in 0..4u32 {
            let ids = (0..40).map(|i| format!("{}", n * 40 + i));
            attacker.send(collector, ids.map(|id| event(Kind::Timing, "wild", 1.0, &id)));
        }
    }
}

/// There is only one test, since the counters apply to the whole process.
#[test]
fn the_limit_of_memory_holds_under_every_attack() {
    peak("distributions", growing_distributions);
    peak("histograms", growing_histograms);
    peak("windows", windows);
    peak("sets", sets);
    peak("series", series);
    peak("senders", senders);
    // The base is the program itself, and what the allocator keeps from one attack to the next.
    let resident = resident();
    assert!(resident < BYTES + BYTES / 10 + (24 << 20), "{} KiB resident", resident >> 10);
}

/// The peak memory of the process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}
