//! Where the calling thread records: its shards of the clients that it has recorded to.
//!
//! They lie in a `thread_local!` without a destructor, so that a thread's first record takes no lock (see
//! [`threads`]); a hook at the thread's end gives them back. They keep no rings alive: an idle thread keeps at
//! most the 2 KiB that a client's rings take besides their slots, for up to [`CLIENTS`] clients.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;

use heapless::Vec;
use ringstat_core::policy::{Gate, Sampler};

use super::kinds::End;
use crate::threads;

/// A thread that records to more clients than this shares the further ones' rings.
pub(super) const CLIENTS: usize = 4;

/// This thread's place at a client's rings.
pub(super) struct Seat {
    pub(super) client: u64,
    pub(super) end: End,
    pub(super) gate: Gate,
}

/// The last used one first.
pub(super) type Seats = Vec<Seat, CLIENTS>;

thread_local! {
    static SEATS: RefCell<ManuallyDrop<Seats>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    /// Which records this thread keeps while a client is throttled.
    static THROTTLED: Cell<Sampler> = const { Cell::new(Sampler::new(1)) };
}

/// Shows `f` this thread's seats; `None` if it is already looking at them.
#[inline(always)]
pub(super) fn with<T>(f: impl FnOnce(&mut Seats) -> T) -> Option<T> {
    SEATS.with(|seats| seats.try_borrow_mut().ok().map(|mut seats| f(&mut seats)))
}

/// Has the seats given back when this thread ends. Without that it must not have any.
pub(super) fn are_given_back() -> bool {
    threads::on_exit(|| {
        with(|seats| seats.clear());
    })
}

/// Forgets seats at rings that are gone, and frees the little that was left of them.
pub(super) fn forget_stale(seats: &mut Seats) {
    seats.retain(|seat| !seat.end.is_stale());
}

/// Whether this thread keeps a record, of which one in `n` is kept while a client is throttled.
pub(super) fn keeps_one_in(n: u8) -> bool {
    let mut sampler = THROTTLED.get();
    let keep = sampler.take(n);
    THROTTLED.set(sampler);
    keep
}
