//! Critical events on their way to the disk, as the datagrams that brought them.
//!
//! A cut once a second would be too late for critical events: they are acknowledged, and an acknowledgement promises that
//! they are on disk. So each datagram that brings new ones gets a number and is written within milliseconds, in one
//! transaction with the few others that came at the same time. A cut states up to which number it contains them.

/// A datagram with critical events, and its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry<'a> {
    /// The sender's id.
    pub(crate) id: u64,
    /// How often the sender had restarted when its epoch began.
    pub(crate) resyncs: u32,
    pub(crate) datagram: &'a [u8],
}

impl<'a> Entry<'a> {
    const HEAD: usize = 12;

    /// Reads an entry in the form in which [`Critical::add`] writes it.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (resyncs, datagram) = rest.split_first_chunk()?;
        let (id, resyncs) = (u64::from_le_bytes(*id), u32::from_le_bytes(*resyncs));
        Some(Self { id, resyncs, datagram })
    }
}

/// The datagrams that wait to be written.
#[derive(Default, Debug)]
pub(crate) struct Critical {
    is_on: bool,
    /// The number of the latest datagram.
    latest: u64,
    /// The number of the latest datagram for which there was no room. Only a cut saves its events.
    omitted: u64,
    ends: Vec<(u64, usize)>,
    bytes: Vec<u8>,
}

/// The largest number of bytes that wait. A disk that falls behind by more is as good as failed.
const LIMIT: usize = 4 << 20;

impl Critical {
    /// Starts to keep datagrams. The first number is the one after `after`.
    pub(super) fn begin(&mut self, after: u64) {
        *self = Self { is_on: true, latest: after, omitted: after, ..Self::default() };
    }

    /// Adds a datagram that brought new critical events.
    pub(super) fn add(&mut self, id: u64, resyncs: u32, datagram: &[u8]) {
        if !self.is_on {
            return;
        }
        self.latest += 1;
        if self.bytes.len() + Entry::HEAD + datagram.len() > LIMIT {
            self.omitted = self.latest;
            return;
        }
        self.bytes.extend_from_slice(&id.to_le_bytes());
        self.bytes.extend_from_slice(&resyncs.to_le_bytes());
        self.bytes.extend_from_slice(datagram);
        self.ends.push((self.latest, self.bytes.len()));
    }

    /// The number of the latest datagram.
    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    /// The number of the latest datagram that was left out for lack of room.
    pub(crate) fn omitted(&self) -> u64 {
        self.omitted
    }

    /// The waiting datagrams with their numbers, for [`Entry::read`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let begins = [0].into_iter().chain(self.ends.iter().map(|(_, end)| *end));
        begins.zip(&self.ends).map(|(begin, (number, end))| (*number, &self.bytes[begin..*end]))
    }

    /// Replaces what is here by what waits in another, which is left empty.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.ends.clear();
        self.bytes.clear();
        std::mem::swap(&mut self.ends, &mut other.ends);
        std::mem::swap(&mut self.bytes, &mut other.bytes);
        (self.latest, self.omitted) = (other.latest, other.omitted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_taken_once_and_what_is_too_much_is_known() {
        let mut critical = Critical::default();
        critical.add(1, 0, b"nobody asked");
        critical.begin(10);
        critical.add(1, 0, b"a");
        critical.add(2, 7, b"bc");
        let mut batch = Critical::default();
        batch.take(&mut critical);
        let read: Vec<_> =
            batch.iter().map(|(n, bytes)| (n, Entry::read(bytes).unwrap())).collect();
        let entry = |id, resyncs, datagram| Entry { id, resyncs, datagram };
        assert_eq!(read, [(11, entry(1, 0, &b"a"[..])), (12, entry(2, 7, b"bc"))]);
        assert_eq!((batch.latest(), batch.omitted(), critical.iter().count()), (12, 10, 0));
        (0..100).for_each(|_| critical.add(1, 0, &[0; 60_000]));
        batch.take(&mut critical);
        let last = batch.iter().last().unwrap().0;
        assert_eq!((last, batch.latest(), batch.omitted()), (12 + 69, 112, 112));
        assert_eq!(Entry::read(&[0; 11]), None);
    }
}
