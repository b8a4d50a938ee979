//! What a reader may see of an instrument in the middle of a record; see `ring/loom_tests.rs` for the traps that these
//! tests avoid.

use std::sync::atomic::AtomicUsize as Count;
use std::sync::atomic::Ordering::SeqCst;

use loom::sync::Arc;
use loom::thread;

use super::total::{Total, TwoWords};
use super::{BiasedCounter, Buckets, Histogram, Instrument, Owners};
use crate::record::Value;

fn model(least: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let iterations = std::sync::Arc::new(Count::new(0));
    let counted = iterations.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        scenario();
    });
    let iterations = iterations.load(SeqCst);
    std::println!("explored {iterations} times");
    assert!(iterations >= least, "explored only {iterations} times");
}

/// Everything that a version counts is in the sum and the buckets that are read after it.
#[test]
fn histogram_lacks_nothing_of_its_version() {
    model(20, || {
        let histogram = Arc::new(Histogram::<2>::for_model());
        let recording = {
            let histogram = histogram.clone();
            thread::spawn(move || (0..2).for_each(|_| histogram.record(1)))
        };
        let reading = {
            let histogram = histogram.clone();
            thread::spawn(move || (histogram.version(), histogram.sum(), histogram.bucket_count(1)))
        };
        recording.join().unwrap();
        let (version, sum, count) = reading.join().unwrap();
        let Value::U64(sum) = sum else { unreachable!("a sum of integers") };
        assert!((u64::from(version)..=2).contains(&sum), "{sum} of {version}");
        assert!((u64::from(version)..=2).contains(&count), "{count} of {version}");
    });
}

/// A total in two words is never seen to go back or ahead, whichever word a reader reads in between.
#[test]
fn total_in_halves_does_not_tear() {
    const FROM: u64 = (1 << 31) - 1;
    model(10, || {
        let total = Arc::new(TwoWords::new());
        total.add(FROM);
        let adding = {
            let total = total.clone();
            thread::spawn(move || (0..2).for_each(|_| total.add(1)))
        };
        let reading = {
            let total = total.clone();
            thread::spawn(move || [total.get(), total.get()])
        };
        adding.join().unwrap();
        let [first, second] = reading.join().unwrap();
        assert!(FROM <= first && first <= second && second <= FROM + 2, "{first} {second}");
        assert_eq!(total.get(), FROM + 2);
    });
}

/// An owner adds with a plain load and store: what the last owner added must not be lost.
#[test]
fn owners_go_on_where_the_last_one_stopped() {
    model(10, || {
        let shared = Arc::new((Owners::new(), Total::new(), Total::new()));
        let add = || {
            let shared = shared.clone();
            thread::spawn(move || {
                let (owners, own, others) = &*shared;
                match owners.take(1) {
                    Some(number) => {
                        own.add_alone(1);
                        owners.give_back(number);
                    }
                    None => others.add(1),
                }
            })
        };
        let parties = [add(), add()];
        parties.into_iter().for_each(|p| p.join().unwrap());
        assert_eq!(shared.1.get() + shared.2.get(), 2);
    });
}

/// Of two threads that add for the first time, one becomes the owner, which adds with a plain load and store.
#[test]
fn biased_towards_one_thread_only() {
    model(10, || {
        let counter = Arc::new(BiasedCounter::<2>::new("c"));
        let add = |number| {
            let counter = counter.clone();
            thread::spawn(move || (0..2).for_each(|_| counter.add_in(number, 1)))
        };
        let parties = [add(0), add(1)];
        parties.into_iter().for_each(|p| p.join().unwrap());
        assert_eq!(counter.total(), 4);
    });
}
