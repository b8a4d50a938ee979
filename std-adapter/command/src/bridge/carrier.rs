//! One port of a bridge: opened again whenever it comes back, with a UDP socket of its own, so that answers find it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ringstat_core::format::PAYLOAD_MAX;
use ringstat_core::wire::MAGIC;
use ringstat_core::wire::frame::{self, Deframer};
use serde::Serialize;

/// How long a read waits before it looks whether all is over.
const LOOK: Duration = Duration::from_millis(50);
/// How long to wait for a port that is not there.
const AWAY: Duration = Duration::from_millis(250);
/// More than the frame of the longest datagram.
const FRAME: usize = 66_000;

/// Where frames come from.
#[derive(Debug)]
enum Place {
    Serial { port: String, baud: u32 },
    File(PathBuf),
}

/// Carries one port.
#[derive(Debug)]
pub(crate) struct Carrier {
    place: Place,
    opened: u64,
    datagrams: u64,
    damaged: u64,
    unsent: u64,
    answers: AtomicU64,
}

/// What a port has carried.
#[derive(Serialize, Debug)]
pub(crate) struct Report {
    pub(crate) port: String,
    /// How often it was opened.
    pub(crate) opened: u64,
    /// Datagrams from the chip that went to the collector.
    pub(crate) datagrams: u64,
    /// What came between two delimiters and was no datagram.
    pub(crate) damaged: u64,
    /// Datagrams that the machine did not take, for instance since nobody listens.
    pub(crate) unsent: u64,
    /// Answers from the collector that were written to the port.
    pub(crate) answers: u64,
}

/// A socket that only the collector reaches.
pub(crate) fn socket(to: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(LOOK))?;
    Ok(socket)
}

impl Carrier {
    pub(crate) fn serial(port: &str, baud: u32) -> Self {
        Self::new(Place::Serial { port: port.into(), baud })
    }

    pub(crate) fn file(path: &Path) -> Self {
        Self::new(Place::File(path.into()))
    }

    fn new(place: Place) -> Self {
        let answers = AtomicU64::new(0);
        Self { place, opened: 0, datagrams: 0, damaged: 0, unsent: 0, answers }
    }

    /// Carries until `ended`, or until a file is read to its end.
    pub(crate) fn run(mut self, socket: &UdpSocket, ended: &AtomicBool) -> Report {
        let mut deframer: Box<Deframer<FRAME>> = Box::default();
        while !ended.load(Ordering::Relaxed) {
            match self.open() {
                Ok((mut read, Some(write))) => {
                    self.opened += 1;
                    let gone = AtomicBool::new(false);
                    let answers = std::mem::take(&mut self.answers);
                    let over = || gone.load(Ordering::Relaxed) || ended.load(Ordering::Relaxed);
                    std::thread::scope(|scope| {
                        scope.spawn(|| write_back(socket, write, &answers, over));
                        self.read(&mut read, socket, &mut deframer, ended);
                        gone.store(true, Ordering::Relaxed);
                    });
                    self.answers = answers;
                }
                Ok((mut read, None)) => {
                    self.opened += 1;
                    self.read(&mut read, socket, &mut deframer, ended);
                    break;
                }
                Err(_) => std::thread::sleep(AWAY),
            }
            // What came before the port went away is not the beginning of what comes after.
            self.damaged += deframer.damaged();
            *deframer = Deframer::new();
        }
        let port = match self.place {
            Place::Serial { port, .. } => port,
            Place::File(path) => path.display().to_string(),
        };
        Report {
            port,
            opened: self.opened,
            datagrams: self.datagrams,
            damaged: self.damaged + deframer.damaged(),
            unsent: self.unsent,
            answers: self.answers.into_inner(),
        }
    }

    #[expect(clippy::type_complexity, reason = "two ends, of which one may be missing")]
    fn open(&self) -> io::Result<(Box<dyn Read>, Option<Box<dyn Write + Send>>)> {
        Ok(match &self.place {
            Place::Serial { port, baud } => {
                let port = serialport::new(port, *baud).timeout(LOOK).open()?;
                let write = port.try_clone()?;
                (Box::new(port), Some(Box::new(write)))
            }
            Place::File(path) if path.as_os_str() == "-" => (Box::new(io::stdin()), None),
            Place::File(path) => (Box::new(File::open(path)?), None),
        })
    }

    /// Reads until the port is gone.
    fn read(
        &mut self,
        port: &mut dyn Read,
        socket: &UdpSocket,
        deframer: &mut Deframer<FRAME>,
        ended: &AtomicBool,
    ) {
        let mut bytes = [0; 4096];
        while !ended.load(Ordering::Relaxed) {
            let read = match port.read(&mut bytes) {
                Ok(0) => return,
                Ok(read) => read,
                Err(e) if matches!(e.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                    continue;
                }
                Err(_) => return,
            };
            for byte in &bytes[..read] {
                let Some(datagram) = deframer.feed(*byte) else { continue };
                if !datagram.starts_with(&MAGIC) || datagram.len() > PAYLOAD_MAX {
                    self.damaged += 1;
                } else if socket.send(datagram).or_else(|_| socket.send(datagram)).is_ok() {
                    // A connected socket tells with the next one that nobody took the one before; hence the second try.
                    self.datagrams += 1;
                } else {
                    self.unsent += 1;
                }
            }
        }
    }
}

/// Writes the collector's answers to the port.
fn write_back(
    socket: &UdpSocket,
    mut port: Box<dyn Write + Send>,
    answers: &AtomicU64,
    over: impl Fn() -> bool,
) {
    let mut answer = [0; 2048];
    let mut framed = [0; frame::len(2048)];
    while !over() {
        let Ok(length) = socket.recv(&mut answer) else { continue };
        let Some(length) = frame::write(&answer[..length], &mut framed) else { continue };
        if port.write_all(&framed[..length]).is_ok() {
            answers.fetch_add(1, Ordering::Relaxed);
        }
    }
}
