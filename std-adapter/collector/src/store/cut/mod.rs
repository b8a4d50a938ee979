//! Cuts of a store: its contents at one moment, copied while it goes on changing.
//!
//! To begin a cut, the set of changed series becomes the set to copy, which takes no time. The series are then copied a few
//! at a time, and a series that is about to change before its turn is copied first ([`Store::before_change`]). So the
//! whole cut is of one moment, and nobody waits for it.

mod places;
mod restore;
mod rows;

use super::series::Role;
use super::{Series, Store};
use crate::rows::{Outrun, Rows, Table};
use places::PlaceSet;
use rows::ValueRef;
pub(crate) use rows::{RoleRow, SeriesRow, ValueRow};

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
                        described: self
                            .descriptions
                            .get(series.sender, self.name(series))
                            .map(|said| (said.unit as u8, &*said.text)),
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
}
