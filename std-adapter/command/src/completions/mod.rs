//! `ringstat completions`: the completions of a shell, made from the same description as `--help`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::common::failure::Outcome;

/// The end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat completions bash > ~/.local/share/bash-completion/completions/ringstat
  ringstat completions zsh > ~/.zfunc/_ringstat
  ringstat completions fish > ~/.config/fish/completions/ringstat.fish";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Outcome {
    // In memory first: the generator panics when its output is closed.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "ringstat", &mut text);
    std::io::Write::write_all(&mut std::io::stdout(), &text)?;
    Ok(())
}
