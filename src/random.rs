//! The one source of randomness: seeded, small, and never to change.
//!
//! A seed is part of a result, so the sequence behind it must be the same in every release and on
//! every target; and projections need random access by counter, without state. SplitMix64 gives
//! both in a dozen lines (Steele, Lea and Flood, OOPSLA 2014).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's output function: a hash of 64 bits into 64.
pub(crate) const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A seeded stream of uniform and normal numbers.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Random {
    state: u64,
    spare: Option<f64>,
}

impl Random {
    /// A stream of its own for every seed.
    pub const fn new(seed: u64) -> Self {
        Self {
            state: mix(seed),
            spare: None,
        }
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * f64::EPSILON * 0.5
    }

    /// Uniform in `0..n` (0 where `n` is 0), without modulo bias beyond 2⁻⁶⁴ n.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the product over 2⁶⁴ is below n, which is a usize"
    )]
    pub const fn below(&mut self, n: usize) -> usize {
        ((self.bits() as u128 * n as u128) >> 64) as usize
    }

    /// Standard normal, by Marsaglia's polar method.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                let scale = (-2.0 * s.ln() / s).sqrt();
                self.spare = Some(v * scale);
                return u * scale;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn moments_of_the_normal() {
        let mut random = Random::new(7);
        let n = 200_000;
        let (mut m1, mut m2, mut m4) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let x = random.normal();
            m1 += x;
            m2 += x * x;
            m4 += x.powi(4);
        }
        let n = f64::from(n);
        // Standard errors 1, sqrt 2 and sqrt 96 over sqrt n: four of each.
        assert!((m1 / n).abs() < 4.0 / n.sqrt());
        assert!((m2 / n - 1.0).abs() < 4.0 * (2.0 / n).sqrt());
        assert!((m4 / n - 3.0).abs() < 4.0 * (96.0 / n).sqrt());
    }

    #[test]
    fn below_stays_below_and_covers() {
        let mut random = Random::new(1);
        let mut seen = [0_u32; 5];
        for _ in 0..5000 {
            seen[random.below(5)] += 1;
        }
        assert!(seen.iter().all(|&k| k > 850 && k < 1150), "{seen:?}");
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn the_sequence_never_changes() {
        // The reference values of SplitMix64 for state 1234567.
        let mut random = Random {
            state: 1_234_567,
            spare: None,
        };
        for reference in [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
        ] {
            assert_eq!(random.bits(), reference);
        }
    }
}
