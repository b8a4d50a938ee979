//! A disk that is full, that fails or that does not answer: nothing is acknowledged that is not there, and nothing that
//! could be kept is missing later.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ringstat_core::wire::ack::Ack;

use super::super::keeper::{KeeperShared, KeeperThreads, ShardsMut};
use super::super::{AckRequest, Keeper, ReplyTo};
use super::wire::{Says, datagram};
use super::*;
use crate::report::DataCounts;

/// Shards as the server has them, and the clock that stands still.
struct Shards(Vec<Mutex<Collector>>);

impl ShardsMut for Shards {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn change<T>(&self, shard: usize, work: impl FnOnce(&mut Collector) -> T) -> T {
        work(&mut self.0[shard].lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now_ms(&self) -> u64 {
        5
    }
}

/// A collector with a data directory on a disk that can fail, and a sender of critical events.
struct Bench {
    disk: Disk,
    shards: Arc<Shards>,
    keeper_threads: KeeperThreads,
    shared: Arc<KeeperShared>,
    sender: UdpSocket,
    answering: Arc<UdpSocket>,
    sequence: u32,
}

impl Bench {
    fn new(dir: &Path, disk: &Disk) -> Self {
        let opened = open_on(disk, &DataConfig::new(dir), Limits::default(), None, 2).unwrap();
        let Opened { collectors, keeper, .. } = opened;
        let shards = Arc::new(Shards(collectors.into_iter().map(Mutex::new).collect()));
        let shared = Keeper::shared(&keeper).clone();
        let keeper_threads = keeper.start(&shards).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let answering = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        Self { disk: disk.clone(), shards, keeper_threads, shared, sender, answering, sequence: 0 }
    }

    /// The sender sends these, and asks for an acknowledgement.
    fn send(&mut self, ids: &[u64]) {
        let says: Vec<_> = ids.iter().copied().map(Says::Critical).collect();
        let datagram = datagram(7, (1, self.sequence), Some(0), &says);
        self.sequence += 1;
        let shard = crate::intake::shard_of(&datagram, None, 2);
        self.shards.change(shard, |c| c.receive(&datagram, 5));
        self.shared.request_ack(AckRequest {
            shard,
            sender: 7,
            to: ReplyTo::Udp(self.answering.clone(), self.sender.local_addr().unwrap()),
            length: 1000,
        });
    }

    /// What it is told of so many events, or nothing if nothing comes in time.
    fn answer(&self, time: Duration, ids: u64) -> Option<Vec<u64>> {
        self.sender.set_read_timeout(Some(time)).unwrap();
        let mut buf = [0; 500];
        let length = self.sender.recv(&mut buf).ok()?;
        let ack = Ack::parse(&buf[..length]).unwrap();
        Some((0..ids).filter(|id| ack.settles(*id)).collect())
    }

    /// Waits until what is known is on disk, as a scrape does.
    fn written(&self) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(self.shared.written())
    }

    fn counts(&self) -> DataCounts {
        self.shared.status().counts()
    }

    fn until(&self, what: &str, done: impl Fn(&DataCounts) -> bool) {
        let begun = Instant::now();
        while !done(&self.counts()) {
            assert!(begun.elapsed() < Duration::from_secs(30), "never {what}: {:?}", self.counts());
            std::thread::yield_now();
        }
    }
}

/// How often critical events are counted in a directory.
fn kept(dir: &Path) -> f64 {
    let (_, report) = crate::data::show_data(dir, 100).unwrap();
    report.series.iter().filter(|s| s.name == "critical").map(|s| s.value).sum()
}

/// What is acknowledged while the disk does not answer.
fn acknowledged_too_early(early: bool) -> bool {
    let (dir, disk) = (directory(), Disk::default());
    if early {
        disk.faults.acknowledge_early();
    }
    let mut bench = Bench::new(dir.path(), &disk);
    bench.send(&[0]);
    assert_eq!(bench.answer(Duration::from_secs(10), 3), Some(vec![0]), "on disk, and said so");
    bench.until("the first is on disk", |c| c.critical_commits == 1);
    disk.faults.stall(true);
    bench.send(&[1]);
    let begun = Instant::now();
    // Both threads may be waiting for the disk, the one that matters is.
    while disk.faults.waiting_for(super::super::directory::CRITICAL) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    let answers = || bench.answer(Duration::from_millis(1), 3);
    let too_early = std::iter::from_fn(answers).any(|settled| settled.contains(&1));
    disk.faults.stall(false);
    let mut answers = std::iter::from_fn(|| bench.answer(Duration::from_secs(10), 3));
    assert!(answers.any(|settled| settled == [0, 1]));
    assert!(bench.keeper_threads.end());
    drop(bench);
    assert_eq!(kept(dir.path()), 2.0);
    too_early
}

#[test]
fn what_is_acknowledged_is_on_disk() {
    assert!(!acknowledged_too_early(false));
}

#[test]
fn a_collector_that_acknowledges_first_is_found_out() {
    assert!(acknowledged_too_early(true));
}

#[test]
fn an_acknowledgement_comes_soon() {
    let (dir, disk) = (directory(), Disk::default());
    let mut bench = Bench::new(dir.path(), &disk);
    let mut times: Vec<_> = (0..20)
        .map(|id| {
            let begun = Instant::now();
            bench.send(&[id]);
            assert_eq!(bench.answer(Duration::from_secs(10), 20), Some((0..=id).collect()));
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    // The fastest of them: others had to wait for the machine.
    assert!(times[0] < Duration::from_millis(50), "{times:?}");
}

/// The disk fails in some way and is mended; nothing is acknowledged between.
fn failing(break_it: impl Fn(&Disk), mend: impl Fn(&Disk)) {
    let (dir, disk) = (directory(), Disk::default());
    let mut bench = Bench::new(dir.path(), &disk);
    bench.send(&[0]);
    assert_eq!(bench.answer(Duration::from_secs(10), 9), Some(vec![0]));
    break_it(&disk);
    bench.send(&[1]);
    bench.until("critical events failed", |c| c.critical_failures > 0);
    bench.until("withheld", |c| c.withheld == 1);
    bench.until("a cut failed", |c| c.commit_failures > 0);
    let now = bench.shared.status().now();
    assert!(now.failing);
    assert!(!bench.written(), "nobody waits for what cannot be");
    let io = Io { data: Some(now), ..Io::default() };
    let report = Report::of(&Collector::new(Limits::default()), &io, 5, 0);
    assert_eq!(report.health.status, crate::report::Status::Unhealthy);
    assert!(report.health.reasons[0].contains("data directory"), "{:?}", report.health);
    bench.send(&[2]);
    bench.until("withheld again", |c| c.withheld == 2);
    assert_eq!(bench.answer(Duration::from_millis(1), 9), None);
    mend(&bench.disk);
    bench.until("a cut", |c| c.commits > 0 && !bench.shared.status().now().failing);
    assert!(bench.written());
    // It asks again, as it was not answered.
    let mut told = None;
    while told != Some(vec![0, 1, 2, 3]) {
        bench.send(&[3]);
        told = bench.answer(Duration::from_secs(2), 9).or(told);
    }
    assert!(bench.keeper_threads.end());
    drop(bench);
    assert_eq!(kept(dir.path()), 4.0, "all of them, once");
}

/// Whoever shows what is known waits until it is on disk, which takes no second.
#[test]
fn what_is_shown_is_on_disk_at_once() {
    let (dir, disk) = (directory(), Disk::default());
    let mut bench = Bench::new(dir.path(), &disk);
    let begun = Instant::now();
    for n in 1..=6 {
        bench.send(&[n]);
        assert!(bench.written());
        assert!(bench.counts().commits >= n);
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(bench.keeper_threads.end());
}

#[test]
fn a_full_disk_is_told_and_survived() {
    failing(|disk| disk.faults.leave_room(1000), |disk| disk.faults.leave_room(u64::MAX));
}

#[test]
fn a_disk_that_does_not_keep_what_it_takes_is_told_and_survived() {
    failing(|disk| disk.faults.fail_to_sync(true), |disk| disk.faults.fail_to_sync(false));
}

#[test]
fn a_reader_waits_for_a_disk_that_does_not_answer_and_not_for_ever() {
    let (dir, disk) = (directory(), Disk::default());
    let mut bench = Bench::new(dir.path(), &disk);
    bench.send(&[0]);
    assert!(bench.written());
    disk.faults.stall(true);
    bench.send(&[1]);
    assert!(!bench.written(), "it has waited in vain");
    // The first one waited from the beginning of the round; by now it is known that the disk hangs.
    let begun = Instant::now();
    assert!(!bench.written());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    disk.faults.stall(false);
    bench.until("a cut", |c| c.commits > 1);
    // A disk that is busy with the tests beside this one may take a moment longer.
    let deadline = Instant::now() + Duration::from_secs(20);
    while !bench.written() {
        assert!(Instant::now() < deadline, "the disk answers again");
    }
    assert!(bench.counts().slow > 0, "it was told");
    assert!(bench.keeper_threads.end());
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_does_not_answer() {
    let (dir, disk) = (directory(), Disk::default());
    let mut bench = Bench::new(dir.path(), &disk);
    disk.faults.stall(true);
    bench.send(&[0]);
    let begun = Instant::now();
    assert!(!bench.keeper_threads.end());
    assert!(begun.elapsed() < Duration::from_secs(4));
    disk.faults.stall(false);
}
