//! A sender as a row of the data directory.

use ringstat_core::format::{Header, Prologue};

use super::Sender;
use super::clock::Clock;
use crate::intake::baseline::Baseline;
use crate::intake::cut::SenderRow;

impl Sender {
    /// What is kept of it.
    pub(in crate::intake) fn row(&self) -> SenderRow {
        SenderRow {
            number: self.number,
            tracker: self.tracker.clone(),
            ids: self.ids.as_deref().cloned(),
            epoch: self.epoch,
            resyncs: self.resyncs,
            told: (self.told.dropped, self.told.failed),
            finished: self.finished,
            records: self.records,
            datagrams: self.datagrams,
            since_ms: self.since_ms,
            seen_ms: self.seen_ms,
            fresh_ms: self.fresh_ms,
            start_ms: self.start_ms,
            clock: (self.clock.jumps, self.clock.by_ms),
            from: self.from.clone(),
            info: self.info.as_deref().cloned(),
            aside: self.aside.iter().map(|datagram| datagram.to_vec()).collect(),
            lines: self.lines.as_deref().cloned(),
        }
    }

    /// A sender that was kept.
    pub(in crate::intake) fn restored(row: SenderRow, now_ms: u64) -> Self {
        let header = Header { epoch: row.epoch, ..Header::default() };
        let mut sender = Self {
            tracker: row.tracker,
            ids: row.ids.map(Box::new),
            resyncs: row.resyncs,
            told: Prologue { dropped: row.told.0, failed: row.told.1, ..Prologue::default() },
            finished: row.finished,
            records: row.records,
            datagrams: row.datagrams,
            since_ms: row.since_ms.min(now_ms),
            seen_ms: row.seen_ms.min(now_ms),
            fresh_ms: row.fresh_ms.min(now_ms),
            start_ms: row.start_ms,
            // How far ahead it was says nothing: the collector's clock has stood still.
            clock: Clock { ahead: None, jumps: row.clock.0, by_ms: row.clock.1 },
            from: row.from,
            info: row.info.map(Box::new),
            aside: row.aside.into_iter().map(Into::into).collect(),
            lines: row.lines.map(Box::new),
            kept: true,
            ..Self::new(row.number, &header, now_ms)
        };
        sender.was = sender.life(now_ms);
        // What was lost in a life before is not lost lately.
        sender.baseline = Baseline::new(now_ms, sender.losses());
        sender
    }
}
