//! The latest value.

/// A gauge: the latest value.
///
/// What is latest follows from the sender's clock where that can be: threads' events are not sent in the order of their
/// times. But a clock can be set back, and that of a chip begins at 0 with each run; so a run that is new counts for
/// newer, and so does what is sent later and says to be older by more than threads ever are apart.
#[derive(Clone, Copy, Default, Debug)]
pub struct Gauge {
    value: f64,
    /// When it was recorded: nanoseconds by the sender's clock.
    time_ns: u64,
    /// The run and the number of the datagram that brought it.
    from: Option<(u32, u32)>,
}

/// Events that are packed one after the other are apart by less, else the clock was set back. A gauge stands still for
/// no longer than that.
const APART: u64 = 5_000_000_000;

impl Gauge {
    /// The value.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// A value that was recorded at `time_ns`, from the datagram `sequence` of a run. An older one changes nothing.
    pub(crate) fn event(&mut self, epoch: u32, sequence: u32, time_ns: u64, value: f64) {
        let set_back = self.time_ns.saturating_sub(time_ns) > APART;
        if time_ns >= self.time_ns || self.is_new_run(epoch) || (set_back && self.follows(sequence))
        {
            *self = Self { value, time_ns, from: Some((epoch, sequence)) };
        }
    }

    /// The value as of when the datagram was packed, at `time_ns`. One that comes late changes nothing.
    pub(crate) fn state(&mut self, epoch: u32, sequence: u32, time_ns: u64, value: f64) {
        if self.is_new_run(epoch) || self.follows(sequence) {
            *self = Self { value, time_ns, from: Some((epoch, sequence)) };
        }
    }

    fn is_new_run(&self, epoch: u32) -> bool {
        self.from.is_none_or(|(of, _)| of != epoch)
    }

    fn follows(&self, sequence: u32) -> bool {
        self.from.is_none_or(|(_, last)| sequence.wrapping_sub(last).cast_signed() >= 0)
    }
}
