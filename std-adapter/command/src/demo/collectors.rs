//! The demo's collector, which `--fault restart` stops and replaces.

use std::net::{Ipv4Addr, SocketAddr};

use ringstat_collector::{Running, ServerConfig};

use super::workload;
use crate::collect;
use crate::common::failure::{Exit, Failure, Outcome};

/// The collector, and the reports of earlier ones.
pub(super) struct Collectors {
    /// `None` while there is none.
    pub(super) running: Option<Running>,
    udp: SocketAddr,
    http: Option<SocketAddr>,
    /// Critical events stored by earlier collectors.
    pub(super) alarms: u64,
}

impl Collectors {
    pub(super) fn start(http: SocketAddr) -> Result<Self, Failure> {
        let running = Self::open((Ipv4Addr::LOCALHOST, 0).into(), http)?;
        let udp = running.udp().first().copied();
        let udp = udp.ok_or_else(|| Failure::new(Exit::Environment, "no address to send to"))?;
        let http = running.http();
        Ok(Self { running: Some(running), udp, http, alarms: 0 })
    }

    fn open(udp: SocketAddr, http: SocketAddr) -> Result<Running, Failure> {
        collect::start(ServerConfig { udp: vec![udp], http: Some(http), ..ServerConfig::default() })
    }

    /// The address to which clients send.
    pub(super) fn address(&self) -> String {
        self.udp.to_string()
    }

    /// The URL of the page.
    pub(super) fn page(&self) -> String {
        self.http.map(|at| format!("http://{at}/")).unwrap_or_default()
    }

    /// Stops the collector, or starts another one in its place.
    pub(super) fn be_gone(&mut self, gone: bool) -> Outcome {
        match (gone, self.running.take()) {
            (true, Some(running)) => {
                self.alarms += alarms(&running.stop(usize::MAX));
            }
            (false, None) => {
                let http = self.http.unwrap_or((Ipv4Addr::LOCALHOST, 0).into());
                self.running = Some(Self::open(self.udp, http)?);
            }
            (_, as_it_is) => self.running = as_it_is,
        }
        Ok(())
    }
}

/// The number of critical events that a collector has stored.
pub(super) fn alarms(report: &ringstat_collector::Report) -> u64 {
    let stored = report.series.iter().filter(|s| s.name == workload::ALARM);
    stored.map(|s| s.value as u64).sum()
}
