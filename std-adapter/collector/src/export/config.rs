//! The configuration of outputs.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use serde::{Deserialize, Serialize};

use crate::relay::RelayConfig;

/// The systems to which a collector pushes what it knows, besides serving `/metrics`.
///
/// ```
/// use ringstat_collector::{OutputConfig, RemoteWriteConfig, ServerConfig};
///
/// let config = ServerConfig {
///     outputs: OutputConfig {
///         remote_write: RemoteWriteConfig::to(["http://127.0.0.1:9090/api/v1/write"]),
///         ..OutputConfig::default()
///     },
///     ..ServerConfig::default()
/// };
/// assert_eq!(config.outputs.remote_write.targets.len(), 1);
/// ```
#[derive(Clone, Default, PartialEq, Debug)]
pub struct OutputConfig {
    /// Receivers of Prometheus' remote write.
    pub remote_write: RemoteWriteConfig,
    /// A file of JSON lines.
    pub json_lines: Option<JsonLinesConfig>,
    /// Receivers of OTLP, which need the feature `otlp`.
    pub otlp: OtlpConfig,
    /// Servers to which incoming datagrams are passed on.
    pub relay: RelayConfig,
}

/// Receivers of OTLP, OpenTelemetry's protocol, and the settings that they share.
///
/// ```
/// use ringstat_collector::{OtlpConfig, OtlpTarget, OtlpTemporality, OtlpTransport};
///
/// let config = OtlpConfig {
///     targets: vec![OtlpTarget::new("grpc://127.0.0.1:4317")],
///     temporality: OtlpTemporality::Delta,
///     ..OtlpConfig::default()
/// };
/// assert_eq!(config.targets[0].transport, OtlpTransport::Grpc);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct OtlpConfig {
    /// The receivers; none by default.
    pub targets: Vec<OtlpTarget>,
    /// The interval at which data points are taken.
    pub interval: Duration,
    /// Whether points are totals or differences from the point before.
    pub temporality: OtlpTemporality,
    /// The largest size of the queue of undelivered points, compressed, in bytes. When it is exceeded, the oldest points
    /// are dropped and counted. The queue is in the data directory if there is one, and in memory otherwise.
    pub queue_bytes: usize,
}

impl Default for OtlpConfig {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            interval: Duration::from_secs(60),
            temporality: OtlpTemporality::default(),
            queue_bytes: 256 << 20,
        }
    }
}

/// A receiver of OTLP.
#[derive(Clone, PartialEq, Debug)]
pub struct OtlpTarget {
    /// Its URL and credentials.
    pub http: HttpTarget,
    /// The transport of its requests.
    pub transport: OtlpTransport,
}

impl OtlpTarget {
    /// Creates the receiver at a URL: `grpc://HOST:PORT`, or with TLS `grpcs://HOST:PORT`, for gRPC; `http://…` or
    /// `https://…` for HTTP, where the path is `/v1/metrics` unless the URL has one.
    #[must_use]
    pub fn new(url: &str) -> Self {
        if let Some(rest) = url.strip_prefix("grpc") {
            let http = HttpTarget::new(format!("http{rest}"));
            return Self { http, transport: OtlpTransport::Grpc };
        }
        let has_path = url.split_once("://").is_some_and(|(_, rest)| {
            rest.split_once('/').is_some_and(|(_, path)| !path.is_empty())
        });
        let url = if has_path {
            url.to_owned()
        } else {
            format!("{}/v1/metrics", url.trim_end_matches('/'))
        };
        Self { http: HttpTarget::new(url), transport: OtlpTransport::Http }
    }
}

/// The transport of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum OtlpTransport {
    /// Protobuf over HTTP.
    #[default]
    Http,
    /// gRPC.
    Grpc,
}

/// The start from which sums and histograms count.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtlpTemporality {
    /// The beginning of the series, so that the next point makes up for a lost one.
    #[default]
    Cumulative,
    /// The point before.
    Delta,
}

/// A file to which one line of JSON is appended for each series once an interval.
///
/// ```
/// use std::time::Duration;
/// use ringstat_collector::{JsonLinesConfig, OutputConfig};
///
/// let lines = JsonLinesConfig { interval: Duration::from_secs(10), ..JsonLinesConfig::to("metrics.jsonl") };
/// let outputs = OutputConfig { json_lines: Some(lines), ..OutputConfig::default() };
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JsonLinesConfig {
    /// The path of the file. Rotation appends the time to the old file's name, in milliseconds of Unix time.
    pub file: PathBuf,
    /// The interval at which lines are written.
    pub interval: Duration,
    /// The size beyond which the file is rotated, in bytes.
    pub max_bytes: u64,
    /// The age at which the file is rotated, or `None` to rotate by size alone.
    pub max_age: Option<Duration>,
    /// How many rotated files are kept; older ones are deleted.
    pub keep: usize,
    /// Whether rotated files are compressed, by gzip.
    pub compress: bool,
}

impl JsonLinesConfig {
    /// Creates a configuration that writes to `file` every minute, rotates it daily or at 100 MiB, and keeps ten compressed
    /// files.
    #[must_use]
    pub fn to(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            interval: Duration::from_secs(60),
            max_bytes: 100 << 20,
            max_age: Some(Duration::from_secs(86_400)),
            keep: 10,
            compress: true,
        }
    }
}

/// Receivers of Prometheus' remote write, and the settings that they share.
///
/// ```
/// use std::time::Duration;
/// use ringstat_collector::RemoteWriteConfig;
///
/// let config = RemoteWriteConfig {
///     interval: Duration::from_secs(30),
///     labels: vec![("site".into(), "north".into())],
///     ..RemoteWriteConfig::to(["http://127.0.0.1:9090/api/v1/write", "https://metrics.example/api/v1/push"])
/// };
/// assert_eq!(config.targets.len(), 2);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteWriteConfig {
    /// The receivers; none by default.
    pub targets: Vec<RemoteWriteTarget>,
    /// The interval at which samples are taken.
    pub interval: Duration,
    /// Labels to add to every sample, as a scrape adds `job` and `instance`. A sender's own label of the same name is renamed
    /// to `exported_NAME`.
    pub labels: Vec<(String, String)>,
    /// The form of histograms.
    pub histograms: RemoteWriteHistograms,
    /// The largest size of the queue of undelivered samples, compressed, in bytes. When it is exceeded, the oldest samples
    /// are dropped and counted. The queue is in the data directory if there is one, and in memory otherwise.
    pub queue_bytes: usize,
}

impl Default for RemoteWriteConfig {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            interval: Duration::from_secs(15),
            labels: Vec::new(),
            histograms: RemoteWriteHistograms::default(),
            queue_bytes: 256 << 20,
        }
    }
}

impl RemoteWriteConfig {
    /// Samples for these URLs, with the defaults for everything else.
    #[must_use]
    pub fn to<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        let target = |url: U| RemoteWriteTarget::new(HttpTarget::new(url));
        Self { targets: urls.into_iter().map(target).collect(), ..Self::default() }
    }
}

/// A receiver of remote write.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteWriteTarget {
    /// Its URL and credentials.
    pub http: HttpTarget,
    /// The version of the protocol.
    pub protocol: RemoteWriteProtocol,
}

impl RemoteWriteTarget {
    /// A receiver whose version is found out.
    #[must_use]
    pub const fn new(http: HttpTarget) -> Self {
        Self { http, protocol: RemoteWriteProtocol::Auto }
    }
}

/// The version of the remote write protocol.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum RemoteWriteProtocol {
    /// Version 2.0, or 1.0 if the receiver does not accept that.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// Version 1.0.
    #[serde(rename = "1.0")]
    V1,
    /// Version 2.0.
    #[serde(rename = "2.0")]
    V2,
}

/// The form in which timings, distributions and histogram instruments are written to receivers of remote write.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteWriteHistograms {
    /// As [`Distributions`](crate::Distributions) has it for `/metrics`: classic histograms, or summaries.
    #[default]
    Classic,
    /// As native histograms of schema 5, with 32 buckets an octave: one sample for each series. A value is counted in the
    /// bucket that contains the middle of its own, which is off by at most 3.1 % for events, and by half a bucket of its
    /// layout for an instrument.
    ///
    /// Every receiver has to accept them, as Prometheus does with `--enable-feature=native-histograms`. One of version 1.0
    /// that does not know them may ignore them without saying so.
    Native,
}

/// A receiver that is reached over HTTP or HTTPS.
#[derive(Clone, PartialEq)]
pub struct HttpTarget {
    /// Its URL. A user and a password in it are sent as basic authentication.
    pub url: String,
    /// Headers to send with every request, for example one that names the tenant.
    pub headers: Vec<(String, String)>,
    /// How requests are authenticated.
    pub auth: HttpAuth,
    /// A PEM file with the certificates of the authorities to trust, or `None` for the public ones.
    pub ca_file: Option<PathBuf>,
    /// The time limit of a request.
    pub timeout: Duration,
}

impl HttpTarget {
    /// Creates a target without credentials, with a time limit of 30 seconds.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            headers: Vec::new(),
            auth: HttpAuth::None,
            ca_file: None,
            timeout: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for HttpTarget {
    /// Omits everything secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("HttpTarget")
            .field("url", &shown(&self.url))
            .field("headers", &headers)
            .field("auth", &self.auth)
            .field("ca_file", &self.ca_file)
            .field("timeout", &self.timeout)
            .finish()
    }
}

/// How a collector authenticates itself. Files are read for each request, so that a secret can be changed at any time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum HttpAuth {
    /// It does not authenticate itself.
    #[default]
    None,
    /// The bearer token in this file.
    BearerFile(PathBuf),
    /// Basic authentication with a user name, and the password in a file.
    Basic {
        /// The user name.
        user: String,
        /// The file that contains the password.
        password_file: PathBuf,
    },
}

/// Returns a URL without the parts that may be secret: the user, the password and the query.
pub(super) fn shown(url: &str) -> String {
    let bare = url.split(['?', '#']).next().unwrap_or_default();
    match bare.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => bare.to_owned(),
    }
}

/// Why an output cannot be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum OutputError {
    /// The URL cannot be used.
    Url {
        /// The URL, without its secret parts.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header cannot be sent.
    Header(String),
    /// A file cannot be used.
    File(PathBuf, io::Error),
    /// The collector was built without this feature.
    Feature(&'static str),
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url { url, why } => write!(f, "cannot send to {url}: {why}"),
            Self::Header(name) => write!(f, "`{name}` cannot be a header"),
            Self::File(path, e) => write!(f, "cannot use {}: {e}", path.display()),
            Self::Feature(name) => {
                write!(f, "this collector was built without the feature `{name}`")
            }
        }
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(_, e) => Some(e),
            Self::Url { .. } | Self::Header(_) | Self::Feature(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_of_otlp_is_found_by_its_scheme() {
        for (url, expected, transport) in [
            ("http://a:4318", "http://a:4318/v1/metrics", OtlpTransport::Http),
            ("https://a/", "https://a/v1/metrics", OtlpTransport::Http),
            ("https://a/otlp/v1/metrics", "https://a/otlp/v1/metrics", OtlpTransport::Http),
            ("grpc://a:4317", "http://a:4317", OtlpTransport::Grpc),
            ("grpcs://a:4317", "https://a:4317", OtlpTransport::Grpc),
        ] {
            let target = OtlpTarget::new(url);
            assert_eq!((&*target.http.url, target.transport), (expected, transport));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (url, safe) in [
            ("https://me:secret@host:1/a/b?token=secret", "https://host:1/a/b"),
            ("http://host", "http://host"),
            ("http://host/a@b", "http://host/a@b"),
            ("nonsense?secret", "nonsense"),
        ] {
            assert_eq!(shown(url), safe);
        }
        let mut target = HttpTarget::new("http://u:secret@h/");
        target.headers.push(("x-tenant".into(), "secret".into()));
        assert!(!format!("{target:?}").contains("secret"), "{target:?}");
    }
}
