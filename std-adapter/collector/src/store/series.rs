//! One series, and what identifies it.

use std::hash::{Hash, Hasher};

use ringstat_core::instrument::Unit;

use super::page_index::PageKey;
use crate::mapping::Style;
use crate::memory::heap;
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
    /// What rules make of it; most have none.
    pub(super) mapped: Option<Box<MappedAs>>,
    /// The position of the series on the page.
    pub(super) page_key: PageKey,
    /// What tells it apart from those that look like it there; 0 for the first.
    pub(super) twin: u64,
    /// The version of its sender's description that it is shown by; 0: by none.
    pub(super) described: u8,
    /// The places of its sender's previous and next series.
    pub(super) before: Option<Place>,
    pub(super) behind: Option<Place>,
}

/// What rules make of a series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MappedAs {
    pub(super) shown: ShownAs,
    pub(super) role: Role,
}

impl MappedAs {
    pub(super) const BYTES: usize = heap(size_of::<Self>());
}

/// What a series is shown as: what was sent, unless a rule says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShownAs {
    pub(super) name: u32,
    pub(super) tags: u32,
    pub(super) unit: Unit,
    pub(super) style: Style,
}

/// Whether a series is shown by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// It is.
    Own,
    /// It is not: it is a part of the one at this place.
    Part(u32),
    /// It adds up so many others; whether only those of its sender.
    Group { parts: u32, of_sender: bool },
}

/// The place of a series, never 0, so that an `Option` of it takes no more memory.
pub(super) type Place = std::num::NonZeroU32;

impl Series {
    pub(crate) fn page_key(&self) -> PageKey {
        self.page_key
    }

    pub(super) fn shown(&self) -> ShownAs {
        let Self { name, tags, unit, .. } = *self;
        let as_sent = ShownAs { name, tags, unit, style: Style::default() };
        self.mapped.as_ref().map_or(as_sent, |mapped| mapped.shown)
    }

    #[inline]
    pub(super) fn role(&self) -> Role {
        self.mapped.as_ref().map_or(Role::Own, |mapped| mapped.role)
    }

    /// The memory of its contents and of what rules make of it, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.data.bytes() + self.mapped.as_ref().map_or(0, |_| MappedAs::BYTES)
    }

    /// The unit in which its values are shown.
    pub(crate) fn shown_unit(&self) -> Unit {
        self.shown().unit
    }

    /// How it is shown, if a rule says anything about that.
    pub(crate) fn style(&self) -> Style {
        self.shown().style
    }

    /// The place of the series that it is a part of.
    pub(crate) fn group(&self) -> Option<u32> {
        match self.role() {
            Role::Part(place) => Some(place),
            _ => None,
        }
    }

    /// Whether it adds up others.
    #[must_use]
    pub fn is_group(&self) -> bool {
        matches!(self.role(), Role::Group { .. })
    }

    /// Whether it is a part of one that adds up several, and is not shown by itself.
    #[must_use]
    pub fn is_part(&self) -> bool {
        matches!(self.role(), Role::Part(_))
    }

    /// The sender that it is shown with: all that it adds up may be of different ones.
    pub(crate) fn shown_sender(&self) -> Option<u64> {
        match self.role() {
            Role::Group { of_sender: false, .. } => None,
            _ => Some(self.sender),
        }
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
