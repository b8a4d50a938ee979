//! One instrument among those of a client.

use std::fmt;
use std::sync::Arc;

use ringstat_core::instrument::Instrument;

use super::adopted::Adopted;

/// An instrument in a `static`, or one made at run time.
pub(crate) enum Entry {
    Static(Adopted),
    Owned(Arc<dyn Instrument + Send + Sync>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.get().name()).finish()
    }
}

impl Entry {
    /// Adopts an instrument in a `static`: what it counts from now on is sent.
    pub(crate) fn adopt(instrument: &'static dyn Instrument) -> Self {
        Self::Static(Adopted::new(instrument))
    }

    /// Whether this entry is that instrument in a `static`.
    pub(super) fn is(&self, instrument: &dyn Instrument) -> bool {
        matches!(self, Self::Static(adopted) if adopted.is(instrument))
    }

    pub(super) fn get(&self) -> &dyn Instrument {
        match self {
            Self::Static(adopted) => adopted,
            Self::Owned(instrument) => instrument.as_ref(),
        }
    }
}
