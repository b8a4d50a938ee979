//! What to give up when there is more than the ring can take.
//!
//! A [`Policy`] is chosen once for a client. Some policies decide which record a full ring gives up; others also ask a
//! [`Gate`], which looks at how full the ring is before a record gets there. A [`Throttle`] may also hold the source
//! back while the client is unwell. Each record that any of them gives up is counted under its
//! [`Cause`](crate::ledger::Cause).
//!
//! | policy | ring | gives up |
//! |---|---|---|
//! | [`DropNewest`](Policy::DropNewest) | plain | the new record |
//! | [`DropOldest`](Policy::DropOldest) | plain | the oldest record |
//! | [`ByPriority`](Policy::ByPriority) | [`priority`](crate::ring::priority) | the oldest of the lowest priority |
//! | [`Sampled`](Policy::Sampled) | plain | N − 1 in N from 75 % on, then the new record |
//! | [`Graded`](Policy::Graded) | [`priority`](crate::ring::priority) | low ones first, long before the ring is full |

mod gate;
mod sampler;
mod throttle;

pub use gate::{Admission, Gate, Level, SharedGate};
pub use sampler::Sampler;
pub use throttle::{Pressure, Throttle, ThrottleLimits};

/// What a client gives up when there is more than its rings can take. Chips and servers choose from the same policies.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Drops the newest record: what is in the ring stays.
    #[default]
    DropNewest,
    /// Drops the oldest record: what is new gets in.
    DropOldest,
    /// Drops the oldest record of the lowest priority that is not above the new one's. The sender takes high before low.
    ByPriority,
    /// From 75 % full on, keeps one record in the given number. The kept record carries that rate, so that the collector
    /// can scale it up. Critical records are all kept. When the ring is full, it drops as in [`DropNewest`](Self::DropNewest).
    Sampled(u8),
    /// Degrades step by step. Below 75 % everything is kept; from 75 % on, one in the given number of low-priority records;
    /// from 90 % on, only high and critical records, and a normal one in place of a low one. A full ring drops as in
    /// [`ByPriority`](Self::ByPriority).
    Graded(u8),
}

// Each match below names every policy, so that a new one does not compile until each question has an answer.
impl Policy {
    /// Every policy. Those that sample keep one in ten here.
    pub const ALL: [Self; 5] =
        [Self::DropNewest, Self::DropOldest, Self::ByPriority, Self::Sampled(10), Self::Graded(10)];

    /// The name that commands and files use, without the sampling rate.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
            Self::ByPriority => "by-priority",
            Self::Sampled(_) => "sampled",
            Self::Graded(_) => "graded",
        }
    }

    /// Whether the policy needs a ring that knows priorities.
    #[must_use]
    pub const fn ranks(self) -> bool {
        match self {
            Self::ByPriority | Self::Graded(_) => true,
            Self::DropNewest | Self::DropOldest | Self::Sampled(_) => false,
        }
    }

    /// Whether each record asks a [`Gate`] before it comes near the ring.
    #[must_use]
    pub const fn gates(self) -> bool {
        match self {
            Self::Sampled(_) | Self::Graded(_) => true,
            Self::DropNewest | Self::DropOldest | Self::ByPriority => false,
        }
    }

    /// Whether one plain ring is all that the policy needs, without priorities and without a gate. Chips take these.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        !self.ranks() && !self.gates()
    }

    /// Whether a full ring gives up what is in it for what is new.
    #[must_use]
    pub const fn evicts(self) -> bool {
        match self {
            Self::DropOldest | Self::ByPriority | Self::Graded(_) => true,
            Self::DropNewest | Self::Sampled(_) => false,
        }
    }

    /// A policy that samples keeps one record in this many. 1 for policies that do not sample.
    #[must_use]
    pub const fn one_in(self) -> u8 {
        match self {
            Self::Sampled(0) | Self::Graded(0) => 1,
            Self::Sampled(n) | Self::Graded(n) => n,
            Self::DropNewest | Self::DropOldest | Self::ByPriority => 1,
        }
    }
}
