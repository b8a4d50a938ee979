//! The collector without I/O, then under a flood of malformed input over a real socket.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::time::Duration;

use ringstat_collector::{
    Class, Collector, Distributions, Io, IoCounts, Limits, OVERFLOW, Report, Server, ServerConfig,
    metrics,
};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames, Tag};
use ringstat_core::testkit::Rng;
use ringstat_core::wire::Encoder;

/// Returns a datagram of `sender` with these counter events.
fn datagram(
    sender: u64,
    sequence: u32,
    events: &[(&'static str, &'static [Tag], f64, u8)],
) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let header = Header { sender, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    for (name, tags, value, rate) in events {
        let mut event: Event =
            Event::new(Kind::Counter, (*name).into(), (*value).into(), 0).unwrap();
        event.set_tags(tags).unwrap();
        event.set_rate(*rate);
        open.event(&event, &NoNames).unwrap();
    }
    let length = open.finish(false);
    buf.truncate(length);
    buf
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn report(collector: &Collector) -> Report {
    Report::of(collector, &Io::default(), 0, 10_000)
}

#[test]
fn records_become_series_and_prometheus_text() {
    let mut collector = Collector::new(Limits::default());
    let tags: &[Tag] = &[("b", "2"), ("a", "say \"hi\"\n")];
    let reversed: &[Tag] = &[("a", "say \"hi\"\n"), ("b", "2")];
    collector.receive(
        &datagram(7, 0, &[("http.requests", tags, 2.0, 1), ("http.requests", reversed, 3.0, 10)]),
        0,
    );
    collector.receive(
        &datagram(7, 1, &[("http.requests", tags, 1.0, 1), ("http_requests", &[], 1.0, 1)]),
        0,
    );
    let io = Io { now: IoCounts { kernel_drops: 5, ..IoCounts::default() }, ..Io::default() };
    let text = metrics(&collector, &io, 9000, Distributions::default());
    let expected =
        "http_requests_total{sender=\"0000000000000007\",a=\"say \\\"hi\\\"\\n\",b=\"2\"} 33\n";
    assert!(text.contains(expected), "{text}");
    // A different name that is exposed with the same spelling gets a family of its own.
    let other = "_total http_requests\n";
    assert!(text.contains(other), "{text}");
    assert_eq!(text.matches("# TYPE http_requests_total counter").count(), 1);
    assert!(text.contains("(sampled, scaled up)"));
    assert!(text.contains("ringstat_collector_kernel_drops_total 5\n"));
    assert!(text.contains("ringstat_sender_silent_seconds{sender=\"0000000000000007\"} 9\n"));
    assert!(text.contains("ringstat_sender_received_total{sender=\"0000000000000007\"} 2\n"));
    assert!(report(&collector).closes);
}

/// A datagram with as many timings of so many milliseconds, of a sender that is there all the time.
fn timings(sequence: u32, millis: f64, count: usize) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let header = Header { sender: 7, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    for _ in 0..count {
        let event: Event = Event::new(Kind::Timing, "took".into(), millis.into(), 0).unwrap();
        open.event(&event, &NoNames).unwrap();
    }
    let length = open.finish(false);
    buf.truncate(length);
    buf
}

#[test]
fn summaries_have_quantiles_of_the_last_minutes_and_sums_of_all_time() {
    let shown = |collector: &Collector, now_ms| {
        let page = metrics(collector, &Io::default(), now_ms, Distributions::Summaries);
        let value = |begin: &str| {
            let line = page.lines().find(|line| line.starts_with(begin))?;
            line.rsplit_once(' ')?.1.parse::<f64>().ok()
        };
        let sender = "sender=\"0000000000000007\"";
        let median = value(&format!("took_seconds{{{sender},quantile=\"0.5\"}}"));
        (median, value(&format!("took_seconds_count{{{sender}}}")).unwrap())
    };
    let [mut of_minutes, mut of_all_time] = [(); 2].map(|()| Collector::new(Limits::default()));
    of_minutes.keep_windows(0);
    for (collector, is_window) in [(&mut of_minutes, true), (&mut of_all_time, false)] {
        let mut now_ms = 0;
        let mut sequence = 0;
        let mut later =
            |collector: &mut Collector, seconds: u64, datagram: Option<(f64, usize)>| {
                for _ in 0..seconds {
                    now_ms += 1000;
                    collector.tick(now_ms);
                }
                if let Some((millis, count)) = datagram {
                    collector.receive(&timings(sequence, millis, count), now_ms);
                    sequence += 1;
                }
                now_ms
            };
        // A hundred slow ones, and nine fast ones three minutes later.
        later(collector, 10, Some((4000.0, 100)));
        let now_ms = later(collector, 180, Some((10.0, 9)));
        let (median, count) = shown(collector, now_ms);
        assert!((median.unwrap() - 4.0).abs() < 0.13 && count == 109.0, "{median:?}");
        // The slow ones are too old.
        let now_ms = later(collector, 150, Some((10.0, 1)));
        let (median, count) = shown(collector, now_ms);
        assert_eq!((median.unwrap() < 0.011, count), (is_window, 110.0));
        let now_ms = later(collector, 310, None);
        let (none, count) = shown(collector, now_ms);
        // Without a window, what was slow once is slow for ever.
        assert_eq!((none.is_none(), count), (is_window, 110.0));
    }
    assert!(shown(&of_all_time, 0).0.is_some() && shown(&of_minutes, 0).0.is_none());
    assert!(of_minutes.store().bytes() > of_all_time.store().bytes(), "it is charged");
}

#[test]
fn loss_and_duplicates_are_counted_and_duplicates_not_stored_again() {
    let mut collector = Collector::new(Limits::default());
    let mut lost = 0;
    for sequence in 0..5000 {
        if sequence % 10 == 3 {
            lost += 1;
            continue;
        }
        let bytes = datagram(1, sequence, &[("n", &[], 1.0, 1)]);
        collector.receive(&bytes, 0);
        collector.receive(&bytes, 0);
    }
    let report = report(&collector);
    assert_eq!(report.lost + report.outstanding, lost);
    assert_eq!((report.duplicates, report.accepted), (5000 - lost, 5000 - lost));
    assert_eq!(report.series[0].value, (5000 - lost) as f64);
    assert!(report.closes);
}

/// Tag sets that share tags, in any order; a set without tags; a set with one tag twice.
const TAG_SETS: &[&[Tag]] = &[
    &[],
    &[("zone", "eu")],
    &[("zone", "eu"), ("host", "a")],
    &[("host", "a"), ("zone", "eu")],
    &[("host", "b"), ("zone", "eu")],
    &[("host", "b"), ("zone", "us"), ("rack", "")],
    &[("zone", "eu"), ("zone", "eu")],
];

/// Compares the collector with a plain map, with more series than the limit allows, and with new and old ones in one
/// datagram.
#[test]
fn each_record_is_in_the_series_that_its_name_and_tags_say() {
    const NAMES: [&str; 4] = ["a", "http.requests", "http.errors", "a.name.longer.than.most"];
    for (seed, limit) in [(1, 1000), (2, 20), (3, 3)] {
        let limits = Limits { series_per_sender: limit, ..Limits::default() };
        let mut collector = Collector::new(limits);
        let mut rng = Rng::new(seed);
        let mut pick = |n: usize| rng.below(n as u64) as usize;
        let mut series: BTreeMap<(&str, Vec<Tag>), f64> = BTreeMap::new();
        let mut beyond = 0.0;
        for sequence in 0..40 {
            let mut encoder: Box<Encoder> = Box::default();
            let mut buf = vec![0; 1472];
            let header = Header { sender: 1, sequence, epoch: 1, ..Header::default() };
            let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
            for _ in 0..pick(30) {
                let (name, tags) = (NAMES[pick(NAMES.len())], TAG_SETS[pick(TAG_SETS.len())]);
                let mut event: Event =
                    Event::new(Kind::Counter, name.into(), 2u8.into(), 0).unwrap();
                event.set_tags(tags).unwrap();
                let mut key = tags.to_vec();
                for _ in 0..pick(3) {
                    let tag = [("host", "a"), ("user", "x"), ("user", "y")][pick(3)];
                    event.push_tag(tag.0, tag.1).unwrap();
                    key.push(tag);
                }
                open.event(&event, &NoNames).unwrap();
                key.sort_unstable();
                let room = series.len() < limit;
                match series.entry((name, key)) {
                    Entry::Vacant(_) if !room => beyond += 2.0,
                    entry => *entry.or_default() += 2.0,
                }
            }
            let length = open.finish(false);
            collector.receive(&buf[..length], 0);
        }
        if beyond > 0.0 {
            series.insert((OVERFLOW, Vec::new()), beyond);
        }
        let report = report(&collector);
        let got: BTreeMap<_, _> =
            report.series.iter().map(|s| ((s.name.as_str(), s.tags.clone()), s.value)).collect();
        let owned = |tags: &[Tag]| -> Vec<(String, String)> {
            tags.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
        };
        let expected: BTreeMap<_, _> =
            series.iter().map(|((name, tags), value)| ((*name, owned(tags)), *value)).collect();
        assert_eq!(got, expected, "at most {limit}");
        assert_eq!(limit > 100, beyond == 0.0);
    }
}

#[test]
fn beyond_the_limits_totals_are_kept_in_an_overflow_series() {
    let limits = Limits { series: 50, series_per_sender: 30, ..Limits::default() };
    let mut collector = Collector::new(limits);
    for i in 0..100 {
        let name = leak(format!("series.{i}"));
        collector.receive(&datagram(1, i, &[(name, &[], 2.0, 1)]), 0);
        collector.receive(&datagram(2, i, &[(name, &[], 2.0, 1)]), 0);
    }
    let report = report(&collector);
    assert!(report.series_count <= 50 + 2, "one overflow series for each sender and class");
    assert_eq!(report.series.iter().map(|s| s.value).sum::<f64>(), 400.0, "nothing is missing");
    let overflow: f64 = report.series.iter().filter(|s| s.name == OVERFLOW).map(|s| s.value).sum();
    assert_eq!(overflow, report.overflowed as f64 * 2.0);
    assert!(report.series.iter().all(|s| s.class == Class::Counter) && report.closes);
}

#[test]
fn idle_series_and_senders_are_forgotten_and_their_memory_is_free_again() {
    let minute = Duration::from_secs(60);
    let limits = Limits { idle: minute, series_ttl: minute, ..Limits::default() };
    let mut collector = Collector::new(limits);
    for i in 0..1000 {
        collector
            .receive(&datagram(i, 0, &[(leak(format!("idle.{i}")), &[("k", "v")], 1.0, 1)]), 0);
    }
    let full = collector.store().bytes();
    collector.receive(&datagram(5000, 0, &[("alive", &[], 1.0, 1)]), 61_000);
    collector.tick(61_000);
    let report = report(&collector);
    assert_eq!((report.series_count, report.senders.len()), (1, 1));
    assert_eq!(
        (collector.counts().forgotten_series, collector.counts().forgotten_senders),
        (1000, 1000)
    );
    assert!(collector.store().bytes() * 10 < full, "{} of {full}", collector.store().bytes());
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// All kinds of abuse at once, next to a known sender that must not be affected.
#[test]
fn bad_input_is_refused_counted_and_bounded() {
    let limits = Limits {
        senders: 2000,
        series: 20_000,
        series_per_sender: 15_000,
        bytes: 16 << 20,
        ..Limits::default()
    };
    let mut collector = Collector::new(limits);
    let before = resident();
    let good = |sequence| datagram(42, sequence, &[("good", &[], 1.0, 1)]);
    let mut known = 0;
    let mut alive = |collector: &mut Collector| {
        collector.receive(&good(known), 0);
        known += 1;
    };
    alive(&mut collector);

    let mut rng = Rng::new(1);
    for _ in 0..20_000 {
        let length = rng.below(1500) as usize;
        let bytes: Vec<u8> = (0..length).map(|_| rng.next_u64() as u8).collect();
        collector.receive(&bytes, 0);
    }
    let valid = datagram(9, 0, &[("a.name", &[("k", "v")], 1.5, 1), ("a.nother", &[], 2.0, 3)]);
    (0..valid.len()).for_each(|end| _ = collector.receive(&valid[..end], 0));
    for bit in 0..valid.len() * 8 {
        let mut flipped = valid.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        collector.receive(&flipped, 0);
    }
    alive(&mut collector);
    // What happens to be text is a line, and refused as one.
    let refused = collector.counts().malformed_total() + collector.counts().line_datagrams;
    assert_eq!(collector.counts().lines, collector.counts().refused_lines_total());
    assert_eq!(refused, 20_000 + valid.len() as u64 * 9);

    // 100 000 forged senders.
    for sender in 100..100_100 {
        collector.receive(&datagram(sender, 0, &[("forged", &[], 1.0, 1)]), 0);
        if sender % 10_000 == 0 {
            alive(&mut collector);
        }
    }
    assert!(collector.senders().count() <= 2000);
    assert!(collector.counts().refused_senders > 95_000);
    // A new sender that keeps sending is admitted nevertheless.
    (0..3).for_each(|n| _ = collector.receive(&datagram(7_777_777, n, &[("new", &[], 1.0, 1)]), 0));
    assert!(collector.senders().any(|(id, _)| id == 7_777_777));

    // 1 000 000 distinct series from one sender that was admitted.
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    for (sequence, n) in (3..).zip((0..1_000_000u32).step_by(50)) {
        let header = Header { sender: 7_777_777, sequence, epoch: 1, ..Header::default() };
        let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
        for id in n..n + 50 {
            let mut event: Event = Event::new(Kind::Counter, "wild".into(), 1u8.into(), 0).unwrap();
            event.push_tag("id", &id.to_string()).unwrap();
            open.event(&event, &NoNames).unwrap();
        }
        let length = open.finish(false);
        collector.receive(&buf[..length], 0);
    }
    alive(&mut collector);

    let report = Report::of(&collector, &Io::default(), 0, 100_000);
    assert!(report.closes);
    assert!(
        report.series_count <= 20_000 + 16 && report.series_bytes <= 17 << 20,
        "{}",
        report.series_bytes
    );
    let wild: f64 = report
        .series
        .iter()
        .filter(|s| s.sender == format!("{:016x}", 7_777_777))
        .map(|s| s.value)
        .sum();
    // Its first two datagrams are not counted; they only showed that the sender is there to stay.
    assert_eq!(wild, 1_000_001.0, "the overflow series keeps the total");
    let known_one = report.senders.iter().find(|s| s.id == format!("{:016x}", 42)).unwrap();
    assert_eq!((known_one.received, known_one.lost), (u64::from(known), Some(0)));
    let good = report.series.iter().find(|s| s.name == "good").unwrap();
    assert_eq!(good.value, f64::from(known));
    let grown = resident().saturating_sub(before);
    assert!(grown < 100 << 20, "{} MiB", grown >> 20);
}

fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn over_real_sockets_it_answers_on_every_path() {
    let config = ServerConfig {
        udp: vec![([127, 0, 0, 1], 0).into(); 2],
        http: Some(([127, 0, 0, 1], 0).into()),
        ..ServerConfig::default()
    };
    let running = Server::start(config).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for sequence in 0..100 {
        let bytes = datagram(3, sequence, &[("hello", &[], 1.0, 1)]);
        // A redundant sender sends to both sockets.
        for to in running.udp() {
            socket.send_to(&bytes, to).unwrap();
        }
    }
    let http = running.http().unwrap();
    for _ in 0..200 {
        if running.report(0).datagrams == 200 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(get(http, "/metrics").contains("hello_total{sender=\"0000000000000003\"} 100\n"));
    let page = get(http, "/metrics");
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
    ] {
        let value = page.lines().find_map(|l| l.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|v| v >= 0.0), "{name} in {page}");
    }
    assert!(page.contains("ringstat_build_info{version=\"0.1.0\"} 1\n"));
    assert!(get(http, "/health").contains("\"status\":\"healthy\""));
    assert!(get(http, "/api/state").contains("\"name\":\"hello\""));
    assert!(get(http, "/").contains("<title>ringstat</title>"));
    assert!(get(http, "/nothing").starts_with("HTTP/1.1 404"));
    let taken = Server::start(ServerConfig {
        udp: vec![running.udp()[0]],
        http: None,
        ..ServerConfig::default()
    });
    assert!(taken.unwrap_err().to_string().contains("choose one with --udp"));
    let report = running.stop(10);
    assert_eq!((report.accepted, report.duplicates, report.lost), (100, 100, 0));
    assert!(report.closes);
}
