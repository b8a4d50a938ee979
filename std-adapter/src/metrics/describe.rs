//! Descriptions and units, as the facade's `describe_…!` macros give them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ringstat_core::instrument::Unit;

use crate::client::Client;

/// What was said about a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// The unit of its values. Those that a histogram can have on the wire are sent with it: times up to seconds, bytes,
    /// percent.
    pub unit: Option<metrics::Unit>,
    /// What it means.
    pub text: String,
}

impl Client {
    /// What was said about a name through the facade.
    #[must_use]
    pub fn described(&self, name: &str) -> Option<Described> {
        self.shared().descriptions.get(name)
    }
}

/// Everything that was described, up to a limit of names.
#[derive(Debug)]
pub(crate) struct Descriptions {
    by_name: Mutex<HashMap<Box<str>, Described>>,
    limit: usize,
}

impl Descriptions {
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_name: Mutex::new(HashMap::new()), limit }
    }

    /// The last one counts. Beyond the limit further names stay without.
    pub(super) fn add(&self, name: &str, unit: Option<metrics::Unit>, text: &str) {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if by_name.len() < self.limit || by_name.contains_key(name) {
            by_name.insert(name.into(), Described { unit, text: text.into() });
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Described> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// The unit on the wire.
pub(super) fn unit(unit: Option<metrics::Unit>) -> Unit {
    match unit {
        Some(metrics::Unit::Nanoseconds) => Unit::Nanoseconds,
        Some(metrics::Unit::Microseconds) => Unit::Microseconds,
        Some(metrics::Unit::Milliseconds) => Unit::Milliseconds,
        Some(metrics::Unit::Seconds) => Unit::Seconds,
        Some(metrics::Unit::Bytes) => Unit::Bytes,
        Some(metrics::Unit::Percent) => Unit::Percent,
        _ => Unit::None,
    }
}
