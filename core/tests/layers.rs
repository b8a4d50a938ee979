//! Who may know whom. The layout promises it, so a test keeps it.

use std::path::Path;

/// The code of a source file, without its comments, its tests and the paragraphs that only the model checker builds.
fn code(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let text = text.split("\n#[cfg(all(test").next().unwrap_or_default();
    text.split("\n\n")
        .filter(|paragraph| !paragraph.starts_with("#[cfg(loom)]"))
        .flat_map(str::lines)
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn sources(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
            found.push(path.strip_prefix(root).unwrap().to_string_lossy().into_owned());
        }
    }
}

fn all() -> Vec<String> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found.retain(|f| !f.contains("test"));
    assert!(found.len() > 25, "{found:?}");
    found
}

#[test]
fn sending_and_receiving_do_not_know_each_other() {
    let of_lines = ["encode.rs", "text/encoder.rs", "text/line.rs", "text/sent.rs"];
    for file in
        ["sender.rs", "batch.rs", "wire/encode.rs", "wire/strings.rs"].into_iter().chain(of_lines)
    {
        let code = code(file);
        for word in ["decode", "tracker", "Decoder"] {
            assert!(!code.contains(word), "{file} knows of {word}");
        }
    }
    for file in all().iter().filter(|f| f.contains("decode") || f.contains("tracker")) {
        let code = code(file);
        for word in ["crate::sender", "crate::ring", "Encoder", "wire::encode", "super::encode"] {
            assert!(!code.contains(word), "{file} knows of {word}");
        }
    }
}

#[test]
fn core_knows_no_platform() {
    for file in all() {
        let code = code(&file);
        for word in ["std::", "ringstat_std", "embassy", "Instant::now"] {
            assert!(!code.contains(word), "{file} knows of {word}");
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
    let allowed = |f: &str| f.starts_with("ring/") || f == "event.rs" || f == "intern.rs";
    for file in all().iter().filter(|f| !allowed(f)) {
        assert!(!code(file).contains("unsafe "), "{file}");
    }
}
