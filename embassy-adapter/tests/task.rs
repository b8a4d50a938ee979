//! The task over a network device in memory: what it sends, that it receives acknowledgements, and that it survives the
//! loss of the network.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use embassy_futures::select::{Either, Either3, select, select3};
use embassy_net::{IpAddress, StackResources};
use embassy_net_driver_channel as channel;
use embassy_net_driver_channel::driver::{HardwareAddress, LinkState};
use embassy_time::Timer;
use ringstat_core::send::LivenessConfig;
use ringstat_core::wire::receipt::Receipt;
use ringstat_embassy::prelude::*;
use ringstat_embassy::{run, stats, totals};

use common::{COLLECTOR, Collected, PORT, packet, payload};

static FRAMES: Counter = Counter::new("radio.frames");
static STATS: Stats<256, 16> =
    stats(event_ring!(256)).instruments(&[&FRAMES]).critical(event_ring!(16));

#[test]
fn it_sends_hears_and_survives_a_link_that_goes_away() {
    let mut state: channel::State<1514, 8, 8> = channel::State::new();
    let (runner, device) = channel::new(&mut state, HardwareAddress::Ip);
    let mut resources: StackResources<2> = StackResources::new();
    let config = common::address();
    let (stack, mut net) = embassy_net::new(device, config, &mut resources, 7);
    let (link, mut rx, mut tx) = runner.split();
    let mut config = TaskConfig::new((IpAddress::from(COLLECTOR), PORT), 7, Epoch::stored(1));
    config.sender.flush_interval = Duration::from_millis(20);
    config.sender.batch_age = Duration::from_millis(10);
    config.sender.retry.timeout = Duration::from_millis(50);
    config.sender.heartbeat_interval = Duration::from_millis(50);
    config.route.liveness = LivenessConfig {
        interval: Duration::from_millis(50),
        retry: Duration::from_millis(20),
        silence: Duration::from_millis(200),
    };
    config.route.breaker.backoff = 50_000;
    config.route.breaker.backoff_max = 100_000;

    let (deaf, gone) = (AtomicBool::new(true), AtomicBool::new(false));
    let mut seen = Collected::default();
    let script = async {
        // The link is down: nothing may be sent, and nothing may get stuck.
        for n in 0..100u32 {
            FRAMES.inc();
            assert!(STATS.level("board.celsius", n).record().is_recorded());
        }
        for _ in 0..5 {
            assert!(STATS.event("door").priority(Priority::Critical).record().is_recorded());
        }
        Timer::after_millis(50).await;
        assert_eq!((totals().datagrams, STATS.waiting()), (0, 105));
        link.set_link_state(LinkState::Up);
        // Nothing answers at first, so critical events are repeated.
        while totals().repeated < 5 {
            Timer::after_millis(5).await;
        }
        deaf.store(false, Ordering::Relaxed);
        while totals().acknowledged < 5 || totals().unconfirmed > 0 {
            Timer::after_millis(5).await;
        }
        assert_eq!((totals().sent, totals().lost), (105, 0));
        // The link goes down and comes up again in between.
        link.set_link_state(LinkState::Down);
        Timer::after_millis(20).await;
        let before = totals().datagrams;
        for n in 0..200u32 {
            FRAMES.inc();
            STATS.level("board.celsius", n).record();
        }
        Timer::after_millis(50).await;
        assert!(totals().datagrams <= before + 1, "one may have been under way");
        link.set_link_state(LinkState::Up);
        while STATS.account(&totals()).sent < 305 {
            Timer::after_millis(5).await;
        }
        // Time for the last totals to be sent.
        Timer::after_millis(100).await;
        let ledger = STATS.account(&totals());
        assert!(ledger.closes());
        assert_eq!((ledger.recorded, ledger.sent, ledger.dropped.total()), (305, 305, 0));
        // The collector disappears; only the silence reveals it.
        gone.store(true, Ordering::Relaxed);
        let mut recorded = 305;
        let mut held = 0;
        while held < 50 {
            recorded += u64::from(STATS.level("board.celsius", 1u8).record().is_recorded());
            Timer::after_millis(5).await;
            // Once the silence has lasted long enough, events stay in the ring.
            held = STATS.waiting();
        }
        let ledger = STATS.account(&totals());
        assert_eq!((ledger.sent, ledger.dropped.total()), (305, 0), "nobody knows of more");
        assert!(ledger.closes() && ledger.unconfirmed > 0);
        gone.store(false, Ordering::Relaxed);
        // The collector returns, and the events that were in flight turn out to be lost.
        loop {
            let ledger = STATS.account(&totals());
            assert!(ledger.closes());
            if ledger.sent + ledger.lost == recorded {
                break;
            }
            Timer::after_millis(5).await;
        }
    };
    let wire = async {
        loop {
            let frame = tx.tx_buf().await.to_vec();
            tx.tx_done();
            let Some((datagram, from)) = payload(&frame) else { continue };
            if gone.load(Ordering::Relaxed) {
                seen.lose(datagram);
                continue;
            }
            // The collector ignores critical events, but still gives signs of life.
            let replies = seen.take(datagram).into_iter();
            for reply in replies.filter(|r| Receipt::is_one(r) || !deaf.load(Ordering::Relaxed)) {
                let reply = packet(&reply, PORT, from);
                rx.rx_buf().await[..reply.len()].copy_from_slice(&reply);
                rx.rx_done(reply.len());
            }
        }
    };
    let begun = Instant::now();
    let everything = select3(run(stack, &STATS, config.payload::<512>()), net.run(), wire);
    let timeout = Timer::after_secs(20);
    let done = select(script, select(everything, timeout));
    match futures_executor::block_on(done) {
        Either::First(()) => {}
        Either::Second(Either::First(
            Either3::First(_) | Either3::Second(_) | Either3::Third(_),
        )) => {
            unreachable!("they run for ever")
        }
        Either::Second(Either::Second(())) => {
            panic!("not done after {:?}: {:?}", begun.elapsed(), totals())
        }
    }
    // The accounts of both ends agree to the last event.
    let ledger = STATS.account(&totals());
    assert_eq!((ledger.sent, ledger.lost), (seen.events + seen.alarms, seen.lost));
    assert!(ledger.unconfirmed == 0 && ledger.closes());
    assert_eq!((seen.alarms, seen.total, seen.missing), (5, 300, 0));
    assert!(seen.repeated >= 5, "they were sent until they were acknowledged");
}
