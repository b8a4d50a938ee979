//! An instrument that several senders send.

use super::{Instrument, Mark, State, Unit};
use crate::record::Tag;
use crate::sync::const_fn;

/// An instrument for one further sender, with a [`Mark`] of its own. Without it, each of two senders would take what
/// the other has sent for its own. The client of a server does this automatically; on a chip it is one line.
///
/// ```
/// use ringstat_core::instrument::{Counter, Instrument, Marked};
///
/// static FRAMES: Counter = Counter::new("radio.frames");
/// static FRAMES_AGAIN: Marked = Marked::new(&FRAMES);
/// static OF_ONE: &[&dyn Instrument] = &[&FRAMES];
/// static OF_ANOTHER: &[&dyn Instrument] = &[&FRAMES_AGAIN];
/// # assert_eq!(OF_ONE[0].name(), OF_ANOTHER[0].name());
/// ```
pub struct Marked {
    instrument: &'static dyn Instrument,
    mark: Mark,
}

impl Marked {
    const_fn! {
        /// Wraps an instrument, as if it had never been sent.
        #[must_use]
        pub const fn new(instrument: &'static dyn Instrument) -> Self {
            Self { instrument, mark: Mark::new() }
        }
    }
}

impl core::fmt::Debug for Marked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Marked").field(&self.instrument.name()).finish()
    }
}

impl Instrument for Marked {
    fn name(&self) -> &str {
        self.instrument.name()
    }
    fn tag(&self, index: usize) -> Option<(&str, &str)> {
        self.instrument.tag(index)
    }
    fn static_identity(&self) -> Option<(&'static str, &'static [Tag])> {
        self.instrument.static_identity()
    }
    fn unit(&self) -> Unit {
        self.instrument.unit()
    }
    fn state(&self) -> State<'_> {
        self.instrument.state()
    }
    fn version(&self) -> u32 {
        self.instrument.version()
    }
    fn mark(&self) -> &Mark {
        &self.mark
    }
}
