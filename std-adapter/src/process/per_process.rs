//! Something that each process has of its own.

use super::ForkByte;

/// A `T` of this process. That of the parent is still there in a child, and not seen.
#[derive(Debug)]
pub(crate) struct PerProcess<T>(boxcar::Vec<(ForkByte, T)>);

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(boxcar::Vec::new())
    }

    /// What was first put in by this process.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.iter().find(|(_, (byte, _))| !byte.is_forked()).map(|(_, (_, value))| value)
    }

    /// What the process has, or `make` makes.
    pub(crate) fn get_or(&self, make: impl Fn() -> T) -> &T {
        loop {
            if let Some(value) = self.get() {
                return value;
            }
            // Of two at once the first is everybody's.
            self.put(make());
        }
    }

    /// Puts the value in. It counts only where there is none.
    pub(crate) fn put(&self, value: T) {
        self.0.push((ForkByte::new(MINE), value));
    }

    /// What was put in last, by this process or one that it was forked from.
    pub(crate) fn latest(&self) -> Option<&T> {
        self.0.iter().last().map(|(_, (_, value))| value)
    }
}

/// Anything but 0.
const MINE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_first_counts_and_a_parents_does_not() {
        let each = PerProcess::new();
        assert_eq!((each.get(), each.latest()), (None, None));
        assert_eq!(each.get_or(|| 1), &1);
        each.put(2);
        assert_eq!((each.get_or(|| 3), each.latest()), (&1, Some(&2)));
        // As in a child.
        each.0
            .iter()
            .for_each(|(_, (byte, _))| byte.store(super::super::FORKED, Ordering::Relaxed));
        assert_eq!((each.get(), each.latest()), (None, Some(&2)));
        assert_eq!(each.get_or(|| 4), &4);
    }
}
