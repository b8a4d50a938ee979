//! The files that README and CONTRIBUTING lead to are there.

use std::path::Path;

/// The paths in backquotes and links of a page, as far as they are in this repository.
fn paths(page: &str) -> Vec<&str> {
    let roots = ["core", "std-adapter", "embassy-adapter", "benches", "tests", ".ci", ".github"];
    let words = page.split(['`', '(', ')', ' ', '\n', ',', ';']);
    words
        .filter(|word| word.split_once('/').is_some_and(|(root, _)| roots.contains(&root)))
        .collect()
}

fn check(name: &str, page: &str, least: usize) {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let paths = paths(page);
    assert!(paths.len() >= least, "{name} names {} files", paths.len());
    for path in paths {
        // A sentence may end behind it.
        let path = path.trim_end_matches(['.', ':']);
        assert!(root.join(path).exists(), "{name} leads to {path}, which is not there");
    }
}

#[test]
fn readme_leads_to_what_is_there() {
    check("README.md", include_str!("../../README.md"), 30);
}

#[test]
fn contributing_leads_to_what_is_there() {
    check("CONTRIBUTING.md", include_str!("../../.github/CONTRIBUTING.md"), 40);
}
