//! The end of a client: its last datagrams are done when they have arrived, not when the network has accepted them.
//!
//! When nothing is left to send, the receivers are asked for a sign of life. If it says that datagrams are missing that
//! were not missing before, the instruments are sent again, and so on: the loss of the last datagram must not lose a
//! counter. Events that were lost are then known to be, and stay lost.

use ringstat_core::send::Liveness;

use super::route::Route;

/// What to do when nothing is left to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FinalStep {
    /// Ask for a sign of life.
    Ask,
    /// Wait for the answer.
    Awaited,
    /// Some of the last datagrams have not arrived: send the instruments again.
    Again,
    /// They have arrived, or nobody can tell.
    Confirmed,
}

/// The progress of the end.
pub(crate) struct FinalFlush {
    /// The number of datagrams that each receiver missed before the last ones.
    missing: Vec<u64>,
    /// When the receivers were asked, in nanoseconds of the monotonic clock.
    asked: Option<u64>,
}

/// If no answer is owed, because every path was closed, the question is repeated after this time, in nanoseconds.
const AGAIN: u64 = 50_000_000;

fn missing(routes: &[Route]) -> Vec<u64> {
    routes.iter().map(|r| r.liveness().map_or(0, Liveness::missing_datagrams)).collect()
}

impl FinalFlush {
    /// Starts before the client sends its last datagrams.
    pub(crate) fn new(routes: &[Route]) -> Self {
        Self { missing: missing(routes), asked: None }
    }

    /// What to do at `now`, once nothing is left to send.
    pub(crate) fn next(&mut self, routes: &[Route], now: u64) -> FinalStep {
        let knows_all = |route: &Route| {
            // If a receiver cannot answer, all that is known is what the network has accepted.
            route.liveness().is_none_or(|l| l.is_confirmed() && !l.owes())
        };
        if routes.iter().any(knows_all) {
            return FinalStep::Confirmed;
        }
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            return FinalStep::Ask;
        };
        let answered = |route: &Route| {
            route.liveness().and_then(Liveness::last_answer).is_some_and(|at| at >= asked)
        };
        if !routes.iter().any(answered) {
            if routes.iter().any(Route::awaits) || now.saturating_sub(asked) < AGAIN {
                return FinalStep::Awaited;
            }
            self.asked = Some(now);
            return FinalStep::Ask;
        }
        let now_missing = missing(routes);
        let mut both = routes.iter().zip(self.missing.iter().zip(&now_missing));
        if both.any(|(route, (before, now))| answered(route) && now <= before) {
            return FinalStep::Confirmed;
        }
        self.missing = now_missing;
        self.asked = None;
        FinalStep::Again
    }
}
