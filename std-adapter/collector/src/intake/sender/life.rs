//! Whether a sender lives: by its heartbeats, and by its goodbye.

use super::Sender;

/// Whether a sender lives, as far as it can be known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// It was heard from lately, or has not promised how often that would be.
    Living,
    /// It has been silent for more than three of its heartbeats, and has not said goodbye.
    Silent,
    /// It has said goodbye.
    Gone,
}

/// After so many heartbeats without a datagram a sender is silent.
const HEARTBEATS: u64 = 3;

/// A sender that has promised nothing is taken to have restarted at once if it has been silent for this long.
const UNPROMISED_MS: u64 = 10_000;

impl Sender {
    /// Whether it lives.
    #[must_use]
    pub fn life(&self, now_ms: u64) -> Life {
        let promised = self.info.as_ref().map_or(0, |info| info.heartbeat_ms);
        if self.tracker.has_left() {
            Life::Gone
        } else if promised > 0 && self.silent_ms(now_ms) > promised.saturating_mul(HEARTBEATS) {
            Life::Silent
        } else {
            Life::Living
        }
    }

    /// Milliseconds since it was last heard from.
    #[must_use]
    pub fn silent_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.seen_ms)
    }

    /// Whether its gauges say nothing any more: it is silent or gone, and was last heard from a while ago. So the last value
    /// that a sender says is scraped at least once.
    pub(crate) fn gauges_are_over(&self, now_ms: u64) -> bool {
        const SCRAPED_MS: u64 = 60_000;
        self.life(now_ms) != Life::Living && self.silent_ms(now_ms) > SCRAPED_MS
    }

    /// Whether what comes of another run is a restart.
    pub(in crate::intake) fn is_over(&self, now_ms: u64) -> bool {
        let promises = self.info.as_ref().is_some_and(|info| info.heartbeat_ms > 0);
        self.life(now_ms) != Life::Living || (!promises && self.silent_ms(now_ms) > UNPROMISED_MS)
    }
}
