//! How full a ring is, as far as admission cares.

/// How far admission to a ring is degraded. A level begins at one fill and ends at a lower one, so that a ring that
/// hovers around a boundary does not flicker between levels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
#[repr(u8)]
pub enum Level {
    /// Every record may enter.
    #[default]
    All = 0,
    /// From 75 % full until below 65 %, some records are sampled.
    Sampling = 1,
    /// From 90 % full until below 80 %, only records that matter may enter.
    Shedding = 2,
}

impl Level {
    /// The level that follows this one in a ring that holds `used` of `capacity`. Takes constant time.
    #[inline]
    #[must_use]
    pub const fn next(self, used: usize, capacity: usize) -> Self {
        let sampling = if self as u8 >= Self::Sampling as u8 { 65 } else { 75 };
        let shedding = if self as u8 >= Self::Shedding as u8 { 80 } else { 90 };
        if used >= share(capacity, shedding) {
            Self::Shedding
        } else if used >= share(capacity, sampling) {
            Self::Sampling
        } else {
            Self::All
        }
    }

    pub(super) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::All,
            1 => Self::Sampling,
            _ => Self::Shedding,
        }
    }
}

/// `percent` of `capacity`, rounded up, and at least one. Divides only by a constant.
pub(super) const fn share(capacity: usize, percent: usize) -> usize {
    let share = capacity / 100 * percent + (capacity % 100 * percent).div_ceil(100);
    if share == 0 { 1 } else { share }
}
