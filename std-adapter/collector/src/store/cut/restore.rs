//! Series come back from rows that were read from disk.

use ringstat_core::instrument::{Meaning, Unit};

use super::{RoleRow, SeriesRow, ValueRow};
use crate::limits::Limit;
use crate::memory::Room;
use crate::series::{Class, Data};
use crate::store::Store;
use crate::store::admit::New;

impl Store {
    /// Restores a series that was read from disk. If `place` is given it keeps that place, and places must be given in
    /// ascending order. A series beyond a limit that has become lower is counted, left out, and deleted by the next cut.
    pub(crate) fn restore(&mut self, place: Option<u32>, row: &SeriesRow<'_>, value: ValueRow) {
        let SeriesRow { sender, class, name, ref tags, .. } = *row;
        let unit = Unit::from_code(row.unit).unwrap_or_default();
        let tags = || tags.iter().copied();
        if let RoleRow::Group(_) = row.role {
            return self.restore_if_mapped(place, row, &value);
        }
        if self.is_dropped(name, class) {
            return self.leave_out(place);
        }
        if let Some((unit, text)) = row.described {
            let unit = Unit::from_code(unit).unwrap_or_default();
            self.restore_description(sender, name, &Meaning { unit, text });
        }
        let mapped = self.map(sender, name, class, unit, tags());
        let cost = self.cost(name, tags(), class, &mapped) + value.data.bytes();
        let group = match self.refuse_restored(sender, cost) {
            None => {
                let room = &mut Room::new(usize::MAX / 4);
                self.group_for(room, sender, name, class, unit, &mapped)
            }
            Some(limit) => Err(limit),
        };
        let group = match group {
            Ok(group) => group,
            Err(limit) => {
                self.hits.count(limit, sender, 1);
                return self.leave_out(place);
            }
        };
        let new = New { sender, class, unit, mapped: &mapped, group };
        let value = self.in_its_role(row.role, class, group, value);
        let number = match place {
            None => self.insert(new, name, tags),
            Some(place) => {
                let mut free = std::mem::take(&mut self.free);
                while self.series.len() < place as usize {
                    free.push(self.series.len() as u32);
                    self.series.push(None);
                }
                // Nothing is free, so it goes to the end, which is the place.
                let number = self.insert(new, name, tags);
                self.free = free;
                number
            }
        };
        let Some(series) = self.at(number) else { return };
        let (empty, bytes) = (series.data.bytes(), value.data.bytes());
        (series.seen_ms, series.scaled, series.data) = (value.seen_ms, value.scaled, value.data);
        let page_key = series.page_key;
        if value.scaled && group.is_none() {
            self.mark_scaled(page_key);
        }
        self.data_bytes = self.data_bytes - empty + bytes;
        self.shares.change(sender, |s| s.bytes = (s.bytes + bytes).saturating_sub(empty));
        self.balance();
    }

    /// What a series has to come back with. If it becomes a part of a group that does not have what it has brought, because
    /// other rules held then, the group gets that; and if it is a part no more, it begins anew.
    fn in_its_role(
        &mut self,
        was: RoleRow,
        class: Class,
        group: Option<u32>,
        value: ValueRow,
    ) -> ValueRow {
        let Some(place) = group else {
            let data = match value.data {
                Data::Passed => Data::new(class),
                data => data,
            };
            return ValueRow { data, ..value };
        };
        let of = self.series.get(place as usize).and_then(Option::as_ref);
        let part = of.map(|group| RoleRow::Part(self.identity(group)));
        if part != Some(was) {
            self.absorb(place, &value);
        }
        ValueRow { data: value.data.into_part(class), ..value }
    }

    /// Puts a group back where rules may still add to it. Without rules nothing ever would.
    fn restore_if_mapped(&mut self, place: Option<u32>, row: &SeriesRow<'_>, value: &ValueRow) {
        let SeriesRow { class, name, ref tags, role: RoleRow::Group(sender), .. } = *row else {
            return;
        };
        if self.common.mapping.is_none() {
            return self.leave_out(place);
        }
        let unit = Unit::from_code(row.unit).unwrap_or_default();
        let tags: Vec<_> = tags.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        self.restore_group(sender, (name, &tags), class, unit, value);
    }

    /// Deletes a series that was kept with the next cut.
    fn leave_out(&mut self, place: Option<u32>) {
        if let Some(place) = place {
            self.changes.changed.insert(place);
            self.changes.renewed.insert(place);
        }
    }

    /// Returns the limit that keeps a series from being restored, or claims room for it and returns `None`.
    fn refuse_restored(&mut self, sender: u64, cost: usize) -> Option<Limit> {
        let common = self.common.clone();
        let budget = &common.budget;
        let refused = self.shares.refuse_series(sender, budget.series(), budget.limits());
        if refused.is_some() {
            return refused;
        }
        if !budget.take_series(false) {
            return Some(Limit::Series);
        }
        if self.claim(cost) {
            return None;
        }
        budget.give_series(1);
        Some(Limit::Bytes)
    }
}
