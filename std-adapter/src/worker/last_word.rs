//! The end of a client: its last datagrams are not gone when the network has taken them, but when they have arrived.
//!
//! When there is nothing left to send, the receivers are asked for a sign of life. If it says that datagrams are
//! missing that were not missing before, the instruments are sent once more, and so on: a lost last datagram must not
//! lose a counter. Events that were lost are known then, and stay lost.

use ringstat_core::send::Liveness;

use super::route::Route;

/// What to do when nothing is left to send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Word {
    /// Ask for a sign of life.
    Ask,
    /// Wait for it.
    Awaited,
    /// The last datagrams did not all arrive: send the instruments again.
    Again,
    /// They did, or nobody can tell.
    Confirmed,
}

/// How far the end has come.
pub(crate) struct LastWord {
    /// Datagrams that each receiver misses, of those before the last ones.
    missing: Vec<u64>,
    /// When the receivers were asked, in nanoseconds of the monotonic clock.
    asked: Option<u64>,
}

/// A question that nobody owes an answer to, since no way was clear, is asked again after so many nanoseconds.
const AGAIN: u64 = 50_000_000;

fn missing(routes: &[Route]) -> Vec<u64> {
    routes.iter().map(|r| r.liveness().map_or(0, Liveness::missing_datagrams)).collect()
}

impl LastWord {
    /// The client is about to send its last datagrams.
    pub(crate) fn new(routes: &[Route]) -> Self {
        Self { missing: missing(routes), asked: None }
    }

    /// What to do at `now`, when nothing is left to send.
    pub(crate) fn next(&mut self, routes: &[Route], now: u64) -> Word {
        let knows_all = |route: &Route| {
            // Where nobody can answer, what the network has taken is all that is known.
            route.liveness().is_none_or(|l| l.is_confirmed() && !l.owes())
        };
        if routes.iter().any(knows_all) {
            return Word::Confirmed;
        }
        let Some(asked) = self.asked else {
            self.asked = Some(now);
            return Word::Ask;
        };
        let answered = |route: &Route| {
            route.liveness().and_then(Liveness::last_answer).is_some_and(|at| at >= asked)
        };
        if !routes.iter().any(answered) {
            if routes.iter().any(Route::awaits) || now.saturating_sub(asked) < AGAIN {
                return Word::Awaited;
            }
            self.asked = Some(now);
            return Word::Ask;
        }
        let now_missing = missing(routes);
        let mut both = routes.iter().zip(self.missing.iter().zip(&now_missing));
        if both.any(|(route, (before, now))| answered(route) && now <= before) {
            return Word::Confirmed;
        }
        self.missing = now_missing;
        self.asked = None;
        Word::Again
    }
}
