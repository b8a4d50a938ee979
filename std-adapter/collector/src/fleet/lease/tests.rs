//! Workers against a nats-server: each in a thread and a runtime of its own, so that it can be stopped like a process.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::{Keeper, Order, Record, Report, Shard, Snapshot, Token};
use crate::fleet::broker::Broker;
use crate::fleet::log::{Log, LogConfig};
use crate::fleet::names::{LEASES, shard_key};

const SHARDS: Shard = 12;
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a worker believes.
#[derive(Default)]
struct Belief {
    held: BTreeMap<Shard, Token>,
    committed: Vec<Snapshot>,
}

struct Worker {
    belief: Arc<Mutex<Belief>>,
    reports: UnboundedSender<Report>,
    control: Sender<Control>,
    thread: Option<JoinHandle<()>>,
}

enum Control {
    /// The thread stands still until the other end is dropped.
    Stop(Receiver<()>, Sender<()>),
    Leave,
    Kill,
}

impl Worker {
    fn start(config: &LogConfig, name: &str) -> Self {
        let belief = Arc::<Mutex<Belief>>::default();
        let (believed, config, name) = (belief.clone(), config.clone(), name.to_owned());
        let (control, controls) = channel();
        let (tell, told) = channel();
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            let log = runtime.block_on(Log::open(&config, &name)).unwrap();
            let started = runtime.block_on(Keeper::start(log, &config, (*name).into()));
            let (keeper, mut orders) = started.unwrap();
            let reports = keeper.reports();
            tell.send(reports.clone()).unwrap();
            runtime.spawn(async move {
                while let Some(order) = orders.recv().await {
                    believe(&mut believed.lock().unwrap(), order, &reports);
                }
            });
            loop {
                match controls.try_recv() {
                    Ok(Control::Stop(go_on, stopped)) => {
                        stopped.send(()).unwrap();
                        let _ = go_on.recv();
                    }
                    Ok(Control::Leave) => return runtime.block_on(keeper.leave()),
                    Ok(Control::Kill) => return,
                    Err(_) => runtime.block_on(async { sleep(Duration::from_millis(20)).await }),
                }
            }
        });
        let reports = told.recv().unwrap();
        Self { belief, reports, control, thread: Some(thread) }
    }

    fn held(&self) -> BTreeMap<Shard, Token> {
        self.belief.lock().unwrap().held.clone()
    }

    fn has_committed(&self, snapshots: &[Snapshot]) -> bool {
        self.belief.lock().unwrap().committed == snapshots
    }

    /// Stands still until what this returns is dropped.
    fn stop(&self) -> Sender<()> {
        let (go_on, waits) = channel();
        let (tell, stopped) = channel();
        self.control.send(Control::Stop(waits, tell)).unwrap();
        stopped.recv().unwrap();
        go_on
    }

    fn end(mut self, how: Control) {
        self.control.send(how).unwrap();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn believe(belief: &mut Belief, order: Order, reports: &UnboundedSender<Report>) {
    match order {
        Order::Acquired { shard, token, .. } => {
            assert_eq!(belief.held.insert(shard, token), None, "shard {shard} was held");
        }
        Order::Drain { shard, token } => {
            assert_eq!(belief.held.remove(&shard), Some(token));
            reports.send(Report::Drained { shard, token }).unwrap();
        }
        Order::Committed { snapshot, .. } => belief.committed.push(snapshot),
        Order::Lost { shard, token } => {
            assert!(belief.held.remove(&shard).is_none_or(|held| held == token));
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn begin(broker: &Broker) -> LogConfig {
    let config = broker.config(SHARDS);
    runtime().block_on(Log::begin(&config, "begin")).unwrap();
    config
}

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begun.elapsed()
}

/// Whether these workers hold these numbers of shards.
fn hold(workers: &[&Worker], counts: &[usize]) -> bool {
    workers.iter().map(|worker| worker.held().len()).eq(counts.iter().copied())
}

/// What the store has for a shard.
fn stored(config: &LogConfig, shard: Shard) -> Record {
    runtime().block_on(async {
        let log = Log::open(config, "test").await.unwrap();
        let store = log.context.get_key_value(LEASES).await.unwrap();
        let entry = store.entry(shard_key(shard)).await.unwrap().unwrap();
        serde_json::from_slice(&entry.value).unwrap()
    })
}

#[test]
fn workers_share_evenly_as_they_come_and_go() {
    let broker = Broker::start();
    let config = begin(&broker);
    let a = Worker::start(&config, "a");
    until("one has all", || hold(&[&a], &[12]));
    let b = Worker::start(&config, "b");
    until("two have half each", || hold(&[&a, &b], &[6, 6]));
    let c = Worker::start(&config, "c");
    until("three have a third each", || hold(&[&a, &b, &c], &[4, 4, 4]));
    let shards = |worker: &Worker| worker.held().into_keys().collect::<Vec<_>>();
    let mut all = [shards(&a), shards(&b), shards(&c)].concat();
    all.sort_unstable();
    assert_eq!(all, (0..SHARDS).collect::<Vec<_>>());

    b.end(Control::Kill);
    let took = until("what a dead one had is taken over", || hold(&[&a, &c], &[6, 6]));
    eprintln!("taken over after {took:?}");
    a.end(Control::Leave);
    until("what one hands over is taken over", || hold(&[&c], &[12]));
    c.end(Control::Leave);
    assert!((0..SHARDS).all(|shard| stored(&config, shard).holder.is_none()));
}

#[test]
fn who_was_stopped_for_too_long_writes_nothing() {
    let broker = Broker::start();
    let config = begin(&broker);
    let a = Worker::start(&config, "a");
    until("one has all", || hold(&[&a], &[12]));
    let snapshot = |token: Token, position| {
        let object = format!("0.{}.{position}", token.0);
        Snapshot { object, position, bytes: 1 }
    };
    let commit = |worker: &Worker, token, snapshot: &Snapshot| {
        let report = Report::Commit { shard: 0, token, snapshot: snapshot.clone() };
        worker.reports.send(report).unwrap();
    };
    let old = a.held()[&0];
    let first = snapshot(old, 1);
    commit(&a, old, &first);
    until("it is committed", || a.has_committed(std::slice::from_ref(&first)));
    assert_eq!(stored(&config, 0).snapshot, Some(first.clone()));

    // It is stopped before it can do anything about its next snapshot.
    let go_on = a.stop();
    commit(&a, old, &snapshot(old, 2));
    let b = Worker::start(&config, "b");
    until("the other has all", || b.held().len() == 12);
    let new = b.held()[&0];
    assert!(new > old);
    assert_eq!(stored(&config, 0).snapshot, Some(first.clone()));
    let second = snapshot(new, 3);
    commit(&b, new, &second);
    until("it is committed", || b.has_committed(std::slice::from_ref(&second)));

    drop(go_on);
    // It had all: it lost them before it got its share of them again, under tokens of their own.
    until("they share", || a.held().values().all(|token| *token > new) && hold(&[&a, &b], &[6, 6]));
    assert_eq!(stored(&config, 0).snapshot, Some(second));
    assert!(a.has_committed(&[first]));
}

#[test]
fn a_broker_that_dies_and_comes_back_finds_the_same_owners() {
    let mut broker = Broker::start();
    let config = begin(&broker);
    let (a, b) = (Worker::start(&config, "a"), Worker::start(&config, "b"));
    until("two have half each", || hold(&[&a, &b], &[6, 6]));
    let shards = |worker: &Worker| worker.held().into_keys().collect::<Vec<_>>();
    let before = [shards(&a), shards(&b)];
    broker.kill();
    until("without a broker there are no leases", || hold(&[&a, &b], &[0, 0]));
    broker.go_on();
    let took = until("they go on", || hold(&[&a, &b], &[6, 6]));
    eprintln!("back after {took:?}");
    assert_eq!([shards(&a), shards(&b)], before);
}
