//! How a new string is written: in full, or as the prefix of an earlier one and a suffix, in two layouts.

use crate::wire::cursor::{NoRoom, Writer};
use crate::wire::layout::string;
use crate::wire::sixbit;

/// The longest prefix and suffix of the short layout.
const SHORT_PREFIX: usize = 16;
const SHORT_SUFFIX: usize = 15;

/// Whether the strings of a datagram are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// No strings are packed.
    None,
    /// Strings are packed if they can be, and this one cannot.
    Others,
    /// This string is packed.
    This,
}

/// Writes a new string, the first `length` bytes of `tail`, in the shortest of the three layouts. It shares its first
/// `shared` bytes with the string `earlier`.
#[inline(always)] // Once for each packing.
pub(super) fn write_new(
    w: &mut Writer<'_>,
    packing: Packing,
    earlier: u16,
    shared: usize,
    tail: &[u8],
    length: usize,
) -> Result<(), NoRoom> {
    let text = |characters| match packing {
        Packing::This => sixbit::length(characters),
        _ => characters,
    };
    let write = |w: &mut Writer<'_>, from: usize| match packing {
        Packing::This => w.packed(&tail[from..], length - from),
        _ => w.front(&tail[from..], length - from),
    };
    // The integer of the plain layout also says whether the string is packed, if any are.
    let count = match packing {
        Packing::None => length,
        Packing::Others => 2 * length,
        Packing::This => 2 * length + 1,
    };
    let plain = 2 + usize::from(count > 127) + text(length);
    let long = 4 + usize::from(earlier > 127) + length - shared;
    let prefix = shared.min(SHORT_PREFIX);
    let suffix = length - prefix;
    let reference = 2 * earlier + string::PREFIXED as u16;
    let short = 2 + usize::from(reference > 127) + text(suffix);
    if prefix > 0
        && suffix <= SHORT_SUFFIX
        && packing != Packing::Others
        && short < plain
        && short <= long
    {
        w.reference(reference)?;
        w.byte((prefix as u8 - 1) << 4 | suffix as u8)?;
        return write(w, prefix);
    }
    if shared > 0 && long < plain {
        w.byte(string::PREFIXED_LONG as u8)?;
        w.reference(earlier)?;
        w.bytes(&[shared as u8, (length - shared) as u8])?;
        return w.front(&tail[shared..], length - shared);
    }
    w.byte(string::PLAIN as u8)?;
    w.reference(count as u16)?;
    write(w, 0)
}
