//! What all parts of a fleet agree on: how many shards there are, and what each thing is called in the broker.

/// The default number of shards. It is fixed when a fleet begins, because each sender's shard follows from it.
pub const SHARDS: u16 = 64;

/// The largest number of shards.
pub const MAX_SHARDS: u16 = 4096;

/// The key-value bucket of the leases, with a key for each shard ([`shard_key`]).
pub const LEASES: &str = "ringstat-leases";

/// The key-value bucket of the fleet's layout and of the shards' newest snapshots, with a key for each shard
/// ([`shard_key`]).
pub const STATE: &str = "ringstat-state";

/// The object store of the snapshots.
pub const SNAPSHOTS: &str = "ringstat-snapshots";

/// The subject on which all parts answer who asks how they are doing. No stream keeps it.
pub const PARTS: &str = "ringstat-parts";

/// The key of a shard in a bucket.
#[must_use]
pub fn shard_key(shard: u16) -> String {
    format!("shard.{shard}")
}

/// The stream of a shard, which has one subject: [`subject`].
#[must_use]
pub fn stream(shard: u16) -> String {
    format!("ringstat-{shard}")
}

/// The subject on which the datagrams of a shard are published.
#[must_use]
pub fn subject(shard: u16) -> String {
    format!("ringstat.{shard}")
}
