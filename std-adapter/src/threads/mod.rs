//! What belongs to a thread: a small number, so that it can own a cell of each sharded counter, and what it gives back
//! when it ends.

use std::cell::Cell;

use ringstat_core::instrument::Owners;

mod exit;

pub(crate) use exit::on_exit;

/// The number of threads that own a cell; all others share one more.
pub(crate) const OWNERS: usize = 8;

static NUMBERS: Owners = Owners::new();

/// The number of a thread that has not asked for one yet.
const UNKNOWN: usize = usize::MAX;

thread_local! {
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
}

/// The calling thread's number below [`OWNERS`], or `OWNERS` if the thread shares.
#[inline]
pub(crate) fn number() -> usize {
    match NUMBER.get() {
        UNKNOWN => take(),
        number => number,
    }
}

/// Runs once per thread; see [`on_exit`] for what it costs.
#[cold]
fn take() -> usize {
    // A number that would not be given back is not taken.
    let free = if on_exit(give_back) { NUMBERS.take(OWNERS) } else { None };
    let number = free.unwrap_or(OWNERS);
    NUMBER.set(number);
    number
}

fn give_back() {
    let number = NUMBER.replace(OWNERS);
    if number < OWNERS {
        NUMBERS.give_back(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_threads_own_until_it_ends() {
        let one = || std::thread::spawn(|| [number(), number()]).join().unwrap();
        let taken: std::collections::BTreeSet<_> = (0..100).map(|_| one()).collect();
        assert!(taken.iter().all(|[first, second]| first == second));
        // A hundred threads, one after the other, so the numbers were given back. (Other tests may hold some.)
        assert!(taken.iter().any(|[number, _]| *number < OWNERS));
        let own = number();
        assert_eq!(number(), own);
    }
}
