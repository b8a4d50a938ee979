//! Receivers of each kind, and what becomes of each sample.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use ringstat_collector::{
    DataConfig, HttpAuth, OutputCause, OutputReport, RemoteWriteConfig, RemoteWriteHistograms,
    RemoteWriteProtocol, Running, Server, ServerConfig, Status,
};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;

use super::receiver::{Receiver, Reply, STALE, Takes};

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const INTERVAL: Duration = Duration::from_millis(200);

fn start(remote_write: RemoteWriteConfig, data: Option<&std::path::Path>) -> Running {
    let config = ServerConfig {
        udp: vec![ANY],
        threads: 2,
        http: None,
        data: data.map(DataConfig::new),
        outputs: ringstat_collector::OutputConfig { remote_write, ..Default::default() },
        ..ServerConfig::default()
    };
    Server::start(config).unwrap()
}

fn to(receivers: &[&Receiver]) -> RemoteWriteConfig {
    let labels = vec![("instance".into(), "here".into()), ("job".into(), "ringstat".into())];
    let urls = receivers.iter().map(|receiver| receiver.url());
    RemoteWriteConfig { interval: INTERVAL, labels, ..RemoteWriteConfig::to(urls) }
}

/// Sends one counter event, in the datagram of that number.
fn send(running: &Running, sender: u64, sequence: u32, name: &'static str, value: f64) {
    send_kind(running, Kind::Counter, sender, sequence, name, value);
}

fn send_kind(
    running: &Running,
    kind: Kind,
    sender: u64,
    sequence: u32,
    name: &'static str,
    value: f64,
) {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let header = Header { sender, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    let event: Event = Event::new(kind, name.into(), value.into(), 0).unwrap();
    open.event(&event, &NoNames).unwrap();
    let length = open.finish(false);
    let socket = UdpSocket::bind(ANY).unwrap();
    socket.send_to(&buf[..length], running.udp()[0]).unwrap();
}

/// How the only output is doing. Its account closes at any time.
fn output(running: &Running) -> OutputReport {
    let report = running.report(0);
    let output = report.outputs.into_iter().next().unwrap();
    assert!(output.closes(), "{output:?}");
    output
}

fn until(running: &Running, what: &str, done: impl Fn(&OutputReport) -> bool) -> OutputReport {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let output = output(running);
        if done(&output) {
            return output;
        }
        assert!(Instant::now() < end, "never {what}: {output:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const WORK: [(&str, &str); 1] = [("__name__", "work_total")];

#[test]
fn each_receiver_gets_the_version_that_it_takes() {
    for takes in [Takes::Both, Takes::Only1, Takes::Anything] {
        let receiver = Receiver::start(takes);
        let running = start(to(&[&receiver]), None);
        send(&running, 1, 0, "work", 7.0);
        receiver.until("three values", |seen| seen.of(&WORK).len() >= 3);
        let report = running.stop(0);
        let seen = receiver.seen();
        let versions: Vec<bool> =
            seen.requests.iter().map(|(h, _)| h["content-type"].contains("v2")).collect();
        // One that does not take version 2.0 is asked only once.
        let expected: Vec<bool> =
            (0..versions.len()).map(|n| takes == Takes::Both || n == 0).collect();
        assert_eq!(versions, expected, "{takes:?}");
        let work = seen.of(&[WORK[0], ("job", "ringstat"), ("instance", "here")]);
        assert!(work.iter().all(|(_, value)| f64::from_bits(*value) == 7.0), "{work:?}");
        // All moments but the last are those of the clock.
        let step = INTERVAL.as_millis() as i64;
        assert!(work[..work.len() - 1].iter().all(|(time, _)| time % step == 0), "{work:?}");
        let (kind, help, unit) = &seen.families["work_total"];
        assert_eq!((*kind, &**help, &**unit), (1, "work", ""));
        let output = &report.outputs[0];
        assert_eq!((output.counts.sent, output.counts.dropped()), (seen.taken, 0));
        assert_eq!((output.counts.queued, output.pending_samples), (seen.taken, 0));
        assert_eq!((seen.offered, seen.again), (seen.taken, 0), "{takes:?}");
    }
}

#[test]
fn over_tls_only_a_receiver_that_can_be_known_gets_anything() {
    let (receiver, certificate) = Receiver::start_tls();
    let (_, of_another) = Receiver::start_tls();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, pem: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, pem).unwrap();
        Some(path)
    };
    // The public authorities do not know it, and neither does another.
    for ca_file in [None, file("other.pem", &of_another)] {
        let mut config = to(&[&receiver]);
        config.targets[0].http.ca_file = ca_file;
        let running = start(config, None);
        send(&running, 1, 0, "work", 7.0);
        let failing = until(&running, "a failure", |o| o.counts.failures > 0);
        let why = failing.failing.expect("what is wrong");
        assert!(why.to_lowercase().contains("cert"), "{why}");
        let report = running.stop(0);
        let counts = &report.outputs[0].counts;
        assert!(report.outputs[0].closes());
        assert_eq!(counts.dropped[OutputCause::Shutdown as usize], counts.queued);
        assert_eq!((counts.sent, receiver.seen().offered), (0, 0));
    }
    let mut config = to(&[&receiver]);
    config.targets[0].http.ca_file = file("its.pem", &certificate);
    let running = start(config, None);
    send(&running, 1, 0, "work", 7.0);
    receiver.until("three values", |seen| seen.of(&WORK).len() >= 3);
    let report = running.stop(0);
    let counts = &report.outputs[0].counts;
    assert_eq!((counts.failures, counts.dropped()), (0, 0), "{counts:?}");
    let taken = receiver.seen().taken;
    assert_eq!((counts.sent, counts.queued), (taken, taken));
}

#[test]
fn native_histograms_are_samples_like_others_in_both_versions() {
    for takes in [Takes::Both, Takes::Only1] {
        let receiver = Receiver::start(takes);
        let histograms = RemoteWriteHistograms::Native;
        let running = start(RemoteWriteConfig { histograms, ..to(&[&receiver]) }, None);
        for (n, ms) in [(0, 250.0), (1, 500.0), (2, 0.0)] {
            send_kind(&running, Kind::Timing, 1, n, "job", ms);
        }
        let job = [("__name__", "job_seconds"), ("instance", "here")];
        let whole = f64::to_bits(0.75);
        receiver.until("all of them", |seen| {
            seen.of(&job).last().is_some_and(|(_, sum)| *sum == whole)
                && seen.counts.values().any(|count| *count == 3)
        });
        let report = running.stop(0);
        let seen = receiver.seen();
        assert_eq!(seen.families["job_seconds"].0, 3, "a histogram: {takes:?}");
        assert!(seen.samples.keys().all(|of| !of["__name__"].starts_with("job_seconds_")));
        let output = &report.outputs[0];
        assert!(seen.histograms > 0);
        assert_eq!((output.counts.sent, output.counts.dropped()), (seen.taken, 0), "{takes:?}");
    }
}

#[test]
fn what_is_refused_for_a_time_comes_again_and_only_once() {
    let (mut n, limit) = (0, AtomicU64::new(0));
    let receiver = Receiver::answering(Takes::Both, move || {
        n += 1;
        limit.fetch_add(1, Ordering::Relaxed);
        match n {
            1 => Reply::Status(503, None),
            2 => Reply::Status(429, Some(("Retry-After", "1".into()))),
            3 => Reply::TakeAndHangUp,
            _ => Reply::Take,
        }
    });
    let running = start(to(&[&receiver]), None);
    let waiting = until(&running, "a failure", |o| o.failing.is_some());
    assert!(waiting.pending_samples > 0);
    let health = running.report(0).health;
    assert_eq!(health.status, Status::Degraded);
    assert!(health.reasons.iter().any(|r| r.contains("has not taken samples")), "{health:?}");
    let done = until(&running, "that it is taken", |o| o.counts.sent > 0);
    assert!((done.counts.failures, done.failing.is_none()) == (3, true), "{done:?}");
    let report = running.stop(0);
    let seen = receiver.seen();
    // The first request came four times, and the receiver took it twice: the same samples at the same times.
    let times: Vec<_> = seen.requests.iter().map(|(_, at)| *at).collect();
    assert!(times[2] - times[1] >= Duration::from_secs(1), "it is left alone for so long");
    let first = seen.again;
    assert!(first > 0);
    let output = &report.outputs[0];
    assert_eq!(output.counts.sent, seen.taken - first);
    assert_eq!(output.counts.sent, seen.samples.values().map(|s| s.len() as u64).sum::<u64>());
    assert_eq!(output.counts.dropped(), 0);
}

#[test]
fn what_is_refused_for_good_is_dropped_and_counted_exactly() {
    let mut n = 0;
    let receiver = Receiver::answering(Takes::Both, move || {
        n += 1;
        match n {
            2 => Reply::Status(400, None),
            3 => Reply::Half(400),
            4 => Reply::Status(401, None),
            _ => Reply::Take,
        }
    });
    let running = start(to(&[&receiver]), None);
    until(&running, "five requests", |o| o.counts.requests >= 5);
    let reasons = running.report(0).health.reasons;
    assert!(reasons.iter().any(|r| r.contains("it refused them")), "{reasons:?}");
    let report = running.stop(0);
    let seen = receiver.seen();
    let counts = &report.outputs[0].counts;
    assert_eq!(counts.sent, seen.taken);
    assert_eq!(counts.dropped[OutputCause::Refused as usize], seen.offered - seen.taken);
    assert_eq!((counts.dropped(), counts.queued), (seen.offered - seen.taken, seen.offered));
}

#[test]
fn a_slow_receiver_holds_up_nobody_and_a_full_queue_drops_the_oldest() {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let opened = gate.clone();
    let slow = Receiver::answering(Takes::Both, move || {
        let (open, news) = &*opened;
        drop(news.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        Reply::Take
    });
    let fast = Receiver::start(Takes::Both);
    let running = start(RemoteWriteConfig { queue_bytes: 20_000, ..to(&[&slow, &fast]) }, None);
    send(&running, 1, 0, "work", 1.0);
    let [of_slow, of_fast] = loop {
        let outputs = running.report(0).outputs;
        assert!(outputs.iter().all(OutputReport::closes), "{outputs:?}");
        let [slow, fast] = outputs.try_into().unwrap();
        if slow.counts.dropped() > 0 {
            break [slow, fast];
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(of_slow.pending_bytes <= 20_000, "{of_slow:?}");
    assert!(of_slow.oldest_pending > INTERVAL && of_slow.counts.sent == 0);
    assert_eq!(of_fast.counts.dropped(), 0);
    assert_eq!(running.report(0).health.status, Status::Unhealthy);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let report = running.stop(0);
    let [of_slow, of_fast] = &report.outputs[..] else { panic!("{report:?}") };
    let (slow, fast) = (slow.seen(), fast.seen());
    assert_eq!((of_fast.counts.sent, fast.taken), (of_fast.counts.queued, of_fast.counts.queued));
    assert_eq!(of_slow.counts.sent, slow.taken);
    let full = of_slow.counts.dropped[OutputCause::QueueFull as usize];
    assert_eq!(of_slow.counts.queued, slow.taken + full);
    // What it has is what the other has at the same times, beginning with what was on its way.
    let (some, all) = (slow.of(&WORK), fast.of(&WORK));
    assert!(some.iter().all(|sample| all.contains(sample)) && some.len() < all.len());
}

#[test]
fn nobody_there_is_no_loss_and_the_end_says_what_was_not_sent() {
    // An address that nobody has: it was free a moment ago.
    let nobody = TcpListener::bind(ANY).unwrap().local_addr().unwrap();
    let config = RemoteWriteConfig {
        interval: INTERVAL,
        ..RemoteWriteConfig::to([format!("http://user:secret@{nobody}/write?token=secret")])
    };
    let running = start(config, None);
    let output = until(&running, "a failure", |o| o.counts.failures > 0 && o.pending_samples > 0);
    assert_eq!(output.target, format!("http://{nobody}/write"));
    let begun = Instant::now();
    let report = running.stop(0);
    assert!(begun.elapsed() < Duration::from_secs(4), "the end does not wait for it");
    let counts = &report.outputs[0].counts;
    assert_eq!(counts.dropped[OutputCause::Shutdown as usize], counts.queued);
    assert!(report.outputs[0].closes());
}

#[test]
fn what_waits_survives_a_restart_and_goes_on_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let open = Arc::new(AtomicBool::new(false));
    let opens = open.clone();
    let receiver = Receiver::answering(Takes::Both, move || {
        if opens.load(Ordering::SeqCst) { Reply::Take } else { Reply::Status(503, None) }
    });
    let running = start(to(&[&receiver]), Some(dir.path()));
    send(&running, 1, 0, "work", 3.0);
    until(&running, "five moments", |o| o.counts.queued > 500 && o.counts.failures > 0);
    let report = running.stop(0);
    let left = report.outputs[0].pending_samples;
    assert_eq!(report.outputs[0].counts.queued, left, "nothing is dropped at the end");
    open.store(true, Ordering::SeqCst);
    let running = start(to(&[&receiver]), Some(dir.path()));
    let output = until(&running, "what was left", |o| o.counts.sent >= left);
    assert_eq!(output.counts.restored, left);
    send(&running, 1, 1, "work", 4.0);
    receiver.until("the sum over both lives", |seen| {
        seen.of(&WORK).last().is_some_and(|(_, value)| f64::from_bits(*value) == 7.0)
    });
    let _ = running.stop(0);
    let seen = receiver.seen();
    let values: Vec<_> = seen.of(&WORK).into_iter().map(|(_, v)| f64::from_bits(v)).collect();
    assert!(values.is_sorted() && values.contains(&3.0), "{values:?}");
    assert_eq!(seen.again, 0);
}

#[test]
fn who_we_are_is_said_and_secrets_are_read_from_files() {
    let dir = tempfile::tempdir().unwrap();
    let (token, password) = (dir.path().join("token"), dir.path().join("password"));
    std::fs::write(&token, "first\n").unwrap();
    std::fs::write(&password, "open sesame\n").unwrap();
    let receivers = [Receiver::start(Takes::Both), Receiver::start(Takes::Both)];
    let mut config = to(&[&receivers[0], &receivers[1]]);
    config.targets[0].http.auth = HttpAuth::BearerFile(token.clone());
    config.targets[0].http.headers.push(("X-Scope-OrgID".into(), "tenant".into()));
    config.targets[1].http.auth =
        HttpAuth::Basic { user: "Aladdin".into(), password_file: password };
    config.targets[1].protocol = RemoteWriteProtocol::V1;
    let running = start(config, None);
    let has = |receiver: &Receiver, header: &str, value: &str| {
        receiver.until(value, |seen| {
            seen.requests.last().is_some_and(|(h, _)| h.get(header).is_some_and(|v| v == value))
        });
    };
    has(&receivers[0], "authorization", "Bearer first");
    has(&receivers[0], "x-scope-orgid", "tenant");
    // RFC 7617 has the same example.
    has(&receivers[1], "authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(receivers[1].seen().requests[0].0["content-type"], "application/x-protobuf");
    std::fs::write(&token, "second\n").unwrap();
    has(&receivers[0], "authorization", "Bearer second");
    let _ = running.stop(0);
}

#[test]
fn the_end_of_a_gauge_is_marked() {
    // Silence for three heartbeats ends a sender's life, so this is told by forgetting: the sender's rows end.
    let receiver = Receiver::start(Takes::Both);
    let config = ServerConfig {
        udp: vec![ANY],
        http: None,
        limits: ringstat_collector::Limits {
            idle: Duration::from_millis(500),
            series_ttl: Duration::from_millis(500),
            ..Default::default()
        },
        outputs: ringstat_collector::OutputConfig {
            remote_write: to(&[&receiver]),
            ..Default::default()
        },
        ..ServerConfig::default()
    };
    let running = Server::start(config).unwrap();
    send(&running, 1, 0, "work", 1.0);
    receiver.until("its end", |seen| seen.of(&WORK).last().is_some_and(|(_, v)| *v == STALE));
    receiver.until("the end of its sender", |seen| {
        let received = seen.of(&[("__name__", "ringstat_sender_received_total")]);
        received.last().is_some_and(|(_, v)| *v == STALE)
    });
    let _ = running.stop(0);
    let seen = receiver.seen();
    let work = seen.of(&WORK);
    assert_eq!(work.iter().filter(|(_, v)| *v == STALE).count(), 1, "{work:?}");
}
