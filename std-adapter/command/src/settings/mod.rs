//! Settings from a file and the environment: `--config ringstat.toml`, `RINGSTAT_CLIENT__SHARDS=4`.
//!
//! Later sources override earlier ones: the preset, the file, variables, then flags. Everything is checked at the
//! start; an error ([`invalid`]) names the key, its value, where it was set and what is allowed. [`mod@print`] prints
//! all settings as a file, each with its description in [`keys`].

pub(crate) mod budget;
mod invalid;
mod keys;
pub(crate) mod outputs;
mod print;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ringstat_collector::{Distributions, Limits, ServerConfig};
use ringstat_std::{ClientConfig, ConfigError, Preset};
use serde::{Deserialize, Serialize};

use self::outputs::Outputs;
use crate::collect::Sign;
use crate::common::failure::{Failure, Outcome};
use crate::send::DEFAULT_ADDRESS;

/// The text at the end of `--help`.
pub(crate) const HELP: &str = "\
Examples:
  ringstat settings > ringstat.toml
  ringstat settings --for 50k --outage 2s
  RINGSTAT_CLIENT__SHARDS=4 ringstat --config ringstat.toml settings

Exit codes: 0 the settings are valid, 2 they are not, 3 the file cannot be read";

/// All settings, as in the file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where clients send to.
    pub(crate) to: String,
    /// The preset from which the client's settings start.
    pub(crate) preset: Preset,
    /// The client's settings.
    pub(crate) client: ClientConfig,
    pub(crate) collector: Collector,
}

/// The collector's settings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collector {
    /// The addresses on which datagrams are received.
    pub(crate) udp: Vec<SocketAddr>,
    /// The Unix sockets on which they are received, too.
    pub(crate) unix: Vec<PathBuf>,
    /// Whether lines of StatsD are taken,
    pub(crate) statsd: bool,
    /// and what the sign of a gauge means in them.
    pub(crate) statsd_gauges: Sign,
    /// The address of the page, /metrics and /health.
    pub(crate) http: SocketAddr,
    /// Threads that receive; without it, one for each core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) threads: Option<u16>,
    pub(crate) max_senders: usize,
    pub(crate) max_series: usize,
    pub(crate) max_series_per_sender: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_page: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) idle: Duration,
    #[serde(with = "humantime_serde")]
    pub(crate) series_ttl: Duration,
    /// How /metrics shows timings and distributions.
    pub(crate) distributions: Distributions,
    /// The directory in which everything is kept; without it, a restart forgets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<PathBuf>,
    /// Where to send what is known.
    #[serde(flatten)]
    pub(crate) outputs: Outputs,
    /// Rules for what becomes of series; without them, all are shown as they are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) map: Option<PathBuf>,
}

impl Default for Collector {
    fn default() -> Self {
        let limits = Limits::default();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            udp: vec![at(8125)],
            unix: Vec::new(),
            statsd: true,
            statsd_gauges: Sign::default(),
            http: at(9125),
            threads: None,
            max_senders: limits.senders,
            max_series: limits.series,
            max_series_per_sender: limits.series_per_sender,
            max_bytes: limits.bytes,
            max_page: limits.page,
            idle: limits.idle,
            series_ttl: limits.series_ttl,
            distributions: Distributions::default(),
            data: None,
            outputs: Outputs::default(),
            map: None,
        }
    }
}

impl Collector {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            senders: self.max_senders,
            series: self.max_series,
            series_per_sender: self.max_series_per_sender,
            bytes: self.max_bytes,
            page: self.max_page,
            idle: self.idle,
            series_ttl: self.series_ttl,
        }
    }

    /// How many threads receive.
    pub(crate) fn threads(&self) -> usize {
        self.threads.map_or_else(|| ServerConfig::default().threads, usize::from)
    }

    /// The first setting that is out of bounds: its name, its value and what is allowed.
    fn wrong(&self) -> Option<(&'static str, String, String)> {
        const MOST: u64 = 1 << 32;
        let sizes = [
            ("max_senders", self.max_senders),
            ("max_series", self.max_series),
            ("max_series_per_sender", self.max_series_per_sender),
            ("max_bytes", self.max_bytes),
            ("max_page", self.max_page),
        ];
        let wrong = sizes.into_iter().find(|(_, value)| !(1..=MOST).contains(&(*value as u64)));
        if let Some((field, value)) = wrong {
            return Some((field, value.to_string(), format!("1 to {MOST}")));
        }
        if let Some(threads) = self.threads.filter(|n| !(1..=1024).contains(n)) {
            return Some(("threads", threads.to_string(), "1 to 1024".into()));
        }
        if self.udp.is_empty() {
            return Some(("udp", "[]".into(), "at least one address".into()));
        }
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(366 * 86_400));
        let times = [("idle", self.idle), ("series_ttl", self.series_ttl)];
        let wrong = times.into_iter().find(|(_, time)| !(least..=most).contains(time));
        let wrong = wrong.map(|(field, time)| (field, format!("{time:?}"), "1s to 366days".into()));
        wrong.or_else(|| self.outputs.wrong())
    }
}

impl Settings {
    /// Reads the file, if there is one, and the environment.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = file {
            // figment would take a missing file for an empty one.
            std::fs::metadata(path)
                .map_err(|e| Failure::file("read", &invalid::whole(path), &e))?;
        }
        let toml = file.map_or_else(Figment::new, |path| Figment::from(Toml::file_exact(path)));
        // The second is the performance desk's, which runs this command.
        let env = Env::prefixed("RINGSTAT_").ignore(&["config", "perf_db"]);
        let given = toml.merge(env.filter(|name| !names_a_service(name.as_str())).split("__"));
        if let Some(failure) = invalid::unknown(&given) {
            return Err(failure);
        }
        let preset = match given.find_value("preset") {
            Ok(_) => given.extract_inner("preset").map_err(|e| invalid::not_read(e, &given))?,
            Err(_) => Preset::default(),
        };
        let all = Figment::new()
            .merge(Serialized::default("to", DEFAULT_ADDRESS))
            .merge(Serialized::default("preset", preset))
            .merge(Serialized::default("client", preset.config()))
            .merge(Serialized::default("collector", Collector::default()))
            .merge(&given);
        // Read alone first: what is flattened into another table loses the names of its keys in errors.
        all.extract_inner::<Outputs>("collector").map_err(|mut e| {
            // figment puts the table that was asked for behind the key.
            if let Some(table) = e.path.pop() {
                e.path.insert(0, table);
            }
            invalid::not_read(e, &given)
        })?;
        let settings: Self = all.extract().map_err(|e| invalid::not_read(e, &given))?;
        settings.validate(&given)?;
        Ok(settings)
    }

    fn validate(&self, given: &Figment) -> Outcome {
        let refuse = |table: &str, field: &str, value: &str, allowed: &str| {
            Err(invalid::out_of_bounds(&format!("{table}.{field}"), value, allowed, given))
        };
        if let Err(ConfigError { field, value, allowed, .. }) = self.client.validate() {
            return refuse("client", field, &value, &allowed);
        }
        match self.collector.wrong() {
            Some((field, value, allowed)) => refuse("collector", field, &value, &allowed),
            None => Ok(()),
        }
    }
}

/// Whether this is a variable that Kubernetes sets in every container, with the address of a service that is called
/// `ringstat` or `ringstat-…`: `RINGSTAT_SERVICE_HOST`, `RINGSTAT_PORT_8125_UDP_ADDR`.
fn names_a_service(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let parts: Vec<_> = name.split('_').collect();
    let number = |part: &&str| part.parse::<u16>().is_ok();
    !name.contains("__")
        && (parts.windows(2).any(|two| matches!(two, ["service", "host" | "port"]))
            || parts.windows(2).any(|two| two[0] == "port" && number(&two[1]))
            || parts.last() == Some(&"port"))
}

#[cfg(test)]
mod tests;
