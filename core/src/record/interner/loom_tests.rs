//! See `ring/loom_tests.rs` for the traps that these tests avoid.

use super::*;
use loom::sync::Arc;
use std::sync::atomic::AtomicUsize as Count;
use std::sync::atomic::Ordering::SeqCst;
use std::vec::Vec;

#[test]
fn intern_publishes_whole_strings_once() {
    let iterations = std::sync::Arc::new(Count::new(0));
    let counted = iterations.clone();
    loom::model(move || {
        counted.fetch_add(1, SeqCst);
        let names: Arc<Interner<2, 4>> = Arc::new(Interner::new());
        let spawn = |text: &'static str| {
            let names = names.clone();
            loom::thread::spawn(move || {
                let symbol = names.intern(text).unwrap();
                let entry = names.slot(symbol.0 as usize).unwrap().load(Ordering::Acquire);
                (text, symbol, names.bytes_of(entry).collect::<Vec<_>>())
            })
        };
        let parties = [spawn("a"), spawn("b")];
        let seen = parties.map(|p| p.join().unwrap());
        for (text, _, bytes) in &seen {
            assert_eq!(bytes, text.as_bytes());
        }
        assert_ne!(seen[0].1, seen[1].1);
        let both = ["a", "b"].map(|t| names.intern(t).unwrap());
        assert_eq!(both, [seen[0].1, seen[1].1], "found again");
    });
    let iterations = iterations.load(SeqCst);
    std::println!("explored {iterations} times");
    assert!(iterations >= 20, "explored only {iterations} times");
}

#[test]
fn intern_of_the_same_string_agrees() {
    loom::model(|| {
        let names: Arc<Interner<2, 4>> = Arc::new(Interner::new());
        let spawn = || {
            let names = names.clone();
            loom::thread::spawn(move || names.intern("a").unwrap())
        };
        let parties = [spawn(), spawn()];
        let [a, b] = parties.map(|p| p.join().unwrap());
        assert_eq!(a, b);
    });
}
