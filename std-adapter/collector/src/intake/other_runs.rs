//! Datagrams of a run that is not the current one of their sender: kept aside until it is clear whether the sender has
//! restarted, or two processes send under one number.

use ringstat_core::format::Header;

use super::{Arrival, Collector, Replies, Sender, Source};
use crate::limits::Limit;
use crate::memory::heap;

impl Collector {
    /// Keeps a datagram of another run aside, if there is room.
    #[cold]
    pub(super) fn keep_aside(&mut self, id: u64, datagram: &[u8]) -> Replies {
        self.counts.strangers += 1;
        let has_room = self.store.claim(heap(datagram.len()) + 64);
        if let Some(sender) = self.senders.get_mut(id) {
            let before = sender.bytes();
            sender.keep_aside(datagram, has_room);
            let grown = sender.bytes() as isize - before as isize;
            self.grow(grown);
        }
        // It is not known yet whether this will have been received.
        Replies::default()
    }

    /// What was kept aside for a sender of a datagram's epoch, and is that no longer.
    fn take_aside(&mut self, id: u64, datagram: &[u8]) -> Vec<Box<[u8]>> {
        let (Ok(header), Some(sender)) = (Header::parse(datagram), self.senders.get_mut(id)) else {
            return Vec::new();
        };
        let before = sender.bytes();
        let aside = sender.take_aside(header.epoch);
        let grown = sender.bytes() as isize - before as isize;
        self.grow(grown);
        aside
    }

    /// A run begins with this datagram and those kept aside that are of it.
    #[cold]
    pub(super) fn begin(
        &mut self,
        id: u64,
        datagram: &[u8],
        from: Option<&Source>,
        now_ms: u64,
    ) -> Replies {
        for aside in self.take_aside(id, datagram) {
            self.counts.believed += 1;
            self.take(id, &aside, now_ms);
        }
        if let Some(sender) = self.senders.get_mut(id) {
            let grown = sender.hear_from(from);
            self.grow(grown);
        }
        self.take(id, datagram, now_ms)
    }

    /// Two processes send under one number: the one whose run is not the current one gets an id of its own.
    #[cold]
    pub(super) fn tell_apart(
        &mut self,
        id: u64,
        datagram: &[u8],
        from: Option<&Source>,
        now_ms: u64,
    ) -> Replies {
        let aside = self.take_aside(id, datagram);
        let twin = Header::parse(datagram).ok().and_then(|h| self.senders.tell_apart(&h, now_ms));
        let Some(twin) = twin else {
            self.store.hits.count(Limit::Senders, id, 1);
            self.arrival = Arrival::Refused;
            self.counts.refused_senders += 1;
            return Replies::default();
        };
        for aside in aside {
            self.counts.believed += 1;
            self.arrive(&aside, from, now_ms);
        }
        let replies = self.arrive(datagram, from, now_ms);
        self.senders.pair(id, twin);
        let at = |id| self.senders.get(id).and_then(Sender::source).map(Source::to_string);
        self.common.journal.twins((id, at(id)), (twin, at(twin)), now_ms);
        replies
    }
}
