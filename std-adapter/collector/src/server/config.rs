//! Where a collector listens, and why it may fail to start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, io};

use crate::data::{DataConfig, DataError};
use crate::export::{OutputConfig, OutputError, Unprepared};
use crate::intake::GaugeSign;
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::metrics::Distributions;

/// Where a [`Server`](super::Server) listens, and its limits.
///
/// ```
/// use ringstat_collector::{Limits, ServerConfig};
///
/// let config = ServerConfig {
///     udp: vec!["0.0.0.0:8125".parse()?],
///     limits: Limits { senders: 500, ..Limits::default() },
///     ..ServerConfig::default()
/// };
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The addresses on which to receive datagrams; port 0 picks a free one. A datagram that arrives twice, at one
    /// address or at two, is counted once.
    pub udp: Vec<SocketAddr>,
    /// Paths of Unix datagram sockets on which to receive as well, from senders on this machine.
    pub unix: Vec<PathBuf>,
    /// The number of threads that receive, at least one. The default is the number of cores.
    pub threads: usize,
    /// What the sign of a gauge means in lines of StatsD, which are told from ringstat's own format by their first bytes,
    /// or `None` to refuse such lines.
    pub statsd: Option<GaugeSign>,
    /// The address on which to serve pages and metrics, or `None` for no HTTP.
    pub http: Option<SocketAddr>,
    /// The limits on what is kept.
    pub limits: Limits,
    /// Where to keep all data, so that a restart forgets nothing, or `None` to keep it in memory only.
    pub data: Option<DataConfig>,
    /// What becomes of the series that are sent: rules that rename, drop and add up, or `None` to show all as they are.
    pub mapping: Option<Mapping>,
    /// How `/metrics` shows timings, distributions and histogram instruments.
    pub distributions: Distributions,
    /// Where to send what is known, beside answering those who ask.
    pub outputs: OutputConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            udp: vec![([127, 0, 0, 1], 8125).into()],
            unix: Vec::new(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            statsd: Some(GaugeSign::default()),
            http: Some(([127, 0, 0, 1], 9125).into()),
            limits: Limits::default(),
            data: None,
            mapping: None,
            distributions: Distributions::default(),
            outputs: OutputConfig::default(),
        }
    }
}

/// Why a collector did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be bound for datagrams.
    Udp(SocketAddr, io::Error),
    /// The path cannot be bound for datagrams.
    Unix(PathBuf, io::Error),
    /// The address cannot be bound for HTTP.
    Http(SocketAddr, io::Error),
    /// The data directory cannot be used.
    Data(DataError),
    /// An output cannot be used.
    Output(OutputError),
    /// No thread could be started.
    Thread(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(at, e) => write!(
                f,
                "cannot receive on {at}: {e}; another process may have that port: choose one with --udp, or 0 for a free one"
            ),
            Self::Unix(path, e) => write!(f, "cannot receive on {}: {e}", path.display()),
            Self::Http(at, e) => write!(
                f,
                "cannot serve on {at}: {e}; another process may have that port: choose one with --http, or 0 for a free one"
            ),
            Self::Data(e) => write!(f, "{e}"),
            Self::Output(e) => write!(f, "{e}"),
            Self::Thread(e) => write!(f, "cannot start a thread: {e}"),
        }
    }
}

impl From<Unprepared> for StartError {
    fn from(error: Unprepared) -> Self {
        match error {
            Unprepared::Output(e) => Self::Output(e),
            Unprepared::Data(e) => Self::Data(e),
            #[cfg(feature = "nats")]
            Unprepared::Thread(e) => Self::Thread(e),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Data(e) => Some(e),
            Self::Output(e) => Some(e),
            Self::Udp(_, e) | Self::Unix(_, e) | Self::Http(_, e) | Self::Thread(e) => Some(e),
        }
    }
}
