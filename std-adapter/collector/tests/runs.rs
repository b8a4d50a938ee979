//! Runs of a sender: restarts, strays, twins, silence and goodbyes, in the collector without I/O. All sums are exact.

use std::time::Duration;

use ringstat_collector::{
    Collector, Distributions, Health, Io, Life, Limits, Report, SenderReport, Source, metrics,
};
use ringstat_core::format::{Header, Packer, Prologue, TimeUnit};
use ringstat_core::instrument::{Counter, Gauge, Info, Instrument};
use ringstat_core::receive::MAX_GAP;
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;

const SENDER: u64 = 7;

/// The contents of a datagram besides its header.
#[derive(Default)]
struct Says<'a> {
    /// Whether it has an event that counts 1.
    event: bool,
    instruments: &'a [&'a dyn Instrument],
    goodbye: bool,
    since_boot: bool,
    time_ms: u64,
}

fn datagram(epoch: u32, sequence: u32, says: &Says<'_>) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 8972];
    let header = Header { sender: SENDER, epoch, sequence, ..Header::default() };
    let Says { goodbye, since_boot, time_ms: base_time, .. } = *says;
    let unit = TimeUnit::Millis;
    let prologue = Prologue { unit, base_time, goodbye, since_boot, ..Prologue::default() };
    let mut open = encoder.begin(&mut buf, &header, &prologue).unwrap();
    if says.event {
        let event: Event = Event::new(Kind::Counter, "events".into(), 1u8.into(), 0).unwrap();
        open.event(&event, &NoNames).unwrap();
    }
    for (number, instrument) in says.instruments.iter().enumerate() {
        assert_eq!(Packer::instrument(&mut open, number, *instrument, 0), Ok(None));
    }
    let length = open.finish(false);
    buf[..length].to_vec()
}

/// Returns a datagram with one event that counts 1.
fn event(epoch: u32, sequence: u32) -> Vec<u8> {
    datagram(epoch, sequence, &Says { event: true, ..Says::default() })
}

fn report(collector: &Collector, now_ms: u64) -> Report {
    assert!(collector.counts().closes(), "{:?}", collector.counts());
    Report::of(collector, &Io::default(), now_ms, 1000)
}

/// Returns the value of a sender's series, or 0 if there is none.
fn value(report: &Report, sender: &str, name: &str) -> f64 {
    let of = report.series.iter().find(|s| s.sender == sender && s.name == name);
    of.map_or(0.0, |s| s.value)
}

fn sender<'a>(report: &'a Report, id: &str) -> &'a SenderReport {
    report.senders.iter().find(|s| s.id == id).unwrap()
}

fn complains(health: &Health, what: &str) -> bool {
    health.reasons.iter().any(|r| r.contains(what))
}

fn page(collector: &Collector, now_ms: u64) -> String {
    metrics(collector, &Io::default(), now_ms, Distributions::default())
}

const ID: &str = "0000000000000007";

#[test]
fn a_counter_is_that_of_the_current_run_and_events_go_on() {
    let mut collector = Collector::new(Limits::default());
    let counter = Counter::new("total");
    counter.add(1_000_000);
    let both = |counter: &'static Counter, epoch, sequence| {
        datagram(epoch, sequence, &Says { event: true, instruments: &[counter], ..Says::default() })
    };
    let counter: &'static Counter = Box::leak(Box::new(counter));
    collector.receive(&both(counter, 1, 0), 0);
    let again: &'static Counter = Box::leak(Box::new(Counter::new("total")));
    again.add(10);
    collector.receive(&both(again, 2, 0), 0);
    let before = report(&collector, 0);
    assert_eq!((value(&before, ID, "total"), value(&before, ID, "events")), (1e6, 1.0), "aside");
    assert_eq!((before.strangers, before.accepted), (1, 1));
    collector.receive(&both(again, 2, 1), 0);
    let after = report(&collector, 0);
    assert_eq!((value(&after, ID, "total"), value(&after, ID, "events")), (10.0, 3.0));
    assert_eq!((after.strangers, after.accepted, sender(&after, ID).restarts), (0, 3, Some(1)));
    assert_eq!((after.lost, after.outstanding), (0, 0));
}

/// Somebody forges datagrams of a well-behaved sender.
#[test]
fn forged_epochs_and_numbers_leave_the_genuine_sender_exact() {
    const COUNT: u32 = 5000;
    let mut collector = Collector::new(Limits::default());
    let mut forged = 0u64;
    for n in 0..COUNT {
        // Each has a new epoch with any sequence number, or is a single far jump in the right epoch.
        if n % 3 == 1 {
            collector.receive(&event(1000 + n, n.wrapping_mul(0x9E37_79B9)), 0);
            forged += 1;
        }
        if n % 500 == 250 {
            collector.receive(&event(1, n + 100_000 + 10 * n * MAX_GAP), 0);
        }
        collector.receive(&event(1, n), u64::from(n));
    }
    let report = report(&collector, u64::from(COUNT));
    let genuine = sender(&report, ID);
    let jumps = u64::from(COUNT / 500);
    assert_eq!(
        (genuine.received, genuine.lost, genuine.outstanding),
        (COUNT.into(), Some(0), Some(0))
    );
    assert_eq!(
        (genuine.strangers, genuine.restarts, report.senders.len()),
        (Some(forged), Some(0), 1)
    );
    // Events in a datagram with a far jump are accepted at once, since it may be genuine.
    assert_eq!(value(&report, ID, "events"), f64::from(COUNT) + jumps as f64);
    assert_eq!(report.duplicates + report.too_late + report.old_epoch, 0);
}

#[test]
fn two_forged_datagrams_that_agree_are_believed_until_the_genuine_sender_speaks() {
    let mut collector = Collector::new(Limits::default());
    let counter: &'static Counter = Box::leak(Box::new(Counter::new("total")));
    let state = |epoch, sequence| {
        counter.inc();
        datagram(epoch, sequence, &Says { instruments: &[counter], ..Says::default() })
    };
    (0..10).for_each(|n| _ = collector.receive(&state(1, n), 0));
    (0..2).for_each(|n| _ = collector.receive(&event(66, n), 0));
    (10..20).for_each(|n| _ = collector.receive(&state(1, n), 0));
    let report = report(&collector, 0);
    let genuine = sender(&report, ID);
    assert_eq!((genuine.epoch, genuine.lost, genuine.outstanding), (1, Some(0), Some(0)));
    assert_eq!((genuine.received, genuine.restarts), (22, Some(2)));
    assert_eq!(value(&report, ID, "total"), 20.0);
}

fn at(port: u16) -> Option<Source> {
    Some(Source::Network(([10, 0, 0, 1], port).into()))
}

#[test]
fn two_processes_with_one_number_are_told_apart_and_nothing_is_lost() {
    let mut collector = Collector::new(Limits::default());
    let counters: [&'static Counter; 2] =
        [(); 2].map(|()| &*Box::leak(Box::new(Counter::new("total"))));
    for n in 0..1000 {
        for (i, counter) in counters.into_iter().enumerate() {
            counter.add(1 + i as u64);
            let says = Says { event: true, instruments: &[counter], ..Says::default() };
            let bytes = datagram(1 + i as u32, n, &says);
            collector.receive_from(&bytes, at(4000 + i as u16).as_ref(), u64::from(n) * 10);
        }
    }
    let report = report(&collector, 10_000);
    assert_eq!(report.senders.len(), 2);
    let twin = report.senders.iter().find(|s| s.id != ID).unwrap();
    let one = sender(&report, ID);
    for (of, i) in [(one, 0), (twin, 1)] {
        assert_eq!(
            (of.received, of.lost, of.outstanding, of.restarts),
            (1000, Some(0), Some(0), Some(0))
        );
        assert_eq!(value(&report, &of.id, "events"), 1000.0);
        assert_eq!(value(&report, &of.id, "total"), 1000.0 * f64::from(1 + i));
        let both = ["10.0.0.1:4000", "10.0.0.1:4001", "two processes send as 0000000000000007"];
        assert!(both.iter().all(|what| complains(&of.health, what)), "{:?}", of.health);
    }
    assert_eq!((one.number.as_deref(), twin.number.as_deref()), (None, Some(ID)));
    assert_eq!((report.duplicates, report.old_epoch, report.degraded_senders), (0, 0, 2));
    let text = page(&collector, 10_000);
    let info = format!(
        "ringstat_sender_info{{sender=\"{}\",address=\"10.0.0.1:4001\",number=\"{ID}\"}} 1\n",
        twin.id
    );
    assert!(text.contains(&info), "{text}");
}

/// When one of two twins ends, the other is healthy again and keeps its identity, and a newcomer takes over the number.
#[test]
fn twins_part_when_one_of_them_ends() {
    let mut collector = Collector::new(Limits::default());
    for n in 0..10 {
        collector.receive(&event(1, n), 0);
        collector.receive(&event(2, n), 0);
    }
    collector.receive(&datagram(1, 10, &Says { goodbye: true, ..Says::default() }), 0);
    for n in 10..30 {
        collector.receive(&event(2, n), 6000);
    }
    collector.tick(6000);
    let alone = report(&collector, 6000);
    assert!(alone.senders.iter().all(|s| s.health.reasons.is_empty()), "{:?}", alone.senders);
    assert_eq!(alone.senders.iter().map(|s| s.received).sum::<u64>(), 41);
    (0..5).for_each(|n| _ = collector.receive(&event(3, n), 6000));
    let report = report(&collector, 6000);
    let next = sender(&report, ID);
    assert_eq!(
        (next.epoch, next.received, next.restarts, next.strangers),
        (3, 16, Some(1), Some(0))
    );
    assert_eq!(value(&report, ID, "events"), 15.0, "the goodbye said nothing else");
}

#[test]
fn a_third_and_a_ninth_process_are_told_apart_as_far_as_there_is_room() {
    let mut collector = Collector::new(Limits::default());
    for n in 0..200 {
        (0..12).for_each(|epoch| _ = collector.receive(&event(epoch, n), 0));
    }
    let report = report(&collector, 0);
    let events: Vec<f64> = report.series.iter().map(|s| s.value).collect();
    assert_eq!(report.senders.len(), 9, "one and eight beside it");
    assert!(events.iter().all(|n| *n <= 200.0) && events.iter().sum::<f64>() > 8.0 * 190.0);
    assert!(report.refused_senders > 0 && report.limits["senders"] > 0);
}

/// Copies that waited somewhere, for minutes, on their way through a second receiver: no restart, nothing counts twice.
#[test]
fn copies_that_come_late_are_no_restart_if_their_sender_has_a_clock() {
    // A clock that is right, and two that are wrong.
    for clock in [1_000_000_000_u64, 1_000_030_000, 999_900_000] {
        let mut collector = Collector::new(Limits::default());
        let event = |n: u32, made: u64| {
            datagram(1, n, &Says { event: true, time_ms: clock + made, ..Says::default() })
        };
        let arrives = |at: u64| 1_000_000_000 + at;
        for n in 0..50 {
            collector.receive(&event(n, 10 * u64::from(n)), arrives(10 * u64::from(n)));
        }
        for n in 0..50 {
            let at = arrives(60_000 + 100 * u64::from(n));
            collector.receive(&event(n, 10 * u64::from(n)), at);
        }
        let before = report(&collector, arrives(70_000));
        assert_eq!((sender(&before, ID).received, before.duplicates), (50, 50));
        assert_eq!(value(&before, ID, "events"), 50.0);
        // What is made later is another run.
        for n in 0..50 {
            let at = 80_000 + 10 * u64::from(n);
            collector.receive(&event(n, at), arrives(at));
        }
        let after = report(&collector, arrives(90_000));
        assert_eq!(sender(&after, ID).received, 100, "the row of refused ones was long enough");
    }
}

/// A chip without storage and without a random source.
#[test]
fn a_restart_with_the_same_epoch_is_recognized() {
    for before in [50, 5000] {
        let mut collector = Collector::new(Limits::default());
        let counter: &'static Counter = Box::leak(Box::new(Counter::new("total")));
        counter.add(100);
        let state = |n, counter: &'static Counter| {
            datagram(1, n, &Says { instruments: &[counter], ..Says::default() })
        };
        for n in 0..before {
            collector.receive(&state(n, counter), 1000 * u64::from(n));
        }
        let again: &'static Counter = Box::leak(Box::new(Counter::new("total")));
        let mut now_ms = 1000 * u64::from(before);
        for n in 0..40 {
            again.inc();
            now_ms += 1000;
            collector.receive(&state(n, again), now_ms);
        }
        let report = report(&collector, now_ms);
        // The new run is believed only after ten seconds; what is refused until then is lost and counted.
        let refused = report.duplicates + report.too_late;
        assert_eq!(refused, 8, "from {before}");
        let chip = sender(&report, ID);
        let missing = chip.lost.zip(chip.outstanding).map(|(lost, more)| lost + more);
        assert_eq!((chip.received, missing), (u64::from(before) + 32, Some(8)));
        assert_eq!(value(&report, ID, "total"), 40.0);
        let text = page(&collector, now_ms);
        assert!(text.contains(&format!("ringstat_sender_resyncs_total{{sender=\"{ID}\"}} 1\n")));
    }
}

/// A sender whose times count from its start is recognized at once.
#[test]
fn a_restart_of_epoch_0_shows_in_when_it_began() {
    let mut collector = Collector::new(Limits::default());
    let beat = |n, time_ms| {
        datagram(0, n, &Says { event: true, since_boot: true, time_ms, ..Says::default() })
    };
    for n in 0..100 {
        collector.receive(&beat(n, 1000 * u64::from(n)), 1000 * u64::from(n));
        // A copy arrives a second late.
        collector.receive(&beat(n, 1000 * u64::from(n)), 1000 * u64::from(n) + 1000);
    }
    for n in 0..50 {
        collector.receive(&beat(n, 1000 * u64::from(n)), 105_000 + 1000 * u64::from(n));
    }
    let report = report(&collector, 155_000);
    let chip = sender(&report, ID);
    assert_eq!(
        (chip.received, chip.lost, chip.outstanding, chip.duplicates),
        (150, Some(0), Some(0), Some(100))
    );
    assert_eq!(value(&report, ID, "events"), 150.0);
}

#[test]
fn copies_for_ten_seconds_beside_new_datagrams_are_no_restart() {
    let mut collector = Collector::new(Limits::default());
    for n in 0..100 {
        for copy in 0..3 {
            collector.receive(&event(1, n), 1000 * u64::from(n) + 100 * copy);
        }
    }
    let report = report(&collector, 100_000);
    assert_eq!((report.accepted, report.duplicates), (100, 200));
    assert_eq!(value(&report, ID, "events"), 100.0);
}

static INFO: Info = Info::new("shop").version("1.4").host("web-1").heartbeat_ms(2000).labels(&[
    ("zone", "eu\"\n"),
    ("__name__", "x"),
    ("program", "other"),
]);
static LEVEL: Gauge = Gauge::new("level");

#[test]
fn a_sender_says_who_it_is_and_labels_are_cleaned() {
    let mut collector = Collector::new(Limits::default());
    let says = Says { instruments: &[&INFO], ..Says::default() };
    let idle = collector.store().bytes();
    collector.receive_from(&event(1, 0), at(4000).as_ref(), 0);
    let without = collector.store().bytes();
    collector.receive_from(&datagram(1, 1, &says), at(4001).as_ref(), 0);
    assert!(collector.store().bytes() > without, "it is charged");
    let with = collector.store().bytes();
    collector.receive_from(&datagram(1, 2, &says), at(4001).as_ref(), 0);
    assert_eq!(collector.store().bytes(), with, "once");
    assert!(with > idle);
    let text = page(&collector, 0);
    let info = "ringstat_sender_info{sender=\"0000000000000007\",address=\"10.0.0.1:4001\",host=\"web-1\",\
                program=\"shop\",version=\"1.4\",zone=\"eu\\\"\\n\",tag__name__=\"x\",program_2=\"other\"} 1\n";
    assert!(text.contains(info), "{text}");
    let report = report(&collector, 0);
    let info = sender(&report, ID).info.as_ref().unwrap();
    assert_eq!((&*info.program, info.heartbeat_ms, info.labels.len()), ("shop", 2000, 3));
    assert_eq!((report.records, report.stored), (3, 3));
    let json = serde_json::to_value(&report.senders).unwrap();
    assert_eq!((&json[0]["info"]["host"], &json[0]["life"]), (&"web-1".into(), &"living".into()));
}

#[test]
fn silence_is_told_after_three_heartbeats_and_a_goodbye_is_none() {
    let mut collector = Collector::new(Limits::default());
    LEVEL.set(21.5);
    let all: [&dyn Instrument; 2] = [&INFO, &LEVEL];
    let says = |goodbye| Says { instruments: &all, goodbye, ..Says::default() };
    collector.receive(&datagram(1, 0, &says(false)), 1000);
    let life = |collector: &Collector, now_ms| sender(&report(collector, now_ms), ID).life;
    assert_eq!([7000, 7001].map(|now| life(&collector, now)), [Life::Living, Life::Silent]);
    let silent = report(&collector, 8000);
    let health = &sender(&silent, ID).health;
    assert!(complains(
        health,
        "silent for 7 s without a goodbye, and promised to be heard every 2 s"
    ));
    let shown = |collector: &Collector, now_ms| page(collector, now_ms).contains("\nlevel{");
    let up = |collector: &Collector, now_ms| {
        page(collector, now_ms).contains("\nringstat_sender_up{sender=\"0000000000000007\"} 1\n")
    };
    assert!(up(&collector, 7000) && !up(&collector, 8000));
    assert_eq!([61_000, 61_001].map(|now| shown(&collector, now)), [true, false], "it is stale");
    // The network was to blame.
    collector.receive(&datagram(1, 1, &says(false)), 90_000);
    assert_eq!((life(&collector, 90_000), shown(&collector, 90_000)), (Life::Living, true));
    collector.receive(&datagram(1, 2, &says(true)), 90_000);
    let gone = report(&collector, 200_000);
    assert_eq!(sender(&gone, ID).life, Life::Gone);
    assert!(sender(&gone, ID).health.reasons.is_empty(), "that is as it should be");
    assert!(shown(&collector, 100_000) && !shown(&collector, 200_000));
    // A new epoch under this number now means a restart, at once.
    collector.receive(&event(2, 0), 200_000);
    let next = report(&collector, 200_000);
    assert_eq!((sender(&next, ID).epoch, sender(&next, ID).life), (2, Life::Living));
    assert_eq!(value(&next, ID, "events"), 1.0);
}

#[test]
fn a_series_of_a_living_sender_stays_however_rare_and_others_go_in_their_time() {
    let limits = Limits { series_ttl: Duration::from_secs(60), ..Limits::default() };
    let mut collector = Collector::new(limits);
    let says = Says { instruments: &[&INFO], event: true, ..Says::default() };
    collector.receive(&datagram(1, 0, &says), 0);
    let mut now_ms = 0;
    let mut turn = |collector: &mut Collector, until: u64, sequence: &mut u32, alive: bool| {
        while now_ms < until {
            now_ms += 1000;
            if alive {
                collector.receive(&datagram(1, *sequence, &Says::default()), now_ms);
                *sequence += 1;
            }
            collector.tick(now_ms);
        }
        value(&report(collector, now_ms), ID, "events")
    };
    let mut sequence = 1;
    assert_eq!(turn(&mut collector, 3_600_000, &mut sequence, true), 1.0);
    assert_eq!(turn(&mut collector, 3_605_000, &mut sequence, false), 1.0);
    assert_eq!(
        turn(&mut collector, 3_610_000, &mut sequence, false),
        0.0,
        "silent, and long unchanged"
    );
    assert_eq!(collector.sender_count(), 1, "the sender stays longer");
}

#[test]
fn what_is_sent_to_the_wrong_port_is_told_with_what_to_do() {
    let mut collector = Collector::new(Limits::default());
    collector.take_statsd(None);
    for n in 0..10 {
        collector.receive(b"http.requests:1|c|#zone:eu\nother:3|ms", n);
        collector.receive(b"\0\x01nothing that anybody knows", n);
    }
    let report = report(&collector, 10);
    assert!(complains(&report.health, "10 datagrams were lines of StatsD"), "{:?}", report.health);
    assert!(complains(&report.health, "10 datagrams were malformed (most often bad_magic"));
    assert!(page(&collector, 10).contains("\nringstat_collector_statsd_lines_total 10\n"));
}

#[test]
fn a_clock_that_is_set_is_told() {
    let mut collector = Collector::new(Limits::default());
    for n in 0..100u32 {
        let step = if n >= 50 { 3_600_000 } else { 0 };
        let time_ms = 1_790_000_000_000 + u64::from(n) * 1000 + step;
        let says = Says { time_ms, ..Says::default() };
        collector.receive(&datagram(1, n, &says), u64::from(n) * 1000 + u64::from(n % 7) * 100);
    }
    let report = report(&collector, 100_000);
    assert!(complains(&sender(&report, ID).health, "its clock was set 1 times, by +3599.9 s"));
    assert!(
        page(&collector, 0)
            .contains(&format!("ringstat_sender_clock_jumps_total{{sender=\"{ID}\"}} 1\n"))
    );
}
