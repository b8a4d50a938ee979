//! `perf report`: all results as one self-contained HTML page, and as Markdown.
//!
//! The contents are assembled once, as [`Section`]s, which the page and the Markdown only format. Charts appear only in
//! the page.

mod chart;
mod history;
mod html;
mod load;
pub(crate) mod markdown;
mod sections;

use std::path::{Path, PathBuf};

use chart::{Chart, Line};
pub(crate) use html::page;

use crate::desk::{self, Kept};
use crate::failure::{Exit, Failure, Outcome};
use crate::gate;
use crate::results::{Results, Run, date};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where to write the page
    #[arg(long, value_name = "FILE", default_value = "target/perf/report.html")]
    html: PathBuf,
    /// Where to write the Markdown
    #[arg(long, value_name = "FILE", default_value = "target/perf/report.md")]
    markdown: PathBuf,
    /// The file with the targets
    #[arg(long, value_name = "FILE", default_value = "benches/gate.toml")]
    rules: PathBuf,
    #[command(flatten)]
    kept: Kept,
}

/// A report, whatever its format.
#[derive(Clone, PartialEq, Default, Debug)]
pub(crate) struct Report {
    title: String,
    /// When, where and of what the numbers were measured.
    about: Vec<String>,
    /// The summary: numbers, what they count, and their class in the page.
    tiles: Vec<(String, String, &'static str)>,
    sections: Vec<Section>,
}

/// A part of the report: a table, and perhaps charts.
#[derive(Clone, PartialEq, Default, Debug)]
struct Section {
    title: String,
    note: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    charts: Vec<Chart>,
    /// Whether the table has words and not numbers, and so is aligned left.
    words: bool,
    /// How many rows the page shows; the others are folded away. `None`: all.
    shown: Option<usize>,
}

/// The largest number of runs that the history shows.
const HISTORY: usize = 2000;

/// How many runs to look back for an earlier one on the same machine.
const LOOK_BACK: usize = 50;

/// The latest runs of each kind.
#[derive(Debug)]
struct Latest {
    bench: Option<Run>,
    count: Option<Run>,
    load: Option<Run>,
    chaos: Option<Run>,
    scan: Option<Run>,
    profile: Option<Run>,
    /// The run before the latest one, on the same machine.
    bench_before: Option<Run>,
    load_before: Option<Run>,
}

impl Latest {
    fn of(results: &mut Results) -> Result<Self, Failure> {
        let mut two = |kind| -> Result<(Option<Run>, Option<Run>), Failure> {
            let latest = results.current(kind)?;
            let here = |r: &Run| {
                let same = |l: &Run| l.id != r.id && l.environment.same_machine(&r.environment);
                latest.as_ref().is_some_and(same)
            };
            let before = results.latest(Some(kind), LOOK_BACK)?.into_iter().find(here);
            Ok((latest, before))
        };
        let (bench, bench_before) = two("bench")?;
        let (load, load_before) = two("load")?;
        let mut current = |kind| results.current(kind);
        let (count, chaos) = (current("count")?, current("chaos")?);
        let (scan, profile) = (current("scan")?, current("profile")?);
        Ok(Self { bench, count, load, chaos, scan, profile, bench_before, load_before })
    }

    /// Returns the latest runs of the kinds that are judged.
    fn runs(&self) -> Vec<Run> {
        [&self.count, &self.bench, &self.load, &self.chaos, &self.scan, &self.profile]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let report = Report::of(&mut args.kept.open()?, &args.rules)?;
    desk::write(&args.html, &page(&report, None))?;
    desk::write(&args.markdown, &markdown::page(&report))?;
    println!("{}\n{}", args.html.display(), args.markdown.display());
    Ok(())
}

impl Report {
    /// Assembles the report of what was measured last, judged by the rules of a file.
    pub(crate) fn of(results: &mut Results, rules: &Path) -> Result<Self, Failure> {
        let latest = Latest::of(results)?;
        let runs = latest.runs();
        let Some(newest) = runs.iter().max_by_key(|r| r.id) else {
            return Err(Failure::new(Exit::Usage, "nothing has been measured yet")
                .hint("`perf bench`, `perf load`, `perf chaos` and `perf scan` measure."));
        };
        let targets = gate::targets(rules, &runs)?;
        let count = |verdict: &str| targets.iter().filter(|row| row[1] == verdict).count();
        let (met, missed, open) = (count("pass"), count("FAIL"), count("not measured"));
        let insights = runs.iter().map(|r| r.insights.len()).sum::<usize>();
        let tile = |n: usize, words: &str, class| (n.to_string(), words.to_owned(), class);
        let tiles = vec![
            tile(met, "targets met", "good"),
            tile(missed, "missed or not measured", if missed > 0 { "bad" } else { "" }),
            tile(open, "optional, not measured", ""),
            tile(insights, "recommendations", ""),
        ];
        let e = &newest.environment;
        let branch = if e.branch.is_empty() { "no branch" } else { &e.branch };
        let mut sections = sections::all(&latest, targets);
        let mut history = results.latest(None, HISTORY)?;
        history.reverse();
        sections.extend(history::section(&history));
        Ok(Self {
            title: format!("ringstat performance, {}", e.short()),
            about: vec![
                format!("{}, {branch}, {}, {}", date(newest.at), e.machine, e.version),
                e.line(),
            ],
            tiles,
            sections,
        })
    }

    /// Adds a table of words at the top.
    pub(crate) fn insert(
        &mut self,
        title: &str,
        note: String,
        columns: &[&'static str],
        rows: Vec<Vec<String>>,
    ) {
        let (title, columns) = (title.to_owned(), columns.to_vec());
        let words = true;
        self.sections
            .insert(0, Section { title, note, columns, rows, words, ..Section::default() });
    }
}
