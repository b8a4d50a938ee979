//! What a record asks the store for: a series by its name, tags, class and unit.

use ringstat_core::instrument::Unit;
use ringstat_core::wire::decode::Tags;

use crate::series::Class;

/// The series that a record asks for.
#[derive(Debug)]
pub(crate) struct Wanted<'a, T: TagList + ?Sized> {
    pub(crate) sender: u64,
    /// The name, with its index in the datagram.
    pub(crate) name: (u16, &'a str),
    pub(crate) tags: &'a T,
    pub(crate) class: Class,
    pub(crate) unit: Unit,
    /// Whether the record can be added to others in an overflow series.
    pub(crate) may_overflow: bool,
}

impl<T: TagList + ?Sized> Clone for Wanted<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: TagList + ?Sized> Copy for Wanted<'_, T> {}

/// The tags of a record, in whatever form they came.
pub(crate) trait TagList {
    /// Iterates over keys and values.
    fn iter(&self) -> impl Iterator<Item = (&str, &str)>;
}

impl TagList for Tags<'_> {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter()
    }
}

impl TagList for [(&str, &str)] {
    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().copied()
    }
}
