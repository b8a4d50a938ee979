//! Which connections are open, within limits on all of them and on each address.
//!
//! A connection that has not asked for anything gives way to a newer one, so that clients that open many connections
//! and stay silent keep nobody out. A connection that has made a request stays open until its answer is read or its
//! time is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The largest number of connections.
pub(super) const MAX_CONNECTIONS: usize = 256;
/// The largest number of connections from one address.
pub(super) const MAX_PER_ADDRESS: usize = 32;

/// The open connections, within the limits on all of them and on each address.
#[derive(Clone, Default, Debug)]
pub(super) struct Gate(Arc<Mutex<Connections>>);

#[derive(Default, Debug)]
struct Connections {
    /// By number, in the order in which they came.
    all: HashMap<u64, Connection>,
    next: u64,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    asked: bool,
    leave: Arc<Notify>,
}

/// Counts one open connection; dropping it makes room for another.
#[derive(Debug)]
pub(super) struct Permit {
    gate: Gate,
    number: u64,
    leave: Arc<Notify>,
}

/// Whether a new connection may stay open.
#[derive(Debug)]
pub(super) enum Admission {
    /// It may stay open.
    Taken {
        /// Held for as long as the connection is open.
        permit: Permit,
        /// Whether another connection was closed to make room.
        displaced: bool,
    },
    /// There is no room, and no connection that can be closed.
    Refused,
}

impl Gate {
    /// Decides about a new connection from this address.
    pub(super) fn admit(&self, address: IpAddr) -> Admission {
        let mut connections = self.connections();
        let of_one = connections.all.values().filter(|c| c.address == address).count();
        let mut displaced = false;
        if of_one >= MAX_PER_ADDRESS || connections.all.len() >= MAX_CONNECTIONS {
            let among = (of_one >= MAX_PER_ADDRESS).then_some(address);
            if !connections.displace(among) {
                return Admission::Refused;
            }
            displaced = true;
        }
        let number = connections.next;
        connections.next += 1;
        let leave = Arc::new(Notify::new());
        connections.all.insert(number, Connection { address, asked: false, leave: leave.clone() });
        Admission::Taken { permit: Permit { gate: self.clone(), number, leave }, displaced }
    }

    /// Closes a connection that has not asked for anything, to free its descriptor.
    pub(super) fn displace_one(&self) -> bool {
        self.connections().displace(None)
    }

    /// Every operation leaves the state consistent, so a poisoned lock is fine.
    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    /// Closes the oldest connection that has not asked for anything: of this address, or else of the address that has
    /// the most.
    fn displace(&mut self, among: Option<IpAddr>) -> bool {
        let mut idle: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        let all = self.all.iter().filter(|(_, c)| !c.asked);
        for (number, connection) in all.filter(|(_, c)| among.is_none_or(|a| a == c.address)) {
            let (count, oldest) = idle.entry(connection.address).or_insert((0, *number));
            *count += 1;
            *oldest = (*oldest).min(*number);
        }
        let most = idle.values().max_by_key(|(count, oldest)| (*count, u64::MAX - oldest));
        let gone = most.and_then(|(_, oldest)| self.all.remove(oldest));
        if let Some(connection) = &gone {
            connection.leave.notify_one();
        }
        gone.is_some()
    }
}

impl Permit {
    /// Notes that the connection has made a request and can no longer be displaced.
    pub(super) fn asked(&self) {
        if let Some(connection) = self.gate.connections().all.get_mut(&self.number) {
            connection.asked = true;
        }
    }

    /// Waits until the connection is displaced.
    pub(super) async fn displaced(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.connections().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    fn take(gate: &Gate, n: u8) -> (Permit, bool) {
        match gate.admit(address(n)) {
            Admission::Taken { permit, displaced } => (permit, displaced),
            Admission::Refused => panic!("refused"),
        }
    }

    #[test]
    fn the_silent_give_way_and_those_who_asked_do_not() {
        let gate = Gate::default();
        let silent: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| take(&gate, 1).0).collect();
        let (_more, displaced) = take(&gate, 1);
        assert!(displaced, "its own address made room");
        assert!(!gate.connections().all.contains_key(&silent[0].number), "the oldest went");
        silent.iter().for_each(Permit::asked);
        let (last, displaced) = take(&gate, 1);
        assert!(displaced, "the one that had not asked");
        last.asked();
        assert!(matches!(gate.admit(address(1)), Admission::Refused));
        assert!(!take(&gate, 2).1, "others do not suffer");
        drop(silent);
        assert_eq!(gate.connections().all.len(), 1);
    }

    #[test]
    fn when_all_is_full_the_address_with_the_most_gives_way() {
        let gate = Gate::default();
        let lone = take(&gate, 200).0;
        let permits: Vec<_> =
            (0..MAX_CONNECTIONS - 1).map(|n| take(&gate, (n / MAX_PER_ADDRESS) as u8).0).collect();
        let (_new, displaced) = take(&gate, 100);
        assert!(displaced && gate.connections().all.contains_key(&lone.number));
        assert!(!gate.connections().all.contains_key(&permits[0].number));
        assert_eq!(gate.connections().all.len(), MAX_CONNECTIONS);
    }
}
