//! Whether this is still the process in which something was made.
//!
//! After a `fork` the child has a copy of everything but the threads: rings that nobody drains, locks that were held
//! and stay held, a socket that is the parent's. A [`ForkByte`] tells at the price of the load that a record call makes
//! anyway. It lies in pages that the kernel hands to a child as zeros (`MADV_WIPEONFORK`, Linux 4.14), however the
//! child came to be; where there is no such thing, as on other systems or under QEMU's user mode, a hook of
//! `pthread_atfork` writes the zeros, which a bare system call gets round. [`PerProcess`] keeps what every process has
//! of its own.
//!
//! Nothing here takes a lock: one that another thread held at the fork would never be free again in the child.

mod fork_byte;
mod per_process;

pub(crate) use fork_byte::{FORKED, ForkByte};
pub(crate) use per_process::PerProcess;
