//! Cases that can only be brought about from the inside.

use std::time::Duration;

use ringstat_core::policy::Policy;
use ringstat_core::record::{Kind, Priority};
use ringstat_core::testkit::SpyTransport;

use super::*;

const LONG: Duration = Duration::from_secs(10); // for what takes milliseconds unless something is wrong

#[test]
fn a_record_that_comes_into_its_ring_after_the_workers_last_look_is_given_up() {
    for policy in [Policy::DropNewest, Policy::DropOldest] {
        let stats =
            Client::builder("a spy").policy(policy).build_with(SpyTransport::new()).unwrap();
        let late = stats.clone();
        assert_eq!(stats.count("in time", 1u8).record(), Outcome::Recorded);
        let ledger = stats.shutdown(LONG);
        assert_eq!((ledger.recorded, ledger.sent), (1, 1));
        // As from a thread that had passed the valve before it was closed.
        let mut event = Event::new(Kind::Counter, "late".into(), 1u8.into(), 0).unwrap();
        assert_eq!(late.shared.rings.push(&event), Outcome::Recorded);
        event.set_priority(Priority::Critical);
        assert_eq!(late.shared.rings.push(&event), Outcome::Recorded);
        let ledger = late.ledger();
        assert_eq!((ledger.recorded, ledger.sent, ledger.in_flight), (3, 1, 0));
        assert_eq!(ledger.dropped.get(Cause::Shutdown), 2);
        assert_eq!(late.ledger(), ledger, "once");
    }
}
