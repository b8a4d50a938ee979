//! The recorder behind the `metrics` facade: what other crates record through it arrives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{Label, counter, describe_histogram, gauge, histogram, with_local_recorder};
use ringstat_collector::{Collector, Distributions, Io, Limits, Report, metrics};
use ringstat_core::send::{Transport, from_fn};
use ringstat_core::testkit::SpyTransport;
use ringstat_std::metrics::{Facade, InstallError};
use ringstat_std::{Builder, Cause, Client, Protocol, Unit};

const SECOND: Duration = Duration::from_secs(20); // for what takes milliseconds unless something is wrong

/// Builds a client with its recorder, and collects the lines that it sends.
fn lines(builder: Builder) -> (Client, Facade, Arc<Mutex<Vec<String>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = lines.clone();
    let transport = move |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).unwrap();
        sink.lock().unwrap().extend(text.lines().map(str::to_owned));
        Ok(())
    };
    let client = builder.protocol(Protocol::DogStatsD).build_with(from_fn(transport)).unwrap();
    let facade = Facade::new(&client);
    (client, facade, lines)
}

fn builder() -> Builder {
    // Only explicit flushes send anything.
    Client::builder("unused").flush_interval(Duration::from_secs(3600))
}

#[test]
fn every_operation_of_the_facade_arrives() {
    let (client, facade, lines) = lines(builder());
    client.flush(SECOND).unwrap();
    with_local_recorder(&facade, || {
        for _ in 0..3 {
            counter!("requests", "service" => "shop").increment(2);
        }
        counter!("requests", "service" => String::from("shop")).increment(1);
        counter!("followed").absolute(40);
        counter!("followed").absolute(30);
        gauge!("level").set(5.0);
        gauge!("level").increment(2.5);
        gauge!("level").decrement(10.0);
        histogram!("sizes").record(4.0);
        histogram!("sizes").record_many(4.0, 3);
        let labels = vec![Label::new("b", "2"), Label::new("a", "1")];
        gauge!("labels", labels).set(1);
        gauge!("level").set(f64::NAN);
        histogram!("sizes").record(f64::INFINITY);
    });
    client.flush(SECOND).unwrap();
    let mut lines = std::mem::take(&mut *lines.lock().unwrap());
    lines.sort();
    let expected = [
        "followed:40|c",
        "labels:1|g|#a:1,b:2",
        "level:-2.5|g",
        "requests:7|c|#service:shop",
        "sizes:4.25|d|@0.25",
    ];
    assert_eq!(lines, expected);
    let ledger = client.shutdown(SECOND);
    assert_eq!((ledger.recorded, ledger.dropped.get(Cause::Invalid)), (2, 2));
}

#[test]
fn units_are_taken_whether_they_come_before_or_after() {
    let (client, facade, lines) = lines(builder());
    client.flush(SECOND).unwrap();
    with_local_recorder(&facade, || {
        describe_histogram!("before", metrics::Unit::Microseconds, "said first");
        histogram!("before").record(4000.0);
        histogram!("after").record(4.0);
        describe_histogram!("after", metrics::Unit::Milliseconds, "said last");
        metrics::describe_counter!("count", "without a unit");
    });
    client.flush(SECOND).unwrap();
    let mut lines = std::mem::take(&mut *lines.lock().unwrap());
    lines.sort();
    assert_eq!(lines, ["after:4.25|ms", "before:3.968|ms"]);
    let described = client.described("before").unwrap();
    assert_eq!(described.unit, Unit::Microseconds);
    assert_eq!(described.text, "said first");
    assert_eq!(client.described("count").map(|d| d.unit), Some(Unit::None));
    assert_eq!(client.described("nothing"), None);
}

#[test]
fn beyond_the_limit_totals_are_kept_in_the_overflow_series() {
    let (client, facade, lines) = lines(builder().max_instruments(3));
    client.flush(SECOND).unwrap();
    with_local_recorder(&facade, || {
        for _ in 0..2 {
            for i in 0..10 {
                counter!("c", "i" => i.to_string()).increment(1);
            }
        }
        gauge!("g").set(1.0);
        histogram!("h").record(1.0);
        // These labels are longer than the strings of any datagram may be.
        counter!("c", "long" => "l".repeat(300)).increment(1);
    });
    client.flush(SECOND).unwrap();
    let counts: Vec<u64> = lines
        .lock()
        .unwrap()
        .iter()
        .filter_map(|l| l.split_once(':')?.1.split_once("|c")?.0.parse().ok())
        .collect();
    assert_eq!(counts.iter().sum::<u64>(), 21, "nothing is lost");
    assert_eq!(counts.len(), 4, "three series and the overflow");
    assert_eq!(client.overflowed_instruments(), 14 + 1 + 1 + 1);
}

/// The numbers that `metrics-process` records about this process reach a collector in ringstat's own format.
#[test]
fn a_crate_that_knows_nothing_of_us_is_heard_at_the_collector() {
    let spy = SpyTransport::new();
    let way = Mutex::new(spy.clone());
    let transport = move |datagram: &[u8]| way.lock().unwrap().send(datagram);
    let client = Client::builder("unused").build_with(from_fn(transport)).unwrap();
    let facade = Facade::new(&client);
    with_local_recorder(&facade, || {
        let process = metrics_process::Collector::default();
        process.describe();
        process.collect();
    });
    client.flush(SECOND).unwrap();
    let described = client.described("process_resident_memory_bytes").unwrap();
    assert_eq!(described.unit, Unit::Bytes);
    assert!(client.shutdown(SECOND).closes());
    let mut collector = Collector::new(Limits::default());
    spy.datagrams().iter().for_each(|d| _ = collector.receive(d, 0));
    let seen = Report::of(&collector, &Io::default(), 0, 1000);
    let value = |name: &str| seen.series.iter().find(|s| s.name == name).unwrap().value;
    assert!(value("process_resident_memory_bytes") > 100_000.0);
    assert!(value("process_open_fds") > 2.0 && value("process_threads") >= 2.0);
    assert!(seen.closes && seen.malformed == Default::default());
    let page = metrics(&collector, &Io::default(), 0, Distributions::default());
    // The name is one of the collector's own, so the family has another.
    let help = |line: &str| {
        line.starts_with("# HELP") && line.ends_with(" Number of open file descriptors.")
    };
    assert!(page.lines().any(help), "{page}");
}

#[test]
fn one_line_installs_it_and_a_second_one_says_why_not() {
    let agent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    agent.set_read_timeout(Some(SECOND)).unwrap();
    let address = agent.local_addr().unwrap().to_string();
    let stats = ringstat_std::metrics::install(address.as_str()).unwrap();
    counter!("installed").increment(1);
    assert!(matches!(ringstat_std::metrics::install(address), Err(InstallError::Taken)));
    assert!(matches!(ringstat_std::metrics::install("nowhere"), Err(InstallError::Build(_))));
    assert!(stats.shutdown(SECOND).closes());
    let mut collector = Collector::new(Limits::default());
    let mut buf = [0; 2048];
    while !Report::of(&collector, &Io::default(), 0, 1000)
        .series
        .iter()
        .any(|s| s.name == "installed")
    {
        let length = agent.recv(&mut buf).unwrap();
        collector.receive(&buf[..length], 0);
    }
}
