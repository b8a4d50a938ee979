//! What an output knows of each series from its last round.

use std::collections::HashMap;
use std::hash::Hash;

use rustc_hash::FxBuildHasher;

/// What is known of each series, by what identifies it.
#[derive(Debug)]
pub(super) struct Seen<K, T> {
    round: u32,
    all: HashMap<K, Known<T>, FxBuildHasher>,
}

#[derive(Debug)]
struct Known<T> {
    /// The round in which it was there last.
    round: u32,
    /// The run of its sender to which it belongs, if it begins anew with the next.
    run: Option<u32>,
    last: Option<T>,
}

impl<K, T> Default for Seen<K, T> {
    fn default() -> Self {
        Self { round: 0, all: HashMap::default() }
    }
}

impl<K: Eq + Hash, T> Seen<K, T> {
    /// Notes that a series is there in this round, in that run of its sender. Returns what is known of it from the round
    /// before, to be replaced; nothing if it is new, or has begun anew.
    pub(super) fn at(&mut self, key: K, run: Option<u32>) -> &mut Option<T> {
        let round = self.round;
        let known = self.all.entry(key).or_insert(Known { round, run, last: None });
        if known.run.is_some() && known.run != run {
            known.last = None;
        }
        (known.round, known.run) = (round, run);
        &mut known.last
    }

    /// Forgets the series that were not there in this round, and begins the next.
    pub(super) fn end_round(&mut self) {
        let round = self.round;
        self.all.retain(|_, known| known.round == round);
        self.round = round.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_known_while_it_is_there_and_its_run_goes_on() {
        let mut seen = Seen::default();
        let mut at = |key: &'static str, run, now: i32| seen.at(key, run).replace(now);
        assert_eq!(at("a", None, 1), None);
        assert_eq!(at("b", Some(7), 10), None);
        seen.end_round();
        let mut at = |key: &'static str, run, now: i32| seen.at(key, run).replace(now);
        // One of single samples may be stated by a run later on; that one begins anew with the next run, and if there is
        // none any more.
        assert_eq!(at("a", Some(1), 2), Some(1));
        assert_eq!(at("b", Some(7), 11), Some(10));
        assert_eq!(at("a", Some(2), 3), None);
        assert_eq!(at("a", None, 4), None);
        seen.end_round();
        assert_eq!(seen.at("a", None).replace(5), Some(4));
        seen.end_round();
        assert_eq!(seen.at("b", Some(7)).replace(12), None, "it was away for a round");
        assert_eq!(seen.all.len(), 2);
        seen.end_round();
        seen.end_round();
        assert_eq!(seen.all.len(), 0);
    }
}
