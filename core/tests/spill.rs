//! Long tags through a whole sender: they arrive complete, and every block is free again whatever became of its event.

use ringstat_core::chip::{Clock, EventRing, Stats};
use ringstat_core::format::{Format, TimeUnit};
use ringstat_core::ledger::Cause;
use ringstat_core::policy::Policy;
use ringstat_core::record::{Outcome, Priority, Recorder, TagMemory};
use ringstat_core::send::{ArrayStore, Identity, Sender, SenderConfig, Step, Time};
use ringstat_core::text::{self, Dialect, Growing};
use ringstat_core::wire::ack::Ack;
use ringstat_core::wire::decode::{Body, Content};
use ringstat_core::wire::{self, Decoder};

const IDENTITY: Identity = Identity { sender: 1, epoch: 1 };
const NOW: Time = Time { monotonic: 1_000_000_000, wall: 1_000_000_000 };

type Memory = &'static TagMemory<128>;

fn plain() -> (Stats<8, 0, Memory>, Memory) {
    let memory: Memory = Box::leak(Box::default());
    let ring = Box::leak(Box::new(EventRing::new()));
    (Stats::new(ring, Clock::nanos(|| 7)).policy(Policy::DropOldest).tag_memory(memory), memory)
}

/// A sender with room for one critical event.
fn with_critical() -> (Stats<8, 1, Memory>, Memory) {
    let memory: Memory = Box::leak(Box::default());
    let ring = Box::leak(Box::new(EventRing::new()));
    let critical = Box::leak(Box::new(EventRing::new()));
    let stats = Stats::new(ring, Clock::nanos(|| 7)).policy(Policy::DropOldest);
    (stats.critical(critical).tag_memory(memory), memory)
}

fn config(payload: usize) -> SenderConfig {
    SenderConfig { payload, ..SenderConfig::new(TimeUnit::Nanos) }
}

/// Returns datagrams until none are due.
fn all<E: Format, const C: usize>(
    stats: &Stats<8, C, Memory>,
    sender: &mut Sender<E, ArrayStore<C>, 4>,
    now: Time,
) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    sender.flush();
    loop {
        let mut buf = vec![0; 9000];
        match stats.poll(sender, now, &mut buf) {
            Step::Wait(_) => return datagrams,
            Step::Send(packed) => {
                datagrams.push(buf[..packed.len].to_vec());
                sender.sent(packed);
            }
        }
    }
}

#[test]
fn long_tags_and_texts_arrive_and_leave_nothing_behind() {
    let (stats, memory) = plain();
    let mut sender: Sender<wire::Encoder, ArrayStore<0>, 4> = Sender::new(IDENTITY, &config(9000));
    let (key, value, text) = ("k".repeat(255), "é".repeat(127), "t".repeat(1000));
    let draft = stats.event("said").text(&text);
    let said = (0..16).fold(draft, |draft, _| draft.tag(&key, &value)).record();
    assert_eq!(said, Outcome::Recorded);
    // Only some fit at first: the second event has no room in the first datagram and waits for the next one.
    let half = "v".repeat(250);
    let wide = || (0..12).fold(stats.count("n", 1u8), |d, _| d.tag("key", &half)).record();
    assert_eq!([wide(), wide()], [Outcome::Recorded; 2]);
    assert!(memory.area().used() > 60);
    let mut decoder: Box<Decoder> = Box::default();
    let mut seen = Vec::new();
    for datagram in all(&stats, &mut sender, NOW) {
        let mut open = decoder.open(&datagram).unwrap();
        while let Some(record) = open.next() {
            let record = record.unwrap();
            let Body::Event(event) = record.body else { panic!("no instruments here") };
            if let Content::Text(said) = event.content {
                assert_eq!(said, text);
                assert!(record.tags.iter().all(|tag| tag == (&*key, &*value)));
            }
            seen.push(record.tags.len());
        }
    }
    assert_eq!(seen, [16, 12, 12]);
    assert_eq!(memory.area().used(), 0);
    assert!(stats.ledger(&sender).closes());
}

#[test]
fn what_is_given_up_gives_its_memory_back() {
    let (stats, memory) = with_critical();
    let mut sender: Sender<wire::Encoder, ArrayStore<1>, 4> = Sender::new(IDENTITY, &config(256));
    let long = "v".repeat(200);
    let wide = |n: usize| (0..n).fold(stats.count("n", 1u8), |d, _| d.tag("key", &long));
    // These events are never recorded, refused because of a later tag, or too large for any datagram.
    drop(wide(3));
    assert_eq!(wide(17).record(), Outcome::Dropped(Cause::TooManyTags));
    assert_eq!(memory.area().used(), 0);
    assert_eq!(wide(3).record(), Outcome::Recorded);
    assert!(memory.area().used() > 0);
    all(&stats, &mut sender, NOW);
    assert_eq!(memory.area().used(), 0);
    // Events that newer ones overwrite; the last eight wait.
    (0..20).for_each(|_| assert!(wide(1).record().is_recorded()));
    assert_eq!(memory.area().used(), 8 * 2);
    // Critical events for which there is no room.
    let critical = || wide(1).priority(Priority::Critical).record();
    assert_eq!([critical(), critical()], [Outcome::Recorded, Outcome::Dropped(Cause::Full)]);
    assert_eq!(memory.area().used(), 9 * 2);
    // After the first datagram some events are carried over, and then everything is sent.
    let mut buf = [0; 256];
    let Step::Send(packed) = stats.poll(&mut sender, NOW, &mut buf) else { panic!("it is due") };
    sender.sent(packed);
    all(&stats, &mut sender, NOW);
    assert_eq!((memory.area().used(), sender.unacknowledged()), (2, 1), "kept for its answer");
    let ack = Ack { sender: 1, epoch: 1, base: 1, bitmap: &[] };
    let mut answer = [0; Ack::MAX_LEN];
    let length = ack.emit(&mut answer).unwrap();
    // A base above the sender's floor is impossible. The floor advances once the event is acknowledged.
    let ack = Ack { base: 0, bitmap: &[1], ..ack };
    assert!(stats.acknowledged(&mut sender, &answer[..length]).is_err());
    let length = ack.emit(&mut answer).unwrap();
    assert_eq!(stats.acknowledged(&mut sender, &answer[..length]), Ok(1));
    assert_eq!((memory.area().used(), sender.unacknowledged()), (0, 0));
    let ledger = stats.ledger(&sender);
    assert!(ledger.closes(), "{ledger:?}");
    assert_eq!(ledger.dropped.get(Cause::Evicted), 12);
    assert_eq!(ledger.dropped.get(Cause::TooLarge), 1);
}

#[test]
fn lines_for_agents_say_them_too() {
    let (stats, memory) = plain();
    let encoder = <text::Encoder<_>>::new(Dialect::DogStatsD, Growing::new());
    let mut sender: Sender<_, ArrayStore<0>, 4> =
        Sender::with_parts(IDENTITY, &config(1472), encoder, ArrayStore::new());
    let draft = stats.count("requests", 1u8).tag("route", "/users/{id}/orders");
    assert!(draft.tag("method", "GET").tag("status", "200").record().is_recorded());
    let member = "3f9a1c77-52e0-4c1b-9a60-1d2e3f405162";
    assert!(stats.set("users", 1u8).text(member).record().is_recorded());
    let datagrams = all(&stats, &mut sender, NOW);
    let lines = String::from_utf8(datagrams.concat()).unwrap();
    assert_eq!(
        lines,
        format!("requests:1|c|#route:/users/{{id}}/orders,method:GET,status:200\nusers:{member}|s")
    );
    assert_eq!(memory.area().used(), 0);
}
