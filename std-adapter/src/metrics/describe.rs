//! The facade's units.

use ringstat_core::instrument::Unit;

/// The unit on the wire. Those that the format does not know become none.
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
