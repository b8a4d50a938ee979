//! What has been sent of each instrument: lines carry increments, while instruments hold totals.
//!
//! An amount is noted when its line is written, together with the number of the datagram, and subtracted again when
//! that datagram is given up: the next line then carries it, and nothing is lost or counted twice.

use heapless::Vec;
use heapless::index_map::FnvIndexMap;

use crate::format::Refused;

/// Remembers how much has been sent of each number that an instrument holds: cell 0 is a counter's total, and a
/// histogram has a cell per bucket.
pub trait Sent {
    /// The amount that has been sent or is on its way.
    fn get(&self, instrument: usize, cell: usize) -> u64;

    /// Notes that `amount` more is on its way in the datagram `sequence`.
    ///
    /// # Errors
    /// [`Refused::Full`] if there is no room to note it; nothing is changed then.
    fn add(
        &mut self,
        instrument: usize,
        cell: usize,
        amount: u64,
        sequence: u32,
    ) -> Result<(), Refused>;

    /// Reports whether the datagram `sequence` was sent; if not, its amounts are subtracted again.
    fn settle(&mut self, sequence: u32, sent: bool);
}

/// An amount that is on its way.
#[derive(Clone, Copy, Debug)]
struct OnItsWay {
    sequence: u32,
    instrument: u32,
    cell: u32,
    amount: u64,
}

impl OnItsWay {
    /// Whether the line is still on its way once the fate of the datagram `sequence` is known. If the line was in that
    /// datagram and the datagram was not sent, the amount is subtracted from its cell.
    fn outlives<'a>(
        &self,
        sequence: u32,
        sent: bool,
        cell: impl FnOnce(usize, usize) -> Option<&'a mut u64>,
    ) -> bool {
        if self.sequence != sequence {
            return true;
        }
        if !sent && let Some(cell) = cell(self.instrument as usize, self.cell as usize) {
            *cell = cell.wrapping_sub(self.amount);
        }
        false
    }
}

/// Memory without a heap: room for `CELLS` numbers (a power of two; a bucket takes room when it is first sent) of 16
/// bytes each, and for `LINES` lines on their way, of 24 bytes each.
///
/// A number that finds no room is not sent, and is counted in [`Totals::unsendable`](crate::send::Totals::unsendable)
/// each time.
#[derive(Debug, Default)]
pub struct Fixed<const CELLS: usize, const LINES: usize> {
    sent: FnvIndexMap<(u16, u16), u64, CELLS>,
    on_their_way: Vec<OnItsWay, LINES>,
}

impl<const CELLS: usize, const LINES: usize> Fixed<CELLS, LINES> {
    /// Creates a memory in which nothing has been sent.
    #[must_use]
    pub const fn new() -> Self {
        Self { sent: FnvIndexMap::new(), on_their_way: Vec::new() }
    }
}

/// The indices of an instrument and its cell as a [`Fixed`] stores them.
fn short(instrument: usize, cell: usize) -> Option<(u16, u16)> {
    Some((instrument.try_into().ok()?, cell.try_into().ok()?))
}

impl<const CELLS: usize, const LINES: usize> Sent for Fixed<CELLS, LINES> {
    fn get(&self, instrument: usize, cell: usize) -> u64 {
        short(instrument, cell).and_then(|at| self.sent.get(&at)).copied().unwrap_or(0)
    }

    fn add(
        &mut self,
        instrument: usize,
        cell: usize,
        amount: u64,
        sequence: u32,
    ) -> Result<(), Refused> {
        let at = short(instrument, cell).ok_or(Refused::Full)?;
        if self.on_their_way.is_full() {
            return Err(Refused::Full);
        }
        let sent = self.get(instrument, cell).wrapping_add(amount);
        self.sent.insert(at, sent).map_err(|_| Refused::Full)?;
        let (instrument, cell) = (u32::from(at.0), u32::from(at.1));
        let line = OnItsWay { sequence, instrument, cell, amount };
        self.on_their_way.push(line).map_err(|_| Refused::Full)
    }

    fn settle(&mut self, sequence: u32, sent: bool) {
        let Self { sent: cells, on_their_way } = self;
        on_their_way.retain(|line| {
            line.outlives(sequence, sent, |instrument, cell| {
                cells.get_mut(&short(instrument, cell)?)
            })
        });
    }
}

#[cfg(feature = "alloc")]
pub use growing::Growing;

#[cfg(feature = "alloc")]
mod growing {
    use super::{OnItsWay, Refused, Sent};
    use alloc::vec::Vec;

    /// Memory on the heap, with room for everything. It allocates when it sees an instrument or a bucket for the first
    /// time, and not again.
    #[derive(Debug, Default)]
    pub struct Growing {
        instruments: Vec<Cells>,
        on_their_way: Vec<OnItsWay>,
    }

    /// The cells of one instrument. Most instruments have only one, which needs no allocation.
    #[derive(Clone, Debug, Default)]
    struct Cells {
        first: u64,
        others: Vec<u64>,
    }

    impl Cells {
        fn get(&self, cell: usize) -> u64 {
            match cell.checked_sub(1) {
                None => self.first,
                Some(other) => self.others.get(other).copied().unwrap_or(0),
            }
        }

        fn get_mut(&mut self, cell: usize) -> Option<&mut u64> {
            match cell.checked_sub(1) {
                None => Some(&mut self.first),
                Some(other) => self.others.get_mut(other),
            }
        }
    }

    impl Growing {
        /// Creates a memory in which nothing has been sent.
        #[must_use]
        pub const fn new() -> Self {
            Self { instruments: Vec::new(), on_their_way: Vec::new() }
        }
    }

    impl Sent for Growing {
        fn get(&self, instrument: usize, cell: usize) -> u64 {
            self.instruments.get(instrument).map_or(0, |cells| cells.get(cell))
        }

        fn add(
            &mut self,
            instrument: usize,
            cell: usize,
            amount: u64,
            sequence: u32,
        ) -> Result<(), Refused> {
            if instrument >= self.instruments.len() {
                self.instruments.resize(instrument + 1, Cells::default());
            }
            let cells = &mut self.instruments[instrument];
            if cells.others.len() < cell {
                cells.others.resize(cell, 0);
            }
            let Some(sent) = cells.get_mut(cell) else { return Err(Refused::Full) };
            *sent = sent.wrapping_add(amount);
            let (instrument, cell) = (instrument as u32, cell as u32);
            self.on_their_way.push(OnItsWay { sequence, instrument, cell, amount });
            Ok(())
        }

        fn settle(&mut self, sequence: u32, sent: bool) {
            let Self { instruments, on_their_way } = self;
            on_their_way.retain(|line| {
                line.outlives(sequence, sent, |instrument, cell| {
                    instruments.get_mut(instrument)?.get_mut(cell)
                })
            });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn takes_back_what_was_given_up(sent: &mut impl Sent) {
        sent.add(0, 0, 10, 1).unwrap();
        sent.add(3, 7, 5, 1).unwrap();
        sent.add(0, 0, 3, 2).unwrap();
        assert_eq!((sent.get(0, 0), sent.get(3, 7), sent.get(3, 8)), (13, 5, 0));
        sent.settle(1, false);
        assert_eq!((sent.get(0, 0), sent.get(3, 7)), (3, 0), "the later datagram's stay");
        sent.settle(2, true);
        sent.settle(2, false);
        assert_eq!(sent.get(0, 0), 3, "a datagram has one fate");
    }

    #[test]
    fn amounts_go_back_with_their_datagram() {
        takes_back_what_was_given_up(&mut Fixed::<8, 4>::new());
        #[cfg(feature = "alloc")]
        takes_back_what_was_given_up(&mut Growing::new());
    }

    #[test]
    fn a_full_table_says_so_and_stays_as_it_was() {
        let mut sent = Fixed::<2, 3>::new();
        sent.add(0, 0, 1, 1).unwrap();
        sent.add(1, 0, 1, 1).unwrap();
        assert_eq!(sent.add(2, 0, 1, 1), Err(Refused::Full), "no cell");
        sent.add(1, 0, 1, 1).unwrap();
        assert_eq!(sent.add(1, 0, 1, 1), Err(Refused::Full), "no line");
        assert_eq!((sent.get(1, 0), sent.get(2, 0)), (2, 0));
        sent.settle(1, true);
        assert_eq!(sent.add(1, 0, 1, 2), Ok(()));
        assert_eq!(sent.add(usize::MAX, 0, 1, 2), Err(Refused::Full));
    }
}
