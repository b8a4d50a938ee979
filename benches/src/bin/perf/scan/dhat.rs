//! Parses DHAT's output: how much each place in the code allocated.

use std::collections::HashMap;

use serde::Deserialize;

use super::callgrind::short;
use crate::failure::Failure;

/// A place in our code that allocates.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Site {
    pub(crate) place: String,
    /// The file and line there that allocates the most.
    pub(crate) line: String,
    /// The bytes allocated there in total.
    pub(crate) bytes: f64,
    pub(crate) blocks: u64,
}

#[derive(Deserialize)]
struct File {
    pps: Vec<Point>,
    ftbl: Vec<String>,
}

/// A call stack that leads to allocations.
#[derive(Deserialize)]
struct Point {
    /// The total number of bytes.
    tb: u64,
    tbk: u64,
    /// The frames, innermost first, as indices into the table.
    fs: Vec<usize>,
}

/// Returns the places in `text`, which is DHAT's JSON, in descending order of bytes.
pub(crate) fn sites(text: &str) -> Result<Vec<Site>, Failure> {
    let file: File = serde_json::from_str(text)?;
    // For each place its bytes and blocks, and its line with the most bytes.
    let mut sites: HashMap<String, (u64, u64, (u64, &str))> = HashMap::new();
    for point in &file.pps {
        let mut frames = point.fs.iter().filter_map(|i| file.ftbl.get(*i)).map(|f| function(f));
        // The desk's own allocations, without ringstat on the stack, are left out.
        let Some((place, line)) = frames.find(|f| is_ours(&f.0)) else { continue };
        let sum = sites.entry(place).or_default();
        *sum = (sum.0 + point.tb, sum.1 + point.tbk, sum.2.max((point.tb, line)));
    }
    let site = |(place, (bytes, blocks, (_, line)))| {
        let line = String::from(line);
        Site { place, line, bytes: bytes as f64, blocks }
    };
    let mut sites: Vec<_> = sites.into_iter().map(site).collect();
    sites.sort_by(|a, b| b.bytes.total_cmp(&a.bytes).then_with(|| a.place.cmp(&b.place)));
    Ok(sites)
}

fn is_ours(function: &str) -> bool {
    function.trim_start_matches('<').starts_with("ringstat")
}

/// Extracts function and line from `0x1234: crate::function (file.rs:12)`.
fn function(frame: &str) -> (String, &str) {
    let name = frame.split_once(": ").map_or(frame, |(_, name)| name);
    let (name, line) = name.rsplit_once(" (").unwrap_or((name, ""));
    (short(name), line.trim_end_matches(')'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocations_are_summed_by_the_innermost_frame_of_ours() {
        let text = r#"{
            "pps": [
                {"tb": 100, "tbk": 2, "fs": [1, 2, 3]},
                {"tb": 50, "tbk": 1, "fs": [1, 2]},
                {"tb": 400, "tbk": 1, "fs": [1, 4]}
            ],
            "ftbl": ["[root]", "0x1: malloc (in /lib/x.so)",
                "0x2: ringstat_collector::store::Store::new (store.rs:12)",
                "0x3: perf::main (main.rs:3)", "0x4: std::rt::init (rt.rs:1)"]
        }"#;
        let sites = sites(text).unwrap();
        let place = "ringstat_collector::store::Store::new".into();
        let line = "store.rs:12".into();
        assert_eq!(sites, [Site { place, line, bytes: 150.0, blocks: 3 }]);
    }

    #[test]
    fn what_is_not_dhats_is_an_error() {
        assert!(super::sites("{}").is_err());
        assert!(super::sites("hello").is_err());
    }
}
