//! A network that loses, duplicates and reorders, made with `tc netem` if the kernel has it, otherwise with a
//! [`Relay`], which also knows exactly what it did.

use std::time::Duration;

use ringstat_core::policy::Policy;
use ringstat_core::testkit::{FaultReport, Faults};

use crate::client::{Client, Setup};
use crate::netns::{COLLECTOR, Network};
use crate::relay::Relay;
use ringstat_tests::collector::Collector;

const SOON: Duration = Duration::from_secs(30);

/// The number of events that are sent through the bad network.
const EVENTS: u64 = 150_000;

pub(crate) fn bad(faults: Faults) {
    let network = Network::new();
    let to = format!("{COLLECTOR}:8125");
    let netem = network.netem(&[
        &format!("loss {}%", faults.loss * 100.0),
        &format!("duplicate {}%", faults.duplicate * 100.0),
        // `netem` reorders by letting some packets overtake those that it delays.
        &(if faults.reorder > 0.0 {
            format!("delay 2ms reorder {}%", faults.reorder * 100.0)
        } else {
            String::new()
        }),
    ]);
    let inside = "127.0.0.1:8126";
    let relay = (!netem).then(|| Relay::start(&network.collector, &to, inside, faults));
    let collector = Collector::start(&network.collector, &[if netem { &to } else { inside }]);
    // Small datagrams, so that there are many that can be lost.
    let setup = Setup { payload: 256, ..Setup::new(to, Policy::DropNewest) };
    let mut client = Client::start(&network.client, &setup);
    client.until("load", SOON, |s| s.sent > EVENTS);
    let through = client.settle();
    // Everything that was sent has passed the relay before it reports what it did.
    let told = match &relay {
        Some(relay) => {
            relay.until_offered(through.datagrams);
            Some(relay.recover())
        }
        None => {
            network.netem_off();
            None
        }
    };
    // After one more change and one more flush, the totals are exact again.
    client.resume();
    let sent = through.sent;
    client.until("load", SOON, |s| s.sent > sent);
    let after = client.settle();
    let known = collector.until("exact", |k| k.series("requests") == after.requests);
    let events = known.series("events");
    assert_eq!(known.series("critical"), after.critical_sum(), "each critical event once");
    assert_eq!(known.sender("dropped_at_sender"), after.drops());
    let last = client.end();
    let known = collector.end();
    let (received, lost) = (known.sender("received"), known.sender("lost"));
    let (duplicates, late) = (known.sender("duplicates"), known.sender("late"));
    assert_eq!(known.number("kernel_drops"), 0);
    assert_eq!(received + lost, last.datagrams, "received = delivered + lost");
    assert_eq!((known.sender("restarts"), known.sender("lost_at_sender")), (0, 0));
    let share = lost as f64 / through.datagrams as f64;
    assert!((share - faults.loss).abs() < 0.04, "{lost} of {} lost", through.datagrams);
    assert_eq!(lost > 0, faults.loss > 0.0);
    if lost == 0 {
        assert_eq!(events, last.events(), "each event once");
    } else {
        assert!(events < last.events(), "what is lost is events, and none counts twice");
    }
    assert_eq!((duplicates > 0, late > 0), (faults.duplicate > 0.0, faults.reorder > 0.0));
    if let Some(told) = told {
        let FaultReport { lost: l, duplicated: d, .. } = told;
        assert_eq!((lost, duplicates), (l, d), "exactly what the network did: {told:?}");
    }
    let by = if netem { "netem" } else { "the fault transport: this kernel has no netem" };
    println!("by {by}: {received} received + {lost} lost, {duplicates} twice, {late} late");
}
