//! The real processes, `ringstat collect` and `ringstat send --file`, over loopback.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use common::collector::Collector;
use common::{json, run, stderr, stdout};
use ringstat_core::testkit::Rng;

const EVENTS: u64 = 100_000;

/// The samples of `/metrics`, by name and labels.
fn metrics(collector: &Collector) -> BTreeMap<String, f64> {
    let text = collector.scrape();
    let samples = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect(line);
            (series.to_owned(), value.parse().expect(line))
        })
        .collect()
}

/// The sums of a file, as a collector should report them.
#[derive(Default)]
struct Truth {
    counters: BTreeMap<String, u64>,
    /// The count and the sum in milliseconds.
    timings: BTreeMap<String, (u64, f64)>,
    gauges: BTreeMap<String, f64>,
    events: u64,
}

/// Generates a file of `EVENTS` lines, and its sums.
fn input() -> (String, Truth) {
    let mut rng = Rng::new(2026);
    let (mut lines, mut truth) = (String::new(), Truth::default());
    for i in 0..EVENTS {
        let route = ["/", "/cart", "/pay"][rng.below(3) as usize];
        let labels = format!("route=\"{route}\"");
        let time = 1_790_000_000_000_000_000 + i * 1000;
        let (kind, name, value) = match rng.below(10) {
            0..5 => {
                let n = 1 + rng.below(4);
                *truth.counters.entry(format!("http_requests_total{{{labels}}}")).or_default() += n;
                ("counter", "http.requests", n.to_string())
            }
            5..8 => {
                let ms = rng.below(100_000) as f64 / 1000.0;
                let timing = truth.timings.entry(labels).or_default();
                *timing = (timing.0 + 1, timing.1 + ms);
                ("timing", "http.request", ms.to_string())
            }
            _ => {
                let depth = rng.below(500);
                truth.gauges.insert(format!("queue_depth{{{labels}}}"), depth as f64);
                ("gauge", "queue.depth", depth.to_string())
            }
        };
        if kind != "counter" {
            truth.events += 1;
        }
        writeln!(
            lines,
            r#"{{"kind":"{kind}","name":"{name}","value":{value},"tags":{{"route":"{route}"}},"timestamp_ns":{time}}}"#
        )
        .unwrap();
    }
    (lines, truth)
}

/// Returns the samples of one sender, without the sender's label.
fn of_sender(metrics: &BTreeMap<String, f64>, sender: &str) -> BTreeMap<String, f64> {
    let label = format!("sender=\"{sender}\"");
    let mine = metrics.iter().filter(|(series, _)| series.contains(&label));
    mine.map(|(series, value)| {
        (series.replace(&format!("{label},"), "").replace(&format!("{{{label}}}"), ""), *value)
    })
    .collect()
}

/// Returns the samples of `sender` once `received` of its datagrams have been read.
fn settled(collector: &Collector, sender: &str, received: u64) -> BTreeMap<String, f64> {
    // The deadline only matters if the test fails.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = of_sender(&metrics(collector), sender);
        let so_far = metrics.get("ringstat_sender_received_total").copied().unwrap_or(0.0);
        if so_far >= received as f64 || Instant::now() > deadline {
            return metrics;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn check_counters(metrics: &BTreeMap<String, f64>, truth: &Truth) {
    for (series, total) in &truth.counters {
        assert_eq!(metrics.get(series).copied(), Some(*total as f64), "{series}");
    }
}

#[test]
fn a_file_arrives_whole_and_the_totals_are_its_own() {
    let (lines, truth) = input();
    let collector = Collector::start(&[]);
    let sent = run(&["send", "--file", "-", "--to", &collector.udp, "--json"], &lines);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let report = json(stdout(&sent));
    assert_eq!((&report["recorded"], &report["sent"]), (&EVENTS.into(), &EVENTS.into()));
    assert_eq!(report["ledger_closes"], true);

    let sender = report["sender"].as_str().unwrap();
    let metrics = settled(&collector, sender, report["datagrams"].as_u64().unwrap());
    check_counters(&metrics, &truth);
    for (labels, (count, sum)) in &truth.timings {
        let of = |part: &str| metrics[&format!("http_request_seconds_{part}{{{labels}}}")];
        assert_eq!(of("count"), *count as f64);
        let seconds = sum / 1000.0;
        assert!((of("sum") - seconds).abs() < 1e-9 * seconds, "{} {seconds}", of("sum"));
    }
    for (series, value) in &truth.gauges {
        assert_eq!(metrics.get(series), Some(value), "{series}");
    }

    let ledger = collector.end();
    assert_eq!(ledger["closes"], true);
    assert_eq!((&ledger["lost"], &ledger["outstanding"]), (&0.into(), &0.into()), "{ledger}");
    // Besides the events, the sender has said who it is, once a flush interval at most.
    let records = ledger["records"].as_u64().unwrap();
    let (events, flushes) = (EVENTS, 100);
    assert!((events + 1..events + flushes).contains(&records), "{records}");
    assert_eq!(ledger["stored"], records);
    assert_eq!(ledger["datagrams"], report["datagrams"]);
    assert_eq!(ledger["kernel_drops"], 0);
}

#[test]
fn with_a_fifth_of_the_datagrams_dropped_totals_are_exact_and_the_loss_is_known() {
    let (lines, truth) = input();
    let collector = Collector::start(&[]);
    let args = ["send", "--file", "-", "--aggregate", "--loss", "0.2", "--seed", "7", "--json"];
    let sent = run(&[&args[..], &["--to", &collector.udp]].concat(), &lines);
    assert_eq!(sent.status.code(), Some(0), "{}", stderr(&sent));
    let report = json(stdout(&sent));
    let number = |of: &serde_json::Value| of.as_u64().unwrap();
    // Every event is accounted for: it arrived, or is known to have been lost on the way.
    let [sent, lost] = ["sent", "lost"].map(|what| number(&report[what]));
    assert_eq!((sent + lost, &report["counters"]), (truth.events, &3.into()), "{report}");
    assert_eq!(number(&report["increments"]), EVENTS - truth.events);
    let [offered, dropped] = ["offered", "lost"].map(|f| number(&report["simulated"][f]));
    assert!(dropped * 10 > offered, "{dropped} of {offered} is not much of a bad network");

    let sender = report["sender"].as_str().unwrap();
    check_counters(&settled(&collector, sender, offered - dropped), &truth);
    let ledger = collector.end();
    assert_eq!(ledger["closes"], true);
    assert_eq!((number(&ledger["lost"]), number(&ledger["outstanding"])), (dropped, 0));
    assert_eq!(number(&ledger["datagrams"]), offered - dropped);
}

#[test]
fn a_value_put_in_at_one_end_is_seen_at_the_other() {
    let collector = Collector::start(&[]);
    let send = |args: &[&str]| {
        let all = [&["send", "--to", &collector.udp, "--sender", "beef", "--json"], args].concat();
        let output = run(&all, "");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        json(stdout(&output))["datagrams"].as_u64().unwrap()
    };
    let long = "a text of rather more than twenty-six bytes, ".repeat(20);
    let datagrams = send(&["room.celsius", "-21.5", "--tag", "room=cold store"])
        + send(&["deploys", "2", "--kind", "counter"])
        + send(&["deploys", "3", "--kind", "counter"])
        + send(&["users", "zoë", "--kind", "set"])
        + send(&["deploy", &long, "--kind", "event", "--priority", "high"]);
    let metrics = settled(&collector, "000000000000beef", datagrams);
    assert_eq!(metrics["room_celsius{room=\"cold store\"}"], -21.5);
    assert_eq!(metrics["deploys_total"], 5.0);
    assert_eq!(metrics["users_distinct"], 1.0);
    assert_eq!(metrics["deploy_total"], 1.0);
    assert_eq!(metrics["ringstat_sender_restarts_total"], 4.0);
    assert!(collector.get("/api/state").contains(&long));
    assert_eq!(collector.end()["lost"], 0);
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["collect", "--udp", &address, "--http", "127.0.0.1:0"], "");
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains(&address), "{}", stderr(&output));
    assert!(stderr(&output).contains("--udp"), "{}", stderr(&output));
}

#[test]
fn the_demo_accounts_for_every_event_on_both_sides() {
    let output = run(&["demo", "--seconds", "2", "--json"], "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(stdout(&output));
    assert_eq!((&report["client_closes"], &report["unaccounted"]), (&true.into(), &0.into()));
    assert!(report["client"]["sent"].as_u64().unwrap() > 0);
    assert_eq!(report["client"]["sent"], report["client"]["recorded"]);
    assert_eq!(report["collector"]["lost"], 0);
    assert_eq!(report["collector"]["closes"], true);
}

#[test]
fn the_demo_heals_over_a_bad_network_and_a_restart() {
    let faults = "loss=20%,reorder=5%,cut,restart";
    let output = run(&["demo", "--json", "--seconds", "8", "--fault", faults], "");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let report = json(stdout(&output));
    assert_eq!(report["unaccounted"], 0, "counters are exact, critical events stored once each");
    assert_eq!(report["client_closes"], true);
    assert!(report["network"]["lost"].as_u64() > Some(0), "it was put to the test");
    assert!(report["critical"][0].as_u64() > Some(10));
    let snapshot = &report["snapshot"];
    assert!(snapshot["breaker"]["opened"].as_u64() > Some(0), "the way was cut: {snapshot}");
    assert!(snapshot["latency"]["total"]["count"].as_u64() > Some(0));
    assert_eq!(snapshot["ledger"]["recorded"], report["client"]["recorded"]);
    let wrong = run(&["demo", "--fault", "fire"], "");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("loss=P%"), "{}", stderr(&wrong));
}
