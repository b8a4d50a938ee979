//! The settings of outputs: where a collector sends what it knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ringstat_collector::{
    HttpAuth, HttpTarget, JsonLinesConfig, OtlpConfig, OtlpTarget, OtlpTemporality, OutputConfig,
    RelayConfig, RelayTarget, RelayTargetError, RemoteWriteConfig, RemoteWriteHistograms,
    RemoteWriteProtocol, RemoteWriteTarget,
};
use serde::{Deserialize, Serialize};

/// Outputs, among the collector's settings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Outputs {
    /// Servers to which what comes in is passed on.
    pub(crate) relay: Vec<Relay>,
    /// Bytes that may wait for each of them.
    pub(crate) relay_queue: usize,
    /// Receivers of remote write.
    pub(crate) remote_write: Vec<RemoteWrite>,
    #[serde(with = "humantime_serde")]
    pub(crate) remote_write_interval: Duration,
    /// Labels that every sample gets.
    pub(crate) remote_write_labels: BTreeMap<String, String>,
    pub(crate) remote_write_histograms: RemoteWriteHistograms,
    /// Bytes that may wait.
    pub(crate) remote_write_queue: usize,
    /// Receivers of OTLP.
    pub(crate) otlp: Vec<Otlp>,
    #[serde(with = "humantime_serde")]
    pub(crate) otlp_interval: Duration,
    pub(crate) otlp_temporality: OtlpTemporality,
    /// Bytes that may wait.
    pub(crate) otlp_queue: usize,
    /// A file of JSON lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) jsonl: Option<PathBuf>,
    #[serde(with = "humantime_serde")]
    pub(crate) jsonl_interval: Duration,
    pub(crate) jsonl_max_bytes: u64,
    #[serde(with = "humantime_serde")]
    pub(crate) jsonl_max_age: Duration,
    pub(crate) jsonl_keep: usize,
    pub(crate) jsonl_compress: bool,
}

impl Default for Outputs {
    fn default() -> Self {
        let RemoteWriteConfig { interval, queue_bytes, histograms, .. } =
            RemoteWriteConfig::default();
        let lines = JsonLinesConfig::to("");
        let otlp = OtlpConfig::default();
        Self {
            relay: Vec::new(),
            relay_queue: RelayConfig::default().queue_bytes,
            remote_write: Vec::new(),
            remote_write_interval: interval,
            remote_write_labels: BTreeMap::from([("job".to_owned(), "ringstat".to_owned())]),
            remote_write_histograms: histograms,
            remote_write_queue: queue_bytes,
            otlp: Vec::new(),
            otlp_interval: otlp.interval,
            otlp_temporality: otlp.temporality,
            otlp_queue: otlp.queue_bytes,
            jsonl: None,
            jsonl_interval: lines.interval,
            jsonl_max_bytes: lines.max_bytes,
            jsonl_max_age: lines.max_age.unwrap_or_default(),
            jsonl_keep: lines.keep,
            jsonl_compress: lines.compress,
        }
    }
}

/// A server to which what comes in is passed on, in the settings as on the command line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Relay(pub(crate) RelayTarget);

impl TryFrom<String> for Relay {
    type Error = RelayTargetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

impl From<Relay> for String {
    fn from(relay: Relay) -> Self {
        relay.0.to_string()
    }
}

/// A receiver that is spoken to over HTTP.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Http {
    pub(crate) url: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bearer_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) password_file: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ca_file: Option<PathBuf>,
    #[serde(default = "timeout", with = "humantime_serde")]
    pub(crate) timeout: Duration,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            url: String::new(),
            headers: BTreeMap::new(),
            bearer_file: None,
            user: None,
            password_file: None,
            ca_file: None,
            timeout: timeout(),
        }
    }
}

fn timeout() -> Duration {
    HttpTarget::new("").timeout
}

impl Http {
    fn target(self, url: String) -> HttpTarget {
        let auth = match (self.bearer_file, self.user, self.password_file) {
            (Some(file), ..) => HttpAuth::BearerFile(file),
            (None, Some(user), Some(password_file)) => HttpAuth::Basic { user, password_file },
            _ => HttpAuth::None,
        };
        let Self { ca_file, timeout, .. } = self;
        HttpTarget { url, headers: self.headers.into_iter().collect(), auth, ca_file, timeout }
    }
}

/// A receiver of remote write.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RemoteWrite {
    #[serde(flatten)]
    pub(crate) http: Http,
    #[serde(default)]
    pub(crate) protocol: RemoteWriteProtocol,
}

impl RemoteWrite {
    fn target(self) -> RemoteWriteTarget {
        let url = self.http.url.clone();
        RemoteWriteTarget { http: self.http.target(url), protocol: self.protocol }
    }
}

/// A receiver of OTLP.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Otlp {
    #[serde(flatten)]
    pub(crate) http: Http,
}

impl Otlp {
    fn target(self) -> OtlpTarget {
        let OtlpTarget { http: HttpTarget { url, .. }, transport } =
            OtlpTarget::new(&self.http.url);
        OtlpTarget { http: self.http.target(url), transport }
    }
}

impl Outputs {
    /// The outputs as the collector takes them.
    pub(crate) fn config(self) -> OutputConfig {
        let mut labels = self.remote_write_labels;
        // As a scrape would name it. An empty text leaves a label out.
        labels
            .entry("instance".into())
            .or_insert_with(|| sysinfo::System::host_name().unwrap_or_default());
        labels.retain(|_, value| !value.is_empty());
        let json_lines = self.jsonl.map(|file| JsonLinesConfig {
            file,
            interval: self.jsonl_interval,
            max_bytes: self.jsonl_max_bytes,
            max_age: Some(self.jsonl_max_age).filter(|age| !age.is_zero()),
            keep: self.jsonl_keep,
            compress: self.jsonl_compress,
        });
        OutputConfig {
            relay: RelayConfig {
                targets: self.relay.into_iter().map(|of| of.0).collect(),
                queue_bytes: self.relay_queue,
            },
            json_lines,
            otlp: OtlpConfig {
                targets: self.otlp.into_iter().map(Otlp::target).collect(),
                interval: self.otlp_interval,
                temporality: self.otlp_temporality,
                queue_bytes: self.otlp_queue,
            },
            remote_write: RemoteWriteConfig {
                targets: self.remote_write.into_iter().map(RemoteWrite::target).collect(),
                interval: self.remote_write_interval,
                labels: labels.into_iter().collect(),
                histograms: self.remote_write_histograms,
                queue_bytes: self.remote_write_queue,
            },
        }
    }

    /// The first setting that is out of bounds: its name, its value and what is allowed.
    pub(super) fn wrong(&self) -> Option<(&'static str, String, String)> {
        let times = [
            ("remote_write_interval", self.remote_write_interval),
            ("jsonl_interval", self.jsonl_interval),
            ("otlp_interval", self.otlp_interval),
        ];
        let within = Duration::from_secs(1)..=Duration::from_secs(86_400);
        if let Some((field, time)) = times.into_iter().find(|(_, time)| !within.contains(time)) {
            return Some((field, format!("{time:?}"), "1s to 1day".into()));
        }
        let remote_write = self.remote_write.iter().map(|of| ("remote_write", &of.http));
        let otlp = self.otlp.iter().map(|of| ("otlp", &of.http));
        let is_half = |of: &Http| of.user.is_some() != of.password_file.is_some();
        if let Some((field, of)) = remote_write.chain(otlp).find(|(_, of)| is_half(of)) {
            return Some((field, of.url.clone(), "`user` together with `password_file`".into()));
        }
        let sizes = [
            ("relay_queue", self.relay_queue as u64),
            ("remote_write_queue", self.remote_write_queue as u64),
            ("jsonl_max_bytes", self.jsonl_max_bytes),
            ("otlp_queue", self.otlp_queue as u64),
        ];
        let (field, _) = sizes.into_iter().find(|(_, size)| *size == 0)?;
        Some((field, "0".into(), "1 or more".into()))
    }
}
