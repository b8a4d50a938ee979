//! Where the collector's log goes: to standard error, or, while a live view has the terminal, to its last lines.

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// The form of the log.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The latest lines, for a live view to show.
#[derive(Clone, Default, Debug)]
pub(crate) struct Latest(Arc<Mutex<VecDeque<String>>>);

/// So many lines are shown.
const LINES: usize = 4;

impl Latest {
    pub(super) fn lines(&self) -> Vec<String> {
        self.all().iter().cloned().collect()
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Latest {
    /// Takes a whole line, as the subscriber writes one at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut all = self.all();
        all.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
        while all.len() > LINES {
            all.pop_front();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Latest {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Begins to log in this form, to a live view if there is one. `RUST_LOG` says what: `warn`, or
/// `ringstat_collector=debug`. Lines are written until the guard is dropped, by a thread of their own: nobody who
/// receives waits for standard error.
pub(crate) fn start(form: Form, live: Option<&Latest>) -> WorkerGuard {
    let (stderr, guard) = NonBlocking::new(io::stderr());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // A program that embeds the command may have installed a logger already.
    let _ = match (live, form) {
        (Some(latest), _) => log.with_ansi(false).with_writer(latest.clone()).try_init(),
        (None, Form::Text) => {
            // https://no-color.org
            let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let colours = io::stderr().is_terminal() && !asked_not_to;
            log.with_ansi(colours).with_writer(stderr).try_init()
        }
        (None, Form::Json) => log.json().flatten_event(true).with_writer(stderr).try_init(),
    };
    guard
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_latest_lines_are_kept() {
        let mut latest = Latest::default();
        (0..10).for_each(|n| latest.write_all(format!("line {n}\n").as_bytes()).unwrap());
        assert_eq!(latest.lines(), ["line 6", "line 7", "line 8", "line 9"]);
    }
}
