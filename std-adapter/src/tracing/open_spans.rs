//! The spans that are open: when each began, and for which instrument.
//!
//! A table of fixed size, so that neither opening nor closing a span takes a lock or the heap. A span may be in any of
//! the [`PROBES`] slots from the one that the hash of its number selects.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// All open spans.
#[derive(Debug)]
pub(super) struct OpenSpans {
    slots: Box<[Slot]>,
}

#[derive(Default, Debug)]
struct Slot {
    /// [`FREE`], [`TAKEN`], or the number of the span.
    span: AtomicU64,
    begun: AtomicU64,
    kind: AtomicUsize,
}

/// Numbers of spans are not 0.
const FREE: u64 = 0;
/// Somebody is writing to this slot.
const TAKEN: u64 = u64::MAX;
/// How many slots are examined: two and a half cache lines, which are hardly ever all taken when the table is half
/// full.
const PROBES: usize = 16;
/// 24 MiB.
const MAX_SLOTS: usize = 1 << 20;

impl OpenSpans {
    pub(super) fn new(most: usize) -> Self {
        let slots = most.clamp(PROBES, MAX_SLOTS).next_power_of_two();
        Self { slots: (0..slots).map(|_| Slot::default()).collect() }
    }

    /// Adds a span. Returns whether there was room.
    pub(super) fn begin(&self, span: u64, begun: u64, kind: usize) -> bool {
        let free = |slot: &&Slot| {
            let (load, take) = (Ordering::Relaxed, Ordering::Acquire);
            // Load first, because a failed exchange costs as much as a successful one.
            slot.span.load(load) == FREE
                && slot.span.compare_exchange(FREE, TAKEN, take, load).is_ok()
        };
        let Some(slot) = self.reach(span).filter(|_| span != TAKEN).find(free) else {
            return false;
        };
        slot.begun.store(begun, Ordering::Relaxed);
        slot.kind.store(kind, Ordering::Relaxed);
        // Release: whoever finds the number finds the rest.
        slot.span.store(span, Ordering::Release);
        true
    }

    /// The instrument of an open span.
    pub(super) fn kind(&self, span: u64) -> Option<usize> {
        Some(self.find(span)?.kind.load(Ordering::Relaxed))
    }

    /// Changes the instrument of an open span.
    pub(super) fn set_kind(&self, span: u64, kind: usize) {
        if let Some(slot) = self.find(span) {
            slot.kind.store(kind, Ordering::Relaxed);
        }
    }

    /// Removes a span, and returns when it began and its instrument.
    pub(super) fn end(&self, span: u64) -> Option<(u64, usize)> {
        let slot = self.find(span)?;
        let was = (slot.begun.load(Ordering::Relaxed), slot.kind.load(Ordering::Relaxed));
        // The fields are read before another span can use the slot.
        slot.span.store(FREE, Ordering::Release);
        Some(was)
    }

    fn find(&self, span: u64) -> Option<&Slot> {
        // Not a valid number: `FREE` and `TAKEN` would be found.
        let valid = span != FREE && span != TAKEN;
        let mut reach = self.reach(span).filter(|_| valid);
        reach.find(|slot| slot.span.load(Ordering::Acquire) == span)
    }

    fn reach(&self, span: u64) -> impl Iterator<Item = &Slot> {
        let mask = self.slots.len() - 1;
        let first = (span.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize;
        (0..PROBES).map(move |step| &self.slots[(first + step) & mask])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_found_until_it_ends() {
        let open = OpenSpans::new(100);
        assert!(open.begin(7, 1000, 3));
        assert_eq!(open.kind(7), Some(3));
        open.set_kind(7, 4);
        assert_eq!(open.end(7), Some((1000, 4)));
        assert_eq!((open.end(7), open.kind(7)), (None, None));
        open.set_kind(7, 5);
    }

    #[test]
    fn numbers_that_mean_something_here_are_no_spans() {
        let open = OpenSpans::new(0);
        for none in [FREE, TAKEN] {
            assert_eq!(open.end(none), None);
        }
        assert!(!open.begin(TAKEN, 0, 0));
    }

    #[test]
    fn what_finds_no_room_is_said_and_room_comes_back() {
        let open = OpenSpans::new(64);
        let taken: Vec<_> = (1..=200).filter(|span| open.begin(*span, *span, 0)).collect();
        assert!((32..=64).contains(&taken.len()), "{} of 64", taken.len());
        for span in 1..=200 {
            let expected = taken.contains(&span).then_some((span, 0));
            assert_eq!(open.end(span), expected);
        }
        assert!(open.begin(300, 0, 0));
    }

    #[test]
    fn threads_keep_their_own() {
        let open = OpenSpans::new(1024);
        std::thread::scope(|scope| {
            for thread in 1..=4u64 {
                let open = &open;
                scope.spawn(move || {
                    for round in 0..20_000 {
                        let spans = (0..8).map(|i| thread << 32 | round << 8 | i);
                        let opened: Vec<_> =
                            spans.filter(|s| open.begin(*s, *s, *s as usize)).collect();
                        for span in opened {
                            assert_eq!(open.end(span), Some((span, span as usize)));
                        }
                    }
                });
            }
        });
    }
}
