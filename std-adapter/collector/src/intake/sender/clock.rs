//! A sender's clock, compared with the collector's.

/// What is known about a sender's clock.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Clock {
    /// By how much it is ahead of the collector's, in milliseconds.
    pub(super) ahead: Option<i64>,
    /// How often it jumped, and by how much the last time.
    pub(super) jumps: u64,
    pub(super) by_ms: i64,
}

/// A clock that moves by this much more or less than the collector's has been set.
const CLOCK_JUMP_MS: u64 = 10_000;

impl Clock {
    /// Compares it with the collector's.
    pub(super) fn look(&mut self, time_ms: i64, now_ms: u64) {
        let ahead = time_ms.wrapping_sub_unsigned(now_ms);
        if let Some(before) = self.ahead.replace(ahead) {
            let by = ahead.wrapping_sub(before);
            if by.unsigned_abs() > CLOCK_JUMP_MS {
                self.jumps += 1;
                self.by_ms = by;
            }
        }
    }
}
