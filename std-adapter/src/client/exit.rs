//! What happens to clients when the process ends.
//!
//! A process that returns from `main` or calls [`std::process::exit`] drops neither its `static`s nor what other
//! threads hold. Whatever a client there has not sent yet is lost, up to a batch age of events and a flush interval of
//! instruments, and the ledger with it. [`Client::flush_on_exit`](super::Client::flush_on_exit) makes the C library end
//! such clients.

use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::thread::{Thread, after};
use crate::process::PerProcess;

/// The clients of this process to end. A child does not end its parent's clients.
static CLIENTS: PerProcess<Mutex<Vec<Weak<Thread>>>> = PerProcess::new();

pub(super) fn clients() -> MutexGuard<'static, Vec<Weak<Thread>>> {
    CLIENTS.get_or(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends `thread` when the process exits. Returns whether the system agreed to call us.
pub(super) fn end_at_exit(thread: Weak<Thread>) -> bool {
    let mut clients = clients();
    clients.retain(|client| client.strong_count() > 0);
    clients.push(thread);
    drop(clients);
    system::register()
}

/// Ends every client that still exists. All of them are told first, so that they send at the same time.
fn end_all() {
    let clients = std::mem::take(&mut *clients());
    let clients: Vec<_> = clients.iter().filter_map(Weak::upgrade).collect();
    for client in &clients {
        client.ask_to_end(after(client.linger()));
    }
    for client in &clients {
        client.wait_for_end(after(client.linger()));
    }
}

#[cfg(unix)]
mod system {
    #![allow(unsafe_code)] // One call of the C library that has no safe wrapper.

    use crate::process::PerProcess;

    use nix::libc;

    extern "C" fn at_exit() {
        // A panic must not leave a function that is called from C.
        let _ = std::panic::catch_unwind(super::end_all);
    }

    /// Registers the hook, once per process. A child inherits what its parent registered; a second call does no harm.
    pub(super) fn register() -> bool {
        static REGISTERED: PerProcess<bool> = PerProcess::new();
        // SAFETY: `atexit` takes any function without arguments, keeps it until the process ends, and then calls it on
        // the thread that ends the process. `at_exit` is such a function, lives as long as the program, and does not
        // unwind.
        *REGISTERED.get_or(|| unsafe { libc::atexit(at_exit) } == 0)
    }
}

/// On Windows `std::process::exit` passes the C library by, and what it was asked to do at the end is not done.
#[cfg(not(unix))]
mod system {
    pub(super) fn register() -> bool {
        let _ = super::end_all;
        false
    }
}
