//! What a series holds: counters, gauges, distributions, sets and events.
//!
//! Each of them is bounded, and takes memory only through a [`Room`].

mod buckets;
mod counter;
mod distribution;
mod gauge;
mod saved;
mod set;
mod since;
mod window;

use ringstat_core::instrument::Unit;
use serde::{Deserialize, Serialize};

use crate::memory::{Room, heap};
pub use counter::Counter;
pub use distribution::Distribution;
pub use gauge::Gauge;
pub use set::Set;
pub(crate) use since::{count, since};

/// The class of series to which a record belongs. A name may have one series of each class.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// Counter events and counter instruments.
    Counter,
    /// Gauge events and gauge instruments.
    Gauge,
    /// Timings, in milliseconds.
    Timing,
    /// Samples.
    Distribution,
    /// Distinct members.
    Set,
    /// Things that happened.
    Event,
    /// Histogram instruments.
    Histogram,
}

impl Class {
    /// The number of classes.
    pub(crate) const COUNT: usize = Self::Histogram as usize + 1;

    /// The unit of records of this class, unless they state another.
    pub(crate) const fn unit(self) -> Unit {
        match self {
            Self::Timing => Unit::Milliseconds,
            _ => Unit::None,
        }
    }
}

/// The contents of one series.
#[derive(Debug, Serialize, Deserialize)]
pub enum Data {
    /// See [`Counter`].
    Counter(Counter),
    /// See [`Gauge`].
    Gauge(Gauge),
    /// See [`Distribution`].
    Distribution(Box<Distribution>),
    /// See [`Set`].
    Set(Box<Set>),
    /// Things that happened.
    Event {
        /// How often it happened.
        count: u64,
        /// The text of the last one.
        text: Option<Box<str>>,
    },
    /// Nothing: what arrives is added to what this series is a part of.
    Passed,
}

/// By how much more a run has counted than was known before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Gain<T> {
    /// Whether nothing was known of this run before, so that some of it may be from before the collector listened.
    pub(crate) is_first: bool,
    pub(crate) by: T,
}

impl Data {
    /// Creates empty contents for a series of that class.
    #[must_use]
    pub(crate) fn new(class: Class) -> Self {
        match class {
            Class::Counter => Self::Counter(Counter::default()),
            Class::Gauge => Self::Gauge(Gauge::default()),
            Class::Timing | Class::Distribution | Class::Histogram => {
                Self::Distribution(Box::new(Distribution::of_events()))
            }
            Class::Set => Self::Set(Box::default()),
            Class::Event => Self::Event { count: 0, text: None },
        }
    }

    /// Creates empty contents for a part of a series that adds several up: what cannot be added up as it arrives, and
    /// nothing else.
    pub(crate) fn of_part(class: Class) -> Self {
        match class {
            Class::Counter | Class::Gauge | Class::Histogram => Self::new(class),
            Class::Timing | Class::Distribution | Class::Set | Class::Event => Self::Passed,
        }
    }

    /// Whether its sender has stated totals of its run: if they are stated again when this is forgotten, all of them would
    /// seem to be new.
    pub(crate) fn is_stated(&self) -> bool {
        match self {
            Self::Counter(counter) => counter.is_stated(),
            Self::Distribution(distribution) => distribution.is_stated(),
            _ => false,
        }
    }

    /// Keeps of the contents of a series what a part keeps, when it becomes one.
    pub(crate) fn into_part(self, class: Class) -> Self {
        match self {
            Self::Counter(counter) => Self::Counter(counter.stated()),
            Self::Distribution(d) if class == Class::Histogram => {
                Self::Distribution(Box::new(d.stated()))
            }
            Self::Gauge(gauge) => Self::Gauge(gauge),
            _ => Self::of_part(class),
        }
    }

    /// Adds what another series of the same class has. Gauges cannot be added up like that, and stay as they are.
    pub(crate) fn absorb(&mut self, other: &Self, room: &mut Room<'_>) {
        match (self, other) {
            (Self::Counter(own), Self::Counter(other)) => own.absorb(other),
            (Self::Distribution(own), Self::Distribution(other)) => own.absorb(other, room),
            (Self::Set(own), Self::Set(other)) => own.absorb(other, room),
            (Self::Event { count, text }, Self::Event { count: more, text: said }) => {
                *count = count.saturating_add(*more);
                if let Some(said) = said {
                    say(text, said, room);
                }
            }
            _ => {}
        }
    }

    /// The memory of empty contents of that class, in bytes.
    pub(crate) fn least_bytes(class: Class) -> usize {
        match class {
            Class::Timing | Class::Distribution | Class::Histogram => {
                heap(size_of::<Distribution>())
            }
            Class::Set => heap(size_of::<Set>()),
            Class::Counter | Class::Gauge | Class::Event => 0,
        }
    }

    /// The memory of the contents, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Counter(_) | Self::Gauge(_) | Self::Passed => 0,
            Self::Distribution(d) => heap(size_of::<Distribution>()) + d.bytes(),
            Self::Set(s) => heap(size_of::<Set>()) + s.bytes(),
            Self::Event { text, .. } => text.as_ref().map_or(0, |t| heap(t.len())),
        }
    }
}

/// Replaces the text of an event. If there is no room for a longer one, the text is removed.
pub(crate) fn say(text: &mut Option<Box<str>>, said: &str, room: &mut Room<'_>) {
    if text.as_deref() == Some(said) {
        return;
    }
    room.give(text.take().map_or(0, |t| heap(t.len())));
    if room.take(heap(said.len())) {
        *text = Some(said.into());
    }
}
