//! Clocks that go backwards: a wall clock that somebody sets, and a monotonic clock that is not monotonic.

use ringstat_collector::{Collector, Io, Limits, Report};
use ringstat_core::chip::{Clock, Stats};
use ringstat_core::event_ring;
use ringstat_core::format::TimeUnit;
use ringstat_core::instrument::Gauge;
use ringstat_core::record::Recorder;
use ringstat_core::send::{
    Breaker, BreakerConfig, Identity, LeanSender, Permit, Sender, SenderConfig, Step, Time,
};
use ringstat_core::wire::Decoder;
use ringstat_core::wire::decode::Body;

use crate::value;

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

type Ring = Stats<64>;

fn sender(epoch: u32) -> LeanSender {
    Sender::new(Identity { sender: 1, epoch }, &SenderConfig::new(TimeUnit::Nanos))
}

/// Returns every datagram that is due at `now`.
fn due(ring: &Ring, sender: &mut LeanSender, now: Time) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    let mut buf = [0; 1472];
    while let Step::Send(packed) = ring.poll(sender, now, &mut buf) {
        datagrams.push(buf[..packed.len].to_vec());
        sender.sent(packed);
        assert!(datagrams.len() < 100, "it never ends");
    }
    datagrams
}

fn at(monotonic: u64, wall: u64) -> Time {
    Time { monotonic, wall }
}

/// This should not happen, but a chip's timer may be reset. Batches, walks and heartbeats start again; nothing waits
/// until the old time has been reached again.
#[test]
fn a_monotonic_clock_that_falls_back_delays_by_one_interval_at_most() {
    static LEVEL: Gauge = Gauge::new("level");
    static RING: Ring = Stats::new(event_ring!(64), Clock::nanos(|| 0)).instruments(&[&LEVEL]);
    let mut sender = sender(1);
    let mut collector = Collector::new(Limits::default());
    let mut take = |now| {
        let datagrams = due(&RING, &mut sender, at(now, 0));
        datagrams.iter().for_each(|d| _ = collector.receive(d, 0));
        (datagrams.len(), Report::of(&collector, &Io::default(), 0, 10))
    };
    take(HOUR);
    assert!(RING.count("a", 1u8).record().is_recorded());
    LEVEL.set(5.0);
    take(HOUR + 1);
    // The clock goes back to the start, and from there in steps.
    let sent: usize = (0..=20).map(|step| take(step * SECOND / 10).0).sum();
    assert!((1..=6).contains(&sent), "neither silence nor a storm: {sent}");
    let (_, report) = take(2 * SECOND);
    assert_eq!((value(&report, "a"), value(&report, "level")), (Some(1.0), Some(5.0)));
    let ledger = RING.ledger(&sender);
    assert!(ledger.closes());
    assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (1, 1, 0));
}

#[test]
fn heartbeats_go_on_when_the_monotonic_clock_falls_back() {
    static RING: Ring = Stats::new(event_ring!(64), Clock::nanos(|| 0));
    let mut sender = sender(1);
    assert_eq!(due(&RING, &mut sender, at(HOUR, 0)).len(), 1);
    assert_eq!(due(&RING, &mut sender, at(HOUR + SECOND / 2, 0)).len(), 0);
    assert_eq!(due(&RING, &mut sender, at(5, 0)).len(), 1, "rather one too many");
    assert_eq!(due(&RING, &mut sender, at(5 + SECOND, 0)).len(), 1);
}

#[test]
fn a_breaker_whose_clock_falls_back_tries_again_rather_than_wait_for_the_future() {
    let config = BreakerConfig::new(1, HOUR, HOUR);
    let mut breaker = Breaker::new(config, 1);
    breaker.failed(100 * HOUR);
    assert!(matches!(breaker.permit(100 * HOUR), Permit::Wait(_)));
    assert_eq!(breaker.permit(SECOND), Permit::Send);
    breaker.failed(SECOND);
    match breaker.permit(SECOND) {
        Permit::Wait(until) => assert!(until <= 2 * HOUR),
        Permit::Send => panic!("it failed just now"),
    }
}

#[test]
fn events_keep_their_exact_times_whatever_the_wall_clock_says_when_they_are_packed() {
    static RING: Ring = Stats::new(event_ring!(64), Clock::nanos(|| 0));
    let times = [0, 1, HOUR, 48 * HOUR, u64::MAX - 1, u64::MAX, 48 * HOUR, 0];
    for (epoch, wall) in [0, HOUR, u64::MAX].into_iter().enumerate() {
        let mut sender = sender(epoch as u32);
        for time in times {
            assert!(RING.count("a", 1u8).at(time).record().is_recorded());
        }
        sender.flush();
        let mut decoder: Box<Decoder> = Box::default();
        let mut seen = Vec::new();
        for datagram in due(&RING, &mut sender, at(0, wall)) {
            let mut opened = decoder.open(&datagram).unwrap();
            while let Some(record) = opened.next() {
                if let Body::Event(event) = record.unwrap().body {
                    seen.push(event.time_ns);
                }
            }
        }
        assert_eq!(seen, times, "packed at {wall}");
    }
}

/// A value is newer because it was sent later, not because its clock says so; otherwise a gauge would stand still for
/// as long as the clock was set back.
#[test]
fn a_gauge_follows_a_wall_clock_that_is_set_back() {
    static LEVEL: Gauge = Gauge::new("level");
    static RING: Ring = Stats::new(event_ring!(64), Clock::nanos(|| 0)).instruments(&[&LEVEL]);
    let mut sender = sender(1);
    let mut collector = Collector::new(Limits::default());
    for (now, wall, level) in [(0, 48 * HOUR, 1u8), (2 * SECOND, HOUR, 2), (4 * SECOND, HOUR, 3)] {
        LEVEL.set(f64::from(level));
        assert!(RING.level("event", level).at(wall).record().is_recorded());
        sender.flush();
        let datagrams = due(&RING, &mut sender, at(now, wall));
        datagrams.iter().for_each(|d| _ = collector.receive(d, 0));
        let report = Report::of(&collector, &Io::default(), 0, 10);
        assert_eq!(value(&report, "level"), Some(f64::from(level)));
        assert_eq!(value(&report, "event"), Some(f64::from(level)));
    }
}

/// A chip's time counts from its start.
#[test]
fn a_gauge_follows_a_sender_that_restarts_with_its_clock_at_zero() {
    static LEVEL: Gauge = Gauge::new("level");
    static RING: Ring = Stats::new(event_ring!(64), Clock::nanos(|| 0)).instruments(&[&LEVEL]);
    let mut collector = Collector::new(Limits::default());
    for (epoch, wall, level) in [(7, 48 * HOUR, 1u8), (9, SECOND, 2)] {
        let mut sender = sender(epoch);
        LEVEL.set(f64::from(level));
        // There are several, so that the new run's sequence numbers are below the old one's; one alone would not yet be
        // believed to begin a run.
        for _ in epoch..12 {
            assert!(RING.level("event", level).at(wall).record().is_recorded());
            sender.flush();
            due(&RING, &mut sender, at(0, wall)).iter().for_each(|d| _ = collector.receive(d, 0));
        }
        let report = Report::of(&collector, &Io::default(), 0, 10);
        assert_eq!(value(&report, "level"), Some(f64::from(level)), "epoch {epoch}");
        assert_eq!(value(&report, "event"), Some(f64::from(level)), "epoch {epoch}");
    }
}

/// The collector uses time differences, so a clock that goes back makes it forget nobody.
#[test]
fn a_collector_whose_clock_falls_back_forgets_nobody() {
    static RING: Ring = Stats::new(event_ring!(64), Clock::nanos(|| 0));
    let mut sender = sender(1);
    let mut collector = Collector::new(Limits::default());
    assert!(RING.count("a", 1u8).record().is_recorded());
    sender.flush();
    let datagrams = due(&RING, &mut sender, at(SECOND, 0));
    datagrams.iter().for_each(|d| _ = collector.receive(d, 50 * 3_600_000));
    collector.tick(50 * 3_600_000);
    collector.tick(0);
    let report = Report::of(&collector, &Io::default(), 0, 10);
    assert_eq!((report.senders.len(), report.series.len()), (1, 1));
    assert_eq!(report.senders[0].silent_ms, 0);
}
