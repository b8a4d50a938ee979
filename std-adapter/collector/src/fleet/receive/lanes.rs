//! The order in which messages go to the log: one lane for each shard, without IO.
//!
//! A worker's tracker tells late datagrams from duplicates within a window of sequence numbers. So a message that is sent
//! again must not come long after those behind it: of each lane, no more datagrams are in flight than fit into the window;
//! and when one of its messages fails, the lane waits until the others have been answered, and begins again with those that
//! failed, in their order.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ringstat_core::receive::WINDOW;

use super::queue::{Answer, Batch, Place};
use super::room::Room;
use super::spool::Copy;
use crate::fleet::log::Size;

/// The first pause of a lane after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How long a lane whose stream is full rests until the broker is asked again.
const FULL: Duration = Duration::from_secs(1);

/// The lanes of all shards.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Lane>,
    /// Messages in flight of all lanes.
    in_flight: usize,
    /// How many may be.
    limit: usize,
    /// Lanes that may have something to send.
    ready: VecDeque<u16>,
    /// Lanes whose streams the broker should be asked for.
    vague: VecDeque<u16>,
    /// How many lanes wait for room in their streams.
    full: u64,
}

#[derive(Default, Debug)]
struct Lane {
    waiting: VecDeque<(u64, Batch)>,
    in_flight: BTreeMap<u64, Batch>,
    /// Datagrams in flight,
    datagrams: u64,
    /// and the bytes of their messages.
    bytes: usize,
    room: Room,
    /// Whether its next message waits for room in the stream.
    is_full: bool,
    failed: BTreeMap<u64, Batch>,
    failures: u32,
    rests_until: Option<Instant>,
    next: u64,
    /// Whether it is among the lanes that are ready.
    is_ready: bool,
}

impl Lanes {
    pub(super) fn new(shards: u16, limit: usize) -> Self {
        let lanes = (0..shards).map(|_| Lane::default()).collect();
        let (ready, vague) = (VecDeque::new(), VecDeque::new());
        Self { lanes, in_flight: 0, limit, ready, vague, full: 0 }
    }

    /// Adds a message behind the others of its shard.
    pub(super) fn add(&mut self, batch: Batch) {
        let shard = batch.shard;
        let lane = &mut self.lanes[usize::from(shard)];
        lane.waiting.push_back((lane.next, batch));
        lane.next += 1;
        self.wake(shard);
    }

    /// The next message to send, if one may be sent now. Its number is its own among those of its shard, each time that it
    /// is sent.
    pub(super) fn next(&mut self, now: Instant) -> Option<(u64, &Batch)> {
        if self.in_flight >= self.limit {
            return None;
        }
        loop {
            let shard = *self.ready.front()?;
            let lane = &mut self.lanes[usize::from(shard)];
            let may_send = lane.may_send(now);
            if may_send && lane.must_ask() {
                lane.room.ask();
                self.vague.push_back(shard);
            }
            if may_send && lane.has_room() {
                break;
            }
            lane.is_ready = false;
            self.ready.pop_front();
        }
        // To the end, so that each lane has its turn.
        let shard = self.ready.pop_front()?;
        self.ready.push_back(shard);
        let lane = &mut self.lanes[usize::from(shard)];
        let (number, batch) = lane.waiting.pop_front()?;
        self.in_flight += 1;
        lane.datagrams += batch.datagrams;
        lane.bytes += batch.length;
        Some((number, lane.in_flight.entry(number).or_insert(batch)))
    }

    /// The next shard whose stream the broker should be asked for.
    pub(super) fn next_vague(&mut self) -> Option<u16> {
        self.vague.pop_front()
    }

    /// The broker has said what a stream has, or has not answered.
    pub(super) fn answered(&mut self, shard: u16, size: Option<Size>, now: Instant) {
        let lane = &mut self.lanes[usize::from(shard)];
        let is_known = size.is_some();
        lane.room.answered(size);
        let is_full = is_known && !lane.waiting.is_empty() && !lane.has_room();
        // What is in flight may be all that there is no room for.
        if !is_known || is_full && lane.in_flight.is_empty() {
            lane.rests_until = Some(now + if is_known { FULL } else { FIRST_PAUSE });
        }
        match (std::mem::replace(&mut lane.is_full, is_full), is_full) {
            (false, true) => self.full += 1,
            (true, false) => self.full -= 1,
            _ => {}
        }
        self.wake(shard);
    }

    /// How many lanes wait for room in their streams.
    pub(super) fn full(&self) -> u64 {
        self.full
    }

    /// The log has a message, under a number of its own: it is handed back.
    pub(super) fn confirmed(&mut self, shard: u16, number: u64, at: u64) -> Option<Batch> {
        let lane = &mut self.lanes[usize::from(shard)];
        lane.room.confirmed(at);
        let batch = lane.in_flight.remove(&number)?;
        self.in_flight -= 1;
        lane.datagrams -= batch.datagrams;
        lane.bytes -= batch.length;
        if lane.failed.is_empty() {
            lane.failures = 0;
        }
        lane.begin_again();
        self.wake(shard);
        Some(batch)
    }

    /// It is not known whether the log has a message. It will be sent again after a pause, or at once if the connection is a
    /// new one.
    pub(super) fn failed(&mut self, shard: u16, number: u64, at_once: bool, now: Instant) {
        let lane = &mut self.lanes[usize::from(shard)];
        let Some(batch) = lane.in_flight.remove(&number) else { return };
        self.in_flight -= 1;
        lane.datagrams -= batch.datagrams;
        lane.bytes -= batch.length;
        lane.room.failed();
        lane.failed.insert(number, batch);
        if at_once {
            lane.rests_until = None;
        } else {
            let pause = FIRST_PAUSE.saturating_mul(1 << lane.failures.min(8)).min(LONGEST_PAUSE);
            lane.rests_until = Some(now + pause);
        }
        if lane.in_flight.is_empty() {
            lane.failures += 1;
        }
        lane.begin_again();
        self.wake(shard);
    }

    /// When the next lane has rested enough, if one rests.
    pub(super) fn rests_until(&self) -> Option<Instant> {
        let resting = self.lanes.iter().filter(|lane| !lane.waiting.is_empty());
        resting.filter_map(|lane| lane.rests_until).min()
    }

    /// Lets lanes go on that have rested enough.
    pub(super) fn rested(&mut self, now: Instant) {
        for shard in 0..self.lanes.len() {
            let lane = &mut self.lanes[shard];
            if lane.rests_until.is_some_and(|until| until <= now) {
                lane.rests_until = None;
                self.wake(shard as u16);
            }
        }
    }

    /// Copies of the messages that have been waiting in memory since before `before`, marked as being written. The key of each
    /// comes from `key`.
    pub(super) fn keep(&mut self, before: Instant, mut key: impl FnMut(u16) -> u64) -> Vec<Copy> {
        let mut copies = Vec::new();
        for (shard, lane) in (0..).zip(&mut self.lanes) {
            // Those that wait are in the order in which they came: behind the first that is kept, all are.
            let is_new = |batch: &Batch| batch.since >= before || batch.place == Place::Memory;
            let waiting = lane.waiting.iter_mut().rev().map(|(number, batch)| (*number, batch));
            let waiting: Vec<_> = waiting.take_while(|(_, batch)| is_new(batch)).collect();
            let sent = lane.in_flight.iter_mut().chain(&mut lane.failed);
            let sent = sent.map(|(number, batch)| (*number, batch));
            for (number, batch) in sent.chain(waiting.into_iter().rev()) {
                if batch.place == Place::Memory && batch.since < before {
                    let key = key(shard);
                    batch.place = Place::Writing(key);
                    let (datagrams, body) = (batch.datagrams, batch.body.clone());
                    copies.push(Copy { shard, number, datagrams, body, key });
                }
            }
        }
        copies
    }

    /// A message was written to disk under a key, or could not be. Returns the receipts that may leave.
    pub(super) fn kept(&mut self, shard: u16, number: u64, key: u64, is_kept: bool) -> Vec<Answer> {
        let lane = &mut self.lanes[usize::from(shard)];
        let is_sent = lane.in_flight.contains_key(&number);
        // If the log has it by now, it is gone.
        let Some(batch) = lane.get_mut(number).filter(|b| b.place == Place::Writing(key)) else {
            return Vec::new();
        };
        if !is_kept {
            batch.place = Place::Memory;
            return Vec::new();
        }
        batch.place = Place::Disk(key);
        if !is_sent {
            batch.body = bytes::Bytes::new();
        }
        let receipts = std::mem::take(&mut batch.receipts);
        lane.pass_back(number, receipts)
    }

    /// The receipts of a message that the log has: those that may leave. A receipt also speaks for what came before it; while
    /// that is only in memory, it waits there.
    pub(super) fn receipts(&mut self, number: u64, batch: &mut Batch) -> Vec<Answer> {
        let receipts = std::mem::take(&mut batch.receipts);
        self.lanes[usize::from(batch.shard)].pass_back(number, receipts)
    }

    /// Everything that is left, for the end.
    pub(super) fn left(&self) -> impl Iterator<Item = &Batch> {
        self.lanes.iter().flat_map(|lane| {
            let sent = lane.in_flight.values().chain(lane.failed.values());
            sent.chain(lane.waiting.iter().map(|(_, batch)| batch))
        })
    }

    /// Messages in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether nothing is left to be sent or confirmed.
    pub(super) fn is_empty(&self) -> bool {
        let is_empty = |lane: &Lane| lane.waiting.is_empty() && lane.failed.is_empty();
        self.in_flight == 0 && self.lanes.iter().all(is_empty)
    }

    fn wake(&mut self, shard: u16) {
        let lane = &mut self.lanes[usize::from(shard)];
        if !std::mem::replace(&mut lane.is_ready, true) {
            self.ready.push_back(shard);
        }
    }
}

impl Lane {
    fn may_send(&self, now: Instant) -> bool {
        let rests = self.rests_until.is_some_and(|until| until > now);
        let Some((_, batch)) = self.waiting.front() else { return false };
        let fits = self.in_flight.is_empty() || self.datagrams + batch.datagrams <= WINDOW;
        !rests && self.failed.is_empty() && fits
    }

    /// Whether the broker should be asked how full the stream is.
    fn must_ask(&self) -> bool {
        let is_stuck = self.in_flight.is_empty() && !self.has_room();
        self.room.is_vague() || is_stuck && !self.room.is_asked()
    }

    /// Whether the stream has room for its next message.
    fn has_room(&self) -> bool {
        let Some((_, batch)) = self.waiting.front() else { return true };
        self.room.admits(batch.length, self.in_flight.len(), self.bytes)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut Batch> {
        let waiting = self.waiting.binary_search_by_key(&number, |(number, _)| *number).ok();
        match waiting {
            Some(at) => self.waiting.get_mut(at).map(|(_, batch)| batch),
            None => self.in_flight.get_mut(&number).or_else(|| self.failed.get_mut(&number)),
        }
    }

    /// Gives receipts to the last message before this one that is only in memory; returns them if there is none.
    fn pass_back(&mut self, number: u64, receipts: Vec<Answer>) -> Vec<Answer> {
        if receipts.is_empty() {
            return receipts;
        }
        let waiting = self.waiting.iter_mut().map(|(number, batch)| (&*number, batch));
        let sent = self.in_flight.iter_mut().chain(&mut self.failed);
        let before = sent
            .chain(waiting)
            .filter(|(of, batch)| **of < number && !matches!(batch.place, Place::Disk(_)));
        match before.max_by_key(|(of, _)| **of) {
            Some((_, batch)) => {
                batch.receipts.extend(receipts);
                Vec::new()
            }
            None => receipts,
        }
    }

    /// Once all have been answered, puts those that failed in front, in their order.
    fn begin_again(&mut self) {
        if self.in_flight.is_empty() {
            while let Some(failed) = self.failed.pop_last() {
                self.waiting.push_front(failed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(shard: u16, datagrams: u64) -> Batch {
        Batch {
            shard,
            body: bytes::Bytes::from_static(b"body"),
            length: 4,
            datagrams,
            bytes: 0,
            acks: Vec::new(),
            receipts: Vec::new(),
            place: Place::Memory,
            since: Instant::now(),
        }
    }

    fn lanes(shards: u16, limit: usize, batches: &[(u16, u64)]) -> Lanes {
        let mut lanes = Lanes::new(shards, limit);
        for shard in 0..shards {
            lanes.answered(shard, Some(Size::default()), Instant::now());
        }
        for (shard, datagrams) in batches.iter().copied() {
            lanes.add(batch(shard, datagrams));
        }
        lanes
    }

    fn sent(lanes: &mut Lanes, now: Instant) -> Vec<(u16, u64)> {
        let next = || lanes.next(now).map(|(number, batch)| (batch.shard, number));
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn a_lane_sends_no_more_than_the_window_and_lanes_take_turns() {
        let now = Instant::now();
        let mut lanes = lanes(3, 100, &[(0, 500), (0, 500), (0, 500), (2, 1), (2, 1), (1, 5000)]);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1)]);
        assert!(lanes.confirmed(0, 1, 1).is_some());
        assert_eq!(sent(&mut lanes, now), [(0, 2)]);
        assert!(lanes.confirmed(0, 1, 1).is_none(), "confirmed once");
        assert_eq!((lanes.in_flight(), lanes.is_empty()), (5, false));
        for (shard, number) in [(0, 0), (0, 2), (1, 0), (2, 0), (2, 1)] {
            assert!(lanes.confirmed(shard, number, 1).is_some());
        }
        assert!(lanes.is_empty());
    }

    #[test]
    fn after_a_failure_a_lane_begins_again_in_order() {
        let mut now = Instant::now();
        let mut lanes = lanes(2, 100, &[(0, 300), (0, 300), (0, 300), (0, 300)]);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (0, 1), (0, 2)]);
        lanes.failed(0, 0, false, now);
        assert_eq!(sent(&mut lanes, now), [], "others are in flight");
        lanes.confirmed(0, 1, 1);
        lanes.failed(0, 2, false, now);
        assert_eq!(sent(&mut lanes, now), [], "it rests");
        now = lanes.rests_until().unwrap();
        lanes.rested(now);
        assert_eq!(sent(&mut lanes, now), [], "the broker must say what the stream has");
        assert_eq!((lanes.next_vague(), lanes.next_vague()), (Some(0), None));
        lanes.answered(0, Some(Size::default()), now);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (0, 2), (0, 3)]);
        lanes.failed(0, 0, true, now);
        lanes.failed(0, 2, true, now);
        lanes.failed(0, 3, true, now);
        assert_eq!(sent(&mut lanes, now), []);
        lanes.answered(0, Some(Size::default()), now);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (0, 2), (0, 3)], "at once");
    }

    #[test]
    fn a_lane_whose_stream_is_full_waits_until_it_is_not_and_others_go_on() {
        let mut now = Instant::now();
        let mut lanes = lanes(2, 100, &[(0, 1), (0, 1), (1, 1)]);
        let size = |bytes| Some(Size { limit: Some(1 << 20), bytes, last: 7 });
        lanes.answered(0, size(1 << 20), now);
        assert_eq!(sent(&mut lanes, now), [(1, 0)]);
        assert_eq!((lanes.full(), lanes.is_empty()), (1, false));
        now = lanes.rests_until().unwrap();
        lanes.rested(now);
        assert_eq!(sent(&mut lanes, now), []);
        assert_eq!(lanes.next_vague(), Some(0), "it asks again");
        lanes.answered(0, None, now);
        assert_eq!(sent(&mut lanes, now), [], "no answer says nothing");
        now = lanes.rests_until().unwrap();
        lanes.rested(now);
        assert_eq!((sent(&mut lanes, now), lanes.next_vague()), (vec![], Some(0)));
        lanes.answered(0, size(1000), now);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (0, 1)]);
        assert_eq!(lanes.full(), 0);
    }

    #[test]
    fn the_limit_holds_for_all_lanes_together() {
        let now = Instant::now();
        let mut lanes = lanes(3, 2, &[(0, 1), (1, 1), (2, 1)]);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (1, 0)]);
        lanes.confirmed(1, 0, 1);
        assert_eq!(sent(&mut lanes, now), [(2, 0)]);
    }

    fn receipt() -> Vec<Answer> {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = socket.local_addr().unwrap();
        vec![Answer { socket: socket.into(), to, bytes: [].into() }]
    }

    #[test]
    fn what_waits_too_long_is_kept_once_in_order_and_only_what_is_not() {
        let now = Instant::now();
        let mut lanes = lanes(2, 100, &[(0, 600), (0, 600), (0, 600), (1, 1)]);
        assert_eq!(sent(&mut lanes, now), [(0, 0), (1, 0)]);
        let mut next = 0..;
        assert!(lanes.keep(now, |_| next.next().unwrap()).is_empty(), "all are new");
        let later = Instant::now() + Duration::from_secs(1);
        let mut keep = |lanes: &mut Lanes| {
            let copies = lanes.keep(later, |_| next.next().unwrap());
            copies.iter().map(|of| (of.shard, of.number, of.key)).collect::<Vec<_>>()
        };
        assert_eq!(keep(&mut lanes), [(0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3)]);
        assert_eq!(keep(&mut lanes), [], "they are being written");
        for (shard, number, key) in [(0, 0, 0), (0, 1, 1), (1, 0, 3)] {
            lanes.kept(shard, number, key, true);
        }
        lanes.kept(0, 2, 2, false);
        assert_eq!(keep(&mut lanes), [(0, 2, 4)], "it could not be written");
        let bodies: Vec<_> = lanes.left().map(|batch| batch.body.len()).collect();
        assert_eq!(bodies, [4, 0, 4, 4], "on its way, on disk, in memory, on its way");
        lanes.add(batch(0, 1));
        assert_eq!(keep(&mut lanes), [(0, 3, 5)]);
        assert!(lanes.confirmed(0, 0, 1).is_some_and(|batch| batch.place == Place::Disk(0)));
    }

    #[test]
    fn a_receipt_waits_for_all_that_came_before() {
        let now = Instant::now();
        let mut lanes = lanes(1, 100, &[(0, 1), (0, 1), (0, 1), (0, 1)]);
        for (_, batch) in &mut lanes.lanes[0].waiting {
            batch.receipts = receipt();
        }
        assert_eq!(sent(&mut lanes, now).len(), 4);
        let mut leaves = |number| {
            let mut batch = lanes.confirmed(0, number, 1).unwrap();
            lanes.receipts(number, &mut batch).len()
        };
        assert_eq!(leaves(1), 0);
        assert_eq!(leaves(3), 0, "it waits with number 2");
        assert_eq!(leaves(0), 2);
        let key = 9;
        lanes.keep(Instant::now() + Duration::from_secs(1), |_| key);
        assert_eq!(lanes.kept(0, 2, key, true).len(), 2);
    }
}
