//! Threads that take what the load needs: processors, or memory.

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Threads for each processor.
const CROWD: usize = 4;
/// What is filled and freed at once. The allocator gives such blocks back to the system.
const BLOCK: usize = 64 << 20;
/// The most that is held at a time.
const MEMORY_MAX: u64 = 1 << 30;
/// Threads that fill memory.
const FILLERS: usize = 2;

/// Threads that compete with the load until this is dropped.
#[derive(Debug)]
pub(super) struct Pressure {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pressure {
    /// Takes the processors.
    pub(super) fn cpu() -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::of(cores * CROWD, |stop| {
            let mut n = 0u64;
            while !stop.load(Ordering::Relaxed) {
                n = black_box(n.wrapping_mul(31).wrapping_add(1));
            }
        })
    }

    /// Fills memory and frees it again, a block at a time.
    pub(super) fn memory() -> Self {
        let held = (available().unwrap_or(MEMORY_MAX) / 4).min(MEMORY_MAX);
        let blocks = (held as usize / BLOCK / FILLERS).max(1);
        Self::of(FILLERS, move |stop| {
            let mut held = VecDeque::new();
            while !stop.load(Ordering::Relaxed) {
                // Every page of it is written to, so that the system has to find one.
                held.push_back(black_box(vec![1u8; BLOCK]));
                if held.len() > blocks {
                    held.pop_front();
                }
            }
        })
    }

    fn of(count: usize, work: impl Fn(&AtomicBool) + Clone + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let one = |_| {
            let (stop, work) = (stop.clone(), work.clone());
            thread::spawn(move || work(&stop))
        };
        let threads = (0..count).map(one).collect();
        Self { stop, threads }
    }
}

impl Drop for Pressure {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // They do not panic, and there is nothing to do if one did.
            let _ = thread.join();
        }
    }
}

/// The memory that programs can have without anything being swapped, in bytes.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
