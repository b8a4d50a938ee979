//! What has come to a distribution since an earlier state of it: buckets with the values in their middles.

/// The number of samples in all buckets.
pub(crate) fn count(buckets: &[(f64, u64)]) -> u64 {
    buckets.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n))
}

/// What has come since `before`, which had no more samples, in `now`, whose values rise. Where buckets have become one in between, a sample of before is
/// taken off the nearest; the number of all is exact.
pub(crate) fn since(now: Vec<(f64, u64)>, before: &[(f64, u64)]) -> Vec<(f64, u64)> {
    let mut more: Vec<_> = now.into_iter().map(|(value, n)| (value, i128::from(n))).collect();
    for (value, n) in before {
        let behind = more.partition_point(|(of, _)| of < value);
        let near = [behind.checked_sub(1), Some(behind)].into_iter().flatten();
        let away = |at: usize| more.get(at).map_or(f64::INFINITY, |(of, _)| (of - value).abs());
        let nearest = near.min_by(|a, b| away(*a).total_cmp(&away(*b)));
        if let Some((_, count)) = nearest.and_then(|at| more.get_mut(at)) {
            *count -= i128::from(*n);
        }
    }
    let mut owed: i128 = more.iter().map(|(_, n)| -n.min(&0)).sum();
    for (_, n) in &mut more {
        let paid = owed.min(*n).max(0);
        (*n, owed) = ((*n - paid).max(0), owed - paid);
    }
    let growth = |(value, n): (f64, i128)| (value, u64::try_from(n).unwrap_or(u64::MAX));
    more.into_iter().filter(|(_, n)| *n > 0).map(growth).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_come_is_the_difference_also_when_buckets_become_one() {
        let before = [(1.0, 5), (2.0, 3), (3.0, 1)];
        let same = since(vec![(1.0, 5), (2.0, 4), (3.0, 1), (9.0, 2)], &before);
        assert_eq!(same, [(2.0, 1), (9.0, 2)]);
        assert_eq!(since(before.to_vec(), &before), []);
        // 1 and 2 are one bucket now, and there are two more samples in it.
        assert_eq!(since(vec![(1.5, 10), (3.0, 1)], &before), [(1.5, 2)]);
        // One was counted nearer to another bucket than it is now: the number of all is exact.
        let moved = since(vec![(0.9, 2), (2.1, 9), (3.0, 3)], &before);
        assert_eq!(count(&moved), 14 - 9);
        assert_eq!(since(Vec::new(), &[]), []);
        assert_eq!(since(vec![(1.0, u64::MAX)], &[]), [(1.0, u64::MAX)]);
    }
}
