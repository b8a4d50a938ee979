//! The rate of a load over time: constant, or in stages.

use std::time::Duration;

use super::scenario::{Numbers, Scenario};

/// A part of the load in which the rate goes evenly from one value to another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    /// The time since the start of the load, and the time until the end of this stage.
    pub(crate) from: Duration,
    pub(crate) until: Duration,
    /// Events per second, of all threads together, at the beginning and at the end.
    pub(crate) rates: (f64, f64),
    /// The events of all stages before.
    before: f64,
}

/// The stages of a load, one after the other.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Profile(Vec<Stage>);

/// The stages of [`Scenario::Stages`]: the share of the whole time, and the rates as multiples of the given one.
const STAGES: [(&str, f64, (f64, f64)); 5] = [
    ("ramp up", 30.0, (0.0, 1.0)),
    ("sustain", 60.0, (1.0, 1.0)),
    ("peak", 30.0, (PEAK, PEAK)),
    ("ramp down", 30.0, (1.0, 0.0)),
    ("cool down", 5.0, (0.0, 0.0)),
];
/// The stages of [`Scenario::NetworkFailure`].
const FAILURE: [(&str, f64, (f64, f64)); 3] =
    [("before", 1.0, (1.0, 1.0)), ("blocked", 1.0, (1.0, 1.0)), ("after", 1.0, (1.0, 1.0))];
/// Before production, a system should take three times the load that is expected.
pub(crate) const PEAK: f64 = 3.0;

impl Stage {
    fn seconds(&self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }

    fn events(&self) -> f64 {
        f64::midpoint(self.rates.0, self.rates.1) * self.seconds()
    }

    /// The events due so many seconds after the start of the stage.
    fn events_at(&self, seconds: f64) -> f64 {
        let steeper = (self.rates.1 - self.rates.0) / self.seconds();
        self.rates.0 * seconds + steeper * seconds * seconds / 2.0
    }

    /// The seconds after the start of the stage until so many events are due.
    fn time_of(&self, events: f64) -> f64 {
        let (rate, steeper) = (self.rates.0, (self.rates.1 - self.rates.0) / self.seconds());
        if events <= 0.0 {
            return 0.0;
        }
        // The root of the quadratic equation in the form that does not subtract numbers of the same size.
        let root = (rate * rate + 2.0 * steeper * events).max(0.0).sqrt();
        2.0 * events / (rate + root)
    }
}

impl Profile {
    /// The profile of a scenario with these numbers.
    pub(crate) fn of(scenario: Scenario, numbers: &Numbers) -> Self {
        let rate = numbers.rate as f64;
        let stages = match scenario {
            Scenario::Stages => &STAGES[..],
            Scenario::NetworkFailure => &FAILURE,
            _ => &[("all", 1.0, (1.0, 1.0))],
        };
        Self::new(stages, numbers.duration, rate)
    }

    fn new(stages: &[(&'static str, f64, (f64, f64))], duration: Duration, rate: f64) -> Self {
        let all: f64 = stages.iter().map(|s| s.1).sum();
        let (mut from, mut before, mut share) = (Duration::ZERO, 0.0, 0.0);
        let stage = |&(name, part, (first, last)): &(&'static str, f64, (f64, f64))| {
            share += part;
            let until = duration.mul_f64(share / all);
            let stage = Stage { name, from, until, rates: (first * rate, last * rate), before };
            (from, before) = (until, before + stage.events());
            stage
        };
        Self(stages.iter().map(stage).collect())
    }

    pub(crate) fn stages(&self) -> &[Stage] {
        &self.0
    }

    /// The number of events, of all threads together.
    pub(crate) fn total(&self) -> u64 {
        // What is a whole number but for rounding is that number.
        self.0.last().map_or(0, |s| (s.before + s.events() + 1e-6) as u64)
    }

    /// When event number `n` is due, in nanoseconds after the start.
    pub(crate) fn due(&self, n: u64) -> u64 {
        let n = n as f64;
        let within = |s: &&Stage| n < s.before + s.events();
        let Some(stage) = self.0.iter().find(within).or(self.0.last()) else { return 0 };
        // A double is exact to far less than a nanosecond over the longest possible run.
        ((stage.from.as_secs_f64() + stage.time_of(n - stage.before)) * 1e9) as u64
    }

    /// How many events, as a fraction, are due by `now`, in nanoseconds after the start, besides the very first one.
    pub(crate) fn due_by(&self, now: u64) -> f64 {
        let now = now as f64 / 1e9;
        let begun = |s: &&Stage| s.from.as_secs_f64() <= now;
        let Some(stage) = self.0.iter().rfind(begun) else { return 0.0 };
        let within = (now - stage.from.as_secs_f64()).min(stage.seconds());
        stage.before + stage.events_at(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(rate: u64, seconds: u64) -> Profile {
        let duration = Duration::from_secs(seconds);
        let numbers = Numbers { rate, duration, ..Scenario::Stages.numbers() };
        Profile::of(Scenario::Stages, &numbers)
    }

    #[test]
    fn the_stages_follow_one_another_and_their_events_add_up() {
        let profile = stages(1000, 155);
        let names: Vec<_> = profile.stages().iter().map(|s| (s.name, s.from.as_secs())).collect();
        let expected =
            [("ramp up", 0), ("sustain", 30), ("peak", 90), ("ramp down", 120), ("cool down", 150)];
        assert_eq!(names, expected);
        // 15 s worth of the rate on each ramp, 60 s sustained, and 30 s at three times the rate.
        assert_eq!(profile.total(), (15 + 60 + 90 + 15) * 1000);
    }

    #[test]
    fn an_event_is_due_when_the_rate_has_added_up_to_it() {
        let profile = stages(1000, 155);
        let seconds = |n| profile.due(n) as f64 / 1e9;
        // On the ramp, half of the time brings a quarter of the events.
        assert!((seconds(3750) - 15.0).abs() < 1e-6);
        assert!((seconds(15_000) - 30.0).abs() < 1e-6);
        assert!((seconds(15_000 + 30_000) - 60.0).abs() < 1e-6);
        assert!((seconds(75_000 + 45_000) - 105.0).abs() < 1e-6);
        // Three quarters of the ramp down's events are due in its first half.
        assert!((seconds(165_000 + 11_250) - 135.0).abs() < 1e-6);
        for n in [1, 10, 14_999, 15_001, 74_999, 75_000, 164_999, 170_000, 179_999] {
            let due = profile.due(n);
            assert!(profile.due_by(due + 2) >= n as f64 - 1e-3, "{n}");
            assert!(profile.due_by(due.saturating_sub(1000)) <= n as f64, "{n}");
        }
        assert!((profile.due_by(u64::MAX) - 180_000.0).abs() < 1e-3);
    }
}
