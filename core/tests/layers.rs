//! Tests which rooms may import which, and where unsafe code is allowed.

mod source;

use source::Source;

/// The rooms of `core/src` in the order of the flow. Each imports only from those before it.
const ROOMS: [&str; 14] = [
    "sync",
    "ledger",
    "record",
    "instrument",
    "ring",
    "policy",
    "format",
    "wire",
    "text",
    "receive",
    "send",
    "observe",
    "chip",
    "testkit",
];

fn sources() -> Vec<Source> {
    let found = source::all(env!("CARGO_MANIFEST_DIR"));
    assert!(found.len() > 60, "{} files", found.len());
    found
}

#[test]
fn a_room_imports_only_from_the_rooms_before_it() {
    source::assert_order(&sources(), &ROOMS);
}

#[test]
fn errors_may_grow() {
    source::assert_errors_may_grow(&sources());
}

/// Inside `wire`, which contains both encoding and decoding, the two must not import each other.
#[test]
fn reading_and_writing_do_not_know_each_other() {
    for source in sources() {
        let writes =
            source.path.starts_with("wire/encode/") || source.path.starts_with("wire/table/");
        let forbidden: &[&str] = if writes {
            &["decode", "Decoder"]
        } else if source.path.starts_with("wire/decode/") {
            &["encode", "Encoder", "table::"]
        } else {
            continue;
        };
        for word in forbidden {
            assert!(!source.code.contains(word), "{} knows of {word}", source.path);
        }
    }
}

#[test]
fn core_knows_no_platform() {
    for source in sources() {
        if source.room() == "testkit" {
            continue;
        }
        for word in ["std::", "ringstat_std", "embassy", "Instant::now"] {
            assert!(!source.code.contains(word), "{} knows of {word}", source.path);
        }
    }
}

#[test]
fn core_depends_on_no_adapter() {
    let manifest = include_str!("../Cargo.toml");
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
    let (dependencies, _) = dependencies.split_once("\n[dev-dependencies]\n").unwrap();
    for word in ["ringstat", "embassy", "tokio", "libc", "path ="] {
        assert!(!dependencies.contains(word), "ringstat-core depends on {word}");
    }
}

#[test]
fn unsafe_is_where_it_may_be() {
    for source in sources() {
        let allowed = source.path.starts_with("ring/")
            || source.path.starts_with("record/event/")
            || source.path.starts_with("record/interner/")
            || source.path.starts_with("record/spill/")
            || ["record/borrowed.rs", "record/strings.rs", "record/uninit.rs", "sync/prefetch.rs"]
                .contains(&source.path.as_str());
        assert!(allowed || !source.code.contains("unsafe "), "{}", source.path);
    }
}
