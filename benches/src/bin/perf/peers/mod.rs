//! `perf peers`: compares ringstat with its alternatives in the same run, with a goal for each number.
//!
//! Rounds of both sides take turns, so that a busy machine affects them alike, and a ratio is the median of the rounds'
//! ratios. The result of each operation is checked before its time counts, because an operation that does nothing is
//! fast.

mod clients;
mod facade;
mod formats;
mod lines;
mod memory;
mod path;
mod print;
mod rings;
mod tags;

use std::time::Instant;

use serde::Serialize;

use crate::failure::{Exit, Failure, Outcome};
use crate::stats::median;
use crate::suite::{Wrong, check};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print only one JSON array on standard output
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print a Markdown table with this command, the machine and the date, and draw `benches/peers.svg`
    #[arg(long)]
    markdown: bool,
    /// Run a few short rounds to check that everything runs and is correct; the times mean little
    #[arg(long)]
    quick: bool,
    /// Measure only parts or rows whose name contains this
    #[arg(value_name = "FILTER")]
    filter: Option<String>,
}

/// A row of the table.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub(crate) struct Row {
    /// What is compared, and with which peer.
    pub(crate) what: String,
    /// The ratio or number to which the goal applies.
    pub(crate) measured: f64,
    /// The goal in words.
    pub(crate) goal: String,
    /// Whether the goal is met.
    pub(crate) met: bool,
    /// The numbers of both sides, for the reader.
    pub(crate) detail: String,
}

/// A limit on the measured number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    pub(crate) fn new(what: &str, measured: f64, goal: Goal, unit: &str, detail: String) -> Self {
        let (met, words) = match goal {
            Goal::AtMost(bound) => (measured <= bound, format!("at most {bound}{unit}")),
            Goal::AtLeast(bound) => (measured >= bound, format!("at least {bound}{unit}")),
        };
        Self { what: what.to_owned(), measured, goal: words, met, detail }
    }
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// The number of operations in a round is divided by this.
    divisor: u64,
}

impl Effort {
    pub(crate) fn operations(&self, many: u64) -> u64 {
        (many / self.divisor).max(64)
    }
}

/// The times of both sides in nanoseconds per operation, and their ratio: medians over all rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) theirs: f64,
    /// Our time divided by the peer's.
    pub(crate) ratio: f64,
}

impl Pair {
    /// Returns the number that a goal is about, and its unit: how many times as long ringstat takes, or how many times
    /// faster it is.
    pub(crate) fn measured(&self, goal: Goal) -> (f64, &'static str) {
        match goal {
            Goal::AtMost(_) => (self.ratio, ""),
            Goal::AtLeast(_) => (1.0 / self.ratio, " times faster"),
        }
    }

    pub(crate) fn detail(&self, peer: &str) -> String {
        format!("{:.1} ns, {peer} {:.1} ns", self.ours, self.theirs)
    }
}

pub(crate) type Measured<T> = Result<T, Wrong>;

/// Runs both sides in turns. The first round only warms up.
pub(crate) fn in_turns(
    effort: &Effort,
    mut ours: impl FnMut() -> Measured<f64>,
    mut theirs: impl FnMut() -> Measured<f64>,
) -> Measured<Pair> {
    let mut rounds = Vec::with_capacity(effort.rounds);
    for round in 0..=effort.rounds {
        let pair = (ours()?, theirs()?);
        if round > 0 {
            rounds.push(pair);
        }
    }
    let of = |f: fn(&(f64, f64)) -> f64| median(&rounds.iter().map(f).collect::<Vec<_>>());
    Ok(Pair { ours: of(|r| r.0), theirs: of(|r| r.1), ratio: of(|r| r.0 / r.1) })
}

/// Returns the nanoseconds per operation if `operation` does `times` of them.
pub(crate) fn nanos(times: u64, operation: impl FnOnce()) -> f64 {
    let begun = Instant::now();
    operation();
    begun.elapsed().as_nanos() as f64 / times as f64
}

/// The parts of the table, in order.
const PARTS: [(&str, fn(&Effort) -> Measured<Vec<Row>>); 8] = [
    ("rings", rings::rows),
    ("clients", clients::rows),
    ("tags", tags::rows),
    ("facade", facade::rows),
    ("formats", formats::rows),
    ("path", path::rows),
    ("lines", lines::rows),
    ("memory", memory::rows),
];

pub(crate) fn run(args: &Args) -> Outcome {
    let effort = if args.quick {
        Effort { rounds: 1, divisor: 50 }
    } else {
        Effort { rounds: 25, divisor: 1 }
    };
    let mut rows = Vec::new();
    let one = PARTS.into_iter().filter(|(part, _)| args.filter.as_deref() == Some(part));
    let one: Vec<_> = one.collect();
    let parts = if one.is_empty() { PARTS.to_vec() } else { one.clone() };
    for (part, measure) in parts {
        if !args.json {
            eprintln!("measuring {part} …");
        }
        let measured = measure(&effort).map_err(|Wrong(what)| {
            Failure::new(Exit::Verdict, format_args!("{part}: {what}"))
                .hint("An operation does not do what it should, so its speed means nothing.")
        })?;
        rows.extend(measured);
    }
    if let Some(filter) = &args.filter
        && one.is_empty()
    {
        rows.retain(|row| row.what.contains(filter.as_str()));
    }
    if args.json {
        print::json(&rows)
    } else if args.markdown {
        print::markdown(&rows)
    } else {
        print::table(&rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_measures_what_it_says_and_checks_itself() {
        let effort = Effort { rounds: 1, divisor: 500 };
        let mut names = std::collections::BTreeSet::new();
        for (part, measure) in PARTS {
            let rows = measure(&effort).unwrap_or_else(|Wrong(what)| panic!("{part}: {what}"));
            for row in rows {
                assert!(row.measured.is_finite() && row.measured >= 0.0, "{row:?}");
                assert!(names.insert(row.what.clone()), "{} twice", row.what);
            }
        }
        assert_eq!(names.len(), 50, "{names:?}");
    }
}
