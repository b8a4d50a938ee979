//! The header and prologue of a datagram, as a line of kind `datagram`: `decode --headers` prints it, and `encode`
//! packs what follows it into a datagram with the same header and prologue.

use ringstat_core::format::{Header, Prologue, TimeUnit};
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;

/// The contents of a datagram besides its records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    /// In hexadecimal, because many languages read JSON numbers only up to 53 bits exactly.
    sender: String,
    epoch: u32,
    sequence: u32,
    #[serde(default)]
    time_unit: Unit,
    base_time_ns: u64,
    #[serde(default)]
    since_boot: bool,
    /// Whether strings are packed into six bits a character.
    #[serde(default = "yes")]
    packed: bool,
    #[serde(default)]
    dropped: u64,
    #[serde(default)]
    failed: u64,
    /// No event with a lower identifier is outstanding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ack_floor: Option<u64>,
    #[serde(default)]
    wants_receipt: bool,
    #[serde(default)]
    goodbye: bool,
    /// These two are informative, and ignored when read.
    #[serde(default)]
    records: u16,
    #[serde(default)]
    bytes: usize,
}

fn yes() -> bool {
    true
}

/// The names of [`TimeUnit`].
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    #[default]
    Nanoseconds,
    Microseconds,
    Milliseconds,
}

impl Envelope {
    /// The envelope of a datagram of that size.
    pub(crate) fn of(
        header: &Header,
        prologue: &Prologue,
        base_time_ns: u64,
        bytes: usize,
    ) -> Self {
        Self {
            sender: format!("{:016x}", header.sender),
            epoch: header.epoch,
            sequence: header.sequence,
            time_unit: match prologue.unit {
                TimeUnit::Nanos => Unit::Nanoseconds,
                TimeUnit::Micros => Unit::Microseconds,
                TimeUnit::Millis => Unit::Milliseconds,
            },
            base_time_ns,
            since_boot: prologue.since_boot,
            packed: prologue.packed,
            dropped: prologue.dropped,
            failed: prologue.failed,
            ack_floor: prologue.ack_floor,
            wants_receipt: prologue.wants_receipt,
            goodbye: prologue.goodbye,
            records: prologue.records,
            bytes,
        }
    }

    /// The header and prologue of a datagram with the same contents.
    pub(crate) fn begin(&self) -> Result<(Header, Prologue), Refusal> {
        let unit = match self.time_unit {
            Unit::Nanoseconds => TimeUnit::Nanos,
            Unit::Microseconds => TimeUnit::Micros,
            Unit::Milliseconds => TimeUnit::Millis,
        };
        let sender = u64::from_str_radix(&self.sender, 16).map_err(|e| {
            Refusal(format!("sender {:?}: {e}: up to 16 hexadecimal digits", self.sender))
        })?;
        let header =
            Header { sender, epoch: self.epoch, sequence: self.sequence, ..Header::default() };
        let prologue = Prologue {
            since_boot: self.since_boot,
            packed: self.packed,
            unit,
            base_time: in_unit(self.base_time_ns, unit)?,
            dropped: self.dropped,
            failed: self.failed,
            ack_floor: self.ack_floor,
            wants_receipt: self.wants_receipt,
            goodbye: self.goodbye,
            ..Prologue::default()
        };
        Ok((header, prologue))
    }
}

/// A time in a datagram's unit, which must be a whole number of units.
pub(crate) fn in_unit(ns: u64, unit: TimeUnit) -> Result<u64, Refusal> {
    let each = unit.nanos();
    // Times beyond 64 bits of nanoseconds are printed as the largest one, so that is how it is read.
    if ns == u64::MAX {
        return Ok(ns.div_ceil(each));
    }
    if !ns.is_multiple_of(each) {
        return Err(Refusal(format!(
            "a time of {ns} ns, in a datagram whose times are whole {each} ns"
        )));
    }
    Ok(ns / each)
}
