//! Who may know whom. The layout promises it, so a test keeps it.

use std::collections::BTreeSet;
use std::path::Path;

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

/// A source file below `core/src`, and its code without comments, tests and what only the model checker builds.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The room that it stands in; none for `lib.rs`.
    fn room(&self) -> Option<&'static str> {
        let room = self.path.split('/').next()?.trim_end_matches(".rs");
        ROOMS.into_iter().find(|r| *r == room)
    }

    /// The rooms that its code names as `crate::room`, in whatever form of `use`.
    fn imports(&self) -> BTreeSet<&str> {
        let named = self.code.split("crate::").skip(1);
        let mut rooms: BTreeSet<&str> = named
            .flat_map(|rest| match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
                None => vec![rest],
            })
            .map(|path| {
                path.trim().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap()
            })
            .collect();
        rooms.retain(|room| !room.is_empty() && ROOMS.contains(room));
        rooms
    }
}

/// What is left of a source file's text when comments, test modules and loom's twins are taken out.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let text = text.split("\n#[cfg(all(test").next().unwrap_or_default();
    text.split("\n\n")
        .filter(|paragraph| !paragraph.starts_with("#[cfg(loom)]"))
        .flat_map(str::lines)
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn collect(dir: &Path, root: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, root, found);
        } else if !name.contains("test")
            || name.starts_with("testkit/") && !name.ends_with("tests.rs")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Source { path: name, code: code(&text) });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 60, "{} files", found.len());
    found
}

fn order(room: &str) -> usize {
    ROOMS.iter().position(|r| *r == room).unwrap()
}

#[test]
fn every_file_stands_in_a_room() {
    for source in sources() {
        assert!(source.room().is_some() || source.path == "lib.rs", "{}", source.path);
    }
}

#[test]
fn a_room_imports_only_from_the_rooms_before_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else { continue };
        for import in source.imports() {
            if order(import) > order(room) {
                wrong.push(format!("{} imports {import}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The walls inside `wire`, where both directions live in one room.
#[test]
fn reading_and_writing_do_not_know_each_other() {
    for source in sources() {
        let writes = source.path == "wire/encode.rs" || source.path.starts_with("wire/table/");
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
        if source.room() == Some("testkit") {
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
            || source.path.starts_with("record/spill/")
            || ["record/event.rs", "record/interner.rs", "record/strings.rs", "record/uninit.rs"]
                .contains(&source.path.as_str());
        assert!(allowed || !source.code.contains("unsafe "), "{}", source.path);
    }
}
