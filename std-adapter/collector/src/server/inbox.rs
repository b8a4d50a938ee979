//! From thread to thread: datagrams that came to another thread than the one that has their sender.
//!
//! Few, where the kernel chooses the socket by sender: those of several senders in one train of segments. Where it does
//! not, all but one in as many as there are threads. No thread waits for another: what finds no place is counted.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringstat_core::ring::boxed;
use ringstat_core::ring::mpmc::{Cell, Ring};

use super::wait::Bell;

/// Datagrams that may wait.
const PLACES: usize = 512;

/// Places by number: the ones that hold something, or the ones that do not.
type Numbers = Ring<u32, Box<[Cell<u32>]>>;

/// What waits for one thread.
#[derive(Debug)]
pub(super) struct Inbox {
    /// A place belongs to whoever has taken its number off a ring, so nobody ever waits for its lock.
    places: Vec<Mutex<Letter>>,
    free: Numbers,
    full: Numbers,
    /// Whether the thread sleeps, and what wakes it.
    asleep: AtomicBool,
    bell: Bell,
}

/// A datagram, the number of the address that it came to, and where it came from.
#[derive(Default, Debug)]
pub(super) struct Letter {
    pub(super) datagram: Vec<u8>,
    pub(super) to: usize,
    pub(super) from: Option<SocketAddr>,
}

impl Inbox {
    pub(super) fn new() -> std::io::Result<Self> {
        let free = Ring::new(boxed(PLACES));
        // It has as many places as there are numbers.
        (0..PLACES as u32).for_each(|n| _ = free.push(n));
        Ok(Self {
            places: (0..PLACES).map(|_| Mutex::default()).collect(),
            free,
            full: Ring::new(boxed(PLACES)),
            asleep: AtomicBool::new(false),
            bell: Bell::new()?,
        })
    }

    /// Puts a datagram in. Says whether there was a place.
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

    /// Takes what is there, as much as there is room for at a time. Returns how many.
    pub(super) fn take(&self, mut each: impl FnMut(&Letter)) -> usize {
        let next = || self.full.pop();
        std::iter::from_fn(next)
            .take(PLACES)
            .map(|number| {
                each(&self.place(number));
                // It came from there.
                let _ = self.free.push(number);
            })
            .count()
    }

    /// Sleeps until something is put in or arrives at one of the thread's sockets, or for `limit`.
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
        // There is something, so it does not sleep.
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
