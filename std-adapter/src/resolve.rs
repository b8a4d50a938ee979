//! Looking up the receiver's name: again and again, and never on the worker's time.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

/// The receiver: an address, or a name that is looked up again on a timer by a short-lived thread.
#[derive(Debug)]
pub(crate) struct Target {
    name: String,
    /// An address needs no lookup.
    literal: bool,
    every: Duration,
    last: Instant,
    pending: Option<Receiver<Vec<SocketAddr>>>,
}

impl Target {
    /// Looks `name` up once, blocking, and keeps it for later.
    pub(crate) fn resolve(name: String, every: Duration) -> std::io::Result<(Self, SocketAddr)> {
        let first = name.to_socket_addrs()?.next().ok_or_else(|| {
            std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")
        })?;
        let literal = name.parse::<SocketAddr>().is_ok();
        Ok((Self { name, literal, every, last: Instant::now(), pending: None }, first))
    }

    /// Asks again when it is time, or soon after `urgent`. Returns another address once the current one is no longer
    /// among the name's. Never blocks.
    pub(crate) fn poll(&mut self, current: SocketAddr, urgent: bool) -> Option<SocketAddr> {
        if self.literal {
            return None;
        }
        if let Some(pending) = &self.pending {
            let answer = match pending.try_recv() {
                Err(TryRecvError::Empty) => return None,
                Ok(addresses) => addresses,
                // The lookup failed: what we have is the best we know.
                Err(TryRecvError::Disconnected) => Vec::new(),
            };
            self.pending = None;
            self.last = Instant::now();
            return answer.first().filter(|_| !answer.contains(&current)).copied();
        }
        let wait = if urgent { self.every.min(Duration::from_secs(5)) } else { self.every };
        if self.last.elapsed() >= wait {
            self.last = Instant::now();
            let (sender, receiver) = channel();
            let name = self.name.clone();
            let thread = std::thread::Builder::new().name("ringstat-resolve".into());
            let spawned = thread.spawn(move || {
                if let Ok(addresses) = name.to_socket_addrs() {
                    // The worker may be gone by now.
                    let _ = sender.send(addresses.collect());
                }
            });
            self.pending = spawned.is_ok().then_some(receiver);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until_answered(target: &mut Target, current: SocketAddr) -> Option<SocketAddr> {
        for _ in 0..1000 {
            let answer = target.poll(current, false);
            if answer.is_some() || target.pending.is_none() {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no answer");
    }

    #[test]
    fn a_name_that_moved_is_noticed_and_one_that_did_not_is_left_alone() {
        let (mut target, first) = Target::resolve("localhost:8125".into(), Duration::ZERO).unwrap();
        let elsewhere = SocketAddr::from(([192, 0, 2, 1], 8125));
        assert!(target.poll(elsewhere, false).is_none(), "the lookup only begins");
        assert!(until_answered(&mut target, elsewhere).is_some_and(|a| a.ip().is_loopback()));
        assert!(target.poll(first, false).is_none());
        assert_eq!(until_answered(&mut target, first), None);
    }

    #[test]
    fn an_address_is_never_looked_up_and_nonsense_is_an_error() {
        let (mut target, first) = Target::resolve("127.0.0.1:8125".into(), Duration::ZERO).unwrap();
        assert_eq!(target.poll(first, true), None);
        assert!(target.pending.is_none());
        assert!(Target::resolve("no port".into(), Duration::ZERO).is_err());
    }
}
