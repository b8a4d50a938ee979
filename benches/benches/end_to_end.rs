//! The whole path: from the record call through the client, loopback UDP and the collector into its store, recorded by
//! one thread, and by two and four at the same time. Measures the time per event.
//!
//! It is compared with cadence, whose lines a bare socket receives and ignores. Both wait while too much is in flight,
//! so that nothing is lost.
//!
//! Every event must arrive; the collector must have stored each one.
//!
//! `cargo bench -p ringstat-benches --bench end_to_end`

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, StatsdClient};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ringstat_benches::path::{TAGS, deliver};
use ringstat_benches::threads::{Patience, together};
use ringstat_core::format::PAYLOAD_ETHERNET;

const THREADS: [u64; 3] = [1, 2, 4];
/// The number of events that all threads together record at a time.
const MANY: u64 = 20_000;
/// The number of lines that may wait in the socket, whose buffer holds some 90 datagrams of 16 lines or more.
const UNDER_WAY: u64 = 512;

/// Counts lines until told to stop.
fn receive(socket: &UdpSocket, lines: &AtomicU64, done: &AtomicBool) {
    let mut buf = [0; 65_536];
    while !done.load(Ordering::Acquire) {
        if let Ok(length) = socket.recv(&mut buf) {
            let all = buf[..length].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.fetch_add(all.count() as u64, Ordering::Release);
        }
    }
}

/// The counterpart of `deliver` for cadence.
fn cadence(threads: u64, events: u64) -> Duration {
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    receiver.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let to = receiver.local_addr().expect("its address");
    let sink = BufferedUdpMetricSink::with_capacity(to, socket, PAYLOAD_ETHERNET);
    let client = StatsdClient::from_sink("", sink.expect("an address"));
    let (sent, lines, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let wait_for = |most: u64| {
        let mut patience = Patience::default();
        while sent.load(Ordering::Relaxed).saturating_sub(lines.load(Ordering::Acquire)) > most {
            patience.wait();
        }
    };
    let record = || {
        for n in 0..events {
            let took = Duration::from_millis(n & 0xffff);
            let metric = client.time_with_tags("http.request.duration", took);
            let tagged = TAGS.iter().fold(metric, |m, (key, value)| m.with_tag(key, value));
            tagged.try_send().expect("loopback takes it");
            if sent.fetch_add(1, Ordering::Relaxed) % 64 == 0 {
                wait_for(UNDER_WAY);
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| receive(&receiver, &lines, &done));
        let begun = Instant::now();
        together((0..threads).map(|_| record));
        client.flush().expect("loopback takes it");
        wait_for(0);
        let taken = begun.elapsed();
        done.store(true, Ordering::Release);
        taken
    })
}

fn end_to_end(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("end to end");
    group.throughput(Throughput::Elements(MANY)).sample_size(10);
    for threads in THREADS {
        group.bench_function(BenchmarkId::new("ringstat", threads), |b| {
            b.iter_custom(|times| {
                deliver(threads, times * MANY / threads).expect("every event arrives")
            });
        });
        group.bench_function(BenchmarkId::new("cadence", threads), |b| {
            b.iter_custom(|times| cadence(threads, times * MANY / threads));
        });
    }
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
