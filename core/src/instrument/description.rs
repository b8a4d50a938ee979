//! What a name means, which is sent like an instrument.

use super::{Describe, Head, Instrument, State, Unit, described_by_head, info::sealed};
use crate::record::STRING_LIMIT;
use crate::sync::const_fn;

/// Says what the instruments and events of one name mean, and in what unit their values are.
///
/// It is listed among the instruments and sent like them: in the first datagrams, and again within every refresh
/// interval. A name without one has no cost. The collector shows the text as `HELP`, and the unit as `UNIT` and in the
/// name of the family; a histogram or a timing that has a unit of its own keeps that.
///
/// ```
/// use ringstat_core::instrument::{Counter, Description, Instrument, Unit};
///
/// static SENT: Counter = Counter::new("radio.sent");
/// static ABOUT_SENT: Description =
///     Description::new("radio.sent", "Payload sent, without headers.").unit(Unit::Bytes);
/// static INSTRUMENTS: &[&dyn Instrument] = &[&ABOUT_SENT, &SENT];
/// # assert_eq!(INSTRUMENTS[0].name(), INSTRUMENTS[1].name());
/// ```
#[derive(Debug)]
pub struct Description {
    head: Head,
    meaning: Meaning,
}

/// The content of a [`Description`]: what its name means.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Meaning<S = &'static str> {
    /// The unit of the values, for those that have no unit of their own.
    pub unit: Unit,
    /// A sentence for those who read the values.
    pub text: S,
}

impl Description {
    const_fn! {
        /// Creates the description of what is sent as `name`.
        ///
        /// A name that is empty or longer than 255 bytes is never sent.
        ///
        /// # Panics
        /// If the text is longer than 255 bytes.
        #[must_use]
        pub const fn new(name: &'static str, text: &'static str) -> Self {
            assert!(text.len() <= STRING_LIMIT, "a description of at most 255 bytes");
            Self { head: Head::new(name), meaning: Meaning { unit: Unit::None, text } }
        }
    }

    /// Sets the unit of the values.
    #[must_use]
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.head.unit = unit;
        self.meaning.unit = unit;
        self
    }
}

impl Instrument for Description {
    described_by_head!();

    fn state(&self) -> State<'_> {
        State::Description(&self.meaning)
    }

    fn version(&self) -> u32 {
        1
    }
}

impl<S: AsRef<str>> Describe for Meaning<S> {
    fn write(&self, buf: &mut [u8]) -> Option<usize> {
        // A receiver would refuse a longer text, and the rest of the datagram.
        let text = Some(self.text.as_ref()).filter(|text| text.len() <= STRING_LIMIT);
        let said = (self.unit as u8, text.unwrap_or_default());
        Some(postcard::to_slice(&said, buf).ok()?.len())
    }
}

impl<S: AsRef<str>> sealed::Sealed for Meaning<S> {}
