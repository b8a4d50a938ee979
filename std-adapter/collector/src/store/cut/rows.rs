//! The rows of a cut: what is written of a series, and read again.

use serde::{Deserialize, Serialize};

use crate::series::{Class, Data};

/// The description of a series, as a row of the table of series.
#[derive(Serialize, Deserialize, Debug)]
pub(crate) struct SeriesRow<'a> {
    pub(crate) sender: u64,
    pub(crate) class: Class,
    pub(crate) unit: u8,
    #[serde(borrow)]
    pub(crate) name: &'a str,
    #[serde(borrow)]
    pub(crate) tags: Vec<(&'a str, &'a str)>,
    pub(crate) role: RoleRow,
    /// What its sender says of the name: the unit, and a text.
    #[serde(borrow)]
    pub(crate) described: Option<(u8, &'a str)>,
}

/// Whether a series is added up, in the table of series.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub(crate) enum RoleRow {
    Own,
    /// It is a part of the group with this identity, which has all that it has brought.
    Part(u64),
    /// It adds up others: of this sender, or of all.
    Group(Option<u64>),
}

/// The value of a series, to be written.
#[derive(Serialize)]
pub(super) struct ValueRef<'a> {
    pub(super) seen_ms: u64,
    pub(super) scaled: bool,
    pub(super) data: &'a Data,
}

/// The value of a series, as a row of the table of values.
#[derive(Deserialize, Debug)]
pub(crate) struct ValueRow {
    pub(crate) seen_ms: u64,
    pub(crate) scaled: bool,
    pub(crate) data: Data,
}
