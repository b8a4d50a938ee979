//! The connection to the log, and what a fleet has there: a stream for each shard.

use std::path::PathBuf;
use std::time::Duration;
use std::{fmt, io};

use async_nats::jetstream::stream::{DiscardPolicy, StorageType};
use async_nats::jetstream::{self, Context, ContextBuilder, kv};
use async_nats::{Client, ConnectOptions, Event};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::names::{self, LEASES, MAX_SHARDS, SHARDS, STATE};
use super::objects;

/// How long the start waits for the broker.
const START: Duration = Duration::from_secs(10);
/// How long the broker may take to confirm a message or to answer a request.
const ANSWER: Duration = Duration::from_secs(3);
/// How long the broker remembers the identifiers of messages. Who repeats one does so sooner; what is repeated later is
/// recognized by workers.
const DUPLICATES: Duration = Duration::from_secs(10);
/// The key of the layout in the bucket of the state.
const LAYOUT_KEY: &str = "layout";
/// The version of the layout and of messages.
const FORMAT: u32 = 1;
/// How many streams are made at a time.
const AT_ONCE: usize = 16;

/// Where the log is, and what its streams are like if they do not exist yet.
///
/// ```
/// use ringstat_collector::fleet::LogConfig;
///
/// let config = LogConfig { shards: Some(16), ..LogConfig::at("nats://127.0.0.1:4222") };
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogConfig {
    /// The URL of a broker, or several with commas between them.
    pub url: String,
    /// A file with credentials, as `nsc` makes it.
    pub credentials: Option<PathBuf>,
    /// A file with certificates, in PEM, of those who may vouch for the broker.
    pub ca_file: Option<PathBuf>,
    /// The number of shards, or `None` for what the fleet has, and 64 for a new one. It is fixed when a fleet begins.
    pub shards: Option<u16>,
    /// How many brokers of a cluster keep each message.
    pub replicas: usize,
    /// The largest size of a shard's stream, in bytes. What no snapshot contains yet must fit; beyond it the stream
    /// refuses messages, and nothing in it is lost.
    pub max_bytes: u64,
}

impl LogConfig {
    /// A log with the defaults for everything else.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: None,
            ca_file: None,
            shards: None,
            replicas: 1,
            max_bytes: 256 << 20,
        }
    }
}

/// Why a part of a fleet did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum FleetError {
    /// The log cannot be reached, or refuses.
    Log {
        /// Where it is.
        url: String,
        /// What it says.
        why: String,
    },
    /// The fleet has another number of shards than the configuration asks for.
    Shards {
        /// What it has.
        has: u16,
        /// What was asked for.
        asked: u16,
    },
    /// The fleet is of a newer version.
    Newer(u32),
    /// The number of shards is not from 1 to 4096.
    Range(u16),
    /// A socket, a thread or an output cannot be used.
    Start(crate::server::StartError),
}

impl fmt::Display for FleetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { url, why } => write!(f, "cannot use the log at {url}: {why}"),
            Self::Shards { has, asked } => write!(
                f,
                "this fleet has {has} shards and not {asked}: the number is fixed when a fleet begins"
            ),
            Self::Newer(format) => {
                write!(f, "this fleet has format {format}, which this version does not know")
            }
            Self::Range(shards) => write!(f, "{shards} shards: there may be 1 to {MAX_SHARDS}"),
            Self::Start(e) => write!(f, "{e}"),
        }
    }
}

impl std::error::Error for FleetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(e) => Some(e),
            _ => None,
        }
    }
}

impl From<crate::server::StartError> for FleetError {
    fn from(error: crate::server::StartError) -> Self {
        Self::Start(error)
    }
}

impl From<io::Error> for FleetError {
    fn from(error: io::Error) -> Self {
        Self::Start(crate::server::StartError::Thread(error))
    }
}

/// What all parts of a fleet must agree on.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Layout {
    format: u32,
    shards: u16,
}

/// How full a stream is.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct Size {
    /// The largest size that it may have, in bytes, if there is a limit.
    pub(crate) limit: Option<u64>,
    /// The bytes of its messages, with what the broker adds to each.
    pub(crate) bytes: u64,
    /// The number of the last message.
    pub(crate) last: u64,
}

/// A connection to the log. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) client: Client,
    pub(crate) context: Context,
    pub(crate) shards: u16,
    /// How often it has been lost. What was not answered by then never will be.
    pub(crate) lost: watch::Receiver<u64>,
}

impl Log {
    /// Connects to a log that is there, and reads the layout of its fleet.
    ///
    /// # Errors
    /// It cannot be reached within some seconds, or has no fleet.
    pub(crate) async fn open(config: &LogConfig, name: &str) -> Result<Self, FleetError> {
        let mut log = Self::connect(config, name).await?;
        let state = log.context.get_key_value(STATE).await;
        let state = state.map_err(|_| config.fails("there is no fleet; a receiver begins one"))?;
        let layout = log.layout(config, &state).await?;
        let layout = layout.ok_or_else(|| config.fails("there is no fleet"))?;
        log.shards = layout.checked(config)?;
        Ok(log)
    }

    /// As [`open`](Self::open), but begins the fleet if there is none, and makes the streams that are missing.
    pub(crate) async fn begin(config: &LogConfig, name: &str) -> Result<Self, FleetError> {
        let mut log = Self::connect(config, name).await?;
        log.bucket(config, STATE).await?;
        log.bucket(config, LEASES).await?;
        objects::begin(&log, config.replicas).await.map_err(|e| config.fails(e))?;
        let state = log.context.get_key_value(STATE).await.map_err(|e| config.fails(e))?;
        let wanted = Layout { format: FORMAT, shards: config.shards.unwrap_or(SHARDS) };
        if !(1..=MAX_SHARDS).contains(&wanted.shards) {
            return Err(FleetError::Range(wanted.shards));
        }
        let json = serde_json::to_vec(&wanted).unwrap_or_default();
        // Of several that begin a fleet at the same time, one does, and all read what it wrote.
        let created = state.create(LAYOUT_KEY, json.into()).await;
        let layout = log.layout(config, &state).await?;
        let layout = layout.ok_or_else(|| match created {
            Err(e) => config.fails(e),
            Ok(_) => config.fails("it forgets what it has confirmed"),
        })?;
        log.shards = layout.checked(config)?;
        let stream = |shard| {
            let context = log.context.clone();
            let stream = jetstream::stream::Config {
                name: names::stream(shard),
                subjects: vec![names::subject(shard)],
                discard: DiscardPolicy::New,
                storage: StorageType::File,
                max_bytes: i64::try_from(config.max_bytes).unwrap_or(i64::MAX),
                num_replicas: config.replicas,
                duplicate_window: DUPLICATES,
                ..jetstream::stream::Config::default()
            };
            async move { context.get_or_create_stream(stream).await.map(drop) }
        };
        let streams = futures_util::stream::iter((0..log.shards).map(stream));
        let made: Result<(), _> = streams.buffer_unordered(AT_ONCE).try_collect().await;
        made.map_err(|e| config.fails(e))?;
        Ok(log)
    }

    /// Makes a key-value bucket if there is none. The client's own way asks for the account first, whose answer it does not
    /// understand when the broker is older than 2.10.
    async fn bucket(&self, config: &LogConfig, name: &str) -> Result<(), FleetError> {
        let bucket = jetstream::stream::Config {
            name: format!("KV_{name}"),
            subjects: vec![format!("$KV.{name}.>")],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: config.replicas,
            allow_rollup: true,
            deny_delete: true,
            ..jetstream::stream::Config::default()
        };
        let made = self.context.get_or_create_stream(bucket).await;
        made.map(drop).map_err(|e| config.fails(e))
    }

    async fn layout(
        &self,
        config: &LogConfig,
        state: &kv::Store,
    ) -> Result<Option<Layout>, FleetError> {
        let bytes = state.get(LAYOUT_KEY).await.map_err(|e| config.fails(e))?;
        let read = |bytes: &[u8]| serde_json::from_slice(bytes).map_err(|e| config.fails(e));
        bytes.map(|bytes| read(&bytes)).transpose()
    }

    async fn connect(config: &LogConfig, name: &str) -> Result<Self, FleetError> {
        let (tell, lost) = watch::channel(0);
        let mut options = ConnectOptions::new()
            .name(name)
            .request_timeout(Some(ANSWER))
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(50 * (attempts as u64).min(20))
            })
            .event_callback(move |event| {
                match event {
                    Event::Disconnected => tell.send_modify(|times| *times += 1),
                    Event::ServerError(_) | Event::ClientError(_) => {
                        tracing::warn!("the log: {event}");
                    }
                    _ => {}
                }
                std::future::ready(())
            });
        if let Some(file) = &config.credentials {
            let opened = options.credentials_file(file).await;
            options = opened.map_err(|e| config.fails(format!("{}: {e}", file.display())))?;
        }
        if let Some(file) = &config.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        let urls: Vec<&str> = config.url.split(',').map(str::trim).collect();
        let connecting = async {
            loop {
                match options.clone().connect(&urls[..]).await {
                    Ok(client) => return client,
                    Err(e) => {
                        tracing::debug!("the log at {}: {e}", config.url);
                        tokio::time::sleep(Duration::from_millis(250)).await;
                    }
                }
            }
        };
        let client = tokio::time::timeout(START, connecting).await;
        let client = client.map_err(|_| {
            config.fails(format_args!("no broker answers within {} s", START.as_secs()))
        })?;
        let context = ContextBuilder::new()
            .timeout(ANSWER)
            .ack_timeout(ANSWER)
            .max_ack_inflight(1 << 16)
            .build(client.clone());
        Ok(Self { client, context, shards: 0, lost })
    }

    /// Asks the broker how full the stream of a shard is.
    pub(crate) async fn size(&self, shard: u16) -> Result<Size, String> {
        let mut lost = self.lost.clone();
        lost.mark_unchanged();
        let stream = tokio::select! {
            stream = self.context.get_stream(names::stream(shard)) => stream,
            // It will not be answered any more.
            _ = lost.changed() => return Err("the connection was lost".into()),
        };
        let stream = stream.map_err(|e| e.to_string())?;
        let info = stream.cached_info();
        Ok(Size {
            limit: u64::try_from(info.config.max_bytes).ok().filter(|limit| *limit > 0),
            bytes: info.state.bytes,
            last: info.state.last_sequence,
        })
    }

    /// Whether there is a connection now.
    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }
}

impl Layout {
    fn checked(self, config: &LogConfig) -> Result<u16, FleetError> {
        let Self { format, shards } = self;
        match config.shards {
            _ if format > FORMAT => Err(FleetError::Newer(format)),
            _ if !(1..=MAX_SHARDS).contains(&shards) => Err(FleetError::Range(shards)),
            Some(asked) if asked != shards => Err(FleetError::Shards { has: shards, asked }),
            _ => Ok(shards),
        }
    }
}

impl LogConfig {
    pub(crate) fn fails(&self, why: impl fmt::Display) -> FleetError {
        // A URL may contain a password.
        let bare = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => url.to_owned(),
        };
        let url = self.url.split(',').map(|url| bare(url.trim())).collect::<Vec<_>>().join(",");
        FleetError::Log { url, why: why.to_string() }
    }
}
