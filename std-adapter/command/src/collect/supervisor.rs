//! What a supervisor such as systemd hears of a collector: that it is ready, that it still works, and that it ends.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use ringstat_collector::Running;

use super::live::{self, Live};
use super::out::Out;

/// Waits until somebody ends the collector, and draws the live view, if there is one. Until then the watchdog, if the
/// supervisor has one, hears from us as long as the collector answers: a thread that hangs with a shard's lock stops
/// that, and the supervisor restarts it.
pub(super) fn wait(ended: &Receiver<()>, running: &Running, out: &Out, mut live: Option<Live>) {
    tell(State::Ready);
    let watchdog = watchdog();
    let periods = [watchdog.map(|limit| limit / 2), live.as_ref().map(|_| live::PERIOD)];
    let Some(period) = periods.into_iter().flatten().min() else {
        // The handler of signals holds the other end, so this waits for a signal and nothing else.
        let _ = ended.recv();
        return tell(State::Stopping);
    };
    while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        match &mut live {
            Some(live) => live.draw(running, out),
            None => drop(running.report(0)),
        }
        if watchdog.is_some() {
            tell(State::Watchdog);
        }
    }
    tell(State::Stopping);
}

#[derive(Clone, Copy)]
enum State {
    Ready,
    Watchdog,
    Stopping,
}

#[cfg(unix)]
fn tell(state: State) {
    use sd_notify::NotifyState;
    let state = match state {
        State::Ready => NotifyState::Ready,
        State::Watchdog => NotifyState::Watchdog,
        State::Stopping => NotifyState::Stopping,
    };
    // Without a supervisor this does nothing. One that cannot be told acts by its own timeout.
    let _ = sd_notify::notify(&[state]);
}

/// How often the supervisor wants to hear from this process, if it does.
#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(not(unix))]
fn tell(_: State) {}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}
