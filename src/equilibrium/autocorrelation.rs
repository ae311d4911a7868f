//! How many independent observations a correlated series is worth.
//!
//! Steps of training follow each other: the loss of this step tells most of what the next will
//! be. The variance of a mean of N such values is not σ²/N but
//!
//! <!-- math
//! \operatorname{Var}(\bar x) = \frac{\sigma^2 g}{N}, \qquad g = 1 + 2 \sum_{t \ge 1} \Bigl(1 - \frac tN\Bigr) \rho_t, \qquad N_\mathrm{eff} = \frac Ng
//! -->
#![doc = include_str!("../math/equilibrium_autocorrelation_1.html")]
//!
//! with ρ the autocorrelation and g the *statistical inefficiency*; τ = (g - 1)/2 is the
//! integrated autocorrelation time. For a first-order autoregression x' = ρ x + noise,
//! g = (1 + ρ)/(1 - ρ) exactly: 3, 19 and 199 for ρ = 0.5, 0.9 and 0.99.
//!
//! The sum cannot run over all lags: that of all sample autocovariances about the sample mean is
//! exactly zero. The rules of [`Truncation`] say where to stop.
//!
//! - Initial sequences (Geyer, Statistical Science 7, 473, 1992): sums of neighbouring pairs of
//!   autocovariances are positive, decreasing and convex for any reversible chain; cut and bend
//!   the estimate until it is so.
//! - First zero (Chodera et al., JCTC 3, 26, 2007; the rule of pymbar): stop where the
//!   correlation first crosses zero after a few lags.
//! - Effective sample sizes of the bulk and of the tails of several replicas, and the Monte Carlo
//!   standard errors that follow, are those of Vehtari et al., Bayesian Analysis 16, 667 (2021),
//!   arXiv 1903.08008.
//!
//! # When the number lies
//! A series shorter than some 50 g has not seen its own slowest motion, and g comes out too
//! small. A drift counts as correlation, and g comes out of the order of the length. Momentum
//! makes the correlation oscillate, and the first-zero rule stops in the first trough: prefer an
//! initial sequence there. Every rule here refuses to go below g = 1, so that a series that
//! alternates (true g below 1) gets a conservative answer.

use super::support::{
    self, LagSums, batch_means, centred, centred_at, check, check_all, check_equal, count,
    is_constant, law, mean, quantile_sorted, ranks,
};
use crate::error::{Error, check_range};
use crate::estimate::{Estimate, Reading, Reason};

const CONSTANT: Reason = Reason::Degenerate("the series is constant");
const SHORTEST: usize = 4;

/// Sums of lagged products of a centred series for the lags `0..=max_lag`, directly.
fn lag_sums_direct(values: &[f64], max_lag: usize) -> Vec<f64> {
    (0..=max_lag)
        .map(|t| support::dot(values, values.get(t..).unwrap_or(&[])))
        .collect()
}

/// The same by the Fourier transform of the zero-padded series; `None` where the transform fails.
#[cfg(feature = "fft")]
pub(crate) fn lag_sums_fft(values: &[f64], max_lag: usize) -> Option<Vec<f64>> {
    let padded = (values.len() + max_lag + 1).next_power_of_two();
    let mut planner = realfft::RealFftPlanner::<f64>::new();
    let forward = planner.plan_fft_forward(padded);
    let mut input = forward.make_input_vec();
    for (slot, x) in input.iter_mut().zip(values) {
        *slot = *x;
    }
    let mut spectrum = forward.make_output_vec();
    forward.process(&mut input, &mut spectrum).ok()?;
    for z in &mut spectrum {
        z.re = z.re * z.re + z.im * z.im;
        z.im = 0.0;
    }
    planner
        .plan_fft_inverse(padded)
        .process(&mut spectrum, &mut input)
        .ok()?;
    input.truncate(max_lag + 1);
    for x in &mut input {
        *x /= padded as f64;
    }
    Some(input)
}

fn lag_sums(values: &[f64], max_lag: usize) -> Vec<f64> {
    #[cfg(feature = "fft")]
    if max_lag > 48
        && let Some(sums) = lag_sums_fft(values, max_lag)
    {
        return sums;
    }
    lag_sums_direct(values, max_lag)
}

fn check_lag(series: &[f64], max_lag: usize) -> Result<(), Error> {
    if series.is_empty() {
        return Err(Error::Empty {
            place: "series".to_owned(),
            remedy: "give at least one value",
        });
    }
    check_range(
        "max_lag",
        max_lag as f64,
        "a lag below the length of the series",
        |_| max_lag < series.len(),
    )
}

/// Autocovariances at the lags `0..=max_lag`, in the squared unit of the series.
///
/// <!-- math
/// \gamma_t = \frac1N \sum_{i=0}^{N-1-t} (x_i - \bar x)(x_{i+t} - \bar x)
/// -->
#[doc = include_str!("../math/equilibrium_autocorrelation_2.html")]
///
/// The divisor is N at every lag (Box and Jenkins): that keeps the sequence positive definite.
/// With the feature `fft` and more than 48 lags the sums go through the Fourier transform, and
/// agree with the direct ones to about 1e-12 of γ_0. A constant series has zeros.
///
/// # Errors
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for a lag
/// that is not below the length.
///
/// ```
/// use thermograd::equilibrium::autocovariance;
/// // Mean 0: lag 0 is (1 + 1 + 1 + 1)/4, lag 1 is (-1 - 1 - 1)/4.
/// let gamma = autocovariance(&[1.0, -1.0, 1.0, -1.0], 1)?;
/// assert_eq!(gamma, vec![1.0, -0.75]);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn autocovariance(series: &[f64], max_lag: usize) -> Result<Vec<f64>, Error> {
    check("series", series)?;
    check_lag(series, max_lag)?;
    let Some(c) = centred(series) else {
        return Ok(vec![0.0; max_lag + 1]);
    };
    let factor = c.scale * c.scale / series.len() as f64;
    Ok(lag_sums(&c.values, max_lag)
        .into_iter()
        .map(|sum| sum * factor)
        .collect())
}

/// [`autocovariance`] by direct summation, whatever the features: the oracle of the fast one.
///
/// # Errors
/// Those of [`autocovariance`].
///
/// ```
/// use thermograd::equilibrium::{autocovariance, autocovariance_direct};
/// let x: Vec<f64> = (0..300).map(|i| f64::from(i * i % 17)).collect();
/// for (fast, slow) in autocovariance(&x, 200)?.iter().zip(autocovariance_direct(&x, 200)?) {
///     assert!((fast - slow).abs() < 1e-12 * 25.0);
/// }
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn autocovariance_direct(series: &[f64], max_lag: usize) -> Result<Vec<f64>, Error> {
    check("series", series)?;
    check_lag(series, max_lag)?;
    let Some(c) = centred(series) else {
        return Ok(vec![0.0; max_lag + 1]);
    };
    let factor = c.scale * c.scale / series.len() as f64;
    Ok(lag_sums_direct(&c.values, max_lag)
        .into_iter()
        .map(|sum| sum * factor)
        .collect())
}

/// Autocorrelations ρ_t = γ_t / γ_0 at the lags `0..=max_lag`; undefined for a constant series.
///
/// # Errors
/// Those of [`autocovariance`].
///
/// ```
/// use thermograd::equilibrium::autocorrelation;
/// let rho = autocorrelation(&[1.0, -1.0, 1.0, -1.0], 2)?;
/// assert_eq!(rho.ready().unwrap(), &vec![1.0, -0.75, 0.5]);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn autocorrelation(series: &[f64], max_lag: usize) -> Result<Reading<Vec<f64>>, Error> {
    check("series", series)?;
    check_lag(series, max_lag)?;
    let Some(c) = centred(series) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let sums = lag_sums(&c.values, max_lag);
    let zero = support::dot(&c.values, &c.values);
    Ok(Reading::Ready(sums.into_iter().map(|s| s / zero).collect()))
}

/// Where the sum of autocorrelations stops, and how it is bent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Truncation {
    /// Geyer's initial positive sequence: up to the first negative pair sum.
    InitialPositive,
    /// Geyer's initial monotone sequence: the same, each pair sum no larger than the one before.
    #[default]
    InitialMonotone,
    /// Geyer's initial convex sequence: the greatest convex sequence below the monotone one.
    InitialConvex,
    /// Up to the first autocorrelation that is not positive, beyond lag 3 (lag 10 for several
    /// replicas): the rule of pymbar, over every lag.
    FirstZero,
    /// The same over the lags 1, 2, 4, 7, 11, … with their gaps as weights: pymbar's `fast`.
    FirstZeroSparse,
}

/// The correlation time of a series and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CorrelationTime {
    /// Statistical inefficiency g = 1 + 2τ, in steps per independent observation, at least 1.
    pub inefficiency: f64,
    /// Integrated autocorrelation time τ = (g - 1)/2, in steps.
    pub integrated_time: f64,
    /// Effective number of observations N/g.
    pub n_eff: f64,
    /// The last lag that the sum included.
    pub last_lag: usize,
}

impl CorrelationTime {
    fn new(inefficiency: f64, total: usize, last_lag: usize) -> Self {
        let g = inefficiency.max(1.0);
        Self {
            inefficiency: g,
            integrated_time: 0.5 * (g - 1.0),
            n_eff: total as f64 / g,
            last_lag,
        }
    }
}

/// Lagged products of several replicas as one.
struct Pooled<'a> {
    parts: Vec<LagSums<'a>>,
    total: usize,
    longest: usize,
}

impl<'a> Pooled<'a> {
    fn new(parts: &'a [Vec<f64>]) -> Self {
        Self {
            total: parts.iter().map(Vec::len).sum(),
            longest: parts.iter().map(Vec::len).max().unwrap_or(0),
            parts: parts.iter().map(|p| LagSums::new(p)).collect(),
        }
    }

    fn sum(&mut self, lag: usize) -> f64 {
        self.parts.iter_mut().map(|p| p.at(lag)).sum()
    }

    fn products(&self, lag: usize) -> usize {
        self.parts.iter().map(|p| p.len().saturating_sub(lag)).sum()
    }

    /// g as the rule sums it, and the last lag.
    fn sum_by(&mut self, rule: Truncation) -> (f64, usize) {
        match rule {
            Truncation::FirstZero | Truncation::FirstZeroSparse => self.first_zero(rule),
            _ => self.initial_sequence(rule),
        }
    }

    fn first_zero(&mut self, sparse: Truncation) -> (f64, usize) {
        let variance = self.sum(0) / self.total as f64;
        let replicas = self.parts.len();
        let average = self.total as f64 / replicas as f64;
        let ignored = if replicas > 1 { 10 } else { 3 };
        let (mut g, mut t, mut gap, mut last) = (1.0, 1_usize, 1_usize, 0);
        while t + 1 < self.longest {
            let rho = self.sum(t) / (self.products(t) as f64 * variance);
            if rho <= 0.0 && t > ignored {
                break;
            }
            g += 2.0 * rho * (1.0 - t as f64 / average) * gap as f64;
            last = t;
            t += gap;
            if sparse == Truncation::FirstZeroSparse {
                gap += 1;
            }
        }
        (g, last)
    }

    fn initial_sequence(&mut self, rule: Truncation) -> (f64, usize) {
        let variance = self.sum(0);
        let pairs = initial_sequence(rule, 0, self.longest / 2, |m| {
            self.sum(2 * m) + self.sum(2 * m + 1)
        });
        let last = (2 * pairs.len()).saturating_sub(1);
        (2.0 * pairs.iter().sum::<f64>() / variance - 1.0, last)
    }
}

/// Pair sums `Γ_m = γ_{2m} + γ_{2m+1}`, cut at the first negative one after `kept` and bent as the
/// rule says.
pub(crate) fn initial_sequence(
    rule: Truncation,
    kept: usize,
    pairs: usize,
    mut pair: impl FnMut(usize) -> f64,
) -> Vec<f64> {
    let mut out: Vec<f64> = Vec::new();
    for m in 0..pairs {
        let value = pair(m);
        if value < 0.0 && m > kept {
            break;
        }
        out.push(value);
    }
    bend(rule, &mut out);
    out
}

/// The monotone and the convex minorant of a cut sequence, in place.
pub(crate) fn bend(rule: Truncation, out: &mut [f64]) {
    if rule == Truncation::InitialPositive {
        return;
    }
    let mut least = f64::INFINITY;
    for x in out.iter_mut() {
        least = least.min(*x);
        *x = least;
    }
    if rule != Truncation::InitialConvex {
        return;
    }
    // Convex means increasing increments: pool adjacent violators, averages kept as sums.
    let mut pools: Vec<(f64, u32)> = Vec::new();
    for pair in out.windows(2) {
        let [a, b] = pair else { continue };
        let mut pool = (b - a, 1_u32);
        while let Some(&(sum, n)) = pools.last() {
            if pool.0 / f64::from(pool.1) < sum / f64::from(n) {
                pool = (pool.0 + sum, pool.1 + n);
                pools.pop();
            } else {
                break;
            }
        }
        pools.push(pool);
    }
    let mut increments = pools
        .iter()
        .flat_map(|&(sum, n)| std::iter::repeat_n(sum / f64::from(n), n as usize));
    let mut value = out.first().copied().unwrap_or(0.0);
    for x in out.iter_mut().skip(1) {
        value += increments.next().unwrap_or(0.0);
        *x = value;
    }
}

/// The correlation time of an already centred series; the caller has excluded constants.
pub(crate) fn correlation_time_centred(values: &[f64], rule: Truncation) -> CorrelationTime {
    pooled_time(&[values.to_vec()], rule)
}

fn pooled_time(parts: &[Vec<f64>], rule: Truncation) -> CorrelationTime {
    let mut pooled = Pooled::new(parts);
    let total = pooled.total;
    let (g, last) = pooled.sum_by(rule);
    CorrelationTime::new(g, total, last)
}

/// The inefficiency of an already centred series by an initial monotone sequence, without the
/// floor at 1: white noise scatters around 1, and an alternating series is below.
pub(crate) fn inefficiency_unfloored(values: Vec<f64>) -> f64 {
    Pooled::new(&[values])
        .sum_by(Truncation::InitialMonotone)
        .0
        .max(0.05)
}

/// The inefficiency of a series by an initial monotone sequence over at most so many lags, at least
/// 1; `None` for a constant series or fewer than four values.
pub(crate) fn inefficiency_within(series: &[f64], lags: usize) -> Option<f64> {
    if series.len() < SHORTEST {
        return None;
    }
    let parts = [centred(series)?.values];
    let mut pooled = Pooled::new(&parts);
    pooled.longest = pooled.longest.min(lags);
    Some(pooled.sum_by(Truncation::InitialMonotone).0.max(1.0))
}

/// Statistical inefficiency, integrated autocorrelation time and effective sample size.
///
/// <!-- math
/// g = 1 + 2 \sum_t \rho_t, \qquad \tau = \frac{g - 1}{2}, \qquad N_\mathrm{eff} = \frac Ng
/// -->
#[doc = include_str!("../math/equilibrium_autocorrelation_3.html")]
///
/// in steps, summed as far as `rule` says; the first-zero rules weigh lag t by 1 - t/N and divide
/// its sum by N - t, the initial sequences by N. Pending below 4 values, undefined for a constant
/// series. Sources: see the [module](self).
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::{Truncation, statistical_inefficiency};
/// // Pair sums of the autocorrelation of 1 1 -1 -1: 1 + 1/4, then -1/2 - 1/4: stop after one.
/// let time = statistical_inefficiency(&[1.0, 1.0, -1.0, -1.0], Truncation::InitialPositive)?;
/// assert!((time.ready().unwrap().inefficiency - (2.0 * 1.25 - 1.0)).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn statistical_inefficiency(
    series: &[f64],
    rule: Truncation,
) -> Result<Reading<CorrelationTime>, Error> {
    check("series", series)?;
    if series.len() < SHORTEST {
        return Ok(Reading::Pending {
            seen: series.len() as u64,
            needed: SHORTEST as u64,
        });
    }
    Ok(match centred(series) {
        None => Reading::Undefined(CONSTANT),
        Some(c) => Reading::Ready(correlation_time_centred(&c.values, rule)),
    })
}

/// [`statistical_inefficiency`] of several replicas of one process, about their common mean.
///
/// Lagged products are summed over the replicas, whose lengths may differ. A replica that sits
/// apart from the others therefore counts as correlation, as it should. Pending until one replica
/// has 4 values.
///
/// # Errors
/// [`Error::Empty`] without replicas, [`Error::NonFinite`] and [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::{Truncation, statistical_inefficiency_multiple};
/// let (a, b) = ([1.0, 1.0, 1.0, 1.5], [-1.0, -1.0, -1.0, -1.5]);
/// let time = statistical_inefficiency_multiple(&[&a, &b], Truncation::InitialPositive)?;
/// // Two replicas, each stuck in its own place: hardly more than two observations.
/// assert!(time.ready().unwrap().n_eff < 3.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn statistical_inefficiency_multiple(
    replicas: &[&[f64]],
    rule: Truncation,
) -> Result<Reading<CorrelationTime>, Error> {
    check_all("replica", replicas)?;
    let longest = replicas.iter().map(|r| r.len()).max().unwrap_or(0);
    if longest < SHORTEST {
        return Ok(Reading::Pending {
            seen: longest as u64,
            needed: SHORTEST as u64,
        });
    }
    let all = replicas.concat();
    let Some(whole) = centred(&all) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let mut rest = whole.values.as_slice();
    let mut parts = Vec::with_capacity(replicas.len());
    for replica in replicas {
        let (head, tail) = rest.split_at(replica.len().min(rest.len()));
        parts.push(head.to_vec());
        rest = tail;
    }
    Ok(Reading::Ready(pooled_time(&parts, rule)))
}

/// The mean of a correlated series with its standard error sd √(g/N).
///
/// Pending below 4 values, undefined for a constant series (its error bar would be a false zero).
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::{Truncation, correlated_mean};
/// let mean = correlated_mean(&[1.0, 1.0, -1.0, -1.0], Truncation::InitialPositive)?;
/// // g = 1.5, variance 4/3: error √(4/3 × 1.5/4) = √0.5.
/// assert!((mean.ready().unwrap().std_error - 0.5_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn correlated_mean(series: &[f64], rule: Truncation) -> Result<Reading<Estimate>, Error> {
    let time = statistical_inefficiency(series, rule)?;
    Ok(time.map(|time| Estimate {
        value: mean(series),
        std_error: scaled_sd(series) * time.n_eff.sqrt().recip(),
        n_eff: time.n_eff,
    }))
}

/// Standard deviation with n - 1, safe against underflow.
fn scaled_sd(series: &[f64]) -> f64 {
    centred(series).map_or(0.0, |c| c.scale * support::variance(&c.values).sqrt())
}

/// How [`thinning`] spaces what it keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Spacing {
    /// The nearest index to every multiple of g, ties to even: about N/g of them.
    #[default]
    Nearest,
    /// Every ⌈g⌉-th index: fewer, evenly spaced.
    Even,
}

/// Indices of an approximately independent subsample of a series of `len` values.
///
/// # Errors
/// [`Error::OutOfRange`] for an inefficiency that is not finite or below 1, and for a length
/// beyond 2³⁰, which no series in memory has.
///
/// ```
/// use thermograd::equilibrium::{Spacing, thinning};
/// assert_eq!(thinning(6, 1.4, Spacing::Nearest)?, vec![0, 1, 3, 4]);
/// assert_eq!(thinning(6, 1.4, Spacing::Even)?, vec![0, 2, 4]);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn thinning(len: usize, inefficiency: f64, spacing: Spacing) -> Result<Vec<usize>, Error> {
    check_range(
        "inefficiency",
        inefficiency,
        "a finite number of at least 1",
        |x| x >= 1.0,
    )?;
    check_range("len", len as f64, "at most 2^30", |_| len <= 1 << 30)?;
    Ok(match spacing {
        Spacing::Even => (0..len).step_by(count(inefficiency.ceil())).collect(),
        Spacing::Nearest => (0..len)
            .map(|n| count((n as f64 * inefficiency).round_ties_even()))
            .take_while(|&i| i < len)
            .collect(),
    })
}

// ---------------------------------------------------------------------------------------------
// Effective sample sizes of replicas (Vehtari et al. 2021).

/// Each replica cut into halves; a middle value of an odd length belongs to neither.
pub(crate) fn split_halves(replicas: &[&[f64]]) -> Vec<Vec<f64>> {
    let half = |r: &[f64]| r.len() / 2;
    let heads = replicas
        .iter()
        .map(|r| r.get(..half(r)).unwrap_or(&[]).to_vec());
    let tails = replicas
        .iter()
        .map(|r| r.get(r.len() - half(r)..).unwrap_or(&[]).to_vec());
    heads.chain(tails).collect()
}

/// Every value replaced by the normal score of its rank among all: Φ⁻¹((r - 3/8)/(S + 1/4)).
pub(crate) fn rank_normalised(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let all = chains.concat();
    let size = all.len() as f64;
    let scores: Vec<f64> = ranks(&all)
        .into_iter()
        .map(|r| law::normal_quantile((r - 0.375) / (size + 0.25)))
        .collect();
    let mut rest = scores.as_slice();
    let mut out = Vec::with_capacity(chains.len());
    for chain in chains {
        let (head, tail) = rest.split_at(chain.len().min(rest.len()));
        out.push(head.to_vec());
        rest = tail;
    }
    out
}

/// Effective sample size of equal chains, as they stand; `None` where all values are equal.
fn effective_size(chains: &[Vec<f64>]) -> Option<f64> {
    let all = chains.concat();
    // One scale for all chains keeps their variances comparable.
    let whole = centred(&all)?;
    let (m, n) = (chains.len(), chains.first().map_or(0, Vec::len));
    if n < 2 {
        return None;
    }
    let mut means = Vec::with_capacity(m);
    let mut centred_chains = Vec::with_capacity(m);
    for chain in chains {
        let scaled: Vec<f64> = chain
            .iter()
            .map(|x| (x - whole.centre) / whole.scale)
            .collect();
        let centre = mean(&scaled);
        means.push(centre);
        centred_chains.push(scaled.iter().map(|x| x - centre).collect::<Vec<f64>>());
    }
    let mut pooled = Pooled::new(&centred_chains);
    let draws = n as f64;
    // Equal lengths: the pooled sum over m n is the mean of the chains' autocovariances.
    let total = m as f64 * draws;
    let within = pooled.sum(0) / total * draws / (draws - 1.0);
    let mut plus = within * (draws - 1.0) / draws;
    if m > 1 {
        plus += support::variance(&means);
    }
    if plus <= 0.0 {
        return None;
    }
    let mut rho = |t: usize| 1.0 - (within - pooled.sum(t) / total) / plus;
    let mut even = 1.0;
    let mut odd = rho(1);
    let mut kept = vec![even, odd];
    let mut t = 1_usize;
    while t + 3 < n && even + odd > 0.0 {
        even = rho(t + 1);
        odd = rho(t + 2);
        let pair = if even + odd >= 0.0 {
            [even, odd]
        } else {
            [0.0, 0.0]
        };
        kept.extend(pair);
        t += 2;
    }
    // `kept[..end]` counts twice; the one after it is the last even lag, which counts once.
    let end = t.saturating_sub(1);
    if even > 0.0
        && let Some(slot) = kept.get_mut(end)
    {
        *slot = even;
    }
    let mut i = 2;
    while i + 1 < end {
        let before =
            kept.get(i - 2).copied().unwrap_or(0.0) + kept.get(i - 1).copied().unwrap_or(0.0);
        let here = kept.get(i).copied().unwrap_or(0.0) + kept.get(i + 1).copied().unwrap_or(0.0);
        if here > before {
            for slot in kept.iter_mut().skip(i).take(2) {
                *slot = 0.5 * before;
            }
        }
        i += 2;
    }
    let tau =
        2.0 * kept.iter().take(end).sum::<f64>() - 1.0 + kept.get(end).copied().unwrap_or(0.0);
    Some(total / tau.max(total.log10().recip()))
}

fn size_reading(
    replicas: &[&[f64]],
    size: impl FnOnce() -> Option<f64>,
) -> Result<Reading<f64>, Error> {
    let n = check_equal("replica", replicas)?;
    if n < SHORTEST {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: SHORTEST as u64,
        });
    }
    Ok(size().map_or(Reading::Undefined(CONSTANT), Reading::Ready))
}

/// Effective sample size of the bulk of the distribution, from replicas of equal length.
///
/// Replicas are cut into halves, values replaced by normal scores of their ranks, and the
/// autocorrelation of all chains combined:
///
/// <!-- math
/// \rho_t = 1 - \frac{W - \operatorname{mean}_m \gamma_{t,m}}{V^+}, \qquad \mathrm{ESS} = \frac{M N}{1 + 2 \sum \rho_t}
/// -->
#[doc = include_str!("../math/equilibrium_autocorrelation_4.html")]
///
/// with W the variance within and V⁺ = W (N-1)/N + B/N that of all chains; the sum is an initial
/// monotone sequence. It may exceed M N, up to M N log₁₀(M N), for alternating chains. Pending
/// below 4 values a replica; undefined where all values are equal. Source: arXiv 1903.08008.
///
/// # Errors
/// [`Error::Empty`], [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`].
///
/// ```
/// use thermograd::{equilibrium::ess_bulk, systems::Random};
/// let mut random = Random::new(1);
/// let x: Vec<f64> = (0..1000).map(|_| random.normal()).collect();
/// let ess = *ess_bulk(&[&x])?.ready().unwrap();
/// assert!(ess > 800.0 && ess < 1300.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ess_bulk(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    size_reading(replicas, || {
        if is_constant(&replicas.concat()) {
            return None;
        }
        effective_size(&rank_normalised(&split_halves(replicas)))
    })
}

/// Effective sample size of the tails: the smaller of those of the 5% and the 95% quantile.
///
/// # Errors
/// Those of [`ess_bulk`].
///
/// ```
/// use thermograd::{equilibrium::ess_tail, systems::Random};
/// let mut random = Random::new(1);
/// let x: Vec<f64> = (0..1000).map(|_| random.normal()).collect();
/// assert!(*ess_tail(&[&x])?.ready().unwrap() > 500.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ess_tail(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    size_reading(replicas, || {
        Some(quantile_size(replicas, 0.05)?.min(quantile_size(replicas, 0.95)?))
    })
}

/// Effective sample size of the mean: that of [`ess_bulk`] without the ranks.
///
/// # Errors
/// Those of [`ess_bulk`].
///
/// ```
/// use thermograd::{Reading, equilibrium::ess_mean};
/// assert_eq!(ess_mean(&[&[1.0, 2.0]])?, Reading::Pending { seen: 2, needed: 4 });
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ess_mean(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    size_reading(replicas, || effective_size(&split_halves(replicas)))
}

/// Effective sample size of a quantile: that of the indicator x ≤ q.
///
/// # Errors
/// Those of [`ess_bulk`], and [`Error::OutOfRange`] for a probability outside (0, 1).
///
/// ```
/// use thermograd::equilibrium::ess_quantile;
/// let x = [1.0, 4.0, 2.0, 3.0, 1.5, 3.5, 2.5, 0.5];
/// assert!(*ess_quantile(&[&x], 0.5)?.ready().unwrap() > 0.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ess_quantile(replicas: &[&[f64]], probability: f64) -> Result<Reading<f64>, Error> {
    check_probability(probability)?;
    size_reading(replicas, || quantile_size(replicas, probability))
}

fn check_probability(probability: f64) -> Result<(), Error> {
    check_range(
        "probability",
        probability,
        "a number between 0 and 1",
        |x| x > 0.0 && x < 1.0,
    )
}

fn quantile_size(replicas: &[&[f64]], probability: f64) -> Option<f64> {
    let mut sorted = replicas.concat();
    if is_constant(&sorted) {
        return None;
    }
    sorted.sort_by(f64::total_cmp);
    let q = quantile_sorted(&sorted, probability);
    let indicator: Vec<Vec<f64>> = replicas
        .iter()
        .map(|r| r.iter().map(|x| if *x <= q { 1.0 } else { 0.0 }).collect())
        .collect();
    let views: Vec<&[f64]> = indicator.iter().map(Vec::as_slice).collect();
    effective_size(&split_halves(&views))
}

/// The mean over replicas with its Monte Carlo standard error sd/√ESS.
///
/// `n_eff` is [`ess_mean`]. In the unit of the series. Source: arXiv 1903.08008.
///
/// # Errors
/// Those of [`ess_bulk`].
///
/// ```
/// use thermograd::{equilibrium::mcse_mean, systems::Random};
/// let mut random = Random::new(3);
/// let x: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
/// let mean = mcse_mean(&[&x])?;
/// // Independent values: 1/√10000 within the noise of the effective size.
/// assert!((mean.ready().unwrap().std_error - 0.01).abs() < 0.001);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn mcse_mean(replicas: &[&[f64]]) -> Result<Reading<Estimate>, Error> {
    Ok(ess_mean(replicas)?.map(|ess| {
        let all = replicas.concat();
        Estimate {
            value: mean(&all),
            std_error: scaled_sd(&all) / ess.sqrt(),
            n_eff: ess,
        }
    }))
}

/// The standard deviation over replicas (n - 1) with its Monte Carlo standard error.
///
/// <!-- math
/// \operatorname{se}(\mathrm{sd}) = \sqrt{\frac{\langle\delta^4\rangle - \langle\delta^2\rangle^2}{4 \langle\delta^2\rangle\, \mathrm{ESS}(\delta^2)}}, \qquad \delta = x - \bar x
/// -->
#[doc = include_str!("../math/equilibrium_autocorrelation_5.html")]
///
/// # Errors
/// Those of [`ess_bulk`].
///
/// ```
/// use thermograd::{equilibrium::mcse_sd, systems::Random};
/// let mut random = Random::new(3);
/// let x: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
/// // Independent normal values: sd/√(2N).
/// assert!((mcse_sd(&[&x])?.ready().unwrap().std_error - 0.00707).abs() < 0.0007);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn mcse_sd(replicas: &[&[f64]]) -> Result<Reading<Estimate>, Error> {
    let n = check_equal("replica", replicas)?;
    let all = replicas.concat();
    if n < SHORTEST {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: SHORTEST as u64,
        });
    }
    let Some(c) = centred(&all) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let squares: Vec<f64> = c.values.iter().map(|x| x * x).collect();
    let second = mean(&squares);
    let fourth = mean(&squares.iter().map(|x| x * x).collect::<Vec<_>>());
    let chains: Vec<&[f64]> = squares.chunks(n).collect();
    Ok(effective_size(&split_halves(&chains)).map_or(
        Reading::Undefined(Reason::Degenerate("every deviation has the same square")),
        |ess| {
            let spread = (fourth - second * second).max(0.0) / (4.0 * second * ess);
            Reading::Ready(Estimate {
                value: c.scale * support::variance(&c.values).sqrt(),
                std_error: c.scale * spread.sqrt(),
                n_eff: ess,
            })
        },
    ))
}

/// A quantile over replicas with its Monte Carlo standard error.
///
/// Half the distance between the order statistics at the 16% and 84% points of the
/// Beta(ESS p + 1, ESS (1 - p) + 1) law of the quantile's probability. The value interpolates
/// between order statistics (type 7). Source: arXiv 1903.08008, section 4.4.
///
/// # Errors
/// Those of [`ess_quantile`].
///
/// ```
/// use thermograd::{equilibrium::mcse_quantile, systems::Random};
/// let mut random = Random::new(3);
/// let x: Vec<f64> = (0..10_000).map(|_| random.normal()).collect();
/// // The median of independent normal values: √(π/2)/√N.
/// let median = mcse_quantile(&[&x], 0.5)?;
/// assert!((median.ready().unwrap().std_error - 0.0125).abs() < 0.003);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn mcse_quantile(replicas: &[&[f64]], probability: f64) -> Result<Reading<Estimate>, Error> {
    use statrs::distribution::{Beta, ContinuousCDF};
    let ess = ess_quantile(replicas, probability)?;
    let mut sorted = replicas.concat();
    sorted.sort_by(f64::total_cmp);
    Ok(ess.map(|ess| {
        let size = sorted.len() as f64;
        let bound = |p: f64| {
            Beta::new(ess * probability + 1.0, ess * (1.0 - probability) + 1.0)
                .map_or(probability, |law| law.inverse_cdf(p))
                * size
                - 1.0
        };
        let low = count(bound(0.158_655_3).max(0.0).floor());
        let high = count(bound(0.841_344_7).min(size - 1.0).ceil());
        let at = |i: usize| sorted.get(i).copied().unwrap_or(0.0);
        Estimate {
            value: quantile_sorted(&sorted, probability),
            std_error: 0.5 * (at(high) - at(low)),
            n_eff: ess,
        }
    }))
}

// ---------------------------------------------------------------------------------------------
// Streaming: blocking with a level for every power of two.

/// One level of [`Blocking`]: moments of the means of 2^level successive values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Level {
    count: u64,
    mean: f64,
    squares: f64,
    waiting: Option<f64>,
}

/// The error of a streaming mean in fixed memory, by blocking.
///
/// Means over blocks of 2, 4, 8, … values become independent once blocks are longer than the
/// correlation time; from then on their naive error is the right one (Flyvbjerg and Petersen,
/// J. Chem. Phys. 91, 461, 1989). One level for every power of two, at most 48, so memory never
/// grows beyond a few kilobytes and a value costs two updates on average. The level is chosen as
/// the smallest whose block length B satisfies B³ > 2 N (se_B/se_1)⁴ (Lee et al., Phys. Rev. E 83,
/// 066706, 2011).
///
/// Levels hold unpaired blocks, so two of these do not merge exactly: keep one for each stream.
///
/// ```
/// use thermograd::{equilibrium::Blocking, systems::Random};
/// let (mut blocking, mut random, mut x) = (Blocking::new(), Random::new(5), 0.0);
/// for _ in 0..200_000 {
///     x = 0.9 * x + random.normal();
///     blocking.push(x)?;
/// }
/// // g = 19, and the variance of x is 1/(1 - 0.81).
/// let truth = (19.0 / (1.0 - 0.81) / 200_000.0_f64).sqrt();
/// let mean = blocking.mean();
/// assert!((mean.ready().unwrap().std_error / truth - 1.0).abs() < 0.15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Blocking {
    levels: Vec<Level>,
}

const MOST_LEVELS: usize = 48;

impl Blocking {
    /// Empty.
    pub const fn new() -> Self {
        Self { levels: Vec::new() }
    }

    /// How many values have come.
    pub fn len(&self) -> u64 {
        self.levels.first().map_or(0, |level| level.count)
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more value of the stream.
    ///
    /// # Errors
    /// [`Error::NonFinite`] and [`Error::Overflow`]; nothing is recorded then.
    pub fn push(&mut self, value: f64) -> Result<(), Error> {
        check("stream", &[value])?;
        let mut carried = value;
        for k in 0..MOST_LEVELS {
            if self.levels.len() == k {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(k) else {
                break;
            };
            level.count += 1;
            let away = carried - level.mean;
            level.mean += away / level.count as f64;
            level.squares += away * (carried - level.mean);
            match level.waiting.take() {
                None => {
                    level.waiting = Some(carried);
                    break;
                }
                Some(first) => carried = 0.5 * (first + carried),
            }
        }
        Ok(())
    }

    /// The mean with its error; pending until some level qualifies with at least 16 blocks.
    pub fn mean(&self) -> Reading<Estimate> {
        const FEWEST: u64 = 16;
        let pending = |needed: u64| Reading::Pending {
            seen: self.len(),
            needed: needed.max(self.len().saturating_add(1)),
        };
        let Some(first) = self.levels.first().filter(|l| l.count >= FEWEST) else {
            return pending(FEWEST);
        };
        let naive = first.squares / (first.count as f64 * (first.count - 1) as f64);
        if naive <= 0.0 {
            return Reading::Undefined(CONSTANT);
        }
        let n = first.count as f64;
        let mut block = 1.0_f64;
        for level in &self.levels {
            if level.count < FEWEST {
                break;
            }
            let blocked = level.squares / (level.count as f64 * (level.count - 1) as f64);
            let inflation = blocked / naive;
            if block.powi(3) > 2.0 * n * inflation * inflation {
                return Reading::Ready(Estimate {
                    value: first.mean,
                    std_error: blocked.max(naive).sqrt(),
                    n_eff: n / inflation.max(1.0),
                });
            }
            block *= 2.0;
        }
        pending(self.len().saturating_mul(2))
    }

    /// Statistical inefficiency g in steps, from the same level.
    pub fn inefficiency(&self) -> Reading<f64> {
        let n = self.len() as f64;
        self.mean().map(|estimate| n / estimate.n_eff)
    }
}

/// Standard error of the mean by batch means: sd of `batches` means over √batches.
///
/// Right once a batch is many correlation times long (10 g leaves a bias of a few percent).
/// `n_eff` is the number of batches: the degrees of freedom of a t test are one less. Pending
/// until every batch has a value.
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] below two batches.
///
/// ```
/// use thermograd::equilibrium::batch_means_estimate;
/// // Batches {1, 3} and {5, 7}: means 2 and 6, sd 2√2, error 2.
/// let e = batch_means_estimate(&[1.0, 3.0, 5.0, 7.0], 2)?;
/// assert!((e.ready().unwrap().value - 4.0).abs() < 1e-12);
/// assert!((e.ready().unwrap().std_error - 2.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn batch_means_estimate(series: &[f64], batches: usize) -> Result<Reading<Estimate>, Error> {
    check("series", series)?;
    check_range("batches", batches as f64, "at least 2", |_| batches >= 2)?;
    if series.len() < batches {
        return Ok(Reading::Pending {
            seen: series.len() as u64,
            needed: batches as u64,
        });
    }
    let means = batch_means(series, batches);
    Ok(
        centred_at(&means, mean(&means)).map_or(Reading::Undefined(CONSTANT), |c| {
            let b = batches as f64;
            Reading::Ready(Estimate {
                value: c.centre,
                std_error: c.scale * (support::variance(&c.values) / b).sqrt(),
                n_eff: b,
            })
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::{Truncation, initial_sequence, lag_sums_direct};

    #[test]
    fn convex_minorant_by_hand() {
        // Monotone: 8 4 4 1; increments -4 0 -3 pool to -4 -1.5 -1.5.
        let pairs = [8.0, 4.0, 5.0, 1.0, -1.0];
        let run = |rule| initial_sequence(rule, 0, 5, |m| pairs[m]);
        assert_eq!(run(Truncation::InitialPositive), [8.0, 4.0, 5.0, 1.0]);
        assert_eq!(run(Truncation::InitialMonotone), [8.0, 4.0, 4.0, 1.0]);
        assert_eq!(run(Truncation::InitialConvex), [8.0, 4.0, 2.5, 1.0]);
    }

    #[test]
    fn direct_sums_by_hand() {
        assert_eq!(lag_sums_direct(&[1.0, 2.0, -3.0], 2), [14.0, -4.0, -3.0]);
    }

    #[cfg(feature = "fft")]
    #[test]
    fn transform_agrees_with_the_sum() {
        let mut random = crate::random::Random::new(4);
        for n in [2_usize, 3, 17, 256, 1001] {
            let x: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let fast = super::lag_sums_fft(&x, n - 1).expect("a transform");
            for (a, b) in fast.iter().zip(lag_sums_direct(&x, n - 1)) {
                assert!((a - b).abs() < 1e-12 * n as f64, "{n}: {a} {b}");
            }
        }
    }
}
