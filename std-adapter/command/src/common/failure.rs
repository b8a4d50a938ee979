//! Failures of a program: an exit code, what happened, and what to do next. `perf` in `benches` has the same.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// The exit codes, for scripts. `--help` lists them, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Exit {
    /// The answer is no: something was lost, part of the input was refused, or a goal was missed.
    Verdict = 1,
    /// The arguments make no sense together. (clap uses the same code for what it rejects.)
    Usage = 2,
    /// The machine does not allow it: a file, a port, a host name, a tool that is missing.
    Environment = 3,
}

/// What every subcommand returns.
pub(crate) type Outcome = Result<(), Failure>;

/// Why a program stops.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// Empty if everything has been said already.
    message: String,
    hint: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: String::new() }
    }

    /// A failure that the printed report already describes; only the exit code remains.
    pub(crate) fn reported(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Display) -> Self {
        self.hint = hint.to_string();
        self
    }

    /// A failure to open, read or write a file.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "Check the path.",
            io::ErrorKind::PermissionDenied => "Check who may use it: `ls -l` shows it.",
            io::ErrorKind::IsADirectory => "Name a file in that directory.",
            io::ErrorKind::StorageFull => "Make room, or write somewhere else.",
            _ => "",
        };
        let path = if path.as_os_str() == "-" { Path::new("the standard stream") } else { path };
        let message = format_args!("cannot {doing} {}: {error}", path.display()).to_string();
        Self::new(Exit::Environment, message).hint(hint)
    }

    /// Prints the message to standard error, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            eprintln!("{}: {}", env!("CARGO_BIN_NAME"), self.message);
        }
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

/// Converts a failure to write output. A reader that closes the pipe early (`| head`) does not count as a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            std::process::exit(0);
        }
        Self::file("write to", Path::new("-"), &error)
    }
}
