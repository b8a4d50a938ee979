//! Lines of StatsD in the collector without I/O, and with its sockets. All sums are exact.

use std::net::{SocketAddr, UdpSocket};

use ringstat_collector::{
    Class, Collector, DataConfig, Distributions, GaugeSign, Io, Limits, LineError, Report, Running,
    SeriesReport, Server, ServerConfig, Source, metrics, shard_of,
};

fn at(address: &str) -> Source {
    address.parse::<SocketAddr>().unwrap().into()
}

fn report(collector: &Collector) -> Report {
    assert!(collector.counts().closes(), "{:?}", collector.counts());
    Report::of(collector, &Io::default(), 0, 100_000)
}

/// A collector that received these datagrams from one machine.
fn after(datagrams: &[&str]) -> Collector {
    let mut collector = Collector::new(Limits::default());
    for (n, datagram) in datagrams.iter().enumerate() {
        // Each from a port of its own, as clients that are started for a moment.
        let from = at(&format!("10.0.0.1:{}", 4000 + n));
        collector.receive_from(datagram.as_bytes(), Some(&from), n as u64);
    }
    collector
}

fn series<'r>(report: &'r Report, name: &str, class: Class) -> &'r SeriesReport {
    let mut of = report.series.iter().filter(|s| s.name == name && s.class == class);
    let found = of.next().unwrap_or_else(|| panic!("no {name} in {:?}", report.series));
    assert!(of.next().is_none(), "{name} is there twice");
    found
}

fn value(report: &Report, name: &str, class: Class) -> f64 {
    series(report, name, class).value
}

fn page(collector: &Collector) -> String {
    metrics(collector, &Io::default(), 0, Distributions::default())
}

#[test]
fn every_type_has_its_exact_sum() {
    let collector = after(&[
        "hits:1|c\nhits:2.5|c|@0.5\nhits:1:2:3|c\nqueue:7|g\n",
        "latency:320|ms|@0.1\nlatency:10:20|ms\nsize:-4|h\nsize:6|d",
        "users:ann|s\nusers:bob|s\nusers:ann|s\nusers:a:b|s",
        "mixed:1|c|@0.25:320|ms:9|g",
    ]);
    let report = report(&collector);
    assert_eq!(value(&report, "hits", Class::Counter), 12.0);
    assert!(series(&report, "hits", Class::Counter).scaled);
    assert_eq!(value(&report, "queue", Class::Gauge), 7.0);
    assert_eq!(value(&report, "latency", Class::Timing), 12.0);
    assert_eq!(value(&report, "size", Class::Distribution), 2.0);
    assert_eq!(value(&report, "users", Class::Set), 3.0);
    assert_eq!(value(&report, "mixed", Class::Counter), 4.0);
    assert_eq!(value(&report, "mixed", Class::Timing), 1.0);
    assert_eq!(value(&report, "mixed", Class::Gauge), 9.0);
    assert_eq!((report.line_datagrams, report.lines, report.records), (4, 13, 18));
    assert_eq!((report.stored, report.accepted), (18, 0));
    let page = page(&collector);
    let id = &report.senders[0].id;
    for line in [
        format!("hits_total{{sender=\"{id}\"}} 12"),
        format!("latency_seconds_sum{{sender=\"{id}\"}} 3.23"),
        format!("latency_seconds_count{{sender=\"{id}\"}} 12"),
        format!("size_sum{{sender=\"{id}\"}} 2"),
        "ringstat_collector_lines_total 13".into(),
        "ringstat_collector_line_datagrams_total 4".into(),
    ] {
        assert!(page.contains(&format!("\n{line}\n")), "{line} in {page}");
    }
}

#[test]
fn a_gauge_is_set_or_changed_by_its_sign() {
    let lines = "a:+4|g\na:-1.5|g\nb:10|g\nb:-3|g\nb:2|g\nc:5|g|#k:v\nc:-5|g|#k:v\nd:-1:+3|g";
    let gauges = |sign: Option<GaugeSign>| {
        let mut collector = Collector::new(Limits::default());
        if sign.is_some() {
            collector.take_statsd(sign);
        }
        collector.receive(lines.as_bytes(), 0);
        let report = report(&collector);
        ["a", "b", "c", "d"].map(|name| value(&report, name, Class::Gauge))
    };
    assert_eq!(gauges(None), [2.5, 2.0, -5.0, 2.0], "by the dialect of the line");
    assert_eq!(gauges(Some(GaugeSign::Change)), [2.5, 2.0, 0.0, 2.0]);
    assert_eq!(gauges(Some(GaugeSign::Value)), [-1.5, 2.0, -5.0, 3.0]);
}

#[test]
fn what_says_when_it_was_measured_is_ordered_by_that() {
    let collector = after(&["t:1|g|T1700000010\nt:2|g|T1700000005\nn:1|c|T1700000010\nn:2|c|T5"]);
    let report = report(&collector);
    assert_eq!(value(&report, "t", Class::Gauge), 1.0);
    assert_eq!(value(&report, "n", Class::Counter), 3.0, "amounts add up in any order");
}

#[test]
fn tags_of_every_dialect_are_labels_and_their_order_does_not_matter() {
    let collector = after(&[
        "hits:1|c|#zone:eu,canary\nhits:10|c|#canary,zone:eu\nhits,canary=true,zone=eu:100|c",
        "hits[zone=eu,canary=true]:1000|c\nhits#canary=true,zone=eu:10000|c\nhits;zone=eu;canary=true:100000|c",
    ]);
    let report = report(&collector);
    let series = series(&report, "hits", Class::Counter);
    assert_eq!(series.value, 111_111.0);
    let tags = [("canary", "true"), ("zone", "eu")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(series.tags, tags);
    assert!(page(&collector).contains(",canary=\"true\",zone=\"eu\"} 111111\n"));
}

#[test]
fn events_and_service_checks_are_series() {
    let collector = after(&[
        "_e{6,4}:Deploy|done|t:error|#env:prod\n_e{6,5}:Deploy|again|t:error|#env:prod",
        "_sc|db.up|2|h:db-1|m:refused\n_sc|db.up|0|h:db-1",
    ]);
    let report = report(&collector);
    let event = series(&report, "Deploy", Class::Event);
    assert_eq!((event.value, event.text.as_deref(), event.tags.len()), (2.0, Some("again"), 2));
    let check = series(&report, "db.up", Class::Gauge);
    assert_eq!((check.value, &*check.tags[0].0, &*check.tags[0].1), (0.0, "host", "db-1"));
}

#[test]
fn a_sender_is_a_machine_or_a_container_and_its_loss_is_unknown() {
    let mut collector = after(&["a:1|c", "a:1|c", "a:1|c|c:web-1\na:1|c|c:web-2\na:1|c"]);
    collector.receive_from(b"a:1|c", Some(&at("10.0.0.2:9")), 5);
    let report = report(&collector);
    let mut senders: Vec<_> = report
        .senders
        .iter()
        .map(|s| {
            let lines = s.lines.as_ref().unwrap();
            (s.address.as_deref().unwrap(), lines.container.as_deref(), lines.received, s.records)
        })
        .collect();
    senders.sort_unstable();
    let expected = [
        ("10.0.0.1", None, 3, 3),
        ("10.0.0.1", Some("web-1"), 1, 1),
        ("10.0.0.1", Some("web-2"), 1, 1),
        ("10.0.0.2", None, 1, 1),
    ];
    assert_eq!(senders, expected);
    for sender in &report.senders {
        assert_eq!((sender.lost, sender.outstanding, sender.duplicates), (None, None, None));
    }
    let json = serde_json::to_value(&report).unwrap();
    assert!(json["senders"][0]["lost"].is_null());
    let page = page(&collector);
    assert!(!page.contains("ringstat_sender_lost_total{"), "{page}");
    assert_eq!(page.matches("\nringstat_sender_lines_total{").count(), 4);
    assert!(
        page.contains("address=\"10.0.0.1\",container=\"web-1\",protocol=\"statsd\"} 1\n"),
        "{page}"
    );
}

#[test]
fn a_refused_line_is_counted_by_reason_and_shown_and_the_others_are_taken() {
    let collector = after(&[
        "good:1|c\nbad\nbad:x|c\ngood:2|c",
        "good:4|c\nanother.that.is.good:1|c\n\u{1}\u{2}:1|c\ngood:8|c|#:v\n",
        "bad:-1|c\nbad:y|c",
    ]);
    let mut collector = collector;
    let from = at("10.0.0.9:1");
    collector.receive_from(
        b"more:1|c|#zone:eu-west\n\xff\xfe:1|c\nmore:2|c|#zone:eu-west\r\n",
        Some(&from),
        4,
    );
    let report = report(&collector);
    assert_eq!(value(&report, "good", Class::Counter), 7.0);
    assert_eq!(value(&report, "more", Class::Counter), 3.0);
    let refused: Vec<_> =
        report.refused_lines.iter().map(|(reason, r)| (*reason, r.count)).collect();
    let expected = [
        ("bad_name", 1),
        ("bad_tag", 1),
        ("bad_value", 2),
        ("negative_count", 1),
        ("no_value", 1),
        ("not_utf8", 1),
    ];
    assert_eq!(refused, expected);
    assert_eq!(report.lines, 6 + 7);
    let example = &report.refused_lines["bad_value"];
    assert_eq!(
        (example.example.as_deref(), example.from.as_deref()),
        (Some("bad:x|c"), Some("10.0.0.1:4000"))
    );
    let utf8 = &report.refused_lines["not_utf8"];
    assert_eq!(utf8.example.as_deref(), Some("\\xff\\xfe:1|c"));
    let of_first =
        report.senders.iter().find(|s| s.address.as_deref() == Some("10.0.0.1")).unwrap();
    let lines = of_first.lines.as_ref().unwrap();
    assert_eq!((lines.received, lines.refused.values().sum::<u64>()), (10, 6));
    let said = report.health.reasons.join("\n");
    assert!(said.contains("7 lines of StatsD were refused (most often bad_value: 2"), "{said}");
    assert!(said.contains("for example `bad:x|c` from 10.0.0.1:4000"), "{said}");
    let page = page(&collector);
    assert!(page.contains("\nringstat_collector_refused_lines_total{reason=\"bad_value\"} 2\n"));
}

/// Only that there is no room for a sender is tested elsewhere, with a flood of them.
#[test]
fn each_kind_of_refusal_is_counted_and_has_an_example() {
    use LineError::*;
    let long = "x".repeat(256);
    let tags: String = (0..65).map(|n| format!("k{n}:v,")).collect();
    let lines = [
        (BadName, ":1|c".to_owned()),
        (NoValue, "a:|c".into()),
        (NoType, "a:1".into()),
        (UnknownType, "a:1|x".into()),
        (BadValue, "a:x|c".into()),
        (NegativeCount, "a:-1|c".into()),
        (BadRate, "a:1|c|@2".into()),
        (BadTag, "a:1|c|#:v".into()),
        (TooManyTags, format!("a:1|c|#{tags}")),
        (TooLong, format!("{long}:1|c")),
        (BadTime, "a:1|g|Tnow".into()),
        (UnknownPart, "a:1|c|wrong".into()),
        (BadEvent, "_e{9,9}:a|b".into()),
        (BadCheck, "_sc|a|9".into()),
    ];
    let texts: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
    let mut collector = after(&[&texts.join("\n")]);
    collector.receive_from(b"a:1|c|#zone:eu-west-1\n\xff:1|c", Some(&at("10.0.0.1:1")), 0);
    let report = report(&collector);
    let mut expected: Vec<_> = lines.iter().map(|(kind, line)| (*kind, line.as_str())).collect();
    expected.push((NotUtf8, "\\xff:1|c"));
    for (kind, line) in &expected {
        let refused = &report.refused_lines[kind.as_str()];
        let shown = refused.example.as_deref().unwrap().trim_end_matches('…');
        assert!(refused.count == 1 && line.starts_with(shown) && !shown.is_empty(), "{refused:?}");
    }
    assert_eq!(report.refused_lines.len(), expected.len());
    assert_eq!(expected.len() + 1, LineError::ALL.len(), "every kind but one");
    assert_eq!((report.lines, value(&report, "a", Class::Counter)), (16, 1.0));
}

#[test]
fn what_sends_nothing_but_nonsense_is_no_sender() {
    let mut collector = Collector::new(Limits::default());
    for n in 0..1000u32 {
        let from = Source::Network((n.to_be_bytes(), 80).into());
        collector.receive_from(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Some(&from), 0);
    }
    let report = report(&collector);
    assert_eq!((report.senders.len(), report.series_count), (0, 0));
    assert_eq!(report.refused_lines["no_value"].count, 1000);
    assert_eq!(report.refused_lines["no_type"].count, 1000);
}

#[test]
fn lines_can_be_refused() {
    let mut collector = Collector::new(Limits::default());
    collector.take_statsd(None);
    collector.receive(b"requests:1|c|#zone:eu", 0);
    let report = report(&collector);
    assert_eq!((report.lines, report.malformed["bad_magic"]), (0, 1));
    assert!(
        report.health.reasons[0]
            .contains("1 datagrams were lines of StatsD, which are refused here")
    );
}

#[test]
fn beyond_a_limit_lines_go_to_overflow_series_and_sums_stay() {
    let limits = Limits { series_per_sender: 3, ..Limits::default() };
    let mut collector = Collector::new(limits);
    for n in 0..100 {
        let lines = format!("known:1|c\nnew.{n}:1|c|@0.5\nknown:1|c");
        collector.receive_from(lines.as_bytes(), Some(&at("10.0.0.1:1")), n);
    }
    let report = report(&collector);
    let sum: f64 = report.series.iter().map(|s| s.value).sum();
    assert_eq!((value(&report, "known", Class::Counter), sum), (200.0, 400.0));
    assert_eq!(report.limits["series_per_sender"], 98);
    assert_eq!(value(&report, "ringstat.overflow", Class::Counter), 196.0);
}

#[test]
fn a_flood_of_sources_and_containers_keeps_to_the_limits_and_known_ones_stay_exact() {
    let limits = Limits { senders: 100, ..Limits::default() };
    let mut collector = Collector::new(limits);
    let known = at("10.0.0.1:1");
    for n in 0..3u64 {
        collector.receive_from(b"genuine:1|c", Some(&known), n * 61_000);
    }
    for n in 0..20_000u32 {
        let from = Source::Network(((0x0B00_0000 + n).to_be_bytes(), 7).into());
        let lines = format!("x:1|c\nx:1|c|c:{n}\nx:1|c|c:{n}a");
        let now_ms = 200_000 + u64::from(n);
        collector.receive_from(lines.as_bytes(), Some(&from), now_ms);
        collector.receive_from(b"genuine:1|c", Some(&known), now_ms);
        collector.tick(now_ms);
    }
    let report = report(&collector);
    assert!(report.senders.len() <= 100);
    assert_eq!(value(&report, "genuine", Class::Counter), 20_003.0);
    assert!(report.refused_lines["no_sender"].count > 10_000, "{:?}", report.refused_lines);
}

/// A series is found by the text of its line; that of a series which is gone leads nowhere.
#[test]
fn a_series_that_was_forgotten_begins_anew() {
    let ttl = std::time::Duration::from_secs(10);
    let mut collector = Collector::new(Limits { idle: ttl, series_ttl: ttl, ..Limits::default() });
    let from = at("10.0.0.1:1");
    collector.receive_from(b"a:5|c\nb:7|c", Some(&from), 0);
    for now_ms in (0..60_000).step_by(50) {
        collector.tick(now_ms);
    }
    assert_eq!(collector.store().len(), 0);
    collector.receive_from(b"b:1|c\nc:3|g\na:2|c", Some(&from), 60_000);
    let report = report(&collector);
    assert_eq!(value(&report, "a", Class::Counter), 2.0);
    assert_eq!(value(&report, "b", Class::Counter), 1.0);
    assert_eq!(value(&report, "c", Class::Gauge), 3.0);
}

/// A page without what depends on the number of shards.
fn lines_of(page: &str) -> Vec<&str> {
    let mut lines: Vec<_> =
        page.lines().filter(|l| !l.starts_with("ringstat_collector_series_bytes ")).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn several_shards_are_as_one() {
    let pages = [1, 2, 3].map(|count| {
        let mut shards = Collector::shards(Limits::default(), count);
        for n in 0..500u32 {
            let from = at(&format!("10.0.{}.1:{}", n % 7, 1000 + n));
            let lines =
                format!("a:1|c|#n:{}\nb:{n}|g\nc:{n}|ms|@0.5\nd:{n}|s|c:pod-{}", n % 11, n % 3);
            let of = shard_of(lines.as_bytes(), Some(&from), count);
            shards[of].receive_from(lines.as_bytes(), Some(&from), 0);
        }
        metrics(&shards[..], &Io::default(), 0, Distributions::default())
    });
    assert!(pages[0].lines().count() > 200);
    assert_eq!(lines_of(&pages[0]), lines_of(&pages[1]));
    assert_eq!(lines_of(&pages[0]), lines_of(&pages[2]));
}

/// Waits until the collector has read so many lines.
fn until(running: &Running, lines: u64) -> Report {
    let begun = std::time::Instant::now();
    loop {
        let report = running.report(1000);
        if report.lines >= lines {
            return report;
        }
        assert!(begun.elapsed().as_secs() < 30, "{} of {lines} lines", report.lines);
        std::thread::yield_now();
    }
}

fn server(data: Option<DataConfig>) -> Running {
    let config = ServerConfig {
        udp: vec!["127.0.0.1:0".parse().unwrap()],
        threads: 2,
        http: None,
        data,
        ..ServerConfig::default()
    };
    Server::start(config).unwrap()
}

/// Short-lived clients, each with a port of its own, and two machines.
#[test]
fn over_sockets_every_source_has_its_shard() {
    let running = server(None);
    for n in 0..50 {
        for machine in ["127.0.0.2:0", "127.0.0.3:0"] {
            let socket = UdpSocket::bind(machine).unwrap();
            let lines = format!("a:1|c\nb:{n}|g");
            socket.send_to(lines.as_bytes(), running.udp()[0]).unwrap();
        }
    }
    until(&running, 200);
    let report = running.stop(100);
    assert!(report.closes);
    assert_eq!((report.senders.len(), report.series_count), (2, 4), "{:?}", report.senders);
    for series in &report.series {
        assert_eq!(series.value, if series.name == "a" { 50.0 } else { 49.0 });
    }
}

#[test]
fn a_restart_forgets_nothing_of_lines() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UdpSocket::bind("127.0.0.4:0").unwrap();
    let mut ids = Vec::new();
    for life in 1..=2u32 {
        let running = server(Some(DataConfig::new(dir.path())));
        let lines = "hits:5|c|c:web\nusers:ann|s\nload:+2|g\nt:3|ms\nbroken\n";
        socket.send_to(lines.as_bytes(), running.udp()[0]).unwrap();
        until(&running, u64::from(life) * 5);
        let report = running.stop(100);
        assert!(report.closes);
        let life = f64::from(life);
        assert_eq!(value(&report, "hits", Class::Counter), 5.0 * life);
        assert_eq!(value(&report, "users", Class::Set), 1.0);
        assert_eq!(value(&report, "load", Class::Gauge), 2.0 * life);
        assert_eq!(value(&report, "t", Class::Timing), life);
        assert_eq!(report.refused_lines["no_value"].count, life as u64);
        let sender = |s: &&ringstat_collector::SenderReport| {
            s.lines.as_ref().is_some_and(|l| l.container.as_deref() == Some("web"))
        };
        let web = report.senders.iter().find(sender).unwrap();
        assert_eq!(web.lines.as_ref().unwrap().received, life as u64);
        ids.push(web.id.clone());
    }
    assert_eq!(ids[0], ids[1]);
}

#[test]
fn a_server_can_refuse_lines() {
    let udp = vec!["127.0.0.1:0".parse().unwrap()];
    let config = ServerConfig { udp, http: None, statsd: None, ..ServerConfig::default() };
    let running = Server::start(config).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"requests:1|c|#zone:eu", running.udp()[0]).unwrap();
    let begun = std::time::Instant::now();
    while running.report(0).datagrams == 0 {
        assert!(begun.elapsed().as_secs() < 30);
        std::thread::yield_now();
    }
    let report = running.stop(10);
    assert_eq!((report.lines, report.series_count), (0, 0));
    assert_eq!(report.malformed["bad_magic"], 1);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::net::UnixDatagram;

    use ringstat_collector::StartError;
    use ringstat_std::{Client, Protocol, Recorder};

    use super::*;

    /// Lines from a socket without a name, lines of our own client, and its own format, which is answered.
    #[test]
    fn senders_of_every_kind_are_received_and_answered_on_a_unix_socket() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let config = || ServerConfig {
            udp: Vec::new(),
            unix: vec![path.clone()],
            threads: 2,
            http: None,
            ..ServerConfig::default()
        };
        // Somebody has left a socket behind.
        drop(UnixDatagram::bind(&path).unwrap());
        let running = Server::start(config()).unwrap();
        assert!(matches!(Server::start(config()), Err(StartError::Unix(..))), "it is in use");
        assert!(path.exists());

        let socket = UnixDatagram::unbound().unwrap();
        for _ in 0..1000 {
            socket.send_to(b"plain:1|c\nplain:2|c", &path).unwrap();
        }
        let to = format!("unix://{}", path.display());
        let text = Client::builder(&*to)
            .protocol(Protocol::DogStatsD)
            .report_interval(None)
            .build()
            .unwrap();
        let native = Client::builder(&*to).report_interval(None).build().unwrap();
        for _ in 0..500 {
            text.count("text", 3u8).record();
            native.count("native", 3u8).record();
        }
        let patience = std::time::Duration::from_secs(20);
        assert_eq!(text.shutdown(patience).left(), 500);
        let ledger = native.shutdown(patience);
        assert_eq!((ledger.sent, ledger.unconfirmed, ledger.lost), (500, 0, 0), "{ledger}");

        let report = running.stop(100);
        assert!(report.closes && report.refused_lines.is_empty());
        assert_eq!(value(&report, "plain", Class::Counter), 3000.0);
        assert_eq!(value(&report, "text", Class::Counter), 1500.0);
        assert_eq!(value(&report, "native", Class::Counter), 1500.0);
        assert_eq!(report.senders.len(), 2, "all lines of a socket are of one sender");
        assert!(report.senders.iter().all(|s| s.address.as_deref() == Some(&*to)), "{report:?}");
        assert!(!path.exists());
    }
}
