//! Cuts of a shard: copies its counts, its senders and the series in its store for the data directory, and restores them.
//!
//! A cut shows the shard as it was at one moment, although it is copied in slices while datagrams arrive. Whatever is about
//! to change before its turn is copied first; see also [`store::cut`](crate::store).

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ringstat_core::receive::{IdWindow, SequenceTracker};
use serde::{Deserialize, Serialize};

use super::critical::Critical;
use super::critical::Entry;
use super::senders::Senders;
use super::{Baseline, Collector, Counts, LineAccount, Sender, SenderInfo, Source};
use crate::limits::Hits;
use crate::memory::{heap, table};
use crate::rows::{Outrun, Rows, Table};
use crate::store::{SeriesRow, Store, ValueRow};

/// A cut that has begun.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Begun {
    /// Whether it contains everything, so that all rows written before are to be deleted.
    pub(crate) has_all: bool,
    /// Critical events up to this number are in the cut.
    pub(crate) through: u64,
}

/// The counts of a shard, as a row of the table of shards.
#[derive(Clone, Default, Serialize, Deserialize, Debug)]
pub(crate) struct ShardRow {
    pub(crate) counts: Counts,
    pub(crate) hits: Hits,
    pub(crate) overflowed: u64,
    /// The collector's clock, which stands still while there is no collector.
    pub(crate) now_ms: u64,
    /// Critical events up to this number are in the cut.
    pub(crate) through: u64,
}

/// A sender, as a row of the table of senders.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub(crate) struct SenderRow {
    /// The number under which it sends, which decides its shard.
    pub(crate) number: u64,
    pub(super) tracker: SequenceTracker,
    pub(super) ids: Option<IdWindow>,
    pub(super) epoch: u32,
    pub(super) resyncs: u32,
    /// Events dropped and datagrams given up, in this epoch (`told`) and in those before (`finished`).
    pub(super) told: (u64, u64),
    pub(super) finished: (u64, u64),
    pub(super) records: u64,
    pub(super) datagrams: u64,
    pub(super) since_ms: u64,
    pub(super) seen_ms: u64,
    pub(super) fresh_ms: u64,
    pub(super) start_ms: Option<i64>,
    /// How often its clock was set, and by how much the last time.
    pub(super) clock: (u64, i64),
    pub(super) from: Option<Source>,
    pub(super) info: Option<SenderInfo>,
    /// Datagrams of another run, kept aside.
    pub(super) aside: Vec<Vec<u8>>,
    /// What was counted of it, if it sends lines of StatsD.
    pub(super) lines: Option<LineAccount>,
}

/// Which senders have changed since the last cut, and which are still to be copied for the one under way.
///
/// Each sender remembers the number of the last cut before which it was marked as changed, so that it is looked up here
/// once per cut and not once per datagram. Without a data directory, that number stays 0.
#[derive(Default, Debug)]
pub(super) struct ChangedSenders {
    /// The number of the cut that comes next.
    cut: u32,
    changed: HashSet<u64>,
    to_copy: HashSet<u64>,
    /// The senders of the cut under way, to be marked again if it fails, and how many of them had their turn.
    begun: Vec<u64>,
    next: usize,
    rows: Rows,
    /// How much may wait in them, in bytes.
    most_rows: usize,
    /// Whether the cut under way is void, because more has changed meanwhile than may wait.
    outrun: bool,
}

impl ChangedSenders {
    /// Call this before the sender changes.
    #[inline]
    pub(super) fn before_change(&mut self, id: u64, sender: &mut Sender) {
        if sender.cut != self.cut {
            self.note(id, sender);
        }
    }

    #[cold]
    fn note(&mut self, id: u64, sender: &mut Sender) {
        self.copy(id, Some(sender));
        self.changed.insert(id);
        sender.cut = self.cut;
        self.give_up_if_outrun();
    }

    /// Makes the cut under way void if too much waits. What was in it is in the next one.
    fn give_up_if_outrun(&mut self) {
        if self.rows.memory() > self.most_rows {
            (self.to_copy, self.rows) = Default::default();
            self.outrun = true;
        }
    }

    /// Call this before the sender is forgotten.
    pub(super) fn before_removal(&mut self, id: u64, sender: &mut Sender) {
        if self.cut > 0 {
            self.copy(id, Some(sender));
            self.give_up_if_outrun();
            if sender.kept {
                self.changed.insert(id);
            } else {
                // There is nothing to delete.
                self.changed.remove(&id);
            }
        }
    }

    /// Call this before a sender is added. One with the same id may have been forgotten before the cut under way, or since
    /// it began: then its row is still to be deleted, whatever becomes of the new sender.
    #[cold]
    pub(super) fn before_insertion(&mut self, id: u64, sender: &mut Sender) {
        self.copy(id, None);
        sender.kept = self.changed.contains(&id);
    }

    /// Copies a sender into the cut under way, unless that has been done.
    fn copy(&mut self, id: u64, sender: Option<&mut Sender>) {
        if !self.to_copy.remove(&id) {
            return;
        }
        match sender {
            Some(sender) => {
                sender.kept = true;
                self.rows.put(Table::Sender, id, &sender.row());
            }
            None => self.rows.delete(Table::Sender, id),
        }
    }

    /// The memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let sets = [&self.changed, &self.to_copy].map(|set| table(set.capacity(), 8));
        sets.iter().sum::<usize>() + heap(8 * self.begun.capacity()) + self.rows.memory()
    }
}

impl Senders {
    /// Starts to mark the senders that change.
    fn keep(&mut self, most_rows: usize) {
        (self.cuts.cut, self.cuts.most_rows) = (1, most_rows);
    }

    fn keep_all(&mut self) {
        self.cuts.changed = self.all.keys().copied().collect();
    }

    fn begin_cut(&mut self) {
        let kept = &mut self.cuts;
        kept.to_copy = std::mem::take(&mut kept.changed);
        kept.begun = kept.to_copy.iter().copied().collect();
        (kept.next, kept.outrun) = (0, false);
        kept.cut = kept.cut.wrapping_add(1).max(1);
    }

    /// Copies at most `count` senders of the cut. Returns whether there may be more.
    fn copy_some(&mut self, count: usize) -> Result<bool, Outrun> {
        if self.cuts.outrun {
            return Err(Outrun);
        }
        for _ in 0..count {
            let Some(id) = self.cuts.begun.get(self.cuts.next).copied() else { return Ok(false) };
            self.cuts.next += 1;
            self.cuts.copy(id, self.all.get_mut(&id));
        }
        Ok(true)
    }

    fn end_cut(&mut self, written: bool) {
        let begun = std::mem::take(&mut self.cuts.begun);
        self.cuts.to_copy = HashSet::new();
        if !written {
            self.cuts.rows.clear();
            self.cuts.changed.extend(begun);
        }
    }
}

impl Collector {
    /// Starts to mark changes for cuts. If `all`, the first cut contains everything. Numbers of critical events begin after
    /// `after`.
    pub(crate) fn keep(&mut self, all: bool, after: u64, now_ms: u64) {
        // What an earlier process counted did not happen in the last minutes.
        self.hits_before = Baseline::new(now_ms, self.store.hits.clone());
        self.logged_hits = self.store.hits.clone();
        self.datagrams_before = Baseline::new(now_ms, self.counts.datagrams);
        self.counts_before = Baseline::new(now_ms, self.counts.clone());
        self.senders.keep(self.common.budget.waiting_rows());
        self.store.keep();
        self.keeps_all = all;
        self.critical.begin(after);
    }

    /// Lets the next cut contain everything.
    #[cfg(feature = "nats")]
    pub(crate) fn put_all_into_next_cut(&mut self) {
        self.keeps_all = true;
    }

    /// Begins a cut of the shard as it is now. Returns `None` if nothing has changed since the last one.
    pub(crate) fn begin_cut(&mut self, now_ms: u64) -> Option<Begun> {
        // While nothing could be written, many senders came and went: to write everything is less work than to delete them.
        let gone = self.senders.cuts.changed.len() > 2 * self.senders.len() + 10_000;
        let has_all = std::mem::take(&mut self.keeps_all) || gone;
        let Store { hits, overflowed, .. } = &self.store;
        let is_idle = self.kept_row.as_ref().is_some_and(|kept| {
            (&kept.counts, &kept.hits, kept.overflowed) == (&self.counts, hits, *overflowed)
        }) && self.senders.cuts.changed.is_empty()
            && !self.store.has_changed();
        if is_idle && !has_all {
            return None;
        }
        if has_all {
            self.senders.keep_all();
            self.store.keep_all();
        }
        self.senders.begin_cut();
        self.store.begin_cut();
        let through = self.critical.latest();
        let row = ShardRow {
            counts: self.counts.clone(),
            hits: self.store.hits.clone(),
            overflowed: self.store.overflowed,
            now_ms,
            through,
        };
        self.senders.cuts.rows.put(Table::Shard, 0, &row);
        self.kept_row = Some(row);
        let begun = Begun { has_all, through };
        self.cut = begun;
        Some(begun)
    }

    /// The critical events that wait for the disk.
    pub(crate) fn critical(&mut self) -> &mut Critical {
        &mut self.critical
    }

    /// Copies more of the cut, for about this time, and hands over what has been copied so far. Returns whether there is
    /// more.
    pub(crate) fn cut_some(
        &mut self,
        time: Duration,
        rows: &mut [Rows; 2],
    ) -> Result<bool, Outrun> {
        let begun = Instant::now();
        let mut more = true;
        while more && begun.elapsed() < time {
            more = self.senders.copy_some(AT_ONCE)? || self.store.copy_some(AT_ONCE)?;
        }
        let [of_senders, of_store] = rows;
        std::mem::swap(of_senders, &mut self.senders.cuts.rows);
        self.store.copied(of_store, of_senders.memory());
        Ok(more)
    }

    /// Ends a cut. If it could not be `written`, the next one contains its rows as well.
    pub(crate) fn end_cut(&mut self, written: bool) {
        self.senders.end_cut(written);
        self.store.end_cut(written);
        if !written {
            self.keeps_all |= self.cut.has_all;
            self.kept_row = None;
        }
    }

    /// Adds the counts of a shard of an earlier process.
    pub(crate) fn restore_shard(&mut self, row: &ShardRow) {
        self.counts.add_up(&row.counts);
        self.store.hits.add_up(&row.hits);
        self.store.overflowed = self.store.overflowed.saturating_add(row.overflowed);
    }

    /// Restores a sender. It counts as silent only from `now_ms` on.
    pub(crate) fn restore_sender(&mut self, id: u64, row: SenderRow, now_ms: u64) {
        self.senders.put_back(id, Sender::restored(row, now_ms), &self.common.budget);
        self.store.set_outside(self.senders.bytes());
    }

    /// Restores a series; see [`Store::restore`](crate::store::Store::restore).
    pub(crate) fn restore_series(
        &mut self,
        place: Option<u32>,
        row: &SeriesRow<'_>,
        value: ValueRow,
    ) {
        self.store.restore(place, row, value);
    }

    /// Stores the critical events of a datagram that an earlier process received after its last cut. The rest of the
    /// datagram is lost, and the sequence tracker will count the datagram as missing.
    pub(crate) fn replay(&mut self, entry: &Entry<'_>, now_ms: u64) {
        let Ok(mut opened) = self.decoder.0.open(entry.datagram) else { return };
        let header = *opened.header();
        if self.senders.get(entry.id).is_none() {
            let sender = Sender::missed(&header, now_ms);
            self.senders.put_back(entry.id, sender, &self.common.budget);
        }
        let Some(sender) = self.senders.get_mut(entry.id) else { return };
        if !sender.go_on(&header, entry.resyncs) {
            return;
        }
        let (store, counts) = (&mut self.store, &mut self.counts);
        let stored = self.sink.store_critical(store, counts, entry.id, sender, &mut opened, now_ms);
        self.grow(stored.grown);
    }
}

/// How many rows are copied between two looks at the clock. Each takes less than a microsecond, except large histograms
/// and sets.
const AT_ONCE: usize = 8;
