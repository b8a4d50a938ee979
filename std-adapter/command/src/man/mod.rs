//! `ringstat man`: manual pages, made from the same description as `--help`.

use std::path::PathBuf;

use clap::CommandFactory as _;

use crate::common::failure::{Failure, Outcome};

/// The end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat man /usr/local/share/man/man1 && man ringstat-collect";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The folder for the pages: ringstat.1, and one for each subcommand
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let wrong = |e| Failure::file("write to", &args.folder, &e);
    std::fs::create_dir_all(&args.folder).map_err(wrong)?;
    clap_mangen::generate_to(crate::Cli::command(), &args.folder).map_err(wrong)?;
    Ok(())
}
