//! Where the tags go that do not fit a slot, as a type: into memory of their own, or nowhere.

#[cfg(not(loom))]
use crate::record::Interner;
use crate::record::{Borrowed, Copied, DraftStrings, NoNames, Resolve, TagMemory};

/// Memory for long tags, or none. Sealed.
pub trait LongTags: Resolve + sealed::LongTags {
    /// How drafts keep their strings.
    type Strings<'a>: DraftStrings<'a>;
}

/// Keeps others from implementing the trait.
mod sealed {
    pub trait LongTags {}
    impl LongTags for super::NoNames {}
    impl<const B: usize> LongTags for &super::TagMemory<B> {}
    #[cfg(not(loom))]
    impl<const S: usize, const B: usize> LongTags for &super::Interner<S, B> {}
}

/// Tags have to fit the slot.
impl LongTags for NoNames {
    type Strings<'a> = Copied;
}

/// Tags have to fit the slot; names need not be static.
#[cfg(not(loom))]
impl<const S: usize, const B: usize> LongTags for &Interner<S, B> {
    type Strings<'a> = Copied;
}

/// Tags that do not fit the slot go there.
impl<const B: usize> LongTags for &TagMemory<B> {
    type Strings<'a> = Borrowed<'a>;
}
