//! What a segment costs: twice its negative log-likelihood at the best parameters.
//!
//! A cost `C(s, t)` of the elements `s..t` must only fall when a segment is split at fixed
//! parameters count, `C(s, t) + C(t, u) ≤ C(s, u)`; then pruning is exact. All three do:
//!
//! ```text
//! Mean             Σ (x − x̄)² / σ²                       σ² is that of the noise, known or estimated
//! MeanAndVariance  n (ln 2πv + v̂/v),  v = max(v̂, v₀)     v̂ = Σ (x − x̄)² / n, v₀ a floor
//! Kernel           (n − Σᵢⱼ k(xᵢ, xⱼ) / n) / v            v = the same per element, whole series
//! ```
//!
//! Sources: Killick, Fearnhead and Eckley, arXiv:1101.1438 (the first two); Arlot, Celisse and
//! Harchaoui, arXiv:1202.3878 (the kernel). The floor `v₀` is 10⁻⁸ of the variance of the series:
//! it keeps a segment of equal values from costing `−∞`, and being a constraint on a parameter it
//! keeps the inequality.
//!
//! When it lies: the first cost takes the noise for Gaussian of constant variance; sums are taken
//! about the median, and with a range of more than about 10⁵ noise widths they lose the digits
//! that decide.

use crate::Error;
use crate::phase_transition::series::{check_positive, mean, median};

/// What changes at a change point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Cost {
    /// The mean, in Gaussian noise of constant variance.
    Mean,
    /// The mean, the variance, or both.
    MeanAndVariance,
    /// The distribution, seen through the Gaussian kernel `exp(−(x − y)² / 2h²)`.
    Kernel {
        /// The width `h`, in the unit of the series; `None` is the median distance of its elements.
        bandwidth: Option<f64>,
    },
}

impl Cost {
    /// Parameters a segment has.
    pub(super) fn parameters(self) -> f64 {
        match self {
            Self::Mean | Self::Kernel { .. } => 1.0,
            Self::MeanAndVariance => 2.0,
        }
    }

    /// Elements without which a segment has no cost.
    pub(super) fn least_segment(self) -> usize {
        match self {
            Self::Mean | Self::Kernel { .. } => 1,
            Self::MeanAndVariance => 2,
        }
    }
}

/// A cost over one series, with what makes it O(1).
///
/// A segment is given by the marks of its start and of its end.
pub(super) trait SegmentCost {
    /// What a cost needs to know of a position.
    type Mark: Copy;

    /// Moves the sweep to `t`, keeping the starts from `lowest` on; `t` grows by one a call.
    fn advance(&mut self, t: usize, lowest: usize);

    /// The mark of a position.
    fn mark(&self, position: usize) -> Self::Mark;

    /// The cost between two marks, the second being where the sweep is.
    fn cost(&self, start: &Self::Mark, end: &Self::Mark) -> f64;

    /// The cost of the whole and the largest fall that one split brings.
    fn best_split(&mut self, n: usize, least: usize) -> (f64, f64) {
        let (first, last) = (self.mark(0), self.mark(n));
        let whole = self.cost(&first, &last);
        let best = (least..(n + 1).saturating_sub(least))
            .map(|t| {
                let middle = self.mark(t);
                whole - self.cost(&first, &middle) - self.cost(&middle, &last)
            })
            .fold(f64::NEG_INFINITY, f64::max);
        (whole, best)
    }
}

/// Position, `Σ x` and `Σ x²` of what is before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub(super) position: f64,
    pub(super) sum: f64,
    pub(super) square: f64,
}

/// Elements of which the median is taken to sum about.
const MIDDLE: usize = 255;

/// Prefix sums of a series about its median, or that of elements taken evenly.
fn prefix_sums(series: &[f64]) -> Vec<Moments> {
    let apart = series.len().div_ceil(MIDDLE).max(1);
    let mut some: Vec<f64> = series.iter().step_by(apart).copied().collect();
    let centre = median(&mut some);
    let mut at = Moments {
        position: 0.0,
        sum: 0.0,
        square: 0.0,
    };
    let mut prefix = Vec::with_capacity(series.len() + 1);
    prefix.push(at);
    for x in series {
        let y = x - centre;
        at.position += 1.0;
        at.sum += y;
        at.square += y * y;
        prefix.push(at);
    }
    prefix
}

/// `(n, Σ (x − x̄)²)` between two positions.
#[inline]
fn spread(start: &Moments, end: &Moments) -> (f64, f64) {
    let n = end.position - start.position;
    let inverse = 1.0 / n;
    let sum = end.sum - start.sum;
    (
        n,
        (end.square - start.square - sum * sum * inverse).max(0.0),
    )
}

/// [`Cost::Mean`].
#[derive(Debug, Clone)]
pub(super) struct MeanCost {
    prefix: Vec<Moments>,
    precision: f64,
    range: (f64, f64),
}

impl MeanCost {
    /// `None` without noise.
    pub(super) fn new(series: &[f64], noise_variance: f64) -> Option<Self> {
        (noise_variance > 0.0).then(|| {
            let prefix = prefix_sums(series);
            let steps = prefix.windows(2).map(|pair| pair[1].sum - pair[0].sum);
            let (low, high) = steps.fold((0.0_f64, 0.0_f64), |(l, h), x| (l.min(x), h.max(x)));
            // A mean is rounded.
            let room = 1e-9 * (high - low);
            Self {
                prefix,
                precision: noise_variance.recip(),
                range: (low - room, high + room),
            }
        })
    }
}

impl MeanCost {
    /// Between which numbers the mean of any segment lies.
    pub(super) const fn range(&self) -> (f64, f64) {
        self.range
    }

    /// 1/σ².
    pub(super) const fn precision(&self) -> f64 {
        self.precision
    }
}

impl SegmentCost for MeanCost {
    type Mark = Moments;

    fn advance(&mut self, _: usize, _: usize) {}

    fn mark(&self, position: usize) -> Moments {
        self.prefix[position]
    }

    #[inline]
    fn cost(&self, start: &Moments, end: &Moments) -> f64 {
        spread(start, end).1 * self.precision
    }
}

/// [`Cost::MeanAndVariance`].
#[derive(Debug, Clone)]
pub(super) struct MeanAndVarianceCost {
    prefix: Vec<Moments>,
    floor: f64,
}

impl MeanAndVarianceCost {
    /// `None` for a constant series.
    pub(super) fn new(series: &[f64]) -> Option<Self> {
        let prefix = prefix_sums(series);
        let (n, square) = spread(prefix.first()?, prefix.last()?);
        let floor = 1e-8 * square / n;
        (floor > 0.0).then_some(Self { prefix, floor })
    }
}

impl SegmentCost for MeanAndVarianceCost {
    type Mark = Moments;

    fn advance(&mut self, _: usize, _: usize) {}

    fn mark(&self, position: usize) -> Moments {
        self.prefix[position]
    }

    #[inline]
    fn cost(&self, start: &Moments, end: &Moments) -> f64 {
        let (n, square) = spread(start, end);
        let variance = square / n;
        let bounded = variance.max(self.floor);
        n * ((std::f64::consts::TAU * bounded).ln() + variance / bounded)
    }
}

/// [`Cost::Kernel`].
#[derive(Debug, Clone)]
pub(super) struct KernelCost {
    series: Vec<f64>,
    /// `1 / 2h²`.
    gamma: f64,
    /// `Σᵢⱼ k` over `s..t` for every `s`, `t` being where the sweep is.
    gram: Vec<f64>,
    scale: f64,
    /// Kernel sums over `0..t` for every `t`, and the sum of each row.
    prefix: Vec<f64>,
    rows: Vec<f64>,
}

impl KernelCost {
    /// `None` for a constant series.
    pub(super) fn new(series: &[f64], bandwidth: Option<f64>) -> Result<Option<Self>, Error> {
        let width = match bandwidth {
            Some(h) => {
                check_positive("bandwidth", h)?;
                h
            }
            None => median_distance(series),
        };
        if width == 0.0 {
            return Ok(None);
        }
        let n = series.len();
        let gamma = 0.5 / (width * width);
        let (mut prefix, mut rows) = (vec![0.0; n + 1], vec![1.0; n]);
        for t in 0..n {
            let mut sum = 0.0;
            for s in 0..t {
                let k = gaussian(gamma, series[s] - series[t]);
                rows[s] += k;
                sum += k;
            }
            rows[t] += sum;
            prefix[t + 1] = prefix[t] + 2.0 * sum + 1.0;
        }
        let size = n as f64;
        let per_element = (size - prefix[n] / size) / size;
        // Below this the distances are all far inside the kernel and rounding decides.
        Ok((per_element > 1e-12).then(|| Self {
            series: series.to_vec(),
            gamma,
            gram: vec![0.0; n],
            scale: per_element.recip(),
            prefix,
            rows,
        }))
    }
}

fn gaussian(gamma: f64, difference: f64) -> f64 {
    (-gamma * difference * difference).exp()
}

impl SegmentCost for KernelCost {
    type Mark = usize;

    fn advance(&mut self, t: usize, lowest: usize) {
        let newest = self.series[t - 1];
        self.gram[t - 1] = 1.0;
        let mut sum = 0.0;
        for s in (lowest..t - 1).rev() {
            sum += gaussian(self.gamma, self.series[s] - newest);
            self.gram[s] += 2.0 * sum + 1.0;
        }
    }

    fn mark(&self, position: usize) -> usize {
        position
    }

    #[inline]
    fn cost(&self, start: &usize, end: &usize) -> f64 {
        let n = (end - start) as f64;
        (n - self.gram[*start] / n) * self.scale
    }

    /// From the sums of rows and of leading blocks, without a sweep.
    fn best_split(&mut self, n: usize, least: usize) -> (f64, f64) {
        let (total, size) = (self.prefix[n], n as f64);
        let whole = (size - total / size) * self.scale;
        let mut best = f64::NEG_INFINITY;
        let mut row_sum: f64 = self.rows[..least.min(n)].iter().sum();
        for t in least..(n + 1).saturating_sub(least) {
            let left = t as f64;
            let right = size - left;
            // Rows 0..t hold the left block and the cross block once.
            let right_gram = total - 2.0 * row_sum + self.prefix[t];
            let parts = size - self.prefix[t] / left - right_gram / right;
            best = best.max(whole - parts * self.scale);
            row_sum += self.rows[t];
        }
        (whole, best)
    }
}

/// Median distance between elements, over at most 512 of them taken evenly.
fn median_distance(series: &[f64]) -> f64 {
    let n = series.len();
    let m = n.min(512);
    let chosen: Vec<f64> = (0..m).map(|i| series[i * n / m]).collect();
    let mut distances: Vec<f64> = chosen
        .iter()
        .enumerate()
        .flat_map(|(i, a)| chosen[..i].iter().map(move |b| (a - b).abs()))
        .collect();
    let middle = median(&mut distances);
    if middle > 0.0 {
        middle
    } else {
        // More than half the pairs are equal: the mean still tells the scale.
        mean(&distances)
    }
}
