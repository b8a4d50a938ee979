//! `perf runs`: the stored runs: lists, exports, imports and removes them.

use std::path::{Path, PathBuf};

use crate::desk::{Kept, table};
use crate::failure::{Failure, Outcome};
use crate::results::{Run, now};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// List the latest runs
    List {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20)]
        most: usize,
        #[command(flatten)]
        kept: Kept,
    },
    /// Print runs as a JSON array, for `perf runs import` elsewhere
    Export {
        /// Only runs of the last so many days
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        #[command(flatten)]
        kept: Kept,
    },
    /// Store the runs of a file that `perf runs export` or `--json` wrote; those that are here already are left out
    Import {
        file: PathBuf,
        #[command(flatten)]
        kept: Kept,
    },
    /// Remove runs that are older than so many days
    Prune {
        #[arg(long, value_name = "DAYS")]
        keep_days: u32,
        #[command(flatten)]
        kept: Kept,
    },
}

const DAY: i64 = 86_400;

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.what {
        What::List { most, kept } => {
            print!("{}", list(&kept.open()?.latest(None, *most)?));
        }
        What::Export { days, kept } => {
            let mut runs = kept.open()?.latest(None, i32::MAX as usize)?;
            let from = days.map_or(i64::MIN, |days| now() - i64::from(days) * DAY);
            runs.retain(|r| r.at >= from);
            // The oldest first, so that an import numbers them in order.
            runs.reverse();
            println!("{}", serde_json::to_string(&runs)?);
        }
        What::Import { file, kept } => {
            let (mut results, mut new) = (kept.open()?, 0);
            let runs = read(file)?;
            let all = runs.len();
            for mut run in runs {
                new += usize::from(results.import(&mut run)?);
            }
            println!("{new} of {all} runs are new");
        }
        What::Prune { keep_days, kept } => {
            let gone = kept.open()?.prune(now() - i64::from(*keep_days) * DAY)?;
            println!("{gone} runs removed");
        }
    }
    Ok(())
}

/// Reads an array of runs, or a single one.
fn read(file: &Path) -> Result<Vec<Run>, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    if text.trim_start().starts_with('[') {
        return Ok(serde_json::from_str(&text)?);
    }
    Ok(vec![serde_json::from_str(&text)?])
}

fn list(runs: &[Run]) -> String {
    let row = |r: &Run| {
        let e = &r.environment;
        vec![
            format!("@{}", r.id),
            format!("{} h ago", (now() - r.at) / 3600),
            r.kind.clone(),
            e.short(),
            e.branch.clone(),
            e.machine.clone(),
            r.metrics.len().to_string(),
        ]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    table(&["run", "when", "kind", "commit", "branch", "machine", "numbers"], &rows)
}
