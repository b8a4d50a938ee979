//! Calls back when a thread ends, at a price that a record call can pay.
//!
//! A `thread_local!` with a destructor would do, but its first use in a thread goes through `__cxa_thread_atexit_impl`:
//! a `calloc`, and the loader's lock, which a `dlopen` in another thread holds for as long as the constructors of the
//! library run, which may take seconds. A POSIX key needs none of this: glibc keeps the values of the first 32 keys in
//! the thread's own control block, and musl those of all keys, so that setting one is a store. (If others have taken 32
//! keys before, glibc allocates a block for 32 more, once per thread.) The key's destructor runs in the thread itself,
//! after the destructors of its `thread_local!`s, which may still record.
//!
//! If a library that contains this code is unloaded while a thread that recorded is alive, the destructor no longer
//! exists when the thread ends, and neither does the worker's code. End the client, and the threads that recorded,
//! before unloading.
//!
//! On systems other than Linux, this is a `thread_local!` with a destructor.

use std::cell::Cell;

/// Gives something back when a thread ends.
type Hook = fn();

thread_local! {
    static HOOKS: Cell<[Option<Hook>; 2]> = const { Cell::new([None; 2]) };
    static ENDING: Cell<bool> = const { Cell::new(false) };
}

/// Calls `hook` when the calling thread ends. Returns `false`, and does nothing, if the thread is already ending or
/// there is no room. Registering a hook twice has no further effect. Takes neither lock nor heap.
pub(crate) fn on_exit(hook: Hook) -> bool {
    let mut hooks = HOOKS.get();
    if ENDING.get() || !armed::arm() {
        return false;
    }
    let known = |h: &&mut Option<Hook>| h.is_none_or(|h| std::ptr::fn_addr_eq(h, hook));
    let Some(place) = hooks.iter_mut().find(known) else { return false };
    *place = Some(hook);
    HOOKS.set(hooks);
    true
}

/// Runs the hooks of the calling thread, which is ending.
fn ended() {
    ENDING.set(true);
    for hook in HOOKS.take().into_iter().flatten() {
        hook();
    }
}

#[cfg(all(target_os = "linux", any(target_env = "gnu", target_env = "musl")))]
mod armed {
    #![allow(unsafe_code)] // Two calls of pthreads that have no safe wrapper.

    use std::ffi::c_void;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::libc;

    /// The key plus one; 0 before it exists. The first thread creates it, without a lock.
    static KEY: AtomicU64 = AtomicU64::new(0);

    /// Arranges for [`ended`](super::ended) to be called when this thread ends.
    pub(super) fn arm() -> bool {
        // SAFETY: the key was made and is never deleted; the value is not null and never dereferenced.
        key().is_some_and(
            |key| unsafe { libc::pthread_setspecific(key, (&raw const KEY).cast()) } == 0,
        )
    }

    fn key() -> Option<libc::pthread_key_t> {
        let made = match KEY.load(Ordering::Relaxed) {
            0 => make()?,
            made => made,
        };
        libc::pthread_key_t::try_from(made - 1).ok()
    }

    #[cold]
    fn make() -> Option<u64> {
        let mut key = 0;
        // SAFETY: `key` is a valid place, and `destroy` may be called in any thread when it ends.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(destroy)) } != 0 {
            return None;
        }
        let mine = u64::from(key) + 1;
        // Relaxed: the number is all there is to see.
        match KEY.compare_exchange(0, mine, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Some(mine),
            Err(first) => {
                // SAFETY: the key was created above, and nobody else knows of it.
                unsafe { libc::pthread_key_delete(key) };
                Some(first)
            }
        }
    }

    extern "C" fn destroy(_: *mut c_void) {
        super::ended();
    }
}

#[cfg(not(all(target_os = "linux", any(target_env = "gnu", target_env = "musl"))))]
mod armed {
    struct Guard;

    impl Drop for Guard {
        fn drop(&mut self) {
            super::ended();
        }
    }

    thread_local! {
        static GUARD: Guard = const { Guard };
    }

    /// Arranges for [`ended`](super::ended) to be called when this thread ends.
    pub(super) fn arm() -> bool {
        GUARD.try_with(|_| ()).is_ok()
    }
}
