//! Characters that have a meaning for the receiver, and what is written in their place.

use super::Dialect;
use crate::wire::cursor::{NoRoom, Writer};

/// Where in a line a string is written, on which it depends what is reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// A name, a tag key, or a member of a set.
    Word,
    /// A tag value.
    Value,
}

/// Bits of [`RESERVED`].
const WORD: u8 = 1;
const VALUE: u8 = 2;
const STATSD: u8 = 4;

/// For each byte, the places in which it is reserved. The bytes of multi-byte characters are reserved nowhere.
static RESERVED: [u8; 256] = {
    let mut reserved = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        reserved[byte] = match byte as u8 {
            0..b' ' | 0x7F | b'|' | b'@' | b'#' | b',' => WORD | VALUE | STATSD,
            b':' => WORD | STATSD,
            b';' | b'=' => STATSD,
            _ => 0,
        };
        byte += 1;
    }
    reserved
};

/// The rule for one place in one dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule(u8);

impl Rule {
    pub(super) const fn of(dialect: Dialect, place: Place) -> Self {
        Self(match (dialect, place) {
            (Dialect::StatsD, _) => STATSD,
            (Dialect::DogStatsD, Place::Word) => WORD,
            (Dialect::DogStatsD, Place::Value) => VALUE,
        })
    }

    /// Whether the string can be written as it is. Takes linear time, without a branch per byte.
    #[inline]
    pub(super) fn allows(self, string: &str) -> bool {
        string.bytes().fold(0, |seen, byte| seen | RESERVED[usize::from(byte)]) & self.0 == 0
    }

    /// Writes a string with `_` for each reserved character, and counts the string if it had any.
    #[inline]
    pub(super) fn write(
        self,
        w: &mut Writer<'_>,
        string: &str,
        altered: &mut u64,
    ) -> Result<(), NoRoom> {
        w.bytes(string.as_bytes())?;
        if !self.allows(string) {
            self.mend(w, string.len());
            *altered += 1;
        }
        Ok(())
    }

    /// Replaces reserved characters in the last `length` bytes.
    #[cold]
    fn mend(self, w: &mut Writer<'_>, length: usize) {
        let end = w.position();
        for at in end - length..end {
            let byte = w.written().get(at).copied().unwrap_or_default();
            if RESERVED[usize::from(byte)] & self.0 != 0 {
                w.patch(at, b"_");
            }
        }
    }
}

/// The length of `text` once its newlines are escaped.
pub(super) fn escaped_length(text: &str) -> usize {
    text.len() + text.bytes().filter(|b| *b == b'\n').count()
}

/// Writes a text with `\n` in place of each newline.
pub(super) fn write_escaped(
    w: &mut Writer<'_>,
    text: &str,
    altered: &mut u64,
) -> Result<(), NoRoom> {
    let mut lines = text.split('\n');
    w.bytes(lines.next().unwrap_or_default().as_bytes())?;
    let mut more = false;
    for line in lines {
        w.bytes(b"\\n")?;
        w.bytes(line.as_bytes())?;
        more = true;
    }
    *altered += u64::from(more);
    Ok(())
}
