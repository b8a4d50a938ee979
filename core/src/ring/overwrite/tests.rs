use alloc::collections::VecDeque;
use proptest::prelude::*;

use super::*;
use crate::ring::{Pushed, Source};

static IN_A_STATIC: Ring<u8, [Slot<u8>; 3]> = Ring::new([const { Slot::new() }; 3]);

#[test]
fn it_lives_in_a_static() {
    // SAFETY: these are the only ends of the ring, which belongs to this test.
    let (mut producer, mut consumer) =
        unsafe { (Producer::new(&IN_A_STATIC), Consumer::new(&IN_A_STATIC)) };
    for i in 0..5 {
        assert!(producer.push_evicting(i).is_ok());
    }
    assert_eq!((consumer.pop(), IN_A_STATIC.len()), (Some(2), 2));
}

proptest! {
    /// Compared with a queue, from every starting position.
    #[test]
    fn behaves_like_a_queue_that_forgets(start in 0usize..6, steps in proptest::collection::vec((0u8..4, 0usize..5), 0..200)) {
        let mut ring: Ring<usize, [Slot<usize>; 3]> = Ring::starting_at(core::array::from_fn(|_| Slot::new()), start);
        let (mut producer, mut consumer) = ring.split();
        let mut model = VecDeque::new();
        for (next, (step, n)) in steps.into_iter().enumerate() {
            match step {
                0 => {
                    let fits = model.len() < 3;
                    prop_assert_eq!(producer.push(next).is_ok(), fits);
                    if fits { model.push_back(next); }
                }
                1 => {
                    let evicted = (model.len() == 3).then(|| model.pop_front()).flatten();
                    let expected = evicted.map_or(Pushed::Stored, Pushed::Evicted);
                    prop_assert_eq!(producer.push_evicting(next), Ok(expected));
                    model.push_back(next);
                }
                2 => prop_assert_eq!(producer.evict(), model.pop_front()),
                _ => {
                    let mut taken = alloc::vec::Vec::new();
                    consumer.drain(n, |item| taken.push(item));
                    let expected: alloc::vec::Vec<_> = model.drain(..n.min(model.len())).collect();
                    prop_assert_eq!(taken, expected);
                }
            }
            prop_assert_eq!(consumer.len(), model.len());
        }
    }
}
