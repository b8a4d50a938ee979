//! Passes datagrams between receiving threads: one that arrives at the wrong thread is handed to the thread that owns its
//! sender.
//!
//! Where the kernel chooses the socket by sender, this is rare: it happens only when one train of segments holds
//! datagrams of several senders. Elsewhere every datagram arrives at one thread, which hands on all but its own share. No
//! thread waits for another: when all slots are taken, the datagram is dropped and counted.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringstat_core::ring::boxed;
use ringstat_core::ring::mpmc::{Cell, Ring};

use super::waker::Waker;

/// The number of datagrams that may wait.
const CAPACITY: usize = 512;

/// A queue of slot indices: of the slots that hold a datagram, or of those that are free.
type SlotIndices = Ring<u32, Box<[Cell<u32>]>>;

/// The queue of datagrams that other threads hand to one thread.
#[derive(Debug)]
pub(super) struct Handoff {
    /// A slot belongs to whoever has taken its index from one of the queues, so its lock is never contended.
    slots: Vec<Mutex<Forwarded>>,
    free: SlotIndices,
    full: SlotIndices,
    /// Whether the thread sleeps.
    asleep: AtomicBool,
    waker: Waker,
}

/// A datagram, the number of the address that it was sent to, and its source.
#[derive(Default, Debug)]
pub(super) struct Forwarded {
    pub(super) datagram: Vec<u8>,
    pub(super) to: usize,
    pub(super) from: Option<SocketAddr>,
}

impl Handoff {
    pub(super) fn new() -> std::io::Result<Self> {
        let free = Ring::new(boxed(CAPACITY));
        // The ring has as many slots as there are indices.
        (0..CAPACITY as u32).for_each(|n| _ = free.push(n));
        Ok(Self {
            slots: (0..CAPACITY).map(|_| Mutex::default()).collect(),
            free,
            full: Ring::new(boxed(CAPACITY)),
            asleep: AtomicBool::new(false),
            waker: Waker::new()?,
        })
    }

    /// Adds a datagram. Returns whether a slot was free.
    pub(super) fn put(&self, datagram: &[u8], to: usize, from: SocketAddr) -> bool {
        let Some(index) = self.free.pop() else { return false };
        {
            let mut forwarded = self.slot(index);
            forwarded.datagram.clear();
            forwarded.datagram.extend_from_slice(datagram);
            (forwarded.to, forwarded.from) = (to, Some(from));
        }
        let put = self.full.push(index).is_ok();
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
        put
    }

    /// Passes the waiting datagrams to `each`, up to [`CAPACITY`] at a time, and returns how many.
    pub(super) fn take(&self, mut each: impl FnMut(&Forwarded)) -> usize {
        let next = || self.full.pop();
        std::iter::from_fn(next)
            .take(CAPACITY)
            .map(|index| {
                each(&self.slot(index));
                // There is room, since the index was taken from there.
                let _ = self.free.push(index);
            })
            .count()
    }

    /// Sleeps until a datagram is added or arrives at one of the thread's sockets, for at most `limit`.
    pub(super) fn wait<'s>(&self, sockets: impl Iterator<Item = &'s UdpSocket>, limit: Duration) {
        self.asleep.store(true, Ordering::SeqCst);
        if self.full.is_empty() {
            self.waker.wait(sockets, limit);
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn slot(&self, index: u32) -> MutexGuard<'_, Forwarded> {
        self.slots[index as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_taken_once_and_the_rest_is_refused() {
        let handoff = Handoff::new().unwrap();
        let from = ([127, 0, 0, 1], 1).into();
        let put =
            (0..2 * CAPACITY as u64).filter(|n| handoff.put(&n.to_le_bytes(), 3, from)).count();
        assert_eq!(put, CAPACITY);
        let long = Duration::from_secs(600);
        // Something is waiting, so it does not sleep.
        handoff.wait(std::iter::empty(), long);
        let mut taken = Vec::new();
        let mut take = || {
            handoff.take(|forwarded| {
                assert_eq!((forwarded.to, forwarded.from), (3, Some(from)));
                taken.push(u64::from_le_bytes(forwarded.datagram[..].try_into().unwrap()));
            })
        };
        assert_eq!((take(), take()), (CAPACITY, 0));
        assert!(taken.into_iter().eq(0..CAPACITY as u64));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !handoff.asleep.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                assert!(handoff.put(b"x", 0, from));
            });
            handoff.wait(std::iter::empty(), long);
        });
        assert_eq!(handoff.take(|_| {}), 1);
    }
}
