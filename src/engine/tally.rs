//! A running total in fixed memory, with an error bar that a slow drift does not spoil.
//!
//! The sum is compensated (Neumaier), so that totals of millions of terms add up to rounding. For
//! the error bar the terms are kept as 64 to 127 sums over blocks of equal length, merged in pairs
//! when they are full. What the total of n blocks scatters by is n times the variance of a block,
//! and that is taken from second differences of neighbours, ⟨(bᵢ₊₁ − 2bᵢ + bᵢ₋₁)²⟩/6 (after von Neumann,
//! Ann. Math. Stat. 12, 367, 1941): the level of a run that cools changes a lot over its length, and
//! little from block to block beyond a straight line. Blocks that are shorter than the memory of the
//! terms lean on each other and would look too quiet, so the same is done with blocks twice as
//! long, and the larger answer is kept.
//!
//! When it lies: terms that are correlated over more than about a sixtieth of the run.

use crate::{Estimate, Reading, Reason};

const FULL: usize = 128;
const FEWEST: u64 = 96;

/// Σx in twice the precision of `f64`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    pub(crate) fn add(&mut self, x: f64) {
        let next = self.sum + x;
        self.lost += if self.sum.abs() >= x.abs() {
            (self.sum - next) + x
        } else {
            (x - next) + self.sum
        };
        self.sum = next;
    }

    pub(crate) fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// A running total and its blocks.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    total: Compensated,
    squares: f64,
    count: u64,
    blocks: Vec<f64>,
    block_len: u64,
    open: f64,
    open_len: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            total: Compensated::default(),
            squares: 0.0,
            count: 0,
            blocks: Vec::with_capacity(FULL),
            block_len: 1,
            open: 0.0,
            open_len: 0,
        }
    }

    pub(crate) fn push(&mut self, x: f64) {
        self.total.add(x);
        self.squares += x * x;
        self.count = self.count.saturating_add(1);
        self.open += x;
        self.open_len += 1;
        if self.open_len < self.block_len {
            return;
        }
        self.blocks.push(self.open);
        (self.open, self.open_len) = (0.0, 0);
        if self.blocks.len() >= FULL {
            for i in 0..FULL / 2 {
                self.blocks[i] = self.blocks[2 * i] + self.blocks[2 * i + 1];
            }
            self.blocks.truncate(FULL / 2);
            self.block_len = self.block_len.saturating_mul(2);
        }
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    pub(crate) fn value(&self) -> f64 {
        self.total.value()
    }

    /// The total as an estimate of what it is on average.
    pub(crate) fn estimate(&self) -> Reading {
        if self.count < FEWEST {
            return Reading::Pending {
                seen: self.count,
                needed: FEWEST,
            };
        }
        let n = self.count as f64;
        let per_term = [1, 2]
            .map(|width| self.variance_per_term(width))
            .into_iter()
            .fold(0.0, f64::max);
        let mean = self.value() / n;
        let naive = (self.squares / n - mean * mean).max(0.0);
        let std_error = (n * per_term).sqrt();
        if !(std_error.is_finite() && self.value().is_finite()) {
            return Reading::Undefined(Reason::Degenerate(
                "exchanges whose squares leave the range of f64",
            ));
        }
        Reading::Ready(Estimate {
            value: self.value(),
            std_error,
            n_eff: if per_term > 0.0 {
                (n * naive / per_term).clamp(1.0, n)
            } else {
                n
            },
        })
    }

    /// Variance of the total over its number of terms, from sums over `width` blocks.
    fn variance_per_term(&self, width: usize) -> f64 {
        // The last two sums.
        let mut before: [Option<f64>; 2] = [None; 2];
        let (mut sum, mut count) = (0.0, 0.0);
        for block in self.blocks.chunks_exact(width) {
            let block: f64 = block.iter().sum();
            if let [Some(first), Some(second)] = before {
                sum += (block - 2.0 * second + first).powi(2) / 6.0;
                count += 1.0;
            }
            before = [before[1], Some(block)];
        }
        if count > 0.0 {
            sum / count / (self.block_len as f64 * width as f64)
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn nothing_is_lost_in_a_long_sum() {
        let mut sum = Compensated::default();
        for x in [1e100, 1.0, -1e100] {
            sum.add(x);
        }
        assert_eq!(sum.value(), 1.0);
    }

    /// Against an independent implementation: one term a block, and eight. The terms are uniform
    /// on (−1/4, 3/4), from a congruential generator.
    #[test]
    fn totals_and_errors_of_known_terms() {
        let tally = |len: usize| {
            let mut state = 1_u64;
            let mut tally = Tally::new();
            for _ in 0..len {
                state = (state * 1_103_515_245 + 12_345) % (1 << 31);
                tally.push(state as f64 / (1_u64 << 31) as f64 - 0.25);
            }
            tally
        };
        for (len, expected) in [
            (100, [26.548_946_968_3, 2.786_609_381_81, 99.111_646_792_6]),
            (1000, [259.308_554_364, 9.846_612_138_85, 838.662_042_87]),
        ] {
            let estimate = *tally(len).estimate().ready().unwrap();
            let found = [estimate.value, estimate.std_error, estimate.n_eff];
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-9, "{found} {expected}");
            }
        }
        let pending = Reading::Pending {
            seen: FEWEST - 1,
            needed: FEWEST,
        };
        assert_eq!(tally(95).estimate(), pending);
        assert!(tally(96).estimate().ready().is_some());
    }

    #[test]
    fn constant_terms_have_no_error_and_huge_ones_no_square() {
        let of = |x: f64| {
            let mut tally = Tally::new();
            (0..96).for_each(|_| tally.push(x));
            tally.estimate()
        };
        let exact = Estimate {
            value: 48.0,
            std_error: 0.0,
            n_eff: 96.0,
        };
        assert_eq!(of(0.5), Reading::Ready(exact));
        // Totals without a difference, and differences whose squares overflow.
        assert_eq!(of(1e200).ready().map(|e| e.std_error), Some(0.0));
        let mut wild = Tally::new();
        for i in 0..96 {
            wild.push(if i % 3 == 0 { 1e200 } else { -1e200 });
        }
        assert!(matches!(
            wild.estimate(),
            Reading::Undefined(Reason::Degenerate(_))
        ));
    }

    /// White noise and short memory, on a level that falls a hundredfold: the spread of z is 1.
    #[test]
    fn error_bars_are_calibrated_on_a_drifting_level() {
        for memory in [0.0, 0.8_f64] {
            let mut squares = 0.0;
            for seed in 0..300 {
                let mut random = Random::new(seed);
                let mut tally = Tally::new();
                let (mut x, mut exact) = (0.0, 0.0);
                for i in 0..3000 {
                    let level = 10.0 * (-f64::from(i) / 600.0).exp();
                    x = memory * x + (1.0 - memory * memory).sqrt() * random.normal();
                    exact += level;
                    tally.push(level + x);
                }
                let Reading::Ready(estimate) = tally.estimate() else {
                    panic!("3000 terms are enough");
                };
                squares += estimate.z_score(exact).unwrap().powi(2);
            }
            let spread = (squares / 300.0).sqrt();
            // The larger of two estimates is somewhat high.
            assert!((0.8..1.1).contains(&spread), "{memory}: {spread}");
        }
    }
}
