//! The client's example programs, run against a collector: everything they record arrives.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use ringstat_collector::{Running, Server, ServerConfig};

// Their `main` functions are for users, not for this test.
#[allow(dead_code, unreachable_pub)]
#[path = "../../std-adapter/examples/axum.rs"]
mod axum_service;
#[allow(dead_code, unreachable_pub)]
#[path = "../../std-adapter/examples/batch.rs"]
mod batch;
#[allow(dead_code, unreachable_pub)]
#[path = "../../std-adapter/examples/library.rs"]
mod library;
#[allow(dead_code, unreachable_pub)]
#[path = "../../std-adapter/examples/threads.rs"]
mod threads;

const SOON: Duration = Duration::from_secs(20);

fn collector() -> (Running, String) {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    let config = ServerConfig { udp: vec![any], http: None, ..ServerConfig::default() };
    let running = Server::start(config).unwrap();
    let to = running.udp()[0].to_string();
    (running, to)
}

/// Returns the value of the series with this name and these tags, or 0 if there is none.
fn value(running: &Running, name: &str, tags: &[(&str, &str)]) -> f64 {
    let report = running.report(1000);
    let has = |s: &&ringstat_collector::SeriesReport| {
        let with = |(k, v): &(&str, &str)| {
            s.tags.iter().any(|(key, value)| (key, value) == (&(*k).to_owned(), &(*v).to_owned()))
        };
        s.name == name && tags.iter().all(with)
    };
    report.series.iter().find(has).map_or(0.0, |s| s.value)
}

#[test]
fn the_batch_job_ends_when_everything_has_arrived() {
    let (running, to) = collector();
    let ledger = batch::run(&to, 500).unwrap();
    assert!(ledger.closes() && ledger.sent == ledger.recorded, "{ledger}");
    assert_eq!(value(&running, "orders.settled", &[("job", "nightly")]), 500.0);
    assert_eq!(value(&running, "orders.cents", &[]), 500.0);
    assert_eq!(value(&running, "order.settle", &[("shard", "even")]), 250.0);
    assert_eq!(value(&running, "job.done", &[]), 1.0);
}

#[test]
fn the_thread_server_counts_its_lines_and_connections() {
    let (running, to) = collector();
    let stats = threads::client(&to).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = stats.clone();
    std::thread::spawn(move || threads::serve(&listener, &server));
    for _ in 0..3 {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(b"hello\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(line, "hello\n");
    }
    let until = std::time::Instant::now() + SOON;
    while value(&running, "echo.ended", &[("outcome", "closed")]) < 3.0 {
        assert!(std::time::Instant::now() < until, "{}", stats.ledger());
        stats.flush(SOON).unwrap();
    }
    assert_eq!(value(&running, "echo.line", &[]), 3.0);
    assert_eq!(value(&running, "echo.bytes", &[]), 18.0);
    assert_eq!(value(&running, "echo.connections", &[]), 0.0);
}

#[test]
fn the_library_tells_whoever_listens() {
    let (running, to) = collector();
    assert!(library::run(&to, 100).unwrap().closes());
    assert_eq!(value(&running, "cache.hits", &[]), 90.0);
    assert_eq!(value(&running, "cache.miss", &[]), 10.0);
}

#[test]
fn the_web_service_times_requests_by_route_and_status() {
    let (running, to) = collector();
    let stats = axum_service::client(&to).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let at = listener.local_addr().unwrap();
    let service = axum_service::service(stats.clone());
    runtime.spawn(async { axum::serve(listener, service).await });
    for (path, status) in
        [("/orders/7", 200), ("/orders/8", 200), ("/orders/5000", 404), ("/no", 404)]
    {
        let mut stream = TcpStream::connect(at).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.0 {status}")), "{answer}");
    }
    drop(runtime);
    let ledger = stats.shutdown(SOON);
    assert!(ledger.closes() && ledger.sent == ledger.recorded, "{ledger}");
    let route = ("route", "/orders/{id}");
    assert_eq!(value(&running, "http.request", &[route, ("status", "200")]), 2.0);
    assert_eq!(value(&running, "http.request", &[route, ("status", "404")]), 1.0);
    assert_eq!(value(&running, "http.request", &[("route", "none"), ("status", "404")]), 1.0);
    assert_eq!(value(&running, "http.in_flight", &[]), 0.0);
}
