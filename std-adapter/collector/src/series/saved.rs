//! What series hold, as it is saved; and whether what was read can be believed.

use serde::{Deserialize, Serialize};

use super::{Class, Data};

impl Data {
    /// Whether a series of that class can have come to hold it. What was read from disk and is not sound is not used.
    #[must_use]
    pub(crate) fn is_sound(&self, class: Class) -> bool {
        match (self, class) {
            (Self::Counter(counter), Class::Counter) => counter.is_sound(),
            (Self::Gauge(gauge), Class::Gauge) => gauge.is_sound(),
            (
                Self::Distribution(distribution),
                Class::Timing | Class::Distribution | Class::Histogram,
            ) => distribution.is_sound(),
            // Checked when it was read.
            (Self::Set(_), Class::Set) | (Self::Event { .. }, Class::Event) => true,
            (Self::Passed, _) => matches!(Self::of_part(class), Self::Passed),
            _ => false,
        }
    }
}

/// A set as it is saved.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedSet<H> {
    pub(super) members: SavedMembers<H>,
    pub(super) exact: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) enum SavedMembers<H> {
    /// Their hashes.
    Known(H),
    /// The registers of an estimator.
    Estimated(Vec<u8>),
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    use proptest::prelude::*;
    use ringstat_core::instrument::Layout;

    use super::super::{Counter, Distribution, Gauge, Set, say};
    use super::*;
    use crate::memory::Room;

    fn hash(member: u64) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(member)
    }

    fn saved(data: &Data) -> Vec<u8> {
        postcard::to_allocvec(data).unwrap()
    }

    fn read(bytes: &[u8]) -> Option<Data> {
        postcard::from_bytes(bytes).ok()
    }

    /// One of each, with something of everything in it.
    fn examples() -> Vec<(Class, Data)> {
        let room = &mut Room::new(1 << 20);
        let mut counter = Counter::default();
        assert!(counter.add(1, 2.5));
        _ = counter.total(1, 70);
        let mut gauge = Gauge::default();
        gauge.event(1, 2, 3, -4.5);
        let mut samples = Distribution::of_events();
        for sample in [0.0, 1.0, 3e9, -7.0, 1e-30] {
            assert!(samples.add(sample, 3, room));
        }
        let mut stated = Distribution::of_events();
        let layout = Layout { precision: 3, min_exponent: 0 };
        stated.state((1, 5), layout, 30.0, [(9, 2), (17, 1)].into_iter(), room, |_, _| {});
        let mut sets = [3, 5000].map(|members: u64| {
            let mut set = Set::default();
            (0..members).for_each(|m| set.add(hash(m), room));
            set
        });
        let mut small = Set::default();
        small.add(5, &mut Room::new(0));
        let mut text = None;
        say(&mut text, "on fire", room);
        let set = |set: &mut Set| Data::Set(Box::new(std::mem::take(set)));
        let [few, many] = &mut sets;
        vec![
            (Class::Counter, Data::Counter(counter)),
            (Class::Gauge, Data::Gauge(gauge)),
            (Class::Distribution, Data::Distribution(Box::new(samples))),
            (Class::Histogram, Data::Distribution(Box::new(stated))),
            (Class::Set, set(few)),
            (Class::Set, set(many)),
            (Class::Set, set(&mut small)),
            (Class::Event, Data::Event { count: 9, text }),
            (Class::Timing, Data::Passed),
        ]
    }

    /// What it is like from outside.
    fn shown(data: &Data) -> String {
        match data {
            Data::Counter(counter) => format!("{counter:?}"),
            Data::Gauge(gauge) => format!("{gauge:?}"),
            Data::Distribution(d) => {
                format!("{} {} {:?}", d.count(), d.sum(), d.quantiles([0.0, 0.3, 0.7, 0.99]))
            }
            Data::Set(set) => format!("{} {}", set.len(), set.is_exact()),
            Data::Event { count, text } => format!("{count} {text:?}"),
            Data::Passed => "passed".into(),
        }
    }

    #[test]
    fn what_is_read_is_what_was_saved() {
        for (class, data) in examples() {
            let read = read(&saved(&data)).unwrap();
            assert!(read.is_sound(class), "{class:?}");
            assert_eq!(shown(&read), shown(&data));
            assert_eq!(saved(&read).len(), saved(&data).len(), "{class:?}");
        }
    }

    #[test]
    fn sets_know_their_members_again_and_go_on() {
        let mut sets = examples().into_iter().filter(|(class, _)| *class == Class::Set);
        let (_, data) = sets.next().unwrap();
        let Some(Data::Set(mut set)) = read(&saved(&data)) else { panic!("a set") };
        let room = &mut Room::new(1 << 20);
        (0..4u64).for_each(|m| set.add(hash(m), room));
        assert_eq!(set.len(), 4, "three of them were there");
        let Some(Data::Set(mut set)) = read(&saved(&sets.next().unwrap().1)) else {
            panic!("a set")
        };
        (0..10_000u64).for_each(|m| set.add(hash(m), room));
        assert!(!set.is_exact() && set.len().abs_diff(10_000) < 800, "{}", set.len());
    }

    #[test]
    fn it_is_not_taken_for_something_else() {
        for (class, data) in examples() {
            for other in [Class::Counter, Class::Gauge, Class::Timing, Class::Set, Class::Event] {
                let is = |of: Data| std::mem::discriminant(&of) == std::mem::discriminant(&data);
                let same = is(Data::new(other)) || is(Data::of_part(other));
                assert_eq!(data.is_sound(other), same, "{class:?} as {other:?}");
            }
        }
    }

    proptest! {
        /// Nothing panics, whatever was read; what is sound goes on.
        #[test]
        fn damaged_data_is_refused_or_harmless(
            which in 0usize..9, at in any::<proptest::sample::Index>(), to in any::<u8>(), cut in any::<bool>()
        ) {
            let (class, data) = examples().swap_remove(which);
            let mut bytes = saved(&data);
            let at = at.index(bytes.len());
            bytes[at] = to;
            if cut {
                bytes.truncate(at + 1);
            }
            let Some(mut data) = read(&bytes).filter(|data| data.is_sound(class)) else {
                return Ok(());
            };
            let _ = (shown(&data), data.bytes());
            let room = &mut Room::new(1 << 16);
            match &mut data {
                Data::Counter(counter) => _ = counter.add(1, 1.0),
                Data::Gauge(gauge) => gauge.event(1, 1, 1, 1.0),
                Data::Distribution(d) => {
                    let _ = d.add(1e300, 1, room) && d.add(-1e-300, 1, room) && d.add(5.0, 1, room);
                    let layout = Layout { precision: 3, min_exponent: 0 };
                    d.state((9, 1), layout, 1.0, [(1, 1)].into_iter(), room, |_, _| {});
                }
                Data::Set(set) => (0..5000).for_each(|m| set.add(m, room)),
                Data::Event { text, .. } => say(text, "again", room),
                Data::Passed => {}
            }
            let _ = (shown(&data), data.bytes());
        }
    }
}
