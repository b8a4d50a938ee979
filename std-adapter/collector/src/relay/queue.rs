//! The queue of one target, and the account of everything that was meant for it.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::intake::Source;
use crate::outbox::{Standing, Standings};
use crate::report::OutputCause;

/// A datagram in the queue.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(super) body: Arc<[u8]>,
    /// Whether the target is asked for an answer.
    pub(super) asks: bool,
    /// How many samples it counts for: one, or the number of its lines if the collector wrote them.
    samples: u64,
    /// When it arrived, in milliseconds of Unix time.
    time_ms: u64,
}

impl Waiting {
    /// Its memory, in bytes.
    fn bytes(&self) -> usize {
        self.body.len() + size_of::<Self>() + 2 * size_of::<usize>()
    }
}

/// Datagrams that wait for one target, the oldest first. Adding one never waits for long: the lock is held only while a
/// pointer is moved.
#[derive(Debug)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Signalled when a datagram was added, or when the collector ends.
    news: Condvar,
    limit: usize,
}

#[derive(Default, Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The memory of the waiting datagrams, in bytes.
    bytes: usize,
    /// The time of the one that is being sent.
    in_hand: Option<u64>,
    standing: Standing,
    /// The latest time at which a datagram may be sent, once the collector ends.
    ends: Option<Instant>,
    /// The two ends of the socket.
    path: Option<(SocketAddr, SocketAddr)>,
}

impl Queue {
    /// Creates an empty queue with room for this many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), news: Condvar::new(), limit }
    }

    /// Adds a datagram that counts for this many samples. The oldest one is dropped if there is no room.
    pub(crate) fn put(&self, body: Arc<[u8]>, samples: u64, asks: bool) {
        let waiting = Waiting { body, asks, samples, time_ms: unix_ms() };
        let mut evicted = Vec::new();
        let mut state = self.state();
        state.standing.counts.queued += samples;
        state.standing.pending_samples += samples;
        state.standing.pending_bytes += waiting.body.len();
        state.bytes += waiting.bytes();
        state.waiting.push_back(waiting);
        while state.bytes > self.limit
            && let Some(oldest) = state.waiting.pop_front()
        {
            state.bytes -= oldest.bytes();
            state.leaves(&oldest, Err(OutputCause::QueueFull));
            evicted.push(oldest);
        }
        drop(state);
        self.news.notify_one();
    }

    /// Counts samples that are dropped for this cause.
    pub(crate) fn refuse(&self, cause: OutputCause, samples: u64) {
        let counts = &mut self.state().standing.counts;
        counts.queued += samples;
        counts.dropped[cause as usize] += samples;
    }

    /// Counts intervals in which no lines were written for it.
    pub(crate) fn skipped(&self, moments: u64) {
        self.state().standing.counts.skipped += moments;
    }

    /// Whether a datagram from there has been at the target: it comes from the target's machine, or out of the very socket
    /// that leads there. Of lines, nothing else can be known.
    pub(super) fn comes_back(&self, from: Option<&Source>) -> bool {
        let Some(Source::Network(from)) = from else { return false };
        let Some((near, far)) = self.state().path else { return false };
        let ip = |address: &SocketAddr| address.ip().to_canonical();
        let is_far = ip(from) == ip(&far) && !is_here(ip(&far), ip(&near));
        is_far || (from.port() == near.port() && ip(from) == ip(&near))
    }

    /// Records the two addresses between which datagrams are sent.
    pub(super) fn set_path(&self, near: SocketAddr, far: SocketAddr) {
        self.state().path = Some((near, far));
    }

    /// Waits for the next datagram. Returns `None` if the collector ends and no datagram, or no time, is left.
    pub(super) fn next(&self) -> Option<Waiting> {
        let mut state = self.state();
        loop {
            if state.ends.is_some_and(|ends| Instant::now() >= ends) {
                return None;
            }
            if let Some(next) = state.waiting.pop_front() {
                state.bytes -= next.bytes();
                state.in_hand = Some(next.time_ms);
                return Some(next);
            }
            if state.ends.is_some() {
                return None;
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Records the outcome of the datagram that was taken last.
    pub(super) fn done(&self, waiting: &Waiting, outcome: Result<(), OutputCause>) {
        let mut state = self.state();
        state.in_hand = None;
        state.standing.counts.requests += 1;
        state.leaves(waiting, outcome);
    }

    /// Records why nothing could be sent. Returns whether this is the first failure in a row.
    pub(super) fn failed(&self, why: &str) -> bool {
        self.state().standing.counts.failures += 1;
        self.unwell(why)
    }

    /// Records a failure. Returns whether it is the first in a row.
    pub(super) fn unwell(&self, why: &str) -> bool {
        let mut state = self.state();
        let standing = &mut state.standing;
        let since = standing.failing.as_ref().map(|(since, _)| *since);
        standing.failing = Some((since.unwrap_or_else(Instant::now), why.to_owned()));
        since.is_none()
    }

    /// Records a success. Returns whether there had been a failure.
    pub(super) fn well(&self) -> bool {
        self.state().standing.failing.take().is_some()
    }

    /// Waits for this long. Returns whether there is time for another attempt.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let begun = Instant::now();
        let mut state = self.state();
        while state.ends.is_none() {
            // Those who put something in wake it, too.
            let Some(left) = time.checked_sub(begun.elapsed()).filter(|left| !left.is_zero())
            else {
                return true;
            };
            let waited = self.news.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Sets the time after which no datagram is sent.
    pub(crate) fn end(&self, by: Instant) {
        self.state().ends = Some(by);
        self.news.notify_all();
    }

    /// Counts the waiting samples as dropped when the process ends, and returns their number.
    pub(crate) fn give_up(&self) -> u64 {
        let mut state = self.state();
        state.waiting.clear();
        (state.bytes, state.in_hand) = (0, None);
        let standing = &mut state.standing;
        let lost = std::mem::take(&mut standing.pending_samples);
        standing.pending_bytes = 0;
        standing.counts.dropped[OutputCause::Shutdown as usize] += lost;
        lost
    }

    /// The state of the target.
    pub(crate) fn standing(&self) -> Standing {
        let state = self.state();
        let oldest_ms = state.in_hand.or_else(|| state.waiting.front().map(|of| of.time_ms));
        Standing { oldest_ms, ..state.standing.clone() }
    }

    /// Every step leaves it consistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn leaves(&mut self, waiting: &Waiting, outcome: Result<(), OutputCause>) {
        let standing = &mut self.standing;
        // After the end everything has been given up already.
        if standing.pending_samples < waiting.samples {
            return;
        }
        standing.pending_samples -= waiting.samples;
        standing.pending_bytes -= waiting.body.len();
        match outcome {
            Ok(()) => standing.counts.sent += waiting.samples,
            Err(cause) => standing.counts.dropped[cause as usize] += waiting.samples,
        }
    }
}

impl Standings for Queue {
    fn standings(&self) -> Vec<Standing> {
        vec![self.standing()]
    }
}

/// Whether an address is this machine's own, on which the target is then one of several servers.
fn is_here(far: IpAddr, near: IpAddr) -> bool {
    far.is_loopback() || far == near
}

/// The current time, in milliseconds since 1970.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closes(queue: &Queue) -> Standing {
        let standing = queue.standing();
        let counts = standing.counts;
        assert_eq!(counts.queued, counts.sent + counts.dropped() + standing.pending_samples);
        standing
    }

    fn body(n: u8) -> Arc<[u8]> {
        vec![n; 1000].into()
    }

    #[test]
    fn the_oldest_goes_when_there_is_no_room_and_all_is_counted() {
        let queue = Queue::new(10 * (1000 + 100));
        (0..30).for_each(|n| queue.put(body(n), 2, false));
        let full = closes(&queue);
        let dropped = full.counts.dropped[OutputCause::QueueFull as usize];
        assert_eq!((full.counts.queued, dropped, full.pending_samples), (60, 40, 20));
        assert_eq!(full.pending_bytes, 10_000);
        let next = queue.next().unwrap();
        assert_eq!(next.body[0], 20);
        // What is being sent is not pushed out.
        (30..50).for_each(|n| queue.put(body(n), 2, false));
        assert_eq!(closes(&queue).pending_samples, 22);
        queue.done(&next, Ok(()));
        queue.refuse(OutputCause::Duplicate, 1);
        let next = queue.next().unwrap();
        queue.done(&next, Err(OutputCause::Refused));
        let now = closes(&queue);
        assert_eq!((now.counts.sent, now.counts.requests), (2, 2));
        queue.end(Instant::now());
        assert!(queue.next().is_none() && !queue.pause(Duration::from_secs(600)));
        assert_eq!(queue.give_up(), 18);
        let end = closes(&queue);
        assert_eq!((end.pending_bytes, end.oldest_ms), (0, None));
    }

    #[test]
    fn what_was_given_up_while_it_was_sent_is_counted_once() {
        let queue = Queue::new(1 << 20);
        queue.put(body(0), 1, false);
        let next = queue.next().unwrap();
        assert_eq!(queue.give_up(), 1);
        queue.done(&next, Ok(()));
        assert_eq!(closes(&queue).counts.sent, 0);
    }

    #[test]
    fn one_that_is_larger_than_the_room_does_not_stay() {
        let queue = Queue::new(10);
        queue.put(body(0), 1, false);
        assert_eq!(closes(&queue).counts.dropped(), 1);
    }

    #[test]
    fn what_comes_back_is_known_by_where_it_comes_from() {
        let queue = Queue::new(1 << 20);
        let from = |address: &str| Some(Source::Network(address.parse().unwrap()));
        assert!(!queue.comes_back(from("10.0.0.2:8125").as_ref()), "not known yet");
        queue.set_path("10.0.0.1:40000".parse().unwrap(), "10.0.0.2:8125".parse().unwrap());
        for (address, expected) in [
            ("10.0.0.2:51000", true),
            ("[::ffff:10.0.0.2]:51000", true),
            ("10.0.0.1:40000", true),
            ("10.0.0.1:40001", false),
            ("10.0.0.3:40000", false),
        ] {
            assert_eq!(queue.comes_back(from(address).as_ref()), expected, "{address}");
        }
        assert!(!queue.comes_back(None));
        // On one machine, where everything has the same address, only the socket tells.
        queue.set_path("127.0.0.1:40000".parse().unwrap(), "127.0.0.1:8125".parse().unwrap());
        assert!(!queue.comes_back(from("127.0.0.1:51000").as_ref()));
        assert!(queue.comes_back(from("127.0.0.1:40000").as_ref()));
    }

    #[test]
    fn whoever_waits_is_woken() {
        let queue = Queue::new(1 << 20);
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| queue.next().map(|next| next.body[0]));
            queue.put(body(7), 1, false);
            assert_eq!(taken.join().unwrap(), Some(7));
            let ended = scope.spawn(|| queue.next().is_none());
            queue.end(Instant::now() + Duration::from_secs(600));
            assert!(ended.join().unwrap());
        });
    }
}
