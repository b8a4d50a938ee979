//! The targets of a relay, written as URLs: `ringstat://HOST:PORT`, `statsd://HOST:PORT?aggregate=10s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The configuration of relays.
///
/// ```
/// use ringstat_collector::{OutputConfig, RelayConfig};
///
/// let targets = ["ringstat://central:8125", "statsd://graphite:8125?aggregate=10s"];
/// let targets = targets.iter().map(|url| url.parse()).collect::<Result<_, _>>()?;
/// let relay = RelayConfig { targets, ..RelayConfig::default() };
/// let outputs = OutputConfig { relay, ..OutputConfig::default() };
/// # Ok::<(), ringstat_collector::RelayTargetError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayConfig {
    /// The targets; none by default.
    pub targets: Vec<RelayTarget>,
    /// The largest size of each target's queue, in bytes. When it is exceeded, the oldest datagrams are dropped and counted.
    pub queue_bytes: usize,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self { targets: Vec::new(), queue_bytes: 16 << 20 }
    }
}

/// A server to which incoming datagrams are passed on.
///
/// ```
/// use std::time::Duration;
/// use ringstat_collector::{RelayProtocol, RelayTarget};
///
/// let target: RelayTarget = "statsd://graphite:8125?aggregate=10s".parse()?;
/// assert_eq!((target.protocol, &*target.address), (RelayProtocol::StatsD, "graphite:8125"));
/// assert_eq!(target.aggregate, Some(Duration::from_secs(10)));
/// # Ok::<(), ringstat_collector::RelayTargetError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelayTarget {
    /// The protocol that it understands.
    pub protocol: RelayProtocol,
    /// Its host and port. The name is looked up again once a minute.
    pub address: String,
    /// For a target of lines, the interval at which the collector writes lines from its aggregated series, or `None` to pass
    /// on datagrams unchanged.
    pub aggregate: Option<Duration>,
}

/// The protocol of a relay's target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RelayProtocol {
    /// ringstat's own format: another collector.
    Ringstat,
    /// Lines of StatsD, as Etsy's server reads them.
    StatsD,
    /// Lines of DogStatsD. They differ from those of StatsD only if the collector writes them itself.
    DogStatsD,
}

impl RelayProtocol {
    const ALL: [(&'static str, Self); 3] =
        [("ringstat", Self::Ringstat), ("statsd", Self::StatsD), ("dogstatsd", Self::DogStatsD)];
}

impl fmt::Display for RelayProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, protocol)| protocol == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

impl RelayTarget {
    /// The shortest and the longest time between two lines of a series.
    const BOUNDS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(86_400));

    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("it begins with the protocol: ringstat://, statsd:// or dogstatsd://")?;
        let (_, protocol) = RelayProtocol::ALL
            .into_iter()
            .find(|(name, _)| *name == scheme)
            .ok_or("the protocols are ringstat, statsd and dogstatsd")?;
        let (address, query) = match rest.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (rest, None),
        };
        let (host, port) = address.rsplit_once(':').ok_or("it has no port")?;
        let is_host = !host.is_empty() && !host.contains(['/', '@']);
        if !is_host || port.parse::<u16>().unwrap_or(0) == 0 {
            return Err("behind the protocol come a host and a port: HOST:PORT");
        }
        let aggregate = query.map(|query| {
            let time =
                query.strip_prefix("aggregate=").ok_or("only `?aggregate=TIME` may follow")?;
            let time =
                humantime::parse_duration(time).map_err(|_| "the time is one such as 10s")?;
            let (least, most) = Self::BOUNDS;
            if (least..=most).contains(&time) { Ok(time) } else { Err("the time is 1s to 1day") }
        });
        let aggregate = aggregate.transpose()?;
        if aggregate.is_some() && protocol == RelayProtocol::Ringstat {
            return Err("what senders of ringstat's format count are totals already: \
                        they are passed on as they are, and added up by the last collector's --map");
        }
        Ok(Self { protocol, address: address.to_owned(), aggregate })
    }
}

impl FromStr for RelayTarget {
    type Err = RelayTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text).map_err(|why| RelayTargetError { text: text.to_owned(), why })
    }
}

impl fmt::Display for RelayTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.protocol, self.address)?;
        match self.aggregate {
            Some(time) => write!(f, "?aggregate={}", humantime::format_duration(time)),
            None => Ok(()),
        }
    }
}

/// Why a text is not a target.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RelayTargetError {
    text: String,
    why: &'static str,
}

impl fmt::Display for RelayTargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot relay to `{}`: {}", self.text, self.why)
    }
}

impl std::error::Error for RelayTargetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_as_it_is_written() {
        for text in [
            "ringstat://central:8125",
            "statsd://[::1]:8125",
            "dogstatsd://10.0.0.1:1?aggregate=1m 30s",
        ] {
            assert_eq!(text.parse::<RelayTarget>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_error_says_what_is_allowed() {
        for (text, said) in [
            ("central:8125", "begins with the protocol"),
            ("http://a:1", "the protocols are"),
            ("statsd://a", "no port"),
            ("statsd://a:x", "HOST:PORT"),
            ("statsd://a:0", "HOST:PORT"),
            ("statsd://:8125", "HOST:PORT"),
            ("statsd://u@a:8125", "HOST:PORT"),
            ("statsd://a:8125/x", "HOST:PORT"),
            ("statsd://a:1?agregate=1s", "?aggregate=TIME"),
            ("statsd://a:1?aggregate=soon", "such as 10s"),
            ("statsd://a:1?aggregate=1ms", "1s to 1day"),
            ("ringstat://a:1?aggregate=1s", "totals already"),
        ] {
            let error = text.parse::<RelayTarget>().unwrap_err().to_string();
            assert!(error.contains(said) && error.contains(text), "{error}");
        }
    }
}
