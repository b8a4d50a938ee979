//! The path to the collector is blocked for ten seconds under load, in every way that the kernel supports.

use std::time::{Duration, Instant};

use ringstat_core::policy::Policy;

use crate::client::{Client, Setup};
use crate::netns::{Block, COLLECTOR, Network};
use ringstat_tests::collector::Collector;

const BLOCKED: Duration = Duration::from_secs(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// The allowed change of memory, in KiB, while 25 MB are recorded that cannot be sent.
const FLAT: u64 = 256;
/// The time limit for things that take milliseconds unless something is wrong.
const SOON: Duration = Duration::from_secs(20);

fn setup(policy: Policy) -> Setup {
    let setup = Setup::new(format!("{COLLECTOR}:8125"), policy);
    Setup { backoff_max: BACKOFF_MAX, ..setup }
}

/// A block that the kernel reports to the sender: nothing leaves the machine, and nothing that left is lost.
pub(crate) fn told(how: Block, policy: Policy) {
    let network = Network::new();
    let setup = setup(policy);
    let collector = Collector::start(&network.collector, &[&setup.to]);
    let mut client = Client::start(&network.client, &setup);
    // By then every slot of the ring has been used, and from here on memory may not grow.
    let before = client.until("load", SOON, |s| s.sent > 20_000);
    assert_eq!((before.breaker.as_str(), before.opened), ("closed", 0));

    network.block(how);
    let blocked = Instant::now();
    let opened = client.until("the breaker opens", Duration::from_secs(5), |s| s.opened > 0);
    let mut most = 0;
    while blocked.elapsed() < BLOCKED {
        let now = client.status();
        assert_ne!(now.breaker, "closed", "{now:?}");
        assert_eq!(now.sent, opened.sent, "nothing is called sent that was not");
        most = most.max(now.resident);
        std::thread::sleep(Duration::from_millis(50));
    }
    let during = client.status();
    assert!(during.calls > opened.calls + 100_000, "recording went on: {during:?}");
    // All events have normal priority, so a graded ring accepts no more of them once it is 90 % full.
    let cause = if policy.evicts() && !policy.gates() { "evicted" } else { "full" };
    let given_up = during.dropped.get(cause).copied().unwrap_or(0);
    assert!(given_up > 50_000, "the policy decided what to give up: {during:?}");
    assert!(most <= before.resident + FLAT, "{} KiB became {most}", before.resident);
    // The probes come after 100 ms, 200, 400, 800, and then seconds, each reduced by at most a quarter.
    assert!((3..=18).contains(&during.opened), "it asks, and does not storm: {during:?}");

    network.unblock(how);
    client.until("two backoff periods", 2 * BACKOFF_MAX, |s| {
        s.breaker == "closed" && s.sent > during.sent
    });
    client.until("load", SOON, |s| s.sent > during.sent + 20_000);
    let after = client.settle();
    assert_eq!(after.failed, 0, "no datagram was given up");
    assert!(after.resident <= before.resident + FLAT, "{before:?} {after:?}");

    let known = collector.until("exact", |k| k.series("requests") == after.requests);
    assert_eq!(known.series("seldom"), 7);
    assert_eq!(known.series("critical"), after.critical_sum(), "each critical event once");
    let events = known.series("events");
    assert_eq!(known.sender("dropped_at_sender"), after.drops());
    let last = client.end();
    let known = collector.end();
    let (received, lost) = (known.sender("received"), known.sender("lost"));
    assert_eq!(received + lost, last.datagrams, "received = delivered + lost");
    if how != Block::Link {
        // A link that goes down drops the packets in its queue.
        assert_eq!(lost, 0, "nothing that was sent was lost");
        assert_eq!(events, last.events(), "each event that was not dropped, once");
    }
    assert_eq!(known.sender("restarts"), 0);
    // A probe that arrived is sent again, because the sender cannot exclude that it was refused.
    assert!(known.sender("duplicates") <= 32, "{} twice", known.sender("duplicates"));
    println!(
        "{how:?}: breaker opened {} times, {} KiB resident, {} recorded = {} sent + {:?}; {lost} datagrams lost",
        during.opened, most, last.recorded, last.sent, last.dropped
    );
}

/// A tunnel replaces the link, and packets become smaller: datagrams that no longer fit as segments are sent one by
/// one, and those that no longer fit into a packet are fragmented by the kernel. None of that is an outage.
pub(crate) fn smaller_packets() {
    let network = Network::new();
    // It sends several datagrams at a time, for the kernel to segment.
    let setup = Setup { burst: 400, payload: 700, ..setup(Policy::DropNewest) };
    let collector = Collector::start(&network.collector, &[&setup.to]);
    let mut client = Client::start(&network.client, &setup);
    let before = client.until("load", SOON, |s| s.sent > 100_000);
    network.mtu(576);
    let during = client.until("load", SOON, |s| s.sent > before.sent + 400_000);
    network.mtu(1500);
    client.until("load", SOON, |s| s.sent > during.sent + 100_000);
    let after = client.settle();
    assert_eq!((after.opened, after.failed), (0, 0), "{after:?}");
    let known = collector.until("exact", |k| k.series("requests") == after.requests);
    assert_eq!(known.series("events"), after.events(), "each event once");
    let last = client.end();
    let known = collector.end();
    assert_eq!((known.sender("received"), known.sender("lost")), (last.datagrams, 0));
    println!("smaller packets: {} datagrams, {} events", last.datagrams, last.sent);
}
