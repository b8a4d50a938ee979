//! A map from keys to handles, for recorders that are given a key at every call (the `metrics` facade, the `tracing`
//! layer).
//!
//! A lookup has to be cheap: it takes no lock, writes nothing and allocates nothing. Keys are never removed, so the
//! table only grows: each bucket is a list to the end of which nodes are added, once and for all. Callers provide the
//! hash of their key and a comparison, since they hold the key in another form than the table does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::process::{ForkByte, PerProcess};

/// A table of at most `limit` keys of type `K`, each with a handle of type `H`.
#[derive(Debug)]
pub(crate) struct Table<K, H> {
    buckets: Box<[Link<K, H>]>,
    length: AtomicUsize,
    limit: usize,
    /// Held while a key is added.
    adding: Mutex<()>,
    /// Whether this is the process in which the table was made.
    mine: ForkByte,
    /// The keys that a child adds: another thread may have been adding one here at the fork.
    in_children: PerProcess<Self>,
}

type Link<K, H> = OnceLock<Box<Node<K, H>>>;

#[derive(Debug)]
struct Node<K, H> {
    key: K,
    handle: H,
    next: Link<K, H>,
}

/// The largest number of buckets, of 16 bytes each. Beyond that, lists get longer than one node.
const BUCKETS_MAX: usize = 4096;

impl<K, H> Table<K, H> {
    pub(crate) fn new(limit: usize) -> Self {
        let buckets = limit.clamp(1, BUCKETS_MAX).next_power_of_two();
        Self {
            buckets: (0..buckets).map(|_| Link::new()).collect(),
            length: AtomicUsize::new(0),
            limit,
            adding: Mutex::new(()),
            mine: ForkByte::new(1),
            in_children: PerProcess::new(),
        }
    }

    /// The table to which this process adds keys.
    fn here(&self) -> &Self {
        if self.mine.is_forked() { self.in_children.get_or(|| Self::new(self.limit)) } else { self }
    }

    /// The handle of the key that has this hash and for which `is` holds.
    #[inline]
    pub(crate) fn get(&self, hash: u64, is: impl Fn(&K) -> bool) -> Option<&H> {
        self.find(hash, is).ok()
    }

    /// The handle of a key; if the key is new, it is added with the handle that `make` returns. `None` if the table is
    /// full.
    pub(crate) fn get_or_add(
        &self,
        hash: u64,
        is: impl Fn(&K) -> bool,
        make: impl FnOnce() -> (K, H),
    ) -> Option<&H> {
        let here = self.here();
        // The table is consistent at any time: a `make` that panics has not begun to change it.
        let _adding = here.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let end = match here.find(hash, is) {
            Ok(handle) => return Some(handle),
            Err(end) => end,
        };
        if here.is_full() {
            return None;
        }
        here.length.fetch_add(1, Ordering::Relaxed);
        let new = || {
            let (key, handle) = make();
            Box::new(Node { key, handle, next: Link::new() })
        };
        Some(&end.get_or_init(new).handle)
    }

    /// Whether no further key can be added.
    pub(crate) fn is_full(&self) -> bool {
        let here = self.here();
        here.length.load(Ordering::Relaxed) >= here.limit
    }

    /// The handle of a key, or the end of the list to which it would be added.
    #[inline]
    fn find(&self, hash: u64, is: impl Fn(&K) -> bool) -> Result<&H, &Link<K, H>> {
        // Hashes may be fast rather than uniform; multiplying brings all their bits into the upper half.
        let hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let mut link = &self.buckets[hash as usize & (self.buckets.len() - 1)];
        while let Some(node) = link.get() {
            if is(&node.key) {
                return Ok(&node.handle);
            }
            link = &node.next;
        }
        Err(link)
    }
}

impl<K, H> Drop for Table<K, H> {
    /// Nodes are dropped one after the other: dropping a long list from its head would recurse once per node.
    fn drop(&mut self) {
        for bucket in &mut self.buckets {
            let mut next = bucket.take();
            while let Some(mut node) = next {
                next = node.next.take();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    fn hash(key: &str) -> u64 {
        key.bytes().fold(7, |hash, byte| hash * 31 + u64::from(byte))
    }

    fn add<'t>(table: &'t Table<String, usize>, key: &str, handle: usize) -> Option<&'t usize> {
        table.get_or_add(hash(key), |k| k == key, || (key.to_owned(), handle))
    }

    fn get(table: &Table<String, usize>, key: &str) -> Option<usize> {
        table.get(hash(key), |k| k == key).copied()
    }

    #[test]
    fn beyond_the_limit_nothing_is_added() {
        let table = Table::new(3);
        let found: Vec<_> = (0..5).map(|i| add(&table, &format!("n{i}"), i).copied()).collect();
        assert_eq!(found, [Some(0), Some(1), Some(2), None, None]);
        assert_eq!(add(&table, "n1", 9), Some(&1));
        assert!(table.is_full());
        assert!(add(&Table::new(0), "n0", 0).is_none());
    }

    #[test]
    fn lists_grow_and_end_without_a_stack() {
        let table = Table::new(100_000); // 25 nodes a bucket
        for i in 0..table.limit {
            add(&table, &format!("n{i}"), i);
        }
        assert_eq!(get(&table, "n777"), Some(777));
        let mut long = Table::new(1);
        for i in 0..500_000 {
            let next = long.buckets[0].take().map_or_else(Link::new, Link::from);
            long.buckets[0] = Link::from(Box::new(Node { key: (), handle: i, next }));
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
                        let key = format!("n{}", i % 100);
                        let new = || (key.clone(), made.fetch_add(1, Ordering::Relaxed));
                        let (hash, is) = (hash(&key), |k: &String| *k == key);
                        let handle =
                            table.get(hash, is).or_else(|| table.get_or_add(hash, is, new));
                        assert_eq!(handle, table.get(hash, is));
                    }
                });
            }
        });
        assert_eq!(made.into_inner(), 100);
    }
}
