//! How names, tags and values are written in Prometheus' text format, so that any bytes result in a valid page.
//!
//! - A **family** has the name that was sent, with `_` for characters that the format does not allow, and a suffix that
//!   depends on its kind and unit. If another family has the name, or it is reserved for ringstat's own families, a
//!   hash of what was sent is inserted before the suffix ([`Families`]).
//! - A **label** has the key that was sent, with `_` for characters that the format does not allow. Keys that become
//!   equal get `_2`, `_3` and so on, in the order of their original spelling ([`labels`]).
//! - A **series** that would have the same name and labels as another gets a label that distinguishes them.
//! - A **value** is written as the format requires ([`Number`]).

mod families;
mod label;
mod number;

pub(crate) use families::{Families, FamilyKey, FamilyRef, Kind};
pub(crate) use label::{escaped_help, labels};
pub(crate) use number::Number;

/// The prefixes of ringstat's own families, which no name that was sent can have.
pub(crate) const RESERVED: [&str; 2] = ["ringstat_collector_", "ringstat_sender_"];
