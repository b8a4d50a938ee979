//! Recording through the `metrics` facade and through the `tracing` layer allocates nothing once an instrument exists.

use allocation_counter::measure;
use metrics::{counter, gauge, histogram};
use ringstat_core::send::from_fn;
use ringstat_std::Client;
use ringstat_std::metrics::Facade;
use ringstat_std::tracing::MetricsLayer;
use tracing::{field, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt;

/// Performs every operation, each of which looks up an instrument.
fn look_up_and_record() {
    counter!("requests").increment(1);
    counter!("requests", "service" => "shop", "zone" => "a", "method" => "get").increment(1);
    gauge!("level").set(1.5);
    gauge!("level").increment(1.5);
    histogram!("sizes", "service" => "shop").record(17.0);
}

#[test]
fn recording_allocates_nothing_when_the_instrument_exists() {
    let client = Client::builder("unused").build_with(from_fn(|_| Ok(()))).unwrap();
    Facade::new(&client).install().unwrap();
    let counted = measure(|| drop(std::hint::black_box(Box::new(1))));
    assert_eq!(counted.count_total, 1, "allocations are counted");
    look_up_and_record();
    let (kept, level, sizes) = (counter!("requests"), gauge!("level"), histogram!("sizes"));
    let allocations = std::thread::scope(|scope| {
        let record = || {
            for i in 0..10_000u32 {
                look_up_and_record();
                kept.increment(1);
                level.set(f64::from(i));
                level.set(f64::NAN);
                sizes.record(f64::from(i));
            }
        };
        scope.spawn(move || measure(record).count_total).join().unwrap()
    });
    assert_eq!(allocations, 0);
}

/// Emits events and spans with and without fields, some of which are recorded early and some late.
fn log_and_span(i: u32) {
    info!("without fields");
    warn!(route = "/orders", status = 200 + i % 2, "with fields");
    let outer = info_span!("request", route = "/orders", status = field::Empty).entered();
    info_span!("query", table = "orders").in_scope(|| ());
    outer.record("status", 200 + i % 2);
}

#[test]
fn spans_and_events_allocate_nothing_when_their_callsites_are_known() {
    let client = Client::builder("unused").build_with(from_fn(|_| Ok(()))).unwrap();
    let layer = MetricsLayer::new(&client).tags(["route", "status"]);
    let subscriber = tracing_subscriber::registry().with(layer);
    let allocations = tracing::subscriber::with_default(subscriber, || {
        // The registry allocates room for a thread's spans when they are opened for the first time.
        (0..64).for_each(log_and_span);
        measure(|| (0..10_000).for_each(log_and_span)).count_total
    });
    assert_eq!(allocations, 0);
    let tags =
        |status| [("level", "warn"), ("target", "allocations"), ("route", "/orders"), status];
    for status in ["200", "201"] {
        let counter = client.counter("tracing.events", &tags(("status", status)));
        assert_eq!(counter.total(), 5032, "status {status}");
    }
}
