//! The corpus of `ringstat_core::testkit` as events, and packed into datagrams.

use ringstat_core::event::{Event, Kind};
use ringstat_core::ledger::Cause;
use ringstat_core::name::NoNames;
use ringstat_core::testkit::{Corpus, CorpusEvent, CorpusKind};
use ringstat_core::wire::{Encoder, Header, Prologue};

/// The first `count` events of the corpus.
///
/// # Errors
/// When one of them cannot be an event, which were a defect of the corpus.
pub fn events(count: usize) -> Result<Vec<Event>, Cause> {
    let event = |e: CorpusEvent| {
        let kind = match e.kind {
            CorpusKind::Counter => Kind::Counter,
            CorpusKind::Gauge => Kind::Gauge,
            CorpusKind::Timing => Kind::Timing,
            CorpusKind::Distribution => Kind::Distribution,
        };
        let mut event = Event::new(kind, e.name.into(), e.value, e.time_ns)?;
        event.set_tags(e.tags)?;
        Ok(event)
    };
    Corpus::new(7).take(count).map(event).collect()
}

/// Packs all events into datagrams of at most `buf.len()` bytes and hands each one over. Returns how many events went
/// in: all, unless one is larger than a datagram.
pub fn pack(
    encoder: &mut Encoder,
    buf: &mut [u8],
    events: &[Event],
    mut each: impl FnMut(&[u8]),
) -> u64 {
    let (mut at, mut sequence) = (0, 0);
    while at < events.len() {
        let mut prologue = Prologue::default();
        prologue.account.base_time = events[at].time();
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
    at as u64
}

/// All events in datagrams of at most `payload` bytes.
#[must_use]
pub fn datagrams(events: &[Event], payload: usize) -> Vec<Vec<u8>> {
    let mut encoder: Box<Encoder> = Box::default();
    let (mut all, mut buf) = (Vec::new(), vec![0; payload]);
    pack(&mut encoder, &mut buf, events, |datagram| all.push(datagram.to_vec()));
    all
}
