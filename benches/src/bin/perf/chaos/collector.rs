//! The collector at the other end of the load.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ringstat_benches::path::timings;
use ringstat_collector::{DataConfig, Running, Server, ServerConfig};

use crate::failure::{Exit, Failure};

/// A collector that can be stopped and started again.
pub(super) struct RestartableCollector {
    running: Option<Running>,
    pub(super) address: SocketAddr,
    data: Option<DataConfig>,
    /// Events that earlier collectors stored.
    before: u64,
}

impl RestartableCollector {
    pub(super) fn start(data: Option<DataConfig>) -> Result<Self, Failure> {
        let running = listen((Ipv4Addr::LOCALHOST, 0).into(), data.clone())?;
        let address = running.udp().first().copied();
        let address = address.ok_or_else(|| Failure::new(Exit::Environment, "no address"))?;
        Ok(Self { running: Some(running), address, data, before: 0 })
    }

    pub(super) fn events(&self) -> u64 {
        self.before + self.running.as_ref().map_or(0, |r| timings(&r.report(16)))
    }

    /// Whether its data directory, if it has one, does not take what is to be kept.
    pub(super) fn cannot_write(&self) -> bool {
        let data = self.running.as_ref().and_then(|r| r.report(0).data);
        data.is_some_and(|data| data.failing)
    }

    pub(super) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.before += timings(&running.stop(16));
        }
    }

    pub(super) fn start_again(&mut self) -> Result<(), Failure> {
        if self.running.is_none() {
            self.running = Some(listen(self.address, self.data.clone())?);
        }
        Ok(())
    }

    /// Waits until the events still in flight, out of `sent`, have arrived or are lost, and returns how many arrived in
    /// total.
    pub(super) fn finish(mut self, sent: u64) -> u64 {
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.events() < sent && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.stop();
        self.before
    }
}

fn listen(at: SocketAddr, data: Option<DataConfig>) -> Result<Running, Failure> {
    let config = ServerConfig { udp: vec![at], http: None, data, ..ServerConfig::default() };
    Server::start(config).map_err(|e| Failure::new(Exit::Environment, e))
}
