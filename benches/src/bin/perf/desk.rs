//! Code shared by the subcommands: where results are kept, and how they are shown.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Failure};
use crate::results::{Results, Run, exposition, show};

/// The flag that says where results are kept.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Kept {
    /// The file with all results, or postgres://USER@HOST/DATABASE if a team shares them
    #[arg(
        long,
        value_name = "FILE",
        env = "RINGSTAT_PERF_DB",
        default_value = "target/perf/results.sqlite"
    )]
    db: PathBuf,
}

impl Kept {
    pub(crate) fn open(&self) -> Result<Results, Failure> {
        Results::open(&self.db)
    }

    /// Returns the run that `name` refers to: its number, the path of a JSON file, or `latest`.
    pub(crate) fn find(&self, name: &str) -> Result<Run, Failure> {
        if name.ends_with(".json") {
            let path = Path::new(name);
            let text =
                std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
            return Ok(serde_json::from_str(&text)?);
        }
        let mut results = self.open()?;
        let found = match name.trim_start_matches('@').parse() {
            Ok(id) => results.run(id)?,
            Err(_) if name == "latest" => results.latest(None, 1)?.pop(),
            Err(_) => None,
        };
        found.ok_or_else(|| {
            Failure::new(Exit::Usage, format_args!("there is no run '{name}'"))
                .hint("`perf trend` lists what is there; `perf bench` makes one.")
        })
    }
}

/// The flags that say what to do with a new run.
#[derive(clap::Args, Debug)]
pub(crate) struct Output {
    #[command(flatten)]
    kept: Kept,
    /// Do not keep the results
    #[arg(long)]
    dry: bool,
    /// Print the results as one JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Also write the results as Prometheus text
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

impl Output {
    /// Keeps a run and shows it.
    pub(crate) fn take(&self, mut run: Run) -> Result<(), Failure> {
        if !self.dry {
            self.kept.open()?.store(&mut run)?;
        }
        if let Some(path) = &self.prometheus {
            write(path, &exposition(std::slice::from_ref(&run)))?;
        }
        if self.json {
            println!("{}", serde_json::to_string(&run)?);
            return Ok(());
        }
        for m in &run.metrics {
            let samples = match m.samples.len() {
                0 | 1 => String::new(),
                n => format!("  median of {n}, {}", range(&m.samples, &m.unit)),
            };
            println!("{:36} {:>12}{samples}", m.name, show(m.value, &m.unit));
        }
        for (n, i) in run.insights.iter().enumerate() {
            let place = if i.place.is_empty() { String::new() } else { format!(" ({})", i.place) };
            println!("\n{}. {}: {}{place}", n + 1, i.severity.as_str(), i.subject);
            println!("   {}", i.meaning);
            println!("   try: {}; gain: {}; effort: {}", i.advice, i.gain, i.effort);
        }
        println!("{}", run.environment.line());
        if run.id > 0 {
            println!("kept as run {} of {}", run.id, run.environment.short());
        }
        Ok(())
    }
}

/// Formats the range of the samples, from the smallest to the largest.
fn range(samples: &[f64], unit: &str) -> String {
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{} to {}", show(least, unit), show(most, unit))
}

/// Writes a file, creating its folder if necessary.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::file("make", folder, &e))?;
    }
    std::fs::write(path, text).map_err(|e| Failure::file("write", path, &e))
}

/// Formats a table with the first column aligned left and the others aligned right.
pub(crate) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count());
        cells.chain([columns[i].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| -> String {
        let padded = cells.zip(&widths).enumerate().map(|(i, (cell, width))| match i {
            0 => format!("{cell:width$}"),
            _ => format!("{cell:>width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let mut text = line(&mut columns.iter().copied());
    for row in rows {
        text += &line(&mut row.iter().map(String::as_str));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_table_stand_below_each_other() {
        let rows = [vec!["a".into(), "1 µs".into()], vec!["longer".into(), "200 µs".into()]];
        assert_eq!(
            table(&["what", "took"], &rows),
            "what      took\na         1 µs\nlonger  200 µs\n"
        );
    }
}
