//! Where an instrument that a client takes up stands.

use ringstat_core::instrument::Instrument;

use super::dynamic::Dynamic;

/// An instrument that was there before the client took it up.
#[derive(Clone)]
pub(crate) enum Source {
    /// It lives as long as the program.
    Static(&'static dyn Instrument),
    /// A client made it at run time, in the process that this one was forked from.
    Dynamic(Dynamic),
}

impl Source {
    pub(super) fn get(&self) -> &dyn Instrument {
        match self {
            Self::Static(instrument) => *instrument,
            Self::Dynamic(made) => made.get(),
        }
    }
}
