//! Receipts: how a collector answers requests for them, and what their counts mean.

use ringstat_collector::{Collector, Limits};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames, Priority};
use ringstat_core::wire::Encoder;
use ringstat_core::wire::receipt::Receipt;

/// Returns a datagram with this many events; with a floor, it has one that is to be acknowledged.
fn datagram(epoch: u32, sequence: u32, events: u32, floor: Option<u64>, asks: bool) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = [0; 1472];
    let header = Header { sender: 7, epoch, sequence, ..Header::default() };
    let prologue = Prologue { ack_floor: floor, wants_receipt: asks, ..Prologue::default() };
    let mut open = encoder.begin(&mut buf, &header, &prologue).unwrap();
    for n in 0..events {
        let event: Event = Event::new(Kind::Gauge, "g".into(), n.into(), 5).unwrap();
        open.event(&event, &NoNames).unwrap();
    }
    if floor.is_some() {
        let mut event: Event = Event::new(Kind::Event, "e".into(), 1u8.into(), 5).unwrap();
        event.set_priority(Priority::Critical);
        open.identified(&event, &NoNames, 0).unwrap();
    }
    let length = open.finish(false);
    buf[..length].to_vec()
}

fn receipt(collector: &mut Collector, datagram: &[u8]) -> Option<Receipt> {
    collector.receive(datagram, 0).receipt
}

#[test]
fn who_asks_is_told_what_came_of_this_epoch() {
    let mut collector = Collector::new(Limits::default());
    assert_eq!(receipt(&mut collector, &datagram(3, 0, 5, None, false)), None);
    let first = receipt(&mut collector, &datagram(3, 1, 2, Some(0), true)).unwrap();
    assert_eq!((first.sender, first.epoch, first.sequence, first.first), (7, 3, 1, 0));
    assert_eq!((first.datagrams, first.events), (2, 7), "what has an identifier is not counted");
    // The same datagram comes again, because its answer may have been lost. It counts once.
    assert_eq!(receipt(&mut collector, &datagram(3, 1, 2, Some(0), true)), Some(first));
    // One datagram is lost, and one comes late.
    let later = receipt(&mut collector, &datagram(3, 4, 1, None, true)).unwrap();
    assert_eq!((later.datagrams, later.events, later.instance), (3, 8, first.instance));
    assert_eq!(receipt(&mut collector, &datagram(3, 2, 10, None, true)).unwrap().events, 18);
    // A new run starts counting anew, and asks about itself.
    assert_eq!(receipt(&mut collector, &datagram(4, 2, 1, None, true)), None, "it may be a stray");
    let restarted = receipt(&mut collector, &datagram(4, 3, 1, None, true)).unwrap();
    assert_eq!(
        (restarted.epoch, restarted.first, restarted.datagrams, restarted.events),
        (4, 2, 2, 2)
    );
    assert_ne!(restarted.instance, first.instance);
    assert_eq!(receipt(&mut collector, &datagram(3, 4, 1, None, true)), None, "an ended epoch");
}

#[test]
fn another_life_of_the_collector_is_another_instance() {
    let ask = datagram(3, 0, 1, None, true);
    let mut lives = [(); 2].map(|()| Collector::new(Limits::default()));
    let told = [0, 1].map(|i| receipt(&mut lives[i], &ask).unwrap());
    assert_eq!((told[0].events, told[1].events), (1, 1));
    assert_ne!(told[0].instance, told[1].instance);
}

#[test]
fn who_has_no_room_is_not_told_that_it_was_received() {
    let mut collector = Collector::new(Limits { senders: 0, ..Limits::default() });
    assert_eq!(receipt(&mut collector, &datagram(3, 0, 1, None, true)), None);
}
