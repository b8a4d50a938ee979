//! What was counted lately.

use super::HealthCounts;

/// How much totals grew over the last `N` ticks.
#[derive(Clone, Debug)]
pub struct HealthWindow<const N: usize = 10> {
    /// As they were at the last `N` ticks, the oldest one at `next`.
    ticks: [HealthCounts; N],
    next: usize,
}

impl<const N: usize> HealthWindow<N> {
    /// A window over a client that has just begun.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0) };
        Self { ticks: [HealthCounts::NONE; N], next: 0 }
    }

    /// Moves on by one tick, at which the totals are these.
    pub fn tick(&mut self, now: HealthCounts) {
        if let Some(oldest) = self.ticks.get_mut(self.next) {
            *oldest = now;
        }
        self.next = (self.next + 1) % N;
    }

    /// What was added since the oldest tick.
    #[must_use]
    pub fn growth(&self, now: HealthCounts) -> HealthCounts {
        now.since(self.ticks.get(self.next).unwrap_or(&HealthCounts::NONE))
    }
}

impl<const N: usize> Default for HealthWindow<N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets() {
        let mut window: HealthWindow<3> = HealthWindow::new();
        let at = |recorded| HealthCounts { recorded, ..HealthCounts::NONE };
        assert_eq!(window.growth(at(5)).recorded, 5);
        for recorded in [10, 20, 30] {
            window.tick(at(recorded));
        }
        assert_eq!(window.growth(at(35)).recorded, 25, "since the oldest of three");
        window.tick(at(40));
        assert_eq!(window.growth(at(40)).recorded, 20);
        assert_eq!(window.growth(at(0)).recorded, 0, "a total that goes back does no harm");
    }
}
