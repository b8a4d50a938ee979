//! Cuts of a store: its contents at one moment, copied while it goes on changing.
//!
//! To begin a cut, the set of changed series becomes the set to copy, which takes no time. The series are then copied a few
//! at a time, and a series that is about to change before its turn is copied first ([`Store::before_change`]). So the
//! whole cut is of one moment, and nobody waits for it.

use ringstat_core::instrument::Unit;
use serde::{Deserialize, Serialize};

use super::series::Role;
use super::{New, Series, Store};
use crate::limits::Limit;
use crate::memory::{Room, heap};
use crate::rows::{Outrun, Rows, Table};
use crate::series::{Class, Data};

/// The description of a series, as a row of the table of series.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct SeriesRow<'a> {
    pub(crate) sender: u64,
    pub(crate) class: Class,
    pub(crate) unit: u8,
    #[serde(borrow)]
    pub(crate) name: &'a str,
    #[serde(borrow)]
    pub(crate) tags: Vec<(&'a str, &'a str)>,
    pub(crate) role: RoleRow,
}

/// Whether a series is added up, in the table of series.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) enum RoleRow {
    Own,
    /// It is a part of the group with this identity, which has all that it has brought.
    Part(u64),
    /// It adds up others: of this sender, or of all.
    Group(Option<u64>),
}

/// The value of a series, to be written.
#[derive(Serialize)]
struct ValueRef<'a> {
    seen_ms: u64,
    scaled: bool,
    data: &'a Data,
}

/// The value of a series, as a row of the table of values.
#[derive(Deserialize, Debug)]
pub(crate) struct ValueRow {
    pub(crate) seen_ms: u64,
    pub(crate) scaled: bool,
    pub(crate) data: Data,
}

/// Which places have changed since the last cut, and which are still to be copied for the one under way.
///
/// Without a data directory, no place is ever marked, at the cost of one comparison per record.
#[derive(Default, Debug)]
pub(super) struct Changes {
    is_on: bool,
    /// The places that have changed since the last cut began.
    changed: PlaceSet,
    /// Those among them that now hold another series, or none.
    renewed: PlaceSet,
    /// The same for the cut under way, without those that have been copied.
    to_copy: PlaceSet,
    to_describe: PlaceSet,
    /// The places of the cut under way, to be marked again if it fails.
    begun: (PlaceSet, PlaceSet),
    /// The place from which copying continues.
    next: usize,
    rows: Rows,
    /// How much may wait in them, in bytes.
    most_rows: usize,
    /// The memory of the rows that are being written, in bytes.
    lent: usize,
    /// Whether the cut under way is void, because more has changed meanwhile than may wait.
    outrun: bool,
}

/// A set of places: one bit each.
#[derive(Clone, Default, Debug)]
struct PlaceSet(Vec<u64>);

impl PlaceSet {
    #[inline]
    fn contains(&self, place: u32) -> bool {
        self.0.get(place as usize / 64).is_some_and(|word| word >> (place % 64) & 1 != 0)
    }

    fn insert(&mut self, place: u32) {
        let word = place as usize / 64;
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (place % 64);
    }

    /// Removes a place. Returns whether it was in the set.
    fn remove(&mut self, place: u32) -> bool {
        let was = self.contains(place);
        if was {
            self.0[place as usize / 64] &= !(1 << (place % 64));
        }
        was
    }

    /// The first place in the set from `from` on.
    fn next(&self, from: usize) -> Option<u32> {
        let mut bits = self.0.get(from / 64)? & (u64::MAX << (from % 64));
        let mut word = from / 64;
        while bits == 0 {
            word += 1;
            bits = *self.0.get(word)?;
        }
        Some((word * 64) as u32 + bits.trailing_zeros())
    }

    /// Adds all places of another set.
    fn extend(&mut self, others: &Self) {
        if self.0.len() < others.0.len() {
            self.0.resize(others.0.len(), 0);
        }
        self.0.iter_mut().zip(&others.0).for_each(|(word, other)| *word |= other);
    }

    fn up_to(places: usize) -> Self {
        Self(vec![u64::MAX; places.div_ceil(64)])
    }

    fn bytes(&self) -> usize {
        heap(self.0.capacity() * size_of::<u64>())
    }
}

impl Changes {
    /// The memory in use, in bytes, with the rows that wait to be written.
    pub(super) fn bytes(&self) -> usize {
        let Self { changed, renewed, to_copy, to_describe, begun, .. } = self;
        let all = [changed, renewed, to_copy, to_describe, &begun.0, &begun.1];
        all.into_iter().map(PlaceSet::bytes).sum::<usize>() + self.rows.memory() + self.lent
    }

    /// Whether the place is marked already, or nothing is marked at all.
    #[inline]
    pub(super) fn knows(&self, place: u32) -> bool {
        !self.is_on || self.changed.contains(place)
    }
}

impl Store {
    /// Starts to mark what changes.
    pub(crate) fn keep(&mut self) {
        self.changes.is_on = true;
        self.changes.most_rows = self.common.budget.waiting_rows();
    }

    /// Marks everything.
    pub(crate) fn keep_all(&mut self) {
        let all = PlaceSet::up_to(self.series.len());
        self.changes.changed.extend(&all);
        self.changes.renewed.extend(&all);
    }

    /// Call this before the series at that place changes.
    #[cold]
    pub(super) fn before_change(&mut self, place: u32) {
        if self.changes.is_on {
            self.copy(place);
            self.changes.changed.insert(place);
            if self.changes.rows.memory() > self.changes.most_rows {
                self.give_up_cut();
            }
        }
    }

    /// Makes the cut under way void. What was in it is in the next one.
    fn give_up_cut(&mut self) {
        let Changes { to_copy, to_describe, rows, outrun, .. } = &mut self.changes;
        (*to_copy, *to_describe, *rows) = Default::default();
        *outrun = true;
    }

    /// Call this before the place gets another series, or none.
    pub(super) fn before_renewal(&mut self, place: u32) {
        if self.changes.is_on {
            self.before_change(place);
            self.changes.renewed.insert(place);
        }
    }

    /// Whether anything has changed since the last cut began.
    pub(crate) fn has_changed(&self) -> bool {
        self.changes.changed.next(0).is_some()
    }

    /// Begins a cut of what has changed up to now. The one before must have ended.
    pub(crate) fn begin_cut(&mut self) {
        let Changes { changed, renewed, to_copy, to_describe, begun, next, .. } = &mut self.changes;
        *begun = (std::mem::take(changed), std::mem::take(renewed));
        (*to_copy, *to_describe) = begun.clone();
        *next = 0;
        self.changes.outrun = false;
    }

    /// Copies at most `count` series of the cut. Returns whether there may be more.
    pub(crate) fn copy_some(&mut self, count: usize) -> Result<bool, Outrun> {
        if self.changes.outrun {
            return Err(Outrun);
        }
        for _ in 0..count {
            let Some(place) = self.changes.to_copy.next(self.changes.next) else {
                return Ok(false);
            };
            self.changes.next = place as usize + 1;
            self.copy(place);
        }
        Ok(true)
    }

    /// Copies a series into the cut under way, unless that has been done.
    fn copy(&mut self, place: u32) {
        if !self.changes.to_copy.remove(place) {
            return;
        }
        let mut rows = std::mem::take(&mut self.changes.rows);
        let key = u64::from(place);
        let describe = self.changes.to_describe.contains(place);
        match self.series.get(place as usize).and_then(Option::as_ref) {
            Some(series) => {
                let value =
                    ValueRef { seen_ms: series.seen_ms, scaled: series.scaled, data: &series.data };
                rows.put(Table::Value, key, &value);
                if describe {
                    let row = SeriesRow {
                        sender: series.sender,
                        class: series.class,
                        unit: series.unit as u8,
                        name: self.name(series),
                        tags: self.tags(series).collect(),
                        role: self.role_row(series),
                    };
                    rows.put(Table::Series, key, &row);
                }
            }
            None if describe => {
                rows.delete(Table::Value, key);
                rows.delete(Table::Series, key);
            }
            None => {}
        }
        self.changes.rows = rows;
    }

    /// Exchanges what has been copied so far for `empty`. It is written together with `others` bytes of rows.
    pub(crate) fn copied(&mut self, empty: &mut Rows, others: usize) {
        std::mem::swap(&mut self.changes.rows, empty);
        self.changes.lent = empty.memory() + others;
        self.balance();
    }

    /// Ends a cut. If it could not be `written`, the next one contains its rows as well.
    pub(crate) fn end_cut(&mut self, written: bool) {
        let Changes { to_copy, to_describe, begun, .. } = &mut self.changes;
        (*to_copy, *to_describe) = Default::default();
        let (changed_before, renewed_before) = std::mem::take(begun);
        self.changes.lent = 0;
        let Changes { changed, renewed, rows, .. } = &mut self.changes;
        if !written {
            rows.clear();
            changed.extend(&changed_before);
            renewed.extend(&renewed_before);
        }
    }

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
        let mapped = self.map(name, class, tags());
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

    fn role_row(&self, series: &Series) -> RoleRow {
        match series.role() {
            Role::Own => RoleRow::Own,
            Role::Part(place) => {
                let group = self.series.get(place as usize).and_then(Option::as_ref);
                RoleRow::Part(group.map_or(0, |group| self.identity(group)))
            }
            Role::Group { .. } => RoleRow::Group(series.shown_sender()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_in_their_order() {
        let mut places = PlaceSet::default();
        for place in [0, 5, 63, 64, 1000] {
            places.insert(place);
        }
        let mut found = Vec::new();
        while let Some(place) = places.next(found.last().map_or(0, |p| *p as usize + 1)) {
            found.push(place);
        }
        assert_eq!(found, [0, 5, 63, 64, 1000]);
        assert!(places.remove(64) && !places.remove(64) && !places.remove(5000));
        let mut others = PlaceSet::default();
        others.insert(2000);
        places.extend(&others);
        assert_eq!(places.next(64), Some(1000));
        assert_eq!(places.next(1001), Some(2000));
        assert_eq!((PlaceSet::up_to(1).next(0), PlaceSet::default().next(0)), (Some(0), None));
    }
}
