//! The latest value.

use serde::{Deserialize, Serialize};

/// A gauge: the latest value of something.
///
/// Which value is the latest is decided by the sender's clock if possible, because events of several threads are not
/// sent in the order of their times. But a clock can be set back, and that of a chip starts at 0 with each run. A new
/// run therefore counts as newer, and so does a value that is sent later although its time is earlier by more than
/// threads are ever apart.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Gauge {
    value: f64,
    /// When the value was recorded, in nanoseconds by the sender's clock.
    time_ns: u64,
    /// The run and the sequence number of the datagram that brought the value.
    from: Option<(u32, u32)>,
}

/// Events that are packed one after the other are less than this apart, unless the clock was set back. A gauge does not
/// stand still for longer than this.
const APART: u64 = 5_000_000_000;

impl Gauge {
    /// The value.
    #[must_use]
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Shows the value that several become.
    pub(crate) fn show(&mut self, value: f64) {
        self.value = value;
    }

    /// Whether it can have come about, and was not read from damaged memory.
    pub(super) fn is_sound(&self) -> bool {
        self.value.is_finite()
    }

    /// Takes a value that was recorded at `time_ns`, from the datagram `sequence` of a run. An older one changes
    /// nothing.
    pub(crate) fn event(&mut self, epoch: u32, sequence: u32, time_ns: u64, value: f64) {
        let set_back = self.time_ns.saturating_sub(time_ns) > APART;
        if time_ns >= self.time_ns || self.is_new_run(epoch) || (set_back && self.follows(sequence))
        {
            *self = Self { value, time_ns, from: Some((epoch, sequence)) };
        }
    }

    /// Takes the value at the time when the datagram was packed, `time_ns`. One that arrives late changes nothing.
    pub(crate) fn state(&mut self, epoch: u32, sequence: u32, time_ns: u64, value: f64) {
        if self.is_new_run(epoch) || self.follows(sequence) {
            *self = Self { value, time_ns, from: Some((epoch, sequence)) };
        }
    }

    /// Takes the value of a line of StatsD, in the order of arrival. Those that say when they were measured, in seconds,
    /// are ordered by that: an older one changes nothing.
    pub(crate) fn set(&mut self, time_s: Option<u64>, value: f64) {
        let time_ns = time_s.map_or(self.time_ns, |time| time.saturating_mul(1_000_000_000));
        if time_ns >= self.time_ns {
            *self = Self { value, time_ns, from: Some((0, 0)) };
        }
    }

    /// Changes the value, which is 0 at first. When a change was measured does not matter: all of them count.
    pub(crate) fn change(&mut self, by: f64) {
        self.set(None, (self.value + by).clamp(f64::MIN, f64::MAX));
    }

    fn is_new_run(&self, epoch: u32) -> bool {
        self.from.is_none_or(|(of, _)| of != epoch)
    }

    fn follows(&self, sequence: u32) -> bool {
        self.from.is_none_or(|(_, last)| sequence.wrapping_sub(last).cast_signed() >= 0)
    }
}
