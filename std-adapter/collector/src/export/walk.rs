//! A walk past all series, in slices, between which datagrams are received.

use std::time::{Duration, Instant};

use crate::intake::{Collector, Shards};
use crate::store::Series;

/// The longest time for which a shard is locked.
const SLICE: Duration = Duration::from_micros(400);
/// The pause between two slices.
pub(super) const BETWEEN: Duration = Duration::from_millis(1);

/// How far a walk has come.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Walk {
    shard: usize,
    /// The place in the shard's store at which the next slice begins.
    place: usize,
}

impl Walk {
    /// Shows the next slice of series to `visit`, with the number of their shard. Returns whether there may be more.
    pub(super) fn step<S: Shards + ?Sized>(
        &mut self,
        shards: &S,
        mut visit: impl FnMut(usize, &Collector, &Series),
    ) -> bool {
        const AT_ONCE: usize = 16;
        if self.shard >= shards.count() {
            return false;
        }
        let begun = Instant::now();
        let mut from = Some(self.place);
        while let Some(place) = from
            && begun.elapsed() < SLICE
        {
            self.place = place;
            let shard = self.shard;
            from = shards.look(shard, |collector| {
                let mut last = None;
                for (place, series) in collector.store().places(place).take(AT_ONCE) {
                    visit(shard, collector, series);
                    last = Some(place + 1);
                }
                last
            });
        }
        match from {
            Some(place) => self.place = place,
            None => (self.shard, self.place) = (self.shard + 1, 0),
        }
        self.shard < shards.count()
    }
}
