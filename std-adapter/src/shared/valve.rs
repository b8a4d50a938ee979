//! What the record call looks at first.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::Thread;

/// Lets records through, only some of them, or none. One byte, read by every record call.
///
/// It also holds the bell of a worker that sleeps for long: the first record rings it.
#[derive(Debug, Default)]
pub(crate) struct Valve {
    /// 0: open. Else the throttle's level, or one of those below.
    opening: AtomicU8,
    /// Who is woken.
    worker: OnceLock<Thread>,
}

/// The worker sleeps for long. Records come through.
const ASLEEP: u8 = u8::MAX - 1;
/// The client is shut down.
const CLOSED: u8 = u8::MAX;

/// How far a [`Valve`] is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Opening {
    /// Everything comes through.
    Open,
    /// Only some of what matters little: the throttle's level.
    Throttled(u8),
    /// Everything comes through, and the worker is to be [woken](Valve::wake).
    Asleep,
    /// Nothing does any more.
    Closed,
}

impl Valve {
    #[inline]
    pub(crate) fn opening(&self) -> Opening {
        match self.opening.load(Ordering::Relaxed) {
            0 => Opening::Open,
            ASLEEP => Opening::Asleep,
            CLOSED => Opening::Closed,
            level => Opening::Throttled(level),
        }
    }

    /// Throttles recorders, or no longer. A client that is shut down stays so, and a worker that sleeps does where nothing
    /// is to be throttled.
    pub(crate) fn throttle(&self, level: u8) {
        let _ = self.opening.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
            let stays = now == CLOSED || now == level || (now == ASLEEP && level == 0);
            (!stays).then_some(level)
        });
    }

    /// Lets nothing through any more.
    pub(crate) fn close(&self) {
        self.opening.store(CLOSED, Ordering::Relaxed);
    }

    /// The calling thread is the worker.
    pub(crate) fn set_worker(&self) {
        // There is one, and it says so once.
        let _ = self.worker.set(std::thread::current());
    }

    /// From now on the first record wakes the worker, unless something else is in force.
    pub(crate) fn fall_asleep(&self) {
        let _ = self.exchange(0, ASLEEP);
    }

    /// Whether nobody has woken the worker since it fell asleep.
    pub(crate) fn is_asleep(&self) -> bool {
        self.opening.load(Ordering::Relaxed) == ASLEEP
    }

    /// Wakes the worker by a system call, if nobody else has.
    #[cold]
    pub(crate) fn wake(&self) {
        if self.exchange(ASLEEP, 0)
            && let Some(worker) = self.worker.get()
        {
            worker.unpark();
        }
    }

    /// Nothing is handed over by it: events are handed over by the rings, and waking by `unpark`.
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
        // The token of `wake`: else this would wait for ever.
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
