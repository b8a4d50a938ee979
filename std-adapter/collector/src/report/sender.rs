//! One sender, as plain data.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Health, LinesReport};
use crate::intake::{Life, Sender, SenderInfo};
use crate::series::Data;
use crate::store::{Series, Store};

/// One sender, as plain data.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SenderReport {
    /// The sender's id, in hexadecimal.
    pub id: String,
    /// The sender's run.
    pub epoch: u32,
    /// The sender's health.
    pub health: Health,
    /// The number that it sends under, if that is not its id: another process sends under it, too.
    pub number: Option<String>,
    /// Where it was last heard from.
    pub address: Option<String>,
    /// What it says of itself.
    pub info: Option<SenderInfo>,
    /// What was counted of its lines, if it sends StatsD. These have no sequence numbers, so what depends on them is
    /// `None`: it cannot be known.
    pub lines: Option<LinesReport>,
    /// Whether it lives.
    pub life: Life,
    /// Milliseconds since the sender was last heard from.
    pub silent_ms: u64,
    /// Datagrams received, including duplicates.
    pub datagrams: u64,
    /// Datagrams received, each counted once if they have numbers.
    pub received: u64,
    /// Records received.
    pub records: u64,
    /// Datagrams that are missing for good.
    pub lost: Option<u64>,
    /// Lost datagrams that the sender itself gave up.
    pub lost_at_sender: Option<u64>,
    /// Missing datagrams that may still arrive.
    pub outstanding: Option<u64>,
    /// Datagrams that arrived out of order.
    pub late: Option<u64>,
    /// Datagrams that arrived more than once.
    pub duplicates: Option<u64>,
    /// Datagrams too far behind to tell whether they had come before.
    pub too_late: Option<u64>,
    /// Datagrams of a run that was over.
    pub old_epoch: Option<u64>,
    /// Datagrams of another run that was not believed.
    pub strangers: Option<u64>,
    /// Datagrams of the sender's first run from before the collector heard from it.
    pub missed_before_start: Option<u64>,
    /// How often the sender restarted.
    pub restarts: Option<u64>,
    /// Events that the sender gave up before they reached a datagram.
    pub dropped_at_sender: Option<u64>,
    /// What the sender reports about itself: its metrics under `ringstat.client.`, by the rest of the name and the
    /// tag's value; for histograms, the 99th percentile.
    pub own: Own,
}

/// What a sender reports about itself.
pub type Own = BTreeMap<String, f64>;

/// The largest number of entries that are shown.
const OWN: usize = 100;

impl SenderReport {
    pub(super) fn of(id: u64, sender: &Sender, now_ms: u64) -> Self {
        let account = sender.sequence();
        let is_numbered = sender.lines().is_none();
        let numbered = |count: u64| is_numbered.then_some(count);
        Self {
            id: format!("{id:016x}"),
            epoch: account.epoch,
            health: Health::default(),
            number: (sender.number() != id).then(|| format!("{:016x}", sender.number())),
            address: sender.address(),
            info: sender.info().cloned(),
            lines: sender.lines().map(LinesReport::of),
            life: sender.life(now_ms),
            silent_ms: sender.silent_ms(now_ms),
            datagrams: sender.datagrams,
            received: if is_numbered { account.received } else { sender.datagrams },
            records: sender.records,
            lost: numbered(account.lost),
            lost_at_sender: numbered(sender.failed().min(account.lost)),
            outstanding: numbered(account.outstanding),
            late: numbered(account.late),
            duplicates: numbered(account.duplicate),
            too_late: numbered(account.too_late),
            old_epoch: numbered(account.old_epoch),
            strangers: numbered(account.strangers.into()),
            missed_before_start: numbered(account.missed_before_start.into()),
            restarts: numbered(account.restarts.into()),
            dropped_at_sender: numbered(sender.dropped()),
            own: Own::new(),
        }
    }
}

/// Notes a series if it is one that the sender reports about itself.
pub(super) fn note(own: &mut std::collections::HashMap<u64, Own>, store: &Store, series: &Series) {
    let name = store.name(series).strip_prefix("ringstat.client.");
    let Some(name) = name.filter(|_| !series.is_group()) else { return };
    let value = match &series.data {
        Data::Counter(counter) => counter.value(),
        Data::Gauge(gauge) => gauge.value(),
        Data::Distribution(d) => d.quantiles([0.99]).map_or(0.0, |[p99]| p99),
        Data::Set(_) | Data::Event { .. } | Data::Passed => return,
    };
    let own = own.entry(series.sender).or_default();
    if own.len() < OWN {
        let tag = store.tags(series).next();
        let name = tag.map_or_else(|| name.to_owned(), |(_, value)| format!("{name}.{value}"));
        own.insert(name, value);
    }
}
