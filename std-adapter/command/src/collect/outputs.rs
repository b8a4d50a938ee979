//! The flags for outputs: where a collector sends what it knows.

use std::path::PathBuf;
use std::time::Duration;

use ringstat_collector::{
    OtlpTemporality, OutputConfig, RelayTarget, RemoteWriteHistograms, RemoteWriteProtocol,
};

use crate::settings::outputs::{Http, Otlp, Outputs, Relay, RemoteWrite};

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Remote write")]
pub(crate) struct RemoteWriteArgs {
    /// URL of a receiver of Prometheus' remote write; may be given several times. Undelivered samples wait in the
    /// directory of --data, or in memory without one
    #[arg(long, value_name = "URL")]
    remote_write: Vec<String>,
    /// Seconds between two samples of a series [default: 15]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    remote_write_interval: Option<u64>,
    /// Label that every sample gets; may be given several times [default: job=ringstat and instance=HOSTNAME]
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair::<'='>)]
    remote_write_label: Vec<(String, String)>,
    /// Header of every request, such as X-Scope-OrgID:a; may be given several times
    #[arg(long, value_name = "NAME:VALUE", value_parser = pair::<':'>)]
    remote_write_header: Vec<(String, String)>,
    /// File with the token for bearer authentication; read for each request
    #[arg(long, value_name = "FILE", conflicts_with = "remote_write_user")]
    remote_write_bearer_file: Option<PathBuf>,
    /// User for basic authentication
    #[arg(long, value_name = "NAME", requires = "remote_write_password_file")]
    remote_write_user: Option<String>,
    /// File with the password of that user; read for each request
    #[arg(long, value_name = "FILE", requires = "remote_write_user")]
    remote_write_password_file: Option<PathBuf>,
    /// File with certificates in PEM, to verify the receivers by, instead of the public authorities
    #[arg(long, value_name = "FILE")]
    remote_write_ca_file: Option<PathBuf>,
    /// Version of the protocol: auto tries 2.0 and then 1.0
    #[arg(long, value_name = "VERSION", value_parser = protocol)]
    remote_write_protocol: Option<RemoteWriteProtocol>,
    /// Form of timings, distributions and histogram instruments: classic, as on /metrics, or native, one sample for each
    /// series, which every receiver must accept [default: classic]
    #[arg(long, value_name = "FORM", value_parser = histograms)]
    remote_write_histograms: Option<RemoteWriteHistograms>,
    /// Bytes that may wait for the receivers, compressed; beyond it the oldest samples are dropped [default: 268435456]
    #[arg(long, value_name = "BYTES")]
    remote_write_queue: Option<usize>,
}

impl RemoteWriteArgs {
    /// Puts what the flags say in the place of the settings.
    pub(crate) fn apply(&self, set: &mut Outputs) {
        if !self.remote_write.is_empty() {
            let headers: std::collections::BTreeMap<_, _> =
                self.remote_write_header.iter().cloned().collect();
            let target = |url: &String| RemoteWrite {
                http: Http {
                    url: url.clone(),
                    headers: headers.clone(),
                    bearer_file: self.remote_write_bearer_file.clone(),
                    user: self.remote_write_user.clone(),
                    password_file: self.remote_write_password_file.clone(),
                    ca_file: self.remote_write_ca_file.clone(),
                    ..Http::default()
                },
                protocol: self.remote_write_protocol.unwrap_or_default(),
            };
            set.remote_write = self.remote_write.iter().map(target).collect();
        }
        if let Some(seconds) = self.remote_write_interval {
            set.remote_write_interval = Duration::from_secs(seconds);
        }
        if let Some(bytes) = self.remote_write_queue {
            set.remote_write_queue = bytes;
        }
        set.remote_write_histograms =
            self.remote_write_histograms.unwrap_or(set.remote_write_histograms);
        set.remote_write_labels.extend(self.remote_write_label.iter().cloned());
    }
}

#[derive(clap::Args, Debug)]
pub(super) struct OutputArgs {
    /// Server to which what comes in is passed on: ringstat://HOST:PORT gets datagrams of ringstat's own format, and
    /// statsd://HOST:PORT those of lines, as they came; statsd://HOST:PORT?aggregate=10s, or dogstatsd://…, gets lines made
    /// of all that is known, once in that time. Lines are never cut: a datagram of more than 1472 bytes is passed on as
    /// several, and a line that is longer by itself has one of its own. May be given several times
    #[arg(long, value_name = "URL", help_heading = "Relay")]
    relay: Vec<RelayTarget>,
    /// Bytes that may wait for each of these servers; beyond it the oldest datagrams are dropped [default: 16777216]
    #[arg(long, value_name = "BYTES", help_heading = "Relay")]
    relay_queue: Option<usize>,
    #[command(flatten)]
    remote_write: RemoteWriteArgs,
    /// URL of a receiver of OTLP: http://HOST:PORT, https://…, or grpc://HOST:PORT, grpcs://…; may be given several times
    #[arg(long, value_name = "URL", help_heading = "OTLP (feature otlp)")]
    otlp: Vec<String>,
    /// Seconds between two points of a series [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "OTLP (feature otlp)", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    otlp_interval: Option<u64>,
    /// Whether points are totals (cumulative) or differences (delta) [default: cumulative]
    #[arg(long, value_name = "WHAT", help_heading = "OTLP (feature otlp)", value_parser = temporality)]
    otlp_temporality: Option<OtlpTemporality>,
    /// Header of every request; may be given several times
    #[arg(long, value_name = "NAME:VALUE", help_heading = "OTLP (feature otlp)", value_parser = pair::<':'>)]
    otlp_header: Vec<(String, String)>,
    /// File with the token for bearer authentication; read for each request
    #[arg(long, value_name = "FILE", help_heading = "OTLP (feature otlp)")]
    otlp_bearer_file: Option<PathBuf>,
    /// File with certificates in PEM, to verify the receivers by, instead of the public authorities
    #[arg(long, value_name = "FILE", help_heading = "OTLP (feature otlp)")]
    otlp_ca_file: Option<PathBuf>,
    /// Bytes that may wait for the receivers, compressed; beyond it the oldest points are dropped [default: 268435456]
    #[arg(long, value_name = "BYTES", help_heading = "OTLP (feature otlp)")]
    otlp_queue: Option<usize>,
    /// File that gets a line of JSON for each series once an interval
    #[arg(long, value_name = "FILE", help_heading = "JSON lines")]
    jsonl: Option<PathBuf>,
    /// Seconds between two lines of a series [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = "JSON lines", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    jsonl_interval: Option<u64>,
    /// Size at which the file is rotated, in bytes; it is also rotated once a day [default: 104857600]
    #[arg(long, value_name = "BYTES", help_heading = "JSON lines")]
    jsonl_max_bytes: Option<u64>,
    /// Number of rotated files that are kept, compressed; older ones are deleted [default: 10]
    #[arg(long, value_name = "N", help_heading = "JSON lines")]
    jsonl_keep: Option<usize>,
}

impl OutputArgs {
    /// The outputs of the settings, and those of the flags instead of them.
    pub(super) fn apply(&self, mut set: Outputs) -> OutputConfig {
        if !self.relay.is_empty() {
            set.relay = self.relay.iter().cloned().map(Relay).collect();
        }
        set.relay_queue = self.relay_queue.unwrap_or(set.relay_queue);
        self.remote_write.apply(&mut set);
        if !self.otlp.is_empty() {
            let target = |url: &String| Otlp {
                http: Http {
                    url: url.clone(),
                    headers: self.otlp_header.iter().cloned().collect(),
                    bearer_file: self.otlp_bearer_file.clone(),
                    ca_file: self.otlp_ca_file.clone(),
                    ..Http::default()
                },
            };
            set.otlp = self.otlp.iter().map(target).collect();
        }
        if let Some(seconds) = self.otlp_interval {
            set.otlp_interval = Duration::from_secs(seconds);
        }
        set.otlp_temporality = self.otlp_temporality.unwrap_or(set.otlp_temporality);
        set.otlp_queue = self.otlp_queue.unwrap_or(set.otlp_queue);
        set.jsonl = self.jsonl.clone().or(set.jsonl);
        if let Some(seconds) = self.jsonl_interval {
            set.jsonl_interval = Duration::from_secs(seconds);
        }
        set.jsonl_max_bytes = self.jsonl_max_bytes.unwrap_or(set.jsonl_max_bytes);
        set.jsonl_keep = self.jsonl_keep.unwrap_or(set.jsonl_keep);
        set.config()
    }
}

/// Two texts with a character between them.
fn pair<const BETWEEN: char>(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(BETWEEN).ok_or(format!("there is no `{BETWEEN}` in it"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn protocol(text: &str) -> Result<RemoteWriteProtocol, String> {
    match text {
        "auto" => Ok(RemoteWriteProtocol::Auto),
        "1.0" => Ok(RemoteWriteProtocol::V1),
        "2.0" => Ok(RemoteWriteProtocol::V2),
        _ => Err("there are auto, 1.0 and 2.0".into()),
    }
}

fn histograms(text: &str) -> Result<RemoteWriteHistograms, String> {
    match text {
        "classic" => Ok(RemoteWriteHistograms::Classic),
        "native" => Ok(RemoteWriteHistograms::Native),
        _ => Err("there are classic and native".into()),
    }
}

fn temporality(text: &str) -> Result<OtlpTemporality, String> {
    match text {
        "cumulative" => Ok(OtlpTemporality::Cumulative),
        "delta" => Ok(OtlpTemporality::Delta),
        _ => Err("there are cumulative and delta".into()),
    }
}
