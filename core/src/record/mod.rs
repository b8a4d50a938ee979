//! Recording: what a caller writes, and the event that it becomes.
//!
//! ```text
//!  Recorder ──► Draft ──► Event ──► a ring
//!                 name, value, tags
//!                   │            └── too long for a slot: spill
//!                   └── made at run time: Interner
//! ```
//!
//! A [`Recorder`] is anything that accepts records: a client, the static of a chip, one of its lanes. Its methods
//! return a [`Draft`], to which tags, time and priority are added, and which becomes an [`Event`], the fixed-size slot
//! that waits in a ring. Names are static, or [`Symbol`]s of an [`Interner`]. A record call returns its [`Outcome`].
//!
//! Imports [`ledger`](crate::ledger), for the causes, and `sync`.

mod borrowed;
mod draft;
pub(crate) mod event;
mod interner;
mod kind;
mod name;
mod recorder;
pub mod spill;
mod strings;
mod uninit;
mod value;

pub use borrowed::Borrowed;
pub use draft::{Copied, Draft, DraftStrings};
pub use event::{Content, DEFAULT_INLINE, Event};
pub use interner::{InternError, Interner};
pub use kind::{Kind, Priority};
pub use name::{DYNAMIC_TAG_LIMIT, Name, NoNames, Resolve, STRING_LIMIT, Symbol, TEXT_LIMIT, Tag};
pub use recorder::{Outcome, Recorder};
pub use spill::TagMemory;
#[cfg(feature = "alloc")]
pub use spill::{BoxedTagMemory, OwnedTagMemory};
pub use strings::EventStrings;
pub use value::Value;

pub(crate) use name::hash;
pub(crate) use value::POW10;
