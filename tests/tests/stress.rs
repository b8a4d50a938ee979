//! 16 threads record as fast as they can for a quarter of a minute or longer, with the smallest and the largest preset: all of them make
//! progress, memory stays constant, and the ledger is exact at the end.
//!
//! `.ci/stress` runs it; `RINGSTAT_STRESS_SECONDS` changes its duration.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringstat_collector::{Limits, Report, Running, Server, ServerConfig};
use ringstat_std::{Cause, Client, Counter, Drops, Outcome, Preset, Priority, Recorder};

const THREADS: usize = 16;
/// The allowed change of memory, in KiB, once every ring has been full.
const FLAT: u64 = 1024;
/// A thread that makes no progress for this long is stuck.
const STUCK: Duration = Duration::from_secs(60);

/// A counter that increases with every event.
static REQUESTS: Counter = Counter::new("requests");

/// What a thread did, and the outcomes that it received.
#[derive(Debug, Default)]
struct Tally {
    calls: AtomicU64,
    dropped: [AtomicU64; Cause::COUNT],
    /// Whether it was told once that there is no room.
    met_full: AtomicBool,
}

impl Tally {
    /// Records until it is told to stop.
    fn record(&self, stats: &Client, stop: &AtomicBool) {
        const TABLES: [&str; 4] = ["orders", "users", "items", "carts"];
        let mut i = 0_usize;
        while !stop.load(Ordering::Relaxed) {
            i = i.wrapping_add(1);
            // The call is counted first, because the ledger must never know of more calls.
            self.calls.fetch_add(1, Ordering::Release);
            REQUESTS.inc();
            let priority = Priority::ALL[i % 3];
            let table = TABLES[i % TABLES.len()];
            let draft = match i % 3 {
                0 => stats.count("hits", 1u8),
                1 => stats.timing("query", Duration::from_nanos(i as u64)),
                _ => stats.level("level", i as u64),
            };
            match draft.tag("table", table).priority(priority).record() {
                Outcome::Recorded => {}
                Outcome::RecordedEvicting => self.met_full.store(true, Ordering::Relaxed),
                Outcome::Dropped(cause) => {
                    self.dropped[cause as usize].fetch_add(1, Ordering::Relaxed);
                    self.met_full.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Waits until `done` holds. If it is stuck, it ends the process, since stuck threads could not be joined.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        if begun.elapsed() > STUCK {
            eprintln!("stuck: {what}");
            std::process::exit(1);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn stress(preset: Preset) {
    let seconds = std::env::var("RINGSTAT_STRESS_SECONDS").unwrap_or("15".into());
    let seconds = seconds.parse().expect("RINGSTAT_STRESS_SECONDS is a number");
    let at = ([127, 0, 0, 1], 0).into();
    let limits = Limits::default();
    let collector = Server::start(ServerConfig {
        udp: vec![at],
        http: None,
        limits,
        ..ServerConfig::default()
    })
    .unwrap();
    let to = collector.udp()[0].to_string();
    let stats = Client::builder(to).preset(preset).instrument(&REQUESTS).build().unwrap();
    let (stop, tallies) = (AtomicBool::new(false), [(); THREADS].map(|()| Tally::default()));
    let before = REQUESTS.total();
    std::thread::scope(|scope| {
        for tally in &tallies {
            scope.spawn(|| tally.record(&stats, &stop));
        }
        // This also runs when an assertion fails; otherwise the threads would never end.
        let _stop = StopAtEnd(&stop);
        overload(&stats, &collector, &tallies, Duration::from_secs(seconds));
    });
    let calls: u64 = tallies.iter().map(|t| t.calls.load(Ordering::Acquire)).sum();
    assert_eq!(REQUESTS.total() - before, calls);

    stats.flush(STUCK).unwrap();
    heal(&stats, &collector, before);
    let ledger = stats.ledger();
    assert_eq!((ledger.recorded, ledger.in_flight), (calls, 0), "every call is counted once");
    assert!(ledger.closes());
    let mut told = Drops::NONE;
    for (cause, tally) in Cause::ALL.into_iter().flat_map(|c| tallies.iter().map(move |t| (c, t))) {
        told.add(cause, tally.dropped[cause as usize].load(Ordering::Relaxed));
    }
    told.add(Cause::Evicted, ledger.dropped.get(Cause::Evicted));
    assert_eq!(ledger.dropped, told, "what was dropped was told, by cause");

    let datagrams = end(stats);
    let report = collector.stop(0);
    let sender = &report.senders[0];
    assert!(report.closes && report.malformed.is_empty());
    let lost = sender.lost.unwrap();
    assert_eq!(sender.received + lost, datagrams, "received = delivered + lost");
    assert_eq!(sender.dropped_at_sender, Some(ledger.dropped.total()));
    let causes: Vec<_> = ledger.dropped.iter().filter(|(_, n)| *n > 0).collect();
    println!(
        "{preset:?}: {calls} recorded = {} sent + {causes:?}; {datagrams} datagrams = {} received + {} lost",
        ledger.sent, sender.received, lost
    );
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Watches while the threads record.
fn overload(stats: &Client, collector: &Running, tallies: &[Tally], time: Duration) {
    until("nobody finds the rings full", || {
        tallies.iter().all(|t| t.met_full.load(Ordering::Relaxed))
    });
    // The collector is in the same process and has to use all of its buffers first, too.
    until("the collector", || collector.report(0).datagrams > 20_000);
    let (begun, base) = (Instant::now(), resident());
    let mut most = base;
    while begun.elapsed() < time {
        let sent = stats.totals().datagrams;
        let calls: Vec<_> = tallies.iter().map(|t| t.calls.load(Ordering::Relaxed)).collect();
        for (tally, calls) in tallies.iter().zip(calls) {
            until("a recorder", || tally.calls.load(Ordering::Relaxed) > calls);
        }
        until("the sender", || stats.totals().datagrams > sent);
        let ledger = stats.ledger();
        let calls: u64 = tallies.iter().map(|t| t.calls.load(Ordering::Acquire)).sum();
        assert!(ledger.recorded <= calls, "nothing counts twice: {ledger:?}, {calls} calls");
        most = most.max(resident());
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(most <= base + FLAT, "resident memory grew from {base} to {most} KiB");
    println!("{most} KiB resident, {} of it rings", stats.ring_bytes() >> 10);
}

/// Losses at the receiver under load are known, and the next flush that gets through makes the counter exact.
///
/// A client's counter starts at zero with the client: `before` was counted earlier.
fn heal(stats: &Client, collector: &Running, before: u64) {
    let mut last = 0;
    until("the collector reads what waits", || {
        std::thread::sleep(Duration::from_millis(100));
        let now = collector.report(0).datagrams;
        std::mem::replace(&mut last, now) == now
    });
    REQUESTS.inc();
    stats.flush(STUCK).unwrap();
    let total = |report: Report| {
        let requests = report.series.into_iter().find(|s| s.name == "requests");
        requests.map_or(0.0, |s| s.value) as u64
    };
    until("the counter is exact", || {
        total(collector.report(usize::MAX)) == REQUESTS.total() - before
    });
}

/// Shuts the client down, and returns the number of datagrams that were sent.
fn end(stats: Client) -> u64 {
    let after = stats.clone();
    assert!(stats.shutdown(STUCK).closes());
    assert_eq!(after.totals().failed, 0);
    after.totals().datagrams
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_minute_of_overload_changes_nothing() {
    stress(Preset::LowMemory);
    stress(Preset::HighThroughput);
}
