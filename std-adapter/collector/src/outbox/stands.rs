//! The state of all outputs, for health and metrics.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Outbox, Standing};
use crate::intake::Baseline;
use crate::report::{OutputCounts, OutputReport};

/// A source of the states of its targets.
pub(crate) trait Standings: Debug + Send + Sync {
    /// The state of each target, ordered by name.
    fn standings(&self) -> Vec<Standing>;

    /// Why the queue cannot be written to the data directory, if it cannot.
    fn disk_fails(&self) -> Option<String> {
        None
    }
}

impl Standings for Outbox {
    fn standings(&self) -> Vec<Standing> {
        self.standings()
    }

    fn disk_fails(&self) -> Option<String> {
        self.disk_fails()
    }
}

/// The state of all outputs.
#[derive(Default, Debug)]
pub(crate) struct Stands(Vec<Group>);

/// The targets of one source.
#[derive(Debug)]
struct Group {
    kind: &'static str,
    names: Vec<String>,
    source: Arc<dyn Standings>,
    before: Mutex<Baseline<Vec<OutputCounts>>>,
}

impl Stands {
    /// Adds targets of one kind.
    pub(crate) fn add(
        &mut self,
        kind: &'static str,
        names: Vec<String>,
        source: Arc<dyn Standings>,
    ) {
        let zero = vec![OutputCounts::default(); names.len()];
        self.0.push(Group { kind, names, source, before: Mutex::new(Baseline::new(0, zero)) });
    }

    /// Each target and its state.
    pub(crate) fn reports(&self) -> Vec<OutputReport> {
        self.0.iter().flat_map(Group::reports).collect()
    }

    /// Saves the present counts if it is time to.
    pub(crate) fn rotate(&self, now_ms: u64) {
        for Group { before, source, .. } in &self.0 {
            let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
            let counts = || source.standings().into_iter().map(|of| of.counts).collect();
            before.rotate(now_ms, counts);
        }
    }
}

impl Group {
    fn reports(&self) -> Vec<OutputReport> {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = |time_ms| unix.saturating_sub(Duration::from_millis(time_ms));
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let disk_failing = self.source.disk_fails();
        let each = self.names.iter().zip(self.source.standings()).zip(before.before());
        each.map(|((name, of), before)| OutputReport {
            kind: self.kind,
            target: name.clone(),
            counts: of.counts,
            before: *before,
            pending_samples: of.pending_samples,
            pending_bytes: of.pending_bytes,
            oldest_pending: of.oldest_ms.map_or(Duration::ZERO, age),
            failing: of.failing.as_ref().map(|(_, why)| why.clone()),
            failing_for: of.failing.map_or(Duration::ZERO, |(since, _)| since.elapsed()),
            disk_failing: disk_failing.clone(),
        })
        .collect()
    }
}
