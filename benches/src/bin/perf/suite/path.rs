//! The whole path, as fast as it goes without loss.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringstat_collector::{Config, Limits, Server};
use ringstat_std::{Client, Recorder, Tag};

use super::{Effort, Wrong, check};
use crate::results::Metric;

static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];
/// Events of a second of sampling.
const PER_SECOND: f64 = 2e6;
/// The recording thread waits while so many events are under way: neither the ring nor the socket overflows.
const UNDER_WAY: u64 = 16_384;
/// At least so many events make a sample.
const LEAST: u64 = 2000;
/// A sample takes four times as long as others: each has a new client and a new collector.
const SAMPLES_IN_ONE: usize = 4;
/// Datagrams that may wait in the socket.
const IN_SOCKET: u64 = 64;

/// `path.events`: recorded in one thread, received and stored in another, a second.
pub(super) fn path(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let events = (effort.sample_time.as_secs_f64() * 20.0 * PER_SECOND) as u64;
    let samples = (0..(effort.samples / SAMPLES_IN_ONE).max(1)).map(|_| once(events.max(LEAST)));
    Ok(vec![Metric::new("path.events", "/s", samples.collect::<Result<_, _>>()?)])
}

/// Events a second of one run with so many.
pub(super) fn once(events: u64) -> Result<f64, Wrong> {
    let config = Config {
        udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        http: None,
        limits: Limits::default(),
    };
    let wrong = |e: &dyn std::error::Error| Wrong(e.to_string());
    // Counted on the way, so that looking costs next to nothing.
    let received = Arc::new(AtomicU64::new(0));
    let count = received.clone();
    let tap = Arc::new(move |_: &[u8]| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let running = Server::start_tapped(config, tap).map_err(|e| wrong(&e))?;
    let to = running.udp().first().map(ToString::to_string).unwrap_or_default();
    let client =
        Client::builder(to).shard_events(2 * UNDER_WAY as usize).build().map_err(|e| wrong(&e))?;
    let begun = Instant::now();
    let busy = || {
        // The worker tells what it has sent after it has, so that more may have been received.
        let sent = client.totals().datagrams;
        let in_socket = sent.saturating_sub(received.load(Ordering::Relaxed));
        client.ledger().in_flight > UNDER_WAY || in_socket > IN_SOCKET
    };
    for i in 0..events {
        let took = Duration::from_micros(i & 0xffff);
        let _ = client.timing("http.request.duration", took).tags(TAGS).record();
        if i % 1024 == 0 {
            while busy() {
                std::thread::yield_now();
                if begun.elapsed() > Duration::from_secs(30) {
                    return Err(Wrong("nothing arrives any more".into()));
                }
            }
        }
    }
    client.flush(Duration::from_secs(5)).map_err(|e| wrong(&e))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    let sent = client.totals().datagrams;
    while received.load(Ordering::Relaxed) < sent && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let taken = begun.elapsed();
    let report = running.stop(0);
    check(report.stored == events, || format!("{} of {events} arrived", report.stored))?;
    Ok(events as f64 / taken.as_secs_f64())
}
