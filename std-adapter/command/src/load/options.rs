//! Turns the flags into a plan in which every number is settled, or says why that is not possible.

use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use ringstat_std::{ClientConfig, Preset, Protocol};

use super::objectives::Objectives;
use super::scenario::{Numbers, Scenario};
use crate::common::failure::{Exit, Failure};
use crate::common::quantity::{parse_rate, parse_time};

#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Scenario to run
    #[arg(long, value_enum, default_value_t)]
    scenario: Scenario,
    /// Events per second, of all threads together; may end in `k` or `M`
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    rate: Option<u64>,
    /// How long to run, or for a ladder how long each step takes: `30`, `30s`, `500ms`, `2m`
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) duration: Option<Duration>,
    /// Number of threads that record
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: Option<u16>,
    /// Number of events for which the client has room, divided among the threads' rings
    #[arg(long, value_name = "EVENTS", value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    buffer: Option<u32>,
    /// Largest number of events in a batch; 0 closes a batch only when a datagram is full, or by age
    #[arg(long, value_name = "EVENTS")]
    batch: Option<usize>,
    /// Longest time that the first event of a batch waits
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    batch_age: Option<Duration>,
    /// Send to this collector instead of starting one; what happens on the way there is then not known
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// Allow --addr to be another machine; choose only one that you are entitled to put under load
    #[arg(long, requires = "addr")]
    allow_remote: bool,
    /// Preset of the client, which the flags above override
    #[arg(long, value_parser = presets())]
    preset: Option<Preset>,
    /// Protocol of the client; agents' lines are counted by the receiver, but not stored
    #[arg(long, default_value = "native", value_parser = protocols())]
    protocol: Protocol,
    /// What the load has to achieve, instead of the default objectives
    #[arg(long, value_name = "FILE")]
    slo: Option<PathBuf>,
    #[cfg(all(unix, feature = "pprof"))]
    #[command(flatten)]
    pub(crate) pprof: crate::common::pprof::Pprof,
    /// Print the report as one line of JSON, and nothing else on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// A program of your own that makes the load; `{}` in its arguments is the address to send to
    #[arg(last = true, value_name = "COMMAND", conflicts_with_all = [
        "scenario", "rate", "concurrency", "buffer", "batch", "batch_age", "addr", "preset", "protocol",
    ])]
    pub(crate) command: Vec<OsString>,
}

/// A run in which every number is settled.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) numbers: Numbers,
    pub(crate) preset: Preset,
    /// The client's configuration.
    pub(crate) config: ClientConfig,
    /// The address of an external collector.
    pub(crate) to: Option<SocketAddr>,
    pub(crate) objectives: Objectives,
}

impl Args {
    /// Makes a plan; `settings` are those of the client if no preset is named.
    pub(crate) fn plan(&self, settings: ClientConfig) -> Result<Plan, Failure> {
        let of = self.scenario.numbers();
        let numbers = Numbers {
            rate: self.rate.unwrap_or(of.rate),
            concurrency: self.concurrency.map_or(of.concurrency, usize::from),
            duration: self.duration.unwrap_or(of.duration),
            // If a preset is named, its rings are used.
            buffer: self.buffer.or(if self.preset.is_none() { of.buffer } else { None }),
        };
        let preset = self.preset.unwrap_or_default();
        if numbers.duration > LONGEST {
            let most = LONGEST.as_secs() / 60;
            return Err(Failure::new(Exit::Usage, format_args!("--duration: {most}m at most")));
        }
        let mut config = self.preset.map_or(settings, Preset::config);
        if let Some(events) = numbers.buffer {
            config.shards = numbers.concurrency;
            config.shard_events = (events as usize).div_ceil(numbers.concurrency);
            // Every thread has a ring of its own.
            config.shared_events = 1;
        }
        if let Some(events) = self.batch {
            config.batch_events = events;
        }
        if let Some(age) = self.batch_age {
            config.batch_age = age;
        }
        config.protocol = self.protocol;
        config.validate().map_err(|e| Failure::new(Exit::Usage, e))?;
        let to = self.addr.as_deref().map(|at| target(at, self.allow_remote)).transpose()?;
        let objectives = self.slo.as_deref().map(Objectives::read).transpose()?;
        let objectives = objectives.unwrap_or_default();
        Ok(Plan { scenario: self.scenario, numbers, preset, config, to, objectives })
    }
}

/// The longest run.
const LONGEST: Duration = Duration::from_secs(3600);

/// Resolves the receiver's address. Another machine requires an extra flag, because a load tester is a weapon.
fn target(at: &str, allow_remote: bool) -> Result<SocketAddr, Failure> {
    let found = at.to_socket_addrs().and_then(|mut all| {
        all.next().ok_or_else(|| std::io::Error::other("the name has no address"))
    });
    let address = found.map_err(|e| {
        Failure::new(Exit::Environment, format_args!("cannot look up '{at}': {e}"))
            .hint("Give HOST:PORT or ADDRESS:PORT, as in 127.0.0.1:8125.")
    })?;
    if !address.ip().is_loopback() && !allow_remote {
        let what = format_args!("{address} is another machine").to_string();
        return Err(Failure::new(Exit::Usage, what).hint(
            "Add --allow-remote if it, and the network to it, are yours to put under load.",
        ));
    }
    Ok(address)
}

fn presets() -> impl TypedValueParser<Value = Preset> {
    let names = Preset::ALL.map(Preset::as_str);
    // The parser accepts nothing else.
    PossibleValuesParser::new(names)
        .map(|name| Preset::ALL.into_iter().find(|p| p.as_str() == name).unwrap_or_default())
}

fn protocols() -> impl TypedValueParser<Value = Protocol> {
    let names = Protocol::ALL.map(Protocol::as_str);
    PossibleValuesParser::new(names)
        .map(|name| Protocol::ALL.into_iter().find(|p| p.as_str() == name).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_machine_takes_a_word_more() {
        assert!(target("127.0.0.1:9", false).is_ok());
        assert!(target("[::1]:9", false).is_ok());
        assert!(target("192.0.2.1:9", false).is_err());
        assert!(target("192.0.2.1:9", true).is_ok());
        assert!(target("no port", true).is_err());
    }
}
