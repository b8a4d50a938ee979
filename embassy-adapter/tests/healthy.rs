//! A network without faults: nothing may be lost, answers from strangers are ignored, other tasks keep their wakers,
//! and a task that is cancelled continues in the same run when it is started again.

mod common;

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};

use embassy_futures::select::select;
use embassy_net::{IpAddress, Stack, StackResources};
use embassy_net_driver_channel as channel;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_time::{Duration, Timer};
use futures_util::stream::{FuturesUnordered, StreamExt};
use ringstat_core::send::LivenessConfig;
use ringstat_core::wire::receipt::Receipt;
use ringstat_embassy::prelude::*;
use ringstat_embassy::{Client, flush, run, run_beacon, stats, totals};

use common::{COLLECTOR, Collected, PORT, packet, payload};

/// There may be one task per program, and all these tests are one program.
static ONE: Mutex<()> = Mutex::new(());

/// The network's answers to a datagram from the chip, each with the port it comes from.
type Answers = Vec<(u16, Vec<u8>)>;

/// A network with a collector `seen`, which passes datagrams on while `flows` is true.
struct Network<'a> {
    seen: &'a RefCell<Collected>,
    flows: Cell<bool>,
    /// The port from which acknowledgements come.
    acks: Cell<u16>,
}

impl<'a> Network<'a> {
    fn to(seen: &'a RefCell<Collected>) -> Self {
        Self { seen, flows: Cell::new(true), acks: Cell::new(PORT) }
    }

    fn take(&self, datagram: &[u8]) -> Answers {
        let answers = self.seen.borrow_mut().take(datagram).into_iter();
        let from = |answer: &[u8]| if Receipt::is_one(answer) { PORT } else { self.acks.get() };
        answers.map(|answer| (from(&answer), answer)).collect()
    }

    /// Runs `script` with a chip's network stack.
    fn run(&self, script: impl AsyncFnOnce(Stack<'_>)) {
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state: channel::State<1514, 4, 4> = channel::State::new();
        let (runner, device) = channel::new(&mut state, HardwareAddress::Ip);
        let mut resources: StackResources<2> = StackResources::new();
        let (stack, mut net) = embassy_net::new(device, common::address(), &mut resources, 7);
        let (link, mut rx, mut tx) = runner.split();
        link.set_link_state(LinkState::Up);
        let wire = async {
            loop {
                until(|| self.flows.get()).await;
                let frame = tx.tx_buf().await.to_vec();
                tx.tx_done();
                let Some((datagram, to)) = payload(&frame) else { continue };
                for (from, answer) in self.take(datagram) {
                    let answer = packet(&answer, from, to);
                    rx.rx_buf().await[..answer.len()].copy_from_slice(&answer);
                    rx.rx_done(answer.len());
                }
            }
        };
        let late = async {
            Timer::after_secs(30).await;
            panic!("it never ends: {:?}", totals())
        };
        let tasks = [endless(net.run()), endless(wire), endless(late), task(script(stack))];
        futures_executor::block_on(first_of(tasks));
    }
}

type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

fn task<'a>(future: impl Future<Output = ()> + 'a) -> Task<'a> {
    Box::pin(future)
}

/// A task that never ends by itself.
fn endless<'a>(future: impl Future + 'a) -> Task<'a> {
    Box::pin(async { _ = future.await })
}

/// Runs futures as tasks, each with a waker of its own, until one ends.
async fn first_of<'a>(tasks: impl IntoIterator<Item = Task<'a>>) {
    let mut tasks: FuturesUnordered<_> = tasks.into_iter().collect();
    tasks.next().await.expect("there are some");
}

/// Polls a condition until it holds.
async fn until(mut so: impl FnMut() -> bool) {
    while !so() {
        Timer::after_millis(2).await;
    }
}

fn config() -> TaskConfig {
    TaskConfig::new((IpAddress::from(COLLECTOR), PORT), 7, Epoch::stored(1))
}

fn millis(millis: u64) -> std::time::Duration {
    std::time::Duration::from_millis(millis)
}

fn alarm<const N: usize>(stats: &Stats<N, 8>) {
    assert!(stats.event("door").priority(Priority::Critical).record().is_recorded());
}

/// With the sizes of README, everything arrives at any pace.
#[test]
fn nothing_is_lost_at_any_pace() {
    static STATS: Stats<64, 8> = stats(event_ring!(64)).critical(event_ring!(8));
    let seen = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let work = async {
            let mut recorded = 0;
            // The number of events in a burst, and the pause after it: from 100 to some 100 000 events a second.
            for (burst, pause) in [(1, 10_000), (2, 5_000), (8, 1_000), (16, 500), (30, 300)] {
                for n in 0..300u32 / burst {
                    for _ in 0..burst {
                        STATS.level("board.celsius", n).record();
                        recorded += 1;
                    }
                    Timer::after_micros(pause).await;
                }
            }
            until(|| STATS.account(&totals()).sent == recorded).await;
            let ledger = STATS.account(&totals());
            assert_eq!((ledger.recorded, ledger.dropped.total()), (recorded, 0));
            assert_eq!(seen.borrow().events, recorded);
        };
        first_of([endless(run(stack, &STATS, config())), task(work)]).await;
    });
}

/// Runs a sender for a while beside a task that waits for a change of the stack, and returns how often it was polled.
fn polls(stats: &'static Stats<64>, config: TaskConfig, time: Duration) -> u32 {
    let (seen, polls) = (RefCell::default(), Cell::new(0));
    Network::to(&seen).run(async |stack| {
        let mut client = Client::new(stats, config);
        let counted = async {
            let mut running = pin!(client.run(stack));
            std::future::poll_fn(|cx| {
                polls.set(polls.get() + 1);
                running.as_mut().poll(cx)
            })
            .await
        };
        let other = stack.wait_config_down();
        first_of([endless(counted), task(other), task(Timer::after(time))]).await;
    });
    polls.get()
}

/// The stack has room for one task that waits for a change of its state. Two tasks would wake each other for ever.
#[test]
fn the_state_waker_is_left_to_others() {
    static STATS: Stats<64> = stats(event_ring!(64));
    let polls = polls(&STATS, config(), Duration::from_secs(2));
    println!("{polls} polls in two idle seconds");
    assert!((2..30).contains(&polls), "{polls} polls in two idle seconds");
}

/// With the preset for low power there is the first datagram, the answer to it, and then silence for a minute.
#[test]
fn low_power_sleeps() {
    static STATS: Stats<64> = stats(event_ring!(64));
    let polls = polls(&STATS, config().low_power(), Duration::from_secs(3));
    println!("{polls} polls in three idle seconds");
    assert!((2..10).contains(&polls), "{polls} polls in three idle seconds");
}

/// An event that is alone would wait for a heartbeat, which here does not come in time; its own age is enough.
#[test]
fn the_first_event_wakes_the_task_if_it_is_asked_to() {
    static STATS: Stats<64> = stats(event_ring!(64)).wake_at_first();
    let seen: RefCell<Collected> = RefCell::default();
    let mut config = config().low_power();
    config.sender.batch_age = millis(20);
    Network::to(&seen).run(async |stack| {
        let recording = async {
            until(|| seen.borrow().datagrams > 0).await;
            for events in 1..=3 {
                STATS.level("a", 1u8).record();
                until(|| seen.borrow().events == events).await;
            }
        };
        first_of([endless(run(stack, &STATS, config)), task(recording)]).await;
    });
}

/// Events that would wait for a minute are sent when a flush is asked for.
#[test]
fn a_flush_ends_when_everything_has_arrived() {
    static STATS: Stats<64, 8> = stats(event_ring!(64)).critical(event_ring!(8));
    let seen: RefCell<Collected> = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let flushing = async {
            until(|| seen.borrow().datagrams > 0).await;
            STATS.level("a", 1u8).record();
            alarm(&STATS);
            assert!(flush(&STATS, Duration::from_secs(20)).await);
            assert_eq!((seen.borrow().events, seen.borrow().alarms), (1, 1));
        };
        first_of([endless(run(stack, &STATS, config().low_power())), task(flushing)]).await;
    });
}

/// What waits is sent, and the last datagram says that it is the last. What comes after it takes it back.
#[test]
fn an_end_on_purpose_says_goodbye() {
    static INFO: Info = Info::new("sensor").heartbeat_ms(60_000);
    static BEATS: Counter = Counter::new("beats");
    static STATS: Stats<64, 8> =
        stats(event_ring!(64)).instruments(&[&INFO, &BEATS]).critical(event_ring!(8));
    let seen = RefCell::<Collected>::default();
    Network::to(&seen).run(async |stack| {
        let mut client = Client::new(&STATS, config());
        for life in 1..3 {
            BEATS.inc();
            (0..40).for_each(|n| _ = STATS.level("celsius", n).record());
            alarm(&STATS);
            let ledger = client.shutdown(stack, Duration::from_secs(10)).await;
            assert!(ledger.closes());
            assert_eq!((ledger.recorded, ledger.sent + ledger.unconfirmed), (41 * life, 41 * life));
            until(|| seen.borrow().goodbye).await;
            let seen = seen.borrow();
            assert_eq!((seen.events, seen.alarms, seen.total), (40 * life, life, life));
            assert_eq!((seen.info.clone(), seen.missing), (Some(("sensor".into(), 60_000)), 0));
        }
        alarm(&STATS);
        let running = async { until(|| seen.borrow().alarms == 3).await };
        first_of([endless(client.run(stack)), task(running)]).await;
        assert!(!seen.borrow().goodbye);
    });
}

/// A third party that knows the sender's number and epoch could otherwise settle critical events that never arrived.
#[test]
fn only_the_collector_is_heard() {
    static STATS: Stats<64, 8> = stats(event_ring!(64)).critical(event_ring!(8));
    let seen = RefCell::default();
    let network = Network::to(&seen);
    network.acks.set(PORT + 1);
    network.run(async |stack| {
        let mut config = config();
        config.sender.retry.timeout = millis(20);
        let mut client = Client::new(&STATS, config);
        alarm(&STATS);
        select(client.run(stack), until(|| seen.borrow().repeated >= 3)).await;
        assert_eq!((client.ledger().sent, client.ledger().in_flight), (0, 1));
        network.acks.set(PORT);
        while client.ledger().sent == 0 {
            select(client.run(stack), Timer::after_millis(20)).await;
        }
        assert_eq!((seen.borrow().alarms, client.ledger().in_flight), (1, 0));
    });
}

/// There is no route to an invalid address, so recorded events wait.
#[test]
fn without_a_route_nothing_is_given_up() {
    static STATS: Stats<64, 8> = stats(event_ring!(64)).critical(event_ring!(8));
    let seen = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let nowhere = (IpAddress::from(Ipv4Addr::UNSPECIFIED), PORT);
        let mut client = Client::new(&STATS, TaskConfig::new(nowhere, 7, Epoch::unknown()));
        (0..20u8).for_each(|n| assert!(STATS.level("a", n).record().is_recorded()));
        alarm(&STATS);
        select(client.run(stack), Timer::after_millis(700)).await;
        let ledger = client.ledger();
        assert!(ledger.closes());
        assert_eq!((ledger.in_flight, ledger.dropped.total(), ledger.unconfirmed), (21, 0, 0));
    });
    assert_eq!(seen.borrow().datagrams, 0);
}

/// Without receipts nothing is asked for, acknowledgements are heard all the same, and what has no route waits as ever.
#[test]
fn without_receipts_critical_events_are_acknowledged_and_nothing_else() {
    static STATS: Stats<64, 8> = stats(event_ring!(64)).critical(event_ring!(8));
    static ELSEWHERE: Stats<64> = stats(event_ring!(64));
    let seen = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let script = async {
            for n in 0..100u8 {
                assert!(STATS.level("a", n).record().is_recorded());
                if n % 20 == 0 {
                    alarm(&STATS);
                }
                Timer::after_millis(10).await;
            }
            until(|| STATS.account(&totals()).sent == 105).await;
            assert!(STATS.account(&totals()).closes());
            assert_eq!((totals().acknowledged, totals().unconfirmed), (5, 0));
        };
        first_of([endless(run(stack, &STATS, config().without_receipts())), task(script)]).await;

        let nowhere = (IpAddress::from(Ipv4Addr::UNSPECIFIED), PORT);
        let config = TaskConfig::new(nowhere, 7, Epoch::unknown()).without_receipts();
        let mut client = Client::new(&ELSEWHERE, config);
        (0..20u8).for_each(|n| assert!(ELSEWHERE.level("a", n).record().is_recorded()));
        select(client.run(stack), Timer::after_millis(500)).await;
        let ledger = client.ledger();
        assert_eq!((ledger.in_flight, ledger.dropped.total(), ledger.sent), (20, 0, 0));
    });
    let seen = seen.borrow();
    assert_eq!((seen.events, seen.alarms, seen.missing, seen.asked), (100, 5, 0, 0));
}

/// A device that accepts nothing for a while causes backpressure: everything is sent later, exactly once.
#[test]
fn a_full_buffer_loses_nothing() {
    static STATS: Stats<64> = stats(event_ring!(64));
    let seen = RefCell::default();
    let network = Network::to(&seen);
    network.flows.set(false);
    network.run(async |stack| {
        let mut config = config();
        // The collector's silence is tolerated for longer than usual.
        let long = millis(20_000);
        config.route.liveness =
            LivenessConfig { silence: long, retry: long, ..LivenessConfig::DEFAULT };
        let script = async {
            // Half a ring fills a datagram, until neither the socket nor the device accepts more.
            let mut recorded = 0;
            while STATS.waiting() == 0 {
                (0..32u8).for_each(|n| assert!(STATS.level("a", n).record().is_recorded()));
                recorded += 32;
                assert!(recorded < 1000, "it is never full");
                Timer::after_millis(50).await;
            }
            Timer::after_millis(500).await;
            assert_eq!((seen.borrow().events, STATS.account(&totals()).dropped.total()), (0, 0));
            assert!(STATS.waiting() > 0, "it waits for room");
            network.flows.set(true);
            until(|| STATS.account(&totals()).sent == recorded).await;
            assert_eq!((seen.borrow().events, seen.borrow().missing), (recorded, 0));
        };
        first_of([endless(run(stack, &STATS, config)), task(script)]).await;
    });
}

/// `Collected` accepts only datagrams of one run, in order.
#[test]
fn a_task_that_is_cancelled_goes_on_in_the_same_run() {
    static STATS: Stats<64, 8> = stats(event_ring!(64)).critical(event_ring!(8));
    let seen: RefCell<Collected> = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let mut client = Client::new(&STATS, config());
        for n in 0..50u64 {
            STATS.level("a", n as u8).record();
            while !STATS.event("door").priority(Priority::Critical).record().is_recorded() {
                select(client.run(stack), Timer::after_millis(10)).await;
            }
            // It is cancelled at whatever it is doing at that moment.
            select(client.run(stack), Timer::after_micros(n * 97)).await;
        }
        while client.ledger().in_flight > 0 {
            select(client.run(stack), Timer::after_millis(250)).await;
        }
        let (seen, ledger) = (seen.borrow(), client.ledger());
        assert!(ledger.closes());
        assert_eq!(seen.alarms, 50, "each once");
        // Datagrams that the stack had not sent yet were cancelled, too, and are known to be lost.
        assert!(seen.datagrams > 10 && seen.events + u64::from(seen.missing) * 64 >= 50);
    });
}

/// A device synchronizes with a time server in the middle of a run.
#[test]
fn times_are_those_of_day_once_somebody_knows() {
    static STATS: Stats<64> = stats(event_ring!(64));
    const THEN: u64 = 1_700_000_000_000_000;
    let seen: RefCell<Collected> = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let mut client = Client::new(&STATS, config());
        STATS.level("a", 1u8).record();
        select(client.run(stack), until(|| seen.borrow().events == 1)).await;
        assert!(seen.borrow().since_boot && seen.borrow().base_time < THEN);
        let recorded_before = STATS.level("a", 2u8).record();
        STATS.set_time(THEN);
        select(client.run(stack), until(|| seen.borrow().events == 2)).await;
        assert!(recorded_before.is_recorded() && !seen.borrow().since_boot);
        let minute = 60_000_000;
        assert!((THEN..THEN + minute).contains(&seen.borrow().base_time));
        let at = seen.borrow().event_ns / 1000;
        assert!((THEN - minute..=THEN).contains(&at), "{at}");
    });
}

/// The smallest sender continues as well.
#[test]
fn a_beacon_sends_again_and_again() {
    static FRAMES: Counter = Counter::new("radio.frames");
    let seen: RefCell<Collected> = RefCell::default();
    Network::to(&seen).run(async |stack| {
        let to = (IpAddress::from(COLLECTOR), PORT);
        let mut config = BeaconConfig::new(to, 7, Epoch::stored(1));
        config.interval = Duration::from_millis(10);
        let counting = until(|| {
            FRAMES.inc();
            seen.borrow().total >= 5 && seen.borrow().datagrams >= 5
        });
        select(run_beacon(stack, &[&FRAMES], config), counting).await;
    });
}
