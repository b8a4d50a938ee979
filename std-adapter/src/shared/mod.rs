//! What recorders and the worker share: rings, instruments, names, clocks, and the accounts of both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringstat_core::instrument::{DEFAULT_BUCKETS, Histogram};
use ringstat_core::ledger::{Cause, Ledger};
use ringstat_core::observe::{Buffer, Degradation, Health, Memory, Reason, Snapshot};
use ringstat_core::policy::{Level, Throttle};
use ringstat_core::record::spill::{Area, BLOCK};
use ringstat_core::record::{Interner, Outcome, Resolve, Symbol};
use ringstat_core::ring::percent;
use ringstat_core::send::{BoxedStore, Identity};

use crate::clock::Clock;
use crate::config::ClientConfig;
use crate::identity::InstanceNumber;
use crate::process::PerProcess;
use crate::registry::{Entry, Registry};
use crate::rings::Rings;

mod control;
mod timings;
mod valve;

pub(crate) use control::{Control, State};
pub(crate) use timings::Timings;
pub(crate) use valve::{Opening, Valve};

/// Names and texts of events made at run time: 4096 strings, 96 KiB in all.
pub(crate) type Names = Interner<4096, 65_536>;

/// Resolves what events refer to: strings of the interner, and long tags beside the rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a>(&'a Shared);

impl Resolve for Said<'_> {
    const HAS_AREAS: bool = true;

    #[inline]
    fn resolve(&self, symbol: Symbol) -> Option<&str> {
        self.0.names.resolve(symbol)
    }

    #[inline]
    fn area(&self, number: u16) -> Option<Area<'_>> {
        self.0.rings.area(number)
    }
}

/// What recorders and the worker share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) rings: Rings,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    /// Shared with the clients that go on in children: symbols stay what they are.
    pub(crate) names: Arc<Names>,
    pub(crate) timings: Timings,
    pub(crate) identity: Identity,
    /// What makes the sender's number last, where it does.
    pub(crate) instance: Option<InstanceNumber>,
    /// Memory taken at the start, in bytes: everything but instruments made at run time.
    fixed_bytes: usize,
    pub(crate) valve: Valve,
    pub(crate) control: Control,
    /// In a child: records that came here since.
    forked: PerProcess<AtomicU64>,
}

/// The largest amount of memory that an instrument takes besides its name and tags.
const INSTRUMENT: usize = size_of::<Histogram<DEFAULT_BUCKETS>>() + 512;

/// What is known once the transports exist.
pub(crate) struct Room {
    /// Whether receivers acknowledge critical events, so that keeping them is worthwhile.
    pub(crate) acknowledged: bool,
    /// Memory that the worker takes, in bytes, including its pool.
    pub(crate) worker_bytes: usize,
}

fn rings(config: &ClientConfig, room: &Room) -> Rings {
    Rings::new(
        config.shards,
        config.shard_events,
        config.shared_events,
        config.policy,
        if room.acknowledged { config.critical_events } else { 0 },
        config.tag_memory,
    )
}

impl Shared {
    pub(crate) fn new(
        config: &ClientConfig,
        identity: Identity,
        instruments: Vec<Entry>,
        room: &Room,
    ) -> Self {
        let registry = Registry::new(instruments, config.max_instruments);
        Self::with(identity, rings(config, room), registry, Arc::default(), room)
    }

    /// Those of a client that goes on in a child of the process that has `parent`, of which no lock is taken.
    pub(crate) fn in_child(
        config: &ClientConfig,
        identity: Identity,
        parent: &Self,
        room: &Room,
    ) -> Self {
        let rings = rings(config, room);
        Self::with(
            identity,
            rings,
            Registry::in_child(&parent.registry),
            parent.names.clone(),
            room,
        )
    }

    fn with(
        identity: Identity,
        rings: Rings,
        registry: Registry,
        names: Arc<Names>,
        room: &Room,
    ) -> Self {
        let kept = rings.critical().map_or(0, |ring| ring.capacity()) * <BoxedStore>::PLACE;
        let fixed = size_of::<Self>() + size_of::<Names>() + room.worker_bytes + kept;
        Self {
            fixed_bytes: rings.bytes() + fixed,
            timings: Timings::new(&registry),
            rings,
            clock: Clock::new(),
            registry,
            names,
            identity,
            instance: None,
            valve: Valve::default(),
            control: Control::default(),
            forked: PerProcess::new(),
        }
    }

    /// Counts a record that is given up.
    pub(crate) fn refuse(&self, cause: Cause) -> Outcome {
        if !self.valve.is_forked() {
            return self.rings.refuse(cause);
        }
        self.forked.get_or(AtomicU64::default).fetch_add(1, Ordering::Relaxed);
        Outcome::Dropped(Cause::Forked)
    }

    /// In a child: records that came here since, to be counted elsewhere from now on.
    pub(crate) fn take_forked(&self) -> u64 {
        self.forked.get().map_or(0, |count| count.swap(0, Ordering::Relaxed))
    }

    /// In a child: the ledger of the records that came here since.
    pub(crate) fn forked_ledger(&self) -> Ledger {
        let recorded = self.forked.get().map_or(0, |count| count.load(Ordering::Relaxed));
        let mut ledger = Ledger { recorded, ..Ledger::default() };
        ledger.dropped.add(Cause::Forked, recorded);
        ledger
    }

    /// In a child: what there is to say.
    pub(crate) fn forked_snapshot(&self) -> Snapshot {
        Snapshot {
            sender: self.identity.sender,
            epoch: self.identity.epoch,
            uptime_nanos: self.clock.monotonic(),
            health: Health::of([Reason::Forked]),
            ledger: self.forked_ledger(),
            ..Snapshot::default()
        }
    }

    /// Resolves names and finds long tags.
    pub(crate) fn said(&self) -> Said<'_> {
        Said(self)
    }

    /// The memory that the client takes, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.fixed_bytes + self.registry.made() * INSTRUMENT) as u64
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let ledger = self.ledger();
        let (used, capacity, fullest) =
            self.rings.fills().fold((0, 0, 0), |(used, capacity, fullest), (u, c)| {
                (used + u as u64, capacity + c as u64, percent(u, c).max(fullest))
            });
        let (made, limit) = (self.registry.made(), self.registry.limit());
        let (tag_blocks, all_tag_blocks) = self.rings.tag_blocks();
        let state = self.control.lock();
        Snapshot {
            sender: self.identity.sender,
            epoch: self.identity.epoch,
            uptime_nanos: self.clock.monotonic(),
            health: state.health,
            ledger,
            buffer: Buffer { used, capacity, peak: state.peak.max(used), fullest_percent: fullest },
            output: state.output,
            pool: state.pool,
            latency: self.timings.latency(),
            memory: Memory {
                used: self.memory_bytes(),
                budget: (self.fixed_bytes + limit * INSTRUMENT) as u64,
                names: self.names.bytes_used() as u64,
                names_capacity: Names::BYTES as u64,
                tags: (tag_blocks * BLOCK) as u64,
                tags_capacity: (all_tag_blocks * BLOCK) as u64,
                instruments: made as u64,
                instruments_capacity: limit as u64,
                instruments_refused: self.registry.refused(),
            },
            breaker: state.breaker,
            degradation: Degradation {
                level: Level::All.next(usize::from(fullest), 100) as u8,
                throttle: state.throttle,
                throttle_one_in: Throttle::one_in(state.throttle),
            },
        }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        // Later stages are read first: what moves on meanwhile is missed, but never counted twice.
        let (totals, aggregated, stopped) = {
            let state = self.control.lock();
            if state.stopped {
                // Under the lock, so that nobody reads the account while another takes what is left.
                self.rings.give_up_all(Cause::Shutdown, &self.said());
            }
            (state.totals, state.aggregated, state.stopped)
        };
        // A record that is still on its way into a ring that nobody drains does not count as made yet.
        let waiting = if stopped { 0 } else { self.rings.len() as u64 };
        totals.ledger(waiting, &self.rings.drops(), aggregated)
    }
}
