//! The layer for `tracing`: spans are timed and events counted, with the requested tags.

use std::collections::BTreeMap;
use std::time::Duration;

use ringstat_core::send::from_fn;
use ringstat_std::tracing::MetricsLayer;
use ringstat_std::{Client, OwnedHistogram};
use tracing::subscriber::with_default;
use tracing::{Level, error, field, info, info_span, span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

const TARGET: (&str, &str) = ("target", "tracing");

fn client() -> Client {
    Client::builder("unused").build_with(from_fn(|_| Ok(()))).unwrap()
}

/// Runs `program` with the layer.
fn under(layer: MetricsLayer, program: impl FnOnce()) {
    with_default(tracing_subscriber::registry().with(layer), program);
}

fn events(client: &Client, tags: &[(&str, &str)]) -> u64 {
    client.counter("tracing.events", tags).total()
}

fn spans(client: &Client, tags: &[(&str, &str)]) -> OwnedHistogram {
    client.histogram("tracing.spans", tags)
}

#[test]
fn events_are_counted_by_level_and_target() {
    let client = client();
    under(MetricsLayer::new(&client), || {
        for i in 0..5 {
            info!(i, "a line");
        }
        error!("another");
        error!(target: "audit", "a third");
    });
    assert_eq!(events(&client, &[("level", "info"), TARGET]), 5);
    assert_eq!(events(&client, &[("level", "error"), TARGET]), 1);
    assert_eq!(events(&client, &[("level", "error"), ("target", "audit")]), 1);
    assert_eq!(client.overflowed_instruments(), 0);
}

#[test]
fn a_span_is_timed_from_its_creation_to_its_end() {
    let client = client();
    under(MetricsLayer::new(&client), || {
        let outer = info_span!("request").entered();
        for _ in 0..3 {
            info_span!("query").in_scope(|| std::thread::sleep(Duration::from_millis(5)));
        }
        // This span is on another thread, entered often, and outlives its parent.
        let task = info_span!("task");
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let moved = task.clone();
        let running = std::thread::spawn(move || {
            // The span must be dropped while its dispatcher exists, because it is what ends its parent.
            let task = move || (0..9).for_each(|_| moved.in_scope(|| ()));
            tracing::dispatcher::with_default(&dispatch, task);
        });
        drop((outer, task));
        running.join().unwrap();
    });
    let of = |name| spans(&client, &[("span", name), TARGET]);
    assert_eq!((of("request").count(), of("query").count(), of("task").count()), (1, 3, 1));
    assert!(of("query").quantiles().p50 >= 4_500_000, "{:?}", of("query").quantiles());
    assert!(of("request").quantiles().p50 >= 13_500_000, "{:?}", of("request").quantiles());
}

#[test]
fn chosen_fields_become_tags_early_or_late() {
    let client = client();
    under(MetricsLayer::new(&client).tags(["route", "status", "cached"]), || {
        for status in [200u16, 200, 404] {
            let span = info_span!("request", route = %"/orders", status = field::Empty, id = 7);
            span.record("id", 8);
            span.record("status", status);
        }
        info_span!("request", route = ?Some(1), status = -1i64).in_scope(|| ());
        info!(cached = true, user = "u", "looked up");
    });
    let of = |tags: &[(&str, &str)]| {
        spans(&client, &[&[("span", "request"), TARGET], tags].concat()).count()
    };
    assert_eq!(of(&[("route", "/orders"), ("status", "200")]), 2);
    assert_eq!(of(&[("route", "/orders"), ("status", "404")]), 1);
    assert_eq!(of(&[("route", "Some(1)"), ("status", "-1")]), 1);
    assert_eq!(of(&[("route", "/orders")]), 0, "it counts as what it was at its end");
    assert_eq!(events(&client, &[("level", "info"), TARGET, ("cached", "true")]), 1);
}

#[test]
fn names_are_chosen_and_parts_left_out() {
    let client = client();
    under(MetricsLayer::new(&client).events("log.lines").spans(None), || {
        info_span!("request").in_scope(|| info!("inside"));
    });
    let tags = [("level", "info"), TARGET];
    assert_eq!(client.counter("log.lines", &tags).total(), 1);
    assert_eq!(spans(&client, &[("span", "request"), TARGET]).count(), 0);
    assert_eq!(events(&client, &tags), 0);
}

#[test]
fn a_filter_of_the_layer_leaves_out_spans_and_events() {
    let client = client();
    let layer = MetricsLayer::new(&client).with_filter(LevelFilter::WARN);
    with_default(tracing_subscriber::registry().with(layer), || {
        let quiet = info_span!("quiet").entered();
        info!("quiet");
        span!(Level::WARN, "loud").in_scope(|| error!("loud"));
        drop(quiet);
    });
    assert_eq!(spans(&client, &[("span", "loud"), TARGET]).count(), 1);
    assert_eq!(events(&client, &[("level", "error"), TARGET]), 1);
    assert_eq!(spans(&client, &[("span", "quiet"), TARGET]).count(), 0);
    assert_eq!(events(&client, &[("level", "info"), TARGET]), 0);
}

#[test]
fn spans_beyond_the_room_are_counted_as_untimed() {
    let client = client();
    under(MetricsLayer::new(&client).open_spans(16), || {
        let open: Vec<_> = (0..40).map(|_| info_span!("kept")).collect();
        drop(open);
        info_span!("kept").in_scope(|| ());
    });
    let untimed = client.counter("tracing.spans.untimed", &[]).total();
    let timed = spans(&client, &[("span", "kept"), TARGET]).count();
    assert_eq!((timed, untimed), (17, 24));
}

#[test]
fn what_is_too_long_or_too_many_goes_to_the_overflow_series() {
    let builder = Client::builder("unused").max_instruments(4);
    let client = builder.build_with(from_fn(|_| Ok(()))).unwrap();
    let long = "x".repeat(2000);
    under(MetricsLayer::new(&client).tags(["key"]), || {
        info!(key = long, "longer than any tag");
        for key in 0..10 {
            info!(key, "many");
        }
    });
    let mut found = BTreeMap::new();
    for key in 0..10 {
        let tags = [("level", "info"), TARGET, ("key", &*key.to_string())];
        // Asking for a missing series returns the overflow series.
        found.insert(key, events(&client, &tags));
    }
    // `tracing.spans.untimed` and the overflow series are two of the four.
    let own: Vec<_> = (0..10).filter(|key| found[key] == 1).collect();
    assert_eq!(own, [0, 1]);
    assert!((2..10).all(|key| found[&key] == 9), "{found:?}");
    assert_eq!(client.overflowed_instruments(), 9 + 8);
}
