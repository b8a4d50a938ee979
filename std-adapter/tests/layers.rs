//! Which layers of the client may import which.

#[path = "../../core/tests/source/mod.rs"]
mod source;

/// The layers of `src` from the ground up. Each imports only from those before it.
const LAYERS: [&str; 14] = [
    "clock",
    "process",
    "threads",
    "counter",
    "config",
    "identity",
    "registry",
    "rings",
    "transport",
    "shared",
    "worker",
    "client",
    "metrics",
    "tracing",
];

#[test]
fn a_layer_imports_only_from_the_layers_before_it() {
    let sources = source::all(env!("CARGO_MANIFEST_DIR"));
    assert!(sources.len() > 25, "{} files", sources.len());
    source::assert_order(&sources, &LAYERS);
}

#[test]
fn errors_may_grow() {
    source::assert_errors_may_grow(&source::all(env!("CARGO_MANIFEST_DIR")));
}
