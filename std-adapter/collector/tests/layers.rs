//! Which rooms of the collector may import which.

#[path = "../../../core/tests/source/mod.rs"]
mod source;

/// The rooms in the order of the flow. Each imports only from those before it.
const ROOMS: [&str; 21] = [
    "limits",
    "journal",
    "memory",
    "rows",
    "series",
    "mapping",
    "exposition",
    "store",
    "statsd",
    "intake",
    "report",
    "metrics",
    "data",
    "outbox",
    "relay",
    "shared",
    "http",
    "profiling",
    "export",
    "server",
    "fleet",
];

#[test]
fn a_room_imports_only_from_the_rooms_before_it() {
    let sources = source::all(env!("CARGO_MANIFEST_DIR"));
    assert!(sources.len() > 30, "{} files", sources.len());
    source::assert_order(&sources, &ROOMS);
}

#[test]
fn errors_may_grow() {
    source::assert_errors_may_grow(&source::all(env!("CARGO_MANIFEST_DIR")));
}
