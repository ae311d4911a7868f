//! Where a finished series changed: exact segmentation at a stated price for a change.
//!
//! Of all ways to cut `x₀ … xₙ₋₁` at `m` places into segments no shorter than a minimum, find the
//! one with the least
//!
//! <!-- math
//! \sum C(\mathrm{segment}) + \beta m
//! -->
#![doc = include_str!("../../math/phase_transition_change_point_pelt_1.html")]
//!
//! Optimal partitioning (Jackson et al., arXiv:math/0309285) does so in O(n²) by dynamic programming. PELT
//! (Killick, Fearnhead and Eckley, arXiv:1101.1438) drops a start `s` once `F(s) + C(s, t)`
//! exceeds `F(t)`: it can then win at no `u ≥ t + minimum`. It is dropped only from that `u` on;
//! dropping it at once, as is common, is wrong for a minimum above 1. The answer equals that of optimal
//! partitioning, and both are here. Time is O(n) when changes keep coming and O(n²) when there is
//! none.
//!
//! For the mean, a second rule makes it about O(n) without changes too (functional pruning: Rigaill,
//! arXiv:1004.0887; Maidstone et al., arXiv:1409.1842). Held at one mean `μ`, the costs of two starts
//! `s < s'` differ by
//!
//! <!-- math
//! F(s) + C(s, s') - F(s') + \frac{s' - s}{\sigma^2} (\mu - \bar x_{s,s'})^2
//! -->
#![doc = include_str!("../../math/phase_transition_change_point_pelt.html")]
//!
//! for ever after, whatever comes: `s` is the better one in an interval about the mean between them, and
//! `s'` outside of it. A start lives while there is a mean, within the range of the data, at which no
//! other is better. Here that set is bounded by an interval less one hole, which loses little, and
//! some ten starts are alive at a time, which are looked at side by side. The modified penalty adds `ln((t − s)/(t − s'))` to the
//! difference, which is never negative and only falls, so that both bounds are still known.
//!
//! # The price of a change
//! Costs are in units of twice a log-likelihood, `p` is the number of parameters of a segment.
//!
//! | penalty | β | beside it |
//! |---|---|---|
//! | `Bic` | `(p + 1) ln n` | |
//! | `Mbic` (Zhang and Siegmund, Biometrics 63, 2007) | `(p + 2) ln n` | `ln(nᵢ/n)` on every segment |
//! | `Automatic` | `(p + 2) ĝ ln n` | |
//!
//! The first two take the residuals for independent, and on the record of a training run, whose
//! residuals are not, they find changes where there are none. `Automatic` estimates the variance `σ²` and the
//! inefficiency `ĝ` of the residuals by this rule:
//!
//! 1. `ρ̂ = q₂²/q₁² − 1` with `q_k` the median of `|x_{t+k} − x_t|`, which a few changes do not
//!    move (Chakar et al., arXiv:1403.1958); `σ² = (q₁/0.6745)² / 2(1 − ρ̂)`, but not above the
//!    variance of the series, and `g₁ = (1 + ρ̂)/(1 − ρ̂)`.
//! 2. `g₂ = L v_L / σ²`, with `v_L` the variance of the means of blocks of `L = ⌈√n⌉`, from the median
//!    of their successive differences (Wu and Zhao, J. R. Statist. Soc. B 69, 2007).
//! 3. `ĝσ²` is the larger of `g₁σ²` and `g₂σ²`, but not above the long-run variance of the raw series, which changes
//!    only raise.
//! 4. Segment; take the long-run variance of the residuals; while it exceeds `ĝσ²`, raise `ĝ` and
//!    segment again, five times at most.
//!
//! With fewer than 50 independent observations (`n < 50 ĝ`) it answers that it needs more data.
//!
//! When it lies: a slow drift is cut into stairs; a change shorter than `ĝ` steps is noise; the
//! place of a change is uncertain by about `ĝ (σ/δ)²` steps for a step of height `δ`.

use super::cost::{Cost, KernelCost, MeanAndVarianceCost, MeanCost, SegmentCost};
use super::functional;
use crate::phase_transition::series::{check_positive, check_series, inefficiency, mean, median};
use crate::{Error, Reading, Reason};

/// Third quartile of the normal distribution: the median of `|x|` over its standard deviation.
const QUARTILE: f64 = 0.674_489_750_196_081_7;
/// Fewer independent observations than this allow no verdict.
const LEAST_INDEPENDENT: f64 = 50.0;
/// The kernel cost takes O(n²) time whatever is pruned; longer series are refused.
const LONGEST_FOR_KERNEL: usize = 20_000;

/// The price of a change point.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Penalty {
    /// This much, in units of the cost: for the first two twice a log-likelihood, for the kernel the mean cost of an
    /// element; the residuals are taken for independent.
    Given(f64),
    /// Schwarz' criterion, independent residuals.
    Bic,
    /// Zhang and Siegmund's modified criterion, independent residuals.
    Mbic,
    /// `(p + 2) ĝ ln n`, from the inefficiency of the residuals.
    Automatic,
}

/// How to segment.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PeltConfig {
    /// What changes at a change point.
    pub cost: Cost,
    /// The price of one.
    pub penalty: Penalty,
    /// The least number of elements of a segment. Default: 2 for the mean, 5 for the others, which fit more.
    pub min_segment: usize,
    /// The variance of the noise, where it is known; used by the cost of the mean alone.
    pub noise_variance: Option<f64>,
}

impl PeltConfig {
    /// The automatic penalty and the default minimal segment.
    pub const fn new(cost: Cost) -> Self {
        Self {
            cost,
            penalty: Penalty::Automatic,
            min_segment: match cost {
                Cost::Mean => 2,
                Cost::MeanAndVariance | Cost::Kernel { .. } => 5,
            },
            noise_variance: None,
        }
    }

    /// The same with another price.
    #[must_use]
    pub const fn penalty(mut self, penalty: Penalty) -> Self {
        self.penalty = penalty;
        self
    }

    /// The same with another minimal segment.
    #[must_use]
    pub const fn min_segment(mut self, elements: usize) -> Self {
        self.min_segment = elements;
        self
    }

    /// The same with a known variance of the noise.
    #[must_use]
    pub const fn noise_variance(mut self, variance: f64) -> Self {
        self.noise_variance = Some(variance);
        self
    }
}

/// A segmentation, and what the answer rests on.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Segmentation {
    /// The first element of each segment but the first; empty when nothing changed.
    pub change_points: Vec<usize>,
    /// The price that a change had to beat.
    pub penalty: f64,
    /// The largest fall of the cost that one change brings: to be compared with `penalty`.
    pub statistic: f64,
    /// Cost of the answer, without the penalty.
    pub cost: f64,
    /// Cost without any change.
    pub cost_without_change: f64,
    /// Inefficiency of the residuals that the penalty allows for.
    pub inefficiency: f64,
    /// Variance of the noise: by what the cost of the mean is divided.
    pub noise_variance: f64,
}

/// Exact segmentation, with pruning.
///
/// ```
/// use thermograd::phase_transition::change_point::{Cost, Penalty, PeltConfig, pelt};
/// // A step of height 10 in noise of variance 1: the cost falls from 4 · 25 + 4 to 4.
/// let x = [1.0, -1.0, 1.0, -1.0, 11.0, 9.0, 11.0, 9.0];
/// let config = PeltConfig::new(Cost::Mean).penalty(Penalty::Given(5.0)).noise_variance(1.0);
/// let answer = pelt(&x, &config)?;
/// let found = answer.ready().unwrap();
/// assert_eq!(found.change_points, [4]);
/// assert!((found.cost - 8.0).abs() < 1e-9);
/// assert!((found.cost_without_change - 208.0).abs() < 1e-9);
/// assert!((found.statistic - 200.0).abs() < 1e-9);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Pending below two segments, and for the automatic penalty below 50 independent observations;
/// undefined for a constant series.
///
/// # Errors
/// A non-finite element, with its index; elements whose squares overflow; a penalty, minimal segment,
/// variance or bandwidth out of range; a series too long for the kernel cost.
pub fn pelt(series: &[f64], config: &PeltConfig) -> Result<Reading<Segmentation>, Error> {
    segment(series, config, Search::Pruned)
}

/// Exact segmentation by the full dynamic programme: O(n²), the oracle of [`pelt`].
///
/// ```
/// use thermograd::phase_transition::change_point::{Cost, PeltConfig, optimal_partitioning, pelt};
/// let series: Vec<f64> = (0..200).map(|i| f64::from(i % 2) + if i < 120 { 0.0 } else { 5.0 }).collect();
/// let config = PeltConfig::new(Cost::Mean);
/// let all = optimal_partitioning(&series, &config)?;
/// assert_eq!(all, pelt(&series, &config)?);
/// assert_eq!(all.ready().unwrap().change_points, [120]);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// As [`pelt`].
pub fn optimal_partitioning(
    series: &[f64],
    config: &PeltConfig,
) -> Result<Reading<Segmentation>, Error> {
    segment(series, config, Search::Full)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Search {
    Pruned,
    Full,
}

/// What the price of a change comes to.
#[derive(Debug, Clone, Copy)]
struct Price {
    penalty: f64,
    /// Adds `ln(nᵢ / n)` to each segment.
    modified: bool,
}

fn validate(series: &[f64], config: &PeltConfig) -> Result<(), Error> {
    check_series("series", series)?;
    if let Some(variance) = config.noise_variance {
        check_positive("noise variance", variance)?;
    }
    if let Penalty::Given(penalty) = config.penalty
        && !(penalty >= 0.0 && penalty.is_finite())
    {
        return Err(Error::OutOfRange {
            what: "penalty",
            value: penalty,
            allowed: "a finite number, 0 or more",
        });
    }
    let least = config.min_segment;
    if least < config.cost.least_segment() {
        return Err(Error::OutOfRange {
            what: "minimal segment",
            value: least as f64,
            allowed: "1 or more, for a cost with a variance 2 or more",
        });
    }
    let n = series.len();
    if matches!(config.cost, Cost::Kernel { .. }) && n > LONGEST_FOR_KERNEL {
        return Err(Error::OutOfRange {
            what: "length of the series for the kernel cost",
            value: n as f64,
            allowed: "20 000 elements or fewer: thin it, or use another cost",
        });
    }
    Ok(())
}

fn segment(
    series: &[f64],
    config: &PeltConfig,
    search: Search,
) -> Result<Reading<Segmentation>, Error> {
    validate(series, config)?;
    let (n, least) = (series.len(), config.min_segment);
    let needed = least.saturating_mul(2).max(8);
    if n < needed {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: needed as u64,
        });
    }
    let constant = Reading::Undefined(Reason::Degenerate("the series is constant"));
    let automatic = config.penalty == Penalty::Automatic;
    let estimated =
        match config.noise_variance {
            Some(variance) if !automatic => series
                .windows(2)
                .any(|pair| pair[0] != pair[1])
                .then_some(Noise {
                    variance,
                    inefficiency: 1.0,
                }),
            known => Noise::estimate(series, automatic).map(|noise| match known {
                None => noise,
                Some(variance) => Noise {
                    variance,
                    inefficiency: (noise.long_run() / variance).max(1.0),
                },
            }),
        };
    let Some(mut noise) = estimated else {
        return Ok(constant);
    };
    let mut answer = None;
    for _ in 0..=5 {
        if automatic && (n as f64) < LEAST_INDEPENDENT * noise.inefficiency {
            return Ok(Reading::Pending {
                seen: n as u64,
                needed: ceil(LEAST_INDEPENDENT * noise.inefficiency),
            });
        }
        let (p, ln_n) = (config.cost.parameters(), (n as f64).ln());
        let price = Price {
            penalty: match config.penalty {
                Penalty::Given(penalty) => penalty,
                Penalty::Bic => (p + 1.0) * ln_n,
                Penalty::Mbic => (p + 2.0) * ln_n,
                Penalty::Automatic => (p + 2.0) * noise.inefficiency * ln_n,
            },
            modified: config.penalty == Penalty::Mbic,
        };
        let plan = Plan {
            length: n,
            least,
            price,
            search,
        };
        let solved = match config.cost {
            Cost::Mean => MeanCost::new(series, noise.variance).map(|c| plan.solve_mean(c)),
            Cost::MeanAndVariance => MeanAndVarianceCost::new(series).map(|c| plan.solve(c)),
            Cost::Kernel { bandwidth } => {
                KernelCost::new(series, bandwidth)?.map(|c| plan.solve(c))
            }
        };
        let Some(Solution {
            change_points,
            cost,
            cost_without_change,
            statistic,
        }) = solved
        else {
            return Ok(constant);
        };
        if ![cost, cost_without_change, statistic, noise.variance]
            .iter()
            .all(|x| x.is_finite())
        {
            return Ok(Reading::Undefined(Reason::Meaningless(
                "the series and its noise are too many orders of magnitude apart",
            )));
        }
        let left = automatic.then(|| residuals(series, &change_points));
        answer = Some(Segmentation {
            cost,
            change_points,
            penalty: price.penalty,
            statistic,
            cost_without_change,
            inefficiency: if automatic { noise.inefficiency } else { 1.0 },
            noise_variance: noise.variance,
        });
        // A given price is not to be found out.
        let Some(left) = left else { break };
        let long_run = long_run_variance(&left);
        if long_run <= noise.long_run() * (1.0 + 1e-9) {
            break;
        }
        noise.inefficiency = long_run / noise.variance;
    }
    Ok(answer.map_or(constant, Reading::Ready))
}

/// One problem of segmentation.
#[derive(Debug, Clone, Copy)]
struct Plan {
    length: usize,
    least: usize,
    price: Price,
    search: Search,
}

#[derive(Debug)]
struct Solution {
    change_points: Vec<usize>,
    cost: f64,
    cost_without_change: f64,
    statistic: f64,
}

/// Where a last segment may start.
#[derive(Debug, Clone, Copy)]
struct Start<M> {
    mark: M,
    /// Least cost of what is before.
    before: f64,
    at: usize,
    /// The end from which on it cannot win.
    until: usize,
}

impl Plan {
    fn solve<C: SegmentCost>(&self, mut costs: C) -> Solution {
        let change_points = self.dynamic_programme(&mut costs);
        self.judge(costs, change_points)
    }

    /// Changes of the mean have a programme of their own.
    fn solve_mean(&self, costs: MeanCost) -> Solution {
        if self.search == Search::Full {
            return self.solve(costs);
        }
        let problem = functional::Problem {
            length: self.length,
            least: self.least,
            penalty: self.price.penalty,
            modified: self.price.modified,
        };
        let change_points = functional::programme(&costs, &problem);
        self.judge(costs, change_points)
    }

    fn judge<C: SegmentCost>(&self, mut costs: C, change_points: Vec<usize>) -> Solution {
        let (cost_without_change, statistic) = costs.best_split(self.length, self.least);
        Solution {
            cost: total_cost(&mut costs, self.length, &change_points),
            change_points,
            cost_without_change,
            statistic,
        }
    }

    fn dynamic_programme<C: SegmentCost>(&self, costs: &mut C) -> Vec<usize> {
        let (n, least) = (self.length, self.least);
        let size = n as f64;
        let share = |elements: usize| (elements as f64 / size).ln();
        // What the modified penalty adds, by the length of the segment.
        let extra: Vec<f64> = if self.price.modified {
            (0..=n).map(share).collect()
        } else {
            Vec::new()
        };
        let mut best = vec![f64::INFINITY; n + 1];
        let mut previous = vec![0_usize; n + 1];
        best[0] = -self.price.penalty;
        let mut starts: Vec<Start<C::Mark>> = Vec::new();
        let mut reached: Vec<f64> = Vec::new();
        let (mut swept, mut next_to_go) = (0, usize::MAX);
        for t in least..=n {
            let newest = t - least;
            if newest == 0 || newest >= least {
                starts.push(Start {
                    mark: costs.mark(newest),
                    before: best[newest],
                    at: newest,
                    until: usize::MAX,
                });
            }
            let lowest = starts.first().map_or(0, |start| start.at);
            while swept < t {
                swept += 1;
                costs.advance(swept, lowest);
            }
            let end = costs.mark(t);
            reached.clear();
            if self.price.modified {
                reached.extend(
                    starts
                        .iter()
                        .map(|s| s.before + costs.cost(&s.mark, &end) + extra[t - s.at]),
                );
            } else {
                reached.extend(starts.iter().map(|s| s.before + costs.cost(&s.mark, &end)));
            }
            let least_value = smallest(&reached);
            let first = reached.iter().position(|v| *v == least_value).unwrap_or(0);
            best[t] = least_value + self.price.penalty;
            previous[t] = starts.get(first).map_or(0, |s| s.at);
            if self.search == Search::Full {
                continue;
            }
            // The slack keeps rounding from dropping an equal.
            let bar = best[t] + 1e-9 * (1.0 + best[t].abs());
            for (start, value) in starts.iter_mut().zip(&reached) {
                if *value > bar && start.until == usize::MAX {
                    start.until = t + least;
                    next_to_go = next_to_go.min(start.until);
                }
            }
            if next_to_go <= t + 1 {
                starts.retain(|start| start.until > t + 1);
                next_to_go = starts.iter().map(|s| s.until).min().unwrap_or(usize::MAX);
            }
        }
        let (mut change_points, mut t) = (Vec::new(), previous[n]);
        while t > 0 {
            change_points.push(t);
            t = previous[t];
        }
        change_points.reverse();
        change_points
    }
}

/// The smallest of finite numbers, in four lanes that do not wait for each other.
fn smallest(values: &[f64]) -> f64 {
    let lower = |a: f64, b: f64| if b < a { b } else { a };
    let mut lanes = [f64::INFINITY; 4];
    let chunks = values.chunks_exact(4);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = lower(*lane, *value);
        }
    }
    lanes
        .into_iter()
        .chain(rest.iter().copied())
        .fold(f64::INFINITY, lower)
}

/// Cost of a given segmentation.
fn total_cost<C: SegmentCost>(costs: &mut C, n: usize, change_points: &[usize]) -> f64 {
    let mut from = 0;
    let mut sum = 0.0;
    for &to in change_points.iter().chain([&n]) {
        for t in from + 1..=to {
            costs.advance(t, from);
        }
        sum += costs.cost(&costs.mark(from), &costs.mark(to));
        from = to;
    }
    sum
}

fn residuals(series: &[f64], change_points: &[usize]) -> Vec<f64> {
    let mut from = 0;
    let mut residuals = Vec::with_capacity(series.len());
    for &to in change_points.iter().chain([&series.len()]) {
        let centre = mean(&series[from..to]);
        residuals.extend(series[from..to].iter().map(|x| x - centre));
        from = to;
    }
    residuals
}

/// `g σ²` of residuals.
fn long_run_variance(residuals: &[f64]) -> f64 {
    let variance = residuals.iter().map(|r| r * r).sum::<f64>() / residuals.len().max(1) as f64;
    variance * inefficiency(residuals).unwrap_or(1.0)
}

/// Variance and inefficiency of what is left between changes.
#[derive(Debug, Clone, Copy)]
struct Noise {
    variance: f64,
    inefficiency: f64,
}

impl Noise {
    fn long_run(self) -> f64 {
        self.variance * self.inefficiency
    }

    /// `None` for a constant series.
    fn estimate(series: &[f64], correlated: bool) -> Option<Self> {
        let spread = |lag: usize| {
            let mut distances: Vec<f64> = series
                .iter()
                .zip(series.iter().skip(lag))
                .map(|(a, b)| (b - a).abs())
                .collect();
            let q = median(&mut distances) / QUARTILE;
            if q > 0.0 {
                return q * q;
            }
            // Most elements repeat: the mean square still sees the others.
            distances.iter().map(|d| d * d).sum::<f64>() / distances.len().max(1) as f64
        };
        let first = spread(1);
        if first <= 0.0 {
            return None;
        }
        if !correlated {
            return Some(Self {
                variance: 0.5 * first,
                inefficiency: 1.0,
            });
        }
        // Changes only raise the variance and the long-run variance of the raw series.
        let raw = residuals(series, &[]);
        let raw_variance = raw.iter().map(|r| r * r).sum::<f64>() / raw.len().max(1) as f64;
        let rho = (spread(2) / first - 1.0).clamp(0.0, 0.999);
        let variance = (0.5 * first / (1.0 - rho)).min(raw_variance);
        let length = series.len().isqrt().max(1);
        let means: Vec<f64> = series.chunks_exact(length).map(mean).collect();
        let mut steps: Vec<f64> = means.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
        let block = 0.5 * (median(&mut steps) / QUARTILE).powi(2) * length as f64;
        let robust = (variance * (1.0 + rho) / (1.0 - rho)).max(block);
        let raw = long_run_variance(&raw);
        Some(Self {
            variance,
            inefficiency: (robust.min(raw) / variance).max(1.0),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count of observations; the cast saturates"
)]
fn ceil(x: f64) -> u64 {
    x.ceil() as u64
}
