//! `ringstat doctor`: what on this machine would hinder a collector or a client, and the commands that fix it.
//!
//! [`checks`] and [`data`] look; each check returns one or more [`Finding`]s. Nothing is changed.

mod checks;
mod data;

use std::path::PathBuf;

use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::settings::Settings;

/// The end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat doctor
  ringstat doctor --data /var/lib/ringstat
  ringstat --config /etc/ringstat.toml doctor --json

`ringstat check` is the same: the checklist before production. Nothing is changed: the commands are printed, not \
run. A data directory is tried with a file that is removed again.

Exit codes: 0 nothing stands in the way, 2 usage, 3 something does";

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Data directory to look at, as given to `collect --data` [default: that of the settings, if there is one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object for each finding
    #[arg(long)]
    json: bool,
}

/// The result of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Nothing stands in the way.
    Ok,
    /// Something does, and there is a command or a setting that fixes it.
    Mend,
    /// This system does not tell.
    Unknown,
}

/// What one check found.
#[derive(PartialEq, Eq, Debug, Serialize)]
struct Finding {
    /// What was looked at.
    what: &'static str,
    verdict: Verdict,
    /// What it is like, and what it is needed for.
    state: String,
    /// The command that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, state: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, state: state.into(), mend: None }
    }

    fn mend(what: &'static str, state: impl Into<String>, command: impl Into<String>) -> Self {
        let mend = Some(command.into());
        Self { what, verdict: Verdict::Mend, state: state.into(), mend }
    }

    fn unknown(what: &'static str, state: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Unknown, state: state.into(), mend: None }
    }

    /// The finding as text, with the command on a line of its own.
    fn describe(&self) -> String {
        let mark = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Mend => "MEND",
            Verdict::Unknown => "?",
        };
        let mut text = format!("{mark:5} {:16} {}\n", self.what, self.state);
        if let Some(command) = &self.mend {
            text += &format!("{:22} {command}\n", "");
        }
        text
    }
}

pub(crate) fn run(args: &Args, settings: &Settings) -> Outcome {
    let mut findings = checks::all(settings);
    let collector = &settings.collector;
    if let Some(dir) = args.data.as_deref().or(collector.data.as_deref()) {
        findings.extend(data::directory(dir, collector.max_bytes as u64));
    }
    for finding in &findings {
        if args.json {
            println!("{}", serde_json::to_string(finding).map_err(std::io::Error::from)?);
        } else {
            print!("{}", finding.describe());
        }
    }
    if findings.iter().any(|f| f.verdict == Verdict::Mend) {
        return Err(Failure::reported(Exit::Environment));
    }
    Ok(())
}
