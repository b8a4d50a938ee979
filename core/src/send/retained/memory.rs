//! What stands in memory that a reset does not clear, and when it is believed.
//!
//! It is read as if anybody could have written it: at power-up it is noise, firmware of another version may have used it
//! for something else, and a reset can come between any two writes. So the run and each record have a checksum, what
//! makes them valid is written last, and everything is bytes without pointers.

use crate::format::TimeUnit;
use crate::send::Epoch;
use crate::sync::{AtomicU8, AtomicU32, Ordering};
use crate::wire::crc::crc32;

/// Memory for `N` critical events that outlives a reset of the chip, in `BYTES` bytes each and 24 more.
///
/// Put it where the start-up code clears nothing: with `cortex-m-rt` and `riscv-rt` into the section `.uninit`, with
/// `esp-hal` into `.rtc_fast.persistent`. The memory must be written through, not only cached. It survives a reset of
/// any cause, but not the loss of power.
///
/// ```
/// use ringstat_core::send::Retained;
///
/// # #[cfg(target_os = "none")]
/// #[unsafe(link_section = ".uninit.ringstat")]
/// static RETAINED: Retained<8> = Retained::new();
/// # static RETAINED: Retained<8> = Retained::new();
/// # use ringstat_core::prelude::*;
/// # fn random() -> u32 { 5 }
///
/// // One higher in each run, as long as the memory survives.
/// let epoch = RETAINED.epoch(Epoch::random(random()));
/// # assert_eq!(epoch, Epoch::random(5));
/// ```
///
/// One sender at a time may use it. A name, its tags and a text have to fit `BYTES` together; an event that does not fit
/// is sent like any other, but does not outlive a reset.
#[derive(Debug)]
pub struct Retained<const N: usize, const BYTES: usize = 96> {
    run: RunCells,
    heads: [Head; N],
    records: [[AtomicU8; BYTES]; N],
}

/// The largest record that can be retained, in bytes.
pub(super) const RECORD_MAX: usize = 192;

impl<const N: usize, const BYTES: usize> Retained<N, BYTES> {
    /// Creates the memory, for the initializer of a static. What it contains at the start is what was there before.
    #[cfg(not(loom))]
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N > 0 && N < 256, "room for 1 to 255 events") };
        const { assert!(BYTES <= RECORD_MAX, "no record needs more") };
        Self {
            run: RunCells::new(),
            heads: [const { Head::new() }; N],
            records: [const { [const { AtomicU8::new(0) }; BYTES] }; N],
        }
    }

    /// The number for this run: one more than that of the run whose memory this is, or `otherwise` if that is not known.
    /// Call it before a sender is made from this memory.
    #[must_use]
    pub fn epoch(&self, otherwise: Epoch) -> Epoch {
        match self.run.read(Self::LAYOUT) {
            Some(Run { epoch: epoch @ 1.., .. }) => Epoch::stored(epoch.wrapping_add(1)),
            _ => otherwise,
        }
    }

    #[cfg(test)]
    pub(super) fn records(&self) -> impl Iterator<Item = &AtomicU8> {
        self.records.iter().flatten()
    }

    /// Another version of these files changes the last byte; another size is another layout as well.
    const LAYOUT: u32 = u32::from_le_bytes(*b"RSk\x01") ^ (N as u32) << 8 ^ (BYTES as u32) << 20;

    /// The same memory without its sizes in the type.
    pub(super) fn erased(&'static self) -> Memory {
        Memory {
            layout: Self::LAYOUT,
            run: &self.run,
            heads: &self.heads,
            records: self.records.as_flattened(),
            bytes: BYTES,
        }
    }
}

#[cfg(not(loom))]
impl<const N: usize, const BYTES: usize> Default for Retained<N, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// A [`Retained`] of any size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    layout: u32,
    run: &'static RunCells,
    heads: &'static [Head],
    records: &'static [AtomicU8],
    bytes: usize,
}

/// The run whose events are in the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub(super) sender: u64,
    pub(super) epoch: u32,
    /// The number of its next datagram.
    pub(super) next: u32,
}

/// What a record needs besides its bytes to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Saved {
    pub(super) id: u64,
    pub(super) base_time: u64,
    pub(super) unit: TimeUnit,
    pub(super) since_boot: bool,
    pub(super) length: usize,
}

/// What is in a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Free,
    Damaged,
    Taken(Saved),
}

impl Memory {
    pub(super) fn places(&self) -> usize {
        self.heads.len()
    }

    /// The run that the memory is of, unless it is noise.
    pub(super) fn run(&self) -> Option<Run> {
        self.run.read(self.layout)
    }

    /// Frees all places, for a run that has sent nothing yet.
    pub(super) fn begin(&self, sender: u64, epoch: u32) {
        self.run.magic.store(0, Ordering::Release);
        self.heads.iter().for_each(Head::free);
        self.run.begin(self.layout, sender, epoch);
    }

    /// Notes the number of the next datagram, before the one with the number below it leaves.
    pub(super) fn number(&self, next: u32) {
        self.run.number(next);
    }

    pub(super) fn write(&self, place: usize, saved: &Saved, record: &[u8]) -> Option<()> {
        let (head, cells) = self.at(place)?;
        head.free();
        let cells = cells.get(..record.len())?;
        for (cell, byte) in cells.iter().zip(record) {
            cell.store(*byte, Ordering::Relaxed);
        }
        head.write(saved, record);
        Some(())
    }

    pub(super) fn free(&self, place: usize) {
        if let Some((head, _)) = self.at(place) {
            head.free();
        }
    }

    /// Reads what is in a place, and its record into `record`.
    pub(super) fn read(&self, place: usize, record: &mut [u8; RECORD_MAX]) -> Place {
        let Some((head, cells)) = self.at(place) else { return Place::Free };
        for (byte, cell) in record.iter_mut().zip(cells) {
            *byte = cell.load(Ordering::Relaxed);
        }
        head.read(record.get(..self.bytes).unwrap_or(&[]))
    }

    fn at(&self, place: usize) -> Option<(&'static Head, &'static [AtomicU8])> {
        let from = place * self.bytes;
        Some((self.heads.get(place)?, self.records.get(from..from + self.bytes)?))
    }
}

/// A word of 64 bits in two of 32, as nothing else writes them at the same time.
fn store_wide([low, high]: &[AtomicU32; 2], value: u64) {
    low.store(value as u32, Ordering::Relaxed);
    high.store((value >> 32) as u32, Ordering::Relaxed);
}

fn load_wide([low, high]: &[AtomicU32; 2]) -> u64 {
    u64::from(low.load(Ordering::Relaxed)) | u64::from(high.load(Ordering::Relaxed)) << 32
}

#[derive(Debug)]
struct RunCells {
    magic: AtomicU32,
    sender: [AtomicU32; 2],
    epoch: AtomicU32,
    check: AtomicU32,
    next: AtomicU32,
    /// The same with all bits inverted.
    next_inverted: AtomicU32,
}

impl RunCells {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            magic: AtomicU32::new(0),
            sender: [const { AtomicU32::new(0) }; 2],
            epoch: AtomicU32::new(0),
            check: AtomicU32::new(0),
            next: AtomicU32::new(0),
            next_inverted: AtomicU32::new(0),
        }
    }

    fn check(layout: u32, sender: u64, epoch: u32) -> u32 {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&layout.to_le_bytes());
        bytes[4..12].copy_from_slice(&sender.to_le_bytes());
        bytes[12..].copy_from_slice(&epoch.to_le_bytes());
        crc32(&bytes)
    }

    fn begin(&self, layout: u32, sender: u64, epoch: u32) {
        store_wide(&self.sender, sender);
        self.epoch.store(epoch, Ordering::Relaxed);
        self.check.store(Self::check(layout, sender, epoch), Ordering::Relaxed);
        self.number(0);
        self.magic.store(layout, Ordering::Release);
    }

    fn number(&self, next: u32) {
        self.next.store(next, Ordering::Release);
        self.next_inverted.store(!next, Ordering::Release);
    }

    fn read(&self, layout: u32) -> Option<Run> {
        let (sender, epoch) = (load_wide(&self.sender), self.epoch.load(Ordering::Relaxed));
        let next = self.next.load(Ordering::Relaxed);
        // A reset may have come between the two writes of `number`.
        let behind = next.wrapping_sub(!self.next_inverted.load(Ordering::Relaxed));
        let is_sound = self.magic.load(Ordering::Acquire) == layout
            && self.check.load(Ordering::Relaxed) == Self::check(layout, sender, epoch)
            && behind <= 1;
        is_sound.then_some(Run { sender, epoch, next })
    }
}

#[derive(Debug)]
struct Head {
    id: [AtomicU32; 2],
    base_time: [AtomicU32; 2],
    /// [`TAKEN`], the unit, [`SINCE_BOOT`] and the length; 0 if the place is free.
    form: AtomicU32,
    check: AtomicU32,
}

const TAKEN: u32 = 0xA5 << 24;
const SINCE_BOOT: u32 = 1 << 18;
const UNIT_SHIFT: u32 = 16;

impl Head {
    #[cfg(not(loom))]
    const fn new() -> Self {
        Self {
            id: [const { AtomicU32::new(0) }; 2],
            base_time: [const { AtomicU32::new(0) }; 2],
            form: AtomicU32::new(0),
            check: AtomicU32::new(0),
        }
    }

    fn free(&self) {
        self.form.store(0, Ordering::Release);
    }

    fn check(id: u64, base_time: u64, form: u32, record: &[u8]) -> u32 {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&id.to_le_bytes());
        bytes[8..16].copy_from_slice(&base_time.to_le_bytes());
        bytes[16..].copy_from_slice(&form.to_le_bytes());
        crc32(&bytes) ^ crc32(record).rotate_left(1)
    }

    fn write(&self, saved: &Saved, record: &[u8]) {
        let form = TAKEN
            | (u32::from(saved.since_boot) * SINCE_BOOT)
            | (saved.unit as u32) << UNIT_SHIFT
            | saved.length as u32;
        store_wide(&self.id, saved.id);
        store_wide(&self.base_time, saved.base_time);
        let check = Self::check(saved.id, saved.base_time, form, record);
        self.check.store(check, Ordering::Relaxed);
        // Last: until then the place is free.
        self.form.store(form, Ordering::Release);
    }

    fn read(&self, record: &[u8]) -> Place {
        let form = self.form.load(Ordering::Acquire);
        if form == 0 {
            return Place::Free;
        }
        let (id, base_time) = (load_wide(&self.id), load_wide(&self.base_time));
        let length = (form & 0xFFFF) as usize;
        let unit = TimeUnit::try_from(u64::from(form >> UNIT_SHIFT & 3));
        let (Some(record), Ok(unit)) = (record.get(..length), unit) else { return Place::Damaged };
        if self.check.load(Ordering::Relaxed) != Self::check(id, base_time, form, record) {
            return Place::Damaged;
        }
        Place::Taken(Saved { id, base_time, unit, since_boot: form & SINCE_BOOT != 0, length })
    }
}
