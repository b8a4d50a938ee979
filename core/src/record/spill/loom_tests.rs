//! Checks with loom that no two parties ever access a block together, whatever the interleaving. The mutants in
//! `.ci/loom` show that these models can fail.

use core::ops::Range;
use std::println;

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::claims::{Claim, Clear, find, free, park, park_found, reopen, take};
use crate::sync::{AtomicU32, Ordering};

/// Blocks whose bytes loom watches, so that concurrent or unordered accesses are found.
struct Watched {
    claims: [Claim; 2],
    cursor: AtomicU32,
    bytes: [UnsafeCell<u32>; 2],
}

// SAFETY: that the claims keep the parties apart is what is being checked.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn new() -> Self {
        Self {
            claims: [Claim::new(), Claim::new()],
            cursor: AtomicU32::new(0),
            bytes: [UnsafeCell::new(0), UnsafeCell::new(0)],
        }
    }

    fn write(&self, run: Range<usize>, value: u32) {
        // SAFETY: the run belongs to this party; loom checks it.
        run.for_each(|i| self.bytes[i].with_mut(|p| unsafe { *p = value }));
    }

    fn read(&self, index: usize) -> u32 {
        // SAFETY: as above.
        self.bytes[index].with(|p| unsafe { *p })
    }

    /// Opens a run by its stamp, reads it and frees it. Returns its contents.
    fn consume(&self, first: usize, count: usize, stamp: u32) -> Option<u32> {
        reopen(&self.claims, first, stamp).then(|| {
            let value = self.read(first);
            free(&self.claims, first..first + count);
            value
        })
    }

    fn all_free(&self) -> bool {
        self.claims.iter().all(Claim::is_free)
    }
}

/// Runs `scenario` under loom and asserts that it was explored at least `least` times.
fn model(least: usize, scenario: impl Fn() + Sync + Send + 'static) {
    use std::sync::atomic::AtomicUsize as Count;
    use std::sync::atomic::Ordering::SeqCst;
    let iterations = std::sync::Arc::new(Count::new(0));
    let counted = iterations.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        scenario();
    });
    let iterations = iterations.load(SeqCst);
    println!("explored {iterations} times");
    assert!(iterations >= least, "explored only {iterations} times");
}

#[test]
fn spill_recorder_and_sender_never_touch_a_block_together() {
    model(100, || {
        let memory = Arc::new(Watched::new());
        // Passes on the stamp and nothing more: the claim alone has to make the bytes visible.
        let told = Arc::new(AtomicU32::new(0));
        let recording = {
            let (memory, told) = (memory.clone(), told.clone());
            thread::spawn(move || {
                for value in [7, 8] {
                    if let Some(run) = take(&memory.claims[..1], &memory.cursor, 1) {
                        memory.write(run, value);
                        told.store(park(&memory.claims, 0), Ordering::Relaxed);
                    }
                }
            })
        };
        let sending = {
            let (memory, told) = (memory.clone(), told.clone());
            thread::spawn(move || {
                for _ in 0..2 {
                    let stamp = told.load(Ordering::Relaxed);
                    if reopen(&memory.claims, 0, stamp) {
                        assert!(memory.read(0) >= 7);
                        // The datagram was full: the run is parked again for the next one.
                        assert_eq!(park(&memory.claims, 0), stamp);
                        assert!(memory.consume(0, 1, stamp).is_some_and(|value| value >= 7));
                    }
                }
            })
        };
        recording.join().unwrap();
        sending.join().unwrap();
        memory.consume(0, 1, told.load(Ordering::Relaxed));
        assert!(memory.all_free());
    });
}

/// As the first, but the recorder owns the memory and takes both blocks without a compare-and-swap, by `write`, which
/// returns the stamp. The second time it has to have seen both given back.
fn owned(write: fn(&Watched, u32) -> Option<u32>) {
    model(100, move || {
        let memory = Arc::new(Watched::new());
        let told = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        let recording = {
            let (memory, told) = (memory.clone(), told.clone());
            thread::spawn(move || {
                for (told, value) in told.iter().zip([7, 8]) {
                    if let Some(stamp) = write(&memory, value) {
                        told.store(stamp, Ordering::Relaxed);
                    }
                }
            })
        };
        let sending = {
            let (memory, told) = (memory.clone(), told.clone());
            thread::spawn(move || {
                for told in told.iter() {
                    let stamp = told.load(Ordering::Relaxed);
                    if reopen(&memory.claims, 0, stamp) {
                        assert_eq!(memory.read(0), memory.read(1));
                        free(&memory.claims, 0..2);
                    }
                }
            })
        };
        recording.join().unwrap();
        sending.join().unwrap();
        for told in told.iter() {
            memory.consume(0, 2, told.load(Ordering::Relaxed));
        }
        assert!(memory.all_free());
    });
}

#[test]
fn spill_owner_and_sender_never_touch_a_block_together() {
    owned(|memory, value| {
        let first = find(&memory.claims, &memory.cursor, 2)?;
        memory.write(first..first + 2, value);
        Some(park_found(&memory.claims, first, 2))
    });
}

/// The same where the next blocks are free, as they usually are.
#[test]
fn spill_owner_takes_what_is_at_hand_but_nothing_that_is_being_read() {
    owned(|memory, value| {
        memory.cursor.store(0, Ordering::Relaxed);
        let clear = Clear::next(&memory.claims, &memory.cursor, 2)?;
        memory.write(clear.first..clear.first + 2, value);
        Some(clear.park())
    });
}

#[test]
fn spill_two_recorders_share_what_there_is() {
    model(100, || {
        let memory = Arc::new(Watched::new());
        let told = Arc::new(Mutex::new(std::vec::Vec::new()));
        let parties: [_; 2] = core::array::from_fn(|i| {
            let (memory, told) = (memory.clone(), told.clone());
            thread::spawn(move || {
                // One party wants one block, the other both.
                if let Some(run) = take(&memory.claims, &memory.cursor, 1 + i) {
                    memory.write(run.clone(), i as u32);
                    let stamp = park(&memory.claims, run.start);
                    told.lock().unwrap().push((run, stamp, i as u32));
                }
            })
        });
        parties.into_iter().for_each(|party| party.join().unwrap());
        for (run, stamp, value) in told.lock().unwrap().drain(..) {
            assert_eq!(memory.consume(run.start, run.len(), stamp), Some(value));
        }
        assert!(memory.all_free());
    });
}

#[test]
fn spill_a_stamp_that_two_hold_opens_for_one() {
    model(10, || {
        let memory = Arc::new(Watched::new());
        let stamp = {
            let run = take(&memory.claims, &memory.cursor, 2).unwrap();
            memory.write(run, 5);
            park(&memory.claims, 0)
        };
        let parties: [_; 2] = core::array::from_fn(|_| {
            let memory = memory.clone();
            thread::spawn(move || {
                let opened = reopen(&memory.claims, 0, stamp);
                if opened {
                    memory.write(0..2, 6);
                    free(&memory.claims, 0..2);
                }
                u32::from(opened)
            })
        });
        let opened: u32 = parties.into_iter().map(|party| party.join().unwrap()).sum();
        assert_eq!(opened, 1);
        assert!(memory.all_free());
    });
}
