//! Where the CPU time is spent: stacks sampled by `perf record`, as flame graphs.

use std::path::Path;
use std::process::Command;

use inferno::collapse::Collapse;
use inferno::collapse::perf::{Folder, Options as CollapseOptions};
use inferno::differential;
use inferno::flamegraph::color::{BasicPalette, Palette};
use inferno::flamegraph::{self, Options};

use super::LIMIT;
use crate::failure::{Exit, Failure};
use crate::scan::Target;
use crate::tools;

/// Samples the stacks of `target`. Returns them folded, and the CPU time that they stand for, in nanoseconds.
pub(super) fn sample(
    target: &Target,
    frequency: u32,
    out: &Path,
) -> Result<(String, u64), Failure> {
    let data = out.join(format!("{}.data", target.name));
    let (data, frequency) = (data.to_string_lossy().into_owned(), frequency.to_string());
    // Sampling uses the CPU clock, not cycles, because virtual machines often have no hardware counters. Optimized code
    // has no frame pointers, so stacks are unwound from stack memory.
    let flags = [
        "record",
        "--quiet",
        "--event=cpu-clock",
        "--freq",
        &frequency,
        "--call-graph=dwarf,8192",
        "--output",
        &data,
        "--",
    ];
    let ended = tools::run(&mut target.under("perf", &flags), LIMIT)?;
    if !matches!(ended.code, Some(0 | 1)) {
        ended.success("perf record").map_err(|e| {
            e.hint(
                "`sysctl kernel.perf_event_paranoid=1` lets everybody sample their own programs.",
            )
        })?;
    }
    let mut script = Command::new("perf");
    script.args(["script", "--no-inline", "--input", &data]);
    let stacks = tools::run(&mut script, LIMIT)?.success("perf script")?;
    let (folded, nanos) = fold(&stacks)?;
    if nanos == 0 {
        return Err(Failure::new(Exit::Environment, "no samples were taken")
            .hint("Take more --seconds, or a higher --frequency."));
    }
    Ok((folded, nanos))
}

/// Folds the stacks that `perf script` prints into one line for each different stack, with its time. Also returns the
/// total time.
fn fold(stacks: &[u8]) -> Result<(String, u64), Failure> {
    let mut folder = Folder::from(CollapseOptions::default());
    let mut folded = Vec::new();
    folder.collapse(stacks, &mut folded)?;
    let folded = String::from_utf8_lossy(&folded).into_owned();
    // A sample counts for one period of the clock.
    let time = |line: &str| line.rsplit_once(' ')?.1.parse::<u64>().ok();
    let nanos = folded.lines().filter_map(time).sum();
    Ok((folded, nanos))
}

/// Returns the stacks of both with both times, as differential flame graphs are drawn from them. The time of the one
/// before is scaled to that of the other, so that only shares count.
pub(super) fn difference(before: &str, after: &str) -> Result<String, Failure> {
    let options = differential::Options { normalize: true, ..Default::default() };
    let mut lines = Vec::new();
    differential::from_readers(options, before.as_bytes(), after.as_bytes(), &mut lines)?;
    Ok(String::from_utf8_lossy(&lines).into_owned())
}

/// Draws the flame graph of CPU time as SVG, with names that appear under the pointer.
pub(super) fn draw(folded: &str, name: &str) -> Result<String, Failure> {
    let mut options = Options::default();
    options.title = format!("ringstat: {name}");
    options.count_name = "ns".into();
    picture(&mut options, folded)
}

/// Draws the flame graph of time spent waiting.
pub(super) fn draw_waits(folded: &str, name: &str) -> Result<String, Failure> {
    let mut options = Options::default();
    options.title = format!("ringstat: {name}, off the CPU");
    options.count_name = "µs".into();
    options.colors = Palette::Basic(BasicPalette::Blue);
    picture(&mut options, folded)
}

fn picture(options: &mut Options<'_>, folded: &str) -> Result<String, Failure> {
    let mut svg = Vec::new();
    flamegraph::from_lines(options, folded.lines(), &mut svg)?;
    Ok(String::from_utf8_lossy(&svg).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACKS: &str = "\
perf 100 1.000: 2004008 cpu-clock:
	55d0 ringstat_core::wire::encode (/bin/perf)
	55e0 perf::main (/bin/perf)

perf 100 1.002: 2004008 cpu-clock:
	55d0 ringstat_core::wire::encode (/bin/perf)
	55e0 perf::main (/bin/perf)

";

    #[test]
    fn stacks_become_a_picture_that_names_its_functions() {
        let (folded, nanos) = fold(STACKS.as_bytes()).unwrap();
        assert_eq!(nanos, 2 * 2_004_008);
        assert_eq!(folded.trim(), "perf;perf::main;ringstat_core::wire::encode 4008016");
        let svg = draw(&folded, "encode").unwrap();
        assert!(svg.contains("<svg") && svg.contains("ringstat_core::wire::encode"));
        assert!(svg.contains("ringstat: encode"));
        let svg = draw_waits("main;shop::cart;lock 200", "encode").unwrap();
        assert!(svg.contains("shop::cart") && svg.contains("off the CPU"));
    }

    #[test]
    fn a_difference_has_both_times_and_only_shares_count() {
        let lines = difference("a;b 100\na;c 100\n", "a;b 600\na;c 200\n").unwrap();
        let mut lines: Vec<_> = lines.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["a;b 400 600", "a;c 400 200"]);
        assert!(draw("a;b 400 600", "x").unwrap().contains("<svg"));
    }
}
