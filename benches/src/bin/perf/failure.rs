//! Failures, as the `ringstat` command has them, and the errors that only `perf` meets.

#[allow(dead_code, reason = "`perf` always says why it fails")]
#[path = "../../../../std-adapter/command/src/common/failure.rs"]
mod command;

pub(crate) use command::{Exit, Failure, Outcome};

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
