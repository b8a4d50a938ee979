//! `ringstat bridge`: carries datagrams between chips without a network and a collector.
//!
//! ```text
//!  chip ──► frames over a serial line, USB, RTT ──► carrier of the port ──► UDP ──► collector
//!   ▲─────────────── frames ◄─────────────────────────────┴── answers ◄─────────────┘
//! ```
//!
//! It looks into no datagram: what is damaged on the line is refused by its checksum, and what is missing shows in the
//! sequence numbers, so that the collector's account includes the line.

mod carrier;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use carrier::{Carrier, Report};
use serde::Serialize;

use crate::collect::when_ended;
use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;

/// The end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat bridge /dev/ttyACM0
  ringstat bridge /dev/ttyUSB0 /dev/ttyUSB1 --baud 921600 --to 192.168.0.2:8125
  probe-rs attach --chip nRF52840_xxAA firmware.elf --rtt-scan-memory > /tmp/rtt &
  ringstat bridge --rtt /tmp/rtt

A port may come and go: it is opened again as soon as it is there. What was lost on the line is missing \
in the collector's account of the sender.

Exit codes: 0 stopped with Ctrl-C, or all that was to be read was read, 2 usage, 3 no socket";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Serial ports, for instance /dev/ttyACM0 or COM3
    #[arg(value_name = "PORT", required_unless_present = "rtt")]
    ports: Vec<String>,
    /// Address of the collector
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8125")]
    to: SocketAddr,
    /// Bits a second on serial lines; USB ports do not care
    #[arg(long, value_name = "N", default_value_t = BAUD)]
    baud: u32,
    /// File or pipe to read frames from, such as what a debug probe reads by RTT; nothing is written back
    #[arg(long, value_name = "FILE")]
    rtt: Vec<PathBuf>,
    /// Print what was carried, at the end, as one line of JSON
    #[arg(long)]
    json: bool,
}

/// What serial lines usually run at.
pub(crate) const BAUD: u32 = 115_200;

/// What was carried, port by port.
#[derive(Serialize, Debug)]
struct Carried {
    ports: Vec<Report>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let ended = when_ended()?;
    let mut bridge = Bridge::new(args.to);
    for port in &args.ports {
        bridge.carry(Carrier::serial(port, args.baud))?;
    }
    for file in &args.rtt {
        bridge.carry(Carrier::file(file))?;
    }
    // Files end by themselves; ports only with a signal.
    while !bridge.is_done() {
        if ended.recv_timeout(std::time::Duration::from_millis(100)).is_ok() {
            break;
        }
    }
    let carried = Carried { ports: bridge.end() };
    if args.json {
        report::print(&carried, true, false)?;
        return Ok(());
    }
    for port in &carried.ports {
        println!(
            "{}: {} datagrams, {} damaged frames, {} answers, opened {} times",
            port.port, port.datagrams, port.damaged, port.answers, port.opened
        );
    }
    Ok(())
}

/// Ports that are carried to one collector, a thread each.
#[derive(Debug)]
pub(crate) struct Bridge {
    to: SocketAddr,
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Report>>,
}

impl Bridge {
    /// A bridge to the collector at that address.
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self { to, ended: Arc::default(), threads: Vec::new() }
    }

    /// Carries a serial port, which need not be there yet.
    pub(crate) fn serial(&mut self, port: &str, baud: u32) -> Outcome {
        self.carry(Carrier::serial(port, baud))
    }

    fn carry(&mut self, carrier: Carrier) -> Outcome {
        let cannot =
            |e| Failure::new(Exit::Environment, format_args!("no way to {}: {e}", self.to));
        let socket = carrier::socket(self.to).map_err(cannot)?;
        let ended = self.ended.clone();
        self.threads.push(std::thread::spawn(move || carrier.run(&socket, &ended)));
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Stops, and says what was carried.
    pub(crate) fn end(self) -> Vec<Report> {
        self.ended.store(true, Ordering::Relaxed);
        self.threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    }
}
