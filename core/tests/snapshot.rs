//! The snapshots of self-monitoring in a serde format.

use ringstat_core::ledger::Cause;
use ringstat_core::observe::{Health, Reason, Snapshot};
use serde_json::json;

#[test]
fn a_snapshot_is_plain_data() {
    let mut snapshot = Snapshot { sender: 7, ..Snapshot::default() };
    snapshot.ledger.dropped.add(Cause::Full, 3);
    snapshot.health = Health::of([Reason::Drops]);
    let json = serde_json::to_value(&snapshot).unwrap();
    assert_eq!(json["sender"], 7);
    assert_eq!(json["breaker"]["state"], "closed");
    assert_eq!(json["ledger"]["dropped"], json!({"full": 3}));
    assert_eq!(
        json["health"],
        json!({
            "grade": "degraded",
            "unheard": false,
            "reasons": [{
                "reason": "drops",
                "meaning": "more than 1 % of the records are given up",
                "advice": Reason::Drops.advice(),
            }],
        })
    );
    assert_eq!(json["latency"]["total"]["p999"], 0);
}

#[test]
fn a_snapshot_prints_for_people() {
    let mut snapshot = Snapshot { sender: 7, uptime_nanos: 1_500_000_000, ..Snapshot::default() };
    snapshot.ledger.recorded = 3;
    snapshot.ledger.dropped.add(Cause::Full, 3);
    snapshot.health = Health::of([Reason::Drops]);
    let text = snapshot.to_string();
    for line in [
        "sender   0000000000000007, up 1.5s",
        "health   degraded",
        "ledger   3 recorded: 0 sent, 3 dropped (3 full)",
        "breaker closed, opened 0 times",
        Reason::Drops.advice(),
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}
