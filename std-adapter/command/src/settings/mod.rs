//! Settings from a file and the environment: `--config ringstat.toml`, `RINGSTAT_CLIENT__SHARDS=4`.
//!
//! What is given later wins: the preset, the file, variables, then flags. Everything is checked at the start, and an
//! error names the key, its value, where it came from and what is allowed.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use ringstat_collector::Limits;
use ringstat_std::{ClientConfig, Preset};
use serde::{Deserialize, Serialize};

use crate::common::failure::{Exit, Failure, Outcome};
use crate::send::DEFAULT_ADDRESS;

/// What `--help` says at its end.
pub(crate) const HELP: &str = "\
Examples:
  ringstat settings > ringstat.toml
  RINGSTAT_CLIENT__SHARDS=4 ringstat --config ringstat.toml settings

Exit codes: 0 they are valid, 2 they are not, 3 the file cannot be read";

/// All settings, as the file has them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where clients send.
    pub(crate) to: String,
    /// Where the client's settings begin.
    pub(crate) preset: Preset,
    /// What differs from it.
    pub(crate) client: ClientConfig,
    pub(crate) collector: Collector,
}

/// How the collector runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Collector {
    /// Where datagrams come in.
    pub(crate) udp: Vec<SocketAddr>,
    /// Where the page, /metrics and /health are.
    pub(crate) http: SocketAddr,
    pub(crate) max_senders: usize,
    pub(crate) max_series: usize,
    pub(crate) max_series_per_sender: usize,
    pub(crate) max_bytes: usize,
    #[serde(with = "humantime_serde")]
    pub(crate) idle: Duration,
}

impl Default for Collector {
    fn default() -> Self {
        let limits = Limits::default();
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            udp: vec![at(8125)],
            http: at(9125),
            max_senders: limits.senders,
            max_series: limits.series,
            max_series_per_sender: limits.series_per_sender,
            max_bytes: limits.bytes,
            idle: limits.idle,
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
            idle: self.idle,
        }
    }

    /// The first setting that is out of bounds: its name, its value and what is allowed.
    fn wrong(&self) -> Option<(&'static str, String, String)> {
        const MOST: usize = 1 << 32;
        let sizes = [
            ("max_senders", self.max_senders),
            ("max_series", self.max_series),
            ("max_series_per_sender", self.max_series_per_sender),
            ("max_bytes", self.max_bytes),
        ];
        let wrong = sizes.into_iter().find(|(_, value)| !(1..=MOST).contains(value));
        if let Some((field, value)) = wrong {
            return Some((field, value.to_string(), format!("1 to {MOST}")));
        }
        if self.udp.is_empty() {
            return Some(("udp", "[]".into(), "at least one address".into()));
        }
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(366 * 86_400));
        (!(least..=most).contains(&self.idle))
            .then(|| ("idle", format!("{:?}", self.idle), "1s to 366days".into()))
    }
}

impl Settings {
    /// Reads the file, if there is one, and the environment.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = file {
            // figment takes a file that is missing for an empty one.
            std::fs::metadata(path).map_err(|e| Failure::file("read", path, &e))?;
        }
        let toml = file.map_or_else(Figment::new, |path| Figment::from(Toml::file_exact(path)));
        let env = Env::prefixed("RINGSTAT_").ignore(&["config"]).split("__");
        let given = toml.merge(env);
        let preset = match given.find_value("preset") {
            Ok(_) => given.extract_inner("preset").map_err(|e| invalid(e, &given))?,
            Err(_) => Preset::default(),
        };
        let settings: Self = Figment::new()
            .merge(Serialized::default("to", DEFAULT_ADDRESS))
            .merge(Serialized::default("preset", preset))
            .merge(Serialized::default("client", preset.config()))
            .merge(Serialized::default("collector", Collector::default()))
            .merge(&given)
            .extract()
            .map_err(|e| invalid(e, &given))?;
        settings.validate()?;
        Ok(settings)
    }

    fn validate(&self) -> Outcome {
        let refuse = |table: &str, field: &str, value: &str, allowed: &str| {
            let what = format_args!("{table}.{field} is {value}; allowed is {allowed}").to_string();
            Err(Failure::new(Exit::Usage, what).hint(HINT))
        };
        if let Err(wrong) = self.client.validate() {
            return refuse("client", wrong.field, &wrong.value, &wrong.allowed);
        }
        match self.collector.wrong() {
            Some((field, value, allowed)) => refuse("collector", field, &value, &allowed),
            None => Ok(()),
        }
    }

    /// Prints them as a file.
    pub(crate) fn print(&self) -> Outcome {
        let text = toml::to_string_pretty(self)
            .map_err(|e| Failure::new(Exit::Environment, format_args!("cannot print: {e}")))?;
        println!(
            "# The settings of ringstat. What is left out is as in the preset: default, high-throughput,"
        );
        println!(
            "# reliable or low-memory. Policies: \"drop-newest\", \"drop-oldest\", \"by-priority\","
        );
        println!(
            "# {{ sampled = 10 }}, {{ graded = 10 }}. Besides those below the client has redundant = \"HOST:PORT\","
        );
        println!("# memory_limit = BYTES and sender = NUMBER.");
        print!("{text}");
        Ok(())
    }
}

const HINT: &str = "`ringstat settings` prints all settings with their defaults.";

/// What is wrong: the key, its value, where that stands, and what was expected.
fn invalid(errors: figment::Error, given: &Figment) -> Failure {
    let describe = |error: figment::Error| {
        let key = error.path.join(".");
        let value = given.find_value(&key).ok().map(|value| show(&value));
        let source = error.metadata.as_ref().map_or("the settings".to_owned(), |from| {
            let place = from.source.as_ref().map(ToString::to_string);
            place.unwrap_or_else(|| from.name.to_string())
        });
        match value {
            Some(value) => format!("{key} is {value} in {source}: {}", error.kind),
            None => format!("{source}: {}", error.kind),
        }
    };
    let all: Vec<_> = errors.into_iter().map(describe).collect();
    Failure::new(Exit::Usage, all.join("; ")).hint(HINT)
}

/// A value as the file would have it.
fn show(value: &figment::value::Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| "not a value".to_owned(), |v| v.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_std::{Policy, Protocol};

    fn read(text: &str) -> Result<Settings, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Settings::load(Some(file.path())).map_err(|e| format!("{e:?}"))
    }

    #[test]
    fn a_preset_then_what_differs() {
        let settings = read(
            "preset = \"low-memory\"\nto = \"metrics:8125\"\n\
             [client]\npolicy = { graded = 20 }\nbatch_age = \"250ms\"\nprotocol = \"dogstatsd\"\n\
             redundant = \"other:8125\"\n[collector]\nmax_series = 7\nidle = \"1h\"",
        )
        .unwrap();
        let expected = ClientConfig {
            policy: Policy::Graded(20),
            batch_age: Duration::from_millis(250),
            protocol: Protocol::DogStatsD,
            redundant: Some("other:8125".into()),
            ..Preset::LowMemory.config()
        };
        assert_eq!((settings.client, &*settings.to), (expected, "metrics:8125"));
        assert_eq!((settings.collector.max_series, settings.collector.idle.as_secs()), (7, 3600));
    }

    #[test]
    fn what_is_printed_is_what_is_read() {
        for preset in Preset::ALL {
            let settings = Settings {
                to: "a:1".into(),
                preset,
                client: preset.config(),
                collector: Collector::default(),
            };
            assert_eq!(read(&toml::to_string_pretty(&settings).unwrap()), Ok(settings));
        }
    }

    #[test]
    fn errors_name_key_value_and_what_is_allowed() {
        for (text, said) in [
            ("[client]\nshards = 0", &["client.shards is 0", "1 to 1024"][..]),
            ("[client]\nshards = \"many\"", &["client.shards is \\\"many\\\" in /tmp", "usize"]),
            ("[client]\nshardz = 1", &["shardz", "shards"]),
            ("[client]\nbatch_age = \"soon\"", &["client.batch_age", "soon"]),
            ("[client]\nbatch_age = \"2days\"", &["client.batch_age is", "1 µs to 1 day"]),
            ("[client]\npolicy = { graded = 0 }", &["client.policy is one in 0", "2 to 64"]),
            ("[client]\npolicy = \"fair\"", &["client.policy", "fair", "drop-newest"]),
            ("preset = \"huge\"", &["preset", "huge", "reliable"]),
            ("[collector]\nmax_series = 0", &["collector.max_series is 0", "1 to"]),
            ("[collector]\nudp = []", &["collector.udp", "at least one"]),
            ("[collector]\nhttp = \"here\"", &["collector.http is", "here", "socket address"]),
            ("[colector]\n", &["colector", "collector"]),
            ("client = ", &["TOML"]),
        ] {
            let error = read(text).unwrap_err();
            for part in said {
                assert!(error.contains(part), "{text:?}: {error:?} does not say {part:?}");
            }
        }
        assert!(Settings::load(Some(Path::new("/no/such/file"))).is_err());
    }
}
