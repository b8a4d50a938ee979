//! What the collector knows, as plain data: for JSON, the page, and the command's tables.

mod io;

pub use io::{HttpCounts, Io};

use ringstat_core::instrument::Unit;
use ringstat_core::observe::Reason;
use ringstat_core::wire::DecodeError;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

use crate::intake::{Collector, Sender};
use crate::series::{Class, Data};
use crate::store::Series;

/// How something is doing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should.
    #[default]
    Healthy,
    /// Something is lost or refused.
    Degraded,
    /// Much is lost.
    Unhealthy,
}

/// A status and why.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Health {
    /// The worst of all reasons.
    pub status: Status,
    /// One sentence each.
    pub reasons: Vec<String>,
}

impl Health {
    fn because(&mut self, status: Status, reason: String) {
        self.status = self.status.max(status);
        self.reasons.push(reason);
    }
}

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

/// One series.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SeriesReport {
    /// Its sender's id, in hexadecimal.
    pub sender: String,
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// Its class.
    pub class: Class,
    /// The total, the latest value, the number of samples, members or happenings.
    pub value: f64,
    /// Of a distribution: the median and the 99th percentile, in its unit.
    pub quantiles: Option<[f64; 2]>,
    /// What an event said last.
    pub text: Option<String>,
    /// The unit, if it has one.
    pub unit: &'static str,
    /// Whether sampled records were scaled up.
    pub scaled: bool,
}

/// Everything.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// How the collector and its senders are doing.
    pub health: Health,
    /// Datagrams received.
    pub datagrams: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Datagrams taken.
    pub accepted: u64,
    /// Datagrams seen before.
    pub duplicates: u64,
    /// Datagrams refused as malformed, by reason; only those that happened.
    pub malformed: BTreeMap<&'static str, u64>,
    /// Datagrams refused for want of room for their sender.
    pub refused_senders: u64,
    /// Records read.
    pub records: u64,
    /// Records stored.
    pub stored: u64,
    /// Records that went to an overflow series.
    pub overflowed: u64,
    /// Instrument states that found no room.
    pub refused_series: u64,
    /// Critical events that came again and were not stored twice.
    pub repeated: u64,
    /// Acknowledgements sent.
    pub acknowledgements: u64,
    /// Datagrams that the kernel dropped before the collector could read them; a train of segments counts as one.
    pub kernel_drops: u64,
    /// What else the sockets know.
    pub io: Io,
    /// Datagrams lost for good, of all senders.
    pub lost: u64,
    /// Datagrams missing that may still come, of all senders.
    pub outstanding: u64,
    /// Whether every datagram and record is accounted for.
    pub closes: bool,
    /// How many series there are.
    pub series_count: usize,
    /// Estimated memory of the series.
    pub series_bytes: usize,
    /// The senders, the latest heard of first.
    pub senders: Vec<SenderReport>,
    /// Series, the latest heard of first, as many as were asked for.
    pub series: Vec<SeriesReport>,
}

impl Report {
    /// Looks at everything, with at most `series` series. Linear in what there is.
    #[must_use]
    pub fn of(collector: &Collector, io: &Io, now_ms: u64, series: usize) -> Self {
        let counts = collector.counts();
        let mut senders: Vec<_> = collector.senders().collect();
        senders.sort_unstable_by_key(|(id, s)| (std::cmp::Reverse(s.seen_ms), *id));
        let mut own = own_metrics(collector);
        let mut of = |id, s| sender_report(id, s, own.remove(&id).unwrap_or_default(), now_ms);
        let senders: Vec<_> = senders.iter().map(|(id, s)| of(*id, s)).collect();
        let malformed = DecodeError::ALL.into_iter().zip(counts.malformed);
        let mut report = Self {
            health: Health::default(),
            datagrams: counts.datagrams,
            bytes: counts.bytes,
            accepted: counts.accepted,
            duplicates: counts.duplicates,
            malformed: malformed.filter(|(_, n)| *n > 0).map(|(e, n)| (e.as_str(), n)).collect(),
            refused_senders: counts.refused_senders,
            records: counts.records,
            stored: counts.stored,
            overflowed: collector.store().overflowed,
            refused_series: counts.refused_series,
            repeated: counts.repeated,
            acknowledgements: counts.acks,
            kernel_drops: io.kernel_drops,
            io: *io,
            lost: senders.iter().map(|s| s.lost).sum(),
            outstanding: senders.iter().map(|s| s.outstanding).sum(),
            closes: counts.closes(),
            series_count: collector.store().len(),
            series_bytes: collector.store().bytes(),
            series: newest(collector, series),
            senders,
        };
        report.health = overall(&report);
        report
    }
}

fn overall(report: &Report) -> Health {
    let mut health = Health::default();
    if report.kernel_drops > 0 {
        let n = report.kernel_drops;
        health.because(
            Status::Degraded,
            format!(
                "the kernel dropped {n} datagrams or trains of them: raise the receive buffer (net.core.rmem_max)"
            ),
        );
    }
    if report.io.http.no_descriptors > 0 {
        let n = report.io.http.no_descriptors;
        health.because(
            Status::Degraded,
            format!("{n} times no descriptor was free for an HTTP connection: raise `ulimit -n`"),
        );
    }
    if report.overflowed + report.refused_series > 0 {
        let n = report.overflowed + report.refused_series;
        health.because(Status::Degraded, format!("{n} records found no room for their series"));
    }
    if report.refused_senders > 0 {
        let n = report.refused_senders;
        health.because(Status::Degraded, format!("{n} datagrams of senders without room"));
    }
    for sender in report.senders.iter().filter(|s| s.health.status > Status::Healthy) {
        let reasons = sender.health.reasons.join(", ");
        health.because(sender.health.status, format!("sender {}: {reasons}", sender.id));
    }
    health
}

/// What each sender says of itself. Linear in the number of series.
fn own_metrics(collector: &Collector) -> HashMap<u64, Own> {
    let store = collector.store();
    let mut all: HashMap<u64, Own> = HashMap::new();
    for series in store.iter() {
        let Some(name) = store.name(series).strip_prefix("ringstat.client.") else { continue };
        let value = match &series.data {
            Data::Counter(counter) => counter.value(),
            Data::Gauge(gauge) => gauge.value(),
            Data::Distribution(d) => d.quantiles([0.99]).map_or(0.0, |[p99]| p99),
            Data::Set(_) | Data::Event { .. } => continue,
        };
        let tag = store.tags(series).next();
        let name = tag.map_or_else(|| name.to_owned(), |(_, value)| format!("{name}.{value}"));
        all.entry(series.sender).or_default().insert(name, value);
    }
    all
}

/// What a sender's own health check complains of.
fn complaints(own: &Own, health: &mut Health) {
    let grade = own.get("health").copied().unwrap_or(0.0);
    if grade < 1.0 {
        return;
    }
    let status = if grade < 2.0 { Status::Degraded } else { Status::Unhealthy };
    let says = |reason: &Reason| own.get(&format!("unwell.{}", reason.as_str())) == Some(&1.0);
    for reason in Reason::ALL.into_iter().filter(says) {
        health.because(status, format!("it says that {}", reason.explain()));
    }
}

fn sender_report(id: u64, sender: &Sender, own: Own, now_ms: u64) -> SenderReport {
    let stats = sender.sequence();
    let mut health = Health::default();
    let expected = stats.received + stats.lost + stats.outstanding;
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let loss = share(stats.lost, expected);
    if loss > 0.05 {
        health.because(Status::Unhealthy, format!("{:.1} % of its datagrams lost", loss * 100.0));
    } else if stats.lost > 0 {
        health.because(Status::Degraded, format!("{} of its datagrams lost", stats.lost));
    }
    let drops = share(sender.dropped(), sender.dropped() + sender.records);
    if drops > 0.01 {
        health
            .because(Status::Degraded, format!("it dropped {:.1} % of its events", drops * 100.0));
    }
    complaints(&own, &mut health);
    // Silence is shown and not judged: who sends one value and ends is as silent as who crashed.
    let silent_ms = now_ms.saturating_sub(sender.seen_ms);
    SenderReport {
        id: format!("{id:016x}"),
        epoch: stats.epoch,
        health,
        silent_ms,
        datagrams: sender.datagrams,
        received: stats.received,
        records: sender.records,
        lost: stats.lost,
        lost_at_sender: sender.failed().min(stats.lost),
        outstanding: stats.outstanding,
        late: stats.late,
        duplicates: stats.duplicate,
        missed_before_start: stats.missed_before_start.into(),
        restarts: stats.restarts.into(),
        dropped_at_sender: sender.dropped(),
        own,
    }
}

fn newest(collector: &Collector, count: usize) -> Vec<SeriesReport> {
    let store = collector.store();
    let mut all: Vec<&Series> = store.iter().collect();
    let order = |a: &&Series, b: &&Series| {
        let key = |s: &Series| (std::cmp::Reverse(s.seen_ms / 5000), s.sender);
        key(a)
            .cmp(&key(b))
            .then_with(|| store.name(a).cmp(store.name(b)))
            .then_with(|| store.tags(a).cmp(store.tags(b)))
    };
    if all.len() > count && count > 0 {
        all.select_nth_unstable_by(count - 1, order);
    }
    all.truncate(count);
    all.sort_unstable_by(order);
    all.into_iter().map(|s| series_report(collector, s)).collect()
}

fn series_report(collector: &Collector, series: &Series) -> SeriesReport {
    let store = collector.store();
    let (mut quantiles, mut text, mut unit) = (None, None, "");
    let value = match &series.data {
        Data::Counter(counter) => counter.value(),
        Data::Gauge(gauge) => gauge.value(),
        Data::Distribution(d) => {
            quantiles = d.quantiles([0.5, 0.99]);
            unit = unit_name(d.unit);
            d.count() as f64
        }
        Data::Set(set) => set.len() as f64,
        Data::Event { count, text: said } => {
            text = said.as_deref().map(str::to_owned);
            *count as f64
        }
    };
    SeriesReport {
        sender: format!("{:016x}", series.sender),
        name: store.name(series).to_owned(),
        tags: store.tags(series).map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        class: series.class,
        value,
        quantiles,
        text,
        unit,
        scaled: series.scaled,
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "",
        Unit::Nanoseconds => "ns",
        Unit::Microseconds => "µs",
        Unit::Milliseconds => "ms",
        Unit::Seconds => "s",
        Unit::Bytes => "B",
        Unit::Percent => "%",
    }
}
