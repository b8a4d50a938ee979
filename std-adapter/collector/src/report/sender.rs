//! One sender, as plain data.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Health;
use crate::intake::Sender;
use crate::series::Data;
use crate::store::{Series, Store};

/// One sender.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SenderReport {
    /// Its id, in hexadecimal.
    pub id: String,
    /// Its run.
    pub epoch: u32,
    /// How it is doing.
    pub health: Health,
    /// Milliseconds since it was last heard of.
    pub silent_ms: u64,
    /// Datagrams received, duplicates included.
    pub datagrams: u64,
    /// Datagrams received, each once.
    pub received: u64,
    /// Records received.
    pub records: u64,
    /// Datagrams that are missing for good.
    pub lost: u64,
    /// Of these, given up by the sender itself.
    pub lost_at_sender: u64,
    /// Datagrams that are missing and may still come.
    pub outstanding: u64,
    /// Datagrams that came out of order.
    pub late: u64,
    /// Datagrams that came twice.
    pub duplicates: u64,
    /// Datagrams of its first run from before the collector heard of it.
    pub missed_before_start: u64,
    /// How often it began again.
    pub restarts: u64,
    /// Events that it gave up before they reached a datagram.
    pub dropped_at_sender: u64,
    /// What it says of itself: its metrics under `ringstat.client.`, by the rest of the name and the tag's value. Of
    /// histograms, the 99th percentile.
    pub own: Own,
}

/// What a sender says of itself.
pub type Own = BTreeMap<String, f64>;

/// What is shown of it at most.
const OWN: usize = 100;

impl SenderReport {
    pub(super) fn of(id: u64, sender: &Sender, now_ms: u64) -> Self {
        let account = sender.sequence();
        Self {
            id: format!("{id:016x}"),
            epoch: account.epoch,
            health: Health::default(),
            silent_ms: now_ms.saturating_sub(sender.seen_ms),
            datagrams: sender.datagrams,
            received: account.received,
            records: sender.records,
            lost: account.lost,
            lost_at_sender: sender.failed().min(account.lost),
            outstanding: account.outstanding,
            late: account.late,
            duplicates: account.duplicate,
            missed_before_start: account.missed_before_start.into(),
            restarts: account.restarts.into(),
            dropped_at_sender: sender.dropped(),
            own: Own::new(),
        }
    }
}

/// Takes note of a series if it is what its sender says of itself.
pub(super) fn note(own: &mut std::collections::HashMap<u64, Own>, store: &Store, series: &Series) {
    let Some(name) = store.name(series).strip_prefix("ringstat.client.") else { return };
    let value = match &series.data {
        Data::Counter(counter) => counter.value(),
        Data::Gauge(gauge) => gauge.value(),
        Data::Distribution(d) => d.quantiles([0.99]).map_or(0.0, |[p99]| p99),
        Data::Set(_) | Data::Event { .. } => return,
    };
    let own = own.entry(series.sender).or_default();
    if own.len() < OWN {
        let tag = store.tags(series).next();
        let name = tag.map_or_else(|| name.to_owned(), |(_, value)| format!("{name}.{value}"));
        own.insert(name, value);
    }
}
