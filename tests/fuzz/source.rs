//! Where a target takes its arguments from: a string of bytes, read as structured values.
//!
//! The bytes may come from a seed, from the corpus or from a coverage-guided fuzzer. Past their end
//! everything reads as zero, so that a shorter string is a simpler input.

use thermograd::systems::Random;

/// How far the numbers of one input go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// What a training run has.
    Tame,
    /// Any magnitude, all finite.
    Extreme,
    /// Now and then a NaN or an infinity as well.
    Wild,
}

#[derive(Debug)]
pub(crate) struct Source<'a> {
    bytes: &'a [u8],
    used: usize,
    mood: Mood,
}

const SPECIAL: [f64; 24] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    1e-3,
    f64::EPSILON,
    1.0 - f64::EPSILON,
    5e-324,
    f64::MIN_POSITIVE,
    1e-300,
    1e-160,
    1e-150,
    1e50,
    1e149,
    -1e149,
    1e154,
    1e300,
    f64::MAX,
    -f64::MAX,
    9_007_199_254_740_992.0,
    1e16,
    18_446_744_073_709_551_616.0,
];

impl<'a> Source<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut source = Self {
            bytes,
            used: 0,
            mood: Mood::Tame,
        };
        source.mood = source.pick(&[
            Mood::Tame,
            Mood::Tame,
            Mood::Tame,
            Mood::Extreme,
            Mood::Extreme,
            Mood::Wild,
        ]);
        source
    }

    /// How many bytes were read, at most all.
    pub(crate) fn used(&self) -> usize {
        self.used.min(self.bytes.len())
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        byte
    }

    pub(crate) fn bits(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    pub(crate) fn chance(&mut self, one_in: u8) -> bool {
        self.byte() % one_in == one_in - 1
    }

    /// From `0..n`, 0 where `n` is 0; `n` at most 2¹⁶.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let low = usize::from(self.byte());
        let high = if n > 256 { usize::from(self.byte()) } else { 0 };
        (low | high << 8).checked_rem(n).unwrap_or(0)
    }

    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub(crate) fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance(2).then(|| make(self))
    }

    /// A count that only costs memory where it is taken at its word: small, or enormous.
    pub(crate) fn count(&mut self, small: usize) -> usize {
        if self.mood != Mood::Tame && self.chance(4) {
            self.pick(&[
                usize::MAX,
                usize::MAX - 511,
                usize::MAX / 2 + 1,
                1 << 53,
                1 << 40,
                u32::MAX as usize,
            ])
        } else {
            self.below(small + 1)
        }
    }

    pub(crate) fn long_count(&mut self, small: usize) -> u64 {
        self.count(small) as u64
    }

    /// An ordinary number: of order one, often the same again.
    fn tame(random: &mut Random) -> f64 {
        match random.below(8) {
            0 => SPECIAL[random.below(7)],
            1 => random.below(5) as f64,
            2 => (10.0 * random.normal()).exp2(),
            _ => random.normal(),
        }
    }

    fn draw(mood: Mood, random: &mut Random) -> f64 {
        match (mood, random.below(8)) {
            (Mood::Extreme | Mood::Wild, 0) => SPECIAL[random.below(SPECIAL.len())],
            (Mood::Extreme | Mood::Wild, 1) => {
                let any = f64::from_bits(random.bits());
                if any.is_finite() { any } else { 1.0 }
            }
            (Mood::Wild, 2) if random.below(4) == 0 => {
                [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][random.below(3)]
            }
            _ => Self::tame(random),
        }
    }

    /// A stream of randomness that costs eight bytes.
    pub(crate) fn random(&mut self) -> Random {
        Random::new(self.bits())
    }

    pub(crate) fn number(&mut self) -> f64 {
        let mut random = Random::new(u64::from(self.byte()) | u64::from(self.byte()) << 8);
        Self::draw(self.mood, &mut random)
    }

    pub(crate) fn positive(&mut self) -> f64 {
        self.number().abs()
    }

    /// A number that is likely to lie in [0, 1].
    pub(crate) fn share(&mut self) -> f64 {
        match self.below(8) {
            0 => self.number(),
            1 => 0.0,
            2 => 1.0,
            _ => f64::from(self.byte()) / 256.0,
        }
    }

    pub(crate) fn numbers(&mut self, len: usize) -> Vec<f64> {
        self.shaped(len)
    }

    /// As many numbers as wanted, in one of several orders, all of one magnitude or none.
    fn shaped(&mut self, len: usize) -> Vec<f64> {
        let mood = self.mood;
        let shape = self.below(10);
        let scale = if self.chance(3) { self.number() } else { 1.0 };
        let mut random = self.random();
        let mut walk = 0.0;
        let fixed = Self::draw(mood, &mut random);
        let mut series: Vec<f64> = (0..len)
            .map(|i| match shape {
                0 => fixed,
                1 => i as f64,
                2 => {
                    walk += random.normal();
                    walk
                }
                3 => {
                    walk = 0.9 * walk + random.normal();
                    walk
                }
                4 => f64::from(i % 2 == 0) + f64::EPSILON * random.below(2) as f64,
                5 => fixed + random.normal() * 1e-9,
                6 => random.normal() + if 2 * i < len { 0.0 } else { 5.0 },
                7 => random.below(3) as f64,
                8 => (random.normal() * 20.0).exp(),
                _ => Self::draw(mood, &mut random),
            })
            .map(|x| x * scale)
            .collect();
        match self.below(6) {
            0 => series.sort_by(f64::total_cmp),
            1 => series.sort_by(|a, b| b.total_cmp(a)),
            _ => {}
        }
        // One outlier among ordinary numbers, or a NaN.
        if mood != Mood::Tame && len > 0 && self.chance(3) {
            let at = random.below(len);
            series[at] = Self::draw(mood, &mut random);
        }
        series
    }

    /// A series of up to that many numbers, often none or few.
    pub(crate) fn series(&mut self, most: usize) -> Vec<f64> {
        let len = self.len(most);
        self.shaped(len)
    }

    /// A length up to that much, often none or little.
    pub(crate) fn len(&mut self, most: usize) -> usize {
        let most = match self.below(4) {
            0 => most.min(4),
            1 => most.min(32),
            _ => most,
        };
        self.below(most + 1)
    }

    pub(crate) fn estimate(&mut self) -> thermograd::Estimate {
        thermograd::Estimate {
            value: self.number(),
            std_error: self.number().abs() * 0.1,
            n_eff: if self.chance(8) {
                f64::INFINITY
            } else {
                self.positive()
            },
        }
    }
}
