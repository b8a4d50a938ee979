//! Configurations and arguments that are zero or far too large.

use std::time::Duration;

use ringstat_collector::{Collector, Io, Limits, Report};
use ringstat_core::chip::{Clock, Stats};
use ringstat_core::format::TimeUnit;
use ringstat_core::policy::Policy;
use ringstat_core::send::{
    Breaker, BreakerConfig, BreakerState, Identity, LeanSender, Permit, Sender, SenderConfig, Step,
    Time,
};
use ringstat_std::{BuildError, Cause, Client, ClientConfig, Outcome, Preset, Priority, Recorder};

use crate::{SOON, client, end, value};

/// The pause between two checks of a condition.
const TICK: Duration = Duration::from_millis(10);

/// Returns the field that `build` refuses in a configuration, if any.
fn refused(change: impl FnOnce(&mut ClientConfig)) -> Option<&'static str> {
    let mut config = Preset::LowMemory.config();
    change(&mut config);
    match Client::builder("127.0.0.1:9").config(config).build() {
        Ok(stats) => {
            let ledger = stats.shutdown(Duration::ZERO);
            assert!(ledger.closes());
            None
        }
        Err(BuildError::Config(wrong)) => {
            assert!(!wrong.value.is_empty() && !wrong.allowed.is_empty());
            Some(wrong.field)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn every_size_is_refused_by_name_outside_its_bounds_and_works_at_them() {
    type Set = fn(&mut ClientConfig, usize);
    let fields: [(&str, Set, usize, usize); 7] = [
        ("payload", |c, v| c.payload = v, 64, 65_507),
        ("shards", |c, v| c.shards = v, 1, 1024),
        ("shard_events", |c, v| c.shard_events = v, 1, 1 << 24),
        ("shared_events", |c, v| c.shared_events = v, 1, 1 << 24),
        ("max_instruments", |c, v| c.max_instruments = v, 0, 1 << 24),
        ("critical_events", |c, v| c.critical_events = v, 0, 1024),
        ("datagrams_per_call", |c, v| c.datagrams_per_call = v, 1, 32),
    ];
    for (name, set, least, most) in fields {
        let with = |value| refused(|c| set(c, value));
        if least > 0 {
            assert_eq!(with(least - 1), Some(name));
            assert_eq!(with(0), Some(name));
        }
        assert_eq!(with(most + 1), Some(name));
        assert_eq!(with(usize::MAX), Some(name));
        assert_eq!(with(least), None, "{name} {least}");
        // 1 GiB of slots is too much for a test.
        if most < 1 << 24 {
            assert_eq!(with(most), None, "{name} {most}");
        }
    }
    for events in [0, 1, usize::MAX] {
        assert_eq!(refused(|c| c.batch_events = events), None, "any batch size is one");
        assert_eq!(refused(|c| c.batch_least = events), None, "and greater than the other, too");
    }
    for (jitter, field) in [(0, None), (49, None), (50, Some("backoff_jitter"))] {
        assert_eq!(refused(|c| c.backoff_jitter = jitter), field);
    }
    for (probes, field) in
        [(0, Some("breaker_successes")), (1, None), (u32::MAX, Some("breaker_successes"))]
    {
        assert_eq!(refused(|c| c.breaker_successes = probes), field);
    }
    assert_eq!(refused(|c| c.breaker_failures = 0), None, "a breaker may be off");
    for (attempts, field) in [(0, Some("ack_attempts")), (1, None), (255, None)] {
        assert_eq!(refused(|c| c.ack_attempts = attempts), field);
    }
}

#[test]
fn sampling_keeps_one_in_2_to_64() {
    for policy in [Policy::Sampled, Policy::Graded] {
        for n in [0, 1, 65, 255] {
            assert_eq!(refused(|c| c.policy = policy(n)), Some("policy"), "one in {n}");
        }
        for n in [2, 64] {
            assert_eq!(refused(|c| c.policy = policy(n)), None, "one in {n}");
        }
    }
}

/// A limit below what any process needs throttles from the start. The ledger shows it, and important events get
/// through.
#[test]
fn a_memory_limit_of_nothing_throttles_and_one_of_everything_does_not() {
    for (limit, throttles) in [(0, cfg!(target_os = "linux")), (u64::MAX, false)] {
        let config =
            ClientConfig { throttle: true, memory_limit: Some(limit), ..ClientConfig::default() };
        let (stats, spy) = client(config);
        let throttled = || {
            (0..1000).for_each(|_| _ = stats.count("low", 1u8).priority(Priority::Low).record());
            stats.flush(SOON).unwrap();
            stats.ledger().dropped.get(Cause::Throttled) > 0
        };
        // Memory is checked from time to time.
        let seen = (0..if throttles { 2000 } else { 50 }).any(|_| {
            std::thread::sleep(TICK);
            throttled()
        });
        assert_eq!(seen, throttles, "a limit of {limit}");
        assert_eq!(
            stats.count("critical", 1u8).priority(Priority::Critical).record(),
            Outcome::Recorded
        );
        let (ledger, report) = end(stats, &spy);
        assert_eq!(ledger.dropped.get(Cause::Throttled), ledger.dropped.total());
        assert_eq!(value(&report, "critical"), Some(1.0));
    }
}

/// Each of these limits is valid alone; together they would amount to a tebibyte.
#[test]
fn rings_that_no_machine_holds_are_refused_before_memory_is_asked_for() {
    let huge = |c: &mut ClientConfig| (c.shards, c.shard_events) = (1024, 1 << 24);
    assert_eq!(refused(huge), Some("shard_events"));
    let most = |c: &mut ClientConfig| (c.shards, c.shard_events) = (1024, (1 << 16) + 1);
    assert_eq!(refused(most), Some("shard_events"));
}

#[test]
fn every_time_is_refused_by_name_outside_its_bounds_and_works_at_them() {
    type Set = fn(&mut ClientConfig, Duration);
    let [milli, tenth, second] = [1, 10, 1000].map(Duration::from_millis);
    let [minute, hour, day] = [60, 3600, 86_400].map(Duration::from_secs);
    let fields: [(&str, Set, Duration, Duration); 11] = [
        ("batch_age", |c, v| c.batch_age = v, milli, minute),
        ("flush_interval", |c, v| c.flush_interval = v, milli, hour),
        ("refresh_interval", |c, v| c.refresh_interval = v, tenth, day),
        ("heartbeat_interval", |c, v| c.heartbeat_interval = v, tenth, hour),
        ("idle_sleep", |c, v| c.idle_sleep = v, milli, minute),
        ("resolve_interval", |c, v| c.resolve_interval = v, second, day),
        ("backoff", |c, v| c.backoff = v, milli, hour),
        ("backoff_max", |c, v| c.backoff_max = v, milli, hour),
        ("report_interval", |c, v| c.report_interval = Some(v), tenth, day),
        ("ack_timeout", |c, v| c.ack_timeout = v, milli, hour),
        ("ack_timeout_max", |c, v| c.ack_timeout_max = v, milli, hour),
    ];
    let tick = Duration::from_nanos(1);
    for (name, set, least, most) in fields {
        for value in [Duration::ZERO, least - tick, most + tick, Duration::MAX] {
            assert_eq!(refused(|c| set(c, value)), Some(name), "{value:?}");
        }
        for value in [least, most] {
            assert_eq!(refused(|c| set(c, value)), None, "{name} {value:?}");
        }
    }
}

#[test]
fn no_instruments_at_all_is_a_limit_like_any_other() {
    let (stats, spy) = client(ClientConfig { max_instruments: 0, ..ClientConfig::default() });
    stats.counter("a", &[]).add(1);
    stats.counter("b", &[]).add(2);
    assert_eq!(stats.overflowed_instruments(), 2);
    let (_, report) = end(stats, &spy);
    assert_eq!(value(&report, "ringstat.overflow"), Some(3.0));
}

#[test]
fn a_receiver_that_is_none_is_an_error_with_its_name() {
    for to in ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", ":8125:", "[::1"] {
        match Client::builder(to).build() {
            Err(BuildError::Resolve { name, .. }) => assert_eq!(name, to),
            other => panic!("{to}: {other:?}"),
        }
        // The second address is just as mandatory.
        match Client::builder("127.0.0.1:9").redundant(Some(to.into())).build() {
            Err(BuildError::Resolve { name, .. }) => assert_eq!(name, to),
            other => panic!("{to}: {other:?}"),
        }
    }
}

/// `Instant::now() + Duration::MAX` panics; waiting for ever must not.
#[test]
fn waiting_for_ever_and_not_at_all_are_both_fine() {
    let forever = ClientConfig { linger: Duration::MAX, ..ClientConfig::default() };
    let (stats, spy) = client(forever.clone());
    assert_eq!(stats.count("a", 1u8).record(), Outcome::Recorded);
    stats.flush(Duration::MAX).unwrap();
    // Whether no time at all suffices depends on the threads.
    let _ = stats.flush(Duration::ZERO);
    let other = stats.clone();
    assert_eq!(end(stats, &spy).0.sent, 1);
    assert_eq!(other.flush(Duration::MAX), Ok(()), "there is nothing left to wait for");
    assert!(other.shutdown(Duration::MAX).closes());
    let (dropped, spy) = client(forever);
    assert_eq!(dropped.count("b", 1u8).record(), Outcome::Recorded);
    drop(dropped);
    assert!(!spy.datagrams().is_empty());
    let (stats, _) = client(ClientConfig { linger: Duration::ZERO, ..ClientConfig::default() });
    let _ = stats.count("c", 1u8).record();
    let ledger = stats.shutdown(Duration::ZERO);
    assert!(ledger.closes(), "{ledger:?}");
    assert_eq!(ledger.sent + ledger.dropped.get(Cause::Shutdown), 1);
}

/// The core accepts any configuration, and replaces invalid values by the nearest valid ones.
#[test]
fn a_sender_of_nothing_or_everything_still_sends() {
    let times = [Duration::ZERO, Duration::MAX];
    for (payload, time) in [0, 1, usize::MAX].into_iter().flat_map(|p| times.map(|t| (p, t))) {
        let config = SenderConfig {
            payload,
            batch_events: 0,
            batch_age: time,
            flush_interval: time,
            refresh_interval: time,
            heartbeat_interval: time,
            ..SenderConfig::new(TimeUnit::Nanos)
        };
        let mut sender: LeanSender = Sender::new(Identity { sender: 1, epoch: 1 }, &config);
        let ring = Stats::<8>::new(Box::leak(Box::default()), Clock::nanos(|| 0));
        assert_eq!(ring.count("a", 1u8).record(), Outcome::Recorded);
        let mut buf = vec![0; 65_507];
        let now = Time { monotonic: 5, wall: 5 };
        let Step::Send(packed) = ring.poll(&mut sender, now, &mut buf) else {
            panic!("{payload} {time:?}");
        };
        assert_eq!(packed.events, 1);
        sender.sent(packed);
        // An empty buffer receives nothing, and nothing is lost by that.
        assert_eq!(ring.count("a", 1u8).record(), Outcome::Recorded);
        for room in [0, 1, 63] {
            let polled = ring.poll(&mut sender, now, &mut buf[..room]);
            assert!(matches!(polled, Step::Wait(_)), "{room} bytes");
        }
        assert!(ring.ledger(&sender).closes());
        assert_eq!(ring.ledger(&sender).in_flight, 1);
    }
}

#[test]
fn a_breaker_of_nothing_or_everything_opens_and_lets_probes_through() {
    for (failures, backoff, backoff_max) in
        [(1, 0, 0), (1, u64::MAX, u64::MAX), (1, u64::MAX, 0), (1, 0, u64::MAX)]
    {
        let mut breaker = Breaker::new(BreakerConfig::new(failures, backoff, backoff_max), 1);
        let mut now = u64::MAX - 10;
        for _ in 0..100 {
            assert_eq!(breaker.permit(now), Permit::Send);
            breaker.failed(now);
            assert_eq!(breaker.state(), BreakerState::Open);
            if let Permit::Wait(until) = breaker.permit(now) {
                assert!(until >= now);
                now = until;
            }
        }
        assert!(breaker.times_opened() >= 100);
    }
}

#[test]
fn a_collector_with_no_room_refuses_and_counts_and_one_with_all_of_it_forgets_nothing() {
    let (stats, spy) = client(ClientConfig::default());
    stats.counter("total", &[]).inc();
    let _ = stats.count("event", 1u8).record();
    end(stats, &spy);
    let none = Limits {
        senders: 0,
        series: 0,
        series_per_sender: 0,
        bytes: 0,
        page: 0,
        idle: Duration::ZERO,
        series_ttl: Duration::ZERO,
    };
    let all = usize::MAX;
    // The second idle time is a little more than 2^64 milliseconds.
    for idle in [Duration::MAX, Duration::from_secs(18_446_744_073_709_552)] {
        let most = Limits {
            senders: all,
            series: all,
            series_per_sender: all,
            bytes: all,
            page: all,
            idle,
            series_ttl: idle,
        };
        let take = |limits: Limits| {
            let mut collector = Collector::new(limits);
            spy.datagrams().iter().for_each(|d| _ = collector.receive(d, 0));
            collector.tick(3_600_000);
            Report::of(&collector, &Io::default(), 3_600_000, all)
        };
        let full = take(most);
        assert!(full.closes && full.series.len() == 2 && full.senders.len() == 1, "{full:?}");
        let refused = take(none);
        assert!(refused.closes && refused.senders.is_empty());
        assert_eq!(refused.refused_senders, refused.datagrams);
        let no_series = take(Limits { series: 0, ..most });
        assert!(no_series.closes, "{no_series:?}");
        assert!(no_series.refused_series > 0, "a state cannot be added up: {no_series:?}");
        assert_eq!(no_series.overflowed, 1, "an event can");
    }
}
