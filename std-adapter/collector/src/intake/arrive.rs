//! A datagram on its way to the store: opened, tracked by its sequence number, stored, answered.

use ringstat_core::receive::Verdict;

use super::records::Stored;
use super::{Collector, Replies, Sender, Source, lines};
use crate::journal::Topic;
use crate::statsd;

/// What became of a datagram, for those who pass it on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// It was refused as a whole.
    Refused,
    /// It was received before, or is too late for that to be known.
    Duplicate,
    /// It is of ringstat's own format, and has not been received before.
    Native,
    /// It has lines of StatsD.
    Lines,
}

impl Collector {
    pub(super) fn arrive(
        &mut self,
        datagram: &[u8],
        from: Option<&Source>,
        now_ms: u64,
    ) -> Replies {
        self.arrival = Arrival::Native;
        let mut opened = match self.decoder.0.open(datagram) {
            Ok(opened) => opened,
            Err(_) if statsd::is_text(datagram) && self.lines.is_some() => {
                self.arrival = Arrival::Lines;
                self.take_lines(datagram, from, now_ms);
                return Replies::default();
            }
            Err(e) => {
                self.arrival = Arrival::Refused;
                self.counts.malformed[e as usize] += 1;
                self.common.journal.refused(e);
                self.counts.statsd_lines += u64::from(is_statsd(datagram));
                return Replies::default();
            }
        };
        let header = *opened.header();
        let id = self.senders.route(&header);
        let new = || Sender::new(header.sender, &header, now_ms);
        let (admitted, displaced) =
            self.senders.admit(id, new, &self.common.budget, &mut self.store, now_ms);
        self.counts.displaced_senders += displaced.senders;
        self.counts.displaced_series += displaced.series;
        let Some(sender) = admitted else {
            self.arrival = Arrival::Refused;
            self.counts.refused_senders += 1;
            return Replies::default();
        };
        if sender.datagrams == 0 {
            self.common.journal.sender(Topic::NewSender, &header, now_ms);
        }
        let run = sender.run();
        let verdict = sender.observe(&header, opened.prologue(), now_ms);
        if sender.run() != run {
            self.common.journal.sender(Topic::Restart, &header, now_ms);
        }
        match verdict {
            Verdict::New | Verdict::Late | Verdict::Unconfirmed | Verdict::Jump => {}
            Verdict::Restart if !sender.has_aside() => {}
            Verdict::Restart => return self.begin(id, datagram, from, now_ms),
            Verdict::Stranger => return self.keep_aside(id, datagram),
            Verdict::Twin => return self.tell_apart(id, datagram, from, now_ms),
            refused => {
                self.arrival = Arrival::Duplicate;
                *match refused {
                    Verdict::TooLate => &mut self.counts.too_late,
                    Verdict::OldEpoch => &mut self.counts.old_epoch,
                    _ => &mut self.counts.duplicates,
                } += 1;
                // The answer to the first copy may have been lost.
                return Replies::of(&opened, id, sender.received.as_ref());
            }
        }
        let grown = sender.hear_from(from);
        let (store, counts) = (&mut self.store, &mut self.counts);
        let mut stored = self.sink.store(store, counts, id, sender, &mut opened, now_ms);
        stored.grown += grown;
        self.settle(id, datagram, &stored)
    }

    /// Takes the lines of StatsD in a datagram.
    fn take_lines(&mut self, datagram: &[u8], from: Option<&Source>, now_ms: u64) {
        let Some(lines) = &mut self.lines else { return };
        let taker = lines::Taker {
            common: &self.common,
            sink: lines,
            store: &mut self.store,
            senders: &mut self.senders,
            members: &self.sink.members,
            counts: &mut self.counts,
            from,
            now_ms,
        };
        taker.take(datagram);
    }

    /// Takes a datagram that the sender's tracker has counted already.
    pub(super) fn take(&mut self, id: u64, datagram: &[u8], now_ms: u64) -> Replies {
        // It was sound when it came.
        let (Ok(mut opened), Some(sender)) =
            (self.decoder.0.open(datagram), self.senders.get_mut(id))
        else {
            return Replies::default();
        };
        let (store, counts) = (&mut self.store, &mut self.counts);
        let stored = self.sink.store(store, counts, id, sender, &mut opened, now_ms);
        self.settle(id, datagram, &stored)
    }

    /// Accounts for a datagram that was stored, and returns the replies that its sender asks for.
    #[inline]
    fn settle(&mut self, id: u64, datagram: &[u8], stored: &Stored) -> Replies {
        self.grow(stored.grown);
        if stored.critical {
            self.critical.add(id, stored.resyncs, datagram);
        }
        stored.replies
    }

    /// Takes note that senders keep so much more memory.
    #[inline]
    pub(super) fn grow(&mut self, bytes: isize) {
        if bytes != 0 {
            self.senders.grow(bytes);
            self.store.set_outside(self.senders.bytes());
        }
    }
}

/// Whether a datagram is lines of StatsD: `name:value|type`, printable.
fn is_statsd(datagram: &[u8]) -> bool {
    let line = datagram.split(|b| *b == b'\n').next().unwrap_or_default();
    let value = line.iter().position(|b| *b == b':').map_or(&[][..], |colon| &line[colon + 1..]);
    value.contains(&b'|') && line.iter().all(|b| (b' '..0x7F).contains(b))
}
