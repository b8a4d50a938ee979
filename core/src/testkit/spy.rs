//! The transport that keeps everything and fails when told to.

use crate::send::{SendError, Transport};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps every datagram it is sent. Clones are the same spy, so a test can hand one to a sender and
/// look through the other, from another thread too.
///
/// ```
/// use ringstat_core::testkit::SpyTransport;
/// use ringstat_core::send::{SendError, Transport};
///
/// let spy = SpyTransport::new();
/// let mut given_away = spy.clone();
/// spy.fail_next([SendError::WouldBlock]);
/// assert_eq!(given_away.send(b"one"), Err(SendError::WouldBlock));
/// assert_eq!(given_away.send(b"one"), Ok(()));
/// assert_eq!(spy.take(), [b"one"]);
/// assert_eq!(spy.attempts(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct SpyTransport(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    attempts: u64,
    datagrams: Vec<Vec<u8>>,
    /// What the next attempts meet, before `always` applies.
    script: VecDeque<Result<(), SendError>>,
    always: Option<SendError>,
}

impl SpyTransport {
    /// A spy that has seen nothing and fails at nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next attempts fail with these errors, one each, after those scripted before.
    pub fn fail_next(&self, errors: impl IntoIterator<Item = SendError>) {
        self.script(errors.into_iter().map(Err));
    }

    /// The next attempts end like this, one each, after those scripted before.
    pub fn script(&self, outcomes: impl IntoIterator<Item = Result<(), SendError>>) {
        // Outside the lock: the iterator is the caller's and may ask the spy.
        let outcomes: Vec<_> = outcomes.into_iter().collect();
        self.notes().script.extend(outcomes);
    }

    /// From now on, what no script covers fails with this error, or succeeds again.
    pub fn fail_always(&self, error: Option<SendError>) {
        self.notes().always = error;
    }

    /// How often somebody tried to send.
    #[must_use]
    pub fn attempts(&self) -> u64 {
        self.notes().attempts
    }

    /// A copy of the datagrams sent so far, in order.
    #[must_use]
    pub fn datagrams(&self) -> Vec<Vec<u8>> {
        self.notes().datagrams.clone()
    }

    /// Takes out the datagrams sent since the last time, in order.
    #[must_use]
    pub fn take(&self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.notes().datagrams)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // A test that panicked elsewhere leaves the notes whole: nothing below panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for SpyTransport {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        let mut notes = self.notes();
        notes.attempts += 1;
        let always = notes.always.map_or(Ok(()), Err);
        notes.script.pop_front().unwrap_or(always)?;
        notes.datagrams.push(datagram.to_vec());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_comes_before_the_rule_and_failures_keep_nothing() {
        let spy = SpyTransport::new();
        let mut transport = spy.clone();
        spy.fail_always(Some(SendError::Unreachable));
        spy.script([Ok(()), Err(SendError::Refused)]);
        spy.fail_next([SendError::TooLarge]);
        let outcomes: Vec<_> = (0..5u8).map(|n| transport.send(&[n])).collect();
        let unreachable = Err(SendError::Unreachable);
        let refused = Err(SendError::Refused);
        assert_eq!(outcomes, [Ok(()), refused, Err(SendError::TooLarge), unreachable, unreachable]);
        spy.fail_always(None);
        assert_eq!(transport.send(&[9]), Ok(()));
        assert_eq!(
            (spy.attempts(), spy.datagrams()),
            (6, alloc::vec![alloc::vec![0], alloc::vec![9]])
        );
        assert_eq!(spy.take().len(), 2);
        assert!(spy.take().is_empty());
    }
}
