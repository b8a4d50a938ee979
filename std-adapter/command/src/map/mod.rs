//! `ringstat map`: whether a file of rules is sound, and what it makes of names.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::{Path, PathBuf};

use ringstat_collector::{Class, Explained, Mapping};
use serde::Serialize;

use crate::common::failure::{Exit, Failure, Outcome};
use crate::common::report;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = r#"A line of standard input is the name of a series, with its kind and its tags if it has any:
  api.login.requests
  api.login.time:timing host=web-1 zone=eu

  kinds: counter (the default), gauge, timing, distribution, set, event, histogram

Examples:
  ringstat map check rules.toml
  echo api.login.requests | ringstat map check rules.toml
  ringstat map check rules.toml --json < names
  ringstat collect --map rules.toml

Exit codes: 0 the rules are sound, 2 they are not, or a line is not, 3 the file cannot be read"#;

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Check a file of rules, and print what they make of the names on standard input
    Check {
        /// The file, as given to `collect --map`
        file: PathBuf,
        /// Print one JSON object for each name
        #[arg(long)]
        json: bool,
    },
}

/// What is printed of a name as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    line: &'a str,
    #[serde(flatten)]
    explained: &'a Explained,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let What::Check { file, json } = &args.what;
    let mapping = load(file)?;
    if !json {
        let count = mapping.len();
        eprintln!(
            "{}: {count} rule{}, all sound",
            file.display(),
            if count == 1 { "" } else { "s" }
        );
    }
    if stdin().is_terminal() {
        return Ok(());
    }
    for (number, line) in (1..).zip(stdin().lock().lines()) {
        let line = line.map_err(|e| Failure::file("read", Path::new("-"), &e))?;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let explained = explain(&mapping, line).ok_or_else(|| {
            let what =
                format_args!("line {number} is {line:?}; allowed is NAME[:KIND] [KEY=VALUE]...")
                    .to_string();
            Failure::new(Exit::Usage, what)
        })?;
        if *json {
            report::print(&Shown { line, explained: &explained }, true, false)?;
        } else {
            println!("{line}\n    {}", describe(&explained));
        }
    }
    Ok(())
}

/// Reads a file of rules.
pub(crate) fn load(file: &Path) -> Result<Mapping, Failure> {
    let text = std::fs::read_to_string(file).map_err(|e| Failure::file("read", file, &e))?;
    Mapping::parse(&text).map_err(|e| {
        let what = format_args!("{}: {e}", file.display()).to_string();
        Failure::new(Exit::Usage, what).hint("std-adapter/docs/mapping.md describes every key.")
    })
}

/// What the rules make of the series on a line; `None` if it names none.
fn explain(mapping: &Mapping, line: &str) -> Option<Explained> {
    let mut words = line.split_whitespace();
    let of = words.next()?;
    let tags: Option<Vec<_>> = words.map(|tag| tag.split_once('=')).collect();
    // A colon may be part of a name.
    let with_kind = of.rsplit_once(':').and_then(|(name, kind)| Some((name, class(kind)?)));
    let (name, class) = with_kind.unwrap_or((of, Class::Counter));
    Some(mapping.explain(name, class, &tags?))
}

fn class(kind: &str) -> Option<Class> {
    serde_json::from_value(kind.into()).ok()
}

fn describe(explained: &Explained) -> String {
    let Explained { rules, family, labels, of_sender, added_up, gauges, buckets, ttl_seconds } =
        explained;
    let by = match rules.as_slice() {
        [] => "no rule".to_owned(),
        rules => {
            let numbers: Vec<_> = rules.iter().map(ToString::to_string).collect();
            format!("rule{} {}", if rules.len() == 1 { "" } else { "s" }, numbers.join(", "))
        }
    };
    let Some(family) = family else { return format!("dropped ({by})") };
    let whose = match (added_up, of_sender) {
        (false, _) => "of each sender",
        (true, true) => "added up for each sender",
        (true, false) => "added up over all senders",
    };
    let mut text = format!("{family}{{{labels}}} {whose}");
    if let Some(rule) = gauges {
        text += &format!(", gauges: {}", serde_json::json!(rule).as_str().unwrap_or_default());
    }
    if let Some(buckets) = buckets {
        text += &format!(", buckets {buckets:?}");
    }
    if let Some(ttl) = ttl_seconds {
        text += &format!(", forgotten after {ttl} s");
    }
    format!("{text} ({by})")
}
