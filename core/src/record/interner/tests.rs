//! Each string once, a bounded number of probes, and a full interner.

use super::*;
use std::format;

#[test]
fn each_string_once_and_back_again() {
    static NAMES: Interner<8, 64> = Interner::new();
    let a = NAMES.intern("a.b").unwrap();
    let b = NAMES.intern("température").unwrap();
    assert_eq!(NAMES.intern("a.b"), Ok(a));
    assert_ne!(a, b);
    assert_eq!((NAMES.resolve(a), NAMES.resolve(b)), (Some("a.b"), Some("température")));
    assert_eq!((NAMES.len(), NAMES.bytes_used()), (2, 3 + "température".len()));
    assert_eq!(NAMES.resolve(Symbol(99)), None);
}

#[test]
fn when_it_is_full_it_says_so_and_keeps_what_it_has() {
    let names: Interner<4, 1000> = Interner::new();
    for i in 0..4 {
        names.intern(&format!("n{i}")).unwrap();
    }
    assert_eq!(names.intern("n4"), Err(InternError::Full));
    assert!(names.intern("n2").is_ok());
    let small: Interner<100, 10> = Interner::new();
    small.intern("12345678").unwrap();
    assert_eq!(small.intern("abc"), Err(InternError::Full));
    assert!(small.intern("ab").is_ok());
    assert_eq!(small.intern(""), Err(InternError::Length));
    assert_eq!(small.intern(&"x".repeat(256)), Err(InternError::Length));
    assert_eq!(small.refused(), 3);
}

/// Few probes on average, and a bounded number at worst, whether a string is known or new or there is no room for
/// it.
#[test]
fn looks_are_bounded_also_when_it_is_full() {
    static NAMES: Interner<4096, 65_536> = Interner::new();
    let look = |range: core::ops::Range<u32>, fits: bool| {
        let (mut sum, mut most) = (0, 0);
        for i in range.clone() {
            let mut probes = 0;
            let found = NAMES.find_or_insert(&format!("name.{i}"), &mut probes);
            assert_eq!(found.is_ok(), fits, "{i}");
            (sum, most) = (sum + probes, most.max(probes));
        }
        assert!(most <= PROBES, "{most} looks");
        let average = sum as f64 / range.len() as f64;
        assert!(average < 4.0, "{average} looks on the average");
    };
    look(0..4096, true);
    assert_eq!(NAMES.len(), NAMES.capacity());
    look(0..4096, true);
    look(4096..20_000, false);
    assert_eq!(NAMES.len(), 4096);
}

#[test]
fn threads_agree_on_symbols() {
    static NAMES: Interner<256, 4096> = Interner::new();
    let symbols = std::thread::scope(|scope| {
        let threads: std::vec::Vec<_> = (0..4)
            .map(|t| {
                scope.spawn(move || {
                    let intern = |i: usize| NAMES.intern(&format!("name.{}", (i * (t + 1)) % 100));
                    (0..1000).for_each(|i| assert!(intern(i).is_ok()));
                })
            })
            .collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
        (0..100).map(|i| NAMES.intern(&format!("name.{i}")).unwrap()).collect::<std::vec::Vec<_>>()
    });
    for (i, symbol) in symbols.iter().enumerate() {
        assert_eq!(NAMES.resolve(*symbol), Some(&*format!("name.{i}")));
    }
    assert_eq!(NAMES.len(), 100);
}
