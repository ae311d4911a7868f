//! What a segment costs: twice its negative log-likelihood at the best parameters.
//!
//! A cost `C(s, t)` of the elements `s..t` must only fall when a segment is split at fixed
//! parameters count, `C(s, t) + C(t, u) ≤ C(s, u)`; then pruning is exact. All three do:
//!
//! ```math
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
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    Mean {
        sums: Sums,
        precision: f64,
    },
    MeanAndVariance {
        sums: Sums,
        floor: f64,
    },
    Kernel {
        series: Vec<f64>,
        /// `1 / 2h²`.
        gamma: f64,
        /// `Σᵢⱼ k` over `s..t` for every `s`, `t` being where the sweep is.
        gram: Vec<f64>,
        scale: f64,
    },
}

/// Prefix sums of a series about its median.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    /// `(Σ x, Σ x²)` of the first `t` elements.
    prefix: Vec<(f64, f64)>,
}

impl Sums {
    fn new(series: &[f64]) -> Self {
        let centre = median(&mut series.to_vec());
        let mut prefix = Vec::with_capacity(series.len() + 1);
        let (mut sum, mut square) = (0.0, 0.0);
        prefix.push((sum, square));
        for x in series {
            let y = x - centre;
            sum += y;
            square += y * y;
            prefix.push((sum, square));
        }
        Self { prefix }
    }

    /// `(n, Σ (x − x̄)²)` of `s..t`.
    #[inline]
    fn spread(&self, s: usize, t: usize) -> (f64, f64) {
        let ((a, aa), (b, bb)) = (self.prefix[s], self.prefix[t]);
        let n = (t - s) as f64;
        (n, ((bb - aa) - (b - a) * (b - a) / n).max(0.0))
    }
}

impl Prepared {
    /// `None` for a constant series.
    pub(super) fn new(
        cost: Cost,
        series: &[f64],
        noise_variance: f64,
    ) -> Result<Option<Self>, Error> {
        let n = series.len();
        match cost {
            Cost::Mean => Ok((noise_variance > 0.0).then(|| Self::Mean {
                sums: Sums::new(series),
                precision: noise_variance.recip(),
            })),
            Cost::MeanAndVariance => {
                let sums = Sums::new(series);
                let floor = 1e-8 * sums.spread(0, n).1 / n as f64;
                Ok((floor > 0.0).then_some(Self::MeanAndVariance { sums, floor }))
            }
            Cost::Kernel { bandwidth } => {
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
                let mut prepared = Self::Kernel {
                    series: series.to_vec(),
                    gamma: 0.5 / (width * width),
                    gram: vec![0.0; n],
                    scale: 1.0,
                };
                let (gram, _) = prepared.gram_sums();
                let whole = gram.last().copied().unwrap_or(0.0);
                let size = n as f64;
                let per_element = (size - whole / size) / size;
                if let Self::Kernel { scale, .. } = &mut prepared {
                    *scale = per_element.recip();
                }
                // Below this the distances are all far inside the kernel and rounding decides.
                Ok((per_element > 1e-12).then_some(prepared))
            }
        }
    }

    /// Moves the sweep to `t`, keeping the starts from `lowest` on; `t` grows by one a call.
    pub(super) fn advance(&mut self, t: usize, lowest: usize) {
        if let Self::Kernel {
            series,
            gamma,
            gram,
            ..
        } = self
        {
            let newest = series[t - 1];
            gram[t - 1] = 1.0;
            let mut sum = 0.0;
            for s in (lowest..t - 1).rev() {
                let difference = series[s] - newest;
                sum += (-*gamma * difference * difference).exp();
                gram[s] += 2.0 * sum + 1.0;
            }
        }
    }

    /// The cost of `s..t`, `t` being where the sweep is.
    #[inline]
    pub(super) fn cost(&self, s: usize, t: usize) -> f64 {
        match self {
            Self::Mean { sums, precision } => sums.spread(s, t).1 * precision,
            Self::MeanAndVariance { sums, floor } => {
                let (n, spread) = sums.spread(s, t);
                let variance = spread / n;
                let bounded = variance.max(*floor);
                n * ((std::f64::consts::TAU * bounded).ln() + variance / bounded)
            }
            Self::Kernel { gram, scale, .. } => {
                let n = (t - s) as f64;
                (n - gram[s] / n) * scale
            }
        }
    }

    /// Kernel sums over `0..t` for every `t`, and the sum of each row.
    fn gram_sums(&self) -> (Vec<f64>, Vec<f64>) {
        let Self::Kernel { series, gamma, .. } = self else {
            return (Vec::new(), Vec::new());
        };
        let n = series.len();
        let (mut prefix, mut rows) = (vec![0.0; n + 1], vec![1.0; n]);
        for t in 0..n {
            let mut sum = 0.0;
            for s in 0..t {
                let difference = series[s] - series[t];
                let k = (-gamma * difference * difference).exp();
                rows[s] += k;
                sum += k;
            }
            rows[t] += sum;
            prefix[t + 1] = prefix[t] + 2.0 * sum + 1.0;
        }
        (prefix, rows)
    }

    /// The cost of the whole and the largest fall that one split brings, with where.
    pub(super) fn best_split(&self, n: usize, least: usize) -> (f64, f64, usize) {
        let (mut best, mut place) = (f64::NEG_INFINITY, 0);
        let splits = least..(n + 1).saturating_sub(least);
        if let Self::Kernel { scale, .. } = self {
            let (prefix, rows) = self.gram_sums();
            let (total, size) = (prefix[n], n as f64);
            let whole = (size - total / size) * scale;
            let mut row_sum: f64 = rows[..least.min(n)].iter().sum();
            for t in splits {
                let left = t as f64;
                let right = size - left;
                // Rows 0..t hold the left block and the cross block once.
                let right_gram = total - 2.0 * row_sum + prefix[t];
                let parts = size - prefix[t] / left - right_gram / right;
                if whole - parts * scale > best {
                    (best, place) = (whole - parts * scale, t);
                }
                row_sum += rows[t];
            }
            return (whole, best, place);
        }
        let whole = self.cost(0, n);
        for t in splits {
            let fall = whole - self.cost(0, t) - self.cost(t, n);
            if fall > best {
                (best, place) = (fall, t);
            }
        }
        (whole, best, place)
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
