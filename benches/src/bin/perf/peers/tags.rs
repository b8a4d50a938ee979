//! Events with tags that are known only at run time, as in a web server: what a record call costs the calling thread.
//!
//! ringstat and cadence record events; the exporter and rylv-metrics aggregate by name and tags in the caller's thread.

use std::hint::black_box;
use std::time::Duration;

use cadence::prelude::*;
use metrics_exporter_dogstatsd::DogStatsDBuilder;
use ringstat_benches::peers::clients::{Nobody, cadence, ours};
use ringstat_std::Recorder;
use rylv_metrics::{MetricCollectorTrait, RylvStr, RylvTag, TLSCollector, TLSCollectorOptions};

use super::{Effort, Goal, Measured, Row, check, in_turns, nanos};

/// Route, method and status of requests, 37 to 58 bytes including the keys `route`, `method` and `status`.
const REQUESTS: [[&str; 3]; 4] = [
    ["/api/v1/users", "GET", "200"],
    ["/api/v1/users/{id}", "DELETE", "404"],
    ["/api/v2/shops/{shop}/orders", "POST", "201"],
    ["/api/v1/carts/{cart}/items", "OPTIONS", "204"],
];
const KEYS: [&str; 3] = ["route", "method", "status"];

/// Events in a row: half of what a ring of the default preset holds, so that none is dropped.
const ROW: u64 = 4000;

fn request(n: u64) -> [&'static str; 3] {
    black_box(REQUESTS[(n % REQUESTS.len() as u64) as usize])
}

/// Returns the nanoseconds per event of a row; `record` returns whether the event was accepted.
fn row(record: impl Fn(u64) -> bool) -> Measured<f64> {
    let mut taken = 0;
    let time = nanos(ROW, || taken = (0..ROW).filter(|n| record(black_box(*n))).count() as u64);
    check(taken == ROW, || format!("{taken} of {ROW} taken"))?;
    Ok(time)
}

pub(super) fn rows(effort: &Effort) -> Measured<Vec<Row>> {
    let stats = ours()?;
    let drained = |time| {
        stats.flush(Duration::from_secs(10))?;
        Ok(time)
    };
    let plain = || row(|n| stats.count("requests", n).record().is_recorded()).and_then(drained);
    let tagged = |tags: &dyn Fn(u64) -> [&'static str; 3]| {
        row(|n| {
            let [route, method, status] = tags(n);
            let event = stats.count("requests", n).tag(KEYS[0], route).tag(KEYS[1], method);
            event.tag(KEYS[2], status).record().is_recorded()
        })
        .and_then(drained)
    };
    let long = "x".repeat(45);
    let wide = || {
        row(|n| {
            let event = stats.count("requests", n).tag("a", black_box(&long));
            let event = event.tag("b", black_box(&long)).tag("c", black_box(&long));
            event.tag("d", black_box(&long)).tag("user", "somebody").record().is_recorded()
        })
        .and_then(drained)
    };
    let mut rows = Vec::new();
    // The keys take 17 bytes, the values 23.
    let forty = || tagged(&|_| black_box(["/api/v1/users/{id}", "PUT", "200"]));
    let pair = in_turns(effort, forty, plain)?;
    let what = "event with 3 dynamic tags of 40 bytes, by one without";
    rows.push(Row::new(what, pair.ratio, Goal::AtMost(1.6), "", pair.detail("without")));
    let pair = in_turns(effort, wide, plain)?;
    let what = "event with 200 bytes of dynamic tags, by one without";
    rows.push(Row::new(what, pair.ratio, Goal::AtMost(4.0), "", pair.detail("without")));

    let mut against = |peer: &str, least, theirs: &mut dyn FnMut() -> Measured<f64>| {
        let pair = in_turns(effort, || tagged(&request), theirs)?;
        let what = format!("event with tags of a request against {peer}");
        let goal = Goal::AtLeast(least);
        rows.push(Row::new(&what, 1.0 / pair.ratio, goal, " times faster", pair.detail(peer)));
        Ok::<(), super::Wrong>(())
    };
    let nobody = Nobody::new()?;
    let peer = cadence(nobody.address()?)?;
    against("cadence buffered", 10.0, &mut || {
        row(|n| {
            let [route, method, status] = request(n);
            let metric = peer.count_with_tags("requests", n).with_tag(KEYS[0], route);
            metric.with_tag(KEYS[1], method).with_tag(KEYS[2], status).try_send().is_ok()
        })
    })?;
    let exporter = DogStatsDBuilder::default().with_remote_address(nobody.address()?.to_string());
    let exporter = exporter?.with_synchronous_backend().build()?;
    against("metrics-exporter-dogstatsd", 1.0, &mut || {
        metrics::with_local_recorder(&exporter, || {
            row(|n| {
                let [route, method, status] = request(n);
                // Labels that are not known at compile time have to be owned.
                let labels = [
                    (KEYS[0], route.to_owned()),
                    (KEYS[1], method.to_owned()),
                    (KEYS[2], status.to_owned()),
                ];
                metrics::counter!("requests", &labels).increment(n);
                true
            })
        })
    })?;
    let rylv = TLSCollector::new(TLSCollectorOptions::default());
    against("rylv-metrics", 1.0, &mut || {
        row(|n| {
            let values = request(n);
            let tag = |i: usize| RylvTag::Compound(RylvStr::from_static(KEYS[i]), values[i].into());
            rylv.count_add(RylvStr::from_static("requests"), n, &mut [tag(0), tag(1), tag(2)]);
            true
        })
    })?;
    let ledger = stats.shutdown(Duration::from_secs(10));
    check(ledger.closes() && ledger.dropped.total() == 0, || format!("{ledger:?}"))?;
    Ok(rows)
}
