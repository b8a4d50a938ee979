//! A fixed pool of buffers for datagrams: memory that is taken once and never grows.
//!
//! The places are adjacent, and datagrams are sent in the order in which they were packed, so that those of one size
//! can be passed to the kernel as segments of one buffer. There is no free list to corrupt and nothing to leak: a pool
//! fills up from the front and is emptied as a whole.

use heapless::Vec;

use crate::send::Packed;

/// A pool of at most `N` places in storage that the caller chooses: an array or a boxed slice.
#[derive(Debug)]
pub struct Pool<B, const N: usize> {
    bytes: B,
    place: usize,
    held: Vec<Packed, N>,
    length: usize,
    hits: u64,
    misses: u64,
}

impl<B: AsRef<[u8]> + AsMut<[u8]>, const N: usize> Pool<B, N> {
    /// Creates a pool of places of `place` bytes each: as many as `bytes` has room for, and at most `N`.
    #[must_use]
    pub const fn new(bytes: B, place: usize) -> Self {
        Self { bytes, place, held: Vec::new(), length: 0, hits: 0, misses: 0 }
    }

    /// How many places there are.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.as_ref().len().checked_div(self.place).unwrap_or(0).min(N)
    }

    /// The size of a place in bytes.
    #[must_use]
    pub const fn place_size(&self) -> usize {
        self.place
    }

    /// The datagrams that have been packed but not sent yet, in the order of their numbers.
    pub fn held(&self) -> &[Packed] {
        &self.held
    }

    /// Whether no datagram waits to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// The next free place, or `None`, counted as a miss, when all are taken. A datagram shorter than its place must be
    /// the last one, so no place is returned after it.
    pub fn place(&mut self) -> Option<&mut [u8]> {
        let from = self.length;
        let free = self.held.len() < self.capacity() && from == self.held.len() * self.place;
        if !free {
            self.misses += 1;
            return None;
        }
        self.bytes.as_mut().get_mut(from..from + self.place)
    }

    /// Keeps the datagram that was packed into the place that [`place`](Self::place) returned.
    ///
    /// # Errors
    /// Returns the datagram when there is no such place.
    pub fn keep(&mut self, packed: Packed) -> Result<(), Packed> {
        if packed.len > self.place {
            return Err(packed);
        }
        let length = packed.len;
        self.held.push(packed)?;
        self.length += length;
        self.hits += 1;
        Ok(())
    }

    /// The bytes of all datagrams in the pool, one after the other.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref().get(..self.length).unwrap_or(&[])
    }

    /// Iterates over the datagrams in the pool with their bytes.
    pub fn datagrams(&self) -> impl Iterator<Item = (&Packed, &[u8])> {
        self.held.iter().scan(0, |at, packed| {
            let from = *at;
            *at += packed.len;
            Some((packed, self.bytes.as_ref().get(from..*at).unwrap_or(&[])))
        })
    }

    /// Empties the pool, and passes each datagram to `f`.
    pub fn release(&mut self, f: impl FnMut(Packed)) {
        self.length = 0;
        core::mem::take(&mut self.held).into_iter().for_each(f);
    }

    /// How often a free place was found and used, and how often there was none.
    #[must_use]
    pub fn hits_and_misses(&self) -> (u64, u64) {
        (self.hits, self.misses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(len: usize, sequence: u32) -> Packed {
        Packed { len, sequence, asks: false, events: 1, recorded: None }
    }

    #[test]
    fn places_are_filled_in_order_and_given_back_together() {
        let mut pool: Pool<_, 4> = Pool::new([0u8; 35], 10);
        assert_eq!(pool.capacity(), 3);
        for n in 0..3u8 {
            pool.place().unwrap().fill(n);
            pool.keep(packed(10, n.into())).unwrap();
        }
        assert!(pool.place().is_none());
        assert_eq!(pool.hits_and_misses(), (3, 1));
        assert_eq!(pool.bytes().len(), 30);
        assert!(pool.datagrams().all(|(p, bytes)| bytes == [p.sequence as u8; 10]));
        let mut sequences = std::vec::Vec::new();
        pool.release(|p| sequences.push(p.sequence));
        assert_eq!(sequences, [0, 1, 2]);
        assert!(pool.is_empty() && pool.bytes().is_empty() && pool.place().is_some());
    }

    #[test]
    fn a_short_one_is_the_last_one() {
        let mut pool: Pool<_, 4> = Pool::new([0u8; 40], 10);
        pool.place().unwrap();
        pool.keep(packed(7, 0)).unwrap();
        assert!(pool.place().is_none());
        assert_eq!(pool.keep(packed(11, 1)).unwrap_err().len, 11);
    }

    #[test]
    fn no_room_at_all_is_no_room() {
        let mut none: Pool<_, 4> = Pool::new([0u8; 3], 10);
        assert!(none.place().is_none() && none.capacity() == 0);
        let mut nothing: Pool<_, 4> = Pool::new([0u8; 3], 0);
        assert!(nothing.place().is_none() && nothing.capacity() == 0);
    }
}
