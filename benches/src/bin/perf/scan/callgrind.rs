//! Runs a target under callgrind, and parses the output of `callgrind_annotate`.

use std::path::Path;
use std::process::Command;

use super::{LIMIT, Target};
use crate::failure::Failure;
use crate::tools;

/// A function and its share of all instructions, excluding the functions it calls.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Hot {
    pub(super) function: String,
    pub(super) percent: f64,
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
    let mut annotate = Command::new("callgrind_annotate");
    annotate.args(["--auto=no", "--threshold=99"]).arg(&file);
    let output = tools::run(&mut annotate, LIMIT)?.success("callgrind_annotate")?;
    Ok(parse(&String::from_utf8_lossy(&output)))
}

/// Parses lines such as `12,345 (67.89%)  src/lib.rs:crate::function [/path/of/binary]`. A function has one line for
/// each file that was inlined into it; those are added up.
fn parse(text: &str) -> Vec<Hot> {
    let line = |line: &str| {
        let (count, rest) = line.trim_start().split_once(' ')?;
        if !count.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (percent, place) = rest.trim_start().strip_prefix('(')?.split_once("%)")?;
        let place = place.trim();
        if place.is_empty() || place.starts_with("PROGRAM TOTALS") {
            return None;
        }
        let place = place.rsplit_once(" [").map_or(place, |(place, _)| place);
        // The file name contains no colon, while a function's path contains many.
        let (_, function) = place.split_once(':')?;
        let percent = percent.trim().parse().ok()?;
        Some(Hot { function: short(function), percent })
    };
    let mut hot: Vec<Hot> = Vec::new();
    for found in text.lines().filter_map(line) {
        match hot.iter_mut().find(|h| h.function == found.function) {
            Some(known) => known.percent += found.percent,
            None => hot.push(found),
        }
    }
    hot.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    hot
}

/// Shortens a function's name by its parameters and the trailing hash.
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
    fn what_callgrind_annotate_prints_is_read() {
        let text = "\
--------------------------------------------------------------------------------
Ir                     
--------------------------------------------------------------------------------
100,000,000 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir                    file:function
--------------------------------------------------------------------------------
60,123,456 (60.12%)  core/src/wire/encode.rs:ringstat_core::wire::encode::Datagram<_,_>::event [/bin/perf]
   223,456 ( 0.25%)  ???:memcpy::h0123456789abcdef [/lib/libc.so.6]
   123,456 ( 0.12%)  core/src/wire/cursor.rs:ringstat_core::wire::encode::Datagram<_,_>::event [/bin/perf]
";
        let hot = parse(text);
        assert_eq!(hot.len(), 2, "{hot:?}");
        assert_eq!(hot[0].function, "ringstat_core::wire::encode::Datagram<_,_>::event");
        assert_eq!((hot[0].percent, hot[1].percent), (60.12 + 0.12, 0.25));
        assert_eq!(hot[1].function, "memcpy");
    }
}
