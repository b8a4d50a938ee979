//! The lines of DogStatsD and StatsD: a second [encoder](crate::format) behind the same packer, for agents that are
//! already there.
//!
//! A datagram is whole lines with a newline between them, within the payload limit. Numbers are exact: integers and
//! decimals digit by digit, floats in the fewest digits that read back as the same float.
//!
//! | record | DogStatsD | StatsD |
//! |---|---|---|
//! | counter event | `name:amount\|c` | the same |
//! | gauge event, [`Gauge`] | `name:value\|g` | the same; a negative value behind a line that sets 0, since a sign there means a change |
//! | timing | `name:milliseconds\|ms` | the same; refused when negative |
//! | distribution | `name:sample\|d` | `name:sample\|ms`, the only kind of sample that it has; refused when negative |
//! | set | `name:member\|s` | the same |
//! | event | `_e{…}:name` with its text, second and `p:low` for a low priority | refused |
//! | [`Counter`] | what was added since the last datagram that was sent, `\|c`; nothing when nothing was | the same |
//! | [`Histogram`] | for each bucket that grew its middle with the growth as sample rate, `\|d`; in milliseconds, `\|ms`, when the unit is nano-, micro- or milliseconds | the same, always `\|ms` |
//!
//! A sampled record carries `|@rate`, tags `|#key:value,…` (StatsD from version 0.9 on makes Graphite tags of them),
//! counters and gauges of DogStatsD on request their second, see [`Encoder::timestamps`].
//!
//! What is reserved becomes `_`: in names, keys and members `: | @ # ,` and control characters; in the value of a tag
//! the same without `:`; in StatsD also `;` and `=`. A newline in the text of an event becomes `\n`, as DogStatsD wants
//! it. Each string altered in that way is counted in [`Totals::altered`](crate::send::Totals::altered). What has no
//! line at all (refused above; an empty name, an empty member) is counted under
//! [`Cause::Unsupported`](crate::ledger::Cause::Unsupported), an instrument in
//! [`Totals::unsendable`](crate::send::Totals::unsendable).
//!
//! There are no heartbeats, sequence numbers or loss counts in these formats: what the network loses, nobody knows.
//!
//! [`Counter`]: crate::instrument::Counter
//! [`Gauge`]: crate::instrument::Gauge
//! [`Histogram`]: crate::instrument::Histogram

// Of the encoder,
mod encoder;
// which remembers strings that it has seen,
mod known;
// and what was sent.
mod sent;

// Of a line.
mod clean;
mod line;
mod number;

pub use encoder::{Encoder, Lines};
#[cfg(feature = "alloc")]
pub use sent::Growing;
pub use sent::{Fixed, Sent};

/// Which lines.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Dialect {
    /// As the Datadog agent, Vector, Telegraf and the Prometheus StatsD exporter take them.
    #[default]
    DogStatsD,
    /// As the original server of Etsy takes them.
    StatsD,
}

#[cfg(all(test, not(loom)))]
mod tests;
