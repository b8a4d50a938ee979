//! From the records of a series that is added up with others to the series that adds them up.

use ringstat_core::record::Kind;
use ringstat_core::wire::decode::Body;

use super::records::{Target, apply, apply_event, mismatch, number};
use crate::series::{Data, Gain};
use crate::store::Pair;

impl Target<'_, '_> {
    /// Stores a record in a part, as far as it cannot be added up as it arrives, and adds what it brings to the group. Returns
    /// whether its value can be one of such a series.
    ///
    /// What a run had counted before the collector began to listen is not added: nobody has seen when it was counted, and
    /// a collector that restarts without its data would add it once more.
    pub(super) fn add_up(
        &mut self,
        (part, group): (u32, u32),
        body: &Body<'_>,
        base_time: u64,
    ) -> bool {
        let (Some(Pair { part, group }), Some(room)) =
            (self.store.pair(part, group), &mut self.groups_room)
        else {
            return mismatch();
        };
        let whole = self.whole;
        let is_new = |is_first: bool| whole || !is_first;
        let of = (&self.header, self.run);
        group.seen_ms = self.now_ms;
        let (scaled, page_key) = (group.scaled, group.page_key());
        let stored = match (body, &mut part.data, &mut group.data) {
            (Body::Total(total), Data::Counter(part), Data::Counter(sum)) => {
                let gain = part.total(self.run, *total);
                if is_new(gain.is_first) {
                    sum.gain(gain.by);
                }
                true
            }
            (Body::Buckets(buckets), Data::Distribution(part), Data::Distribution(sum)) => {
                let from = (self.run, self.header.sequence);
                let gained = &mut self.gained;
                gained.clear();
                let each = |index, gain: Gain<u64>| {
                    if gain.by > 0 && is_new(gain.is_first) {
                        gained.push((index, gain.by));
                    }
                };
                let (layout, of_all) = (buckets.layout, buckets.sum.as_f64());
                let gain = part.state(from, layout, of_all, buckets.iter(), &mut self.room, each);
                let by = if is_new(gain.is_first) { gain.by } else { 0.0 };
                sum.gain(layout, &self.gained, by, room);
                true
            }
            (Body::Event(event), _, Data::Counter(sum)) => {
                group.scaled |= event.rate > 1;
                sum.add_of_any(number(event) * f64::from(event.rate))
            }
            (Body::Event(event), _, _) if event.kind != Kind::Gauge => {
                apply_event(group, event, of, self.members, room)
            }
            _ => apply(part, body, of, base_time, self.members, &mut self.room),
        };
        if group.scaled && !scaled {
            self.store.mark_scaled(page_key);
        }
        stored
    }
}
