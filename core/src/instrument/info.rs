//! Information about the sender, which is sent like an instrument.

use serde::{Deserialize, Serialize};

use super::{Head, Instrument, State, described_by_head};
use crate::record::{STRING_LIMIT, Tag};
use crate::sync::const_fn;

/// Says who the sender is: its program and free labels, and how often it sends at least.
///
/// It is listed among the instruments and sent like them: in the first datagrams, and again within every refresh
/// interval. A sender without one has no cost. OpenMetrics calls this an info metric.
///
/// ```
/// use core::time::Duration;
/// use ringstat_core::instrument::{Info, Instrument};
///
/// static INFO: Info = Info::new("thermostat").version("1.4").labels(&[("room", "kitchen")]);
/// static INSTRUMENTS: &[&dyn Instrument] = &[&INFO];
/// # assert_eq!(INSTRUMENTS[0].name(), "thermostat");
/// ```
#[derive(Debug)]
pub struct Info {
    head: Head,
    details: Details,
}

/// The details of an [`Info`] besides the program and the labels, serialized by postcard.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Details<S = &'static str> {
    /// The heartbeat in milliseconds: while the sender lives, a datagram comes at least this often. 0 means no promise.
    pub heartbeat_ms: u64,
    /// When it started, in milliseconds since 1970; 0 if unknown.
    pub started_ms: u64,
    /// The number of its process; 0 if it has none.
    pub process: u32,
    /// The machine that it runs on; empty if unknown.
    pub host: S,
    /// The version of the program; empty if unknown.
    pub version: S,
}

impl Info {
    const_fn! {
        /// Creates the info of a program. Its heartbeat is one second, the default of senders.
        ///
        /// A name that is empty or longer than 255 bytes is never sent.
        #[must_use]
        pub const fn new(program: &'static str) -> Self {
            let details = Details {
                heartbeat_ms: 1000,
                started_ms: 0,
                process: 0,
                host: "",
                version: "",
            };
            Self { head: Head::new(program), details }
        }
    }

    /// Sets free labels, such as where the sender is.
    #[must_use]
    pub const fn labels(mut self, labels: &'static [Tag]) -> Self {
        self.head.tags = labels;
        self
    }

    /// Sets the program's version.
    ///
    /// # Panics
    /// If it is longer than 255 bytes.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        assert!(version.len() <= STRING_LIMIT, "a version of at most 255 bytes");
        self.details.version = version;
        self
    }

    /// Sets the name of the machine or board.
    ///
    /// # Panics
    /// If it is longer than 255 bytes.
    #[must_use]
    pub const fn host(mut self, host: &'static str) -> Self {
        assert!(host.len() <= STRING_LIMIT, "a host of at most 255 bytes");
        self.details.host = host;
        self
    }

    /// Sets the longest time between datagrams, in milliseconds: the sender's heartbeat interval, or the interval of a
    /// beacon. After three times as long without a datagram the collector reports that the sender is silent. 0 promises
    /// nothing.
    #[must_use]
    pub const fn heartbeat_ms(mut self, heartbeat_ms: u64) -> Self {
        self.details.heartbeat_ms = heartbeat_ms;
        self
    }
}

impl Instrument for Info {
    described_by_head!();

    fn state(&self) -> State<'_> {
        State::Info(&self.details)
    }

    fn version(&self) -> u32 {
        1
    }
}

/// [`Details`] or a [`Meaning`](super::Meaning) with texts of any type. The format relies on there being no other
/// implementations.
pub trait Describe: sealed::Sealed {
    /// Writes it to the beginning of `buf`. Returns the number of bytes written, or `None` if there is not enough
    /// room.
    fn write(&self, buf: &mut [u8]) -> Option<usize>;
}

impl<S: AsRef<str>> Describe for Details<S> {
    fn write(&self, buf: &mut [u8]) -> Option<usize> {
        let Self { heartbeat_ms, started_ms, process, .. } = *self;
        // A receiver would refuse longer texts, and the rest of the datagram.
        let short = |text: &'_ S| text.as_ref().len() <= STRING_LIMIT;
        let host = if short(&self.host) { self.host.as_ref() } else { "" };
        let version = if short(&self.version) { self.version.as_ref() } else { "" };
        let details = Details { heartbeat_ms, started_ms, process, host, version };
        Some(postcard::to_slice(&details, buf).ok()?.len())
    }
}

pub(super) mod sealed {
    /// Prevents other implementations of `Describe`.
    pub trait Sealed {}

    impl<S: AsRef<str>> Sealed for super::Details<S> {}
}
