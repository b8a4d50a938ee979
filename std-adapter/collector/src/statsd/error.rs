//! Why a line is refused.

use std::fmt;

/// Why a line of StatsD is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum LineError {
    /// It is not UTF-8.
    NotUtf8,
    /// It has no name, or one with control characters.
    BadName,
    /// It has no value.
    NoValue,
    /// It has no type.
    NoType,
    /// Its type is none of `c`, `g`, `ms`, `h`, `d`, `s` and `m`.
    UnknownType,
    /// Its value is not a finite number.
    BadValue,
    /// A counter is to go down, which a counter cannot.
    NegativeCount,
    /// Its sample rate is not a number above 0 and up to 1.
    BadRate,
    /// It has a tag without a key, or one with control characters.
    BadTag,
    /// It has more than 64 tags.
    TooManyTags,
    /// Its name, a key or a value of a tag, or its container is longer than 255 bytes.
    TooLong,
    /// Its time is not a number of seconds since 1970.
    BadTime,
    /// It has a part that is none of DogStatsD's.
    UnknownPart,
    /// It is an event whose lengths do not fit.
    BadEvent,
    /// It is a service check without a name, or with a status that is none.
    BadCheck,
    /// There is no room for its sender.
    NoSender,
}

impl LineError {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::NotUtf8,
        Self::BadName,
        Self::NoValue,
        Self::NoType,
        Self::UnknownType,
        Self::BadValue,
        Self::NegativeCount,
        Self::BadRate,
        Self::BadTag,
        Self::TooManyTags,
        Self::TooLong,
        Self::BadTime,
        Self::UnknownPart,
        Self::BadEvent,
        Self::BadCheck,
        Self::NoSender,
    ];

    /// The name of the reason in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::BadName => "bad_name",
            Self::NoValue => "no_value",
            Self::NoType => "no_type",
            Self::UnknownType => "unknown_type",
            Self::BadValue => "bad_value",
            Self::NegativeCount => "negative_count",
            Self::BadRate => "bad_rate",
            Self::BadTag => "bad_tag",
            Self::TooManyTags => "too_many_tags",
            Self::TooLong => "too_long",
            Self::BadTime => "bad_time",
            Self::UnknownPart => "unknown_part",
            Self::BadEvent => "bad_event",
            Self::BadCheck => "bad_check",
            Self::NoSender => "no_sender",
        }
    }
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for LineError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        assert!(LineError::ALL.iter().enumerate().all(|(i, reason)| *reason as usize == i));
    }
}
