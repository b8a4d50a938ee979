//! The codes of a record: what its first two bytes mean, and how a string is referred to.

/// The form of a number or text on the wire: bits 3 to 5 of an event's first byte, and the byte before a number in a
/// state.
///
/// The forms of a slot in a ring are different: `SlotForm` keeps what was recorded as it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Form {
    Unsigned = 0,
    Negative = 1,
    Decimal = 2,
    DecimalNegative = 3,
    F32 = 4,
    F64 = 5,
    Text = 6,
    /// The number 1, which takes no bytes.
    One = 7,
}

impl Form {
    /// The form in a record's first byte.
    #[inline(always)]
    pub(crate) const fn of_record(first: u8) -> Self {
        match (first & tag::FORM) >> tag::FORM_SHIFT {
            0 => Self::Unsigned,
            1 => Self::Negative,
            2 => Self::Decimal,
            3 => Self::DecimalNegative,
            4 => Self::F32,
            5 => Self::F64,
            6 => Self::Text,
            _ => Self::One,
        }
    }

    /// The form with this code, for numbers whose form has a byte of its own. `None` if there is no such form.
    pub(crate) const fn of_number(code: u8) -> Option<Self> {
        match code {
            0..=5 | 7 => Some(Self::of_record(code << tag::FORM_SHIFT)),
            _ => None,
        }
    }

    /// A decimal, whose sign is part of the form.
    #[inline(always)]
    pub(crate) const fn decimal(negative: bool) -> Self {
        if negative { Self::DecimalNegative } else { Self::Decimal }
    }

    /// Whether the form writes a varint or nothing at all.
    #[inline(always)]
    pub(crate) const fn is_varint(self) -> bool {
        // A table look-up rather than comparisons, which a compiler may turn into a five-way branch.
        const VARINTS: u8 = 1 << Form::Unsigned as u8
            | 1 << Form::Negative as u8
            | 1 << Form::Decimal as u8
            | 1 << Form::DecimalNegative as u8
            | 1 << Form::One as u8;
        VARINTS >> self as u8 & 1 != 0
    }
}

/// Which state of an instrument a record of the kind [`STATE`](tag::STATE) holds, in the bits where an event has its
/// [`Form`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum StateForm {
    /// A counter's total.
    Total = 0,
    /// A gauge's level.
    Level = 1,
    /// A histogram's buckets.
    Buckets = 2,
    /// Who the sender is.
    Info = 3,
    /// What a name means.
    Description = 4,
}

impl StateForm {
    /// The state in a record's first byte. `None` if it is not defined.
    pub(crate) const fn of_record(first: u8) -> Option<Self> {
        match (first & tag::FORM) >> tag::FORM_SHIFT {
            0 => Some(Self::Total),
            1 => Some(Self::Level),
            2 => Some(Self::Buckets),
            3 => Some(Self::Info),
            4 => Some(Self::Description),
            _ => None,
        }
    }
}

/// A record's first byte.
pub(crate) mod tag {
    pub(crate) const KIND: u8 = 0b0000_0111;
    pub(crate) const FORM_SHIFT: u8 = 3;
    pub(crate) const FORM: u8 = 0b0011_1000;
    pub(crate) const HAS_TAGS: u8 = 0b0100_0000;
    pub(crate) const EXTENDED: u8 = 0b1000_0000;
    /// The kind of a record that holds an instrument's state.
    pub(crate) const STATE: u8 = 6;
}

/// A record's second byte, present if the first one says so.
pub(crate) mod extended {
    /// The priority: 0 normal, 1 low, 2 high, 3 critical. The commonest one is zero.
    pub(crate) const PRIORITY: u8 = 0b0000_0011;
    pub(crate) const BACKWARD: u8 = 0b0000_0100;
    pub(crate) const RATE: u8 = 0b0000_1000;
    pub(crate) const DYNAMIC: u8 = 0b0001_0000;
    /// The event has an identifier, by which it is acknowledged.
    pub(crate) const IDENTIFIED: u8 = 0b0010_0000;
    pub(crate) const RESERVED: u8 = 0b1100_0000;
}

/// How a string is given: as one of the first two codes, or as an index (twice the index, plus
/// [`REFERENCE`](string::REFERENCE) or [`PREFIXED`](string::PREFIXED)).
pub(crate) mod string {
    /// A new string: its length and bytes follow.
    pub(crate) const PLAIN: u64 = 0;
    /// A new string: index of an earlier one, prefix length, suffix length, suffix.
    pub(crate) const PREFIXED_LONG: u64 = 1;
    /// Even numbers from here on: the string with that index.
    pub(crate) const REFERENCE: u64 = 2;
    /// Odd numbers from here on: a new string that begins like the one with that index. One byte with prefix length − 1
    /// and suffix length follows, then the suffix.
    pub(crate) const PREFIXED: u64 = 3;
}
