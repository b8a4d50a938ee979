//! What self-monitoring looks like in a serde format.

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
            "reasons": [{"reason": "drops", "meaning": Reason::Drops.explain()}],
        })
    );
    assert_eq!(json["latency"]["total"]["p999"], 0);
}
