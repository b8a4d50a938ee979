//! The keys of the facade, and when two are the same.

use metrics::Key;

/// Where a key has its name and its labels, as addresses and lengths.
pub(super) type Place = [usize; 4];

#[inline]
pub(super) fn place(key: &Key) -> Place {
    let (name, labels) = (key.name(), key.labels().as_slice());
    [name.as_ptr().addr(), name.len(), labels.as_ptr().addr(), labels.len()]
}

/// A key that is kept for good.
#[derive(Debug)]
pub(super) struct Known {
    key: Key,
    place: Place,
}

impl Known {
    pub(super) fn new(key: &Key) -> Self {
        let key = key.to_retained();
        let place = place(&key);
        Self { key, place }
    }

    /// Whether it is `key`, which has name and labels at `place`.
    ///
    /// Keys from one call site are the same strings at the same addresses, where nothing else can be while this is kept.
    /// Keys from two call sites usually have their labels in the same order; only those that match in neither way are
    /// compared in full.
    #[inline]
    pub(super) fn is(&self, key: &Key, place: Place) -> bool {
        self.place == place || self.is_equal(key)
    }

    #[inline(never)]
    fn is_equal(&self, other: &Key) -> bool {
        let key = &self.key;
        if key.get_hash() != other.get_hash() {
            return false;
        }
        let labels = key.labels().as_slice() == other.labels().as_slice();
        (labels && key.name() == other.name()) || key == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::Label;

    #[test]
    fn keys_are_the_same_by_content_in_any_order_of_labels() {
        let label = |k: &str, v: &str| Label::new(k.to_owned(), v.to_owned());
        let key = |labels| Key::from_parts("requests".to_owned(), labels);
        let a = Known::new(&key(vec![label("x", "1"), label("y", "2")]));
        let is = |other: &Key| a.is(other, place(other));
        assert!(is(&key(vec![label("y", "2"), label("x", "1")])));
        for other in [vec![], vec![label("x", "1")], vec![label("x", "1"), label("y", "3")]] {
            assert!(!is(&key(other)));
        }
        assert!(!is(&Key::from_static_name("request")));
    }

    #[test]
    fn a_key_in_a_static_is_recognized_by_its_place_alone() {
        static LABELS: [Label; 1] = [Label::from_static_parts("x", "1")];
        static KEY: Key = Key::from_static_parts("requests", &LABELS);
        let known = Known::new(&KEY);
        assert_eq!(known.place, place(&KEY));
        assert!(known.is(&KEY, place(&KEY)) && known.is_equal(&KEY));
    }
}
