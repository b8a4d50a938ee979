//! Every datagram is sent over two paths, which fail one after the other. Nothing may be lost or counted twice.

use std::time::Duration;

use ringstat_core::policy::Policy;

use crate::client::{Client, Setup};
use crate::netns::{COLLECTOR, Hook, Network};
use ringstat_tests::collector::Collector;

/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(20);

/// Blocks one path at a time. Datagrams are dropped `at` a hook; the sender is only told about drops on its own
/// machine.
pub(crate) fn one_way_at_a_time(at: Hook) {
    let network = Network::new();
    let ports = [8125, 8127];
    let [first, second] = ports.map(|port| format!("{COLLECTOR}:{port}"));
    let collector = Collector::start(&network.collector, &[&first, &second]);
    let setup = Setup { redundant: Some(second), ..Setup::new(first, Policy::DropNewest) };
    let mut client = Client::start(&network.client, &setup);
    client.until("load", SOON, |s| s.sent > 20_000);
    for port in ports {
        network.drop_port(at, port);
        let blocked = client.status();
        client.until("load by the other way", SOON, |s| s.sent > blocked.sent + 60_000);
        network.drop_nothing(at);
        let both = client.status();
        client.until("load by both", SOON, |s| s.sent > both.sent + 60_000);
    }
    let after = client.settle();
    assert_eq!(after.drops(), 0, "{after:?}");
    let known = collector.until("exact", |k| k.series("requests") == after.requests);
    assert_eq!(known.series("events"), after.events(), "each event once");
    assert_eq!(known.series("critical"), after.critical_sum(), "each critical event once");
    let last = client.end();
    let known = collector.end();
    assert_eq!((known.sender("received"), known.sender("lost")), (last.datagrams, 0));
    let (twice, once) = (known.sender("duplicates"), known.sender("received"));
    assert!(twice > 0 && twice < once, "{twice} of {once} came both ways");
    println!("redundant, {at:?}: {once} datagrams, {twice} of them came both ways");
}
