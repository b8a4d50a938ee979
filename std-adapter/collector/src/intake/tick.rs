//! What a collector does from time to time: it forgets what is idle, and logs which limits were reached.

use std::time::Duration;

use super::{Collector, Life};
use crate::journal::Topic;
use crate::limits::Limit;
use crate::store::Known;

/// The interval at which idle senders are looked for.
const SWEEP_SENDERS: Duration = Duration::from_secs(5);

/// The interval at which a part of the series is checked.
const SWEEP_SERIES: Duration = Duration::from_millis(50);

/// The size of that part: enough to check a million series in half a minute, but never so large that datagrams have to
/// wait.
const SWEEP_PLACES: usize = 2048;

impl Collector {
    /// Does what is due: forgets idle senders and series, and logs which limits were reached. Call it often; each call
    /// does little.
    pub fn tick(&mut self, now_ms: u64) {
        let before = now_ms.saturating_sub(millis(self.limits().idle));
        if now_ms.saturating_sub(self.swept_ms.0) >= millis(SWEEP_SERIES) {
            self.swept_ms.0 = now_ms;
            let gone = self.senders.give_way(&self.common.budget, &mut self.store, now_ms);
            self.counts.displaced_senders += gone.senders;
            self.counts.displaced_series += gone.series;
            self.counts.forgotten_series += {
                let senders = &self.senders;
                let life = |id| match senders.get(id) {
                    Some(s) if s.seen_ms >= before && s.life(now_ms) == Life::Living => {
                        Known::Living
                    }
                    Some(_) => Known::Silent,
                    None => Known::Forgotten,
                };
                self.store.sweep(SWEEP_PLACES, now_ms, life) as u64
            };
        }
        if now_ms.saturating_sub(self.swept_ms.1) >= millis(SWEEP_SENDERS) {
            self.swept_ms.1 = now_ms;
            for (id, life) in self.senders.changes(now_ms) {
                match life {
                    Life::Silent => self.common.journal.life(Topic::Silent, id, now_ms),
                    Life::Gone => self.common.journal.life(Topic::Gone, id, now_ms),
                    Life::Living => {}
                }
            }
            self.counts.forgotten_senders +=
                self.senders.sweep(&self.common.budget, now_ms, before) as u64;
            self.store.set_outside(self.senders.bytes());
            self.tell(now_ms);
            let hits = &self.store.hits;
            self.hits_before.rotate(now_ms, || hits.clone());
            self.datagrams_before.rotate(now_ms, || self.counts.datagrams);
            self.counts_before.rotate(now_ms, || self.counts.clone());
        }
    }

    /// Logs which limits were reached since the last time.
    fn tell(&mut self, now_ms: u64) {
        let hits = &self.store.hits;
        for limit in Limit::ALL {
            let more = hits.times(limit) - self.logged_hits.times(limit);
            let by = hits.by(limit).unwrap_or_default();
            self.common.journal.limit(limit, by, more, now_ms);
        }
        self.logged_hits.clone_from(hits);
        self.common.journal.tick(now_ms);
    }
}

/// Saturates at a time that exceeds the life of any process.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
