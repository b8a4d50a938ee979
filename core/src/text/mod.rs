//! DogStatsD and StatsD lines: a second [encoder](crate::format) behind the same packer, for agents that are already
//! deployed.
//!
//! A datagram holds whole lines, separated by newlines, within the payload limit. Numbers are exact: integers and
//! decimals are written digit by digit, floats with the fewest digits that read back as the same float.
//!
//! | record | DogStatsD | StatsD |
//! |---|---|---|
//! | counter event | `name:amount\|c` | the same |
//! | gauge event, [`Gauge`] | `name:value\|g` | the same; a negative value after a line that sets 0, because a sign
//! means a change |
//! | timing | `name:milliseconds\|ms` | the same; refused when negative |
//! | distribution | `name:sample\|d` | `name:sample\|ms`, StatsD's only kind of sample; refused when negative |
//! | set | `name:member\|s` | the same |
//! | event | `_e{…}:name` with its text, its time in seconds, and `p:low` for a low priority | refused |
//! | [`Counter`] | the increase since the last datagram that was sent, `\|c`; nothing if there was none | the same |
//! | [`Histogram`] | for each bucket that grew, its middle with the growth as sample rate, `\|d`; in milliseconds,
//! `\|ms`, if the unit is nano-, micro- or milliseconds | the same, always `\|ms` |
//!
//! A sampled record carries `|@rate`, and tags are written as `|#key:value,…` (StatsD turns them into Graphite tags
//! from version 0.9 on). On request, DogStatsD counters and gauges carry their time; see [`Encoder::timestamps`].
//!
//! Reserved characters become `_`: in names, tag keys and members `: | @ # ,` and control characters; in tag values the
//! same except `:`; in StatsD also `;` and `=`. A newline in the text of an event becomes `\n`, as DogStatsD requires.
//! Each string that was altered is counted in [`Totals::altered`](crate::send::Totals::altered). Records that have no
//! line at all (those refused above, empty names, empty members) are counted under
//! [`Cause::Unsupported`](crate::ledger::Cause::Unsupported), instruments in
//! [`Totals::unsendable`](crate::send::Totals::unsendable).
//!
//! These formats have no heartbeats, sequence numbers or loss counts: nobody can tell what the network loses.
//!
//! [`Counter`]: crate::instrument::Counter
//! [`Gauge`]: crate::instrument::Gauge
//! [`Histogram`]: crate::instrument::Histogram

// The encoder, with its memory
mod encoder;
// of strings
mod checked;
// and of the amounts sent.
mod sent;

// The parts of a line.
mod clean;
mod line;
mod number;

pub use encoder::{Encoder, Lines};
#[cfg(feature = "alloc")]
pub use sent::Growing;
pub use sent::{Fixed, Sent};

/// The dialect of the lines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Dialect {
    /// As the Datadog agent, Vector, Telegraf and the Prometheus StatsD exporter read them.
    #[default]
    DogStatsD,
    /// As Etsy's original server reads them.
    StatsD,
}

#[cfg(all(test, not(loom)))]
mod tests;
