//! Passes datagrams between threads, when they came to another thread than the one that owns their sender.
//!
//! If the kernel chooses the socket by sender, there are few: those of several senders in one train of segments.
//! Otherwise it is all of them but the share of one thread. No thread waits for another: datagrams without a place are
//! counted.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringstat_core::ring::boxed;
use ringstat_core::ring::mpmc::{Cell, Ring};

use super::wait::Bell;

/// The number of datagrams that may wait.
const PLACES: usize = 512;

/// The numbers of places: of those that hold something, or of those that are free.
type Numbers = Ring<u32, Box<[Cell<u32>]>>;

/// The datagrams that wait for one thread.
#[derive(Debug)]
pub(super) struct Inbox {
    /// A place belongs to whoever has taken its number off a ring, so its lock is never contended.
    places: Vec<Mutex<Letter>>,
    free: Numbers,
    full: Numbers,
    /// Whether the thread sleeps.
    asleep: AtomicBool,
    bell: Bell,
}

/// A datagram, the number of the address that it was sent to, and its source.
#[derive(Default, Debug)]
pub(super) struct Letter {
    pub(super) datagram: Vec<u8>,
    pub(super) to: usize,
    pub(super) from: Option<SocketAddr>,
}

impl Inbox {
    pub(super) fn new() -> std::io::Result<Self> {
        let free = Ring::new(boxed(PLACES));
        // The ring has as many places as there are numbers.
        (0..PLACES as u32).for_each(|n| _ = free.push(n));
        Ok(Self {
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
            free,
            full: Ring::new(boxed(PLACES)),
            asleep: AtomicBool::new(false),
            bell: Bell::new()?,
        })
    }

    /// Puts a datagram in. Returns whether there was a place.
    pub(super) fn put(&self, datagram: &[u8], to: usize, from: SocketAddr) -> bool {
        let Some(number) = self.free.pop() else { return false };
        {
            let mut letter = self.place(number);
            letter.datagram.clear();
            letter.datagram.extend_from_slice(datagram);
            (letter.to, letter.from) = (to, Some(from));
        }
        let put = self.full.push(number).is_ok();
        if self.asleep.swap(false, Ordering::SeqCst) {
            self.bell.ring();
        }
        put
    }

    /// Takes the datagrams that are there, up to the number of places at a time, and returns how many.
    pub(super) fn take(&self, mut each: impl FnMut(&Letter)) -> usize {
        let next = || self.full.pop();
        std::iter::from_fn(next)
            .take(PLACES)
            .map(|number| {
                each(&self.place(number));
                // There is room, since the number was taken from there.
                let _ = self.free.push(number);
            })
            .count()
    }

    /// Sleeps until something is put in or arrives at one of the thread's sockets, for at most `limit`.
    pub(super) fn wait<'s>(&self, sockets: impl Iterator<Item = &'s UdpSocket>, limit: Duration) {
        self.asleep.store(true, Ordering::SeqCst);
        if self.full.is_empty() {
            self.bell.wait(sockets, limit);
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    fn place(&self, number: u32) -> MutexGuard<'_, Letter> {
        self.places[number as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_taken_once_and_the_rest_is_refused() {
        let inbox = Inbox::new().unwrap();
        let from = ([127, 0, 0, 1], 1).into();
        let put = (0..2 * PLACES as u64).filter(|n| inbox.put(&n.to_le_bytes(), 3, from)).count();
        assert_eq!(put, PLACES);
        let long = Duration::from_secs(600);
        // Something is waiting, so it does not sleep.
        inbox.wait(std::iter::empty(), long);
        let mut taken = Vec::new();
        let mut take = || {
            inbox.take(|letter| {
                assert_eq!((letter.to, letter.from), (3, Some(from)));
                taken.push(u64::from_le_bytes(letter.datagram[..].try_into().unwrap()));
            })
        };
        assert_eq!((take(), take()), (PLACES, 0));
        assert!(taken.into_iter().eq(0..PLACES as u64));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !inbox.asleep.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                assert!(inbox.put(b"x", 0, from));
            });
            inbox.wait(std::iter::empty(), long);
        });
        assert_eq!(inbox.take(|_| {}), 1);
    }
}
