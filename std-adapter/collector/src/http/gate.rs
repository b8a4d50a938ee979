//! Which connections are open, within limits on all of them and on each address.
//!
//! A connection that has not asked for anything gives way to a newer one, so that clients that open many connections
//! and stay silent keep nobody out. A connection that has made a request keeps its place until its answer is read or
//! its time is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The largest number of connections.
pub(super) const IN_ALL: usize = 256;
/// The largest number of connections from one address.
pub(super) const OF_ONE: usize = 32;

/// The open connections, within the limits on all of them and on each address.
#[derive(Clone, Default, Debug)]
pub(super) struct Gate(Arc<Mutex<Guests>>);

#[derive(Default, Debug)]
struct Guests {
    /// By number, in the order in which they came.
    all: HashMap<u64, Guest>,
    next: u64,
}

#[derive(Debug)]
struct Guest {
    address: IpAddr,
    asked: bool,
    leave: Arc<Notify>,
}

/// The place of one connection. Dropping it frees the place.
#[derive(Debug)]
pub(super) struct Place {
    gate: Gate,
    number: u64,
    leave: Arc<Notify>,
}

/// The answer to a connection that asks for a place.
#[derive(Debug)]
pub(super) enum Admission {
    /// It has a place; if `displaced`, another connection has lost its own.
    Taken {
        /// The place.
        place: Place,
        /// Whether another connection had to go.
        displaced: bool,
    },
    /// There is no room, and no connection that can be closed.
    Refused,
}

impl Gate {
    /// Asks for a place.
    pub(super) fn admit(&self, address: IpAddr) -> Admission {
        let mut guests = self.guests();
        let of_one = guests.all.values().filter(|g| g.address == address).count();
        let mut displaced = false;
        if of_one >= OF_ONE || guests.all.len() >= IN_ALL {
            let among = (of_one >= OF_ONE).then_some(address);
            if !guests.displace(among) {
                return Admission::Refused;
            }
            displaced = true;
        }
        let number = guests.next;
        guests.next += 1;
        let leave = Arc::new(Notify::new());
        guests.all.insert(number, Guest { address, asked: false, leave: leave.clone() });
        Admission::Taken { place: Place { gate: self.clone(), number, leave }, displaced }
    }

    /// Closes a connection that has not asked for anything, to free its descriptor.
    pub(super) fn displace_one(&self) -> bool {
        self.guests().displace(None)
    }

    /// Every operation leaves the state consistent, so a poisoned lock is fine.
    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guests {
    /// Closes the oldest connection that has not asked for anything: of this address, or else of the address that has
    /// the most.
    fn displace(&mut self, among: Option<IpAddr>) -> bool {
        let mut idle: HashMap<IpAddr, (usize, u64)> = HashMap::new();
        let all = self.all.iter().filter(|(_, g)| !g.asked);
        for (number, guest) in all.filter(|(_, g)| among.is_none_or(|a| a == g.address)) {
            let (count, oldest) = idle.entry(guest.address).or_insert((0, *number));
            *count += 1;
            *oldest = (*oldest).min(*number);
        }
        let most = idle.values().max_by_key(|(count, oldest)| (*count, u64::MAX - oldest));
        let gone = most.and_then(|(_, oldest)| self.all.remove(oldest));
        if let Some(guest) = &gone {
            guest.leave.notify_one();
        }
        gone.is_some()
    }
}

impl Place {
    /// Notes that the connection has made a request and can no longer be displaced.
    pub(super) fn asked(&self) {
        if let Some(guest) = self.gate.guests().all.get_mut(&self.number) {
            guest.asked = true;
        }
    }

    /// Waits until the connection is displaced.
    pub(super) async fn displaced(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.guests().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u8) -> IpAddr {
        [10, 0, 0, n].into()
    }

    fn take(gate: &Gate, n: u8) -> (Place, bool) {
        match gate.admit(address(n)) {
            Admission::Taken { place, displaced } => (place, displaced),
            Admission::Refused => panic!("refused"),
        }
    }

    #[test]
    fn the_silent_give_way_and_those_who_asked_do_not() {
        let gate = Gate::default();
        let silent: Vec<_> = (0..OF_ONE).map(|_| take(&gate, 1).0).collect();
        let (_more, displaced) = take(&gate, 1);
        assert!(displaced, "its own address made room");
        assert!(!gate.guests().all.contains_key(&silent[0].number), "the oldest went");
        silent.iter().for_each(Place::asked);
        let (last, displaced) = take(&gate, 1);
        assert!(displaced, "the one that had not asked");
        last.asked();
        assert!(matches!(gate.admit(address(1)), Admission::Refused));
        assert!(!take(&gate, 2).1, "others do not suffer");
        drop(silent);
        assert_eq!(gate.guests().all.len(), 1);
    }

    #[test]
    fn when_all_is_full_the_address_with_the_most_gives_way() {
        let gate = Gate::default();
        let lone = take(&gate, 200).0;
        let places: Vec<_> = (0..IN_ALL - 1).map(|n| take(&gate, (n / OF_ONE) as u8).0).collect();
        let (_new, displaced) = take(&gate, 100);
        assert!(displaced && gate.guests().all.contains_key(&lone.number));
        assert!(!gate.guests().all.contains_key(&places[0].number));
        assert_eq!(gate.guests().all.len(), IN_ALL);
    }
}
