//! `Limits::bytes` holds, whatever is sent: measured at the allocator, and at the resident memory of the process.

use std::alloc::{GlobalAlloc, Layout as Block, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use ringstat_collector::{Collector, Io, Limits, Report};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::instrument::{Buckets as _, Histogram};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::testkit::Rng;
use ringstat_core::wire::Encoder;

/// Counts what is allocated.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Ordering::Relaxed) + by;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: all calls are handed on to the system's allocator as they came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, block: Block) -> *mut u8 {
        grown(block.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(block) }
    }

    unsafe fn dealloc(&self, at: *mut u8, block: Block) {
        NOW.fetch_sub(block.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(at, block) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BYTES: usize = 16 << 20;
/// What a collector has that sees nothing.
const BASE: usize = 1 << 20;

/// Datagrams of one sender, one after the other.
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

    /// Sends events, as many as go into a datagram.
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

/// The largest amount allocated while `attack` goes on, beyond what was before, and the collector after it.
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
    // The bound is reached, so that it is the bound that was tested.
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
            // Two values as far apart as can be, in each of many series.
            let id = (n % 2000).to_string();
            let value = (rng.below(2000) as f64 - 1000.0).exp2();
            attacker.send(collector, [event(Kind::Timing, "t", value, &id)].into_iter());
        }
    }
}

/// What a histogram's state may say: its lowest and its highest bucket, over and over with others between.
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
        // Often enough to be let in, with as much as goes into a datagram.
        for n in 0..4u32 {
            let ids = (0..40).map(|i| format!("{}", n * 40 + i));
            attacker.send(collector, ids.map(|id| event(Kind::Timing, "wild", 1.0, &id)));
        }
    }
}

/// One test, as the counters are those of the whole process.
#[test]
fn the_limit_of_memory_holds_under_every_attack() {
    peak("distributions", growing_distributions);
    peak("histograms", growing_histograms);
    peak("sets", sets);
    peak("series", series);
    peak("senders", senders);
    // The base is then the program, and what the allocator does not give back from one attack to the next.
    let resident = resident();
    assert!(resident < BYTES + BYTES / 10 + (24 << 20), "{} KiB resident", resident >> 10);
}

/// The most memory that the process ever had, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}
