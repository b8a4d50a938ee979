//! From the key of the facade to the handle of an instrument.
//!
//! `counter!(…)` without a kept handle asks for it on every call, so that a lookup must cost little: it takes no lock,
//! writes nothing, allocates nothing, and uses the hash that the key brings along. Instruments are never removed, so the
//! table only grows: each bucket is a list to whose end a node is added, once and for all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use metrics::Key;

/// At most `limit` keys with a handle of type `H` each.
#[derive(Debug)]
pub(super) struct Table<H> {
    buckets: Box<[Link<H>]>,
    length: AtomicUsize,
    limit: usize,
    /// Held while a key is added.
    adding: Mutex<()>,
}

type Link<H> = OnceLock<Box<Node<H>>>;

#[derive(Debug)]
struct Node<H> {
    key: Key,
    handle: H,
    next: Link<H>,
}

/// At most so many buckets, 16 bytes each. Beyond, lists get longer than one node.
const BUCKETS_MAX: usize = 4096;

impl<H> Table<H> {
    pub(super) fn new(limit: usize) -> Self {
        let buckets = limit.clamp(1, BUCKETS_MAX).next_power_of_two();
        Self {
            buckets: (0..buckets).map(|_| Link::new()).collect(),
            length: AtomicUsize::new(0),
            limit,
            adding: Mutex::new(()),
        }
    }

    /// The handle of a key that is in the table.
    #[inline]
    pub(super) fn get(&self, key: &Key) -> Option<&H> {
        let mut link = self.bucket(key);
        while let Some(node) = link.get() {
            if same(&node.key, key) {
                return Some(&node.handle);
            }
            link = &node.next;
        }
        None
    }

    /// The handle of a key, made if it is new. `None` when the table is full.
    pub(super) fn get_or_add(&self, key: &Key, make: impl FnOnce() -> H) -> Option<&H> {
        // The table is whole at any time: a `make` that panics has not begun to change it.
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut link = self.bucket(key);
        while let Some(node) = link.get() {
            if same(&node.key, key) {
                return Some(&node.handle);
            }
            link = &node.next;
        }
        if self.length.load(Ordering::Relaxed) >= self.limit {
            return None;
        }
        self.length.fetch_add(1, Ordering::Relaxed);
        let new = || Box::new(Node { key: key.to_retained(), handle: make(), next: Link::new() });
        Some(&link.get_or_init(new).handle)
    }

    /// Whether no further key can be added.
    pub(super) fn is_full(&self) -> bool {
        self.length.load(Ordering::Relaxed) >= self.limit
    }

    #[inline]
    fn bucket(&self, key: &Key) -> &Link<H> {
        // The hash of the facade is quick rather than even; multiplying brings all of its bits into the upper ones.
        let hash = key.get_hash().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }
}

impl<H> Drop for Table<H> {
    /// One node after the other: a long list dropped from its head would call itself as often as it is long.
    fn drop(&mut self) {
        for bucket in &mut self.buckets {
            let mut next = bucket.take();
            while let Some(mut node) = next {
                next = node.next.take();
            }
        }
    }
}

/// Whether two keys are equal. Those of one call site are the same strings at the same addresses, those of two have
/// their labels in the same order as a rule; what is neither is compared with care.
#[inline]
fn same(a: &Key, b: &Key) -> bool {
    if a.get_hash() != b.get_hash() {
        return false;
    }
    let (labels_of_a, labels_of_b) = (a.labels().as_slice(), b.labels().as_slice());
    let names = std::ptr::eq(a.name(), b.name()) || a.name() == b.name();
    names && (std::ptr::eq(labels_of_a, labels_of_b) || labels_of_a == labels_of_b) || a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::Label;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn a_key_is_found_by_content_in_any_order_of_labels() {
        let table = Table::new(10);
        let label = |k: &str, v: &str| Label::new(k.to_owned(), v.to_owned());
        let key = |labels| Key::from_parts("requests".to_owned(), labels);
        let a = key(vec![label("x", "1"), label("y", "2")]);
        assert_eq!(table.get(&a), None);
        assert_eq!(table.get_or_add(&a, || 7), Some(&7));
        assert_eq!(table.get(&key(vec![label("y", "2"), label("x", "1")])), Some(&7));
        assert_eq!(table.get_or_add(&a, || unreachable!()), Some(&7));
        for other in [vec![], vec![label("x", "1")], vec![label("x", "1"), label("y", "3")]] {
            assert_eq!(table.get(&key(other)), None);
        }
        assert_eq!(table.get(&Key::from_static_name("request")), None);
    }

    #[test]
    fn beyond_the_limit_nothing_is_added() {
        let table = Table::new(3);
        let key = |i: usize| Key::from_name(format!("n{i}"));
        let found: Vec<_> = (0..5).map(|i| table.get_or_add(&key(i), || i).copied()).collect();
        assert_eq!(found, [Some(0), Some(1), Some(2), None, None]);
        assert_eq!(table.get_or_add(&key(1), || 9), Some(&1));
        assert!(table.is_full());
        assert!(Table::<u8>::new(0).get_or_add(&key(0), || 0).is_none());
    }

    #[test]
    fn lists_grow_and_end_without_a_stack() {
        let table = Table::new(100_000); // 25 nodes a bucket
        for i in 0..table.limit {
            table.get_or_add(&Key::from_name(format!("n{i}")), || i);
        }
        assert_eq!(table.get(&Key::from_name("n777")), Some(&777));
        let mut long = Table::new(1);
        for i in 0..500_000 {
            let next = long.buckets[0].take().map_or_else(Link::new, Link::from);
            let node = Node { key: Key::from_static_name("n"), handle: i, next };
            long.buckets[0] = Link::from(Box::new(node));
        }
        drop(long);
    }

    #[test]
    fn one_handle_for_each_key_whatever_the_threads_do() {
        let table = Table::new(100);
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..10_000u32 {
                        let key = Key::from_name(format!("n{}", i % 100));
                        let new = || made.fetch_add(1, Ordering::Relaxed);
                        let handle = table.get(&key).or_else(|| table.get_or_add(&key, new));
                        assert_eq!(handle, table.get(&key));
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 100);
    }
}
