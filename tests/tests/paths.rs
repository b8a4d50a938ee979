//! The files that the READMEs and CONTRIBUTING refer to exist.

use std::path::Path;

/// Returns the paths in backquotes and links of a page that refer to this repository.
fn paths(page: &str) -> Vec<&str> {
    let roots = ["core", "std-adapter", "embassy-adapter", "benches", "tests", ".ci", ".github"];
    let words = page.split(['`', '(', ')', ' ', '\n', ',', ';']);
    // Pages that registries show refer to the repository by full addresses.
    let hosted = "https://github.com/ringstat/ringstat/";
    let path = |word| match str::strip_prefix(word, hosted) {
        Some(rest) => rest.trim_start_matches("blob/main/").trim_start_matches("tree/main/"),
        None => word,
    };
    words
        .map(path)
        .filter(|word| word.split_once('/').is_some_and(|(root, _)| roots.contains(&root)))
        .collect()
}

fn check(name: &str, page: &str, least: usize) {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let paths = paths(page);
    assert!(paths.len() >= least, "{name} names {} files", paths.len());
    for path in paths {
        // A sentence may end after the path.
        let path = path.trim_end_matches(['.', ':']);
        assert!(root.join(path).exists(), "{name} leads to {path}, which is not there");
    }
}

#[test]
fn readme_leads_to_what_is_there() {
    check("README.md", include_str!("../../README.md"), 30);
}

#[test]
fn readmes_of_the_crates_lead_to_what_is_there() {
    check("core/README.md", include_str!("../../core/README.md"), 3);
    check("std-adapter/README.md", include_str!("../../std-adapter/README.md"), 1);
    check("embassy-adapter/README.md", include_str!("../../embassy-adapter/README.md"), 2);
}

#[test]
fn contributing_leads_to_what_is_there() {
    check("CONTRIBUTING.md", include_str!("../../.github/CONTRIBUTING.md"), 40);
}
