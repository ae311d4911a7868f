//! Where the transient ends: how many leading steps to discard.
//!
//! Keep too much and the start biases every mean; discard too much and the error bars grow. Four
//! answers, by two ideas.
//!
//! - *Most effective samples* ([`detect_equilibration`]; Chodera, JCTC 12, 1799, 2016): a
//!   transient makes the autocorrelation of what is kept long, so the start t0 that maximises
//!
//! <!-- math
//! N_\mathrm{eff}(t_0) = \frac{N - t_0 + 1}{g(t_0)}
//! -->
#![doc = include_str!("../math/equilibrium_burn_in_1.html")]
//!
//!   balances both. It is pymbar's detection, number for number.
//! - *Smallest marginal standard error*: the same by the squared error σ²g/n itself, with g from
//!   an initial sequence ([`detect_by_initial_sequence`]) or a Bartlett window
//!   ([`detect_by_window`]), as in the package red (Clark et al., JCTC 20, 8559, 2024), and
//!   without g over means of five ([`mser5`]; White, Simulation 69, 323, 1997).
//!
//! # How it is fast
//! Taken literally, each of the N starts needs its own autocorrelation: O(N² Λ) with Λ the number
//! of lags until the sum stops. But the lagged products of all starts are the partial sums, from
//! the end, of one sequence, so that a lag costs O(N) for all starts together; and a start whose
//! N_eff has fallen below the best finished one is dropped, since further positive terms only
//! lower it. The answer is that of the literal loop.
//!
//! # When the number lies
//! Any rule finds *some* start. A series that drifts to its end, or has not yet left a metastable
//! state, gets one as well, with a small N_eff: judge by that number, and by the tests of
//! [`stationarity`](super::stationarity). The maximal N_eff of pure noise is biased up by the
//! search itself.

use super::autocorrelation::{Truncation, bend};
use super::support::{centred_at, check, check_equal, count, dot, mean};
use crate::error::{Error, check_range};
use crate::estimate::{Reading, Reason};

const CONSTANT: Reason = Reason::Degenerate("the series is constant");

/// A start of the equilibrated part and what the rest is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct BurnIn {
    /// Index of the first step to keep.
    pub origin: usize,
    /// Statistical inefficiency g of what is kept, in steps.
    pub inefficiency: f64,
    /// Effective number of observations in what is kept.
    pub n_eff: f64,
}

/// Which lags [`detect_equilibration`] sums over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LagGrid {
    /// 1, 2, 4, 7, 11, …, each weighing as many lags as its gap: pymbar's default.
    #[default]
    Sparse,
    /// Every lag: pymbar with `fast=False`, slower by the square root of the correlation time.
    Every,
}

/// Suffix sums, means and variances of a centred series (or of a sum of replicas of it).
struct Suffixes {
    /// Σ_{i ≥ t0} x_i over all replicas; one longer than the series.
    sums: Vec<f64>,
    /// Mean and mean square deviation of what starts at t0.
    moments: Vec<(f64, f64)>,
}

impl Suffixes {
    fn new(replicas: &[Vec<f64>], len: usize) -> Self {
        let mut sums = vec![0.0; len + 1];
        let mut moments = vec![(0.0, 0.0); len];
        let (mut n, mut m, mut s, mut total) = (0.0, 0.0, 0.0, 0.0);
        for (i, (slot, moment)) in sums.iter_mut().zip(&mut moments).enumerate().rev() {
            for replica in replicas {
                let x = replica.get(i).copied().unwrap_or(0.0);
                n += 1.0;
                let away = x - m;
                m += away / n;
                s += away * (x - m);
                total += x;
            }
            *slot = total;
            *moment = (m, s / n);
        }
        Self { sums, moments }
    }

    fn sum(&self, start: usize) -> f64 {
        self.sums.get(start).copied().unwrap_or(0.0)
    }

    fn moments(&self, start: usize) -> (f64, f64) {
        self.moments.get(start).copied().unwrap_or((0.0, 0.0))
    }
}

/// Length of the run of equal values at the end.
fn constant_tail(series: &[f64]) -> usize {
    let Some(last) = series.last() else { return 0 };
    series.iter().rev().take_while(|x| *x == last).count()
}

/// Adds to `product` the lagged products of the starts from `from` up to `until`.
fn extend(product: &mut f64, x: &[f64], from: usize, until: usize, lag: usize) {
    if until == from + 1 {
        if let (Some(a), Some(b)) = (x.get(from), x.get(from + lag)) {
            *product += a * b;
        }
    } else if let (Some(a), Some(b)) = (x.get(from..until), x.get(from + lag..)) {
        *product += dot(a, b);
    }
}

/// The start that leaves most effective samples.
///
/// <!-- math
/// t_0 = \operatorname*{argmax}_t \frac{N - t + 1}{g(t)}, \qquad g = 1 + 2 \sum_\tau \Bigl(1 - \frac{\tau}{n}\Bigr) \rho_\tau \quad\text{up to the first zero after lag 3}
/// -->
#[doc = include_str!("../math/equilibrium_burn_in_2.html")]
///
/// over all starts t from 0 to N - 2, the first of equals; a constant tail counts as one sample.
/// Same numbers as pymbar's `detect_equilibration` with `nskip=1`, at O(N Λ) instead of O(N² Λ),
/// Λ the number of lags until the zero; a series that drifts to its end has Λ of order N (√N on
/// the sparse grid). Pending below 4 values, undefined for a constant series.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::{LagGrid, detect_equilibration};
/// // Ten steps from far away, then alternation. A single outlier at the start of what is kept has
/// // no partner to correlate with: the rule may leave one in.
/// let mut x = vec![50.0; 10];
/// x.extend([1.0, -1.0].repeat(100));
/// let burn_in = detect_equilibration(&x, LagGrid::Sparse)?;
/// assert_eq!(burn_in.ready().unwrap().origin, 9);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn detect_equilibration(series: &[f64], grid: LagGrid) -> Result<Reading<BurnIn>, Error> {
    check("series", series)?;
    let n = series.len();
    if n < 4 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: 4,
        });
    }
    // Centred where it is expected to have settled: small numbers there keep their digits.
    let Some(c) = centred_at(series, mean(series.get(n / 2..).unwrap_or(series))) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let x = c.values;
    let tail = constant_tail(series);
    let suffixes = Suffixes::new(std::slice::from_ref(&x), n);
    let size = |origin: usize, g: f64| (n - origin + 1) as f64 / g.max(1.0);

    let mut best: Option<BurnIn> = None;
    let mut finish = |origin: usize, g: f64, n_eff: f64| -> f64 {
        let better =
            best.is_none_or(|b| n_eff > b.n_eff || (n_eff == b.n_eff && origin < b.origin));
        if better {
            best = Some(BurnIn {
                origin,
                inefficiency: g.max(1.0),
                n_eff,
            });
        }
        best.map_or(0.0, |b| b.n_eff)
    };
    let mut bound = 0.0;
    // Starts still summing, latest first, with their g so far.
    let mut active: Vec<(usize, f64)> = Vec::with_capacity(n);
    for origin in (0..n - 1).rev() {
        if origin + tail >= n {
            bound = finish(origin, (n - origin + 1) as f64, 1.0);
        } else {
            active.push((origin, 1.0));
        }
    }
    let (mut lag, mut gap) = (1_usize, 1_usize);
    while !active.is_empty() {
        let (mut product, mut until) = (0.0, n.saturating_sub(lag));
        active.retain_mut(|(origin, g)| {
            let start = *origin;
            let left = n - start;
            if lag + 1 >= left {
                bound = finish(start, *g, size(start, *g));
                return false;
            }
            extend(&mut product, &x, start, until, lag);
            until = start;
            let (m, variance) = suffixes.moments(start);
            let pairs = (left - lag) as f64;
            let ends = suffixes.sum(start) - suffixes.sum(n - lag) + suffixes.sum(start + lag);
            let rho = (product - m * ends + pairs * m * m) / (pairs * variance);
            if lag > 3 {
                if rho <= 0.0 {
                    bound = finish(start, *g, size(start, *g));
                    return false;
                }
                if size(start, *g) < bound {
                    return false;
                }
            }
            *g += 2.0 * rho * (1.0 - lag as f64 / left as f64) * gap as f64;
            true
        });
        lag += gap;
        if grid == LagGrid::Sparse {
            gap += 1;
        }
    }
    Ok(best.map_or(Reading::Undefined(CONSTANT), Reading::Ready))
}

/// Marginal standard error rule over means of `batch` steps: how many leading steps to discard.
///
/// <!-- math
/// d = \operatorname*{argmin}_d \frac{\sum_{j \ge d} (y_j - \bar y_d)^2}{(b - d)^2}
/// -->
#[doc = include_str!("../math/equilibrium_burn_in_3.html")]
///
/// over the b batch means y_j, d up to b/2. A minimum at that end means that the run is too short
/// for the rule: pending. The answer is in steps, a multiple of `batch`. Pending below 10 batches,
/// undefined for a constant series. Source: White, Simulation 69, 323 (1997).
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for a batch of 0.
///
/// ```
/// use thermograd::{Reading, equilibrium::mser};
/// let mut x = vec![50.0; 10];
/// x.extend([1.0, -1.0].repeat(100));
/// assert_eq!(mser(&x, 1)?, Reading::Ready(10));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn mser(series: &[f64], batch: usize) -> Result<Reading<usize>, Error> {
    check("series", series)?;
    check_range("batch", batch as f64, "at least 1", |_| batch > 0)?;
    let means: Vec<f64> = series.chunks_exact(batch).map(mean).collect();
    let b = means.len();
    if b < 10 {
        return Ok(Reading::Pending {
            seen: series.len() as u64,
            needed: (batch as u64).saturating_mul(10),
        });
    }
    let Some(c) = centred_at(&means, mean(means.get(b / 2..).unwrap_or(&means))) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let suffixes = Suffixes::new(std::slice::from_ref(&c.values), b);
    let mut best = (f64::INFINITY, 0);
    for d in 0..=b / 2 {
        let error = suffixes.moments(d).1 / (b - d) as f64;
        if error < best.0 {
            best = (error, d);
        }
    }
    Ok(if best.1 >= b / 2 {
        Reading::Pending {
            seen: series.len() as u64,
            needed: (series.len() as u64).saturating_mul(2),
        }
    } else {
        Reading::Ready(best.1 * batch)
    })
}

/// [`mser`] over means of five: MSER-5.
///
/// # Errors
/// Those of [`mser`].
///
/// ```
/// use thermograd::{Reading, equilibrium::mser5};
/// let mut x = vec![50.0; 10];
/// x.extend([1.0, -1.0].repeat(100));
/// assert_eq!(mser5(&x)?, Reading::Ready(10));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn mser5(series: &[f64]) -> Result<Reading<usize>, Error> {
    mser(series, 5)
}

/// What a search over starts optimises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Objective {
    /// The squared standard error of the mean, smallest.
    #[default]
    SquaredError,
    /// The effective sample size, largest.
    EffectiveSize,
}

/// Options of [`detect_by_initial_sequence`]; the defaults are those of red.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct InitialSequenceConfig {
    /// Which initial sequence: the convex one by default. The first-zero rules are an error.
    pub rule: Truncation,
    /// What to optimise: the squared error by default.
    pub objective: Objective,
    /// Pair sums up to this index are kept whatever their sign: 3 by default.
    pub kept_pairs: usize,
    /// Fraction of the end where no start is tried: 0.1 by default.
    pub padding: f64,
}

impl Default for InitialSequenceConfig {
    fn default() -> Self {
        Self {
            rule: Truncation::InitialConvex,
            objective: Objective::SquaredError,
            kept_pairs: 3,
            padding: 0.1,
        }
    }
}

/// The lag window of [`detect_by_window`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LagWindow {
    /// The square root of the number of steps kept.
    #[default]
    SquareRoot,
    /// As many lags.
    Fixed(usize),
}

/// Options of [`detect_by_window`]; the defaults are those of red.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct WindowConfig {
    /// Width of the Bartlett window.
    pub window: LagWindow,
    /// What to optimise: the squared error by default.
    pub objective: Objective,
    /// Fraction of the end where no start is tried: 0.1 by default.
    pub padding: f64,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            window: LagWindow::SquareRoot,
            objective: Objective::SquaredError,
            padding: 0.1,
        }
    }
}

fn check_padding(padding: f64) -> Result<(), Error> {
    check_range("padding", padding, "a fraction from 0 to below 1", |x| {
        (0.0..1.0).contains(&x)
    })
}

/// Replicas centred together at the mean of their second halves, on one scale.
fn centred_together(replicas: &[&[f64]], n: usize) -> Option<Vec<Vec<f64>>> {
    let late: Vec<f64> = replicas
        .iter()
        .flat_map(|r| r.get(n / 2..).unwrap_or(&[]).iter().copied())
        .collect();
    let all = replicas.concat();
    let c = centred_at(&all, mean(&late))?;
    Some(c.values.chunks(n).map(<[f64]>::to_vec).collect())
}

/// The best of the starts, given the long-run variance of each.
fn choose(
    suffixes: &Suffixes,
    long_run: &[f64],
    replicas: usize,
    len: usize,
    objective: Objective,
) -> Option<BurnIn> {
    let mut best: Option<(f64, usize)> = None;
    for (origin, &raw) in long_run.iter().enumerate() {
        let (_, variance) = suffixes.moments(origin);
        if variance <= 0.0 {
            continue;
        }
        let mut error = raw.max(variance) / ((len - origin) * replicas) as f64;
        if objective == Objective::EffectiveSize {
            error /= variance;
        }
        if best.is_none_or(|(least, _)| error < least) {
            best = Some((error, origin));
        }
    }
    let (_, origin) = best?;
    let (_, variance) = suffixes.moments(origin);
    let inefficiency = (long_run.get(origin)? / variance).max(1.0);
    Some(BurnIn {
        origin,
        inefficiency,
        n_eff: ((len - origin) * replicas) as f64 / inefficiency,
    })
}

/// The start with the smallest error by an initial-sequence estimate, from replicas of one length.
///
/// <!-- math
/// t_0 = \operatorname*{argmin}_t \frac{\sigma_\infty^2(t)}{n}, \qquad \sigma_\infty^2 = 2 \sum_m \Gamma_m - \gamma_0, \qquad \Gamma_m = \gamma_{2m} + \gamma_{2m+1}
/// -->
#[doc = include_str!("../math/equilibrium_burn_in_4.html")]
///
/// with γ about the common mean of all replicas, and never below γ_0. The numbers of red's
/// `detect_equilibration_init_seq`. O(N Λ) for each of 32 stretches of starts. Pending below 8
/// values a replica, undefined where all are equal.
///
/// # Errors
/// [`Error::Empty`], [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`];
/// [`Error::OutOfRange`] for a padding outside [0, 1); [`Error::Conflict`] for a first-zero rule.
///
/// ```
/// use thermograd::equilibrium::{InitialSequenceConfig, detect_by_initial_sequence};
/// let mut x = vec![50.0; 10];
/// x.extend([1.0, -1.0].repeat(100));
/// let burn_in = detect_by_initial_sequence(&[&x], &InitialSequenceConfig::default())?;
/// assert_eq!(burn_in.ready().unwrap().origin, 10);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn detect_by_initial_sequence(
    replicas: &[&[f64]],
    config: &InitialSequenceConfig,
) -> Result<Reading<BurnIn>, Error> {
    let n = check_equal("replica", replicas)?;
    check_padding(config.padding)?;
    if matches!(
        config.rule,
        Truncation::FirstZero | Truncation::FirstZeroSparse
    ) {
        return Err(Error::Conflict {
            what: "burn-in by an initial sequence with a first-zero rule",
            remedy: "choose an initial sequence, or call detect_equilibration",
        });
    }
    let needed = config.kept_pairs.saturating_add(2).max(8);
    if n < needed {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: needed as u64,
        });
    }
    let Some(values) = centred_together(replicas, n) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let last = (n - 1 - config.kept_pairs.max(1))
        .min(count((n as f64 * (1.0 - config.padding)).round_ties_even()));
    let suffixes = Suffixes::new(&values, n);
    let stretch = (n / 32).clamp(256, 8192);
    let mut long_run = Vec::with_capacity(last + 1);
    let mut from = 0;
    while from <= last {
        let until = (from + stretch).min(last + 1);
        long_run.extend(stretch_variances(&values, &suffixes, from, until, config));
        from = until;
    }
    Ok(
        choose(&suffixes, &long_run, values.len(), n, config.objective)
            .map_or(Reading::Undefined(CONSTANT), Reading::Ready),
    )
}

/// Long-run variances of the starts `from..until`.
fn stretch_variances(
    values: &[Vec<f64>],
    suffixes: &Suffixes,
    from: usize,
    until: usize,
    config: &InitialSequenceConfig,
) -> Vec<f64> {
    let n = values.first().map_or(0, Vec::len);
    let mut pairs: Vec<Vec<f64>> = vec![Vec::new(); until - from];
    let mut open: Vec<usize> = (from..until).rev().collect();
    let mut gamma = vec![0.0; until - from];
    let mut m = 0;
    while !open.is_empty() {
        gamma.fill(0.0);
        for lag in [2 * m, 2 * m + 1] {
            lag_of_starts(values, suffixes, lag, &open, |start, value| {
                if let Some(slot) = gamma.get_mut(start - from) {
                    *slot += value;
                }
            });
        }
        open.retain(|&start| {
            let (Some(value), Some(list)) = (gamma.get(start - from), pairs.get_mut(start - from))
            else {
                return false;
            };
            if *value < 0.0 && m > config.kept_pairs {
                return false;
            }
            list.push(*value);
            m + 1 < (n - start) / 2
        });
        m += 1;
    }
    pairs
        .iter_mut()
        .zip(from..)
        .map(|(list, start)| {
            bend(config.rule, list);
            2.0 * list.iter().sum::<f64>() - suffixes.moments(start).1
        })
        .collect()
}

/// Autocovariance at one lag of what begins at each of `starts`, which descend.
fn lag_of_starts(
    values: &[Vec<f64>],
    suffixes: &Suffixes,
    lag: usize,
    starts: &[usize],
    mut take: impl FnMut(usize, f64),
) {
    let n = values.first().map_or(0, Vec::len);
    let replicas = values.len() as f64;
    let (mut product, mut until) = (0.0, n.saturating_sub(lag));
    for &start in starts {
        let left = n - start;
        if lag >= left {
            continue;
        }
        for x in values {
            extend(&mut product, x, start, until, lag);
        }
        until = start;
        let (m, _) = suffixes.moments(start);
        let ends = suffixes.sum(start) - suffixes.sum(n - lag) + suffixes.sum(start + lag);
        let pairs = (left - lag) as f64 * replicas;
        take(
            start,
            (product - m * ends + pairs * m * m) / (left as f64 * replicas),
        );
    }
}

/// The start with the smallest error by a Bartlett window, from replicas of one length.
///
/// <!-- math
/// \sigma_\infty^2 = \gamma_0 + 2 \sum_{t=1}^{w} \Bigl(1 - \frac tw\Bigr) \gamma_t
/// -->
#[doc = include_str!("../math/equilibrium_burn_in_5.html")]
///
/// The numbers of red's `detect_equilibration_window`, in O(N w). A window shorter than the
/// correlation time sees too little of it, and keeps too much. Pending below 8 values a replica
/// (or below the window and two), undefined where all are equal.
///
/// # Errors
/// Those of [`detect_by_initial_sequence`]; [`Error::OutOfRange`] for a window of 0.
///
/// ```
/// use thermograd::equilibrium::{WindowConfig, detect_by_window};
/// let mut x = vec![50.0; 10];
/// x.extend([1.0, -1.0].repeat(100));
/// let burn_in = detect_by_window(&[&x], &WindowConfig::default())?;
/// assert_eq!(burn_in.ready().unwrap().origin, 10);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn detect_by_window(
    replicas: &[&[f64]],
    config: &WindowConfig,
) -> Result<Reading<BurnIn>, Error> {
    let n = check_equal("replica", replicas)?;
    check_padding(config.padding)?;
    let (needed, margin) = match config.window {
        LagWindow::SquareRoot => (8, 2),
        LagWindow::Fixed(lags) => {
            check_range("window", lags as f64, "at least 1 lag", |_| lags > 0)?;
            let margin = lags.saturating_add(1);
            (margin.saturating_add(1).max(8), margin)
        }
    };
    if n < needed {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: needed as u64,
        });
    }
    let Some(values) = centred_together(replicas, n) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let width = |start: usize| match config.window {
        LagWindow::SquareRoot => count(((n - start) as f64).sqrt().round_ties_even()),
        LagWindow::Fixed(lags) => lags,
    };
    let last = (n - margin).min(count((n as f64 * (1.0 - config.padding)).round_ties_even()));
    let suffixes = Suffixes::new(&values, n);
    let mut long_run: Vec<f64> = (0..=last).map(|s| -suffixes.moments(s).1).collect();
    let mut starts: Vec<usize> = (0..=last).rev().collect();
    let mut lag = 0;
    while !starts.is_empty() {
        lag_of_starts(&values, &suffixes, lag, &starts, |start, value| {
            if let Some(slot) = long_run.get_mut(start) {
                *slot += 2.0 * value * (1.0 - lag as f64 / width(start) as f64);
            }
        });
        lag += 1;
        starts.retain(|&start| lag < width(start));
    }
    Ok(
        choose(&suffixes, &long_run, values.len(), n, config.objective)
            .map_or(Reading::Undefined(CONSTANT), Reading::Ready),
    )
}
