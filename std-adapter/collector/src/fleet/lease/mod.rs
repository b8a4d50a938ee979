//! Who owns which shard: leases in the log's key-value store.
//!
//! ```text
//!  announcements of workers ──► members ──► fair share ──┐ claims below it, drains above it
//!  records of shards ─────────► shards (seen, held) ─────┴─► compare-and-set ──► the store ──► all workers' watches
//! ```
//!
//! Each shard has one key. Its record says who holds the shard and which snapshot of it is valid, and changes only by
//! compare-and-set on the key's revision: a claim, a renewal, a new snapshot and a release all do. So a worker that lost
//! a shard cannot put its snapshot in place of a newer one, whatever it believes: the store is the fence. For what is
//! written elsewhere there is a [`Token`], which grows with each change of hands.
//!
//! A lease expires for another worker when that worker has seen the same revision for [`Timing::ttl`], by its own clock.
//! The holder counts from before it sent the renewal, by its own clock too, and stops [`Timing::margin`] sooner. No time
//! of one machine is compared with that of another.
//!
//! [`Leases`] does no IO: observations, answers and the time go in, writes and events come out, so that the tests can
//! try every interleaving of a small case. [`Keeper`] binds it to NATS.
//!
//! # What is assumed of the store
//!
//! - Compare-and-set is linearizable for each key, an acknowledged write is not forgotten, and revisions only grow.
//!   Reads and watches may be late, may skip values and may repeat them.
//! - A write may be done long after it was sent, or never, and its answer may be lost. It is not done twice (a second
//!   time its revision would no longer be current).
//!
//! # Which faults of clocks are survived
//!
//! - Wall clocks do not matter at all.
//! - Monotonic clocks may run at different rates, as long as the fastest gains less than `margin / (ttl − margin)` on the
//!   slowest: 11 % by default. Then no two workers hold a shard at the same moment.
//! - A worker that is stopped for any time finds out when it next asks [`Leases::holds`]. What it had already begun to
//!   write by then is refused by the store, or by the token. The same is true for clocks beyond the bound, or that stand
//!   still while a virtual machine is suspended: two workers may then work at the same time, but only the writes of one
//!   are accepted.

mod keeper;
mod leases;
mod members;
mod record;
mod shard;

#[cfg(test)]
mod model;
#[cfg(test)]
mod simulation;
#[cfg(all(test, feature = "nats-server"))]
mod tests;

use std::time::Duration;

pub(crate) use keeper::{Keeper, Order, Report};
use leases::{Answer, Leases, Output};
pub(crate) use record::{Record, Snapshot, Token, WorkerId};

/// The number of a shard.
pub(crate) type Shard = u16;

/// A moment of a worker's own monotonic clock, since an origin of its own.
pub(crate) type Time = Duration;

/// How long things take. All workers of a fleet must agree on `ttl`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Timing {
    /// A lease that was not renewed for so long can be taken over, and a worker that was not heard is gone.
    pub(crate) ttl: Duration,
    /// A holder stops so long before its lease can expire for others.
    pub(crate) margin: Duration,
    /// Leases are renewed, and workers announce themselves, once in this time.
    pub(crate) renew: Duration,
    /// A write that was not answered for so long is given up. It may still be done.
    pub(crate) answer: Duration,
    /// Shards are handed over only when no worker has come or gone for so long.
    pub(crate) settle: Duration,
}

impl Timing {
    /// For a take-over within ten seconds: five until the lease has expired, and five to load the snapshot and read on.
    pub(crate) const DEFAULT: Self = Self {
        ttl: Duration::from_secs(5),
        margin: Duration::from_millis(500),
        renew: Duration::from_millis(1500),
        answer: Duration::from_secs(1),
        settle: Duration::from_secs(5),
    };

    /// How long a holder may work after it sent a renewal.
    pub(crate) fn term(&self) -> Duration {
        self.ttl - self.margin
    }
}
