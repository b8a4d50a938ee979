//! A few hundred kilobytes that once became gigabytes: histograms of two buckets as far apart as can be, run after run.
//! Over real sockets, with a genuine sender beside them; a process of its own, as its memory is measured.

#![cfg(target_os = "linux")]

#[path = "attack/wire.rs"]
mod wire;

use std::net::UdpSocket;

use ringstat_collector::{Limits, Running};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::instrument::{Buckets, Instrument, Layout, Mark, State};
use ringstat_core::record::{Tag, Value};
use ringstat_core::wire::Encoder;
use wire::{Genuine, collector, until};

const BYTES: usize = 16 << 20;
const HISTOGRAMS: usize = 1000;

/// What no client would make: one sample in the lowest bucket and one in the highest that the format allows.
struct Wide {
    id: String,
    mark: Mark,
}

impl Buckets for Wide {
    fn layout(&self) -> Layout {
        Layout { precision: 8, min_exponent: -100 }
    }

    fn sum(&self) -> Value {
        1u8.into()
    }

    fn bucket_count(&self, index: usize) -> u64 {
        u64::from([1, self.buckets() - 1].contains(&index))
    }

    fn buckets(&self) -> usize {
        1 << 16
    }
}

impl Instrument for Wide {
    fn name(&self) -> &str {
        "wide"
    }

    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        (index == 0).then_some(("id", &self.id))
    }

    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        None
    }

    fn state(&self) -> State<'_> {
        State::Buckets(self)
    }

    fn version(&self) -> u32 {
        0
    }

    fn mark(&self) -> &Mark {
        &self.mark
    }
}

/// The states of all histograms in datagrams.
fn datagrams() -> Vec<Vec<u8>> {
    let mut encoder: Box<Encoder> = Box::default();
    let (mut buf, mut all) = (vec![0; 1472], Vec::new());
    let mut wide =
        (0..HISTOGRAMS).map(|n| Wide { id: n.to_string(), mark: Mark::new() }).peekable();
    while wide.peek().is_some() {
        let sequence = all.len() as u32;
        let header = Header { sender: 1, sequence, ..Header::default() };
        let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
        while wide.peek().is_some_and(|wide| open.instrument(wide, 0) == Ok(None)) {
            wide.next();
        }
        let length = open.finish(false);
        assert!(length > 1000 || wide.peek().is_none(), "as many as go in: {length}");
        all.push(buf[..length].to_vec());
    }
    all
}

/// Says that it is of another run of its sender.
fn set_epoch(datagram: &mut [u8], epoch: u32) {
    datagram[12..16].copy_from_slice(&epoch.to_le_bytes());
    let end = datagram.len() - 4;
    let sum = crc32fast::hash(&datagram[..end]).to_le_bytes();
    datagram[end..].copy_from_slice(&sum);
}

/// A line of this process's status, in bytes.
fn status(key: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse::<usize>().unwrap() * 1024
}

fn taken(running: &Running, sent: u64) {
    until(|| running.report(0).datagrams >= sent);
}

#[test]
fn what_would_grow_histograms_without_end_stays_within_the_limit() {
    let running = collector(Limits { bytes: BYTES, ..Limits::default() });
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut genuine = Genuine::new(&running);
    genuine.send();
    let (before, mut sent, mut bytes) = (status("VmRSS:"), 1, 0);
    let mut all = datagrams();
    for epoch in 1..=4 {
        for some in all.chunks_mut(16) {
            for datagram in &mut *some {
                set_epoch(datagram, epoch);
                socket.send_to(datagram, running.udp()[0]).unwrap();
                bytes += datagram.len();
            }
            genuine.send();
            sent += some.len() as u64 + 1;
            taken(&running, sent);
        }
    }
    let report = running.report(0);
    assert_eq!(report.datagrams, sent, "nothing was lost on the way");
    assert!(bytes < 1 << 20, "{bytes}");
    assert!(report.series_count > HISTOGRAMS / 2, "{}", report.series_count);
    assert!(report.series_bytes <= BYTES, "{}", report.series_bytes);
    let grown = status("VmHWM:").saturating_sub(before);
    // The base: receive buffers of each thread, and what the test holds itself.
    assert!(grown < BYTES + BYTES / 10 + (16 << 20), "{} KiB", grown >> 10);
    genuine.is_exact(&running);
    assert!(running.stop(0).closes);
}
