//! Logs limits that are reached: each at once, and then once a minute as long as it continues.

use crate::limits::{Hits, Limit};

/// How long nothing more is logged about the same limit.
const QUIET_MS: u64 = 60_000;

/// What has been logged so far.
#[derive(Default, Debug)]
pub(super) struct Alarm {
    /// For each limit, the number of times that was logged, and when.
    told: [(u64, Option<u64>); Limit::ALL.len()],
}

impl Alarm {
    /// Logs what is new.
    pub(super) fn look(&mut self, hits: &Hits, now_ms: u64) {
        for (limit, (told, at)) in Limit::ALL.into_iter().zip(&mut self.told) {
            let times = hits.times(limit);
            if times == *told || at.is_some_and(|at| now_ms.saturating_sub(at) < QUIET_MS) {
                continue;
            }
            let by = format!("{:016x}", hits.by(limit).unwrap_or_default());
            let (more, why) = (times - *told, limit.explain());
            tracing::warn!(limit = limit.as_str(), by, "{more} {why}");
            (*told, *at) = (times, Some(now_ms));
        }
    }
}
