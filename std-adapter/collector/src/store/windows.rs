//! The windows over which summaries have their quantiles, charged to the senders of the series.

use super::Store;
use super::groups::GROUPS;
use crate::series::Data;

impl Store {
    /// Keeps a window of each distribution from now on. What is there already is of a time before.
    pub(crate) fn keep_windows(&mut self, now_ms: u64) {
        self.keeps_windows = true;
        for place in 0..self.series.len() {
            self.mark_window(place, now_ms, true);
        }
    }

    /// Moves the window of the series at that place on, if it is time.
    pub(super) fn mark_window(&mut self, place: usize, now_ms: u64, is_old: bool) {
        let Some(series) = self.series.get(place).and_then(Option::as_ref) else { return };
        let Data::Distribution(of) = &series.data else { return };
        // A part is not shown.
        if series.is_part() || !of.is_mark_due(now_ms) {
            return;
        }
        let owner = if series.is_group() { GROUPS } else { series.sender };
        let common = self.common.clone();
        let mut room = self.room(&common, owner);
        if let Some(series) = self.series.get_mut(place).and_then(Option::as_mut)
            && let Data::Distribution(of) = &mut series.data
        {
            of.mark(now_ms, is_old, &mut room);
        }
        self.settle(owner, &room);
    }
}
