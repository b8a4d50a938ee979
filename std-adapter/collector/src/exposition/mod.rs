//! How names, tags and values are written in Prometheus' text format, so that any bytes result in a valid page.
//!
//! - A **family** has the name that was sent, with `_` for what the format does not allow, and a suffix that its kind
//!   and unit ask for. A name that another family has, or that is reserved for ringstat's own, gets a hash of what was
//!   sent before the suffix ([`Names`]).
//! - A **label** has the key that was sent, with `_` for what the format does not allow. Keys that become equal get
//!   `_2`, `_3` and so on, in the order of their spelling ([`labels`]).
//! - A **series** that would have the name and the labels of another one gets a label that tells them apart.
//! - A **value** is spelled as the format wants it ([`Number`]).

mod families;
mod label;
mod names;
mod number;

pub(crate) use families::{Families, FamilyKey};
pub(crate) use label::{escaped_help, labels, quoted, read_labels};
pub(crate) use names::{Family, Kind, Names};
pub(crate) use number::{Canonical, Number};

/// The prefixes of the collector's own families, which no name that was sent can have.
pub(crate) const RESERVED: [&str; 8] = [
    "ringstat_collector_",
    "ringstat_sender_",
    "ringstat_build_info",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_max_fds",
    "process_start_time_seconds",
];
