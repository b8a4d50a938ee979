//! The formats that a client can send in.

use ringstat_core::format::Format;
use ringstat_core::text::{self, Growing};
use ringstat_core::wire;

/// The format that a client sends.
///
/// ```
/// use std::net::UdpSocket;
/// use ringstat_std::{Client, Protocol, Recorder};
///
/// let agent = UdpSocket::bind("127.0.0.1:0")?;
/// let stats = Client::builder(agent.local_addr()?.to_string()).protocol(Protocol::DogStatsD).build()?;
/// stats.count("orders", 2u32).tag("shop", "north").record();
/// stats.flush(std::time::Duration::from_secs(5))?;
///
/// let mut lines = [0; 1472];
/// let length = agent.recv(&mut lines)?;
/// assert!(lines[..length].starts_with(b"orders:2|c|#shop:north"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Protocol {
    /// ringstat's own format, for its collector: losses are known, and totals heal.
    #[default]
    Native,
    /// Lines for the Datadog agent, Vector, Telegraf or the Prometheus StatsD exporter. [`ringstat_core::text`] lists
    /// what each record becomes, and what cannot be expressed.
    DogStatsD,
    /// Lines for the original StatsD server.
    StatsD,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 3] = [Self::Native, Self::DogStatsD, Self::StatsD];

    /// The name in commands and files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::DogStatsD => "dogstatsd",
            Self::StatsD => "statsd",
        }
    }

    /// Whether the format can say who sends; see [`Info`](ringstat_core::instrument::Info).
    pub(crate) const fn introduces(self) -> bool {
        match self {
            Self::Native => true,
            Self::DogStatsD | Self::StatsD => false,
        }
    }

    /// Whether receivers acknowledge critical events, see [`Format::ACKNOWLEDGES`].
    #[must_use]
    pub const fn acknowledges(self) -> bool {
        match self {
            Self::Native => <wire::Encoder as Format>::ACKNOWLEDGES,
            Self::DogStatsD | Self::StatsD => <text::Encoder<Growing> as Format>::ACKNOWLEDGES,
        }
    }
}
