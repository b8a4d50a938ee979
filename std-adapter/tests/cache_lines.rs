//! Threads that record share no cache line that any of them writes: counted, not timed, by comparing the memory of the
//! whole process before and after.
// Targets of 32 bits are small parts to the rings of core, which do not pad there.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::collections::BTreeSet;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{Builder, yield_now};
use std::time::Duration;

use ringstat_core::send::from_fn;
use ringstat_std::{Client, Counter, Policy, Recorder, Tag};

/// The bytes of a cache line, and the number of events in a turn.
const LINE: u64 = 64;
const EVENTS: u64 = 50;
/// How often both threads have their turn. The kernel writes to memory of threads that it moves to another processor, now and
/// then in the turns of both; what recording writes, it writes each time.
const ROUNDS: usize = 3;

static REQUESTS: Counter = Counter::new("requests");
static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

/// The turn of a thread that does nothing, and the one in which all threads end.
const IDLE: u32 = 3;
const END: u32 = 4;

/// What the threads of this test tell each other, away from everything else.
#[repr(align(4096))]
struct Aside {
    /// Whose turn it is; nobody's if 0.
    turn: AtomicU32,
    sending: AtomicBool,
}

static ASIDE: Aside = Aside { turn: AtomicU32::new(0), sending: AtomicBool::new(false) };

/// What a program records, without a heap of its own.
fn record(stats: &Client) {
    for n in 0..EVENTS {
        REQUESTS.inc();
        assert!(stats.count("plain", n).record().is_recorded());
        assert!(stats.count("tags", n).tags(TAGS).tag("user", "alice").record().is_recorded());
        let path = black_box("/api/v1/users/{id}/orders/{order}/items");
        assert!(stats.count("long", n).tag("path", path).record().is_recorded());
    }
}

/// All memory that can be written, as ranges of addresses.
fn writable() -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ranges = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with("rw"));
    let range = |line: &str| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        (address(from), address(to))
    };
    ranges.map(range).collect()
}

/// The lines in which two images of the same ranges differ.
fn changed(ranges: &[(u64, u64)], before: &[u8], after: &[u8]) -> BTreeSet<u64> {
    let mut at = 0;
    let mut lines = BTreeSet::new();
    for (from, to) in ranges {
        for line in (*from..*to).step_by(LINE as usize) {
            let bytes = at..at + LINE as usize;
            at = bytes.end;
            if before[bytes.clone()] != after[bytes] {
                lines.insert(line / LINE);
            }
        }
    }
    lines
}

fn turn(of: u32) {
    ASIDE.turn.store(of, Ordering::SeqCst);
    while ASIDE.turn.load(Ordering::SeqCst) != 0 {
        yield_now();
    }
}

/// Gives both threads a turn, and returns the lines that each of them wrote.
fn round(memory: &File, ranges: &[(u64, u64)]) -> [BTreeSet<u64>; 2] {
    let size = ranges.iter().map(|(from, to)| to - from).sum::<u64>() as usize;
    // From here on this thread allocates nothing.
    let mut images: [Vec<u8>; 4] = std::array::from_fn(|_| vec![1; size]);
    for (phase, image) in images.iter_mut().enumerate() {
        // What is written in the first turn has nothing to do with recording.
        if phase > 0 {
            turn([IDLE, 1, 2][phase - 1]);
        }
        let mut at = 0;
        for (from, to) in ranges {
            let length = (to - from) as usize;
            let done = memory.read_exact_at(&mut image[at..at + length], *from);
            assert!(done.is_ok(), "{from:x} {done:?}");
            at += length;
        }
    }
    let [zero, one, two, three] = &images;
    let ours = changed(ranges, zero, one);
    [&changed(ranges, one, two) - &ours, &changed(ranges, two, three) - &ours]
}

#[test]
fn threads_that_record_write_no_line_in_common() {
    for policy in [Policy::DropNewest, Policy::DropOldest, Policy::ByPriority] {
        let builder = Client::builder("a wall").policy(policy).shards(4).shard_events(1024);
        let builder = builder.shared_events(64).tag_memory(256 << 10).report_interval(None);
        // The sending thread is not to write anything: it stays in its first call.
        ASIDE.sending.store(false, Ordering::SeqCst);
        let stats = builder.linger(Duration::ZERO).build_with(from_fn(|_| {
            ASIDE.sending.store(true, Ordering::SeqCst);
            loop {
                std::thread::park();
            }
        }));
        let stats = stats.unwrap();
        let recorder = |number| {
            let stats = stats.clone();
            let job = move || loop {
                match ASIDE.turn.load(Ordering::SeqCst) {
                    END => return,
                    turn if turn == number => {
                        if turn != IDLE {
                            record(&stats);
                        }
                        ASIDE.turn.store(0, Ordering::SeqCst);
                    }
                    _ => yield_now(),
                }
            };
            Builder::new().stack_size(256 << 10).spawn(job).unwrap()
        };
        let recorders = [1, 2, IDLE].map(recorder);
        // Once before, so that each has its ring.
        turn(1);
        turn(2);
        while !ASIDE.sending.load(Ordering::SeqCst) {
            yield_now();
        }
        let mut ranges = writable();
        let memory = File::open("/proc/self/mem").unwrap();
        // Some are not memory, or were this list's own.
        let read = |(from, to): &(u64, u64)| {
            memory.read_exact_at(&mut vec![0; (to - from) as usize], *from).is_ok()
        };
        ranges.retain(read);
        let rounds: [_; ROUNDS] = std::array::from_fn(|_| round(&memory, &ranges));
        ASIDE.turn.store(END, Ordering::SeqCst);
        recorders.into_iter().for_each(|recorder| recorder.join().unwrap());
        ASIDE.turn.store(0, Ordering::SeqCst);
        let mut both = rounds.iter().map(|[first, second]| first & second);
        let always = both.next().unwrap();
        let always = both.fold(always, |always, both| &always & &both);
        let always: Vec<String> = always.iter().map(|n| format!("{:x}", n * LINE)).collect();
        assert!(always.is_empty(), "{policy:?}: written by both: {always:?}");
        // Three slots for each round, a block of tag memory for one of them, and little else.
        let least = 4 * EVENTS as usize;
        for lines in rounds.iter().flatten() {
            assert!((least..2 * least + 40).contains(&lines.len()), "{policy:?}: {}", lines.len());
        }
    }
}
