//! Relays: incoming datagrams are passed on to other servers, unchanged.
//!
//! ```text
//!  an accepted datagram ─► queue of each target (bounded, counted) ─► link: one thread, one connected socket
//! ```
//!
//! A target of ringstat's own format gets the datagrams of that format, byte for byte. Each still carries its sender, epoch
//! and sequence number, so that the last collector of a chain knows what was lost anywhere on the way. A datagram that has
//! been received before is not passed on again, which also ends a loop after one round. A target of StatsD gets datagrams
//! of lines.
//!
//! The receiving threads never wait for a target: they add a datagram to its queue, which drops the oldest one when it is
//! full.

mod link;
mod queue;
mod target;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use link::{Link, is_own};
pub(crate) use queue::Queue;
pub use target::{RelayConfig, RelayProtocol, RelayTarget, RelayTargetError};

use crate::intake::{Arrival, Source};
use crate::report::OutputCause;

/// All targets.
#[derive(Default, Debug)]
pub(crate) struct Relays(Vec<Relay>);

/// A target and its queue.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) target: RelayTarget,
    pub(crate) queue: Arc<Queue>,
}

/// Lines that came in a larger datagram are passed on in several, cut at the ends of lines: it came over a Unix socket,
/// which takes more than a network does in one piece.
pub(crate) const LINES: usize = 1472;

impl Relays {
    /// Creates an empty queue for each target.
    pub(crate) fn new(config: RelayConfig) -> Self {
        let relay = |target| Relay { target, queue: Arc::new(Queue::new(config.queue_bytes)) };
        Self(config.targets.into_iter().map(relay).collect())
    }

    /// The targets.
    pub(crate) fn all(&self) -> &[Relay] {
        &self.0
    }

    /// Passes on a datagram that the collector treated as stated. `asks` says whether its sender asks for an answer.
    #[inline]
    pub(crate) fn offer(
        &self,
        datagram: &[u8],
        arrival: Arrival,
        from: Option<&Source>,
        asks: bool,
    ) {
        if !self.0.is_empty() {
            self.offer_to_all(datagram, arrival, from, asks);
        }
    }

    fn offer_to_all(&self, datagram: &[u8], arrival: Arrival, from: Option<&Source>, asks: bool) {
        // One copy for all.
        let mut shared: Option<Arc<[u8]>> = None;
        for Relay { target, queue } in
            self.0.iter().filter(|relay| relay.target.aggregate.is_none())
        {
            let mut put = |body: &[u8]| {
                let whole = body.len() == datagram.len();
                let body = if whole {
                    shared.get_or_insert_with(|| datagram.into()).clone()
                } else {
                    body.into()
                };
                queue.put(body, 1, asks);
            };
            match (target.protocol, arrival) {
                (RelayProtocol::Ringstat, Arrival::Native) => put(datagram),
                (RelayProtocol::Ringstat, Arrival::Duplicate) => {
                    queue.refuse(OutputCause::Duplicate, 1);
                }
                (RelayProtocol::StatsD | RelayProtocol::DogStatsD, Arrival::Lines) => {
                    if queue.comes_back(from) {
                        queue.refuse(OutputCause::Loop, 1);
                    } else {
                        pieces(datagram).for_each(put);
                    }
                }
                _ => {}
            }
        }
    }

    /// Starts a thread for each target. When it has ended, its part of `running` is dropped.
    pub(crate) fn start<T: Clone + Send + 'static>(
        &self,
        listens: &[SocketAddr],
        running: &T,
    ) -> io::Result<()> {
        let listens: Arc<[SocketAddr]> = listens.into();
        for Relay { target, queue } in &self.0 {
            let link = Link::new(target, queue.clone(), listens.clone());
            let running = running.clone();
            std::thread::Builder::new().name("ringstat-relay".into()).spawn(move || {
                link.run();
                drop(running);
            })?;
        }
        Ok(())
    }
}

/// Splits a datagram of lines into pieces of a size that networks carry. A longer line is a piece of its own.
fn pieces(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let end = if rest.len() <= LINES {
            rest.len()
        } else {
            let fits = memchr::memrchr(b'\n', &rest[..LINES]);
            fits.or_else(|| memchr::memchr(b'\n', rest)).map_or(rest.len(), |end| end + 1)
        };
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relays(targets: &[&str]) -> Relays {
        let targets = targets.iter().map(|target| target.parse().unwrap()).collect();
        Relays::new(RelayConfig { targets, ..RelayConfig::default() })
    }

    #[test]
    fn each_target_gets_what_is_of_its_protocol() {
        let relays = relays(&["ringstat://a:1", "statsd://b:2", "statsd://c:3?aggregate=1s"]);
        for arrival in [Arrival::Native, Arrival::Lines, Arrival::Duplicate, Arrival::Refused] {
            relays.offer(b"a:1|c", arrival, None, false);
        }
        let of = |n: usize| relays.all()[n].queue.standing();
        assert_eq!((of(0).counts.queued, of(0).pending_samples), (2, 1));
        assert_eq!(of(0).counts.dropped[OutputCause::Duplicate as usize], 1);
        assert_eq!((of(1).counts.queued, of(1).pending_samples), (1, 1));
        assert_eq!(of(2).counts.queued, 0);
    }

    #[test]
    fn lines_are_cut_only_where_one_ends() {
        let line = "name.of.a.metric:1|c\n";
        let datagram = line.repeat(500);
        let all: Vec<_> = pieces(datagram.as_bytes()).collect();
        assert_eq!(all.concat(), datagram.as_bytes());
        assert!(all.iter().all(|p| p.len() <= LINES && p.len() % line.len() == 0), "{}", all.len());
        assert_eq!(all.len(), 500usize.div_ceil(LINES / line.len()));
        let long = "x".repeat(2 * LINES);
        let with_long = format!("a:1|c\n{long}:1|c\nb:1|c");
        let lengths: Vec<_> = pieces(with_long.as_bytes()).map(<[u8]>::len).collect();
        assert_eq!(lengths, [6, long.len() + 5, 5]);
        assert_eq!(pieces(b"").count(), 0);
    }
}
