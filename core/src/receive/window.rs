//! Which of the last [`WINDOW`] sequence numbers have arrived: one bit each, in a ring of words.
//!
//! Bit `n % WINDOW` stands for sequence number `n`. The ring never moves; when the highest number
//! grows, the bits of the new numbers take the places of the oldest ones, whole words at a time.
//! That is the layout of RFC 6479, without its spare word, because here every bit that leaves must
//! be looked at: a clear one is a loss.

/// How many sequence numbers back a datagram may arrive and still count as late, not lost.
pub const WINDOW: u64 = 1024;

const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = (WINDOW / WORD_BITS) as usize;

/// The bits. A set bit is a number that arrived, or one that this tracker was never asked to watch.
#[derive(Clone, Debug)]
pub(super) struct Window([u64; WORDS]);

impl Window {
    /// A window in which nothing is outstanding.
    pub(super) const fn settled() -> Self {
        Self([u64::MAX; WORDS])
    }

    /// The bits of the numbers that have not arrived.
    pub(super) fn missing(&self) -> [u64; WORDS] {
        self.0.map(|word| !word)
    }

    /// A window in which these are outstanding.
    pub(super) fn with_missing(missing: [u64; WORDS]) -> Self {
        Self(missing.map(|word| !word))
    }

    /// How many numbers in the window have not arrived.
    pub(super) fn outstanding(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_zeros())).sum()
    }

    /// Whether `number`, which must lie in the window, has arrived.
    #[inline]
    pub(super) fn contains(&self, number: u64) -> bool {
        self.0[word_of(number)] & bit_of(number) != 0
    }

    /// Notes that `number`, which must lie in the window, has arrived.
    #[inline]
    pub(super) fn insert(&mut self, number: u64) {
        self.0[word_of(number)] |= bit_of(number);
    }

    /// Moves the upper end from `from` (exclusive) to `to` (exclusive, greater) and returns how
    /// many numbers left the window without having arrived. The numbers that enter are
    /// outstanding, but for the last one, which has just arrived.
    #[inline]
    pub(super) fn advance(&mut self, from: u64, to: u64) -> u64 {
        let lost = if to - from == 1 {
            // The next in order, nearly always.
            u64::from(!self.contains(from))
        } else if to - from < WINDOW {
            self.clear(from, to)
        } else {
            let lost = self.outstanding() + (to - from - WINDOW);
            self.0 = [0; WORDS];
            lost
        };
        self.insert(to - 1);
        lost
    }

    /// Makes the numbers in `from..to`, at most a window full, outstanding; returns how many of the
    /// bits were clear before.
    pub(super) fn clear(&mut self, from: u64, to: u64) -> u64 {
        let mut clear = 0;
        let mut number = from;
        while number < to {
            let low = number % WORD_BITS;
            let count = (WORD_BITS - low).min(to - number);
            let mask = (u64::MAX >> (WORD_BITS - count)) << low;
            let word = &mut self.0[word_of(number)];
            clear += u64::from((!*word & mask).count_ones());
            *word &= !mask;
            number += count;
        }
        clear
    }
}

#[inline]
const fn word_of(number: u64) -> usize {
    (number % WINDOW / WORD_BITS) as usize
}

#[inline]
const fn bit_of(number: u64) -> u64 {
    1 << (number % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::rounds;

    /// The same window, slowly: one flag for each number.
    struct Plain([bool; WINDOW as usize]);

    impl Plain {
        fn advance(&mut self, from: u64, to: u64) -> u64 {
            let mut lost = 0;
            for number in from..to {
                let place = &mut self.0[(number % WINDOW) as usize];
                lost += u64::from(!*place);
                *place = number == to - 1;
            }
            lost
        }
    }

    #[test]
    fn every_step_from_every_word_offset_agrees_with_one_flag_a_number() {
        for start in [0, 1, 63, 64, 65, 1000, 1023, u64::from(u32::MAX) - 3] {
            for step in (1..70).chain([127, 128, 129, 1022, 1023, 1024, 1025, 2047, 2048, 5000]) {
                let mut window = Window::settled();
                let mut plain = Plain([true; WINDOW as usize]);
                let mut end = start;
                for turn in 0..rounds(8, 40) {
                    let to = end + if turn % 3 == 0 { 1 } else { step };
                    assert_eq!(window.advance(end, to), plain.advance(end, to), "{start} {step}");
                    end = to;
                    // Fill a hole now and then.
                    if let Some(hole) = end.checked_sub(3) {
                        window.insert(hole);
                        plain.0[(hole % WINDOW) as usize] = true;
                    }
                    let zeros = plain.0.iter().filter(|set| !**set).count() as u64;
                    assert_eq!(window.outstanding(), zeros);
                    for (place, set) in plain.0.iter().enumerate() {
                        assert_eq!(window.contains(place as u64), *set);
                    }
                }
            }
        }
    }
}
