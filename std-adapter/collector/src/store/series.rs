//! One series, and what identifies it.

use std::hash::{Hash, Hasher};

use ringstat_core::instrument::Unit;

use super::page_index::PageKey;
use crate::series::{Class, Data};

/// One series.
#[derive(Debug)]
pub struct Series {
    /// The sender of the series.
    pub sender: u64,
    /// The contents of the series.
    pub data: Data,
    /// Its class.
    pub class: Class,
    /// The unit of its values.
    pub unit: Unit,
    /// Whether the value is not exact: some of it was sampled and scaled up, or the members of a set are estimated.
    pub scaled: bool,
    /// When something of it last arrived, in milliseconds of the collector's clock.
    pub seen_ms: u64,
    /// Its number among all series that were made.
    pub(super) born: u32,
    pub(super) name: u32,
    pub(super) tags: u32,
    /// The position of the series on the page.
    pub(super) page_key: PageKey,
    /// What tells it apart from those that look like it there; 0 for the first.
    pub(super) twin: u64,
    /// The places of its sender's previous and next series.
    pub(super) before: Option<Place>,
    pub(super) behind: Option<Place>,
}

/// The place of a series, never 0, so that an `Option` of it takes no more memory.
pub(super) type Place = std::num::NonZeroU32;

impl Series {
    pub(crate) fn page_key(&self) -> PageKey {
        self.page_key
    }

    pub(super) fn key(&self) -> Key {
        Key {
            sender: self.sender,
            name: self.name,
            tags: self.tags,
            class: self.class,
            unit: self.unit,
        }
    }
}

/// What identifies a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) sender: u64,
    pub(super) name: u32,
    pub(super) tags: u32,
    pub(super) class: Class,
    pub(super) unit: Unit,
}

impl Hash for Key {
    /// Two steps of the hash instead of five, because this is done for every record.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u64::from(self.name) << 32 | u64::from(self.tags));
        state.write_u64(self.sender.wrapping_add((self.class as u64) << 8 | self.unit as u64));
    }
}
