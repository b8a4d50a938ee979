use alloc::collections::VecDeque;
use proptest::prelude::*;

use super::*;
use crate::ring::{Full, Source};

proptest! {
    /// Compared with a queue, from every starting position, in every mix of single and batch operations.
    #[test]
    fn behaves_like_a_bounded_queue(start in 0usize..10, steps in proptest::collection::vec((0u8..4, 0usize..8), 0..200)) {
        let mut ring: Ring<usize, [Slot<usize>; 5]> =
            Ring::starting_at(core::array::from_fn(|_| Slot::new()), start);
        let (mut producer, mut consumer) = ring.split();
        let mut model = VecDeque::new();
        let mut next = 0;
        for (step, n) in steps {
            match step {
                0 => {
                    let fits = model.len() < 5;
                    prop_assert_eq!(producer.push(next), if fits { Ok(()) } else { Err(Full(next)) });
                    if fits { model.push_back(next); }
                    next += 1;
                }
                1 => {
                    let items: alloc::vec::Vec<_> = (next..next + n).collect();
                    let pushed = producer.push_slice(&items);
                    prop_assert_eq!(pushed, n.min(5 - model.len()));
                    model.extend(&items[..pushed]);
                    next += n;
                }
                2 => prop_assert_eq!(consumer.pop(), model.pop_front()),
                _ => {
                    let mut taken = alloc::vec::Vec::new();
                    consumer.drain(n, |item| taken.push(item));
                    let expected: alloc::vec::Vec<_> = model.drain(..n.min(model.len())).collect();
                    prop_assert_eq!(taken, expected);
                }
            }
            prop_assert_eq!(Source::len(&consumer), model.len());
            prop_assert_eq!(producer.len(), model.len());
        }
    }
}
