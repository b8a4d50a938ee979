//! Growing pauses with jitter, for the breaker's probes and for critical events that nobody acknowledges.

use super::Identity;

/// Pauses that double with each failed attempt up to a bound, and that differ between senders, so that senders that
/// failed together do not all return together.
///
/// Nothing here divides, because a 64-bit division takes more code on a chip than all the rest.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: u64,
    longest: u64,
    /// How far a pause may deviate from its middle, in 256ths of it.
    jitter: u8,
    random: u32,
}

/// A quarter, in 256ths.
pub(super) const QUARTER: u8 = 64;
/// Just under a half.
const HALF: u8 = 127;

impl Backoff {
    /// Creates pauses of about `first` (at least 1) in the beginning, and of `longest` at most. `seed` should differ
    /// between senders: see [`Identity::seed`].
    pub(super) const fn new(first: u64, longest: u64, seed: u32) -> Self {
        Self { first: if first == 0 { 1 } else { first }, longest, jitter: QUARTER, random: seed }
    }

    /// Sets the jitter, in 256ths of a pause: 0 for none, and at most half a pause.
    pub(super) const fn jitter(self, jitter: u8) -> Self {
        Self { jitter: if jitter > HALF { HALF } else { jitter }, ..self }
    }

    /// The upper bound of a pause.
    pub(super) const fn longest(&self) -> u64 {
        self.longest
    }

    /// How long to pause after the first attempt and `more` further ones have failed: the first pause doubled `more`
    /// times, plus or minus the jitter, which is a quarter unless set otherwise.
    pub(super) fn pause(&mut self, more: u32) -> u64 {
        let doubled = if more < self.first.leading_zeros() { self.first << more } else { u64::MAX };
        let whole = doubled.min(self.longest);
        let jitter = u64::from(self.jitter);
        let span = (whole >> 7) * jitter + (((whole & 127) * jitter) >> 7);
        let random = u64::from(self.random());
        let within = (span >> 32) * random + (((span & 0xFFFF_FFFF) * random) >> 32);
        let pause = (whole - span / 2).saturating_add(within);
        // Values beyond the bound are mirrored to this side of it, so that the pauses stay spread.
        if pause > self.longest { self.longest - (pause - self.longest) } else { pause }
    }

    /// The next random number: a Weyl sequence through the finalizer of MurmurHash3, which is SplitMix (Steele, Lea,
    /// Flood 2014) in 32 bits.
    fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9E37_79B9);
        let z = (self.random ^ self.random >> 16).wrapping_mul(0x85EB_CA6B);
        let z = (z ^ z >> 13).wrapping_mul(0xC2B2_AE35);
        z ^ z >> 16
    }
}

impl Identity {
    /// A number from which to derive jitter: it differs for each sender and each of its runs.
    #[must_use]
    pub const fn seed(&self) -> u32 {
        // Any two odd numbers without a pattern will do: in a plain sum, small numbers of devices and runs would
        // coincide.
        let (high, low) = ((self.sender >> 32) as u32, self.sender as u32);
        high.wrapping_mul(0x9E37_79B1) ^ low.wrapping_mul(0x85EB_CA77) ^ self.epoch
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_a_quarter_more_or_less_up_to_the_bound() {
        let mut backoff = Backoff::new(100, 1000, 7);
        for (more, whole) in [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (63, 1000)] {
            let all: Vec<u64> = (0..1000).map(|_| backoff.pause(more)).collect();
            let (least, most) = (*all.iter().min().unwrap(), *all.iter().max().unwrap());
            let bound = (whole * 5 / 4).min(1000);
            // The pauses are spread over the whole permitted range, and not beyond it.
            assert!(
                (whole * 3 / 4..=whole * 3 / 4 + whole / 50).contains(&least),
                "{least} of {whole}"
            );
            assert!((bound - whole / 50..=bound).contains(&most), "{most} of {whole}");
            let mean = all.iter().sum::<u64>() / 1000;
            assert!(whole == 1000 || mean.abs_diff(whole) <= whole / 20, "{mean} of {whole}");
        }
    }

    #[test]
    fn senders_that_fail_together_come_back_apart() {
        let pause = |sender, epoch| {
            let seed = Identity { sender, epoch }.seed();
            Backoff::new(1_000_000, 1_000_000, seed).pause(0)
        };
        // Adjacent numbers, as in a fleet, and successive runs of a sender.
        let mut pauses: Vec<u64> =
            (0..500).flat_map(|n| [pause(n, 1), pause(1 << 40, n as u32 + 2)]).collect();
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 990, "{} of 1000 differ", pauses.len());
        assert!(pauses[0] < 760_000 && pauses[pauses.len() - 1] > 990_000);
    }

    proptest! {
        #[test]
        fn no_pause_is_beyond_the_bound_or_far_below(
            first in any::<u64>(), longest in any::<u64>(), seed in any::<u32>(), more in any::<u32>(),
        ) {
            let pause = Backoff::new(first, longest, seed).pause(more);
            let doubled = u128::from(first.max(1)) << more.min(64);
            let whole = doubled.min(u128::from(longest)) as u64;
            prop_assert!(pause <= longest);
            prop_assert!(pause >= whole - whole / 4 - 1, "{pause} of {whole}");
        }
    }
}
