//! `perf bench`: runs benchmarks of the desk's own suite and keeps the results.

mod criterion;

use std::time::Instant;

use crate::desk::Output;
use crate::failure::Outcome;
use crate::results::Run;
use crate::suite::{self, Effort};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Only benchmarks whose names contain one of these
    filters: Vec<String>,
    /// Samples of each number
    #[arg(long, value_name = "N", default_value_t = Effort::default().samples)]
    samples: usize,
    /// Run the Criterion benches instead, which are more numerous and take much longer
    #[arg(long)]
    criterion: bool,
    /// List the benchmarks without running them
    #[arg(long, conflicts_with = "criterion")]
    list: bool,
    #[command(flatten)]
    output: Output,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if args.criterion {
        let metrics = criterion::run(&args.filters)?;
        return args.output.take(Run::now("bench", metrics));
    }
    let chosen = suite::selection(&args.filters)?;
    if args.list {
        chosen.iter().for_each(|b| println!("{:12} {}", b.name, b.what));
        return Ok(());
    }
    let effort = Effort { samples: args.samples.max(1), ..Effort::default() };
    let mut metrics = Vec::new();
    for benchmark in chosen {
        metrics.extend(benchmark.run(&effort)?);
    }
    args.output.take(Run::now("bench", metrics))
}

#[derive(clap::Args, Debug)]
pub(crate) struct Exercise {
    name: String,
    #[arg(long)]
    samples: usize,
    /// When to end before all samples are taken: some take longer than others, or were not optimized
    #[arg(long)]
    seconds: f64,
}

/// How many samples are taken between looks at the clock. Tools that slow everything down are given no more.
const AT_A_TIME: usize = 40;

/// Runs only the benchmark, so that a profile shows nothing else.
pub(crate) fn exercise(args: &Exercise) -> Outcome {
    let begun = Instant::now();
    let mut left = args.samples.max(1);
    while left > 0 && begun.elapsed().as_secs_f64() < args.seconds {
        let effort = Effort { samples: left.min(AT_A_TIME), ..Effort::default() };
        for benchmark in suite::selection(std::slice::from_ref(&args.name))? {
            benchmark.run(&effort)?;
        }
        left -= effort.samples;
    }
    Ok(())
}
