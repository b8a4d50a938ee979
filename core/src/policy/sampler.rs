//! Sampling of one in N, chosen at random within each group of N.

/// Takes exactly one of each N records in a row. Which one is random, so that series that alternate regularly are all
/// seen; how many is not, so that counts can be scaled up exactly.
///
/// The state is one word, so that several recorders can share it in an atomic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sampler(u32);

impl Sampler {
    /// Creates a sampler that has taken none yet; `seed` decides which ones it takes.
    #[must_use]
    pub const fn new(seed: u16) -> Self {
        // A xorshift generator must not start at 0. Position 255 makes the first call begin a new block.
        Self((if seed == 0 { 1 } else { seed } as u32) << 16 | 0xFF)
    }

    pub(super) const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the next record is the one in `n` that is taken. With 0 and 1, every record is. Takes constant time.
    #[inline]
    #[must_use = "says whether to keep the record"]
    pub fn take(&mut self, n: u8) -> bool {
        if n <= 1 {
            return true;
        }
        let [mut position, mut pick, low, high] = self.0.to_le_bytes();
        let mut random = u16::from_le_bytes([low, high]);
        if position >= n {
            // Marsaglia's xorshift with 16 bits (shifts 7, 9, 8: full period).
            random ^= random << 7;
            random ^= random >> 9;
            random ^= random << 8;
            position = 0;
            pick = ((u32::from(random) * u32::from(n)) >> 16) as u8;
        }
        let [low, high] = random.to_le_bytes();
        self.0 = u32::from_le_bytes([position + 1, pick, low, high]);
        position == pick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_each_n_and_not_always_the_same() {
        for n in [2u8, 3, 10, 254, 255] {
            let mut sampler = Sampler::new(7);
            let mut positions = [0u32; 256];
            let blocks = 2000;
            for _ in 0..blocks {
                let taken: alloc::vec::Vec<_> = (0..n).filter(|_| sampler.take(n)).collect();
                // The sampler began a new block, so exactly one record of it is taken.
                assert_eq!(taken.len(), 1, "one in {n}");
                positions[usize::from(taken[0])] += 1;
            }
            let expected = blocks / u32::from(n);
            let seen = &positions[..usize::from(n)];
            assert!(seen.iter().all(|p| *p <= 3 * expected + 12), "spread evenly: {seen:?}");
            assert!(seen.iter().filter(|p| **p > 0).count() > usize::from(n) * 9 / 10);
        }
    }

    #[test]
    fn one_and_none_take_all_and_a_changed_n_does_no_harm() {
        let mut sampler = Sampler::new(0);
        assert!((0..10).all(|i| sampler.take(i % 2)));
        let taken = (0..10_000u32).filter(|i| sampler.take((i % 7 + 2) as u8)).count();
        assert!((100..6000).contains(&taken), "{taken}");
    }
}
