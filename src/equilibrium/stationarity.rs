//! Whether a series has stopped moving.
//!
//! Every test here knows that successive steps are correlated. A textbook t test between the
//! halves of a stationary first-order autoregression with ρ = 0.9 rejects in 62% of cases at a
//! nominal 5%; KPSS with its usual lag of 7 in 36%; a Kendall trend test in 59%. Three remedies
//! are used throughout: batches of at least 10 g steps (g the statistical inefficiency), lags and
//! blocks tied to g, and a refusal (pending) below 50 effective observations. g itself is
//! estimated from the residuals of a straight line, so that a drift does not hide behind the
//! correlation it fakes; or it is given.
//!
//! | test | asks | sees best |
//! |---|---|---|
//! | [`drift`] | a slope of batch means | monotone drift; gives direction and rate |
//! | [`geweke`] | the start against the end | a transient at the start |
//! | [`kpss`] | cumulated deviations from the mean | a wandering level |
//! | [`trend`] | Kendall's τ against block surrogates | monotone drift of any shape |
//! | [`rhat`] | replicas, or halves, against each other | replicas in different places, or of different width |
//!
//! # When the number lies
//! A motion slower than the series is a drift to every one of them, whatever its cause: a
//! stationary process with a correlation time of the length of the series rejects, unless its
//! correlation time is known and given. And stationary is not thermal: a system under a constant
//! current passes all of these (see [`thermal`](super::thermal)).

use super::autocorrelation::{
    Truncation, correlation_time_centred, inefficiency_unfloored, rank_normalised, split_halves,
};
use super::support::{
    self, batch_means, centred, check, check_equal, count, detrended, is_constant, law, mean, steps,
};
use crate::correlation::Pairs;
use crate::error::{Error, check_range};
use crate::estimate::{Estimate, Reading, Reason};
use crate::random::Random;

const CONSTANT: Reason = Reason::Degenerate("the series is constant");
const LINE: Reason = Reason::Degenerate("the series is a straight line without noise");

/// How the tests cut a series.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TestConfig {
    /// Statistical inefficiency in steps, where it is known; else it is estimated from the
    /// residuals of a straight line by an initial monotone sequence. A known relaxation time τ
    /// of exponential memory means g = 2τ.
    pub inefficiency: Option<f64>,
    /// An estimated inefficiency is never taken below this: 1 by default. Twice the known
    /// relaxation time of the slowest motion belongs here, if the series might not show it.
    pub least_inefficiency: f64,
    /// Refuse below this many effective observations N/g: 50 by default.
    pub least_n_eff: f64,
    /// Length of a batch in units of g, at least: 10 by default.
    pub batch_length: f64,
    /// Batches at most: 20 by default.
    pub most_batches: usize,
    /// Seed of the tests that draw surrogates.
    pub seed: u64,
}

impl Default for TestConfig {
    fn default() -> Self {
        Self {
            inefficiency: None,
            least_inefficiency: 1.0,
            least_n_eff: 50.0,
            batch_length: 10.0,
            most_batches: 20,
            seed: 0,
        }
    }
}

impl TestConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if let Some(g) = self.inefficiency {
            check_range("inefficiency", g, "a finite number of at least 1", |x| {
                x >= 1.0
            })?;
        }
        check_range(
            "least_inefficiency",
            self.least_inefficiency,
            "a finite number of at least 1",
            |x| x >= 1.0,
        )?;
        check_range(
            "least_n_eff",
            self.least_n_eff,
            "a finite number of at least 10",
            |x| x >= 10.0,
        )?;
        check_range(
            "batch_length",
            self.batch_length,
            "a number from 1 to 1e6",
            |x| (1.0..=1e6).contains(&x),
        )?;
        check_range(
            "most_batches",
            self.most_batches as f64,
            "at least 4",
            |_| self.most_batches >= 4,
        )
    }
}

/// A series found long enough for a test: its correlation and how many batches it fills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) inefficiency: f64,
    pub(crate) n_eff: f64,
    pub(crate) batches: usize,
}

/// Fewest batches that a slope and its error can come from.
const FEWEST_BATCHES: usize = 4;
/// Fewer than this scatter badly themselves.
const FEW_BATCHES: usize = 10;
/// Below this the autocorrelation itself is no estimate.
const SHORTEST: usize = 20;

/// An inefficiency estimated from the residuals of a line, less its bias.
///
/// Removing a line takes 2 S/N, S the spectral density at zero, from each of the 3 g lags (both
/// signs) that the sum covers: g comes out low by the fraction 6 g/N.
fn line_corrected(inefficiency: f64, n: usize) -> f64 {
    inefficiency * (1.0 + 6.0 * inefficiency / n as f64)
}

/// The plan of a checked series under a checked configuration.
pub(crate) fn plan(series: &[f64], config: &TestConfig) -> Reading<Plan> {
    let n = series.len();
    if n < SHORTEST {
        return Reading::Pending {
            seen: n as u64,
            needed: SHORTEST as u64,
        };
    }
    let Some(c) = centred(series) else {
        return Reading::Undefined(CONSTANT);
    };
    let (residuals, _) = detrended(&c.values);
    // Rounding alone is left of a line.
    if residuals.iter().all(|r| r.abs() < 1e-13) {
        return Reading::Undefined(LINE);
    }
    let (raw, corrected) = config.inefficiency.map_or_else(
        || {
            let g = inefficiency_unfloored(residuals);
            (g, line_corrected(g, n))
        },
        |g| (g, g),
    );
    let (raw, g) = (
        raw.max(config.least_inefficiency),
        corrected.max(config.least_inefficiency),
    );
    let n_eff = n as f64 / raw;
    let needed = config
        .least_n_eff
        .max(FEWEST_BATCHES as f64 * config.batch_length);
    if n_eff < needed {
        return Reading::Pending {
            seen: n as u64,
            needed: steps((needed * raw).ceil()).max(n as u64 + 1),
        };
    }
    Reading::Ready(Plan {
        inefficiency: g,
        n_eff,
        batches: count(n as f64 / (g * config.batch_length))
            .clamp(FEWEST_BATCHES, config.most_batches),
    })
}

/// The outcome of a test of a null hypothesis.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TestResult {
    /// The statistic, as the test defines it.
    pub statistic: f64,
    /// Chance of one at least as extreme under the null hypothesis.
    pub p_value: f64,
    /// Effective observations behind it.
    pub n_eff: f64,
}

impl TestResult {
    /// The p-value as a two-sided distance on the scale of a normal variable.
    ///
    /// ```
    /// use thermograd::equilibrium::{TestConfig, kpss};
    /// let x: Vec<f64> = (0..200).map(|i| f64::from(i * 7919 % 101)).collect();
    /// let test = kpss(&x, &TestConfig::default())?;
    /// assert!(test.ready().unwrap().sigmas() < 2.0);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn sigmas(&self) -> f64 {
        law::sigmas(self.p_value)
    }
}

/// A linear drift and its significance.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Drift {
    /// Change per step, in the unit of the series.
    pub rate: Estimate,
    /// Change over the whole series in units of its standard deviation about the line.
    pub relative_change: f64,
    /// Student's statistic of the rate.
    pub t: f64,
    /// Its degrees of freedom, batches less two.
    pub degrees_of_freedom: f64,
    /// Two-sided p-value.
    pub p_value: f64,
}

impl Drift {
    /// The significance of the drift, with its sign, on the scale of a normal variable.
    ///
    /// ```
    /// use thermograd::{equilibrium::{TestConfig, drift}, systems::Random};
    /// let mut random = Random::new(1);
    /// let x: Vec<f64> = (0..1000).map(|t| random.normal() - 0.01 * f64::from(t)).collect();
    /// let found = drift(&x, &TestConfig::default())?;
    /// assert!(found.ready().unwrap().sigmas() < -5.0);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn sigmas(&self) -> f64 {
        law::sigmas(self.p_value).copysign(self.t)
    }
}

/// A drift of the level: least-squares slope of batch means against time, with Student's law.
///
/// <!-- math
/// t = \frac{\mathrm{slope}}{\mathrm{se}}, \qquad \mathrm{se}^2 = \frac{\sum r_j^2}{(b - 2) \sum (j - \bar\jmath)^2}, \qquad b - 2 \text{ degrees of freedom}
/// -->
#[doc = include_str!("../math/equilibrium_stationarity_1.html")]
///
/// over b batches of at least `batch_length` × g steps, so that their means are nearly
/// independent (their neighbours correlate by about 1/40 at 10 g). Pending below
/// `least_n_eff` effective observations, undefined for constants and noiseless lines.
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for a bad configuration.
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, drift}, systems::Random};
/// let mut random = Random::new(1);
/// let x: Vec<f64> = (0..1000).map(|t| random.normal() + 0.01 * f64::from(t)).collect();
/// let found = drift(&x, &TestConfig::default())?;
/// let rate = found.ready().unwrap().rate;
/// assert!(rate.z_score(0.01).unwrap().abs() < 3.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn drift(series: &[f64], config: &TestConfig) -> Result<Reading<Drift>, Error> {
    check("series", series)?;
    config.check()?;
    Ok(match plan(series, config) {
        Reading::Ready(plan) => drift_by(series, &plan, Caution::Plain),
        Reading::Pending { seen, needed } => Reading::Pending { seen, needed },
        Reading::Undefined(reason) => Reading::Undefined(reason),
    })
}

/// Whether [`drift_by`] guards the error of few batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caution {
    /// The scatter of batch means alone.
    Plain,
    /// With fewer than ten batches no less than what the autocorrelation says: of many series
    /// asked at once, those that just pass for long enough are ones that happen to scatter little.
    FewBatches,
}

pub(crate) fn drift_by(series: &[f64], plan: &Plan, caution: Caution) -> Reading<Drift> {
    let Some(c) = centred(series) else {
        return Reading::Undefined(CONSTANT);
    };
    let means = batch_means(&c.values, plan.batches);
    let b = means.len() as f64;
    let length = (series.len() / plan.batches.max(1)) as f64;
    let (residuals, slope) = detrended(&means);
    let squares: f64 = residuals.iter().map(|r| r * r).sum();
    let spread = b * (b * b - 1.0) / 12.0;
    let mut error = (squares / ((b - 2.0) * spread)).sqrt();
    let (line, _) = detrended(&c.values);
    let variance = support::variance(&line);
    if caution == Caution::FewBatches && plan.batches < FEW_BATCHES && error > 0.0 {
        let noise = variance * plan.inefficiency / length;
        error = error.max((noise / spread).sqrt());
    }
    if error <= 1e-14 {
        return Reading::Undefined(Reason::DividesByZero("the scatter of batch means"));
    }
    let t = slope / error;
    let sd = variance.sqrt();
    Reading::Ready(Drift {
        rate: Estimate {
            value: c.scale * slope / length,
            std_error: c.scale * error / length,
            n_eff: plan.n_eff,
        },
        relative_change: slope * b / sd,
        t,
        degrees_of_freedom: b - 2.0,
        p_value: law::student_two_sided(t, b - 2.0),
    })
}

/// Geweke's comparison of the first tenth with the last half.
///
/// <!-- math
/// z = \frac{\bar x_A - \bar x_B}{\sqrt{\sigma^2 g\, (1/n_A + 1/n_B)}}
/// -->
#[doc = include_str!("../math/equilibrium_stationarity_2.html")]
///
/// with the long-run variance σ²g of the residuals of a straight line by an initial monotone
/// sequence: a spectral density at frequency zero that covers the whole memory, where a fixed
/// window covers only a part and rejects too often. z is referred to Student's law with N_eff/3
/// degrees of freedom, which is what the scatter of g itself amounts to. Pending and undefined as
/// for [`drift`]. Source: Geweke, Bayesian Statistics 4, 169 (1992).
///
/// # Errors
/// Those of [`drift`].
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, geweke}, systems::Random};
/// let mut random = Random::new(1);
/// // Ten sd off at the start, forgotten after some fifty steps.
/// let x: Vec<f64> = (0..1000)
///     .map(|t| random.normal() + 10.0 * (-f64::from(t) / 50.0).exp())
///     .collect();
/// let mut config = TestConfig::default();
/// config.inefficiency = Some(1.0);
/// assert!(geweke(&x, &config)?.ready().unwrap().p_value < 1e-6);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn geweke(series: &[f64], config: &TestConfig) -> Result<Reading<TestResult>, Error> {
    check("series", series)?;
    config.check()?;
    let Some(c) = centred(series) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    Ok(plan(series, config).map(|plan| {
        let n = series.len();
        let (head, tail) = (n / 10, n - n / 2);
        let first = mean(c.values.get(..head).unwrap_or(&[]));
        let last = mean(c.values.get(n - tail..).unwrap_or(&[]));
        let (residuals, _) = detrended(&c.values);
        let variance = support::variance(&residuals);
        // Here the inefficiency is a divisor, and its floor at 1 would only blunt the test.
        let g = config
            .inefficiency
            .unwrap_or_else(|| line_corrected(inefficiency_unfloored(residuals), n));
        let g = if config.least_inefficiency > 1.0 {
            g.max(config.least_inefficiency)
        } else {
            g
        };
        let long_run = variance * g;
        let z = (first - last) / (long_run * (1.0 / head as f64 + 1.0 / tail as f64)).sqrt();
        TestResult {
            statistic: z,
            p_value: law::student_two_sided(z, plan.n_eff / 3.0),
            n_eff: plan.n_eff,
        }
    }))
}

/// The drift of a series whose transient is curved: slope against the noise about a polynomial.
///
/// A steep, smooth relaxation leaves a correlated residual about its line, and [`plan`] must then
/// refuse. Its residual about a quintic is the noise alone; but so, in part, is that of a slow
/// stationary series, so that this takes four times as many effective observations.
pub(crate) fn drift_curved(series: &[f64], config: &TestConfig) -> Option<Drift> {
    let c = centred(series)?;
    let n = series.len();
    if n < SHORTEST {
        return None;
    }
    let (line, slope) = detrended(&c.values);
    let residuals = support::without_quintic(&line);
    if residuals.iter().all(|r| r.abs() < 1e-13) {
        return None;
    }
    let g = config.inefficiency.unwrap_or_else(|| {
        correlation_time_centred(&residuals, Truncation::InitialMonotone)
            .inefficiency
            .max(config.least_inefficiency)
    });
    let size = n as f64;
    let n_eff = size / g;
    if n_eff < 4.0 * config.least_n_eff {
        return None;
    }
    let variance = support::variance(&residuals);
    let error = (12.0 * variance * g / (size * (size * size - 1.0))).sqrt();
    let t = slope / error;
    let degrees_of_freedom = n_eff / 3.0;
    t.is_finite().then(|| Drift {
        rate: Estimate {
            value: c.scale * slope,
            std_error: c.scale * error,
            n_eff,
        },
        relative_change: slope * size / variance.sqrt(),
        t,
        degrees_of_freedom,
        p_value: law::student_two_sided(t, degrees_of_freedom),
    })
}

/// Upper tail of ∫ B(t)² dt for a Brownian bridge B: the limit law of KPSS (and Cramér-von Mises).
///
/// <!-- math
/// P(W \le x) = \frac{1}{\pi \sqrt x} \sum_j c_j \sqrt{4j+1}\; e^{-z} K_{1/4}(z), \qquad z = \frac{(4j+1)^2}{16 x}, \qquad c_j = \frac{\Gamma(j + 1/2)}{\Gamma(1/2)\, j!}
/// -->
#[doc = include_str!("../math/equilibrium_stationarity_3.html")]
///
/// Anderson and Darling, Ann. Math. Statist. 23, 193 (1952).
fn bridge_tail(x: f64) -> f64 {
    if x <= 1e-3 {
        return 1.0;
    }
    // e^{-z} K_{1/4}(z) = ∫ exp(-z (1 + cosh t)) cosh(t/4) dt: the trapezoid rule converges
    // exponentially on it.
    let scaled_bessel = |z: f64| {
        let step = 0.05;
        let mut sum = 0.5 * (-2.0 * z).exp();
        for k in 1..2000 {
            let t = step * f64::from(k);
            let exponent = z * (1.0 + t.cosh());
            if exponent > 700.0 {
                break;
            }
            sum += (-exponent).exp() * (0.25 * t).cosh();
        }
        sum * step
    };
    let (mut total, mut weight) = (0.0, 1.0);
    for j in 0..40 {
        let j = f64::from(j);
        let k = 4.0 * j + 1.0;
        let term = weight * k.sqrt() * scaled_bessel(k * k / (16.0 * x));
        total += term;
        if term < 1e-16 * total {
            break;
        }
        weight *= (j + 0.5) / (j + 1.0);
    }
    (1.0 - total / (std::f64::consts::PI * x.sqrt())).clamp(0.0, 1.0)
}

/// The KPSS statistic of level stationarity with a Bartlett window of `lags`.
///
/// <!-- math
/// \eta = \frac{\sum_t S_t^2}{N^2 \sigma_\infty^2}, \qquad S_t = \sum_{i \le t} (x_i - \bar x), \qquad \sigma_\infty^2 = \gamma_0 + 2 \sum_{k=1}^{l} \Bigl(1 - \frac{k}{l+1}\Bigr) \gamma_k
/// -->
#[doc = include_str!("../math/equilibrium_stationarity_4.html")]
///
/// Undefined for a constant series, and where the window makes σ²_∞ zero. Source: Kwiatkowski,
/// Phillips, Schmidt and Shin, J. Econometrics 54, 159 (1992).
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for lags not below the length.
///
/// ```
/// use thermograd::equilibrium::kpss_statistic;
/// // Deviations -1 1: partial sums -1 0, variance 1: η = 1/4.
/// assert!((kpss_statistic(&[0.0, 2.0], 0)?.ready().unwrap() - 0.25).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn kpss_statistic(series: &[f64], lags: usize) -> Result<Reading<f64>, Error> {
    check("series", series)?;
    check_range(
        "lags",
        lags as f64,
        "fewer than the length of the series",
        |_| series.is_empty() || lags < series.len(),
    )?;
    if series.len() < 2 {
        return Ok(Reading::Pending {
            seen: series.len() as u64,
            needed: 2,
        });
    }
    let Some(c) = centred(series) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let n = series.len() as f64;
    let mut sums = support::LagSums::new(&c.values);
    let mut long_run = sums.at(0);
    for k in 1..=lags {
        long_run += 2.0 * (1.0 - k as f64 / (lags as f64 + 1.0)) * sums.at(k);
    }
    if long_run <= 0.0 {
        return Ok(Reading::Undefined(Reason::DividesByZero(
            "the windowed long-run variance",
        )));
    }
    let mut level = 0.0;
    let squares: f64 = c
        .values
        .iter()
        .map(|x| {
            level += x;
            level * level
        })
        .sum();
    Ok(Reading::Ready(squares / (n * long_run)))
}

/// KPSS with its lag tied to the correlation time, 6 (g - 1), and the exact limit law for the p-value.
///
/// The usual lag rules grow with the length alone and miss the memory: a stationary
/// autoregression with ρ = 0.99 is rejected in 98% of cases at lag 7. Pending and undefined as for
/// [`drift`]. See [`kpss_statistic`].
///
/// # Errors
/// Those of [`drift`].
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, kpss}, systems::Random};
/// let mut random = Random::new(1);
/// let x: Vec<f64> = (0..1000).map(|t| random.normal() + 0.005 * f64::from(t)).collect();
/// assert!(kpss(&x, &TestConfig::default())?.ready().unwrap().p_value < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn kpss(series: &[f64], config: &TestConfig) -> Result<Reading<TestResult>, Error> {
    check("series", series)?;
    config.check()?;
    let plan = match plan(series, config) {
        Reading::Ready(plan) => plan,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    // No window for independent values; its bias of some g/(2 lags) small for others.
    let lags = count((6.0 * (plan.inefficiency - 1.0)).round());
    Ok(
        kpss_statistic(series, lags.min(series.len() - 1))?.map(|statistic| TestResult {
            statistic,
            p_value: bridge_tail(statistic),
            n_eff: plan.n_eff,
        }),
    )
}

/// Kendall's τ-b of values against their order.
fn tau(values: &[f64]) -> Option<f64> {
    Pairs::with_order(values).tau_b()
}

/// Kendall's rank correlation τ-b of a series with time, in [-1, 1].
///
/// <!-- math
/// \tau = \frac{\mathrm{concordant} - \mathrm{discordant}}{\sqrt{n_0 (n_0 - \mathrm{ties})}}, \qquad n_0 = \frac{N(N-1)}{2}
/// -->
#[doc = include_str!("../math/equilibrium_stationarity_5.html")]
///
/// in O(N log N). Its textbook p-value assumes independent values and is not given; see [`trend`].
/// Pending below 2 values, undefined where all are equal.
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::kendall_tau;
/// // Of three pairs two rise and one falls.
/// assert!((kendall_tau(&[1.0, 3.0, 2.0])?.ready().unwrap() - 1.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn kendall_tau(series: &[f64]) -> Result<Reading<f64>, Error> {
    check("series", series)?;
    if series.len() < 2 {
        return Ok(Reading::Pending {
            seen: series.len() as u64,
            needed: 2,
        });
    }
    Ok(tau(series).map_or(Reading::Undefined(CONSTANT), Reading::Ready))
}

/// A monotone trend: Kendall's τ against 399 surrogates with shuffled blocks.
///
/// Blocks of at least `batch_length` × g steps (32 blocks at most) are put in random order. That
/// keeps the correlation within them and destroys any trend across; the p-value is the rank of
/// |τ| among the surrogates, so never below 1/400. τ is taken over about 256 equal cells.
/// Pending and undefined as for [`drift`].
///
/// # Errors
/// Those of [`drift`].
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, trend}, systems::Random};
/// let mut random = Random::new(1);
/// let x: Vec<f64> = (0..1000).map(|t| random.normal() + 0.005 * f64::from(t)).collect();
/// assert!(trend(&x, &TestConfig::default())?.ready().unwrap().p_value < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn trend(series: &[f64], config: &TestConfig) -> Result<Reading<TestResult>, Error> {
    const SURROGATES: u32 = 399;
    check("series", series)?;
    config.check()?;
    let plan = match plan(series, config) {
        Reading::Ready(plan) => plan,
        Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
        Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
    };
    let blocks = count(plan.n_eff / config.batch_length).clamp(FEWEST_BATCHES, 32);
    let cells = (256 / blocks).clamp(1, (series.len() / blocks).max(1));
    let means = batch_means(series, blocks * cells);
    let Some(observed) = tau(&means) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let mut random = Random::new(config.seed);
    let mut order: Vec<usize> = (0..blocks).collect();
    let mut shuffled = Vec::with_capacity(means.len());
    let mut beyond = 1_u32;
    for _ in 0..SURROGATES {
        for i in (1..blocks).rev() {
            order.swap(i, random.below(i + 1));
        }
        shuffled.clear();
        for &block in &order {
            shuffled
                .extend_from_slice(means.get(block * cells..(block + 1) * cells).unwrap_or(&[]));
        }
        if tau(&shuffled).is_some_and(|t| t.abs() >= observed.abs() - 1e-12) {
            beyond += 1;
        }
    }
    Ok(Reading::Ready(TestResult {
        statistic: observed,
        p_value: f64::from(beyond) / f64::from(SURROGATES + 1),
        n_eff: plan.n_eff,
    }))
}

// ---------------------------------------------------------------------------------------------
// R-hat.

/// √((B/W + n - 1)/n) of equal chains.
fn chains_rhat(chains: &[Vec<f64>]) -> Reading<f64> {
    let all = chains.concat();
    let Some(c) = centred(&all) else {
        return Reading::Undefined(CONSTANT);
    };
    let n = chains.first().map_or(0, Vec::len);
    let parts = c.values.chunks(n.max(1));
    let means: Vec<f64> = parts.clone().map(mean).collect();
    let within = mean(&parts.map(support::variance).collect::<Vec<_>>());
    if within <= 0.0 {
        return Reading::Undefined(Reason::DividesByZero("the variance within replicas"));
    }
    let n = n as f64;
    let between = n * support::variance(&means);
    Reading::Ready(((between / within + n - 1.0) / n).sqrt())
}

fn split_reading(
    replicas: &[&[f64]],
    of: impl FnOnce(Vec<Vec<f64>>) -> Reading<f64>,
) -> Result<Reading<f64>, Error> {
    let n = check_equal("replica", replicas)?;
    if n < 4 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: 4,
        });
    }
    if is_constant(&replicas.concat()) {
        return Ok(Reading::Undefined(CONSTANT));
    }
    Ok(of(split_halves(replicas)))
}

/// Split R-hat: variance of all chains over variance within, replicas cut into halves.
///
/// <!-- math
/// R = \sqrt{\frac{N-1}{N} + \frac{B}{N W}}
/// -->
#[doc = include_str!("../math/equilibrium_stationarity_6.html")]
///
/// 1 when every half has the same mean; a single replica compares its two halves. Values need a
/// finite variance; [`rhat_bulk`] does not. Pending below 4 values a replica, undefined where all
/// are equal or each replica is constant. Source: Gelman and Rubin (1992), arXiv 1903.08008.
///
/// # Errors
/// [`Error::Empty`], [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::rhat_split;
/// // Halves 0 1 and 2 3: W = 1/2, B = 2 × 2 = 4: √(1/2 + 4/(2 × 1/2)).
/// let r = rhat_split(&[&[0.0, 1.0, 2.0, 3.0]])?;
/// assert!((r.ready().unwrap() - 4.5_f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn rhat_split(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    split_reading(replicas, |chains| chains_rhat(&chains))
}

/// [`rhat_split`] of the normal scores of ranks: sees a difference of level under heavy tails.
///
/// # Errors
/// Those of [`rhat_split`].
///
/// ```
/// use thermograd::equilibrium::rhat_bulk;
/// let r = rhat_bulk(&[&[0.0, 1.0, 2.0, 1e9]])?;
/// assert!(*r.ready().unwrap() > 1.5);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn rhat_bulk(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    split_reading(replicas, |chains| chains_rhat(&rank_normalised(&chains)))
}

/// [`rhat_bulk`] of the distance from the median: sees a difference of width.
///
/// # Errors
/// Those of [`rhat_split`].
///
/// ```
/// use thermograd::equilibrium::{rhat_bulk, rhat_folded};
/// // Same centre, three times the width.
/// let narrow: Vec<f64> = (-20..20).map(|i| f64::from(i) + 0.5).collect();
/// let wide: Vec<f64> = narrow.iter().map(|x| 3.1 * x).collect();
/// let mix = |x: &[f64]| (0..40).map(|i| x[i * 7 % 40]).collect::<Vec<_>>();
/// let (narrow, wide) = (mix(&narrow), mix(&wide));
/// assert!(*rhat_bulk(&[&narrow, &wide])?.ready().unwrap() < 1.02);
/// assert!(*rhat_folded(&[&narrow, &wide])?.ready().unwrap() > 1.2);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn rhat_folded(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    split_reading(replicas, |chains| {
        let mut sorted = chains.concat();
        sorted.sort_by(f64::total_cmp);
        let median = support::quantile_sorted(&sorted, 0.5);
        let folded: Vec<Vec<f64>> = chains
            .iter()
            .map(|c| c.iter().map(|x| (x - median).abs()).collect())
            .collect();
        if is_constant(&folded.concat()) {
            return Reading::Undefined(Reason::Degenerate("every value is as far from the median"));
        }
        chains_rhat(&rank_normalised(&folded))
    })
}

/// Rank-normalised R-hat: the larger of [`rhat_bulk`] and [`rhat_folded`].
///
/// Usual alarm: above 1.01, which takes more than 400 effective observations to mean anything
/// (noise alone exceeds it below). It is an effect size without a p-value.
///
/// # Errors
/// Those of [`rhat_split`].
///
/// ```
/// use thermograd::equilibrium::{rhat, rhat_bulk};
/// let x = [0.0, 1.0, 2.0, 1e9];
/// assert!(rhat(&[&x])?.ready() >= rhat_bulk(&[&x])?.ready());
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn rhat(replicas: &[&[f64]]) -> Result<Reading<f64>, Error> {
    Ok(match (rhat_bulk(replicas)?, rhat_folded(replicas)?) {
        (Reading::Ready(bulk), Reading::Ready(folded)) => Reading::Ready(bulk.max(folded)),
        // Two values, half a distance away on each side: the bulk alone.
        (bulk, Reading::Undefined(_)) => bulk,
        (_, folded) => folded,
    })
}

#[cfg(test)]
mod tests {
    use super::bridge_tail;

    #[test]
    fn tail_of_the_bridge_at_its_published_points() {
        // Anderson and Darling (1952), table 1.
        for (x, p) in [
            (0.34730, 0.10),
            (0.46136, 0.05),
            (0.58061, 0.025),
            (0.74346, 0.01),
        ] {
            assert!((bridge_tail(x) - p).abs() < 1e-5, "{x}: {}", bridge_tail(x));
        }
        // The mean of the law is 1/6: the tail integrates to it.
        let step = 1e-3;
        let sum: f64 = (0..5000)
            .map(|k| bridge_tail((f64::from(k) + 0.5) * step))
            .sum();
        assert!((sum * step - 1.0 / 6.0).abs() < 1e-6);
    }
}
