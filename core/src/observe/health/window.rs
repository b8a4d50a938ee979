//! How much was counted recently.

use super::HealthCounts;

/// How much the totals have grown over the last `N` ticks.
#[derive(Clone, Debug)]
pub struct HealthWindow<const N: usize = 10> {
    /// The totals at the last `N` ticks, the oldest at `next`.
    ticks: [HealthCounts; N],
    next: usize,
}

impl<const N: usize> HealthWindow<N> {
    /// Creates a window for a client that has just started.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0) };
        Self { ticks: [HealthCounts::NONE; N], next: 0 }
    }

    /// Adds a tick, at which the totals are `now`.
    pub fn tick(&mut self, now: HealthCounts) {
        if let Some(oldest) = self.ticks.get_mut(self.next) {
            *oldest = now;
        }
        self.next = (self.next + 1) % N;
    }

    /// How much the totals have grown from the oldest tick to `now`.
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
