//! What the record call checks first.

use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::thread::Thread;

use ringstat_core::policy::Throttle;

use crate::process::{FORKED, ForkByte};

/// Lets all records through, only some of them, or none. It is one byte, read by every record call.
///
/// It also says when the worker sleeps for long, so that the first record wakes it. And since the byte is 0 in every
/// child of this process, a record call finds out at no extra cost that it has no worker there.
#[derive(Debug)]
pub(crate) struct Valve {
    /// [`FORKED`], one of the values below, or [`OPEN`] plus the throttle's level.
    opening: ForkByte,
    /// The thread to wake.
    worker: OnceLock<Thread>,
}

const OPEN: u8 = 1;
/// The worker sleeps for long. Records are let through.
const ASLEEP: u8 = u8::MAX - 1;
/// The client is shut down.
const CLOSED: u8 = u8::MAX;

/// How far a [`Valve`] is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// Everything is let through.
    Open,
    /// Only some of the less important records are let through, depending on the throttle's level.
    Throttled(u8),
    /// Everything is let through, and the worker has to be [woken](Valve::wake).
    Asleep,
    /// Nothing is let through.
    Closed,
    /// Nothing does: this process is a child of the client's.
    Forked,
}

impl Default for Valve {
    fn default() -> Self {
        Self { opening: ForkByte::new(OPEN), worker: OnceLock::new() }
    }
}

impl Valve {
    /// Whether everything comes through, and there is nothing else to do.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.opening.load(Ordering::Relaxed) == OPEN
    }

    pub(crate) fn opening(&self) -> Opening {
        match self.opening.load(Ordering::Relaxed) {
            OPEN => Opening::Open,
            FORKED => Opening::Forked,
            ASLEEP => Opening::Asleep,
            CLOSED => Opening::Closed,
            throttled => Opening::Throttled(throttled - OPEN),
        }
    }

    /// Whether this process is a child of the client's: there is no worker here, and locks may never be free.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.opening.is_forked()
    }

    /// Sets the throttle's level, 0 for none. A client that is shut down stays so, and so does a sleeping worker if
    /// nothing is to be throttled.
    pub(crate) fn throttle(&self, level: u8) {
        let to = OPEN + level.min(Throttle::MAX_LEVEL);
        let _ = self.opening.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            let stays =
                matches!(now, CLOSED | FORKED) || now == to || (now == ASLEEP && to == OPEN);
            (!stays).then_some(to)
        });
    }

    /// Lets nothing through any more.
    pub(crate) fn close(&self) {
        let close = |now| (now != FORKED).then_some(CLOSED);
        let _ = self.opening.fetch_update(Ordering::Relaxed, Ordering::Relaxed, close);
    }

    /// Notes that the calling thread is the worker.
    pub(crate) fn set_worker(&self) {
        // There is one worker, and it calls this once.
        let _ = self.worker.set(std::thread::current());
    }

    /// From now on, the first record wakes the worker, unless something else is in force.
    pub(crate) fn fall_asleep(&self) {
        let _ = self.exchange(OPEN, ASLEEP);
    }

    /// Whether nobody has woken the worker since it fell asleep.
    pub(crate) fn is_asleep(&self) -> bool {
        self.opening.load(Ordering::Relaxed) == ASLEEP
    }

    /// Wakes the worker by a system call, unless somebody else has.
    #[cold]
    pub(crate) fn wake(&self) {
        if self.exchange(ASLEEP, OPEN)
            && let Some(worker) = self.worker.get()
        {
            worker.unpark();
        }
    }

    /// Relaxed: events are handed over by the rings, and waking by `unpark`; the valve itself hands over nothing.
    fn exchange(&self, from: u8, to: u8) -> bool {
        self.opening.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_wakes_the_worker_and_a_closed_valve_stays_closed() {
        let valve = Valve::default();
        valve.set_worker();
        valve.fall_asleep();
        assert!(valve.is_asleep());
        valve.throttle(0);
        assert_eq!(valve.opening(), Opening::Asleep, "nothing is throttled");
        valve.wake();
        assert_eq!(valve.opening(), Opening::Open);
        // Takes the token of `wake`; without it, this would wait for ever.
        std::thread::park();
        valve.fall_asleep();
        valve.throttle(2);
        assert_eq!(valve.opening(), Opening::Throttled(2));
        valve.fall_asleep();
        assert_eq!(valve.opening(), Opening::Throttled(2), "who is throttled is awake");
        valve.close();
        valve.wake();
        valve.throttle(1);
        valve.fall_asleep();
        assert_eq!(valve.opening(), Opening::Closed);
    }
}
