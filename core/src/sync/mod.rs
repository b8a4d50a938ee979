//! Every atomic of this crate is imported through this file, so that all of them can be switched here.
//!
//! - normally: `portable-atomic`, which is `core::sync::atomic` where the target has the operation and a critical
//!   section where it does not (compare-and-swap on thumbv6m; for 64-bit values on 32-bit parts see `wide`);
//! - under `--cfg loom`: loom's models, so that the rings and the interner are checked exhaustively.
//!
//! loom's constructors are not `const`, hence [`const_fn!`], which declares a `const fn` that is not `const` under
//! loom.

#[cfg(loom)]
pub(crate) use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

#[cfg(not(loom))]
pub(crate) use portable_atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

#[cfg(all(not(loom), target_has_atomic = "64"))]
pub(crate) use portable_atomic::AtomicU64;

#[cfg(all(not(loom), not(target_has_atomic = "64"), feature = "hal-atomics"))]
mod atomic64;
#[cfg(all(not(loom), not(target_has_atomic = "64"), feature = "hal-atomics"))]
pub(crate) use atomic64::AtomicU64;

#[cfg(all(not(loom), not(target_has_atomic = "64"), not(feature = "hal-atomics")))]
compile_error!("this target has no 64-bit atomics: enable the feature `critical-section`");

#[cfg(feature = "alloc")]
mod prefetch;
#[cfg(feature = "alloc")]
pub(crate) use prefetch::prefetch_to_write;

/// `core::cell::UnsafeCell` with loom's closure interface, so that one source serves both.
#[cfg(not(loom))]
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Passes `f` the pointer for reading. The caller's SAFETY comment says why nobody writes meanwhile.
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Passes `f` the pointer for writing. The caller's SAFETY comment says why nobody else accesses it meanwhile.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// A value in cache lines of its own, so that writes to it do not slow down users of its neighbours.
///
/// The alignment is 128 bytes where the prefetcher fetches lines in pairs (x86-64) or lines are that long (some
/// AArch64), and 64 on other hosts. Chips have no shared caches and little memory, so there is no alignment there.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), repr(align(128)))]
#[cfg_attr(
    all(target_pointer_width = "64", not(any(target_arch = "x86_64", target_arch = "aarch64"))),
    repr(align(64))
)]
#[derive(Debug, Default)]
pub(crate) struct CachePadded<T>(T);

impl<T> CachePadded<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> core::ops::Deref for CachePadded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Whether a deliberate mistake is requested. The model checker's script requests one after the other through the
/// variable `RINGSTAT_MUTANT`, to show that each would be caught. Outside loom this is constant `false` and is
/// optimized away.
#[cfg(not(loom))]
#[inline(always)]
pub(crate) const fn mutant(_name: &str) -> bool {
    false
}

#[cfg(loom)]
pub(crate) fn mutant(name: &str) -> bool {
    static ASKED: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    ASKED.get_or_init(|| std::env::var("RINGSTAT_MUTANT").ok()).as_deref() == Some(name)
}

/// Declares a `const fn`, or under loom the same function without `const`.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)*) => {
        #[cfg(not(loom))]
        $(#[$meta])* $vis const fn $($rest)*
        #[cfg(loom)]
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;
