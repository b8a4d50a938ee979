//! What the record call looks at first.

use std::sync::atomic::{AtomicU8, Ordering};

/// Lets records through, only some of them, or none. One byte, read by every record call.
#[derive(Debug, Default)]
pub(crate) struct Valve(AtomicU8);

/// The client is shut down.
const CLOSED: u8 = u8::MAX;

/// How far a [`Valve`] is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// Everything comes through.
    Open,
    /// Only some of what matters little: the throttle's level.
    Throttled(u8),
    /// Nothing does any more.
    Closed,
}

impl Valve {
    #[inline]
    pub(crate) fn opening(&self) -> Opening {
        match self.0.load(Ordering::Relaxed) {
            0 => Opening::Open,
            CLOSED => Opening::Closed,
            level => Opening::Throttled(level),
        }
    }

    /// Throttles recorders, or no longer. A client that is shut down stays so.
    pub(crate) fn throttle(&self, level: u8) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |valve| {
            (valve != CLOSED && valve != level).then_some(level)
        });
    }

    /// Lets nothing through any more.
    pub(crate) fn close(&self) {
        self.0.store(CLOSED, Ordering::Relaxed);
    }
}
