//! The whole path: recording, client, loopback and collector.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use ringstat_collector::{Report, Server, ServerConfig};
use ringstat_std::{Client, Recorder, Tag};

use crate::threads::together;

/// The static tags of the recorded events.
pub static TAGS: &[Tag] = &[("service", "shop"), ("route", "/cart"), ("region", "eu-west-1")];

/// The recording threads wait while more events than this are in flight, so that neither rings nor the socket overflow.
const UNDER_WAY: u64 = 16_384;
/// The number of datagrams that may wait in the socket.
const IN_SOCKET: u64 = 64;
/// The number of events after which the recording threads check this.
const LOOK: u64 = 1024;
/// The time limit; events that have not arrived by then are considered lost.
const END: Duration = Duration::from_secs(30);

/// The error when events were not delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undelivered(pub String);

impl fmt::Display for Undelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Undelivered {}

fn wrong(error: &dyn std::error::Error) -> Undelivered {
    Undelivered(error.to_string())
}

/// Records `events` timings in each of `threads` threads, as fast as possible without loss. Returns the time until the
/// last datagram was received.
///
/// # Errors
/// Returns an error if the client or the collector does not start, or if the collector has not stored every event at
/// the end.
pub fn deliver(threads: u64, events: u64) -> Result<Duration, Undelivered> {
    let config = ServerConfig {
        udp: vec![(Ipv4Addr::LOCALHOST, 0).into()],
        http: None,
        ..ServerConfig::default()
    };
    // Datagrams are counted as they arrive, so that checking costs next to nothing.
    let received = Arc::new(AtomicU64::new(0));
    let count = received.clone();
    let tap = Arc::new(move |_: &[u8]| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    let collector = Server::start_tapped(config, tap).map_err(|e| wrong(&e))?;
    let to = collector.udp().first().map(ToString::to_string).unwrap_or_default();
    // Reports are off, because the collector would count them among the events that it stores.
    let builder = Client::builder(to).shard_events(2 * UNDER_WAY as usize).report_interval(None);
    let client = builder.build().map_err(|e| wrong(&e))?;

    let begun = Instant::now();
    let late = || begun.elapsed() > END;
    let busy = || {
        // The worker counts datagrams after it has sent them, so more may have been received than `sent` says.
        let sent = client.totals().datagrams;
        let in_socket = sent.saturating_sub(received.load(Ordering::Relaxed));
        client.ledger().in_flight > UNDER_WAY || in_socket > IN_SOCKET
    };
    let record = || {
        for i in 0..events {
            let took = Duration::from_micros(i & 0xffff);
            client.timing(TIMING, took).tags(TAGS).record();
            while i % LOOK == 0 && busy() && !late() {
                thread::yield_now();
            }
        }
    };
    together((0..threads).map(|_| record));
    client.flush(END).map_err(|e| wrong(&e))?;
    let sent = client.totals().datagrams;
    while received.load(Ordering::Relaxed) < sent && !late() {
        thread::yield_now();
    }
    let taken = begun.elapsed();

    let stored = timings(&collector.stop(16));
    if stored != threads * events {
        let (ledger, events) = (client.ledger(), threads * events);
        return Err(Undelivered(format!("{stored} of {events} arrived: {ledger:?}")));
    }
    Ok(taken)
}

/// The name of the events.
pub const TIMING: &str = "http.request.duration";

/// How many of these events a collector has stored. It also stores who the client is, so its count of records is higher.
#[must_use]
pub fn timings(report: &Report) -> u64 {
    report.series.iter().filter(|s| s.name == TIMING).map(|s| s.value as u64).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn everything_arrives_from_one_thread_and_from_two() {
        assert!(super::deliver(1, 2000).is_ok_and(|taken| !taken.is_zero()));
        super::deliver(2, 20_000).unwrap();
    }
}
