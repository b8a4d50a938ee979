//! What happened in the last minutes, derived from counts that only grow.

/// Earlier counts, from between one and two [`PERIOD_MS`](Self::PERIOD_MS) ago.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Baseline<T> {
    older: T,
    newer: T,
    rotated_ms: u64,
}

impl<T: Clone> Baseline<T> {
    /// Two minutes.
    pub(crate) const PERIOD_MS: u64 = 120_000;

    /// Starts from `zero`.
    pub(crate) fn new(now_ms: u64, zero: T) -> Self {
        Self { older: zero.clone(), newer: zero, rotated_ms: now_ms }
    }

    /// Saves the present counts if it is time to.
    pub(crate) fn rotate(&mut self, now_ms: u64, counts: impl FnOnce() -> T) {
        if now_ms.saturating_sub(self.rotated_ms) >= Self::PERIOD_MS {
            self.rotated_ms = now_ms;
            self.older = std::mem::replace(&mut self.newer, counts());
        }
    }

    /// The earlier counts.
    pub(crate) fn before(&self) -> &T {
        &self.older
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_old_stops_counting() {
        let mut baseline = Baseline::new(0, 0);
        let mut before = |minute: u64, count: u64| {
            baseline.rotate(minute * 60_000, || count);
            *baseline.before()
        };
        assert_eq!([before(1, 5), before(2, 10), before(3, 10), before(4, 10)], [0, 0, 0, 10]);
    }
}
