//! One instrument among those of a client.

use std::fmt;
use std::sync::Arc;

use ringstat_core::instrument::Instrument;

/// An instrument in a `static`, or one made at run time.
pub(crate) enum Entry {
    Static(&'static dyn Instrument),
    Owned(Arc<dyn Instrument + Send + Sync>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.get().name()).finish()
    }
}

impl Entry {
    pub(super) fn get(&self) -> &dyn Instrument {
        match self {
            Self::Static(instrument) => *instrument,
            Self::Owned(instrument) => instrument.as_ref(),
        }
    }
}
