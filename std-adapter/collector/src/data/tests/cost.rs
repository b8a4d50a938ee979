//! What keeping costs while datagrams come as fast as they are taken.
//!
//! `cargo test --profile stress -p ringstat-collector --lib what_keeping_costs -- --ignored --nocapture`

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use ringstat_core::record::Kind;

use super::super::keeper::ShardsMut;
use super::wire::{Says, datagram};
use super::*;

struct Shard {
    collector: Mutex<Collector>,
    /// As in the server: whoever receives goes first.
    wanted: AtomicBool,
    begun: Instant,
}

impl ShardsMut for Shard {
    fn count(&self) -> usize {
        1
    }

    fn change<T>(&self, _: usize, work: impl FnOnce(&mut Collector) -> T) -> T {
        while self.wanted.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        work(&mut self.collector.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn now_ms(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }
}

fn cpu_seconds() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    seconds(usage.user_time()) + seconds(usage.system_time())
}

/// Datagrams of 100 senders with 1000 series each, whose sequence numbers are written in as they go.
fn datagrams() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for chunk in 0..20u8 {
        for sender in 0..100 {
            let says: Vec<_> = (0..50)
                .map(|n| Says::Event(Kind::Counter, chunk.wrapping_mul(50).wrapping_add(n), 1))
                .collect();
            all.push(datagram(sender, (1, u32::from(chunk)), None, &says));
        }
    }
    all
}

#[test]
#[ignore = "a measurement, for a quiet machine"]
fn what_keeping_costs() {
    let datagrams = datagrams();
    for keeps in [false, true, false, true] {
        let dir = directory();
        let opened = open(dir.path(), 1).unwrap();
        let Opened { mut collectors, keeper, .. } = opened;
        let collector =
            if keeps { collectors.swap_remove(0) } else { Collector::new(Limits::default()) };
        let shard = Arc::new(Shard {
            collector: Mutex::new(collector),
            wanted: AtomicBool::new(false),
            begun: Instant::now(),
        });
        let shared = keeper.shared().clone();
        let keeper_threads = keeps.then(|| keeper.start(&shard).unwrap());
        let (begun, before) = (Instant::now(), cpu_seconds());
        let (mut records, mut round, mut longest) = (0u64, 0u32, Duration::ZERO);
        while begun.elapsed() < Duration::from_secs(6) {
            for datagram in &datagrams {
                let waits = Instant::now();
                let mut collector = match shard.collector.try_lock() {
                    Ok(collector) => collector,
                    Err(_) => {
                        shard.wanted.store(true, Ordering::Relaxed);
                        let collector = shard.collector.lock().unwrap();
                        shard.wanted.store(false, Ordering::Relaxed);
                        longest = longest.max(waits.elapsed());
                        collector
                    }
                };
                // Another number each time, with its checksum: a copy would not be stored.
                let mut fresh = datagram.clone();
                let number = u32::from_le_bytes(fresh[16..20].try_into().unwrap()) + round * 20;
                fresh[16..20].copy_from_slice(&number.to_le_bytes());
                let end = fresh.len() - 4;
                let sum = crc32fast::hash(&fresh[..end]);
                fresh[end..].copy_from_slice(&sum.to_le_bytes());
                collector.receive(&fresh, begun.elapsed().as_millis() as u64);
                records += 50;
            }
            round += 1;
        }
        let (wall, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - before);
        let counts = shared.status().counts();
        let collector = shard.collector.lock().unwrap();
        assert_eq!(collector.counts().stored, records);
        println!(
            "keeps: {keeps}, {} series: {:.2} million records/s, {:.1} ns of CPU a record in all threads; {} commits, {:.1} MB/s, longest wait {longest:.0?}",
            collector.store().len(),
            records as f64 / wall / 1e6,
            cpu / records as f64 * 1e9,
            counts.commits,
            counts.bytes as f64 / wall / 1e6,
        );
        drop(collector);
        if let Some(keeper_threads) = keeper_threads {
            assert!(keeper_threads.end());
        }
    }
}
