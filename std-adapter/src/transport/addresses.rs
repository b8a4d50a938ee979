//! The receiver's addresses, which are resolved again from time to time, but never by the worker itself.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// After a failure, a name is resolved again after this time, unless its regular interval is shorter.
const URGENT: Duration = Duration::from_secs(5);

/// An address, or a name whose addresses are tried in turn and resolved again at intervals by a short-lived thread.
#[derive(Debug)]
pub(crate) struct Addresses {
    name: String,
    /// Whether it is an address, which needs no lookup.
    literal: bool,
    known: Vec<SocketAddr>,
    /// The one that is in use.
    current: SocketAddr,
    every: Duration,
    last: Instant,
    pending: Option<Receiver<Vec<SocketAddr>>>,
}

impl Addresses {
    /// Resolves `name`, blocking, and keeps it to be resolved again every `every`.
    pub(crate) fn resolve(name: &str, every: Duration) -> io::Result<Self> {
        let known: Vec<_> = name.to_socket_addrs()?.collect();
        let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let current = *known.first().ok_or_else(none)?;
        let literal = name.parse::<SocketAddr>().is_ok();
        let last = Instant::now();
        Ok(Self { name: name.to_owned(), literal, known, current, every, last, pending: None })
    }

    /// How many addresses there are.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// The address that is in use.
    pub(crate) fn current(&self) -> SocketAddr {
        self.current
    }

    /// Resolves the name again when it is time, and takes over the result of the last lookup. Returns whether the
    /// address in use has changed, which happens when it is no longer among the name's. Never blocks.
    pub(crate) fn refresh(&mut self) -> bool {
        self.look_up(self.every);
        let Some(known) = self.answer() else { return false };
        self.known = known;
        if self.known.contains(&self.current) {
            return false;
        }
        self.next()
    }

    /// Moves on to the next address, because the one in use leads nowhere. Returns whether there is another one.
    pub(crate) fn next(&mut self) -> bool {
        self.look_up(self.every.min(URGENT));
        let at = self.known.iter().position(|a| *a == self.current);
        let next = at.map_or(0, |at| (at + 1) % self.known.len());
        let next = self.known.get(next).copied().unwrap_or(self.current);
        std::mem::replace(&mut self.current, next) != next
    }

    /// Starts a lookup if the last one was at least `every` ago.
    fn look_up(&mut self, every: Duration) {
        if self.literal || self.pending.is_some() || self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        let (sender, receiver) = channel();
        let name = self.name.clone();
        let thread = std::thread::Builder::new().name("ringstat-resolve".into());
        let spawned = thread.spawn(move || {
            if let Ok(addresses) = name.to_socket_addrs() {
                // The worker may have ended by now.
                let _ = sender.send(addresses.collect());
            }
        });
        self.pending = spawned.is_ok().then_some(receiver);
    }

    /// The result of a lookup, if one has ended and found anything.
    fn answer(&mut self) -> Option<Vec<SocketAddr>> {
        let answer = match self.pending.as_ref()?.try_recv() {
            Err(TryRecvError::Empty) => return None,
            Ok(addresses) => addresses,
            // The lookup failed, so the addresses that we have are the best we know.
            Err(TryRecvError::Disconnected) => Vec::new(),
        };
        self.pending = None;
        self.last = Instant::now();
        (!answer.is_empty()).then_some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Addresses {
        /// A name with these addresses that is never resolved again.
        pub(crate) fn of(known: Vec<SocketAddr>) -> Self {
            let mut addresses = Self::resolve("127.0.0.1:1", Duration::MAX).unwrap();
            (addresses.current, addresses.known) = (known[0], known);
            addresses
        }
    }

    /// Resolves once, and returns whether that changed the address in use.
    fn refreshed(addresses: &mut Addresses) -> bool {
        addresses.look_up(Duration::ZERO);
        assert!(addresses.pending.is_some());
        loop {
            if addresses.refresh() {
                return true;
            }
            if addresses.pending.is_none() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn a_name_that_moved_is_noticed_and_one_that_did_not_is_left_alone() {
        let mut addresses = Addresses::resolve("localhost:8125", Duration::MAX).unwrap();
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 8125));
        let first = std::mem::replace(&mut addresses.current, elsewhere);
        assert!(refreshed(&mut addresses));
        assert_eq!(addresses.current(), first);
        assert!(!refreshed(&mut addresses));
        assert_eq!(addresses.current(), first);
    }

    #[test]
    fn an_address_is_never_looked_up_and_nonsense_is_an_error() {
        let mut literal = Addresses::resolve("127.0.0.1:8125", Duration::ZERO).unwrap();
        assert!(!literal.refresh() && !literal.next());
        assert!(literal.pending.is_none());
        assert!(Addresses::resolve("no port", Duration::ZERO).is_err());
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let all = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut addresses = Addresses::of(all.to_vec());
        let tried: Vec<_> = (0..4).map(|_| (addresses.next(), addresses.current())).collect();
        assert_eq!(tried, [1, 2, 0, 1].map(|i| (true, all[i])));
    }
}
