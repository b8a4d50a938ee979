//! Shared by the subcommands: failures, printing, quantities, and a simulated bad network.

pub(crate) mod failure;
pub(crate) mod ledger;
pub(crate) mod network;
#[cfg(all(unix, feature = "pprof"))]
pub(crate) mod pprof;
pub(crate) mod quantity;
pub(crate) mod report;
pub(crate) mod screen;
pub(crate) mod table;
