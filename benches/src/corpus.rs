//! The corpus of `ringstat_core::testkit` as events, and packed into datagrams.

use ringstat_core::format::{Format, Header, Packer, Prologue};
use ringstat_core::ledger::Cause;
use ringstat_core::record::{Event, Kind, NoNames};
use ringstat_core::testkit::{Corpus, CorpusEvent, CorpusKind};
use ringstat_core::wire::Encoder;

/// Returns the first `count` entries of the corpus as a user would write them: 50 names of about 21 characters in
/// random order, 20 sets of 3 tags, integers and floats, exact nanoseconds.
#[must_use]
pub fn entries(count: usize) -> Vec<CorpusEvent> {
    Corpus::new(7).take(count).collect()
}

/// Converts an entry into an event of its kind.
///
/// # Errors
/// Returns the cause if it cannot be an event, which would be a defect of the corpus.
pub fn event(e: &CorpusEvent) -> Result<Event, Cause> {
    let kind = match e.kind {
        CorpusKind::Counter => Kind::Counter,
        CorpusKind::Gauge => Kind::Gauge,
        CorpusKind::Timing => Kind::Timing,
        CorpusKind::Distribution => Kind::Distribution,
    };
    let mut event = Event::new(kind, e.name.into(), e.value, e.time_ns)?;
    event.set_tags(e.tags)?;
    Ok(event)
}

/// Returns the first `count` events of the corpus.
///
/// # Errors
/// Returns the cause if one of them cannot be an event.
pub fn events(count: usize) -> Result<Vec<Event>, Cause> {
    entries(count).iter().map(event).collect()
}

/// Packs all events with `encoder` into datagrams of at most `buf.len()` bytes, and passes each datagram on. Returns
/// how many events were packed: all of them, unless one does not fit into any datagram.
pub fn pack<E: Format>(
    encoder: &mut E,
    buf: &mut [u8],
    events: &[Event],
    mut each: impl FnMut(&[u8]),
) -> usize {
    let (mut at, mut sequence) = (0, 0);
    while at < events.len() {
        let prologue = Prologue { base_time: events[at].time(), ..Prologue::default() };
        let header = Header { sender: 1, sequence, ..Header::default() };
        let first = at;
        let Ok(mut datagram) = encoder.begin(buf, &header, &prologue) else { break };
        while events.get(at).is_some_and(|event| datagram.event(event, &NoNames).is_ok()) {
            at += 1;
        }
        let length = datagram.finish(false);
        if at == first {
            break;
        }
        each(&buf[..length]);
        sequence += 1;
    }
    at
}

/// Packs all events into datagrams of at most `payload` bytes.
#[must_use]
pub fn datagrams(events: &[Event], payload: usize) -> Vec<Vec<u8>> {
    let mut encoder: Box<Encoder> = Box::default();
    let mut all = Vec::new();
    pack(&mut *encoder, &mut vec![0; payload], events, |datagram| all.push(datagram.to_vec()));
    all
}

/// Gives datagrams the next sequence numbers and correct checksums, so that a collector takes them as new.
pub fn renumber(datagrams: &mut [Vec<u8>], next: &mut u32) {
    for datagram in datagrams {
        datagram[16..20].copy_from_slice(&next.to_le_bytes());
        *next += 1;
        let end = datagram.len() - 4;
        let sum = crc32fast::hash(&datagram[..end]).to_le_bytes();
        datagram[end..].copy_from_slice(&sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringstat_core::format::PAYLOAD_ETHERNET;
    use ringstat_core::wire::Decoder;

    #[test]
    fn every_event_is_in_one_datagram() {
        let events = events(1000).unwrap();
        let mut decoder: Box<Decoder> = Box::default();
        let mut records = 0;
        for datagram in datagrams(&events, PAYLOAD_ETHERNET) {
            assert!(datagram.len() <= PAYLOAD_ETHERNET);
            let mut opened = decoder.open(&datagram).unwrap();
            while let Some(record) = opened.next() {
                record.unwrap();
                records += 1;
            }
        }
        assert_eq!(records, events.len());
        assert!(datagrams(&events, 8).is_empty(), "no datagram is that short");
    }

    #[test]
    fn datagrams_with_other_numbers_are_sound() {
        let mut all = datagrams(&events(500).unwrap(), PAYLOAD_ETHERNET);
        let mut next = 70_000;
        renumber(&mut all, &mut next);
        assert_eq!(next, 70_000 + all.len() as u32);
        let mut decoder: Box<Decoder> = Box::default();
        for (number, datagram) in (70_000..).zip(&all) {
            assert_eq!(decoder.open(datagram).unwrap().header().sequence, number);
        }
    }
}
