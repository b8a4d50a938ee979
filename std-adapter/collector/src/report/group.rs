//! A series that adds up others, over all shards.

use std::collections::BTreeMap;

use ringstat_core::instrument::Unit;

use crate::intake::{Collector, Shards};
use crate::mapping::GaugeRule;
use crate::memory::Room;
use crate::series::{Class, Data};
use crate::store::{PageKey, Series};

/// A series that adds up others, as it was when each shard was looked at.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) labels: String,
    pub(crate) name: String,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) sender: Option<u64>,
    pub(crate) class: Class,
    pub(crate) unit: Unit,
    pub(crate) data: Data,
    pub(crate) scaled: bool,
    /// The upper bounds of its buckets, if a rule sets them.
    pub(crate) bounds: Option<Box<[f64]>>,
    gauges: Gauges,
}

/// Gauges, as far as they have been looked at.
#[derive(Clone, Copy, Debug)]
struct Gauges {
    rule: GaugeRule,
    count: u64,
    value: f64,
    seen_ms: u64,
}

/// How many are looked at before a shard is free for its datagrams.
const AT_ONCE: usize = 16;
const GAUGES_AT_ONCE: usize = 256;

impl Group {
    /// The next groups of a family after a page_key, in the order of their keys, which all shards have in common. Returns the
    /// last one's page_key if there may be more.
    pub(crate) fn next<S: Shards + ?Sized>(
        shards: &S,
        family: u32,
        behind: Option<PageKey>,
        now_ms: u64,
    ) -> (Vec<Self>, Option<PageKey>) {
        let mut found: BTreeMap<PageKey, Self> = BTreeMap::new();
        // What is behind the last that a shard has shown, it may have as well.
        let mut end: Option<PageKey> = None;
        for shard in 0..shards.count() {
            shards.look(shard, |collector| {
                let groups = collector.store().groups_of_family(family, behind);
                let (mut count, mut last) = (0, None);
                for (page_key, group) in groups.take(AT_ONCE) {
                    Self::note(&mut found, page_key, collector, group);
                    (count, last) = (count + 1, Some(page_key));
                }
                if count == AT_ONCE {
                    end = [end, last].into_iter().flatten().min();
                }
            });
        }
        found.retain(|page_key, _| end.is_none_or(|end| *page_key <= end));
        for (page_key, group) in found.iter_mut().filter(|(_, group)| group.class == Class::Gauge) {
            group.look_at_gauges(shards, *page_key, now_ms);
        }
        (found.into_values().filter(Self::is_shown).collect(), end)
    }

    /// The group at a page_key, if it has a value.
    pub(crate) fn at<S: Shards + ?Sized>(
        shards: &S,
        page_key: PageKey,
        now_ms: u64,
    ) -> Option<Self> {
        let mut found = BTreeMap::new();
        for shard in 0..shards.count() {
            shards.look(shard, |collector| {
                if let Some(group) = collector.store().group_at(page_key) {
                    Self::note(&mut found, page_key, collector, group);
                }
            });
        }
        let mut group = found.remove(&page_key)?;
        if group.class == Class::Gauge {
            group.look_at_gauges(shards, page_key, now_ms);
        }
        Some(group).filter(Self::is_shown)
    }

    /// Whether it has a value: gauges of senders that are all silent have none.
    fn is_shown(&self) -> bool {
        self.class != Class::Gauge || self.gauges.count > 0
    }

    /// Adds what a shard has of a group.
    fn note(
        found: &mut BTreeMap<PageKey, Self>,
        page_key: PageKey,
        collector: &Collector,
        group: &Series,
    ) {
        let store = collector.store();
        let all = found.entry(page_key).or_insert_with(|| {
            let mut labels = String::new();
            store.labels(group, &mut labels);
            let style = group.style();
            let own = |(k, v): (&str, &str)| (k.to_owned(), v.to_owned());
            Self {
                labels,
                name: store.shown_name(group).to_owned(),
                tags: store.shown_tags(group).map(own).collect(),
                sender: group.shown_sender(),
                class: group.class,
                unit: group.shown_unit(),
                data: Data::new(group.class),
                scaled: false,
                bounds: store.buckets(style).map(Into::into),
                gauges: Gauges::of(style.gauges),
            }
        });
        all.scaled |= group.scaled;
        // It is forgotten when it has been shown.
        all.data.absorb(&group.data, &mut Room::new(usize::MAX / 4));
    }

    /// Makes one of the gauges of all senders that are not silent.
    fn look_at_gauges<S: Shards + ?Sized>(&mut self, shards: &S, page_key: PageKey, now_ms: u64) {
        for shard in 0..shards.count() {
            let mut behind = 0;
            let gauges = &mut self.gauges;
            while shards.look(shard, |collector| {
                let mut count = 0;
                for (place, part) in
                    collector.store().gauges_at(page_key, behind).take(GAUGES_AT_ONCE)
                {
                    (count, behind) = (count + 1, place);
                    if let Data::Gauge(gauge) = &part.data
                        && !collector.is_stale(part.sender, now_ms)
                    {
                        gauges.note(gauge.value(), part.seen_ms);
                    }
                }
                count == GAUGES_AT_ONCE
            }) {}
        }
        if let Data::Gauge(gauge) = &mut self.data {
            gauge.show(self.gauges.value());
        }
    }
}

impl Gauges {
    const fn of(rule: GaugeRule) -> Self {
        Self { rule, count: 0, value: 0.0, seen_ms: 0 }
    }

    fn note(&mut self, value: f64, seen_ms: u64) {
        let is_first = self.count == 0;
        self.count += 1;
        match self.rule {
            GaugeRule::Sum | GaugeRule::Average => self.value += value,
            GaugeRule::Least if is_first => self.value = value,
            GaugeRule::Least => self.value = self.value.min(value),
            GaugeRule::Greatest if is_first => self.value = value,
            GaugeRule::Greatest => self.value = self.value.max(value),
            GaugeRule::Newest if is_first || seen_ms >= self.seen_ms => {
                (self.value, self.seen_ms) = (value, seen_ms);
            }
            GaugeRule::Newest => {}
        }
    }

    fn value(&self) -> f64 {
        match self.rule {
            GaugeRule::Average => self.value / self.count.max(1) as f64,
            _ => self.value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_become_one_by_their_rule() {
        let one = |rule| {
            let mut gauges = Gauges::of(rule);
            for (value, seen_ms) in [(4.0, 20), (-1.0, 30), (6.0, 10)] {
                gauges.note(value, seen_ms);
            }
            gauges.value()
        };
        assert_eq!(one(GaugeRule::Sum), 9.0);
        assert_eq!(one(GaugeRule::Average), 3.0);
        assert_eq!(one(GaugeRule::Least), -1.0);
        assert_eq!(one(GaugeRule::Greatest), 6.0);
        assert_eq!(one(GaugeRule::Newest), -1.0);
    }
}
