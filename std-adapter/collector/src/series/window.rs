//! The sliding window over which summaries have their quantiles.
//!
//! Once a minute a distribution notes what it has. The oldest of these marks, four to five minutes ago, is what the window
//! does not have: recording costs nothing for it.

use super::{count, since};
use crate::memory::{Room, heap};

/// The interval between two marks.
const INTERVAL_MS: u64 = 60_000;
/// The largest number of marks: the window is between one interval less than that, and that.
const MARKS: usize = 5;

/// Marks of one distribution, the oldest first. Without any, there is no window.
#[derive(Clone, Default, Debug)]
pub(super) struct Window(Vec<Mark>);

/// What a distribution had at a time.
#[derive(Clone, Debug)]
struct Mark {
    at_ms: u64,
    /// Values that came one by one.
    values: Box<[(f64, u64)]>,
    /// The state of an instrument, and the run that stated it.
    run: Option<u32>,
    stated: Box<[(usize, u64)]>,
}

/// What a distribution has: values that came one by one, in ascending order, and the state of an instrument.
#[derive(Debug)]
pub(super) struct Present {
    pub(super) values: Vec<(f64, u64)>,
    pub(super) run: Option<u32>,
    pub(super) stated: Vec<(usize, u64)>,
}

impl Mark {
    fn bytes(&self) -> usize {
        heap(size_of_val(&*self.values)) + heap(size_of_val(&*self.stated))
    }
}

impl Window {
    pub(super) fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a mark is to be made.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.0.last().is_none_or(|last| now_ms.saturating_sub(last.at_ms) >= INTERVAL_MS)
    }

    /// Makes a mark, and forgets those that are too old. Without room for it, the window goes further back instead.
    pub(super) fn mark(&mut self, now_ms: u64, present: Present, room: &mut Room<'_>) {
        if self.0.is_empty() {
            if !room.take(heap(MARKS * size_of::<Mark>())) {
                return;
            }
            self.0.reserve_exact(MARKS);
        }
        let is_old = |mark: &Mark| now_ms.saturating_sub(mark.at_ms) >= INTERVAL_MS * MARKS as u64;
        while self.0.len() > 1 && (self.0.len() == MARKS || self.0.first().is_some_and(is_old)) {
            room.give(self.0.remove(0).bytes());
        }
        let Present { values, run, stated } = present;
        let mark = Mark { at_ms: now_ms, values: values.into(), run, stated: stated.into() };
        if room.take(mark.bytes()) {
            self.0.push(mark);
        } else if let Some(last) = self.0.last_mut() {
            // It is tried again when the next is due.
            last.at_ms = now_ms;
        }
    }

    /// The samples within the window: what comes one by one, and what is stated. `middle` is the value of a bucket that is
    /// stated.
    pub(super) fn within(
        &self,
        present: Present,
        middle: impl Fn(usize) -> f64,
    ) -> Vec<(f64, u64)> {
        let Present { values, run, stated } = present;
        let Some(oldest) = self.0.first() else { return Vec::new() };
        let mut all = if count(&oldest.values) <= count(&values) {
            since(values, &oldest.values)
        } else {
            values
        };
        for (index, n) in stated {
            let known = oldest.stated.binary_search_by_key(&index, |(of, _)| *of);
            let before = known.ok().filter(|_| oldest.run == run);
            let before = before.map_or(0, |at| oldest.stated[at].1);
            if n > before {
                all.push((middle(index), n - before));
            }
        }
        all
    }

    /// What the oldest mark has of values that came one by one or were stated by that run.
    pub(super) fn before(
        &self,
        run: Option<u32>,
        middle: impl Fn(usize) -> f64,
    ) -> Option<Vec<(f64, u64)>> {
        let oldest = self.0.first()?;
        let stated = oldest.stated.iter().filter(|_| oldest.run == run);
        let stated = stated.map(|(index, n)| (middle(*index), *n));
        Some(oldest.values.iter().copied().chain(stated).collect())
    }

    /// Takes part of a distribution that adds up several, and is thrown away when it has been shown.
    pub(super) fn absorb(&mut self, before: Vec<(f64, u64)>) {
        match self.0.first_mut() {
            Some(all) => all.values = [&*all.values, &before].concat().into(),
            None => self.0.push(Mark {
                at_ms: 0,
                values: before.into(),
                run: None,
                stated: Box::default(),
            }),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let marks: usize = self.0.iter().map(Mark::bytes).sum();
        heap(self.0.capacity() * size_of::<Mark>()) + marks
    }
}
