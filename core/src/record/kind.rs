//! What a record is, and how much it matters.

/// What kind of thing a record is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Kind {
    /// An amount to add to a total.
    Counter = 0,
    /// The latest value of something.
    Gauge = 1,
    /// How long something took, in milliseconds.
    Timing = 2,
    /// One sample of a distribution.
    Distribution = 3,
    /// One member of a set whose distinct members are counted.
    Set = 4,
    /// Something that happened.
    Event = 5,
}

impl Kind {
    /// Every kind, in the order of its code on the wire.
    pub const ALL: [Self; 6] =
        [Self::Counter, Self::Gauge, Self::Timing, Self::Distribution, Self::Set, Self::Event];

    /// The name that JSON and the command use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Timing => "timing",
            Self::Distribution => "distribution",
            Self::Set => "set",
            Self::Event => "event",
        }
    }

    /// Whether a record of this kind may hold a text in place of a number: a member of a set, or the message of an
    /// event.
    #[inline]
    #[must_use]
    pub const fn takes_text(self) -> bool {
        match self {
            Self::Set | Self::Event => true,
            Self::Counter | Self::Gauge | Self::Timing | Self::Distribution => false,
        }
    }
}

/// How much a record matters when not all records can be kept.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Debug,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Priority {
    /// Records that are given up first.
    Low = 0,
    /// The priority of a record that does not say otherwise.
    #[default]
    Normal = 1,
    /// Records that are kept while anything lower can be dropped.
    High = 2,
    /// Records that are kept until the collector has acknowledged them, if the client is configured for that.
    Critical = 3,
}

impl Priority {
    /// Every priority, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// The name that JSON and the command use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}
