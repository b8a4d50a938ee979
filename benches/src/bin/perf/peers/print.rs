//! Prints the table: for a terminal, as JSON, or as Markdown with a picture.

use std::io::Write as _;
use std::path::Path;

use plotters::prelude::*;

use super::Row;
use crate::failure::{Exit, Failure, Outcome};
use crate::results::Environment;

fn cannot(what: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Environment, format_args!("cannot {what}: {error}"))
}

pub(super) fn json(rows: &[Row]) -> Outcome {
    let text = serde_json::to_string_pretty(rows).map_err(|e| cannot("write JSON", e))?;
    writeln!(std::io::stdout(), "{text}").map_err(|e| cannot("print", e))
}

fn number(value: f64) -> String {
    match value {
        v if v.fract() == 0.0 => format!("{v:.0}"),
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

pub(super) fn table(rows: &[Row]) -> Outcome {
    let width = rows.iter().map(|r| r.what.chars().count()).max().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    let mut print = || {
        for row in rows {
            let met = if row.met { "met   " } else { "MISSED" };
            let (what, measured) = (&row.what, number(row.measured));
            writeln!(out, "{met}  {what:width$}  {measured:>8}  {:24}  {}", row.goal, row.detail)?;
        }
        let met = rows.iter().filter(|row| row.met).count();
        writeln!(out, "{met} of {} goals met", rows.len())
    };
    print().map_err(|e| cannot("print", e))
}

/// Returns the date, as printed by the system's `date` command.
fn today() -> String {
    let output = std::process::Command::new("date").arg("+%Y-%m-%d").output();
    output.map_or_else(|_| "undated".into(), |o| String::from_utf8_lossy(&o.stdout).trim().into())
}

/// The path of the picture, relative to the root of the repository.
const PICTURE: &str = "benches/peers.svg";

pub(super) fn markdown(rows: &[Row]) -> Outcome {
    let here = Environment::here();
    let mut out = std::io::stdout().lock();
    let mut print = || {
        writeln!(out, "| what | measured | goal | met | both sides |\n|---|---|---|---|---|")?;
        for row in rows {
            let (met, measured) = (if row.met { "yes" } else { "**no**" }, number(row.measured));
            writeln!(out, "| {} | {measured} | {} | {met} | {} |", row.what, row.goal, row.detail)?;
        }
        writeln!(
            out,
            "\n`cargo run --release -p ringstat-benches --bin perf -- peers --markdown`, {}, {} with {} cores, Linux {}, {}.",
            here.rustc,
            here.cpu,
            here.cores,
            here.kernel,
            today()
        )
    };
    print().map_err(|e| cannot("print", e))?;
    picture(rows, Path::new(PICTURE)).map_err(|e| cannot(&format!("draw {PICTURE}"), e))
}

/// Returns how far each goal is exceeded or missed; 1 means that it is just met.
fn reach(row: &Row) -> Option<f64> {
    let bound: f64 = row.goal.split(' ').nth(2)?.parse().ok().filter(|b| *b > 0.0)?;
    let measured = row.measured.max(1e-9);
    Some(if row.goal.starts_with("at most") { bound / measured } else { measured / bound })
}

fn picture(rows: &[Row], path: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let bars: Vec<_> = rows.iter().filter_map(|r| Some((r, reach(r)?))).collect();
    let height = 24 * bars.len() as u32 + 60;
    let root = SVGBackend::new(path, (900, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let most = bars.iter().map(|(_, reach)| reach.log2()).fold(1.0, f64::max);
    let (left, right) = (470, 880);
    let zero = left + 60;
    let scale = f64::from(right - zero) / most;
    let text = |size: i32| ("sans-serif", size).into_font();
    root.draw(&Text::new("how far each goal is exceeded, in powers of two", (left, 10), text(13)))?;
    for (i, (row, reach)) in bars.iter().enumerate() {
        let y = 40 + 24 * i as i32;
        let to = zero + (reach.log2() * scale).max(-60.0) as i32;
        let color = if row.met { RGBColor(46, 125, 50) } else { RGBColor(198, 40, 40) };
        root.draw(&Text::new(row.what.clone(), (10, y), text(12)))?;
        let corners = [(zero.min(to), y), (zero.max(to), y + 14)];
        root.draw(&Rectangle::new(corners, color.filled()))?;
    }
    let line = vec![(zero, 30), (zero, height as i32 - 10)];
    root.draw(&PathElement::new(line, BLACK))?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Goal;
    use super::*;

    #[test]
    fn a_bar_says_how_far_a_goal_is_exceeded() {
        let row = |measured, goal| Row::new("r", measured, goal, " ns", String::new());
        assert_eq!(reach(&row(5.0, Goal::AtMost(10.0))), Some(2.0));
        assert_eq!(reach(&row(5.0, Goal::AtLeast(10.0))), Some(0.5));
        assert_eq!(reach(&row(0.0, Goal::AtMost(0.0))), None, "no ratio to nothing");
    }

    #[test]
    fn the_picture_is_one_of_every_row() {
        let file = std::env::temp_dir().join(format!("ringstat-peers-{}.svg", std::process::id()));
        let rows = [
            Row::new("first", 5.0, Goal::AtMost(10.0), "", String::new()),
            Row::new("second", 5.0, Goal::AtLeast(10.0), "", String::new()),
        ];
        picture(&rows, &file).unwrap();
        let svg = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert!(svg.contains("first") && svg.contains("second") && svg.starts_with("<svg"));
    }
}
