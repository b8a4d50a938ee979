//! A datagram being packed: opened with header and prologue, filled with whole records, and closed with its checksum.

use super::event::own_rate;
use crate::format::{Header, PAYLOAD_MAX, PAYLOAD_MIN, Packer, Prologue, Refused};
use crate::instrument::Instrument;
use crate::record::{Event, Resolve};
use crate::wire::crc::{self, TRAILER};
use crate::wire::cursor::{NoRoom, Writer};
use crate::wire::table::Table;

impl From<NoRoom> for Refused {
    fn from(NoRoom: NoRoom) -> Self {
        Self::Full
    }
}

/// A datagram being packed.
pub struct Datagram<'a, T> {
    pub(super) strings: &'a mut T,
    pub(super) w: Writer<'a>,
    /// The last bytes of the buffer, for the checksum of a datagram that is filled to its limit.
    trailer: &'a mut [u8],
    records: u16,
    pub(super) time: u64,
}

impl<'a, T: Table> Datagram<'a, T> {
    pub(crate) fn open(
        strings: &'a mut T,
        buf: &'a mut [u8],
        header: &Header,
        prologue: &Prologue,
    ) -> Result<Self, Refused> {
        if buf.len() < PAYLOAD_MIN {
            return Err(Refused::Full);
        }
        // The number of records is filled in by `finish`.
        let packed = prologue.packed && T::PACKED;
        let prologue = Prologue { records: 0, packed, ..*prologue };
        strings.clear(prologue.packed);
        let limit = buf.len().min(PAYLOAD_MAX);
        let buf = &mut buf[..limit];
        let (body, trailer) = buf.split_at_mut(buf.len() - TRAILER);
        let mut w = Writer::new(body);
        header.put(&mut w)?;
        prologue.put(&mut w)?;
        Ok(Datagram { strings, w, trailer, records: 0, time: prologue.base_time })
    }
}

impl<T: Table> Datagram<'_, T> {
    /// The number of records added so far.
    #[must_use]
    pub fn records(&self) -> u16 {
        self.records
    }

    /// The length of the datagram in bytes if it were finished now.
    #[must_use]
    pub fn size(&self) -> usize {
        self.w.position() + TRAILER
    }

    /// Adds an event.
    ///
    /// # Errors
    /// See [`Refused`]; the datagram is then unchanged.
    #[inline]
    pub fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        self.whole(|d| d.write_event(event, names, None, own_rate))?;
        self.time = event.time();
        Ok(())
    }

    /// Adds an event to be acknowledged: its identifier is `above_floor` above the prologue's floor, which must be
    /// present.
    ///
    /// # Errors
    /// See [`Refused`]; the datagram is then unchanged.
    pub fn identified<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused> {
        self.whole(|d| d.write_event(event, names, Some(above_floor), own_rate))?;
        self.time = event.time();
        Ok(())
    }

    /// Adds an event that stands for `rate` of its kind (0 counts as 1), ignoring the rate in its slot, which cannot
    /// exceed 255. For programs that pack what others recorded. With `above_floor`, the event gets an identifier as in
    /// [`identified`](Self::identified).
    ///
    /// # Errors
    /// See [`Refused`]; the datagram is then unchanged.
    pub fn event_of_rate<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        rate: u32,
        above_floor: Option<u64>,
    ) -> Result<(), Refused> {
        let mut event = *event;
        // The slot's rate only decides whether a rate is written; the value written is `rate`.
        event.set_rate(if rate > 1 { u8::MAX } else { 1 });
        self.whole(|d| d.write_event(&event, names, above_floor, |_| rate))?;
        self.time = event.time();
        Ok(())
    }

    /// Adds the record of an event that was written before, without its identifier, as the one at the prologue's floor.
    ///
    /// # Errors
    /// [`Refused::Full`]; the datagram is then unchanged.
    pub(crate) fn again_at_floor(&mut self, record: &[u8]) -> Result<(), Refused> {
        self.whole(|d| {
            d.w.bytes(record)?;
            Ok(d.w.byte(0)?)
        })
    }

    /// Closes the datagram and returns its length. With `pad`, it is filled with zeros to the length of the buffer, so
    /// that several datagrams can be passed to the kernel as segments of one size.
    pub fn finish(self, pad: bool) -> usize {
        let Self { mut w, trailer, records, .. } = self;
        w.patch(Prologue::RECORDS_AT, &records.to_le_bytes());
        if pad {
            w.zeros_to(usize::MAX);
        }
        let sum = crc::crc32(w.written()).to_le_bytes();
        let end = w.position();
        if w.bytes(&sum).is_err() {
            // The checksum begins in the last bytes of the body and ends in the trailer.
            let here = w.remaining();
            w.patch(end, &sum[..here]);
            trailer[..TRAILER - here].copy_from_slice(&sum[here..]);
        }
        end + TRAILER
    }

    /// Runs `write`, and undoes everything if it fails.
    #[inline]
    pub(super) fn whole<R>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<R, Refused>,
    ) -> Result<R, Refused> {
        let start = self.w.position();
        if self.records == u16::MAX {
            return Err(Refused::Full);
        }
        let result = write(self);
        match result {
            // The string tables may now contain strings that were undone. That is harmless for `Full`, after which the
            // datagram is closed; with an unknown symbol, nothing had been written yet.
            Err(_) => self.w.rewind(start),
            Ok(_) => self.records += 1,
        }
        result
    }
}

impl<T: Table> Packer for Datagram<'_, T> {
    fn records(&self) -> u16 {
        Self::records(self)
    }

    fn size(&self) -> usize {
        Self::size(self)
    }

    fn shift(&mut self, by: u64) {
        self.time = self.time.wrapping_sub(by);
    }

    #[inline]
    fn event<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
    ) -> Result<(), Refused> {
        Self::event(self, event, names)
    }

    fn identified<const INLINE: usize>(
        &mut self,
        event: &Event<INLINE>,
        names: &impl Resolve,
        above_floor: u64,
    ) -> Result<(), Refused> {
        Self::identified(self, event, names, above_floor)
    }

    fn instrument(
        &mut self,
        _: usize,
        instrument: &dyn Instrument,
        from_bucket: usize,
    ) -> Result<Option<usize>, Refused> {
        Self::instrument(self, instrument, from_bucket)
    }

    fn finish(self, pad: bool) -> usize {
        Self::finish(self, pad)
    }
}
