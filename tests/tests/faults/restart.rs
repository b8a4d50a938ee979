//! Either end is killed under load and started again.

use std::time::Duration;

use ringstat_core::policy::Policy;

use crate::client::{Client, Setup};
use crate::netns::{COLLECTOR, Network};
use ringstat_tests::collector::Collector;

/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(20);

fn setup() -> Setup {
    Setup::new(format!("{COLLECTOR}:8125"), Policy::DropNewest)
}

/// A new collector knows nothing. It must not count anything twice, nor report as lost what the old one received.
pub(crate) fn of_the_collector() {
    let network = Network::new();
    let setup = setup();
    let first = Collector::start(&network.collector, &[&setup.to]);
    let mut client = Client::start(&network.client, &setup);
    client.until("load", SOON, |s| s.sent > 40_000);
    // Recording pauses, so that it is known which collector has which critical event.
    let quiet = client.settle();
    first.until("all of it", |k| {
        k.series("requests") == quiet.requests && k.series("critical") == quiet.critical_sum()
    });
    first.kill();
    client.resume();
    let alone = client.until("the breaker opens", Duration::from_secs(5), |s| s.opened > 0);
    client.until("load with nobody there", SOON, |s| s.calls > alone.calls + 100_000);
    let second = Collector::start(&network.collector, &[&setup.to]);
    let back =
        client.until("two backoff periods", 2 * setup.backoff_max, |s| s.breaker == "closed");
    client.until("load", SOON, |s| s.sent > back.sent + 40_000);
    let after = client.settle();
    let known = second.until("exact, and what never changes learned again", |k| {
        k.series("requests") == after.requests && k.series("seldom") == 7
    });
    let events = known.series("events");
    assert!(events >= 30_000 && events < after.sent, "its own only: {events} of {}", after.sent);
    // This includes events from while there was no collector, and none that had been acknowledged before.
    let critical = after.critical_sum() - quiet.critical_sum();
    assert_eq!(known.series("critical"), critical, "each critical event once");
    assert_eq!(known.sender("dropped_at_sender"), after.drops());
    let last = client.end();
    let known = second.end();
    let before = known.sender("missed_before_start");
    assert!(before > 0, "it knows that it came late");
    assert_eq!((known.sender("restarts"), known.sender("lost")), (0, 0), "nobody else began again");
    assert_eq!(known.sender("received") + before, last.datagrams);
    println!("collector: {before} datagrams before it came back, {events} events since");
}

/// A new run has a new epoch: its instruments begin anew, as a Prometheus that sees a reset expects, its events are added
/// to the old ones, and nothing is reported as lost.
pub(crate) fn of_the_sender() {
    let network = Network::new();
    let setup = setup();
    let collector = Collector::start(&network.collector, &[&setup.to]);
    let mut first = Client::start(&network.client, &setup);
    first.until("load", SOON, |s| s.sent > 40_000);
    collector.until("some of it", |k| k.series("requests") > 0 && k.series("seldom") == 7);
    first.kill();
    // Datagrams of the killed client are still being read.
    let before = collector.all_read(8125);
    let mut second = Client::start(&network.client, &setup);
    second.until("load", SOON, |s| s.sent > 40_000);
    let after = second.settle();
    let known = collector.until("exact", |k| k.series("requests") == after.requests);
    assert_eq!(known.series("seldom"), 7, "of this run");
    assert_eq!(known.series("events"), before.series("events") + after.events());
    let critical = before.series("critical") + after.critical_sum();
    assert_eq!(known.series("critical"), critical, "each critical event once, of both runs");
    assert_eq!(known.sender("restarts"), 1);
    let last = second.end();
    let known = collector.end();
    assert_eq!(known.sender("lost"), 0, "no false loss");
    assert_eq!(known.sender("received"), before.sender("received") + last.datagrams);
    println!("sender: {} datagrams, killed, {} more", before.sender("received"), last.datagrams);
}
