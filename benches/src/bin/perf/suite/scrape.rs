//! What a scrape of many series costs those who send meanwhile.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringstat_benches::corpus::renumber;
use ringstat_collector::{Limits, Running, Server, ServerConfig};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;

use super::{Effort, Wrong, check, wire};
use crate::results::Metric;

/// Series of a second of sampling, up to a million.
const PER_SECOND: f64 = 2e8;
const MOST: usize = 1_000_000;
/// Senders among which they are divided.
const SENDERS: u64 = 100;
/// Events a second that arrive meanwhile.
const RATE: f64 = 3e6;
/// What has not happened by then will not.
const END: Duration = Duration::from_secs(120);

/// `scrape.seconds` for a page of all series while events arrive, `scrape.series` on it, `scrape.pause`: the longest that
/// a receiving thread waited for it, in milliseconds; `scrape.rate`: events that came meanwhile, a second;
/// `scrape.drops`: what the kernel dropped.
pub(super) fn scrape(effort: &Effort) -> Result<Vec<Metric>, Wrong> {
    let series = ((effort.sample_time.as_secs_f64() * PER_SECOND) as usize).clamp(1000, MOST);
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let limits = Limits {
        series: 2 * MOST,
        series_per_sender: 2 * MOST,
        bytes: 4 << 30,
        page: 4 << 30,
        ..Limits::default()
    };
    let config =
        ServerConfig { udp: vec![any], http: Some(any), limits, ..ServerConfig::default() };
    let running = Server::start(config).map_err(|e| Wrong(e.to_string()))?;
    let socket = UdpSocket::bind(any).map_err(|e| Wrong(e.to_string()))?;
    let to = *running.udp().first().ok_or_else(|| Wrong("no address".into()))?;
    socket.connect(to).map_err(|e| Wrong(e.to_string()))?;
    fill(&running, &socket, series)?;

    let (mut datagrams, events) = (wire::datagrams()?, wire::corpus()?.len());
    let each = events as f64 / datagrams.len() as f64;
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let scraped = thread::scope(|scope| {
        scope.spawn(|| {
            let (begun, mut next) = (Instant::now(), 0);
            while !stop.load(Ordering::Relaxed) {
                renumber(&mut datagrams, &mut next);
                for datagram in &datagrams {
                    while sent.load(Ordering::Relaxed) as f64 * each
                        > begun.elapsed().as_secs_f64() * RATE
                    {
                        thread::yield_now();
                    }
                    // What the kernel does not take is counted at the other end.
                    let _ = socket.send(datagram);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        let at = running.http().ok_or_else(|| Wrong("no address".into()));
        let scraped = at.and_then(|at| pages(at, effort, &sent, each));
        stop.store(true, Ordering::Relaxed);
        scraped
    })?;
    let shown = scraped.series;
    check(shown >= series, || format!("{shown} of {series} series were shown"))?;
    let page = running.metrics();
    let pause =
        page.lines().find_map(|l| l.strip_prefix("ringstat_collector_longest_pause_seconds "));
    let pause: f64 = pause.and_then(|p| p.parse().ok()).ok_or_else(|| Wrong("no pause".into()))?;
    let report = running.stop(0);
    check(report.closes, || "the ledger does not close".into())?;
    Ok(vec![
        Metric::new("scrape.seconds", "s", scraped.seconds),
        Metric::new("scrape.rate", "/s", scraped.rates),
        Metric::exact("scrape.series", "", shown as f64),
        Metric::exact("scrape.pause", "ms", pause * 1e3),
        Metric::exact("scrape.drops", "", report.kernel_drops as f64),
    ])
}

/// Makes the series, as fast as they are taken.
fn fill(running: &Running, socket: &UdpSocket, series: usize) -> Result<(), Wrong> {
    let begun = Instant::now();
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let mut sequences = [0; SENDERS as usize];
    let (mut made, mut sent) = (0, 0);
    while made < series {
        let sender = sent % SENDERS;
        let header = Header {
            sender: sender + 1000,
            sequence: sequences[sender as usize],
            epoch: 1,
            ..Header::default()
        };
        sequences[sender as usize] += 1;
        let open = encoder.begin(&mut buf, &header, &Prologue::default());
        let mut open = open.map_err(|e| Wrong(format!("{e:?}")))?;
        while made < series {
            let event = Event::<3>::new(Kind::Counter, "scraped.requests".into(), 1u8.into(), 0);
            let Ok(mut event) = event else { break };
            let tagged = event.push_tag("route", &made.to_string());
            if tagged.is_err() || open.event(&event, &NoNames).is_err() {
                break;
            }
            made += 1;
        }
        let length = open.finish(false);
        let _ = socket.send(&buf[..length]);
        sent += 1;
        while sent % 64 == 0 && own(running, "datagrams_total")? < sent && begun.elapsed() < END {
            thread::yield_now();
        }
    }
    while own(running, "series")? < series as u64 && begun.elapsed() < END {
        thread::yield_now();
    }
    let there = own(running, "series")?;
    check(there == series as u64, || format!("{there} of {series} series were made"))
}

/// One of the collector's own numbers. They are at the beginning of the page, and no more of it is read: a report would
/// look at every series each time.
fn own(running: &Running, name: &str) -> Result<u64, Wrong> {
    let at = running.http().ok_or_else(|| Wrong("no address".into()))?;
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(END))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let line = format!("ringstat_collector_{name} ");
    for next in BufReader::new(stream).lines() {
        if let Some(value) = next?.strip_prefix(&line) {
            return Ok(value.parse()?);
        }
    }
    Err(Wrong(format!("no {name} on the page")))
}

/// What scrapes came to.
struct Scraped {
    series: usize,
    seconds: Vec<f64>,
    rates: Vec<f64>,
}

/// Asks for the page, one time after the other.
fn pages(at: SocketAddr, effort: &Effort, sent: &AtomicU64, each: f64) -> Result<Scraped, Wrong> {
    let mut scraped = Scraped { series: 0, seconds: Vec::new(), rates: Vec::new() };
    for _ in 0..(effort.samples / 4).max(1) {
        let (begun, before) = (Instant::now(), sent.load(Ordering::Relaxed));
        scraped.series = page(at).map_err(|e| Wrong(e.to_string()))?;
        let seconds = begun.elapsed().as_secs_f64();
        scraped.seconds.push(seconds);
        let came = sent.load(Ordering::Relaxed) - before;
        scraped.rates.push(came as f64 * each / seconds);
    }
    Ok(scraped)
}

/// Reads one page, and returns how many of its lines are ours.
fn page(at: SocketAddr) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(END))?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")?;
    let (mut chunk, mut rest, mut lines) = (vec![0; 1 << 18], Vec::new(), 0);
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(lines);
        }
        rest.extend_from_slice(&chunk[..length]);
        let whole = rest.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let ours = rest[..whole].split(|b| *b == b'\n');
        lines += ours.filter(|line| line.starts_with(b"scraped_requests_total{")).count();
        rest.drain(..whole);
    }
}
