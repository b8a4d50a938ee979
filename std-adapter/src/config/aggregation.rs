//! Which repeated events are merged into instruments.

/// Which kinds of repeated events are merged into instruments of their name and tags; see
/// [`ClientConfig::aggregate`](super::ClientConfig::aggregate). Other kinds, and critical events, always stay events.
///
/// `true` and `false` convert into all and none of them: in settings files and for
/// [`Builder::aggregate`](crate::Builder::aggregate), too.
///
/// ```
/// use ringstat_std::{Aggregation, Client};
///
/// let counters = Aggregation { counters: true, ..Aggregation::NONE };
/// let stats = Client::builder("127.0.0.1:8125").aggregate(counters).build()?;
/// # drop(stats);
/// # Ok::<(), ringstat_std::BuildError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(from = "Given"))]
pub struct Aggregation {
    /// Counters: their amounts are added up.
    pub counters: bool,
    /// Levels: the last value stays.
    pub levels: bool,
    /// Timings: they go into a histogram.
    pub timings: bool,
}

impl Aggregation {
    /// Nothing is merged.
    pub const NONE: Self = Self { counters: false, levels: false, timings: false };
    /// Everything is merged that can be.
    pub const ALL: Self = Self { counters: true, levels: true, timings: true };
}

impl From<bool> for Aggregation {
    fn from(all: bool) -> Self {
        if all { Self::ALL } else { Self::NONE }
    }
}

/// What a settings file may say.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(untagged, expecting = "true, false, or a table of counters, levels and timings")]
enum Given {
    All(bool),
    Each(Each),
}

#[cfg(feature = "serde")]
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Each {
    counters: bool,
    levels: bool,
    timings: bool,
}

#[cfg(feature = "serde")]
impl From<Given> for Aggregation {
    fn from(given: Given) -> Self {
        match given {
            Given::All(all) => all.into(),
            Given::Each(Each { counters, levels, timings }) => Self { counters, levels, timings },
        }
    }
}
