//! Descriptions and units, as the facade's `describe_…!` macros give them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The description of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Described {
    /// The unit of its values. Units that a histogram can have on the wire are sent with it: times up to seconds,
    /// bytes, percent.
    pub unit: Option<metrics::Unit>,
    /// The text of the description.
    pub text: String,
}

/// All descriptions, up to a limited number of names.
#[derive(Debug)]
pub(crate) struct Descriptions {
    by_name: Mutex<HashMap<Box<str>, Described>>,
    limit: usize,
}

impl Descriptions {
    pub(crate) fn new(limit: usize) -> Self {
        Self { by_name: Mutex::new(HashMap::new()), limit }
    }

    /// Adds a description, replacing an earlier one. Beyond the limit, further names have none.
    pub(crate) fn add(&self, name: &str, unit: Option<metrics::Unit>, text: &str) {
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if by_name.len() < self.limit || by_name.contains_key(name) {
            by_name.insert(name.into(), Described { unit, text: text.into() });
        }
    }

    /// Takes over what was described in the process that this one was forked from, unless something was being described
    /// there at that very moment.
    pub(super) fn take_over(&mut self, parent: &Self) {
        if let Ok(by_name) = parent.by_name.try_lock() {
            self.by_name = Mutex::new(by_name.clone());
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Described> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
