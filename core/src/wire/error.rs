//! Why a datagram is refused. A collector counts each reason separately.

/// Why a datagram, or a record in it, cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum DecodeError {
    /// The datagram is shorter than header, prologue and checksum, or a field reaches beyond its end.
    Truncated,
    /// The datagram is longer than a UDP datagram can be.
    TooLong,
    /// The datagram does not begin with the magic bytes: it is not ours.
    BadMagic,
    /// This receiver does not know the version of the format.
    BadVersion,
    /// This receiver does not know the mode, or is not configured for it.
    BadMode,
    /// The checksum does not match: the datagram was damaged on the way.
    BadChecksum,
    /// The prologue's flags or time unit have a value that the format does not define.
    BadPrologue,
    /// An integer has more than 64 bits.
    BadVarint,
    /// A record kind, value form or reserved bit is not defined by the format.
    BadRecord,
    /// A string is not UTF-8, or a prefix is cut inside a character.
    BadUtf8,
    /// A string has more than 255 bytes, or the text of an event more than 1000.
    StringTooLong,
    /// A record has no name.
    EmptyName,
    /// An index refers to a string that was not defined before.
    BadStringIndex,
    /// An index refers to a tag or tag set that was not defined before.
    BadTagIndex,
    /// There are more strings, tag pairs, tag sets or string bytes than a receiver has room for.
    TableFull,
    /// A time does not fit into 64 bits of its unit.
    BadTime,
    /// A number is NaN or infinite, or a sampling rate is 0.
    BadNumber,
    /// Histogram buckets are out of order or out of range.
    BadBuckets,
    /// Bytes other than zero follow the last record.
    TrailingBytes,
}

impl DecodeError {
    /// Every reason, for counters indexed by it.
    pub const ALL: [Self; 19] = [
        Self::Truncated,
        Self::TooLong,
        Self::BadMagic,
        Self::BadVersion,
        Self::BadMode,
        Self::BadChecksum,
        Self::BadPrologue,
        Self::BadVarint,
        Self::BadRecord,
        Self::BadUtf8,
        Self::StringTooLong,
        Self::EmptyName,
        Self::BadStringIndex,
        Self::BadTagIndex,
        Self::TableFull,
        Self::BadTime,
        Self::BadNumber,
        Self::BadBuckets,
        Self::TrailingBytes,
    ];

    /// The name of the reason in counters, JSON and the test vectors.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::TooLong => "too_long",
            Self::BadMagic => "bad_magic",
            Self::BadVersion => "bad_version",
            Self::BadMode => "bad_mode",
            Self::BadChecksum => "bad_checksum",
            Self::BadPrologue => "bad_prologue",
            Self::BadVarint => "bad_varint",
            Self::BadRecord => "bad_record",
            Self::BadUtf8 => "bad_utf8",
            Self::StringTooLong => "string_too_long",
            Self::EmptyName => "empty_name",
            Self::BadStringIndex => "bad_string_index",
            Self::BadTagIndex => "bad_tag_index",
            Self::TableFull => "table_full",
            Self::BadTime => "bad_time",
            Self::BadNumber => "bad_number",
            Self::BadBuckets => "bad_buckets",
            Self::TrailingBytes => "trailing_bytes",
        }
    }
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the datagram ends in the middle of a field",
            Self::TooLong => "the datagram is longer than UDP allows",
            Self::BadMagic => "the datagram does not begin with 'RS': it is not ringstat's",
            Self::BadVersion => "the format version is not 1: update the receiver",
            Self::BadMode => "the datagram's mode is unknown, or the receiver has no key for it",
            Self::BadChecksum => "the checksum does not match: the datagram was damaged",
            Self::BadPrologue => "the prologue holds an undefined flag or time unit",
            Self::BadVarint => "an integer has more than 64 bits",
            Self::BadRecord => "a record has an undefined kind, form or flag",
            Self::BadUtf8 => "a string is not UTF-8",
            Self::StringTooLong => "a string is longer than 255 bytes, or a text longer than 1000",
            Self::EmptyName => "a record has no name",
            Self::BadStringIndex => "a record refers to a string that was not defined before",
            Self::BadTagIndex => "a record refers to a tag or tag set that was not defined before",
            Self::TableFull => "the datagram defines more strings or tags than a receiver holds",
            Self::BadTime => "a time lies outside 64 bits",
            Self::BadNumber => "a number is NaN or infinite, or a sampling rate is 0",
            Self::BadBuckets => "histogram buckets are out of order or out of range",
            Self::TrailingBytes => "bytes other than padding follow the last record",
        })
    }
}

impl core::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_order_with_distinct_names() {
        for (i, reason) in DecodeError::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            assert_eq!(
                DecodeError::ALL.iter().filter(|r| r.as_str() == reason.as_str()).count(),
                1
            );
        }
    }
}
