//! A ledger as one line of JSON, to be compared with the collector's.

use core::fmt;

use ringstat_core::ledger::{Drops, Ledger};
use ringstat_core::send::Totals;

/// The final report of a program.
#[derive(Debug)]
pub struct Report<'a> {
    /// What became of every record.
    pub ledger: Ledger,
    /// What the sender did.
    pub totals: Totals,
    /// Further numbers, by name.
    pub more: &'a [(&'a str, u64)],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ledger, totals, more } = self;
        write!(f, "{{\"recorded\":{},\"sent\":{},", ledger.recorded, ledger.sent)?;
        write!(f, "\"unconfirmed\":{},\"lost\":{},", ledger.unconfirmed, ledger.lost)?;
        write!(f, "\"in_flight\":{},\"closes\":{},", ledger.in_flight, ledger.closes())?;
        write!(
            f,
            "\"dropped_total\":{},\"dropped\":{},",
            ledger.dropped.total(),
            Causes(&ledger.dropped)
        )?;
        write!(f, "\"datagrams\":{},\"bytes\":{},", totals.datagrams, totals.bytes)?;
        write!(f, "\"acknowledged\":{},\"repeated\":{}", totals.acknowledged, totals.repeated)?;
        for (name, value) in *more {
            write!(f, ",\"{name}\":{value}")?;
        }
        f.write_str("}")
    }
}

/// The causes whose count is not zero.
struct Causes<'a>(&'a Drops);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '{';
        for (cause, n) in self.0.iter().filter(|(_, n)| *n > 0) {
            write!(f, "{before}\"{}\":{n}", cause.as_str())?;
            before = ',';
        }
        f.write_str(if before == '{' { "{}" } else { "}" })
    }
}
