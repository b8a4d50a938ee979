//! The state of a shard, which follows from the messages of its stream alone: who reads the same messages comes to the
//! same state, takes the same samples, and gives them the same times.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::fleet::message;
use crate::intake::{Collector, Critical, MemberKey, Source};
use crate::limits::Limits;
use crate::mapping::Mapping;
use crate::shared::Shard;

/// What a shard is made with. It must be the same for all workers of a fleet.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) limits: Limits,
    pub(super) mapping: Option<Mapping>,
    /// How often samples are taken, in milliseconds.
    pub(super) interval_ms: u64,
}

/// The state of a shard.
#[derive(Debug)]
pub(super) struct ShardState {
    /// Others look at it, briefly.
    pub(super) collector: Arc<Shard>,
    pub(super) key: MemberKey,
    pub(super) read: Read,
}

/// How far a shard has been read, and what was in it beside datagrams that are sound.
#[derive(Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize, Debug)]
pub(super) struct Read {
    /// The number of the last message that the state contains.
    pub(super) position: u64,
    /// Its time, which does not go back: the shard's clock, in milliseconds of Unix time.
    pub(super) clock_ms: u64,
    pub(super) messages: u64,
    pub(super) datagrams: u64,
    /// Messages that could not be read, or not to their end.
    pub(super) unreadable: u64,
    /// Messages that the log no longer had.
    pub(super) missing: u64,
}

impl ShardState {
    /// The state before the first message.
    pub(super) fn new(rules: &Rules) -> Self {
        Self::of(rules, MemberKey::random(), Read::default())
    }

    /// A state without senders and series.
    pub(super) fn of(rules: &Rules, key: MemberKey, read: Read) -> Self {
        let (limits, mapping) = (rules.limits, rules.mapping.clone());
        let mut shards = Collector::shards_with_key(limits, mapping, 1, key);
        let collector = shards.pop().expect("there is one shard");
        Self { collector: Arc::new(Shard::new(collector)), key, read }
    }

    /// Begins to mark what changes, as snapshots need it.
    pub(super) fn keep(&self) {
        let mut collector = self.collector.write();
        collector.keep(true, 0, self.read.clock_ms);
        // What is in the log need not be kept a second time.
        *collector.critical() = Critical::default();
    }

    /// The moments at which samples are due before a message of that time is taken: the first after the one before, and the
    /// last. Between them nothing has changed.
    pub(super) fn moments(&self, rules: &Rules, time_ms: u64) -> impl Iterator<Item = u64> + use<> {
        let (before, interval) = (self.read.clock_ms, rules.interval_ms.max(1));
        let first = (before / interval + 1) * interval;
        let last = time_ms / interval * interval;
        let first = Some(first).filter(|first| before > 0 && *first <= time_ms);
        first.into_iter().chain(first.map(|_| last).filter(|last| Some(*last) != first))
    }

    /// Takes a message.
    pub(super) fn take(&mut self, position: u64, time_ms: u64, message: &[u8]) {
        let Self { collector, read, .. } = self;
        read.missing += position.saturating_sub(read.position + 1);
        read.position = position;
        read.clock_ms = read.clock_ms.max(time_ms);
        read.messages += 1;
        let mut collector = collector.write();
        for datagram in message::datagrams(message) {
            let Ok((datagram, from)) = datagram else {
                read.unreadable += 1;
                break;
            };
            read.datagrams += 1;
            let from = from.map(|at: SocketAddr| Source::from(at));
            // The receiver has sent the answers.
            let _ = collector.receive_from(datagram, from.as_ref(), read.clock_ms);
        }
        collector.tick(read.clock_ms);
    }
}
