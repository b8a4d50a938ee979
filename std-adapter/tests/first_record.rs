//! The first record of a thread registers no destructor with the C library. That would take the loader's lock, which a
//! `dlopen` in another thread may hold for seconds.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use ringstat_core::send::from_fn;
use ringstat_std::{Client, Counter, Recorder};

thread_local! {
    static REGISTERED: Cell<usize> = const { Cell::new(0) };
}

/// Replaces the function of the C library, and counts its calls in each thread. Registered destructors are never run,
/// since this process ends soon.
// SAFETY: nothing else in this program has this name, and the arguments are those of the C library's function.
#[unsafe(no_mangle)]
extern "C" fn __cxa_thread_atexit_impl(
    _: unsafe extern "C" fn(*mut c_void),
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    REGISTERED.set(REGISTERED.get() + 1);
    0
}

/// Returns how many destructors `f` registers in a new thread.
fn registered(f: impl FnOnce() + Send) -> usize {
    std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            let before = REGISTERED.get();
            f();
            REGISTERED.get() - before
        });
        counting.join().unwrap()
    })
}

static COUNTER: Counter = Counter::new("c");

#[test]
fn the_first_record_registers_no_destructor() {
    struct Dropped;
    impl Drop for Dropped {
        fn drop(&mut self) {}
    }
    thread_local! {
        static WITH_DESTRUCTOR: Dropped = const { Dropped };
    }
    assert_eq!(registered(|| WITH_DESTRUCTOR.with(|_| ())), 1, "this test would notice");

    let stats = Client::builder("unused").build_with(from_fn(|_| Ok(()))).unwrap();
    let made = stats.counter("made", &[]);
    assert_eq!(registered(|| assert!(stats.count("c", 1u8).record().is_recorded())), 0);
    assert_eq!(registered(|| COUNTER.inc()), 0);
    assert_eq!(registered(|| made.inc()), 0);
    assert_eq!(registered(|| assert!(stats.register_thread())), 0);
    assert_eq!(COUNTER.total(), 1);
}
