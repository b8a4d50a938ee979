//! Health-based throttling: holds back the source while the client is unhealthy.
//!
//! Where a [`Gate`](super::Gate) sees one ring at this moment, the throttle sees the whole client over time. It is
//! given readings at a steady pace, say every 100 ms, and says how many of the less important records to keep.

/// How much pressure the client is under, each reading in percent of what it can take.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pressure {
    /// How full the fullest ring is.
    pub buffer: u8,
    /// How many of the recent records were given up for lack of room. Those that the throttle gave up do not count.
    pub drops: u8,
    /// How much of the memory budget is in use.
    pub memory: u8,
}

/// The limits at which a throttle rises and falls, in percent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ThrottleLimits {
    /// The throttle rises by a level when the fullest ring is at least this full.
    pub buffer_percent: u8,
    /// The throttle rises by a level when at least this share of the recent records was given up for lack of room.
    pub drops_percent: u8,
    /// The throttle rises by a level when at least this share of the memory budget is in use.
    pub memory_percent: u8,
    /// The throttle falls by a level only while the fullest ring is less full than this.
    pub calm_buffer_percent: u8,
    /// The throttle falls by a level only while a smaller share of the recent records than this was given up.
    pub calm_drops_percent: u8,
    /// The throttle falls by a level only while a smaller share of the memory budget than this is in use.
    pub calm_memory_percent: u8,
    /// The throttle falls by a level after this many calm readings in a row; 0 counts as 1.
    pub calm_looks: u8,
}

impl ThrottleLimits {
    /// Rises at 80 % of the rings, 5 % drops or 95 % of the memory; falls below 50 %, 1 % and 90 % after five calm
    /// readings.
    pub const DEFAULT: Self = Self {
        buffer_percent: 80,
        drops_percent: 5,
        memory_percent: 95,
        calm_buffer_percent: 50,
        calm_drops_percent: 1,
        calm_memory_percent: 90,
        calm_looks: 5,
    };
}

impl Default for ThrottleLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// At each level, one in how many low- and normal-priority records is kept.
const ONE_IN: [u8; 4] = [1, 2, 8, 32];

/// Follows the [`Pressure`] on a client and says how many of the less important records to keep.
///
/// ```
/// use ringstat_core::policy::{Pressure, Throttle, ThrottleLimits};
///
/// let mut throttle = Throttle::new(ThrottleLimits::DEFAULT);
/// let full = Pressure { buffer: 85, ..Pressure::default() };
/// assert_eq!(throttle.observe(full), 1);
/// // It comes down after five calm looks.
/// let levels: Vec<_> = (0..5).map(|_| throttle.observe(Pressure::default())).collect();
/// assert_eq!(levels, [1, 1, 1, 1, 0]);
/// ```
#[derive(Clone, Copy, Default, Debug)]
pub struct Throttle {
    limits: ThrottleLimits,
    level: u8,
    calm: u8,
}

impl Throttle {
    /// The highest level.
    pub const MAX_LEVEL: u8 = ONE_IN.len() as u8 - 1;

    /// Creates a throttle that lets everything through.
    #[must_use]
    pub const fn new(limits: ThrottleLimits) -> Self {
        Self { limits, level: 0, calm: 0 }
    }

    /// Takes a reading, moves by at most one level, and returns the level.
    pub fn observe(&mut self, now: Pressure) -> u8 {
        let limits = &self.limits;
        let reaches = |buffer, drops, memory| {
            now.buffer >= buffer || now.drops >= drops || now.memory >= memory
        };
        if reaches(limits.buffer_percent, limits.drops_percent, limits.memory_percent) {
            self.calm = 0;
            self.level = (self.level + 1).min(Self::MAX_LEVEL);
        } else if reaches(
            limits.calm_buffer_percent,
            limits.calm_drops_percent,
            limits.calm_memory_percent,
        ) {
            self.calm = 0;
        } else {
            self.calm += 1;
            if self.calm >= limits.calm_looks {
                self.calm = 0;
                self.level = self.level.saturating_sub(1);
            }
        }
        self.level
    }

    /// How much is held back: nothing at level 0, most at [`MAX_LEVEL`](Self::MAX_LEVEL).
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// One in how many records of low and normal priority is kept at `level`: 1, 2, 8 or 32. A level above the highest
    /// counts as the highest.
    #[must_use]
    pub const fn one_in(level: u8) -> u8 {
        let index = if level > Self::MAX_LEVEL { Self::MAX_LEVEL } else { level };
        ONE_IN[index as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let mut throttle = Throttle::new(ThrottleLimits::DEFAULT);
        let buffer = |buffer| Pressure { buffer, ..Pressure::default() };
        assert_eq!([85, 90, 100, 100].map(|b| throttle.observe(buffer(b))), [1, 2, 3, 3]);
        assert_eq!([70; 10].map(|b| throttle.observe(buffer(b))), [3; 10], "neither high nor low");
        let fall = [0; 16].map(|b| throttle.observe(buffer(b)));
        assert_eq!(fall, [3, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn each_pressure_counts_by_itself() {
        for pressure in [
            Pressure { buffer: 80, ..Pressure::default() },
            Pressure { drops: 5, ..Pressure::default() },
            Pressure { memory: 95, ..Pressure::default() },
        ] {
            assert_eq!(Throttle::default().observe(pressure), 1, "{pressure:?}");
        }
        assert_eq!(Throttle::default().observe(Pressure { buffer: 79, drops: 4, memory: 94 }), 0);
    }

    #[test]
    fn each_level_keeps_less() {
        assert_eq!([0, 1, 2, 3, 200].map(Throttle::one_in), [1, 2, 8, 32, 32]);
    }
}
