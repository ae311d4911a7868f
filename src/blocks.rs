//! Error bars: a fixed number of blocks of steps, and the jackknife over them.
//!
//! Steps are correlated, so their scatter says little about the error of their mean. [`Blocks`]
//! keeps the window as 64 to 127 blocks of equal length, and merges neighbours whenever 128 are
//! full: memory is bounded and blocks grow with the window. The error bar of *any* formula then
//! comes from one mechanism, the delete-one-block jackknife (Quenouille; Tukey): with
//! f₋ᵢ the formula without block i, the pseudo-values n f − (n−1) f₋ᵢ scatter as the formula does.
//!
//! Blocks shorter than the memory of the series are still correlated, by a statistical
//! inefficiency g that is estimated from the pseudo-values in two ways: Geyer's initial monotone
//! sequence (Statist. Sci. 7, 473, 1992), which sees long memory but scatters, and a first-order
//! autoregression with Kendall's bias correction, which is steady but reads high for blocks that
//! are not short. Whether there are 16 independent blocks, without which the reading is pending,
//! is asked of the larger; the error bar takes the sequence, or its mean with the autoregression
//! where that is larger. The variance is multiplied by g, and by (ν−1)/(ν−3) for the scatter of
//! the variance itself, with ν = n/g. This makes z-scores of AR(1) series spread by 0.93 to 1.06
//! wherever a third of the seeds and more are ready; a reading that becomes ready for few lucky
//! seeds only is conditioned on their luck.
//!
//! When it lies: a motion slower than the window is invisible in it.

use crate::{Ensemble, Estimate, Reading};

/// Full blocks are merged in pairs when they reach this number.
const FULL: usize = 128;
/// Blocks, and observations, below which nothing is said.
pub(crate) const FEWEST_BLOCKS: usize = FULL / 2;
pub(crate) const FEWEST: u64 = 96;
/// Independent blocks below which nothing is said.
const FEWEST_INDEPENDENT: f64 = 16.0;

/// A run of steps: their sum, and the one among them that stands for a single step.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Block {
    total: Ensemble,
    sample: Ensemble,
}

impl Block {
    fn join(&mut self, later: &Self) {
        self.total.merge(&later.total);
        // The fuller of the two: in a burst only the last steps know their displacements.
        if later.sample.known() >= self.sample.known() {
            self.sample = later.sample;
        }
    }
}

/// The steps of one window in a fixed number of blocks.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(crate) struct Blocks {
    full: Vec<Block>,
    open: Block,
    open_len: u64,
    block_len: u64,
}

impl Blocks {
    pub(crate) fn new() -> Self {
        Self {
            full: Vec::with_capacity(FULL),
            open: Block::default(),
            open_len: 0,
            block_len: 1,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.full.clear();
        self.open = Block::default();
        self.open_len = 0;
        self.block_len = 1;
    }

    /// Refuses what no window of at most `steps` steps can hold.
    #[cfg(feature = "serde")]
    pub(crate) fn check(&self, steps: u64) -> Result<(), String> {
        let lengths = self.block_len.is_power_of_two()
            && self.block_len <= crate::checkpoint::MOST
            && self.open_len < self.block_len
            && self.full.len() < FULL;
        if !lengths || self.len() > steps {
            return Err("lengths of its blocks".to_owned());
        }
        let open = (&self.open, self.open_len);
        let full = self.full.iter().map(|block| (block, self.block_len));
        for (i, (block, len)) in full.chain([open]).enumerate() {
            block
                .total
                .check(len)
                .and_then(|()| block.sample.check(1))
                .map_err(|place| format!("block {i}, {place}"))?;
        }
        Ok(())
    }

    /// Steps taken in.
    pub(crate) const fn len(&self) -> u64 {
        self.full.len() as u64 * self.block_len + self.open_len
    }

    /// Takes in one step.
    pub(crate) fn push(&mut self, step: &Ensemble) {
        self.open.join(&Block {
            total: *step,
            sample: *step,
        });
        self.open_len += 1;
        if self.open_len == self.block_len {
            self.full.push(self.open);
            self.open = Block::default();
            self.open_len = 0;
        }
        if self.full.len() == FULL {
            for i in 0..FULL / 2 {
                let mut pair = self.full[2 * i];
                pair.join(&self.full[2 * i + 1]);
                self.full[i] = pair;
            }
            self.full.truncate(FULL / 2);
            self.block_len *= 2;
        }
    }

    /// Everything in the window.
    pub(crate) fn total(&self) -> Ensemble {
        let mut total = self.closed();
        total.merge(&self.open.total);
        total
    }

    /// Steps in a block.
    #[cfg(feature = "statistics")]
    pub(crate) const fn block_len(&self) -> u64 {
        self.block_len
    }

    /// A formula of every full block, in order; `None` where one of them has no value.
    #[cfg(feature = "statistics")]
    pub(crate) fn series(&self, formula: impl Fn(&Ensemble) -> Option<f64>) -> Option<Vec<f64>> {
        self.full
            .iter()
            .map(|block| formula(&block.total).filter(|value| value.is_finite()))
            .collect()
    }

    /// The last eighth of the window, at least one block: what the run is like now.
    pub(crate) fn recent(&self) -> Ensemble {
        let mut recent = self.open.total;
        let blocks = (self.full.len() / 8).max(1);
        for block in self.full.iter().rev().take(blocks) {
            recent.merge(&block.total);
        }
        recent
    }

    /// The values of a formula over the blocks that have one, and the number of steps in each.
    #[cfg(feature = "statistics")]
    pub(crate) fn values(&self, formula: impl Fn(&Ensemble) -> Option<f64>) -> (u64, Vec<f64>) {
        let blocks = self.full.iter().filter_map(|block| formula(&block.total));
        (self.block_len, blocks.filter(|x| x.is_finite()).collect())
    }

    fn closed(&self) -> Ensemble {
        let mut total = Ensemble::default();
        for block in &self.full {
            total.merge(&block.total);
        }
        total
    }

    /// A formula of the window with its error bar. `count` says in how many of an ensemble's
    /// steps the formula's inputs were known. `None` where the formula has no value.
    pub(crate) fn estimate(
        &self,
        formula: impl Fn(&Ensemble) -> Option<f64>,
        count: impl Fn(&Ensemble) -> f64,
    ) -> Option<Reading> {
        let whole = self.total();
        let value = formula(&whole).filter(|value| value.is_finite());
        let seen = count(&whole);
        let blocks = || self.full.iter().filter(|block| count(&block.total) > 0.0);
        let n = blocks().count();
        if n < FEWEST_BLOCKS || seen < FEWEST as f64 {
            return Some(pending(seen, FEWEST as f64, seen));
        }
        let value = value?;
        let closed = self.closed();
        let centre = formula(&closed)?;
        let mut pseudo = [0.0; FULL];
        for (slot, block) in pseudo.iter_mut().zip(blocks()) {
            let without = formula(&closed.without(&block.total))?;
            *slot = n as f64 * centre - (n as f64 - 1.0) * without;
        }
        let pseudo = &pseudo[..n];
        if !pseudo.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mean = pseudo.iter().sum::<f64>() / n as f64;
        let spread = pseudo.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        // Rounding of n·f − (n−1)·f₋ᵢ: below it the formula is constant over the window.
        let rounding = 8.0 * n as f64 * f64::EPSILON * value.abs().max(centre.abs());
        if spread.sqrt() <= rounding * (n as f64).sqrt() {
            return Some(Reading::Ready(Estimate {
                value,
                std_error: 0.0,
                n_eff: seen,
            }));
        }
        let (inefficiency, cautious) = inefficiency(pseudo, mean, spread);
        if n as f64 / cautious < FEWEST_INDEPENDENT {
            return Some(pending(seen, FEWEST_INDEPENDENT, n as f64 / cautious));
        }
        let independent = n as f64 / inefficiency;
        let of_block = spread / (n as f64 - 1.0);
        let widened = ((independent - 1.0) / (independent - 3.0)).max(1.0);
        // The open block counts as well.
        let closed_share = count(&closed) / seen;
        let variance = of_block / n as f64 * inefficiency * widened * closed_share;
        // A step varies no less than a mean of steps: where those looked at say so, they are the
        // quiet ones of a window of spikes.
        let n_eff = self
            .step_variance(&formula, &count, &closed, centre)
            .map_or(independent, |of_step| of_step.max(of_block) / variance);
        Some(Reading::Ready(Estimate {
            value,
            std_error: variance.sqrt(),
            n_eff,
        }))
    }

    /// Variance of the formula's influence of single steps, from one sample step a block.
    fn step_variance(
        &self,
        formula: &impl Fn(&Ensemble) -> Option<f64>,
        count: &impl Fn(&Ensemble) -> f64,
        closed: &Ensemble,
        centre: f64,
    ) -> Option<f64> {
        let steps = count(closed);
        let (mut n, mut sum, mut square) = (0.0, 0.0, 0.0);
        for block in &self.full {
            if count(&block.sample) > 0.0 {
                let without = formula(&closed.without(&block.sample))?;
                let influence = (steps - 1.0) * (centre - without);
                n += 1.0;
                sum += influence;
                square += influence * influence;
            }
        }
        let variance = (square - sum * sum / n) / (n - 1.0);
        (variance > 0.0).then_some(variance)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of steps: non-negative, and a float-to-int cast saturates"
)]
fn pending(seen: f64, wanted: f64, have: f64) -> Reading {
    let needed = if have > 0.0 {
        (seen * wanted / have).ceil()
    } else {
        wanted
    };
    Reading::Pending {
        seen: seen as u64,
        needed: needed.max(seen + 1.0) as u64,
    }
}

/// The mean of a short stationary series with its error bar, by the same estimate of its memory.
pub(crate) fn mean_of(series: &[f64]) -> Reading {
    let n = series.len() as f64;
    if series.len() < FEWEST_BLOCKS {
        return pending(n, FEWEST_BLOCKS as f64, n);
    }
    let mean = series.iter().sum::<f64>() / n;
    let spread = series.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
    // Each of the n additions rounds.
    if spread.sqrt() <= n * f64::EPSILON * mean.abs() * n.sqrt() {
        return Reading::Ready(Estimate {
            value: mean,
            std_error: 0.0,
            n_eff: n,
        });
    }
    let (inefficiency, cautious) = inefficiency(series, mean, spread);
    if n / cautious < FEWEST_INDEPENDENT {
        return pending(n, FEWEST_INDEPENDENT, n / cautious);
    }
    let independent = n / inefficiency;
    let widened = ((independent - 1.0) / (independent - 3.0)).max(1.0);
    let variance = spread / (n - 1.0) / n * inefficiency * widened;
    Reading::Ready(Estimate {
        value: mean,
        std_error: variance.sqrt(),
        n_eff: independent,
    })
}

/// Means of equal runs of a series: at most 127 of them, whatever its length.
#[derive(Debug, Clone, Default)]
pub(crate) struct MeanSeries {
    means: Vec<f64>,
    open: f64,
    open_len: u64,
    /// Length of a run less one, so that the default is a run of one.
    extra: u64,
}

impl MeanSeries {
    pub(crate) fn push(&mut self, value: f64) {
        let run = self.extra + 1;
        self.open += value;
        self.open_len += 1;
        if self.open_len < run {
            return;
        }
        self.means.push(self.open / run as f64);
        self.open = 0.0;
        self.open_len = 0;
        if self.means.len() == FULL {
            for i in 0..FULL / 2 {
                self.means[i] = f64::midpoint(self.means[2 * i], self.means[2 * i + 1]);
            }
            self.means.truncate(FULL / 2);
            self.extra = 2 * run - 1;
        }
    }

    pub(crate) fn values(&self) -> &[f64] {
        &self.means
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.means.is_empty()
    }
}

/// Statistical inefficiency of a short series with known mean and sum of squared deviations: for
/// the error bar, and a cautious one for whether to give any.
fn inefficiency(series: &[f64], mean: f64, spread: f64) -> (f64, f64) {
    let n = series.len();
    let correlation = |lag: usize| {
        series
            .iter()
            .zip(&series[lag..])
            .map(|(a, b)| (a - mean) * (b - mean))
            .sum::<f64>()
            / spread
    };
    let first = correlation(1);
    let unbiased = (first + (1.0 + 4.0 * first) / n as f64).clamp(-0.6, 0.97);
    let autoregression = (1.0 + unbiased) / (1.0 - unbiased);
    let mut sum = 0.0;
    let mut last = f64::INFINITY;
    let mut pairs = 0;
    while 2 * pairs + 1 < n {
        let even = if pairs == 0 {
            1.0
        } else {
            correlation(2 * pairs)
        };
        let both = even + correlation(2 * pairs + 1);
        if both <= 0.0 {
            break;
        }
        last = both.min(last);
        sum += last;
        pairs += 1;
    }
    // A series that swings about its mean may come out near or below zero: no less than 0.3.
    let raw = (2.0 * sum - 1.0).max(0.3);
    // Each of the 2·pairs correlations lost about 1/n with the mean.
    let sequence = raw * (1.0 + 2.0 * pairs as f64 / n as f64);
    (
        sequence.max(0.5 * (sequence + autoregression)),
        raw.max(autoregression),
    )
}

#[cfg(test)]
mod tests {
    use super::{Blocks, FULL, MeanSeries, mean_of};
    use crate::{Ensemble, Estimate, Moment, Reading, Step, Sums, Symmetry};

    /// yₜ = ρyₜ₋₁ + u about 2, with u uniform on ±1/2 from a congruential generator.
    fn autoregression(rho: f64, len: usize) -> Vec<f64> {
        let mut state = 1_u64;
        let mut y = 0.0;
        let mut next = || {
            state = (state * 1_103_515_245 + 12_345) % (1 << 31);
            y = rho * y + (state as f64 / (1_u64 << 31) as f64 - 0.5);
            2.0 + y
        };
        (0..len).map(|_| next()).collect()
    }

    fn blocks(losses: &[f64]) -> Blocks {
        let mut blocks = Blocks::new();
        for &loss in losses {
            let mut step = Ensemble::default();
            let facts = Step::new(loss);
            step.push(&facts, None, &Sums::default(), Symmetry::Generic);
            blocks.push(&step);
        }
        blocks
    }

    /// ⟨L⟩², a formula that is not linear.
    fn square(blocks: &Blocks) -> Reading {
        let formula = |e: &Ensemble| e.mean(Moment::Loss).map(|loss| loss * loss);
        blocks.estimate(formula, |e| e.count(Moment::Loss)).unwrap()
    }

    fn assert_reads(reading: &Reading, value: f64, std_error: f64, n_eff: f64) {
        let Some(&Estimate {
            value: v,
            std_error: s,
            n_eff: n,
        }) = reading.ready()
        else {
            panic!("{reading:?}");
        };
        for (got, expected) in [(v, value), (s, std_error), (n, n_eff)] {
            assert!((got / expected - 1.0).abs() < 1e-9, "{got} {expected}");
        }
    }

    /// 2, 2, 4, 4 and so on, 64 long, has autocorrelations 1/64, −62/64, −1/64: the sequence ends
    /// after one pair at 2·65/64 − 1 and reads (66/64)²; the autoregression has
    /// 1/64 + (1 + 4/64)/64.
    #[test]
    fn error_of_a_mean_by_hand() {
        let series: Vec<f64> = (0..64).map(|i| if i % 4 < 2 { 4.0 } else { 2.0 }).collect();
        let sequence = (66.0 / 64.0) * (66.0 / 64.0);
        let first = 132.0 / 4096.0;
        let inefficiency = 0.5 * (sequence + (1.0 + first) / (1.0 - first));
        let independent = 64.0 / inefficiency;
        let variance: f64 = inefficiency / 63.0 * (independent - 1.0) / (independent - 3.0);
        assert_reads(&mean_of(&series), 3.0, variance.sqrt(), independent);
    }

    /// Against an independent implementation of the definition above.
    #[test]
    fn errors_of_correlated_means() {
        let read = |rho, len| mean_of(&autoregression(rho, len));
        // The autoregression is the larger, then the sequence, which takes nine pairs.
        assert_reads(
            &read(0.5, 64),
            2.063_855_684_53,
            0.085_066_257_68,
            17.705_149_314_6,
        );
        assert_reads(
            &read(0.6, 100),
            2.030_612_024_93,
            0.106_722_468_79,
            14.258_556_146_9,
        );
        // Steps that turn back: both ends are clamped.
        assert_reads(
            &read(-0.9, 64),
            2.017_356_023_42,
            0.047_888_595_89,
            179.649_122_807,
        );
    }

    #[test]
    fn what_a_mean_is_short_of() {
        let pending = |seen, needed| Reading::Pending { seen, needed };
        assert_eq!(mean_of(&[0.1; 63]), pending(63, 64));
        assert_eq!(mean_of(&[]), pending(0, 64));
        let constant = mean_of(&[0.5; 64]);
        let exact = Estimate {
            value: 0.5,
            std_error: 0.0,
            n_eff: 64.0,
        };
        assert_eq!(constant, Reading::Ready(exact));
        // 6.287 independent values of the 16 it takes: 100·16/6.287.
        assert_eq!(mean_of(&autoregression(0.8, 100)), pending(100, 255));
    }

    /// Against an independent implementation of the jackknife: one step a block, and two steps a
    /// block with one step in the open block.
    #[test]
    fn jackknife_of_a_square() {
        let read = |rho, len| square(&blocks(&autoregression(rho, len)));
        assert_reads(
            &read(0.0, 100),
            4.062_197_802_4,
            0.151_126_488_84,
            55.304_236_117_3,
        );
        assert_reads(
            &read(0.5, 201),
            4.057_459_726_65,
            0.187_582_839_6,
            43.874_960_351_3,
        );
    }

    /// Two steps a block of which the one looked at never varies much: the other counts.
    #[test]
    fn spikes_between_the_steps_looked_at() {
        for quiet in [0, 1] {
            let loss = |(i, x): (usize, &f64)| if i % 2 == quiet { 2.0 + 1e-3 * x } else { *x };
            let losses: Vec<f64> = autoregression(0.0, 254)
                .iter()
                .enumerate()
                .map(loss)
                .collect();
            let reading =
                blocks(&losses).estimate(|e| e.mean(Moment::Loss), |e| e.count(Moment::Loss));
            let estimate = *reading.as_ref().and_then(Reading::ready).unwrap();
            // 127 blocks, independent of each other, up to the noise of their correlations.
            assert!(estimate.n_eff > 40.0, "{estimate:?}");
        }
    }

    #[test]
    fn what_a_window_is_short_of() {
        let pending = |seen, needed| Reading::Pending { seen, needed };
        assert_eq!(square(&blocks(&autoregression(0.0, 95))), pending(95, 96));
        assert!(square(&blocks(&autoregression(0.0, 96))).ready().is_some());
        // 11.15 independent blocks of the 16 it takes: 201·16/11.15.
        assert_eq!(
            square(&blocks(&autoregression(0.8, 201))),
            pending(201, 289)
        );
        let exact = Estimate {
            value: 0.25,
            std_error: 0.0,
            n_eff: 96.0,
        };
        assert_eq!(square(&blocks(&[0.5; 96])), Reading::Ready(exact));
    }

    /// Merged at 128 steps there are 64 blocks, the fewest that will do.
    #[test]
    fn the_fewest_blocks() {
        assert!(square(&blocks(&autoregression(0.0, 128))).ready().is_some());
        let mut window = Blocks::new();
        for (i, loss) in autoregression(0.0, 200).into_iter().enumerate() {
            let mut step = Ensemble::default();
            step.add(Moment::Dof, 1.0);
            if i < 100 {
                step.add(Moment::Loss, loss);
            }
            window.push(&step);
        }
        // A hundred values, but in 50 blocks.
        let pending = Reading::Pending {
            seen: 100,
            needed: 101,
        };
        assert_eq!(square(&window), pending);
    }

    /// Blocks that do not know the inputs of a formula are no blocks to it.
    #[test]
    fn a_gap_in_what_is_known() {
        let losses = autoregression(0.3, 160);
        let mut window = Blocks::new();
        let mut push = |loss: Option<f64>| {
            let mut step = Ensemble::default();
            step.add(Moment::Dof, 1.0);
            if let Some(loss) = loss {
                step.add(Moment::Loss, loss);
            }
            window.push(&step);
        };
        losses[..80].iter().for_each(|&loss| push(Some(loss)));
        (0..40).for_each(|_| push(None));
        losses[80..].iter().for_each(|&loss| push(Some(loss)));
        let without = *square(&blocks(&losses)).ready().unwrap();
        let Estimate {
            value,
            std_error,
            n_eff,
        } = without;
        assert_reads(&square(&window), value, std_error, n_eff);
    }

    /// Sums of equal numbers scatter by rounding, which is no error.
    #[test]
    fn rounding_is_no_error() {
        for len in [96, 127, 201, 1001] {
            for loss in [0.1, 1.0 / 3.0, 1e9 / 7.0, 1e-9 / 7.0] {
                let reading = square(&blocks(&vec![loss; len]));
                let estimate = reading.ready().unwrap();
                assert_eq!(estimate.std_error, 0.0, "{len} {loss}");
                let reading = mean_of(&vec![loss; len.min(FULL - 1)]);
                assert_eq!(reading.ready().unwrap().std_error, 0.0, "{len} {loss}");
            }
        }
        // Nor is a scatter of a few parts in 1e9 rounding.
        let loss = |i: usize| 1e9 + f64::from(u8::from(i % 4 < 2));
        let losses: Vec<f64> = (0..100).map(loss).collect();
        assert!(square(&blocks(&losses)).ready().unwrap().std_error > 0.0);
        assert!(mean_of(&losses).ready().unwrap().std_error > 0.0);
    }

    /// Sample steps that agree say nothing about how many steps carry the error: the blocks do.
    #[test]
    fn sample_steps_without_scatter() {
        let loss = |i: u32| match i % 8 {
            0 | 2 => 3.0,
            4 | 6 => 1.0,
            _ => 2.0,
        };
        let losses: Vec<f64> = (0..200).map(loss).collect();
        let formula = |e: &Ensemble| e.mean(Moment::Loss);
        let window = blocks(&losses);
        let reading = window.estimate(formula, |e| e.count(Moment::Loss));
        let estimate = *reading.unwrap().ready().unwrap();
        assert!(estimate.std_error > 0.0);
        assert!((16.0..=100.0).contains(&estimate.n_eff), "{estimate:?}");
    }

    #[test]
    fn blocks_merge_in_order() {
        let losses: Vec<f64> = (0..259).map(f64::from).collect();
        let mut window = blocks(&losses);
        assert_eq!(window.len(), 259);
        let means = |e: &Ensemble| e.mean(Moment::Loss);
        // Merged at 128 and at 256: 64 blocks of four and an open one of three.
        let full: Vec<f64> = (0..64).map(|i| 4.0 * f64::from(i) + 1.5).collect();
        assert_eq!(
            window
                .full
                .iter()
                .filter_map(|b| means(&b.total))
                .collect::<Vec<_>>(),
            full
        );
        assert_eq!(means(&window.total()), Some(129.0));
        // Eight blocks of four and the open one: steps 224 to 258.
        assert_eq!(means(&window.recent()), Some(241.0));
        assert_eq!(window.recent().count(Moment::Loss), 35.0);
        assert_eq!(means(&blocks(&losses[..5]).recent()), Some(4.0));
        window.clear();
        assert_eq!(window.len(), 0);
        assert_eq!(window.total().count(Moment::Loss), 0.0);
    }

    /// In a burst only the last steps know their displacements: the fuller step of a block stands
    /// for one step, and the later of two that know as much.
    #[test]
    fn a_block_keeps_its_fullest_step() {
        let step = |loss: f64, known: &[Moment]| {
            let mut step = Ensemble::default();
            for &moment in known {
                step.add(moment, loss);
            }
            step
        };
        let (bare, full) = ([Moment::Loss], [Moment::Loss, Moment::StepSquared]);
        for (known, kept) in [
            ([&bare[..], &full], 2.0),
            ([&full, &bare], 1.0),
            ([&full, &full], 2.0),
        ] {
            let mut window = Blocks::new();
            for _ in 0..64 {
                window.push(&step(1.0, known[0]));
                window.push(&step(2.0, known[1]));
            }
            let sample = window.full[0].sample;
            assert_eq!(sample.mean(Moment::Loss), Some(kept));
            assert_eq!(sample.count(Moment::Loss), 1.0);
        }
    }

    #[test]
    fn runs_of_a_series_double() {
        let mut series = MeanSeries::default();
        assert!(series.is_empty());
        for i in 0..300 {
            series.push(f64::from(i));
            assert!(series.values().len() < FULL);
        }
        // 75 runs of four.
        let means: Vec<f64> = (0..75).map(|i| 4.0 * f64::from(i) + 1.5).collect();
        assert_eq!(series.values(), means);
        assert!(!series.is_empty());
    }
}
