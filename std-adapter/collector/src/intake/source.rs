//! Where a datagram came from, and under which number lines from there are kept.

use std::fmt;
use std::hash::Hasher;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;

use super::shards::shard_of_word;
use crate::memory::heap;

/// Where a datagram came from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Source {
    /// An address in a network.
    Network(SocketAddr),
    /// A Unix socket: the sender's own if it has a name, otherwise that of the collector to which it sent.
    Unix(Box<str>),
}

impl Source {
    /// The id of the sender of lines from here: the same in every run of the collector.
    ///
    /// Clients of StatsD use ports that mean nothing and change with each of their sockets, so all of a machine's are
    /// one sender, except for containers that say which they are. Like any other number of a sender, the id says which
    /// shard it belongs to, and that depends only on the source: containers do not.
    pub(crate) fn lines_id(&self, container: Option<&str>) -> u64 {
        // Not secret: whoever can forge an address can forge the number of a sender as well.
        let mut hasher = SipHasher13::new();
        match self {
            Self::Network(at) => match at.ip().to_canonical() {
                IpAddr::V4(ip) => hasher.write(&ip.octets()),
                IpAddr::V6(ip) => hasher.write(&ip.octets()),
            },
            Self::Unix(path) => hasher.write(path.as_bytes()),
        }
        if let Some(container) = container {
            hasher.write_u8(0xFF);
            hasher.write(container.as_bytes());
        }
        let hash = hasher.finish() as u32;
        let [a, b, c, d] = hash.to_be_bytes();
        let [e, f, g, h] = (hash ^ self.word()).to_be_bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// The shard for lines from here.
    pub(crate) fn shard(&self, count: usize) -> usize {
        shard_of_word(self.word(), count)
    }

    /// The source as 32 bits, as the kernel can compute them of an address, too.
    fn word(&self) -> u32 {
        match self {
            Self::Network(at) => match at.ip().to_canonical() {
                IpAddr::V4(ip) => ip.to_bits(),
                IpAddr::V6(ip) => {
                    let words = ip.to_bits();
                    (words >> 96 ^ words >> 64 ^ words >> 32 ^ words) as u32
                }
            },
            Self::Unix(path) => {
                let mut hasher = SipHasher13::new();
                hasher.write(path.as_bytes());
                (hasher.finish() >> 32) as u32
            }
        }
    }

    /// The memory behind it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Network(_) => 0,
            Self::Unix(path) => heap(path.len()),
        }
    }

    /// What identifies it without the port, which changes with each socket of a sender.
    pub(crate) fn host(&self) -> String {
        match self {
            Self::Network(at) => at.ip().to_canonical().to_string(),
            Self::Unix(_) => self.to_string(),
        }
    }
}

impl From<SocketAddr> for Source {
    fn from(address: SocketAddr) -> Self {
        Self::Network(address)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::shards::shard_of_sender;
    use super::*;

    fn network(address: &str) -> Source {
        Source::Network(address.parse().unwrap())
    }

    #[test]
    fn all_ports_of_a_machine_are_one_sender_and_containers_are_not() {
        let here = network("10.0.0.1:4000");
        assert_eq!(here.lines_id(None), network("10.0.0.1:4001").lines_id(None));
        assert_eq!(here.lines_id(None), network("[::ffff:10.0.0.1]:9").lines_id(None));
        let ids = [
            here.lines_id(None),
            here.lines_id(Some("a")),
            here.lines_id(Some("b")),
            network("10.0.0.2:4000").lines_id(None),
            network("[fd00::1]:4000").lines_id(None),
            Source::Unix("/run/a".into()).lines_id(None),
        ];
        assert!((1..ids.len()).all(|i| !ids[i..].contains(&ids[i - 1])), "{ids:x?}");
        assert_eq!(ids[0], 0x1FA6_35A2_1EA6_35A8, "the same in every run");
    }

    /// So that what is kept on disk comes back to the shard that will get more of it.
    #[test]
    fn the_id_says_which_shard_it_belongs_to() {
        for n in 0..200u8 {
            let sources = [
                network(&format!("10.1.{n}.9:17")),
                network(&format!("[fd00:{n:x}::{n:x}1]:17")),
                Source::Unix(format!("/run/{n}").into()),
            ];
            for (source, container) in sources.iter().flat_map(|s| [(s, None), (s, Some("abc"))]) {
                for shards in 1..5 {
                    let id = source.lines_id(container);
                    assert_eq!(shard_of_sender(id, shards), source.shard(shards), "{source}");
                }
            }
        }
    }
}
