//! Critical events in the collector without I/O: each is stored once, and only stored events are acknowledged.

use ringstat_collector::{Collector, Distributions, Io, Limits, Report, metrics};
use ringstat_core::format::{Header, Prologue};
use ringstat_core::record::{Event, Kind, NoNames, Priority};
use ringstat_core::wire::Encoder;
use ringstat_core::wire::ack::Ack;

/// The position of a datagram: epoch, sequence number and floor.
#[derive(Clone, Copy)]
struct At(u32, u32, u64);

/// Returns a datagram of sender 7 that counts 1 for each of these identifiers.
fn datagram(At(epoch, sequence, floor): At, ids: &[u64]) -> Vec<u8> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = vec![0; 1472];
    let header = Header { sender: 7, epoch, sequence, ..Header::default() };
    let prologue = Prologue { ack_floor: Some(floor), ..Prologue::default() };
    let mut open = encoder.begin(&mut buf, &header, &prologue).unwrap();
    for id in ids {
        let mut event: Event = Event::new(Kind::Counter, "alarms".into(), 1u8.into(), 0).unwrap();
        event.set_priority(Priority::Critical);
        open.identified(&event, &NoNames, id - floor).unwrap();
    }
    let length = open.finish(false);
    buf.truncate(length);
    buf
}

/// Passes a datagram to the collector, and returns which of the first identifiers it acknowledges.
fn told(collector: &mut Collector, datagram: &[u8]) -> Option<(u32, u64, Vec<u64>)> {
    let sender = collector.receive(datagram, 0).ack?;
    let mut buf = [0; Ack::MAX_LEN];
    let length = collector.ack(sender, datagram.len(), &mut buf)?;
    assert!(length <= 3 * datagram.len());
    let ack = Ack::parse(&buf[..length]).expect("a sound one");
    assert_eq!(ack.sender, 7);
    let stored = (ack.base..ack.end()).filter(|id| ack.settles(*id)).collect();
    Some((ack.epoch, ack.base, stored))
}

fn alarms(collector: &Collector) -> f64 {
    assert!(collector.counts().closes(), "{:?}", collector.counts());
    let report = Report::of(collector, &Io::default(), 0, 10);
    report.series.iter().filter(|s| s.name == "alarms").map(|s| s.value).sum()
}

#[test]
fn what_comes_again_in_another_datagram_is_stored_once_and_acknowledged_again() {
    let mut collector = Collector::new(Limits::default());
    assert_eq!(told(&mut collector, &datagram(At(1, 0, 0), &[0, 2])), Some((1, 0, vec![0, 2])));
    assert_eq!(told(&mut collector, &datagram(At(1, 1, 0), &[0, 1])), Some((1, 0, vec![0, 1, 2])));
    assert_eq!(alarms(&collector), 3.0);
    // The same datagram comes again, because its acknowledgement may have been lost.
    let again = told(&mut collector, &datagram(At(1, 1, 0), &[0, 1]));
    assert_eq!(again, Some((1, 0, vec![0, 1, 2])));
    assert_eq!((alarms(&collector), collector.counts().duplicates), (3.0, 1));
    assert_eq!((collector.counts().repeated, collector.counts().acks), (1, 3));
    let text = metrics(&collector, &Io::default(), 0, Distributions::default());
    assert!(text.contains("\nringstat_collector_repeated_total 1\n"), "{text}");
    assert!(text.contains("\nringstat_collector_acknowledgements_total 3\n"), "{text}");
}

#[test]
fn what_a_late_datagram_brings_is_not_stored_when_the_sender_has_settled_it() {
    let mut collector = Collector::new(Limits::default());
    assert_eq!(told(&mut collector, &datagram(At(1, 1, 5), &[5])), Some((1, 5, vec![5])));
    // In a delayed datagram, 3 was acknowledged or dropped since, while 6 is new.
    assert_eq!(told(&mut collector, &datagram(At(1, 0, 3), &[3, 6])), Some((1, 5, vec![5, 6])));
    assert_eq!((alarms(&collector), collector.counts().repeated), (2.0, 1));
}

#[test]
fn a_sender_that_restarts_begins_again_at_zero_and_its_past_does_not_come_back() {
    let mut collector = Collector::new(Limits::default());
    told(&mut collector, &datagram(At(1, 0, 0), &[0, 1]));
    // The datagram may be a stray, so it is kept aside; the next one proves that it is not.
    assert_eq!(told(&mut collector, &datagram(At(2, 0, 0), &[0, 1])), None);
    assert_eq!(alarms(&collector), 2.0);
    assert_eq!(told(&mut collector, &datagram(At(2, 1, 0), &[1, 2])), Some((2, 0, vec![0, 1, 2])));
    assert_eq!((alarms(&collector), collector.counts().believed), (5.0, 1));
    // A datagram left over from the first run is not stored, and the answer is about the current run.
    let past = told(&mut collector, &datagram(At(1, 0, 0), &[1, 2]));
    assert_eq!(past, Some((2, 0, vec![0, 1, 2])));
    assert_eq!((alarms(&collector), collector.counts().old_epoch), (5.0, 1));
}

#[test]
fn a_collector_that_restarts_takes_up_in_the_middle_and_counts_no_loss() {
    let mut collector = Collector::new(Limits::default());
    let joined = datagram(At(1, 70_000, 5000), &[5000, 5007]);
    assert_eq!(told(&mut collector, &joined), Some((1, 5000, vec![5000, 5007])));
    assert_eq!(
        told(&mut collector, &datagram(At(1, 70_001, 5001), &[5007])),
        Some((1, 5001, vec![5007]))
    );
    let report = Report::of(&collector, &Io::default(), 0, 10);
    assert_eq!((alarms(&collector), report.lost, report.outstanding), (2.0, 0, 0));
}

#[test]
fn what_is_not_stored_is_not_acknowledged() {
    let mut collector = Collector::new(Limits::default());
    // A correct sender never sends an identifier beyond the window.
    let beyond = datagram(At(1, 0, 0), &[100, 1024, u64::MAX]);
    assert_eq!(told(&mut collector, &beyond), Some((1, 0, vec![100])));
    assert_eq!(alarms(&collector), 1.0);
    // The header announces more records than the two it contains: those before the fault count, and nothing else.
    let mut broken = datagram(At(1, 1, 0), &[0, 1]);
    broken[20] = 3;
    let sum = broken.len() - 4;
    let crc = crc(&broken[..sum]).to_le_bytes();
    broken[sum..].copy_from_slice(&crc);
    assert_eq!(told(&mut collector, &broken), Some((1, 0, vec![0, 1, 100])));
    assert_eq!((alarms(&collector), collector.counts().broken), (3.0, 1));
    // A datagram that is malformed as a whole gets no answer.
    assert_eq!(told(&mut collector, &broken[..30]), None);
}

/// CRC-32 as in Ethernet, computed bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 != 0 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn who_has_no_critical_events_is_not_answered() {
    let mut collector = Collector::new(Limits::default());
    let mut encoder: Box<Encoder> = Box::default();
    let mut buf = [0; 256];
    let header = Header { sender: 7, ..Header::default() };
    let length = encoder.begin(&mut buf, &header, &Prologue::default()).unwrap().finish(false);
    assert_eq!(told(&mut collector, &buf[..length]), None);
    let mut ack = [0; Ack::MAX_LEN];
    assert_eq!(collector.ack(7, 1472, &mut ack), None, "known, but it has none");
    assert_eq!(collector.ack(8, 1472, &mut ack), None, "unknown");
    assert_eq!(collector.counts().acks, 0);
}

#[test]
fn an_answer_stays_in_proportion_and_what_it_leaves_out_comes_later() {
    let mut collector = Collector::new(Limits::default());
    let ids: Vec<u64> = (1..1024).collect();
    for (sequence, some) in (0..).zip(ids.chunks(200)) {
        told(&mut collector, &datagram(At(1, sequence, 0), some));
    }
    assert_eq!(alarms(&collector), 1023.0);
    let mut buf = [0; Ack::MAX_LEN];
    for asked in 0..60 {
        let length = collector.ack(7, asked, &mut buf).unwrap_or(0);
        assert!(length <= 3 * asked);
        assert!(asked < 10 || length >= 28, "{asked}");
        assert!(asked < 52 || length == Ack::MAX_LEN, "{asked}");
    }
    assert_eq!(collector.ack(7, usize::MAX, &mut buf), Some(Ack::MAX_LEN));
}
