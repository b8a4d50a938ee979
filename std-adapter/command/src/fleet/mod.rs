//! What the parts of a fleet have in common on the command line: the log.

use std::path::PathBuf;

use ringstat_collector::StartError;
use ringstat_collector::fleet::{FleetError, LogConfig};

use crate::collect::cannot_start;
use crate::common::failure::{Exit, Failure};

/// The flags for the log of a fleet.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// URL of a broker of NATS JetStream, or several with commas between them: nats://HOST:4222, tls://HOST:4222
    #[arg(long, value_name = "URL")]
    log: String,
    /// File with credentials for it, as `nsc` makes them
    #[arg(long, value_name = "FILE")]
    log_credentials: Option<PathBuf>,
    /// File with certificates in PEM, by which the broker is known instead of the system's authorities
    #[arg(long, value_name = "FILE")]
    log_ca_file: Option<PathBuf>,
    /// Number of shards: fixed when the fleet begins [default: what the fleet has, and 64 for a new one]
    #[arg(long, value_name = "N")]
    shards: Option<u16>,
    /// How many brokers of a cluster keep each message, for streams that do not exist yet [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
    /// Largest size of a shard's stream in bytes, for streams that do not exist yet [default: 1073741824]
    #[arg(long, value_name = "BYTES")]
    shard_bytes: Option<u64>,
}

impl LogArgs {
    pub(crate) fn config(&self) -> LogConfig {
        let default = LogConfig::at(&*self.log);
        LogConfig {
            credentials: self.log_credentials.clone(),
            ca_file: self.log_ca_file.clone(),
            shards: self.shards,
            replicas: self.replicas.map_or(default.replicas, usize::from),
            max_bytes: self.shard_bytes.unwrap_or(default.max_bytes),
            ..default
        }
    }
}

/// The failure for a part of a fleet that does not start, with advice.
pub(crate) fn failure(error: FleetError) -> Failure {
    let hint = match error {
        FleetError::Start(StartError::Thread(e)) => return cannot_start(StartError::Thread(e)),
        FleetError::Start(e) => return cannot_start(e),
        FleetError::Log { .. } => {
            "`nats-server -js -sd DIR` starts a broker on port 4222; Debian has it as nats-server."
        }
        FleetError::Shards { .. } | FleetError::Range(_) => "Leave out --shards.",
        _ => "Update this program.",
    };
    Failure::new(Exit::Environment, error).hint(hint)
}
