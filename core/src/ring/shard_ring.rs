//! What a shard needs of a ring: one recording and one sending end.

use super::{Source, sealed};

/// A ring with one recording and one sending end, as a shard needs. Sealed.
pub trait ShardRing: sealed::ShardRing {
    /// The items in the ring.
    type Item;
    /// The recording end: a reference, so that creating one costs nothing.
    type Producer<'a>
    where
        Self: 'a;
    /// The sending end.
    type Consumer<'a>: Source<Self::Item>
    where
        Self: 'a;

    /// Creates the recording end.
    ///
    /// # Safety
    /// No other recording end of the ring may exist while this one lives, and everything done through this one must
    /// happen before the next one is used (between threads, by a lock or a release and an acquire).
    unsafe fn producer(&self) -> Self::Producer<'_>;

    /// Creates the sending end.
    ///
    /// # Safety
    /// As for [`producer`](Self::producer), among sending ends.
    unsafe fn consumer(&self) -> Self::Consumer<'_>;

    /// The number of items; both ends may have moved on since.
    fn len(&self) -> usize;

    /// The number of items that fit.
    fn capacity(&self) -> usize;

    /// Whether the ring holds no items; see [`len`](Self::len).
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Implements [`ShardRing`] for a ring whose ends are `Producer` and `Consumer` of the same module, with the same
/// parameters.
macro_rules! shard_ring {
    ($ring:ident<$item:ident, $($part:ident),+> where $($bounds:tt)+) => {
        impl<$item, $($part),+> crate::ring::sealed::ShardRing for $ring<$item, $($part),+> {}

        impl<$item, $($part),+> crate::ring::ShardRing for $ring<$item, $($part),+>
        where
            $($bounds)+
        {
            type Item = $item;
            type Producer<'a>
                = Producer<'a, $item, $($part),+>
            where
                Self: 'a;
            type Consumer<'a>
                = Consumer<'a, $item, $($part),+>
            where
                Self: 'a;

            #[inline(always)]
            unsafe fn producer(&self) -> Self::Producer<'_> {
                // SAFETY: the caller guarantees that there is no other one.
                unsafe { Producer::new(self) }
            }

            #[inline(always)]
            unsafe fn consumer(&self) -> Self::Consumer<'_> {
                // SAFETY: the caller guarantees that there is no other one.
                unsafe { Consumer::new(self) }
            }

            fn len(&self) -> usize {
                $ring::len(self)
            }

            fn capacity(&self) -> usize {
                $ring::capacity(self)
            }
        }
    };
}
pub(super) use shard_ring;
