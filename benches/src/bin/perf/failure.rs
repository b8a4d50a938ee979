//! Failures of a subcommand: an exit code, what happened, and what to do next.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// What every subcommand returns.
pub(crate) type Outcome = Result<(), Failure>;

/// The exit codes, for scripts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// A rule is broken, a regression was found, or a goal was missed.
    Verdict = 1,
    /// The arguments make no sense. (clap uses the same code for what it rejects.)
    Usage = 2,
    /// The environment does not allow it: a tool or file is missing, or a commit does not build.
    Environment = 3,
}

/// Why a subcommand failed.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    hint: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: String::new() }
    }

    /// Adds a hint on what to do next.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = hint.to_string();
        self
    }

    /// Creates a failure to open, read or write a file.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let message = format_args!("cannot {doing} {}: {error}", path.display()).to_string();
        Self::new(Exit::Environment, message)
    }

    /// Prints the message to standard error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("perf: {}", self.message);
        if !self.hint.is_empty() {
            eprintln!("  {}", self.hint);
        }
        ExitCode::from(self.exit as u8)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::new(Exit::Environment, format_args!("the results file: {error}"))
            .hint("Name another one with --db, or remove it: it holds measurements only.")
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Exit::Environment, format_args!("not the JSON that was expected: {error}"))
    }
}

/// Converts a failure to write output. A reader that closes the pipe early (`| head`) does not count as a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        Self::new(Exit::Environment, error)
    }
}
