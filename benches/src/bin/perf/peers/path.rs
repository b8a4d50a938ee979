//! The whole path over loopback, and the collector alone.

use std::hint::black_box;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cadence::prelude::*;
use cadence::{BufferedUdpMetricSink, StatsdClient};
use ringstat_benches::corpus::renumber;
use ringstat_collector::{Collector, Limits};
use ringstat_core::wire::Decoder;

use super::{Effort, Goal, Measured, Row, check, in_turns, nanos};
use crate::stats::median;
use crate::suite;

/// Returns the events per second that cadence delivers: lines in datagrams that a bare socket receives and ignores.
fn cadence(events: u64) -> Measured<f64> {
    let sink = UdpSocket::bind("127.0.0.1:0")?;
    sink.set_read_timeout(Some(Duration::from_millis(50)))?;
    let address = sink.local_addr()?;
    let (lines, done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buf = [0; 65_536];
            loop {
                match sink.recv(&mut buf) {
                    Ok(length) => {
                        // The last line of a datagram has no newline.
                        let ends = buf[..length].iter().filter(|b| **b == b'\n').count() as u64;
                        let last = u64::from(buf[..length].last() != Some(&b'\n'));
                        lines.fetch_add(ends + last, Ordering::Relaxed);
                    }
                    Err(_) if done.load(Ordering::Acquire) => return,
                    Err(_) => {}
                }
            }
        });
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let buffered = BufferedUdpMetricSink::with_capacity(address, socket, 1432)?;
        let client = StatsdClient::from_sink("app", buffered);
        let begun = Instant::now();
        for n in 0..events {
            let metric = client.count_with_tags("http.request.duration", n & 0xffff);
            let metric = metric.with_tag("service", "shop").with_tag("route", "/cart");
            let _ = metric.with_tag("region", "eu-west-1").try_send();
        }
        client.flush()?;
        // By then everything that was not lost has been read, since datagrams wait no longer than the socket is full.
        let taken = begun.elapsed();
        std::thread::sleep(Duration::from_millis(20));
        done.store(true, Ordering::Release);
        check(lines.load(Ordering::Relaxed) > events / 100, || "cadence delivered nothing".into())?;
        Ok(lines.load(Ordering::Relaxed) as f64 / taken.as_secs_f64())
    })
}

fn whole(effort: &Effort) -> Measured<Row> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let events = effort.operations(2_000_000);
    for _ in 0..effort.rounds.min(5) {
        let mine = suite::delivered(events)?;
        let peer = cadence(effort.operations(600_000))?;
        ours.push(mine);
        theirs.push(peer);
        ratios.push(mine / peer);
    }
    let millions = |all: &[f64]| median(all) / 1e6;
    let detail = format!(
        "{:.1} M/s decoded and stored without loss, cadence delivers {:.1} M/s raw",
        millions(&ours),
        millions(&theirs)
    );
    let what = "client, loopback, collector: events a second against cadence delivered raw";
    Ok(Row::new(what, median(&ratios), Goal::AtLeast(3.0), " times as many", detail))
}

fn collector(effort: &Effort) -> Measured<Row> {
    let datagrams = suite::datagrams()?;
    let count = datagrams.len() as u64;
    let mut decoder: Box<Decoder> = Box::default();
    // The collector already knows the sender and its series, as it does after the first second.
    let mut collector = Collector::new(Limits::default());
    let mut sequence = 0u32;
    let mut fresh = datagrams.clone();
    let pair = in_turns(
        effort,
        || {
            renumber(&mut fresh, &mut sequence);
            let before = collector.counts().accepted;
            let time = nanos(count, || fresh.iter().for_each(|d| _ = collector.receive(d, 0)));
            check(collector.counts().accepted - before == count, || "not all accepted".into())?;
            check(collector.counts().records == collector.counts().stored, || {
                "not all stored".into()
            })?;
            Ok(time)
        },
        || {
            let mut read = 0u64;
            let time = nanos(count, || {
                for datagram in &datagrams {
                    let Ok(mut opened) = decoder.open(datagram) else { continue };
                    while let Some(Ok(record)) = opened.next() {
                        black_box(&record);
                        read += 1;
                    }
                }
            });
            check(read > count, || "nothing was decoded".into())?;
            Ok(time)
        },
    )?;
    let what = "collector, a datagram decoded and stored, by decoding alone";
    Ok(Row::new(what, pair.ratio, Goal::AtMost(2.0), "", pair.detail("decoding")))
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    Ok(vec![whole(effort)?, collector(effort)?])
}
