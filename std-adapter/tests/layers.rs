//! Who may know whom. The layout promises it, so a test keeps it.

use std::collections::BTreeSet;
use std::path::Path;

/// The layers of `src` from the ground up. Each imports only from those before it.
const LAYERS: [&str; 12] = [
    "clock",
    "threads",
    "counter",
    "config",
    "registry",
    "rings",
    "transport",
    "shared",
    "worker",
    "client",
    "metrics",
    "tracing",
];

/// A source file below `src`, and its code without comments and tests.
struct Source {
    path: String,
    code: String,
}

impl Source {
    /// The layer that it stands in; none for `lib.rs`.
    fn layer(&self) -> Option<usize> {
        let layer = self.path.split('/').next()?.trim_end_matches(".rs");
        LAYERS.iter().position(|l| *l == layer)
    }

    /// What its code names behind `crate::`, in whatever form of `use`.
    fn imports(&self) -> BTreeSet<&str> {
        let word = |path: &'_ str| path.find(|c: char| !c.is_alphanumeric() && c != '_');
        (self.code.split("crate::").skip(1))
            .flat_map(|rest| match rest.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or_default().split(',').collect(),
                None => vec![rest],
            })
            .map(|path| path.trim())
            .map(|path| &path[..word(path).unwrap_or(path.len())])
            .filter(|name| !name.is_empty())
            .collect()
    }
}

/// What is left of a source file's text without comments and test modules.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn collect(dir: &Path, root: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            collect(&path, root, found);
        } else if !name.contains("test") {
            found.push(Source { path: name, code: code(&std::fs::read_to_string(&path).unwrap()) });
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    collect(&root, &root, &mut found);
    assert!(found.len() > 25, "{} files", found.len());
    found
}

#[test]
fn every_file_stands_in_a_layer() {
    for source in sources() {
        assert!(source.layer().is_some() || source.path == "lib.rs", "{}", source.path);
    }
}

#[test]
fn a_layer_imports_only_from_the_layers_before_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(layer) = source.layer() else { continue };
        for import in source.imports() {
            match LAYERS.iter().position(|l| *l == import) {
                Some(below) if below <= layer => {}
                // By way of the crate's front page everything could know everything.
                _ => wrong.push(format!("{} imports {import}", source.path)),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
