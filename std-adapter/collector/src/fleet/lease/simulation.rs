//! A fleet of a million senders in one thread: the leases as they are, and of all else what counts here: how far each
//! shard's state lags behind its log, how much each worker keeps, and whether each datagram is counted once.
//!
//! Every sender sends a datagram in ten seconds. A worker reads its shards as fast as it can, keeps a number for each
//! sender, and puts snapshots of that into the store. Workers are killed, are stopped for longer than their leases, and
//! come. All of it follows from a seed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::{Answer, Leases, Output, Record, Shard, Snapshot, Time, Timing, Token, WorkerId};

const TIMING: Timing = Timing::DEFAULT;
const STEP: Duration = Duration::from_millis(100);
/// How often each sender sends, in steps.
const PERIOD: usize = 100;
/// How often each shard is saved, in steps.
const SAVE: u64 = 100;

struct Size {
    senders: usize,
    shards: Shard,
    workers: usize,
    /// How many datagrams a worker reads in a step.
    speed: usize,
    steps: u64,
}

/// The log and the store.
#[derive(Default)]
struct Broker {
    /// For each shard, the senders of its datagrams.
    log: Vec<Vec<u32>>,
    revision: u64,
    records: Vec<(u64, Record)>,
    /// What each snapshot has counted of each sender of its shard.
    objects: BTreeMap<String, Rc<Vec<u32>>>,
    announced: BTreeMap<WorkerId, u64>,
}

struct Worker {
    leases: Leases,
    stopped_until: u64,
    jobs: BTreeMap<Shard, Job>,
    /// Records and announcements that it has seen.
    seen: Vec<u64>,
    heard: BTreeMap<WorkerId, u64>,
}

/// A shard that a worker reads.
struct Job {
    token: Token,
    /// How many datagrams of the log are counted.
    position: usize,
    counts: Vec<u32>,
}

struct Fleet {
    size: Size,
    now: u64,
    broker: Broker,
    workers: Vec<Worker>,
    started: usize,
    /// The largest lag of a shard that was seen, in datagrams.
    largest_lag: usize,
    most_kept: usize,
    take_overs: usize,
}

impl Fleet {
    fn new(size: Size) -> Self {
        let shards = usize::from(size.shards);
        let broker = Broker {
            log: vec![Vec::new(); shards],
            records: vec![(0, Record::default()); shards],
            ..Broker::default()
        };
        let (now, workers) = (0, Vec::new());
        let (started, largest_lag, most_kept, take_overs) = (0, 0, 0, 0);
        let mut fleet =
            Self { size, now, broker, workers, started, largest_lag, most_kept, take_overs };
        (0..fleet.size.workers).for_each(|_| fleet.start());
        fleet
    }

    fn time(&self) -> Time {
        STEP * u32::try_from(self.now).unwrap()
    }

    fn start(&mut self) {
        self.started += 1;
        let id = WorkerId::from(format!("worker-{:04}", self.started));
        self.workers.push(Worker {
            leases: Leases::new(id, self.size.shards, TIMING, self.time()),
            stopped_until: 0,
            jobs: BTreeMap::new(),
            seen: vec![0; usize::from(self.size.shards)],
            heard: BTreeMap::new(),
        });
    }

    fn senders_of_a_shard(&self) -> usize {
        self.size.senders.div_ceil(usize::from(self.size.shards))
    }

    /// A step: senders send, and each worker that runs looks, writes and reads.
    fn step(&mut self, sending: bool) {
        let shards = usize::from(self.size.shards);
        let turn = usize::try_from(self.now).unwrap() % PERIOD;
        for sender in (turn..self.size.senders).step_by(PERIOD).filter(|_| sending) {
            self.broker.log[sender % shards].push(u32::try_from(sender / shards).unwrap());
        }
        let senders = self.senders_of_a_shard();
        let (now, time) = (self.now, self.time());
        for worker in self.workers.iter_mut().filter(|worker| worker.stopped_until <= now) {
            self.take_overs += worker.obey(&mut self.broker, senders, time);
            worker.read(&self.broker, self.size.speed, time);
            worker.save(&mut self.broker, now, time);
        }
        self.now += 1;
        self.check();
    }

    /// No shard has two owners. How far shards lag, and what is kept.
    fn check(&mut self) {
        let time = self.time();
        for (shard, log) in (0..).zip(&self.broker.log) {
            let holds = |worker: &&Worker| worker.leases.holds(shard, time).is_some();
            let owners: Vec<_> = self.workers.iter().filter(holds).collect();
            assert!(owners.len() <= 1, "shard {shard} has two owners at {time:?}");
            let snapshot = self.broker.records[usize::from(shard)].1.snapshot.as_ref();
            let saved = snapshot.map_or(0, |snapshot| usize::try_from(snapshot.position).unwrap());
            let read = |worker: &Worker| worker.jobs.get(&shard).map_or(0, |job| job.position);
            let read = owners.first().map_or(saved, |owner| read(owner));
            self.largest_lag = self.largest_lag.max(log.len() - read);
        }
        let kept = |worker: &Worker| worker.jobs.values().map(|job| job.counts.len()).sum();
        self.most_kept = self.most_kept.max(self.workers.iter().map(kept).max().unwrap_or(0));
    }

    fn is_done(&self) -> bool {
        let saved = |(log, (_, record)): (&Vec<u32>, &(u64, Record))| {
            record.snapshot.as_ref().is_some_and(|it| it.position == log.len() as u64)
        };
        self.broker.log.iter().zip(&self.broker.records).all(saved)
    }
}

impl Worker {
    /// Looks at the store, and does what the leases say. Returns how many shards it took over.
    fn obey(&mut self, broker: &mut Broker, senders: usize, time: Time) -> usize {
        for (worker, times) in &broker.announced {
            if self.heard.insert(worker.clone(), *times) != Some(*times) {
                self.leases.announced(worker, time);
            }
        }
        for (shard, (revision, record)) in (0..).zip(&broker.records) {
            if self.seen[usize::from(shard)] != *revision {
                self.seen[usize::from(shard)] = *revision;
                self.leases.observed(shard, *revision, record.clone(), time);
            }
        }
        let mut acquired = 0;
        while let Some(output) = self.leases.poll(time) {
            match output {
                Output::Announce => {
                    *broker.announced.entry(self.leases.me().clone()).or_default() += 1;
                }
                Output::Leave => {}
                Output::Write { shard, write, expected, record } => {
                    let answer = broker.write(shard, expected, &record);
                    self.leases.answered(shard, write, record, answer, time);
                }
                Output::Acquired { shard, token, snapshot } => {
                    acquired += 1;
                    let empty = || (0, vec![0; senders]);
                    let load = |snapshot: Snapshot| {
                        let position = usize::try_from(snapshot.position).unwrap();
                        (position, broker.objects[&snapshot.object].to_vec())
                    };
                    let (position, counts) = snapshot.map_or_else(empty, load);
                    self.jobs.insert(shard, Job { token, position, counts });
                }
                Output::Drain { shard, token } => {
                    self.jobs.remove(&shard);
                    self.leases.drained(shard, token);
                }
                Output::Committed { shard, snapshot, .. } => {
                    let of_shard = format!("{shard}.");
                    let old =
                        |name: &String| name.starts_with(&of_shard) && *name != snapshot.object;
                    broker.objects.retain(|name, _| !old(name));
                }
                Output::Lost { shard, .. } => drop(self.jobs.remove(&shard)),
            }
        }
        acquired
    }

    /// Counts what it can.
    fn read(&mut self, broker: &Broker, speed: usize, time: Time) {
        let mut left = speed;
        for (shard, job) in &mut self.jobs {
            assert_eq!(self.leases.holds(*shard, time), Some(job.token));
            let log = &broker.log[usize::from(*shard)][job.position..];
            let take = log.len().min(left);
            log[..take].iter().for_each(|sender| job.counts[*sender as usize] += 1);
            (job.position, left) = (job.position + take, left - take);
        }
    }

    /// Saves the shards whose turn it is.
    fn save(&mut self, broker: &mut Broker, now: u64, time: Time) {
        for (shard, job) in &self.jobs {
            if !(now + u64::from(*shard)).is_multiple_of(SAVE) {
                continue;
            }
            let object = format!("{shard}.{}.{}", job.token.0, job.position);
            broker.objects.insert(object.clone(), Rc::new(job.counts.clone()));
            let position = job.position as u64;
            let snapshot = Snapshot { object, position, bytes: job.counts.len() as u64 * 4 };
            assert!(self.leases.commit(*shard, job.token, snapshot, time));
        }
    }
}

impl Broker {
    fn write(&mut self, shard: Shard, expected: u64, record: &Record) -> Answer {
        let stored = &mut self.records[usize::from(shard)];
        if stored.0 != expected {
            return Answer::Refused;
        }
        self.revision += 1;
        *stored = (self.revision, record.clone());
        Answer::Done(self.revision)
    }
}

/// Runs a fleet whose workers die, are stopped and come, and checks what the page on capacity says of it.
fn run(size: Size, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut fleet = Fleet::new(size);
    // All begin.
    (0..150).for_each(|_| fleet.step(true));
    assert_eq!(fleet.take_overs, usize::from(fleet.size.shards), "each shard was claimed once");
    let quiet = fleet.take_overs;
    (0..150).for_each(|_| fleet.step(true));
    assert_eq!(fleet.take_overs, quiet, "shards stay where they are while nothing happens");

    fleet.largest_lag = 0;
    for _ in 0..fleet.size.steps / 200 {
        let one = random.usize(..fleet.workers.len());
        if random.bool() {
            // It dies, and another comes.
            fleet.workers.swap_remove(one);
            fleet.start();
        } else {
            fleet.workers[one].stopped_until = fleet.now + random.u64(60..150);
        }
        (0..200).for_each(|_| fleet.step(true));
    }
    // A shard waits for its lease to expire, and for its new owner to read again what no snapshot contains.
    let rate = fleet.senders_of_a_shard() as f64 / 10.0;
    let most_seconds = TIMING.ttl.as_secs_f64() + 10.0 + 5.0;
    assert!(fleet.largest_lag as f64 <= rate * most_seconds, "{} datagrams", fleet.largest_lag);
    // At most one worker is missing at a time: its share is spread over the others.
    let shards = usize::from(fleet.size.shards).div_ceil(fleet.size.workers - 1);
    let most_kept = shards * fleet.senders_of_a_shard();
    assert!(fleet.most_kept <= most_kept, "{} of {most_kept} senders", fleet.most_kept);

    // The end: everything is counted, once.
    for _ in 0..1000 {
        fleet.step(false);
        if fleet.is_done() {
            break;
        }
    }
    assert!(fleet.is_done());
    let sent: usize = fleet.broker.log.iter().map(Vec::len).sum();
    let objects = &fleet.broker.objects;
    let counted = |record: &Record| objects[&record.snapshot.as_ref().unwrap().object].clone();
    for ((_, record), log) in fleet.broker.records.iter().zip(&fleet.broker.log) {
        let mut expected = vec![0; fleet.senders_of_a_shard()];
        log.iter().for_each(|sender| expected[*sender as usize] += 1);
        assert_eq!(*counted(record), expected);
    }
    eprintln!(
        "{sent} datagrams, {} take-overs, largest lag {} datagrams, at most {} senders in a worker",
        fleet.take_overs, fleet.largest_lag, fleet.most_kept
    );
}

#[test]
fn twenty_thousand_senders() {
    for seed in 0..3 {
        run(Size { senders: 20_000, shards: 32, workers: 5, speed: 2_000, steps: 2_000 }, seed);
    }
}

#[test]
#[ignore = "in a release build: cargo test --release -p ringstat-collector --features nats --lib -- --ignored a_million"]
fn a_million_senders() {
    run(Size { senders: 1_000_000, shards: 256, workers: 16, speed: 100_000, steps: 4_000 }, 1);
}
