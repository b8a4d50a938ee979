//! `perf report`: all results as one self-contained HTML page, and as Markdown.
//!
//! The contents are assembled once, as [`Section`]s, which the page and the Markdown only format. Pictures appear only
//! in the page.

mod html;
pub(crate) mod markdown;
mod plot;
mod sections;

use std::path::PathBuf;

use crate::desk::{self, Kept};
use crate::failure::{Exit, Failure, Outcome};
use crate::gate;
use crate::results::{Results, Run};

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

/// A part of the report: a table, and perhaps a picture of it.
#[derive(Clone, PartialEq, Default, Debug)]
struct Section {
    title: String,
    note: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    /// Pictures as SVG.
    plots: Vec<String>,
}

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
        let [count, chaos, scan] =
            [results.current("count")?, results.current("chaos")?, results.current("scan")?];
        Ok(Self { bench, count, load, chaos, scan, bench_before, load_before })
    }

    /// Returns the latest runs of the kinds that are judged.
    fn runs(&self) -> Vec<Run> {
        [&self.count, &self.bench, &self.load, &self.chaos, &self.scan]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }
}

pub(crate) fn run(args: &Args) -> Outcome {
    let latest = Latest::of(&mut args.kept.open()?)?;
    let runs = latest.runs();
    let Some(newest) = runs.iter().max_by_key(|r| r.id) else {
        return Err(Failure::new(Exit::Usage, "nothing has been measured yet")
            .hint("`perf bench`, `perf load`, `perf chaos` and `perf scan` measure."));
    };
    let targets = gate::targets(&args.rules, &runs)?;
    let sections = sections::all(&latest, targets);
    let title = format!("ringstat performance, {}", newest.environment.short());
    let about = newest.environment.line();
    desk::write(&args.html, &html::page(&title, &about, &sections))?;
    desk::write(&args.markdown, &markdown::page(&title, &about, &sections))?;
    println!("{}\n{}", args.html.display(), args.markdown.display());
    Ok(())
}
