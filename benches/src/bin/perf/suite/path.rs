//! The whole path, as fast as it goes without loss.

use std::net::Ipv4Addr;
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
/// Samples at most: each takes a new client and a new collector.
const SAMPLES: usize = 5;

/// `path.events`: recorded in one thread, received and stored in another, a second.
pub(super) fn path(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let events = (effort.sample_time.as_secs_f64() * 20.0 * PER_SECOND) as u64;
    let samples = (0..effort.samples.clamp(1, SAMPLES)).map(|_| once(events.max(LEAST)));
    Ok(vec![Metric::new("path.events", "/s", samples.collect::<Result<_, _>>()?)])
}

fn once(events: u64) -> Result<f64, Wrong> {
    let config = Config {
        udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        http: None,
        limits: Limits::default(),
    };
    let wrong = |e: &dyn std::error::Error| Wrong(e.to_string());
    let running = Server::start(config).map_err(|e| wrong(&e))?;
    let to = running.udp().first().map(ToString::to_string).unwrap_or_default();
    let client =
        Client::builder(to).shard_events(2 * UNDER_WAY as usize).build().map_err(|e| wrong(&e))?;
    let begun = Instant::now();
    for i in 0..events {
        let _ = client
            .timing("http.request.duration", Duration::from_micros(i & 0xffff))
            .tags(TAGS)
            .record();
        if i % 8192 == 0 {
            while i.saturating_sub(running.report(0).records) > UNDER_WAY {
                std::thread::yield_now();
                if begun.elapsed() > Duration::from_secs(30) {
                    return Err(Wrong("nothing arrives any more".into()));
                }
            }
        }
    }
    client.flush(Duration::from_secs(5)).map_err(|e| wrong(&e))?;
    let deadline = Instant::now() + Duration::from_secs(5);
    while running.report(0).records < events && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let taken = begun.elapsed();
    let report = running.report(0);
    check(report.stored == events, || format!("{} of {events} arrived", report.stored))?;
    Ok(events as f64 / taken.as_secs_f64())
}
