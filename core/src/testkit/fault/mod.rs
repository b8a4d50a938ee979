//! A network that fails on request, the same way every time.

mod faults;

pub use faults::{FaultReport, Faults};

use super::Rng;
use crate::send::{SendError, Transport};
use alloc::vec::Vec;
use core::mem;

/// Wraps a transport and subjects its datagrams to [`Faults`], reproducibly from a seed.
///
/// Datagrams that were held back are released by later datagrams, by [`advance_to`](Self::advance_to) or by
/// [`flush`](Self::flush). A failure of the wrapped transport is returned if it concerns the datagram just offered, and
/// only counted if it concerns one released or copied.
///
/// ```
/// use ringstat_core::testkit::{FaultTransport, Faults, NullTransport};
/// use ringstat_core::send::Transport;
///
/// let faults = Faults { loss: 0.5, ..Faults::NONE };
/// let mut network = FaultTransport::new(NullTransport::default(), faults, 1);
/// for _ in 0..100 {
///     network.send(b"datagram")?;
/// }
/// assert_eq!(network.inner().datagrams, 100 - network.report().lost);
/// # Ok::<(), ringstat_core::send::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FaultTransport<T> {
    inner: T,
    faults: Faults,
    outage: Option<SendError>,
    rng: Rng,
    /// A generator for replies, so that receiving does not influence the choices made for sending.
    rng_of_replies: Rng,
    now: u64,
    held: Vec<Held>,
    report: FaultReport,
}

#[derive(Clone, Debug)]
struct Held {
    until: Until,
    datagram: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    /// When this many later datagrams were offered.
    Passed(u64),
    /// At this time.
    Time(u64),
}

impl<T: Transport> FaultTransport<T> {
    /// Creates a network over `inner` whose faults follow from `seed`.
    #[must_use]
    pub const fn new(inner: T, faults: Faults, seed: u64) -> Self {
        let report = FaultReport {
            offered: 0,
            duplicated: 0,
            lost: 0,
            delivered: 0,
            failed: 0,
            held: 0,
            truncated: 0,
            corrupted: 0,
            reordered: 0,
            delayed: 0,
        };
        Self {
            inner,
            faults,
            outage: None,
            rng: Rng::new(seed),
            rng_of_replies: Rng::new(seed.wrapping_add(1)),
            now: 0,
            held: Vec::new(),
            report,
        }
    }

    /// The faults in effect.
    #[must_use]
    pub const fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Changes the faults for subsequent datagrams.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// Makes every attempt fail with `error` from now on, as when the link is down, or with `None` ends the outage.
    pub fn set_outage(&mut self, error: Option<SendError>) {
        self.outage = error;
    }

    /// Sets the time, in nanoseconds, and releases datagrams delayed until then, in the order in which they are due.
    pub fn advance_to(&mut self, now: u64) {
        self.now = now;
        self.release(|until| matches!(until, Until::Time(due) if due <= now));
    }

    /// When the next delayed datagram is due, in nanoseconds.
    #[must_use]
    pub fn next_due(&self) -> Option<u64> {
        let due = |held: &Held| match held.until {
            Until::Time(due) => Some(due),
            Until::Passed(_) => None,
        };
        self.held.iter().filter_map(due).min()
    }

    /// Releases everything held back.
    pub fn flush(&mut self) {
        self.release(|_| true);
    }

    /// What has been done so far.
    #[must_use]
    pub fn report(&self) -> FaultReport {
        FaultReport { held: self.held.len() as u64, ..self.report }
    }

    /// The wrapped transport.
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// The wrapped transport, for changes.
    pub const fn inner_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// Sends one copy, now or later.
    fn pass(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        let Faults { truncate, corrupt, reorder, reorder_by, delay, delay_nanos, .. } = self.faults;
        // Drawn whether needed or not, so that the rate of one fault does not influence the choices of the others.
        let [truncate, corrupt, reorder, delay] =
            [truncate, corrupt, reorder, delay].map(|rate| self.rng.chance(rate));
        let mut datagram = datagram.to_vec();
        self.damage(&mut datagram, truncate, corrupt);
        let until = if reorder && reorder_by > 0 {
            self.report.reordered += 1;
            Until::Passed(1 + self.rng.below(u64::from(reorder_by)))
        } else if delay && delay_nanos > 0 {
            self.report.delayed += 1;
            Until::Time(self.now.saturating_add(1 + self.rng.below(delay_nanos)))
        } else {
            return self.deliver(&datagram);
        };
        self.held.push(Held { until, datagram });
        Ok(())
    }

    fn damage(&mut self, datagram: &mut Vec<u8>, truncate: bool, corrupt: bool) {
        let length = datagram.len() as u64;
        if length == 0 {
            // Nothing to damage.
        } else if truncate {
            self.report.truncated += 1;
            datagram.truncate(self.rng.below(length) as usize);
        } else if corrupt {
            self.report.corrupted += 1;
            let place = self.rng.below(length) as usize;
            datagram[place] ^= 1 + self.rng.below(255) as u8;
        }
    }

    fn deliver(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        let outcome = self.outage.map_or_else(|| self.inner.send(datagram), Err);
        match outcome {
            Ok(()) => self.report.delivered += 1,
            Err(_) => self.report.failed += 1,
        }
        outcome
    }

    /// Delivers what is held and due: by time, and what waits for datagrams in the order in which
    /// it came.
    fn release(&mut self, due: impl Fn(Until) -> bool) {
        let all = mem::take(&mut self.held);
        let (mut released, kept): (Vec<_>, _) = all.into_iter().partition(|held| due(held.until));
        self.held = kept;
        released.sort_by_key(|held| match held.until {
            Until::Passed(_) => 0,
            Until::Time(due) => due,
        });
        for held in released {
            // Nobody is there to hear of a failure, so `deliver` has counted it.
            let _ = self.deliver(&held.datagram);
        }
    }
}

impl<T: Transport> Transport for FaultTransport<T> {
    fn send(&mut self, datagram: &[u8]) -> Result<(), SendError> {
        self.report.offered += 1;
        if let Some(error) = self.outage {
            self.report.failed += 1;
            return Err(error);
        }
        for held in &mut self.held {
            if let Until::Passed(left) = &mut held.until {
                *left -= 1;
            }
        }
        let lost = self.rng.chance(self.faults.loss);
        let twice = self.rng.chance(self.faults.duplicate);
        let outcome = if lost {
            self.report.lost += 1;
            Ok(())
        } else {
            self.pass(datagram)
        };
        if twice && !lost && outcome.is_ok() {
            self.report.duplicated += 1;
            // The datagram itself is on its way; a failure of its copy is counted, not the sender's
            // business.
            let _ = self.pass(datagram);
        }
        self.release(|until| matches!(until, Until::Passed(0)));
        outcome
    }

    /// Replies are lost as often as what they answer, and all of them during an outage. The report does not count them.
    fn receive(&mut self, buf: &mut [u8]) -> Result<usize, SendError> {
        loop {
            let length = self.inner.receive(buf)?;
            if self.outage.is_none() && !self.rng_of_replies.chance(self.faults.loss) {
                return Ok(length);
            }
        }
    }

    fn hears(&self) -> bool {
        self.inner.hears()
    }

    fn reconnect(&mut self) {
        self.inner.reconnect();
    }

    fn alternatives(&self) -> usize {
        self.inner.alternatives()
    }
}

#[cfg(test)]
mod tests;
