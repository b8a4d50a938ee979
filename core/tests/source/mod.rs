//! Reads the source files of a crate, for tests of what its rooms import. The tests of `ringstat-core`, `ringstat-std`
//! and `ringstat-collector` share this file.

#![allow(dead_code)] // Not every test uses all of it.

use std::collections::BTreeSet;
use std::path::Path;

/// A source file below `src`, and its code without comments, tests and the parts that only the model checker builds.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) code: String,
}

impl Source {
    /// The room to which the file belongs, named after its folder or the file itself. For `lib.rs` that is `lib`.
    pub(crate) fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// The names that follow `crate::` in the code, in any form of `use`.
    pub(crate) fn imports(&self) -> BTreeSet<&str> {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        (self.code.split("crate::").skip(1))
            .flat_map(|rest| match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
                None => vec![rest],
            })
            .map(|path| path.trim().split(|c| !is_word(c)).next().unwrap_or_default())
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// All source files of the crate in `manifest_dir`, except those that only contain tests.
pub(crate) fn all(manifest_dir: &str) -> Vec<Source> {
    let root = Path::new(manifest_dir).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    found
}

/// Asserts that every file belongs to a room and that a room imports only from itself and the rooms before it in
/// `rooms`. A name that is not a room is refused as well, because every room could import everything through a
/// re-export at the root of the crate.
pub(crate) fn assert_order(sources: &[Source], rooms: &[&str]) {
    let place = |room: &str| rooms.iter().position(|r| *r == room);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources.iter().filter(|s| s.path != "lib.rs") {
        let Some(own) = place(source.room()) else {
            wrong.push(format!("{} is in no room", source.path));
            continue;
        };
        seen.insert(own);
        let imports = source.imports();
        let late = imports.into_iter().filter(|import| place(import).is_none_or(|p| p > own));
        wrong.extend(late.map(|import| format!("{} imports {import}", source.path)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(seen.len(), rooms.len(), "every room has a file");
}

/// Asserts that every public error can grow: a new variant or field is no breaking change.
pub(crate) fn assert_errors_may_grow(sources: &[Source]) {
    for source in sources {
        let mut before = "";
        for line in source.code.lines() {
            let name = ["pub enum ", "pub struct "].iter().find_map(|kind| line.strip_prefix(kind));
            let is_error = name.and_then(|name| name.split([' ', '<', '(']).next());
            let fixed =
                is_error.is_some_and(|name| name.ends_with("Error")) && !line.ends_with(';');
            assert!(!fixed || before == "#[non_exhaustive]", "{}: {line}", source.path);
            before = line;
        }
    }
}

fn collect(dir: &Path, root: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        let is_test = name.replace("testkit/", "").contains("test");
        if path.is_dir() {
            collect(&path, root, found);
        } else if name.ends_with(".rs") && !is_test {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push(Source { path: name, code: code(&text) });
        }
    }
}

/// Returns a file's text without comments, test modules and the variants for loom.
fn code(text: &str) -> String {
    // Tests that stand in the file itself are at its end.
    let tests =
        ["\n#[cfg(test)]\n", "\n#[cfg(all(test"].into_iter().flat_map(|c| text.match_indices(c));
    let begins_here = |at: &usize| text[at + 1..].lines().nth(1).is_some_and(|l| l.ends_with('{'));
    let end = tests.map(|(at, _)| at).filter(begins_here).min().unwrap_or(text.len());
    text[..end]
        .split("\n\n")
        .filter(|paragraph| !paragraph.starts_with("#[cfg(loom)]"))
        .flat_map(str::lines)
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}
