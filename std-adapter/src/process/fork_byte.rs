//! A byte that is 0 in every child of the process.

use std::ops::Deref;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// In a child, whatever it was in the parent.
pub(crate) const FORKED: u8 = 0;

/// Nobody's, in the process that gave it back.
const FREE: u8 = u8::MAX - 2;

/// A byte that its owner may set to anything but 0 and 253.
#[derive(Debug)]
pub(crate) struct ForkByte(&'static AtomicU8);

impl ForkByte {
    /// A byte with that value in this process.
    pub(crate) fn new(value: u8) -> Self {
        loop {
            if let Some(byte) = PAGES.iter().find_map(|(_, page)| page.take(value)) {
                return Self(byte);
            }
            // Two at once are two pages: they are used up before there is a third.
            PAGES.push(Page::new());
        }
    }

    /// Whether this is a child of the process in which it was made.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.0.load(Ordering::Relaxed) == FORKED
    }
}

impl Deref for ForkByte {
    type Target = AtomicU8;

    #[inline]
    fn deref(&self) -> &AtomicU8 {
        self.0
    }
}

impl Drop for ForkByte {
    /// Gives the place back. That of a child it is not to give: there the parent's bytes stay 0 for good.
    fn drop(&mut self) {
        let free = |now| (now != FORKED).then_some(FREE);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free);
    }
}

/// A page of bytes that a child has as zeros. It is never unmapped, and its places are used again.
struct Page {
    /// One byte in use for each line of the cache: those of two clients do not disturb each other.
    bytes: &'static [AtomicU8],
    /// Places that were ever given out, in this process or in one that it was forked from.
    used: AtomicUsize,
    /// Whether the hook has to wipe it, as the kernel does not.
    by_hook: bool,
}

static PAGES: boxcar::Vec<Page> = boxcar::Vec::new();

const PAGE: usize = 4096;
const LINE: usize = 64;

impl Page {
    fn new() -> Self {
        let used = AtomicUsize::new(0);
        if let Some(bytes) = system::wiped_page() {
            return Self { bytes, used, by_hook: false };
        }
        system::call_in_children(wipe);
        let bytes = Box::leak((0..PAGE).map(|_| AtomicU8::new(FORKED)).collect());
        Self { bytes, used, by_hook: true }
    }

    fn place(&self, index: usize) -> Option<&'static AtomicU8> {
        self.bytes.get(index.checked_mul(LINE)?)
    }

    /// A place that was given back, or one that never was in use.
    fn take(&self, value: u8) -> Option<&'static AtomicU8> {
        let relaxed = Ordering::Relaxed;
        let given_back = (0..self.used.load(relaxed))
            .filter_map(|index| self.place(index))
            .find(|byte| byte.compare_exchange(FREE, value, relaxed, relaxed).is_ok());
        given_back.or_else(|| {
            let next = |used| self.place(used).map(|_| used + 1);
            let byte = self.place(self.used.fetch_update(relaxed, relaxed, next).ok()?)?;
            byte.store(value, relaxed);
            Some(byte)
        })
    }

    /// Does what the kernel would, where it does not.
    fn wipe(&self) {
        if self.by_hook {
            self.bytes.iter().for_each(|byte| byte.store(FORKED, Ordering::Relaxed));
        }
    }
}

/// The hook in a child.
extern "C" fn wipe() {
    PAGES.iter().for_each(|(_, page)| page.wipe());
}

#[cfg(unix)]
mod system {
    #![allow(unsafe_code)] // Calls of the kernel and of pthreads that have no safe wrapper.

    use nix::libc;

    use super::AtomicU8;

    /// What a kernel that looks at advice refuses.
    #[cfg(target_os = "linux")]
    const NO_ADVICE: libc::c_int = -1;

    /// A page that a child has as zeros, where the kernel knows how.
    #[cfg(target_os = "linux")]
    pub(super) fn wiped_page() -> Option<&'static [AtomicU8]> {
        use super::PAGE;
        use std::ptr;

        // Where pages are larger, the kernel gives and wipes a whole one.
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, at a place that the kernel chooses; nothing else is touched.
        let page = unsafe { libc::mmap(ptr::null_mut(), PAGE, access, kind, -1, 0) };
        if page == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: the mapping is the one made above, of which nobody else knows; one advice is none, and the other
        // changes only what a child finds there.
        let takes = |advice| unsafe { libc::madvise(page, PAGE, advice) } == 0;
        // QEMU's user mode takes any advice, and follows none.
        if takes(NO_ADVICE) || !takes(libc::MADV_WIPEONFORK) {
            // SAFETY: likewise; it is not used afterwards.
            unsafe { libc::munmap(page, PAGE) };
            return None;
        }
        // SAFETY: it is `PAGE` readable and writable bytes, zeros, aligned to a page, never unmapped, and seen by
        // nobody but through this slice of atomics.
        Some(unsafe { std::slice::from_raw_parts(page.cast(), PAGE) })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn wiped_page() -> Option<&'static [AtomicU8]> {
        None
    }

    /// Has `hook` called in every child that comes of `fork`. Twice does no harm.
    pub(super) fn call_in_children(hook: extern "C" fn()) {
        let hook: unsafe extern "C" fn() = hook;
        // SAFETY: the hook is a function without arguments that lives as long as the program, takes no lock, and is fit
        // for being called in a child: it stores bytes. Where there is no memory to register it, children are not told.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(hook)) };
    }
}

#[cfg(not(unix))]
mod system {
    use super::AtomicU8;

    pub(super) fn wiped_page() -> Option<&'static [AtomicU8]> {
        None
    }

    /// There are no such children.
    pub(super) fn call_in_children(_: extern "C" fn()) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_two_bytes_never_share_one() {
        let first: Vec<_> = (0..200).map(|_| ForkByte::new(7)).collect();
        let mut places: Vec<_> = first.iter().map(|byte| std::ptr::from_ref(byte.0)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), 200);
        assert!(first.iter().all(|byte| byte.load(Ordering::Relaxed) == 7 && !byte.is_forked()));
        drop(first);
        let pages = PAGES.count();
        for _ in 0..1000 {
            assert_eq!(ForkByte::new(1).load(Ordering::Relaxed), 1);
        }
        // Other tests make clients meanwhile, but not hundreds.
        assert_eq!(PAGES.count(), pages);
    }

    #[test]
    fn the_hook_wipes_what_the_kernel_does_not() {
        for by_hook in [true, false] {
            let bytes = Box::leak((0..PAGE).map(|_| AtomicU8::new(FORKED)).collect());
            let page = Page { bytes, used: AtomicUsize::new(0), by_hook };
            let byte = ForkByte(page.take(7).unwrap());
            page.wipe();
            assert_eq!(byte.is_forked(), by_hook);
            drop(byte);
            let given_back = page.take(8).is_some_and(|place| std::ptr::eq(place, &page.bytes[0]));
            assert_eq!(given_back, !by_hook, "the place of a parent's byte is not used in a child");
        }
    }
}
