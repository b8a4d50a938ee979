//! Runs a target under callgrind, and reads which functions, and which lines of them, took the instructions.

use std::collections::HashMap;
use std::path::Path;

use super::{LIMIT, Target};
use crate::failure::Failure;
use crate::tools;

/// A function and its share of all instructions, excluding the functions it calls.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Hot {
    pub(super) function: String,
    pub(super) percent: f64,
    /// The file and line that takes the most of them.
    pub(super) place: String,
}

/// Returns the functions of `target`, the hottest first. The counts stay in `out`, for KCachegrind.
pub(super) fn scan(target: &Target, out: &Path) -> Result<Vec<Hot>, Failure> {
    let file = out.join(format!("{}.callgrind", target.name));
    let out_file = format!("--callgrind-out-file={}", file.display());
    let flags = ["--tool=callgrind", "--quiet", "--log-file=/dev/null", &out_file];
    let ended = tools::run(&mut target.under("valgrind", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("valgrind")?;
    }
    let text = std::fs::read_to_string(&file).map_err(|e| Failure::file("read", &file, &e))?;
    Ok(parse(&text))
}

/// Names that the format writes out once, as `(3) name`, and from then on abbreviates to `(3)`.
#[derive(Default)]
struct Names<'a>(HashMap<&'a str, &'a str>);

impl<'a> Names<'a> {
    fn resolve(&mut self, text: &'a str) -> &'a str {
        let Some((id, name)) = text.split_once(')') else { return text };
        if !name.is_empty() {
            self.0.insert(id, name.trim_start());
        }
        self.0.get(id).copied().unwrap_or_default()
    }
}

/// Parses callgrind's own format, in which the costs of a function's lines follow its name.
fn parse(text: &str) -> Vec<Hot> {
    let (mut files, mut functions) = (Names::default(), Names::default());
    let (mut file, mut function, mut line) = ("", "", 0i64);
    // For each function its lines with their costs.
    let mut costs: HashMap<String, HashMap<(&str, i64), u64>> = HashMap::new();
    let mut is_call = false;
    for text in text.lines() {
        if let Some((key, rest)) = text.split_once('=') {
            match key {
                "fl" | "fi" | "fe" => file = files.resolve(rest),
                "fn" => function = functions.resolve(rest),
                // These may define names that are used later.
                "cfi" | "cfl" => _ = files.resolve(rest),
                "cfn" => _ = functions.resolve(rest),
                "calls" => is_call = true,
                _ => {}
            }
            continue;
        }
        let mut words = text.split_ascii_whitespace();
        let Some(at) = words.next().and_then(|word| position(word, line)) else { continue };
        line = at;
        // The line after `calls=` has what the called function cost, which is not this function's own.
        let cost = words.next().and_then(|word| word.parse::<u64>().ok());
        if let (false, Some(cost)) = (std::mem::take(&mut is_call), cost) {
            *costs.entry(short(function)).or_default().entry((file, line)).or_default() += cost;
        }
    }
    let total: u64 = costs.values().flat_map(HashMap::values).sum();
    let hot = |(function, lines): (String, HashMap<(&str, i64), u64>)| {
        let cost: u64 = lines.values().sum();
        let hottest = lines.into_iter().max_by_key(|((file, line), cost)| (*cost, *file, *line));
        let place = hottest.map_or(String::new(), |((file, line), _)| place(file, line));
        Hot { function, percent: cost as f64 / total.max(1) as f64 * 100.0, place }
    };
    let mut hot: Vec<Hot> = costs.into_iter().map(hot).collect();
    let order = |h: &Hot| h.function.clone();
    hot.sort_by(|a, b| b.percent.total_cmp(&a.percent).then_with(|| order(a).cmp(&order(b))));
    hot
}

/// Reads a line number, which may be relative to the one before.
fn position(word: &str, before: i64) -> Option<i64> {
    match word.split_at_checked(1)? {
        ("*", "") => Some(before),
        ("+", by) => Some(before + by.parse::<i64>().ok()?),
        ("-", by) => Some(before - by.parse::<i64>().ok()?),
        _ => word.parse().ok(),
    }
}

/// Shortens a path to what somebody who knows the source needs.
fn place(file: &str, line: i64) -> String {
    let known = ["/rustc/", "/registry/src/"].iter().find_map(|root| {
        let (_, rest) = file.split_once(root)?;
        rest.split_once('/').map(|(_, path)| path)
    });
    let here = std::env::current_dir().unwrap_or_default();
    let path = known.unwrap_or_else(|| {
        let ours = Path::new(file).strip_prefix(&here).ok();
        ours.and_then(Path::to_str).unwrap_or(file)
    });
    if path.is_empty() || path == "???" { String::new() } else { format!("{path}:{line}") }
}

/// Shortens a function's name by the trailing hash, and the mark of a recursion.
pub(super) fn short(function: &str) -> String {
    let end = function
        .rsplit_once("::h")
        .filter(|(_, hash)| hash.len() == 16 && hash.chars().all(|c| c.is_ascii_hexdigit()));
    end.map_or(function, |(name, _)| name).trim_end_matches("'2").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_costs_are_summed_by_function_and_the_hottest_line_is_named() {
        let text = "\
version: 1
positions: line
events: Ir

fl=(1) /rustc/abc/library/core/src/slice.rs
fn=(1) ringstat_core::wire::encode::event
10 100
+2 300
fi=(2) /elsewhere/core/src/wire/cursor.rs
* 50
cfi=(3) ???
cfn=(2) memcpy::h0123456789abcdef
calls=7 99
-2 5000
fe=(1)
13 50

fl=(3)
fn=(2)
0 500

totals: 1000
";
        let hot = parse(text);
        let of = |function: &str, percent, place: &str| Hot {
            function: function.into(),
            percent,
            place: place.into(),
        };
        let expected = [
            of("memcpy", 50.0, ""),
            of("ringstat_core::wire::encode::event", 50.0, "library/core/src/slice.rs:12"),
        ];
        assert_eq!(hot, expected);
    }
}
