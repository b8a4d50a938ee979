//! What the facade's `describe_…!` macros say, for the wire and for callers.

use ringstat_core::instrument::Unit;

use crate::client::Client;
use crate::registry::Described;

impl Client {
    /// The description of a name that was given through the facade.
    #[must_use]
    pub fn described(&self, name: &str) -> Option<Described> {
        self.shared()?.registry.descriptions.get(name)
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
