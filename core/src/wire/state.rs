//! States of instruments, as serde types that postcard reads and writes.

use serde::{Deserialize, Serialize, Serializer};

use super::decode::Buckets;
use super::error::DecodeError;
use crate::instrument::{Layout, Unit};

/// What precedes the sum and the buckets of a histogram. Each field is checked as it is read.
#[derive(Serialize, Deserialize)]
pub(super) struct BucketsHead {
    unit: UnitCode,
    precision: Precision,
    min_exponent: i8,
}

impl BucketsHead {
    /// # Errors
    /// [`DecodeError::BadBuckets`] for a layout that a receiver would refuse.
    pub(super) fn new(unit: Unit, layout: Layout) -> Result<Self, DecodeError> {
        let Layout { precision, min_exponent } = layout;
        Ok(Self { unit: UnitCode(unit), precision: precision.try_into()?, min_exponent })
    }

    pub(super) fn unit(&self) -> Unit {
        self.unit.0
    }

    pub(super) fn layout(&self) -> Layout {
        Layout { precision: self.precision.0, min_exponent: self.min_exponent }
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "u8")]
pub(super) struct UnitCode(Unit);

impl UnitCode {
    pub(super) fn unit(self) -> Unit {
        self.0
    }
}

impl Serialize for UnitCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0 as u8)
    }
}

impl TryFrom<u8> for UnitCode {
    type Error = DecodeError;

    fn try_from(code: u8) -> Result<Self, DecodeError> {
        Unit::from_code(code).map(Self).ok_or(DecodeError::BadBuckets)
    }
}

/// A histogram's precision: it has 2 to this power of buckets for each power of two.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u8")]
struct Precision(u8);

impl TryFrom<u8> for Precision {
    type Error = DecodeError;

    fn try_from(precision: u8) -> Result<Self, DecodeError> {
        match precision {
            1..=Buckets::PRECISION_LIMIT => Ok(Self(precision)),
            _ => Err(DecodeError::BadBuckets),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::cursor::{Reader, Writer};

    #[test]
    fn a_layout_that_receivers_refuse_is_not_written() {
        for (precision, is_sound) in [(0, false), (1, true), (8, true), (9, false)] {
            let layout = Layout { precision, min_exponent: -20 };
            let head = BucketsHead::new(Unit::Percent, layout);
            assert_eq!(head.is_ok(), is_sound);
            let mut buf = [0; 3];
            let mut w = Writer::new(&mut buf);
            w.put(&(6u8, precision, -20i8)).unwrap();
            let read = Reader::new(w.written()).take::<BucketsHead>(DecodeError::BadBuckets);
            assert_eq!(read.is_ok(), is_sound);
            if let Ok(head) = read {
                let mut again = [0; 3];
                let mut again = Writer::new(&mut again);
                again.put(&head).unwrap();
                assert_eq!(again.written(), w.written());
                assert_eq!((head.unit(), head.layout()), (Unit::Percent, layout));
            }
        }
    }
}
