//! Packs records into datagrams, each as full as possible.

use std::io;

use ringstat_core::format::{Format, Header, Prologue, Refused};
use ringstat_core::ledger::Cause;
use ringstat_core::wire::Encoder;

use super::{Args, Report};
use crate::common::failure::{Exit, Failure, Outcome};
use crate::jsonl::envelope::in_unit;
use crate::jsonl::records::{Item, Records, now_ns};
use crate::jsonl::refusal::Refusal;

/// Room for most texts in an event; longer ones are kept beside it.
const INLINE: usize = 254;

/// A record with its line, and for a histogram the bucket at which to continue.
type Pending = Option<(u64, Item<INLINE>, usize)>;

/// What each datagram begins with.
struct Beginning {
    header: Header,
    /// The contents of a line of kind `datagram`; without one, they are derived from the records.
    prologue: Option<Prologue>,
}

/// Packs all records and passes each datagram to `emit`.
pub(super) fn pack(
    args: &Args,
    records: &mut Records,
    report: &mut Report,
    mut emit: impl FnMut(&[u8]) -> io::Result<()>,
) -> Outcome {
    let mut encoder: Box<Encoder> = Box::default();
    let mut buffer = vec![0; usize::from(args.mtu)];
    let mut beginning = Beginning { header: given(args, Header::default()), prologue: None };
    // What did not fit the previous datagram.
    let mut waiting = None;
    while let Some((line, item, bucket)) = next(&mut waiting, records)? {
        let (mut current, announced) = match item {
            Item::Datagram(envelope) => {
                let (header, prologue) = match envelope.begin() {
                    Ok(begun) => begun,
                    Err(why) => {
                        records.refuse(line, why);
                        continue;
                    }
                };
                beginning = Beginning { header: given(args, header), prologue: Some(prologue) };
                (next(&mut waiting, records)?, true)
            }
            item => (Some((line, item, bucket)), false),
        };
        let prologue = beginning.prologue.unwrap_or_else(|| suited_to(&current));
        let Ok(mut datagram) = encoder.begin(&mut buffer, &beginning.header, &prologue) else {
            return Err(Failure::new(Exit::Usage, "no datagram is that small"));
        };
        while let Some((line, item, bucket)) = current {
            match add(&mut datagram, &item, bucket, &prologue) {
                Ok(None) => match item {
                    Item::Event(_) => report.events += 1,
                    Item::State(_) | Item::Datagram(_) => report.states += 1,
                },
                Ok(Some(bucket)) => {
                    waiting = Some((line, item, bucket));
                    break;
                }
                Err(Unfit::Another) => {
                    waiting = Some((line, item, bucket));
                    break;
                }
                Err(Unfit::Full) if datagram.records() > 0 => {
                    waiting = Some((line, item, bucket));
                    break;
                }
                Err(Unfit::Full) => {
                    // Nothing may follow it, because the string tables contain strings that were taken back.
                    records.refuse(line, Refusal::from(Cause::TooLarge));
                    break;
                }
                Err(Unfit::Refused(why)) => records.refuse(line, why),
            }
            current = next(&mut waiting, records)?;
        }
        if datagram.records() > 0 || announced {
            let length = datagram.finish(false);
            report.datagrams += 1;
            report.bytes += length as u64;
            report.largest = report.largest.max(length);
            beginning.header.sequence = beginning.header.sequence.wrapping_add(1);
            emit(&buffer[..length])?;
        }
    }
    Ok(())
}

fn next(waiting: &mut Pending, records: &mut Records) -> Result<Pending, Failure> {
    if waiting.is_some() {
        return Ok(waiting.take());
    }
    Ok(records.next()?.map(|(line, item)| (line, item, 0)))
}

/// Flags take precedence over a line.
fn given(args: &Args, header: Header) -> Header {
    Header {
        sender: args.sender.unwrap_or(header.sender),
        epoch: args.epoch.unwrap_or(header.epoch),
        ..header
    }
}

/// The prologue for a datagram that begins with this record.
fn suited_to(first: &Pending) -> Prologue {
    let (base_time, ack_floor) = match first {
        // As close as possible to the events' own times, so that differences are short.
        Some((_, Item::Event(recorded), _)) => (recorded.event.time(), recorded.id),
        _ => (now_ns(), None),
    };
    Prologue { base_time, ack_floor, ..Prologue::default() }
}

/// Why a record was not added to the datagram.
enum Unfit {
    /// There is no room for it.
    Full,
    /// It belongs into another datagram.
    Another,
    /// It fits no datagram.
    Refused(Refusal),
}

impl From<Refusal> for Unfit {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl From<Refused> for Unfit {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::UnknownSymbol | Refused::Unsupported => {
                Self::Refused(Refusal::from("the format cannot say it"))
            }
        }
    }
}

/// Adds a record; for a histogram, its buckets from `bucket` on, as many as fit. Returns the bucket at which to
/// continue, if any.
fn add(
    datagram: &mut <Encoder as Format>::Datagram<'_>,
    item: &Item<INLINE>,
    bucket: usize,
    prologue: &Prologue,
) -> Result<Option<usize>, Unfit> {
    match item {
        Item::Datagram(_) => Err(Unfit::Another),
        Item::State(state) => Ok(datagram.instrument(state, bucket)?),
        Item::Event(recorded) => {
            let above_floor = match (recorded.id, prologue.ack_floor) {
                (None, _) => None,
                (Some(id), Some(floor)) if id >= floor => Some(id - floor),
                // A datagram that begins with this event uses its identifier as the floor.
                (Some(_), _) if datagram.records() > 0 => return Err(Unfit::Another),
                (Some(id), _) => {
                    let what =
                        format!("id {id}: below the floor of its datagram, or that has none");
                    return Err(Refusal(what).into());
                }
            };
            let mut event = recorded.event;
            event.set_time(in_unit(event.time(), prologue.unit)?);
            datagram.event_of_rate(&event, &recorded.beside, recorded.rate, above_floor)?;
            Ok(None)
        }
    }
}
