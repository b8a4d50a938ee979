//! What goes into a datagram: events as long as there are any, then instruments that are due.

use heapless::Vec;

use super::Inputs;
use crate::format::{AnyEvent, Packer, Refused};
use crate::instrument::Instruments;
use crate::instrument::walk::Walk;
use crate::ledger::Cause;
use crate::record::Resolve;
use crate::ring::Source;
use crate::send::{Time, Totals};

/// Moves events into the datagram until it is full or none are left. Returns how many, and whether it is full.
pub(super) fn fill<T, S, I, N, const CARRY: usize>(
    datagram: &mut impl Packer,
    (carry, carried): (&mut Vec<T, CARRY>, &mut usize),
    totals: &mut Totals,
    inputs: &mut Inputs<'_, S, I, N>,
    sample: &mut impl FnMut(&T),
) -> (u16, bool)
where
    T: AnyEvent,
    S: Source<T> + ?Sized,
    I: ?Sized,
    N: Resolve,
{
    let mut packed = 0;
    loop {
        while let Some(event) = carry.get(*carried) {
            match event.pack(datagram, inputs.names) {
                Ok(()) => {
                    packed += 1;
                    sample(event);
                }
                Err(Refused::Full) if datagram.records() > 0 => return (packed, true),
                Err(Refused::Full) => {
                    // It does not fit even an empty datagram. The string tables now contain strings that were taken
                    // back, so nothing may follow it here: the datagram is sent empty.
                    totals.dropped.add(Cause::TooLarge, 1);
                    event.give_back(inputs.names);
                    *carried += 1;
                    return (packed, true);
                }
                Err(Refused::UnknownSymbol) => totals.dropped.add(Cause::Encode, 1),
                Err(Refused::Unsupported) => totals.dropped.add(Cause::Unsupported, 1),
            }
            event.give_back(inputs.names);
            *carried += 1;
        }
        carry.clear();
        *carried = 0;
        let taken = inputs.events.drain(CARRY, |event| {
            // A source returns at most as many events as it was asked for.
            let _ = carry.push(event);
        });
        totals.taken += taken as u64;
        if taken == 0 {
            return (packed, false);
        }
    }
}

/// Adds instruments to the datagram until it is full or the walk is at its end. Returns whether it is full.
pub(super) fn walk<I>(
    walk: &mut Walk,
    datagram: &mut impl Packer,
    totals: &mut Totals,
    now: Time,
    instruments: &I,
) -> bool
where
    I: Instruments + ?Sized,
{
    while walk.due(now.monotonic, instruments) {
        let Some((index, bucket)) = walk.current() else { return false };
        let empty = datagram.records() == 0;
        let mut result = Ok(None);
        instruments.visit(index, &mut |instrument| {
            // The version is read first, so that whatever is recorded between the two reads is sent again rather than
            // forgotten.
            let version = walk.version(instrument);
            result = datagram.instrument(index, instrument, bucket);
            let never = result.is_err_and(|refused| refused != Refused::Full || empty);
            // One that can never be sent is marked, too, and not tried again until it changes.
            if never {
                totals.unsendable += u64::from(instrument.mark().differs(version));
            }
            if never || result == Ok(None) {
                instrument.mark().set(version);
            }
        });
        match result {
            Ok(None) => walk.advance(None),
            Ok(next) => {
                walk.advance(next);
                return true;
            }
            Err(Refused::Full) if !empty => return true,
            Err(refused) => {
                // Its name and tags alone do not fit a datagram, or the format cannot express them: it can never be
                // sent.
                walk.advance(None);
                if refused == Refused::Full {
                    return true;
                }
            }
        }
    }
    false
}
