//! A collector that is gone, and a network that does not report it: nothing that did not arrive may be reported as
//! delivered.
//!
//! The kernel passes on at most about one refusal per second, and none from behind a firewall. The client notices
//! because its requests for receipts are not answered. Each test compares the accounts of both ends, to the last event.

use std::time::{Duration, Instant};

use ringstat_core::policy::Policy;
use ringstat_tests::collector::Collector;

use crate::client::{Client, Setup, Status};
use crate::netns::{Block, COLLECTOR, Hook, Network};

const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// The time within which the breaker promises to open.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// Two backoff periods, each with the time to wait for the answer to a probe.
const BACK_WITHIN: Duration = Duration::from_secs(4);
/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(20);

/// How a collector falls silent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Silence {
    /// It is killed, and another one takes its place.
    Killed,
    /// Datagrams to it vanish silently.
    BlackHole,
    /// It receives everything, but its answers vanish.
    Unheard,
}

/// Tests the silence under a load of `burst` events per millisecond.
pub(crate) fn of(silence: Silence, burst: u32) {
    let network = Network::new();
    let setup = Setup::new(format!("{COLLECTOR}:8125"), Policy::DropOldest);
    let setup = Setup { backoff_max: BACKOFF_MAX, burst, ..setup };
    let mut collector = Some(Collector::start(&network.collector, &[&setup.to]));
    let mut client = Client::start(&network.client, &setup);
    client.until("load", SOON, |s| s.arrived > 1000);

    match silence {
        Silence::Killed => collector.take().expect("it runs").kill(),
        Silence::BlackHole => network.block(Block::Silent),
        Silence::Unheard => network.drop_answers(),
    }
    let begun = Instant::now();
    let opened = client.until("the breaker opens", OPEN_WITHIN, |s| s.opened > 0);
    let took = begun.elapsed();
    while begun.elapsed() < Duration::from_secs(8) {
        let now = client.status();
        assert_ne!(now.breaker, "closed", "nobody has answered: {now:?}");
        assert_eq!(now.sent, opened.sent, "probes carry no events: {now:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    let during = client.status();
    assert!(during.unconfirmed > 0, "what was under way is not called sent: {during:?}");

    match silence {
        Silence::Killed => collector = Some(Collector::start(&network.collector, &[&setup.to])),
        Silence::BlackHole => network.unblock(Block::Silent),
        Silence::Unheard => network.drop_nothing(Hook::Sent),
    }
    client.until("the breaker closes", BACK_WITHIN, |s| s.breaker == "closed");
    client.until("load", SOON, |s| s.arrived > during.arrived + 1000);
    let collector = collector.expect("it runs again");
    let after = client.settle();
    let known = collector.until("exact", |k| k.series("requests") == after.requests);
    let last = client.end();
    let collected = collector.end();
    check(silence, &during, &last, known.series("events"));
    assert_eq!(collected.sender("dropped_at_sender"), last.drops());
    println!(
        "{silence:?}, {burst} a millisecond: open after {took:?}; of {} recorded {} arrived, {} lost, {} unconfirmed, {} dropped",
        last.recorded,
        last.arrived,
        last.lost,
        last.unconfirmed,
        last.drops()
    );
}

/// Checks the client's ledger against the collector's account.
fn check(silence: Silence, during: &Status, last: &Status, stored: u64) {
    let events = |status: &Status| status.arrived - status.acknowledged;
    match silence {
        // The next collector's account does not contain what the killed one had.
        Silence::Killed => {
            assert_eq!(events(last) - events(during), stored, "{last:?}");
            assert!(last.unconfirmed <= during.unconfirmed, "{during:?} {last:?}");
        }
        Silence::BlackHole => {
            assert_eq!((events(last), last.unconfirmed), (stored, 0), "{last:?}");
            assert!(last.lost > 0, "it is known how many: {last:?}");
        }
        Silence::Unheard => {
            assert_eq!((events(last), last.unconfirmed, last.lost), (stored, 0, 0), "{last:?}");
        }
    }
}
