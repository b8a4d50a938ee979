//! Collectors that pass on what comes in, to one another and to servers that are not there. All sums are exact.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use ringstat_collector::{
    Class, OutputCause, OutputReport, RelayConfig, RelayTarget, Report, Running, Server,
    ServerConfig, StartError,
};
use ringstat_std::{Client, Recorder};

/// For what takes milliseconds unless something is wrong.
const TIMEOUT: Duration = Duration::from_secs(30);

fn config(port: u16, targets: &[String]) -> ServerConfig {
    let targets = targets.iter().map(|target| target.parse::<RelayTarget>().unwrap()).collect();
    let mut config = ServerConfig {
        udp: vec![([127, 0, 0, 1], port).into()],
        http: None,
        threads: 2,
        ..ServerConfig::default()
    };
    config.outputs.relay = RelayConfig { targets, ..RelayConfig::default() };
    config
}

fn start(targets: &[String]) -> Running {
    Server::start(config(0, targets)).unwrap()
}

fn url(scheme: &str, running: &Running) -> String {
    format!("{scheme}://{}", running.udp()[0])
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Sends datagrams, not faster than they are received, so that the kernel drops none.
fn send<D: AsRef<[u8]>>(datagrams: impl IntoIterator<Item = D>, to: &Running) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = to.report(0).datagrams;
    for datagram in datagrams {
        socket.send_to(datagram.as_ref(), to.udp()[0]).unwrap();
        sent += 1;
        if sent.is_multiple_of(50) {
            wait_until(to, |report| report.datagrams >= sent);
        }
    }
    wait_until(to, |report| report.datagrams >= sent);
}

fn wait_until(running: &Running, is_so: impl Fn(&Report) -> bool) -> Report {
    let begun = Instant::now();
    loop {
        let report = running.report(1000);
        if is_so(&report) {
            return report;
        }
        assert!(begun.elapsed() < TIMEOUT, "{report:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How a target is doing, of whose datagrams every one is accounted for.
fn output(report: &Report, number: usize) -> &OutputReport {
    let output = &report.outputs[number];
    assert_eq!(output.kind, "relay");
    assert!(output.closes(), "{output:?}");
    output
}

fn dropped(output: &OutputReport, cause: OutputCause) -> u64 {
    output.counts.dropped[cause as usize]
}

fn value(report: &Report, name: &str, class: Class) -> f64 {
    report.series.iter().filter(|s| s.name == name && s.class == class).map(|s| s.value).sum()
}

/// The datagrams of a client that counts to `n`, a few at a time, to nobody who answers.
fn datagrams_of_a_client(n: u64) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let to = socket.local_addr().unwrap().to_string();
    let client = Client::builder(to).sender(Some(7)).receipts(false).payload(64).build().unwrap();
    for _ in 0..n {
        let _ = client.count("orders", 1).record();
    }
    let _ = client.shutdown(Duration::from_secs(5));
    let mut buf = [0; 2048];
    std::iter::from_fn(|| socket.recv(&mut buf).ok().map(|length| buf[..length].to_vec())).collect()
}

#[test]
fn the_last_of_a_chain_knows_what_was_lost_on_the_way_to_the_first() {
    let last = start(&[]);
    let middle = start(&[url("ringstat", &last)]);
    let first = start(&[url("ringstat", &middle)]);
    let all = datagrams_of_a_client(600);
    assert!(all.len() > 50, "{} datagrams", all.len());
    // Each seventh is lost, each fifth arrives twice, and the first and the last arrive.
    let is_lost = |n: &usize| n % 7 == 3 && *n + 1 < all.len();
    let lost = (0..all.len()).filter(is_lost).count() as u64;
    let some = (0..all.len()).filter(|n| !is_lost(n));
    let some: Vec<_> =
        some.flat_map(|n| std::iter::repeat_n(&all[n], if n % 5 == 0 { 2 } else { 1 })).collect();
    let (different, twice) =
        (all.len() as u64 - lost, some.len() as u64 - (all.len() as u64 - lost));
    assert!(lost > 5 && twice > 5);
    send(&some, &first);
    wait_until(&last, |report| report.accepted == different);
    for (running, duplicates) in [(&first, twice), (&middle, 0)] {
        let report = wait_until(running, |report| report.outputs[0].pending_samples == 0);
        let output = output(&report, 0);
        assert_eq!(output.counts.queued, different + duplicates);
        assert_eq!(
            (output.counts.sent, dropped(output, OutputCause::Duplicate)),
            (different, duplicates)
        );
    }
    let reports = [first, middle, last].map(|running| running.stop(1000));
    for report in &reports {
        assert!(report.closes);
        let [sender] = &report.senders[..] else { panic!("{:?}", report.senders) };
        assert_eq!(
            (&*sender.id, sender.received, sender.lost),
            ("0000000000000007", different, Some(lost))
        );
        assert_eq!(
            value(report, "orders", Class::Counter),
            value(&reports[0], "orders", Class::Counter)
        );
    }
    assert!(value(&reports[2], "orders", Class::Counter) > 400.0);
}

#[test]
fn two_collectors_that_relay_to_each_other_pass_each_datagram_on_once() {
    let ports = [free_port(), free_port()];
    let running = [0, 1].map(|n: usize| {
        let other = format!("ringstat://127.0.0.1:{}", ports[1 - n]);
        Server::start(config(ports[n], &[other])).unwrap()
    });
    let all = datagrams_of_a_client(100);
    let count = all.len() as u64;
    send(&all, &running[0]);
    // It comes back once, and is known by then.
    let first = wait_until(&running[0], |report| report.duplicates == count);
    assert_eq!(first.datagrams, 2 * count);
    assert_eq!(dropped(output(&first, 0), OutputCause::Duplicate), count);
    let reports = running.map(|running| running.stop(1000));
    for report in &reports {
        assert_eq!((report.accepted, report.lost), (count, 0));
        assert_eq!(value(report, "orders", Class::Counter), 100.0);
    }
    assert_eq!(reports[1].duplicates, 0);
}

#[test]
fn lines_are_passed_on_as_they_came() {
    let last = start(&[]);
    let first = start(&[url("statsd", &last), url("ringstat", &last)]);
    send(
        (0..500).map(|n| format!("hits:{n}|c|#zone:eu\ntook:5|ms|@0.5\nusers:u{n}|s\nnonsense")),
        &first,
    );
    send([b"\x7fneither"], &first);
    let report = wait_until(&last, |report| report.line_datagrams == 500);
    assert_eq!(value(&report, "hits", Class::Counter), 124_750.0);
    assert_eq!(value(&report, "took", Class::Timing), 1000.0);
    assert_eq!(value(&report, "users", Class::Set), 500.0);
    assert_eq!(report.refused_lines["no_value"].count, 500, "as it was");
    let report = first.stop(0);
    assert_eq!((output(&report, 0).counts.sent, output(&report, 1).counts.queued), (500, 0));
    assert_eq!(last.stop(0).datagrams, 500, "what was refused is not passed on");
}

#[test]
fn lines_are_made_of_what_came_by_any_protocol() {
    let last = start(&[]);
    let first = start(&[format!("{}?aggregate=1h", url("dogstatsd", &last))]);
    let client = Client::builder(first.udp()[0].to_string()).build().unwrap();
    for n in 0..1000u32 {
        let _ = client.count("orders", 2).tag("paid", "yes").record();
        let _ = client.timing("took", Duration::from_millis(20)).record();
        let _ = client.level("room", -f64::from(n)).record();
        if n % 200 == 0 {
            client.flush(TIMEOUT).unwrap();
        }
    }
    assert!(client.shutdown(TIMEOUT).closes());
    send((0..300).map(|n| format!("orders:1|c|#paid:yes\nsize:{n}|d\nusers:u{n}|s")), &first);
    wait_until(&first, |report| value(report, "orders", Class::Counter) == 2300.0);
    // The end takes a last round.
    let ended = first.stop(0);
    let sent = output(&ended, 0).counts;
    assert_eq!((sent.sent, sent.dropped()), (sent.queued, 0));
    let report = wait_until(&last, |report| report.lines == sent.sent);
    assert_eq!(value(&report, "orders", Class::Counter), 2300.0);
    assert_eq!(value(&report, "took", Class::Timing), 1000.0);
    assert_eq!(value(&report, "size", Class::Distribution), 300.0);
    assert_eq!(value(&report, "room", Class::Gauge), -999.0);
    assert_eq!(value(&report, "users.distinct", Class::Gauge), 300.0);
    assert!(report.refused_lines.is_empty(), "{:?}", report.refused_lines);
}

#[test]
fn a_target_that_is_not_there_holds_nobody_up_and_gets_what_waits_when_it_comes() {
    let port = free_port();
    let first = start(&[format!("statsd://127.0.0.1:{port}")]);
    send(["warm:1|c"], &first);
    // The refusal of one is heard with the next.
    let begun = Instant::now();
    let mut sent = 1;
    while running_well(&first) {
        send(["hits:1|c"], &first);
        sent += 1;
        assert!(begun.elapsed() < TIMEOUT);
    }
    send((0..1000).map(|_| "hits:1|c"), &first);
    sent += 1000;
    let report = first.report(1000);
    assert_eq!(value(&report, "hits", Class::Counter), f64::from(sent - 1), "all is received");
    let gone = output(&report, 0);
    assert_eq!((gone.counts.queued, gone.counts.dropped()), (sent as u64, 0));
    assert!(gone.pending_samples >= 1000 && gone.counts.failures > 0, "{gone:?}");
    assert!(report.health.reasons[0].contains("has not taken datagrams"), "{:?}", report.health);
    // What left before the first refusal is lost, and nothing else.
    let (waiting, into_the_void) = (gone.pending_samples, gone.counts.sent);
    let last = Server::start(config(port, &[])).unwrap();
    let there = wait_until(&first, |report| report.outputs[0].pending_samples == 0);
    assert_eq!(output(&there, 0).counts.sent, waiting + into_the_void);
    let report = wait_until(&last, |report| report.line_datagrams >= waiting);
    assert_eq!(report.line_datagrams, waiting);
    wait_until(&first, |report| report.outputs[0].failing.is_none());
    assert!(output(&first.stop(0), 0).closes());
}

fn running_well(running: &Running) -> bool {
    running.report(0).outputs[0].failing.is_none()
}

#[test]
fn the_oldest_go_when_too_many_wait_and_the_rest_when_the_end_comes() {
    let mut config = config(0, &[format!("statsd://127.0.0.1:{}", free_port())]);
    config.outputs.relay.queue_bytes = 20_000;
    let first = Server::start(config).unwrap();
    send((0..1000).map(|n| format!("hits.{n}:1|c")), &first);
    let report = first.report(0);
    let full = output(&report, 0);
    assert_eq!(full.counts.queued, 1000);
    assert!(dropped(full, OutputCause::QueueFull) > 500 && full.pending_bytes < 20_000, "{full:?}");
    let begun = Instant::now();
    let ended = first.stop(0);
    assert!(begun.elapsed() < TIMEOUT);
    let end = output(&ended, 0);
    assert_eq!((end.pending_samples, end.pending_bytes), (0, 0));
    assert!(dropped(end, OutputCause::Shutdown) > 0);
}

#[test]
fn what_cannot_be_relayed_is_refused_at_the_start() {
    let port = free_port();
    for (address, listens) in [("127.0.0.1", "127.0.0.1"), ("localhost", "0.0.0.0")] {
        let mut own = config(port, &[format!("ringstat://{address}:{port}")]);
        own.udp = vec![format!("{listens}:{port}").parse().unwrap()];
        let error = Server::start(own).unwrap_err();
        assert!(matches!(error, StartError::Output(_)), "{error}");
        assert!(error.to_string().contains("this collector itself"), "{error}");
    }
    let mut refused = config(0, &["statsd://127.0.0.1:1".into()]);
    refused.statsd = None;
    let error = Server::start(refused).unwrap_err().to_string();
    assert!(error.contains("--no-statsd"), "{error}");
    // What is aggregated need not come as lines, and what has another format is not concerned.
    let mut fine =
        config(0, &["statsd://127.0.0.1:1?aggregate=1s".into(), "ringstat://127.0.0.1:1".into()]);
    fine.statsd = None;
    drop(Server::start(fine).unwrap());
}
