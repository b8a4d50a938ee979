//! `ringstat data`: what is in a collector's data directory, and whether it is sound.

use std::path::PathBuf;

use ringstat_collector::DataError;
use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::{ledger, report};

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat data check /var/lib/ringstat
  ringstat data show /var/lib/ringstat --json

Both read everything and change nothing; no collector may use the directory meanwhile.

Exit codes: 0 the data is sound, 1 it is damaged, 2 usage, 3 it cannot be read";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Read everything in a data directory, and say whether it is sound
    Check(Of),
    /// Print what a collector would know if it started with a data directory
    Show {
        #[command(flatten)]
        of: Of,
        /// With --json: the largest number of series
        #[arg(long, value_name = "N", default_value_t = 100_000)]
        series: usize,
    },
}

#[derive(clap::Args, Debug)]
struct Of {
    /// The directory, as given to `collect --data`
    dir: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// What is printed of a directory as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    data: &'a ringstat_collector::DataReport,
    state: &'a ringstat_collector::Report,
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Check(of) => {
            let data = ringstat_collector::check_data(&of.dir).map_err(unsound)?;
            report::print(&data, of.json, false)?;
        }
        What::Show { of, series } => {
            let shown = ringstat_collector::show_data(&of.dir, *series);
            let (data, state) = shown.map_err(unsound)?;
            if of.json {
                report::print(&Shown { data: &data, state: &state }, true, false)?;
            } else {
                report::print(&data, false, false)?;
                println!();
                ledger::print(&state)?;
            }
        }
    }
    Ok(())
}

fn unsound(error: DataError) -> Failure {
    let exit = if error.is_damage() { Exit::Verdict } else { Exit::Environment };
    let hint = hint(&error);
    Failure::new(exit, error).hint(hint)
}

/// What to do about a data directory that cannot be used.
pub(crate) fn hint(error: &DataError) -> String {
    match error {
        DataError::InUse(dir) => {
            format!("{} has its process number.", dir.join("lock").display())
        }
        DataError::Damaged { .. } => {
            "Put a copy of the directory back, or start with `collect --data DIR --recover`: it keeps the damaged file under another name, and begins with what is left.".into()
        }
        DataError::Newer { .. } => {
            "Start the version that wrote it, or use another directory.".into()
        }
        DataError::Empty(_) => {
            "`ringstat collect --data DIR` makes a data directory.".into()
        }
        _ => "Check who may use it, and how much room there is: `ls -l` and `df` show it.".into(),
    }
}
