//! The Prometheus text format, version 0.0.4: what `/metrics` answers.
//!
//! First come the collector's own families, then those about its senders, then the series that they sent.

mod explain;
mod ladder;
mod outputs;
mod own;
mod page;
mod process;
mod senders;
mod series;

use std::fmt::Write as _;
use std::time::Duration;

pub use explain::Explained;
pub use ladder::Distributions;
pub(crate) use page::Page;

use crate::intake::Shards;
use crate::report::Io;

/// The whole answer to `/metrics`, written at once, with distributions in the form that `shown` names: of one
/// [`Collector`](crate::Collector), or of all shards.
#[must_use]
pub fn metrics<S: Shards + ?Sized>(
    shards: &S,
    io: &Io,
    now_ms: u64,
    shown: Distributions,
) -> String {
    let mut out = String::new();
    let mut page = Page::new(now_ms, io, shown);
    while page.write(&mut out, shards, Duration::MAX) {}
    out
}

/// The end of a page that is answered by a collector with a data directory: whether what it shows was on disk before it left.
pub(crate) fn on_disk(was: bool) -> String {
    let (mut out, name) = (String::new(), "ringstat_collector_page_on_disk");
    let help = "1 if a crash after this scrape takes nothing on this page back.";
    family(&mut out, name, "gauge", help);
    let _ = writeln!(out, "{name} {}", u8::from(was));
    out
}

/// The name of one of ringstat's own families, what it counts, and how to read it.
type Reading<T> = (&'static str, &'static str, fn(&T) -> u64);

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
