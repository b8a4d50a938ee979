//! When two keys of the facade are the same.

use metrics::Key;

/// Whether two keys are equal. Keys from one call site are the same strings at the same addresses, and keys from two
/// call sites usually have their labels in the same order; only keys that match in neither way are compared in full.
#[inline]
pub(super) fn same(a: &Key, b: &Key) -> bool {
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

    #[test]
    fn keys_are_the_same_by_content_in_any_order_of_labels() {
        let label = |k: &str, v: &str| Label::new(k.to_owned(), v.to_owned());
        let key = |labels| Key::from_parts("requests".to_owned(), labels);
        let a = key(vec![label("x", "1"), label("y", "2")]);
        assert!(same(&a, &key(vec![label("y", "2"), label("x", "1")])));
        for other in [vec![], vec![label("x", "1")], vec![label("x", "1"), label("y", "3")]] {
            assert!(!same(&a, &key(other)));
        }
        assert!(!same(&a, &Key::from_static_name("request")));
    }
}
