//! What to give up when there is more than the ring can hold.
//!
//! A [`Policy`] is chosen once for a client. Some policies decide which record a full ring gives up; others also ask a
//! [`Gate`], which checks how full the ring is before a record gets there. A [`Throttle`] may also hold back the source
//! while the client is unhealthy. Each record that any of them gives up is counted under its
//! [`Cause`](crate::ledger::Cause).
//!
//! | policy | ring | gives up |
//! |---|---|---|
//! | [`DropNewest`](Policy::DropNewest) | plain | the new record |
//! | [`DropOldest`](Policy::DropOldest) | plain | the oldest record |
//! | [`ByPriority`](Policy::ByPriority) | [`priority`](crate::ring::priority) | the oldest of the lowest priority |
//! | [`Sampled`](Policy::Sampled) | plain | N − 1 in N above 75 %, then the new record |
//! | [`Graded`](Policy::Graded) | [`priority`](crate::ring::priority) | low priorities first, long before the ring is
//! full |

mod gate;
mod sampler;
mod throttle;

pub use gate::{Admission, Gate, Level, SharedGate};
pub use sampler::Sampler;
pub use throttle::{Pressure, Throttle, ThrottleLimits};

/// What a client gives up when there is more than its rings can hold. Chips and servers share
/// this type; the ring of a chip accepts the policies for which [`is_plain`](Self::is_plain) holds, and its
/// [`PolicyRing`](crate::chip::PolicyRing) all of them.
///
/// ```
/// use ringstat_core::policy::Policy;
///
/// let policy = Policy::Graded(10);
/// assert_eq!(policy.as_str(), "graded");
/// assert!(policy.ranks() && policy.gates() && policy.evicts());
/// assert_eq!(policy.one_in(), 10);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Drops the newest record: what is already in the ring stays.
    #[default]
    DropNewest,
    /// Drops the oldest record: the new one always gets in.
    DropOldest,
    /// Drops the oldest record of the lowest priority that is not above the new one's. The sender takes high priorities
    /// before low ones.
    ByPriority,
    /// From 75 % full on, keeps one record in the given number. The kept record carries that rate, so that the
    /// collector can scale it up. Critical records are all kept. A full ring drops as with
    /// [`DropNewest`](Self::DropNewest).
    Sampled(u8),
    /// Degrades step by step. Below 75 % full, everything is kept; from 75 % on, one in the given number of
    /// low-priority records; from 90 % on, only high and critical records, and normal ones in place of low ones. A full
    /// ring drops as with [`ByPriority`](Self::ByPriority).
    Graded(u8),
}

// Each match below names every policy, so that a new policy does not compile until every question about it is answered.
impl Policy {
    /// Every policy. Those that sample keep one in ten here.
    pub const ALL: [Self; 5] =
        [Self::DropNewest, Self::DropOldest, Self::ByPriority, Self::Sampled(10), Self::Graded(10)];

    /// The name in commands and files, without the sampling rate.
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

    /// Whether each record must pass a [`Gate`] before it reaches the ring.
    #[must_use]
    pub const fn gates(self) -> bool {
        match self {
            Self::Sampled(_) | Self::Graded(_) => true,
            Self::DropNewest | Self::DropOldest | Self::ByPriority => false,
        }
    }

    /// Whether the policy needs nothing but a plain ring, without priorities and without a gate.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        !self.ranks() && !self.gates()
    }

    /// Whether a full ring gives up an item that it holds for a new one.
    #[must_use]
    pub const fn evicts(self) -> bool {
        match self {
            Self::DropOldest | Self::ByPriority | Self::Graded(_) => true,
            Self::DropNewest | Self::Sampled(_) => false,
        }
    }

    /// The sampling rate: the policy keeps one record in this many, or all of them if it is 1.
    #[must_use]
    pub const fn one_in(self) -> u8 {
        match self {
            Self::Sampled(0) | Self::Graded(0) => 1,
            Self::Sampled(n) | Self::Graded(n) => n,
            Self::DropNewest | Self::DropOldest | Self::ByPriority => 1,
        }
    }
}
