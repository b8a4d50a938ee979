//! What the subcommands share on the way out: how they fail, how they print, and a bad network for those that want one.

pub(crate) mod failure;
pub(crate) mod ledger;
pub(crate) mod network;
pub(crate) mod quantity;
pub(crate) mod report;
pub(crate) mod table;
