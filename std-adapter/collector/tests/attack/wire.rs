//! A collector on loopback, and datagrams to send to it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use ringstat_collector::{Limits, Running, Server, ServerConfig};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::wire::Encoder;

/// The time limit for things that take milliseconds unless something is wrong.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Starts a collector on free ports.
pub(crate) fn collector(limits: Limits) -> Running {
    let any: SocketAddr = ([127, 0, 0, 1], 0).into();
    Server::start(ServerConfig {
        udp: vec![any],
        http: Some(any),
        limits,
        ..ServerConfig::default()
    })
    .unwrap()
}

/// Returns a datagram of `sender` that adds 1 to the counter `genuine`.
pub(crate) fn datagram(sender: u64, sequence: u32) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let header = Header { sender, sequence, epoch: 1, ..Header::default() };
    let mut open = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap();
    let event: Event = Event::new(Kind::Counter, "genuine".into(), 1u8.into(), 0).unwrap();
    open.event(&event, &NoNames).unwrap();
    let length = open.finish(false);
    buf.truncate(length);
    buf
}

/// A well-behaved sender with a real socket.
pub(crate) struct Genuine {
    socket: UdpSocket,
    sequence: u32,
}

impl Genuine {
    pub(crate) const ID: u64 = 0x6e75;

    pub(crate) fn new(to: &Running) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(to.udp()[0]).unwrap();
        Self { socket, sequence: 0 }
    }

    pub(crate) fn send(&mut self) {
        // This fails once the collector has stopped.
        let _ = self.socket.send(&datagram(Self::ID, self.sequence));
        self.sequence += 1;
    }

    /// Waits until `/metrics` shows exactly what was sent.
    pub(crate) fn is_exact(&self, collector: &Running) {
        let expected = format!("genuine_total{{sender=\"{:016x}\"}} {}\n", Self::ID, self.sequence);
        let mut text = String::new();
        until(|| {
            text = get(collector.http().unwrap(), "/metrics");
            text.contains(&expected)
        });
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
}

/// Waits for a condition until the time limit. The caller checks it again.
pub(crate) fn until(mut is: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a request, and returns the answer with head and body, up to the end of the connection.
pub(crate) fn ask(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A server that closes while data is still on its way to it may reset the connection after its answer.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

pub(crate) fn get(at: SocketAddr, path: &str) -> String {
    ask(at, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
}
