//! One instrument among those of a client.

use std::fmt;
use std::sync::Arc;

use ringstat_core::instrument::Instrument;

use super::Source;
use super::adopted::Adopted;
use super::dynamic::Dynamic;

/// An instrument that was there before the client, one made at run time, or one in which the client tells of itself.
pub(crate) enum Entry {
    Adopted(Adopted),
    Dynamic(Dynamic),
    Own(Arc<dyn Instrument + Send + Sync>),
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.get().name()).finish()
    }
}

impl Entry {
    /// Adopts an instrument: what it counts from now on is sent.
    pub(crate) fn adopt(source: Source) -> Self {
        Self::Adopted(Adopted::new(source))
    }

    /// What a client in a child of this process adopts.
    pub(super) fn source(&self) -> Option<Source> {
        match self {
            Self::Adopted(adopted) => Some(adopted.source().clone()),
            Self::Dynamic(made) => Some(Source::Dynamic(made.clone())),
            Self::Own(_) => None,
        }
    }

    /// Whether this entry is that instrument in a `static`.
    pub(super) fn is(&self, instrument: &dyn Instrument) -> bool {
        matches!(self, Self::Adopted(adopted) if adopted.is(instrument))
    }

    pub(super) fn get(&self) -> &dyn Instrument {
        match self {
            Self::Adopted(adopted) => adopted,
            Self::Dynamic(made) => made.get(),
            Self::Own(instrument) => instrument.as_ref(),
        }
    }
}
