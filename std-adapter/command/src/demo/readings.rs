//! This machine's own readings: processor, memory, load, network and disks, through the crate `sysinfo`.
//!
//! Levels are gauges and amounts are counters. They are made at run time, since nobody knows beforehand which
//! interfaces and disks exist; each is looked up once and its handle kept.

use std::collections::HashMap;

use ringstat_std::{Client, OwnedCounter, OwnedGauge};
use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, Networks, RefreshKind, System};

/// What this machine lets itself be asked, and where the answers go.
pub(crate) struct Readings<'a> {
    client: &'a Client,
    system: System,
    networks: Networks,
    disks: Disks,
    gauges: HashMap<(&'static str, String), OwnedGauge>,
    counters: HashMap<(&'static str, String), OwnedCounter>,
}

impl<'a> Readings<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_cpu_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram().with_swap());
        Self {
            client,
            system: System::new_with_specifics(what),
            networks: Networks::new_with_refreshed_list(),
            disks: Disks::new_with_refreshed_list(),
            gauges: HashMap::new(),
            counters: HashMap::new(),
        }
    }

    /// Takes all readings and records them.
    pub(crate) fn record(&mut self) {
        let mut levels: Vec<(&'static str, &'static str, String, f64)> = Vec::new();
        let mut amounts: Vec<(&'static str, &'static str, String, u64)> = Vec::new();
        let system = &mut self.system;
        system.refresh_cpu_usage();
        system.refresh_memory();
        let cpus = system.cpus().iter().enumerate();
        levels
            .extend(cpus.map(|(i, c)| ("cpu.percent", "cpu", i.to_string(), c.cpu_usage().into())));
        for (state, bytes) in [
            ("total", system.total_memory()),
            ("used", system.used_memory()),
            ("available", system.available_memory()),
            ("swap", system.used_swap()),
        ] {
            levels.push(("memory.bytes", "state", state.into(), bytes as f64));
        }
        // Windows has none.
        if cfg!(unix) {
            let load = System::load_average();
            for (over, load) in [("1m", load.one), ("5m", load.five), ("15m", load.fifteen)] {
                levels.push(("load", "over", over.into(), load));
            }
        }
        self.networks.refresh(true);
        for (name, link) in &self.networks {
            let received = link.received();
            amounts.push(("network.received.bytes", "interface", name.clone(), received));
            amounts.push(("network.sent.bytes", "interface", name.clone(), link.transmitted()));
        }
        self.disks.refresh(true);
        for disk in &self.disks {
            let mount = disk.mount_point().display().to_string();
            let used = disk.total_space().saturating_sub(disk.available_space());
            let usage = disk.usage();
            levels.push(("disk.used.bytes", "mount", mount.clone(), used as f64));
            amounts.push(("disk.read.bytes", "mount", mount.clone(), usage.read_bytes));
            amounts.push(("disk.written.bytes", "mount", mount, usage.written_bytes));
        }
        for (name, key, value, level) in levels {
            let made = self.gauges.entry((name, value));
            let of =
                |(name, value): &(&'static str, String)| self.client.gauge(name, &[(key, value)]);
            made.or_insert_with_key(of).set(level);
        }
        for (name, key, value, amount) in amounts {
            let made = self.counters.entry((name, value));
            let of =
                |(name, value): &(&'static str, String)| self.client.counter(name, &[(key, value)]);
            made.or_insert_with_key(of).add(amount);
        }
    }
}
