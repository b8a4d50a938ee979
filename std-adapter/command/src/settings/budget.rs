//! `ringstat settings --for`: the settings that a load needs.

use std::time::Duration;

use ringstat_std::{Budget, Load};

use super::Settings;
use crate::common::failure::Outcome;
use crate::common::quantity::{parse_rate, parse_time};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Size the rings for this many events per second, such as 50k
    #[arg(long = "for", value_name = "RATE", value_parser = parse_rate)]
    rate: Option<u64>,
    /// With --for: the time without sending during which no event is given up
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time, requires = "rate")]
    outage: Duration,
    /// With --for: the number of threads that record, each about as much as the others [default: the number of cores]
    #[arg(long, value_name = "N", requires = "rate", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Args {
    fn load(&self) -> Option<Load> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self.threads.map_or(cores, usize::from);
        self.rate.map(|events_per_second| Load { events_per_second, outage: self.outage, threads })
    }
}

/// Prints the settings with rings for the requested load.
pub(crate) fn run(args: &Args, settings: Settings) -> Outcome {
    let Some(load) = args.load() else { return settings.print() };
    let sized = Settings { client: settings.client.clone().for_load(&load), ..settings };
    sized.validate(&figment::Figment::new())?;
    println!("{}\n", sentence(&load, sized.client.tag_memory));
    sized.print()
}

/// What the load needs, as a comment.
fn sentence(load: &Load, tag_memory: usize) -> String {
    let Load { events_per_second, outage, threads } = load;
    let Budget { shards, shard_events, shared_events, bytes } = load.budget();
    let tags = tag_memory.saturating_mul(shards + 1);
    format!(
        "# {events_per_second} events a second from {threads} threads, and {outage:?} in which nothing can be sent: {shards} \
         rings for\n# {shard_events} events each, and one for {shared_events}: {:.1} MB at most, and {:.1} MB for long tags.",
        bytes as f64 / 1e6,
        tags as f64 / 1e6
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_load_needs_is_said_and_is_what_a_client_takes() {
        let load = Load { events_per_second: 50_000, outage: Duration::from_secs(2), threads: 4 };
        let said = sentence(&load, 1 << 20);
        for part in ["50000 events", "4 threads", "2s", "4 rings", "31250 events"] {
            assert!(said.contains(part), "{part:?} in {said:?}");
        }
        let config = ringstat_std::ClientConfig::default().for_load(&load);
        assert!(config.shards * config.shard_events >= 100_000 && config.validate().is_ok());
        assert!(said.lines().all(|line| line.starts_with("# ")), "a comment");
    }
}
