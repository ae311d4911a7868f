//! Whether a stationary state is a thermal one.
//!
//! Stationary means that nothing moves on average. Thermal equilibrium asks for more: one
//! temperature everywhere, Gaussian displacements, energies distributed as e^{-βE} demands, and no
//! currents. Each has its test here, on batch means or thinned data, with an effect size beside
//! the significance: with enough data everything differs significantly.
//!
//! # Kinetic against virial is not a significance test
//! In any stationary state of any optimiser ⟨w·∇L⟩ = ((1 + μ)/2η)⟨|Δ|²⟩ (Yaida, arXiv
//! 1810.00004). It is tempting to test it by a t test on the residual of every step. With the
//! gradient of the step that was taken, the residual sums to
//!
//! <!-- math
//! \sum_t \Bigl(w_t \cdot g_t - \frac\eta2 |g_t|^2\Bigr) = \frac{|w_0|^2 - |w_n|^2}{2\eta}
//! -->
#![doc = include_str!("../math/equilibrium_thermal_1.html")]
//!
//! an identity of plain SGD, whatever the system does. The sum does not grow with n: its terms are
//! the differences of a bounded sequence, their mean falls as 1/n, and an error bar of 1/√n from a
//! t test or from batch means describes nothing. At a nominal 5% such a test was measured to
//! reject in 0.0% of cases. So [`kinetic_virial_balance`] reports an effect size and no p-value;
//! the drift it can see is that of |w|², and [`drift`](super::drift) on that series says when it is
//! significant.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

use super::autocorrelation::{Spacing, Truncation, correlation_time_centred, thinning};
use super::stationarity::{TestConfig, plan};
use super::support::{
    self, batch_means, centred, check, check_all, check_equal, is_constant, law, mean,
};
use crate::error::{Error, check_range};
use crate::estimate::{Estimate, Reading, Reason};

const CONSTANT: Reason = Reason::Degenerate("the series is constant");

/// Spacing in steps at which a series of inefficiency g is nearly independent: g itself leaves a
/// correlation of 0.14 between neighbours, 2g - 1 one of 0.02, and 1 is still 1.
fn spacing(inefficiency: f64) -> f64 {
    2.0 * inefficiency - 1.0
}

/// Passes on a reading that is not ready, or yields the answer.
macro_rules! ready {
    ($reading:expr) => {
        match $reading {
            Reading::Ready(answer) => answer,
            Reading::Pending { seen, needed } => return Ok(Reading::Pending { seen, needed }),
            Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
        }
    };
}

// ---------------------------------------------------------------------------------------------
// Kinetic = virial.

/// How far the kinetic and the virial temperature are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Balance {
    /// Mean of the kinetic series.
    pub kinetic: f64,
    /// Mean of the virial series.
    pub virial: f64,
    /// (virial - kinetic)/kinetic.
    pub residual: f64,
}

/// The relative residual of the fluctuation-dissipation relation: virial against kinetic.
///
/// <!-- math
/// \mathrm{residual} = \frac{\langle w \cdot g \rangle - K}{K}, \qquad K = \frac{1 + \mu}{2\eta} \langle |\Delta|^2 \rangle
/// -->
#[doc = include_str!("../math/equilibrium_thermal_2.html")]
///
/// An effect size; below a few percent is usual in equilibrium, and no p-value exists for it (see
/// the [module](self)). The two series have one value a step, in one unit. Pending without data,
/// undefined for a kinetic mean of zero.
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`].
///
/// ```
/// use thermograd::equilibrium::kinetic_virial_balance;
/// let balance = kinetic_virial_balance(&[1.0, 3.0], &[2.0, 2.2])?;
/// assert!((balance.ready().unwrap().residual - 0.05).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn kinetic_virial_balance(kinetic: &[f64], virial: &[f64]) -> Result<Reading<Balance>, Error> {
    let n = check_equal("kinetic or virial series", &[kinetic, virial])?;
    if n == 0 {
        return Ok(Reading::Pending { seen: 0, needed: 1 });
    }
    let (kinetic, virial) = (mean(kinetic), mean(virial));
    let residual = (virial - kinetic) / kinetic;
    Ok(if residual.is_finite() {
        Reading::Ready(Balance {
            kinetic,
            virial,
            residual,
        })
    } else {
        Reading::Undefined(Reason::DividesByZero("the kinetic energy"))
    })
}

// ---------------------------------------------------------------------------------------------
// Equal temperatures.

/// Whether several means are one, by significance and by size.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Heterogeneity {
    /// The F statistic.
    pub statistic: f64,
    /// Its degrees of freedom above and below.
    pub degrees_of_freedom: (f64, f64),
    /// Chance of one as large if all means are equal.
    pub p_value: f64,
    /// The unweighted mean of the means.
    pub mean: f64,
    /// Effect size sd(means)/|mean| as observed, noise included.
    pub spread: f64,
    /// The same with the variance of the noise taken out, 0 where noise explains it all.
    pub excess_spread: f64,
}

impl Heterogeneity {
    /// The p-value as a two-sided distance on the scale of a normal variable.
    ///
    /// ```
    /// use thermograd::{Estimate, equilibrium::estimate_heterogeneity};
    /// let e = |value| Estimate { value, std_error: 0.1, n_eff: 1e6 };
    /// let found = estimate_heterogeneity(&[e(0.0), e(0.5)])?;
    /// // Two estimates: the distance of 0.5 in its error 0.1 √2.
    /// assert!((found.ready().unwrap().sigmas() - 0.5 / 0.02_f64.sqrt()).abs() < 1e-3);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn sigmas(&self) -> f64 {
        law::sigmas(self.p_value)
    }
}

fn spreads(means: &[f64], noise: f64) -> (f64, f64, f64) {
    let centre = mean(means);
    let variance = support::variance(means);
    let relative = |v: f64| {
        let ratio = v.sqrt() / centre.abs();
        // A mean of zero has no relative scale.
        if ratio.is_finite() { ratio } else { f64::MAX }
    };
    if variance == 0.0 {
        return (centre, 0.0, 0.0);
    }
    let excess = (variance - noise).max(0.0);
    (
        centre,
        relative(variance),
        if excess > 0.0 { relative(excess) } else { 0.0 },
    )
}

/// Welch's analysis of variance of estimates with errors of their own.
///
/// <!-- math
/// F = \frac{\sum w (m - \tilde m)^2 / (k-1)}{1 + \frac{2(k-2)}{k^2-1} \Lambda}, \qquad \Lambda = \sum \frac{(1 - w/W)^2}{n-1}, \qquad w = \frac{1}{\mathrm{se}^2}
/// -->
#[doc = include_str!("../math/equilibrium_thermal_3.html")]
///
/// on k - 1 and (k² - 1)/(3Λ) degrees of freedom, n the effective observations of each. Unlike
/// Cochran's Q against χ² it knows that the errors are estimates too: at 20 batches each Q rejects
/// in 8% of cases at a nominal 5%. Pending below two estimates or two observations in one,
/// undefined for an error of zero. The estimates are taken as independent. Source: Welch,
/// Biometrika 38, 330 (1951).
///
/// # Errors
/// [`Error::NonFinite`] and [`Error::Overflow`]; [`Error::OutOfRange`] for a negative error.
///
/// ```
/// use thermograd::{Estimate, equilibrium::estimate_heterogeneity};
/// let e = |value| Estimate { value, std_error: 0.1, n_eff: 20.0 };
/// let same = estimate_heterogeneity(&[e(1.0), e(1.1), e(0.95)])?;
/// assert!(same.ready().unwrap().p_value > 0.3);
/// let apart = estimate_heterogeneity(&[e(1.0), e(2.0), e(0.95)])?;
/// assert!(apart.ready().unwrap().p_value < 1e-6);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn estimate_heterogeneity(estimates: &[Estimate]) -> Result<Reading<Heterogeneity>, Error> {
    let column = |of: fn(&Estimate) -> f64| estimates.iter().map(of).collect::<Vec<f64>>();
    let (values, errors, sizes) = (
        column(|e| e.value),
        column(|e| e.std_error),
        column(|e| e.n_eff),
    );
    check("values", &values)?;
    check("standard errors", &errors)?;
    check("effective observations", &sizes)?;
    if let Some(error) = errors.iter().find(|e| **e < 0.0) {
        check_range("standard error", *error, "a number of at least 0", |_| {
            false
        })?;
    }
    if estimates.len() < 2 {
        return Ok(Reading::Pending {
            seen: estimates.len() as u64,
            needed: 2,
        });
    }
    if sizes.iter().any(|n| *n < 2.0) {
        return Ok(Reading::Pending { seen: 1, needed: 2 });
    }
    let largest = errors.iter().fold(0.0_f64, |m, e| m.max(*e));
    if errors.iter().any(|e| *e <= largest * 1e-12) {
        return Ok(Reading::Undefined(Reason::DividesByZero(
            "a standard error",
        )));
    }
    // In units of the largest error, so that no square overflows.
    let k = values.len() as f64;
    let weights: Vec<f64> = errors.iter().map(|e| (largest / e).powi(2)).collect();
    let total: f64 = weights.iter().sum();
    let centre = weights
        .iter()
        .zip(&values)
        .map(|(w, v)| w / total * v)
        .sum::<f64>();
    let between = weights
        .iter()
        .zip(&values)
        .map(|(w, v)| w * ((v - centre) / largest).powi(2))
        .sum::<f64>()
        / (k - 1.0);
    let lambda: f64 = weights
        .iter()
        .zip(&sizes)
        .map(|(w, n)| (1.0 - w / total).powi(2) / (n - 1.0))
        .sum();
    let statistic = between / (1.0 + 2.0 * (k - 2.0) / (k * k - 1.0) * lambda);
    let below = (k * k - 1.0) / (3.0 * lambda);
    if !statistic.is_finite() || !below.is_finite() {
        return Ok(Reading::Undefined(Reason::DividesByZero(
            "the errors, beside the distance of the values",
        )));
    }
    let noise = errors.iter().map(|e| e * e).sum::<f64>() / k;
    let (mean, spread, excess_spread) = spreads(&values, noise);
    Ok(Reading::Ready(Heterogeneity {
        statistic,
        degrees_of_freedom: (k - 1.0, below),
        p_value: law::fisher_upper(statistic, k - 1.0, below),
        mean,
        spread,
        excess_spread,
    }))
}

/// How many batches, and the batch means of every series.
type Batched = (usize, Vec<Vec<f64>>);

/// Batch means of several series, by a common number of batches that is right for each.
fn common_batches(
    place: &str,
    series: &[&[f64]],
    config: &TestConfig,
) -> Result<Reading<Batched>, Error> {
    check_all(place, series)?;
    config.check()?;
    if series.len() < 2 {
        return Ok(Reading::Pending { seen: 1, needed: 2 });
    }
    let mut batches = config.most_batches;
    let mut pending: Option<(u64, u64)> = None;
    for s in series {
        match plan(s, config) {
            Reading::Ready(plan) => batches = batches.min(plan.batches),
            Reading::Pending { seen, needed } => {
                let worst = pending.map_or(0, |(_, n)| n);
                pending = Some((seen, needed.max(worst)));
            }
            Reading::Undefined(reason) => return Ok(Reading::Undefined(reason)),
        }
    }
    if let Some((seen, needed)) = pending {
        return Ok(Reading::Pending { seen, needed });
    }
    Ok(Reading::Ready((
        batches,
        series.iter().map(|s| batch_means(s, batches)).collect(),
    )))
}

/// Equipartition over layers: Welch's analysis of variance on batch means of per-layer
/// temperatures.
///
/// Every series holds one layer's temperature, step by step (say the midpoint kinetic one). The
/// layers are taken as independent given the bath; thermometers of *one* layer are not, and have
/// [`thermometer_agreement`]. Temperatures of layers with unequal curvature differ at order
/// η × curvature in any discrete run, so a long one always rejects: look at
/// [`excess_spread`](Heterogeneity::excess_spread). Pending as for [`drift`](super::drift).
///
/// # Errors
/// [`Error::Empty`], [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for a bad
/// configuration.
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, equipartition}, systems::Random};
/// let mut random = Random::new(2);
/// let mut layer = |t: f64| (0..1000).map(|_| t * random.normal().powi(2)).collect::<Vec<_>>();
/// let (cold, cold_too, hot) = (layer(1.0), layer(1.0), layer(2.0));
/// let config = TestConfig::default();
/// assert!(equipartition(&[&cold, &cold_too], &config)?.ready().unwrap().p_value > 0.01);
/// let found = equipartition(&[&cold, &hot], &config)?;
/// assert!(found.ready().unwrap().p_value < 1e-6);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn equipartition(
    layers: &[&[f64]],
    config: &TestConfig,
) -> Result<Reading<Heterogeneity>, Error> {
    let (batches, means) = ready!(common_batches("layer", layers, config)?);
    let b = batches as f64;
    let estimates: Vec<Estimate> = means
        .iter()
        .map(|m| Estimate {
            value: mean(m),
            std_error: (support::variance(m) / b).sqrt(),
            n_eff: b,
        })
        .collect();
    estimate_heterogeneity(&estimates)
}

/// Agreement of several thermometers read on the same steps: Hotelling's T² of their differences.
///
/// <!-- math
/// T^2 = b\, (C m)' (C S C')^{-1} (C m), \qquad F = T^2\, \frac{b - k + 1}{(b - 1)(k - 1)}
/// -->
#[doc = include_str!("../math/equilibrium_thermal_4.html")]
///
/// over b batch means of k thermometers, C the differences from the first, S the covariance of the
/// batch means; F has k - 1 and b - k + 1 degrees of freedom. Thermometers that read the same
/// noise are correlated; their differences know it, where an analysis of variance would not. Takes
/// at least k + 3 batches (pending below); undefined where two thermometers are copies.
///
/// # Errors
/// Those of [`equipartition`], and [`Error::LengthMismatch`].
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, thermometer_agreement}, systems::Random};
/// let mut random = Random::new(2);
/// let shared: Vec<f64> = (0..1000).map(|_| 1.0 + random.normal()).collect();
/// let mut read = |bias: f64| {
///     shared.iter().map(|x| x + bias + 0.01 * random.normal()).collect::<Vec<f64>>()
/// };
/// // A bias of 1% of the noise that all share is seen.
/// let (a, b, c) = (read(0.0), read(0.0), read(0.01));
/// let config = TestConfig::default();
/// assert!(thermometer_agreement(&[&a, &b], &config)?.ready().unwrap().p_value > 0.01);
/// assert!(thermometer_agreement(&[&a, &c], &config)?.ready().unwrap().p_value < 1e-4);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn thermometer_agreement(
    thermometers: &[&[f64]],
    config: &TestConfig,
) -> Result<Reading<Heterogeneity>, Error> {
    let n = check_equal("thermometer", thermometers)?;
    let (batches, means) = ready!(common_batches("thermometer", thermometers, config)?);
    let k = means.len();
    if batches < k + 3 {
        let missing = (k + 3) as f64 / batches as f64;
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: support::steps((n as f64 * missing).ceil()),
        });
    }
    let largest = means
        .iter()
        .flatten()
        .fold(0.0_f64, |m, x| m.max(x.abs()))
        .max(f64::MIN_POSITIVE);
    let difference = DMatrix::from_fn(k - 1, batches, |i, j| {
        let at = |t: usize| {
            means
                .get(t)
                .and_then(|m: &Vec<f64>| m.get(j))
                .map_or(0.0, |x| x / largest)
        };
        at(i + 1) - at(0)
    });
    let b = batches as f64;
    let Some(quadratic) = hotelling(&difference) else {
        return Ok(Reading::Undefined(Reason::Degenerate(
            "two thermometers are copies of each other",
        )));
    };
    let (above, below) = ((k - 1) as f64, b - k as f64 + 1.0);
    let statistic = quadratic * below / ((b - 1.0) * above);
    let values: Vec<f64> = means.iter().map(|m| mean(m)).collect();
    // Noise of the differences, not of the readings: what they share does not spread them.
    let noise = difference
        .row_iter()
        .map(|row| {
            let row: Vec<f64> = row.iter().map(|x| x * largest).collect();
            0.5 * support::variance(&row) / b
        })
        .sum::<f64>()
        / above;
    let (mean, spread, excess_spread) = spreads(&values, noise);
    Ok(Reading::Ready(Heterogeneity {
        statistic,
        degrees_of_freedom: (above, below),
        p_value: law::fisher_upper(statistic, above, below),
        mean,
        spread,
        excess_spread,
    }))
}

/// Hotelling's T² of the mean over columns against zero; `None` where the covariance is
/// singular.
fn hotelling(columns: &DMatrix<f64>) -> Option<f64> {
    let b = columns.ncols() as f64;
    let centre = columns.column_mean();
    let mut deviations = columns.clone();
    for mut column in deviations.column_iter_mut() {
        column -= &centre;
    }
    let covariance = &deviations * deviations.transpose() / (b - 1.0);
    // Unit variances first: components of unlike scale are not singular.
    let scales: Vec<f64> = covariance.diagonal().iter().map(|v| v.sqrt()).collect();
    if scales.iter().any(|s| *s <= 1e-14) {
        return None;
    }
    let scale = DVector::from_vec(scales);
    let correlation = DMatrix::from_fn(covariance.nrows(), covariance.ncols(), |i, j| {
        covariance[(i, j)] / (scale[i] * scale[j])
    });
    let reduced = centre.component_div(&scale);
    let factor = correlation.cholesky()?;
    let value = b * reduced.dot(&factor.solve(&reduced));
    value.is_finite().then_some(value)
}

// ---------------------------------------------------------------------------------------------
// Maxwell-Boltzmann.

/// What the standard deviation of [`maxwell_boltzmann`] is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Width {
    /// Known beforehand, say √(T/m): a Kolmogorov-Smirnov test of mean 0 and this width.
    Known(f64),
    /// Estimated with the mean from the same data: the test of Lilliefors.
    #[default]
    Estimated,
}

/// Whether displacements are normal.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MaxwellBoltzmann {
    /// Largest distance between the two distribution functions.
    pub distance: f64,
    /// Chance of one as large for normal displacements.
    pub p_value: f64,
    /// Fourth moment over the squared second, less 3, of all displacements; with its error
    /// √(24/n) for normal ones.
    pub excess_kurtosis: Estimate,
    /// Displacements left after thinning.
    pub used: usize,
}

/// Upper tail of Kolmogorov's law.
fn kolmogorov_tail(x: f64) -> f64 {
    use std::f64::consts::PI;
    if x < 0.2 {
        return 1.0;
    }
    if x < 1.0 {
        let sum: f64 = (1..=6)
            .map(|k| {
                let odd = f64::from(2 * k - 1);
                (-odd * odd * PI * PI / (8.0 * x * x)).exp()
            })
            .sum();
        return (1.0 - (2.0 * PI).sqrt() / x * sum).clamp(0.0, 1.0);
    }
    let sum: f64 = (1..=8)
        .map(|k| {
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            let k = f64::from(k);
            sign * (-2.0 * k * k * x * x).exp()
        })
        .sum();
    (2.0 * sum).clamp(0.0, 1.0)
}

/// p-value of Lilliefors' distance: Dallal and Wilkinson (1986) below 0.1, and above it the
/// polynomial fits to Stephens' (1974) modified statistic. Their fit ends at n = 100; beyond, the
/// distance is carried there by Stephens' modification, which holds for every n.
fn lilliefors_p(distance: f64, n: f64) -> f64 {
    let modified = |n: f64| n.sqrt() - 0.01 + 0.85 / n.sqrt();
    let m = n.min(100.0);
    let d = distance * modified(n) / modified(m);
    let tail = (-7.01256 * d * d * (m + 2.78019) + 2.99587 * d * (m + 2.78019).sqrt() - 0.122_119
        + 0.974_598 / m.sqrt()
        + 1.67997 / m)
        .exp();
    if tail <= 0.1 {
        return tail.max(0.0);
    }
    let k = modified(n) * distance;
    let polynomial = |c: [f64; 5]| c.iter().rev().fold(0.0, |sum, c| sum * k + c);
    let p = if k <= 0.302 {
        1.0
    } else if k <= 0.5 {
        polynomial([2.76773, -19.828_315, 80.709_644, -138.55152, 81.218_052])
    } else if k <= 0.9 {
        polynomial([-4.901_232, 40.662_806, -97.490_286, 94.029_866, -32.355_711])
    } else if k <= 1.31 {
        polynomial([6.198_765, -19.558_097, 23.186_922, -12.234_627, 2.423_045])
    } else {
        0.0
    };
    p.clamp(0.0, 1.0)
}

/// Whether displacements of one coordinate follow the Maxwell-Boltzmann law: normal, and of the
/// right width if that is known.
///
/// The series is thinned to every (2g - 1)-th step first, g its own inefficiency. Momentum carries a displacement over
/// (1 + μ)/(1 - μ) steps; unthinned the test rejects normal displacements. This is a test of
/// thermality, not of stationarity: heavy-tailed gradient noise fails it in equilibrium as well,
/// which the excess kurtosis then says. Pending below 20 thinned values, undefined for a constant
/// series. Sources: Lilliefors, JASA 62, 399 (1967); Stephens, JASA 69, 730 (1974); Dallal and
/// Wilkinson, Am. Stat. 40, 294 (1986).
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`]; [`Error::OutOfRange`] for a width that is not
/// positive.
///
/// ```
/// use thermograd::{equilibrium::{Width, maxwell_boltzmann}, systems::Random};
/// let mut random = Random::new(6);
/// let x: Vec<f64> = (0..2000).map(|_| 0.1 * random.normal()).collect();
/// assert!(maxwell_boltzmann(&x, Width::Known(0.1))?.ready().unwrap().p_value > 0.01);
/// assert!(maxwell_boltzmann(&x, Width::Known(0.12))?.ready().unwrap().p_value < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn maxwell_boltzmann(
    displacements: &[f64],
    width: Width,
) -> Result<Reading<MaxwellBoltzmann>, Error> {
    const FEWEST: usize = 20;
    check("displacements", displacements)?;
    if let Width::Known(sd) = width {
        check_range("width", sd, "a positive number", |x| x > 0.0)?;
    }
    let n = displacements.len();
    if n < FEWEST {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: FEWEST as u64,
        });
    }
    let Some(c) = centred(displacements) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let g = correlation_time_centred(&c.values, Truncation::InitialMonotone).inefficiency;
    let kept: Vec<f64> = thinning(n, spacing(g), Spacing::Nearest)?
        .into_iter()
        .filter_map(|i| c.values.get(i).copied())
        .collect();
    let used = kept.len();
    if used < FEWEST {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: support::steps((FEWEST as f64 * spacing(g)).ceil()).max(n as u64 + 1),
        });
    }
    if is_constant(&kept) {
        return Ok(Reading::Undefined(CONSTANT));
    }
    let (centre, sd) = match width {
        Width::Known(sd) => (-c.centre / c.scale, sd / c.scale),
        Width::Estimated => (mean(&kept), support::variance(&kept).sqrt()),
    };
    let mut scores: Vec<f64> = kept.iter().map(|x| (x - centre) / sd).collect();
    scores.sort_by(f64::total_cmp);
    let size = used as f64;
    let distance = scores
        .iter()
        .enumerate()
        .map(|(i, z)| {
            let f = law::normal_cdf(*z);
            (f - i as f64 / size).max((i + 1) as f64 / size - f)
        })
        .fold(0.0, f64::max);
    let p_value = match width {
        Width::Known(_) => kolmogorov_tail(distance * (size.sqrt() + 0.12 + 0.11 / size.sqrt())),
        Width::Estimated => lilliefors_p(distance, size),
    };
    let second = mean(&c.values.iter().map(|x| x * x).collect::<Vec<_>>());
    let fourth = mean(&c.values.iter().map(|x| x.powi(4)).collect::<Vec<_>>());
    Ok(Reading::Ready(MaxwellBoltzmann {
        distance,
        p_value,
        excess_kurtosis: Estimate {
            value: fourth / (second * second) - 3.0,
            std_error: (24.0 / size).sqrt(),
            n_eff: size,
        },
        used,
    }))
}

// ---------------------------------------------------------------------------------------------
// Two runs.

/// One run of the two of [`ensemble_test`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EnsembleRun<'a> {
    energies: &'a [f64],
    temperature: f64,
    volumes: Option<(&'a [f64], f64)>,
}

impl<'a> EnsembleRun<'a> {
    /// Full-loss energies of a run at a temperature, in loss units.
    pub const fn at_temperature(energies: &'a [f64], temperature: f64) -> Self {
        Self {
            energies,
            temperature,
            volumes: None,
        }
    }

    /// With volumes V = |w|²/2 of the same steps, at a pressure.
    #[must_use]
    pub const fn at_pressure(mut self, volumes: &'a [f64], pressure: f64) -> Self {
        self.volumes = Some((volumes, pressure));
        self
    }

    fn check(&self, place: &str) -> Result<(), Error> {
        check(&format!("energies of the {place} run"), self.energies)?;
        check_range("temperature", self.temperature, "a positive number", |x| {
            x > 0.0
        })?;
        if let Some((volumes, pressure)) = self.volumes {
            check_equal(
                &format!("energies or volumes of the {place} run"),
                &[self.energies, volumes],
            )?;
            check_range("pressure", pressure, "a finite number", |_| true)?;
        }
        Ok(())
    }

    /// The larger inefficiency of its series.
    fn inefficiency(&self) -> Option<f64> {
        let of = |s: &[f64]| {
            centred(s).map(|c| {
                correlation_time_centred(&c.values, Truncation::InitialMonotone).inefficiency
            })
        };
        let g = of(self.energies)?;
        match self.volumes {
            None => Some(g),
            Some((volumes, _)) => Some(g.max(of(volumes)?)),
        }
    }
}

/// A fitted slope and what the ensemble demands of it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Slope {
    /// The maximum-likelihood slope.
    pub fitted: Estimate,
    /// What it should be.
    pub expected: f64,
    /// (fitted - expected) in standard errors.
    pub sigmas: f64,
}

/// Outcome of [`ensemble_test`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EnsembleCheck {
    /// Slope in the energy: β₁ - β₂ is expected.
    pub energy: Slope,
    /// Slope in the volume, where volumes were given: β₁p₁ - β₂p₂ is expected.
    pub volume: Option<Slope>,
    /// Joint chance of slopes as far from the expected ones.
    pub p_value: f64,
    /// 4 ⟨P(1|x) P(2|x)⟩ over both runs at equal weights: 1 for equal distributions, 0 for
    /// disjoint ones.
    pub overlap: f64,
}

/// Whether two runs are samples of one ensemble at two temperatures (or temperatures and
/// pressures).
///
/// <!-- math
/// \ln \frac{P_2(E,V)}{P_1(E,V)} = \mathrm{const} + (\beta_1 - \beta_2) E + (\beta_1 p_1 - \beta_2 p_2) V
/// -->
#[doc = include_str!("../math/equilibrium_thermal_5.html")]
///
/// whatever the density of states, so that a logistic regression of "which run" on E (and V) must
/// have these slopes. Fitted by maximum likelihood, without histograms, on data thinned to every (2g - 1)-th step. The
/// right slope is necessary and not sufficient; a finite learning rate shifts it by factors of
/// order η × curvature, so judge `fitted/expected` as well. Pending below 20 thinned values in a
/// run; undefined for constant runs and where the distributions do not overlap. Source: Shirts,
/// JCTC 9, 909 (2013).
///
/// # Errors
/// [`Error::NonFinite`], [`Error::Overflow`], [`Error::LengthMismatch`]; [`Error::OutOfRange`] for
/// a temperature that is not positive; [`Error::Conflict`] where one run alone has volumes.
///
/// ```
/// use thermograd::{equilibrium::{EnsembleRun, ensemble_test}, systems::Random};
/// // Two degrees of freedom: E = T (z₁² + z₂²)/2.
/// let mut random = Random::new(8);
/// let mut run = |t: f64| {
///     (0..4000).map(|_| 0.5 * t * (random.normal().powi(2) + random.normal().powi(2)))
///         .collect::<Vec<f64>>()
/// };
/// let (cold, hot) = (run(1.0), run(1.2));
/// let check = |t2: f64| ensemble_test(
///     &EnsembleRun::at_temperature(&cold, 1.0),
///     &EnsembleRun::at_temperature(&hot, t2),
/// );
/// assert!(check(1.2)?.ready().unwrap().energy.sigmas.abs() < 3.0);
/// assert!(check(1.5)?.ready().unwrap().energy.sigmas.abs() > 4.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn ensemble_test(
    first: &EnsembleRun<'_>,
    second: &EnsembleRun<'_>,
) -> Result<Reading<EnsembleCheck>, Error> {
    const FEWEST: usize = 20;
    first.check("first")?;
    second.check("second")?;
    if first.volumes.is_some() != second.volumes.is_some() {
        return Err(Error::Conflict {
            what: "volumes of one run of two",
            remedy: "give them for both runs or for neither",
        });
    }
    let shortest = first.energies.len().min(second.energies.len());
    if shortest < FEWEST {
        return Ok(Reading::Pending {
            seen: shortest as u64,
            needed: FEWEST as u64,
        });
    }
    let (Some(g1), Some(g2)) = (first.inefficiency(), second.inefficiency()) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let mut rows: Vec<(f64, f64, f64)> = Vec::new();
    let mut counts = [0_usize; 2];
    for (label, run, g, slot) in [(0.0, first, g1, 0), (1.0, second, g2, 1)] {
        for i in thinning(run.energies.len(), spacing(g), Spacing::Nearest)? {
            let energy = run.energies.get(i).copied().unwrap_or(0.0);
            let volume = run.volumes.and_then(|(v, _)| v.get(i).copied());
            rows.push((label, energy, volume.unwrap_or(0.0)));
            if let Some(n) = counts.get_mut(slot) {
                *n += 1;
            }
        }
    }
    let least = counts[0].min(counts[1]);
    if least < FEWEST {
        return Ok(Reading::Pending {
            seen: least as u64,
            needed: FEWEST as u64,
        });
    }
    let column = |of: fn(&(f64, f64, f64)) -> f64| rows.iter().map(of).collect::<Vec<f64>>();
    let Some(energies) = centred(&column(|r| r.1)) else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    let mut features = vec![(energies.values, energies.scale)];
    if first.volumes.is_some() {
        let Some(volumes) = centred(&column(|r| r.2)) else {
            return Ok(Reading::Undefined(CONSTANT));
        };
        features.push((volumes.values, volumes.scale));
    }
    let labels = column(|r| r.0);
    let Some((coefficients, covariance, overlap)) = logistic(&labels, &features, counts) else {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the distributions of the two runs do not overlap",
        )));
    };
    if overlap < 0.02 {
        return Ok(Reading::Undefined(Reason::Meaningless(
            "the distributions of the two runs hardly overlap",
        )));
    }
    let (beta1, beta2) = (first.temperature.recip(), second.temperature.recip());
    let mut expected = vec![beta1 - beta2];
    if let (Some((_, p1)), Some((_, p2))) = (first.volumes, second.volumes) {
        expected.push(beta1 * p1 - beta2 * p2);
    }
    let k = features.len();
    let n_eff = rows.len() as f64;
    let mut slopes = Vec::with_capacity(k);
    let mut away = DVector::zeros(k);
    for (i, ((_, scale), expected)) in features.iter().zip(&expected).enumerate() {
        let error = covariance[(i + 1, i + 1)].sqrt();
        away[i] = coefficients[i + 1] - expected * scale;
        slopes.push(Slope {
            fitted: Estimate {
                value: coefficients[i + 1] / scale,
                std_error: error / scale,
                n_eff,
            },
            expected: *expected,
            sigmas: away[i] / error,
        });
    }
    let block = covariance.view((1, 1), (k, k)).into_owned();
    let distance = match squared_distance(block, &away) {
        Ok(distance) => distance,
        Err(reason) => return Ok(Reading::Undefined(reason)),
    };
    let mut slopes = slopes.into_iter();
    let Some(energy) = slopes.next() else {
        return Ok(Reading::Undefined(CONSTANT));
    };
    Ok(Reading::Ready(EnsembleCheck {
        energy,
        volume: slopes.next(),
        p_value: law::chi_squared_upper(distance, k as f64),
        overlap,
    }))
}

/// The square of how far slopes are from what is expected, in units of their covariance.
fn squared_distance(covariance: DMatrix<f64>, away: &DVector<f64>) -> Result<f64, Reason> {
    let factor = covariance
        .cholesky()
        .ok_or(Reason::Degenerate("energy and volume are one variable"))?;
    let distance = away.dot(&factor.solve(away));
    if distance.is_finite() {
        Ok(distance)
    } else {
        Err(Reason::Meaningless(
            "temperatures and energies are too many orders of magnitude apart",
        ))
    }
}

/// Logistic regression by Newton's method: coefficients (intercept first), their covariance, and
/// the overlap of the two classes. `None` where it does not converge: separated classes.
fn logistic(
    labels: &[f64],
    features: &[(Vec<f64>, f64)],
    counts: [usize; 2],
) -> Option<(DVector<f64>, DMatrix<f64>, f64)> {
    let k = features.len() + 1;
    let prior = (counts[1] as f64 / counts[0] as f64).ln();
    let mut beta = DVector::zeros(k);
    beta[0] = prior;
    let row = |i: usize| {
        DVector::from_fn(k, |j, _| {
            j.checked_sub(1).map_or(1.0, |j| {
                features
                    .get(j)
                    .and_then(|(f, _)| f.get(i))
                    .copied()
                    .unwrap_or(0.0)
            })
        })
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for _ in 0..60 {
        let mut gradient = DVector::zeros(k);
        let mut information = DMatrix::zeros(k, k);
        for (i, label) in labels.iter().enumerate() {
            let x = row(i);
            let p = sigmoid(x.dot(&beta));
            gradient += (label - p) * &x;
            information += p * (1.0 - p) * &x * x.transpose();
        }
        let factor = information.clone().cholesky()?;
        let mut step = factor.solve(&gradient);
        // Far steps overshoot where the likelihood is flat.
        let length = step.amax();
        if length > 5.0 {
            step *= 5.0 / length;
        }
        beta += &step;
        if beta.iter().any(|b| !b.is_finite() || b.abs() > 1e4) {
            return None;
        }
        if length < 1e-10 {
            let overlap = (0..labels.len())
                .map(|i| {
                    let q = sigmoid(row(i).dot(&beta) - prior);
                    4.0 * q * (1.0 - q)
                })
                .sum::<f64>()
                / labels.len() as f64;
            return Some((beta, factor.inverse(), overlap));
        }
    }
    None
}

// ---------------------------------------------------------------------------------------------
// Detailed balance.

/// The area rate in one plane of principal components.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct AreaRate {
    /// The two components, 0 the one of largest variance.
    pub plane: (usize, usize),
    /// ½⟨w_i Δ_j - w_j Δ_i⟩ per step, in squared units of the coordinates.
    pub rate: Estimate,
    /// The same in units of √(λ_i λ_j): radians per step, about, of a rotation in this plane.
    pub angular: f64,
}

/// Outcome of [`area_rates`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Circulation {
    /// Every plane of the leading components.
    pub planes: Vec<AreaRate>,
    /// Variances of these components, largest first.
    pub variances: Vec<f64>,
    /// Chance, over all planes together, of rates as large without a current.
    pub p_value: f64,
    /// The largest |angular| rate: the effect size.
    pub largest_angular: f64,
}

/// A trajectory in its leading principal components.
struct Components {
    /// One series for each component, in units of √unit.
    scores: Vec<Vec<f64>>,
    /// Their variances in units of `unit`, largest first.
    variances: Vec<f64>,
    unit: f64,
}

/// The trajectory of checked, equal, non-empty coordinates in its leading components.
fn leading_components(coordinates: &[&[f64]], components: usize) -> Reading<Components> {
    let d = coordinates.len();
    let n = coordinates.first().map_or(0, |c| c.len());
    let centres: Vec<f64> = coordinates.iter().map(|c| mean(c)).collect();
    let largest = coordinates
        .iter()
        .zip(&centres)
        .flat_map(|(c, m)| c.iter().map(move |x| (x - m).abs()))
        .fold(0.0_f64, f64::max);
    if largest <= 0.0 {
        return Reading::Undefined(CONSTANT);
    }
    let scaled: Vec<Vec<f64>> = coordinates
        .iter()
        .zip(&centres)
        .map(|(c, m)| c.iter().map(|x| (x - m) / largest).collect())
        .collect();
    let mut covariance = DMatrix::zeros(d, d);
    for (i, a) in scaled.iter().enumerate() {
        for (j, b) in scaled.iter().enumerate().take(i + 1) {
            let c = support::dot(a, b) / n as f64;
            covariance[(i, j)] = c;
            covariance[(j, i)] = c;
        }
    }
    let Some(eigen) = SymmetricEigen::try_new(covariance, 1e-14, 10_000) else {
        return Reading::Undefined(Reason::Degenerate(
            "the covariance has no principal components",
        ));
    };
    let mut order: Vec<usize> = (0..d).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    order.truncate(components);
    let variances: Vec<f64> = order.iter().map(|i| eigen.eigenvalues[*i]).collect();
    if variances.iter().any(|v| *v <= 1e-14 * variances[0]) {
        return Reading::Undefined(Reason::Degenerate("a leading component has no variance"));
    }
    let scores = order
        .iter()
        .map(|&k| {
            let mut score = vec![0.0; n];
            for (i, coordinate) in scaled.iter().enumerate() {
                let weight = eigen.eigenvectors[(i, k)];
                for (s, x) in score.iter_mut().zip(coordinate) {
                    *s += weight * x;
                }
            }
            score
        })
        .collect();
    Reading::Ready(Components {
        scores,
        variances,
        unit: largest * largest,
    })
}

/// Probability currents: the rate at which a trajectory sweeps area in planes of its leading
/// principal components.
///
/// <!-- math
/// A_{ij} = \tfrac12 \langle w_i \Delta_j - w_j \Delta_i \rangle, \qquad \Delta = w_{t+1} - w_t
/// -->
#[doc = include_str!("../math/equilibrium_thermal_6.html")]
///
/// Zero in every plane if detailed balance holds, since time reversal turns its sign; a rate away
/// from zero is a current, and the state a non-equilibrium steady one, though stationary. For SGD
/// on a quadratic with Hessian A and noise Σ it vanishes exactly if A and Σ commute.
///
/// `coordinates` are series of equal length, one for each coordinate (at most 512: project a
/// larger model first); `components` of them are tested, 2 to 10. Errors are those of a block
/// bootstrap of the mean with blocks of at least `batch_length` × g, g that of the swept area; the bootstrap variance of a mean of b blocks is their variance over b exactly
/// (with b - 1 in place of b), so nothing is drawn. p-values are Student's with b - 1 degrees of
/// freedom, the smallest corrected for the number of planes (Bonferroni). Pending as for
/// [`drift`](super::drift); undefined where a component has no variance. Discrete momentum steps
/// break time reversal of positions alone: read the rate there as an effect size.
///
/// # Errors
/// [`Error::Empty`], [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`];
/// [`Error::OutOfRange`] for too many coordinates or a bad number of components.
///
/// ```
/// use thermograd::{equilibrium::{TestConfig, area_rates}, systems::Random};
/// // A damped rotation by 0.1 a step, kicked at random.
/// let (mut x, mut y, mut random) = (0.0, 0.0, Random::new(9));
/// let (mut xs, mut ys) = (vec![], vec![]);
/// for _ in 0..5000 {
///     let (c, s) = (0.1_f64.cos(), 0.1_f64.sin());
///     (x, y) = (0.8 * (c * x - s * y) + random.normal(), 0.8 * (s * x + c * y) + random.normal());
///     xs.push(x);
///     ys.push(y);
/// }
/// let found = area_rates(&[&xs, &ys], 2, &TestConfig::default())?;
/// let found = found.ready().unwrap();
/// assert!(found.p_value < 1e-6);
/// // The exact angular rate is 0.8 sin 0.1.
/// assert!((found.largest_angular - 0.0799).abs() < 0.02);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn area_rates(
    coordinates: &[&[f64]],
    components: usize,
    config: &TestConfig,
) -> Result<Reading<Circulation>, Error> {
    let n = check_equal("coordinate", coordinates)?;
    config.check()?;
    let d = coordinates.len();
    check_range("coordinates", d as f64, "2 to 512 of them", |_| {
        (2..=512).contains(&d)
    })?;
    check_range(
        "components",
        components as f64,
        "2 to 10, and no more than there are coordinates",
        |_| (2..=10).contains(&components) && components <= d,
    )?;
    if n < 3 {
        return Ok(Reading::Pending {
            seen: n as u64,
            needed: 3,
        });
    }
    let Components {
        scores,
        variances,
        unit,
    } = ready!(leading_components(coordinates, components));
    let mut n_eff = f64::INFINITY;
    for score in &scores {
        n_eff = n_eff.min(ready!(plan(score, config)).n_eff);
    }
    let mut planes = Vec::new();
    let mut least = 1.0_f64;
    for (i, (a, va)) in scores.iter().zip(&variances).enumerate() {
        for (j, (b, vb)) in scores.iter().zip(&variances).enumerate().skip(i + 1) {
            // w_i Δ_j - w_j Δ_i = w_i w_j' - w_j w_i'.
            let areas: Vec<f64> = a
                .windows(2)
                .zip(b.windows(2))
                .filter_map(|pair| match pair {
                    ([a0, a1], [b0, b1]) => Some(0.5 * (a0 * b1 - b0 * a1)),
                    _ => None,
                })
                .collect();
            // Areas forget faster than positions: their own memory sets the blocks.
            let means = batch_means(&areas, ready!(plan(&areas, config)).batches);
            let count = means.len() as f64;
            let (rate, error) = (mean(&means), (support::variance(&means) / count).sqrt());
            if error <= 0.0 {
                return Ok(Reading::Undefined(Reason::DividesByZero(
                    "the scatter of area rates",
                )));
            }
            least = least.min(law::student_two_sided(rate / error, count - 1.0));
            planes.push(AreaRate {
                plane: (i, j),
                rate: Estimate {
                    value: rate * unit,
                    std_error: error * unit,
                    n_eff,
                },
                angular: rate / (va * vb).sqrt(),
            });
        }
    }
    Ok(Reading::Ready(Circulation {
        p_value: (least * planes.len() as f64).min(1.0),
        largest_angular: planes.iter().fold(0.0, |m, p| m.max(p.angular.abs())),
        planes,
        variances: variances.iter().map(|v| v * unit).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::{kolmogorov_tail, lilliefors_p};

    #[test]
    fn kolmogorov_at_known_points() {
        // Both series, on both sides of where they meet.
        for (x, p) in [
            (0.5, 0.963_945_243_664_875),
            (0.8, 0.544_142_411_574_198),
            (1.2, 0.112_249_666_670_725),
            (2.0, 6.709_252_557_796_953e-4),
        ] {
            assert!((kolmogorov_tail(x) - p).abs() < 1e-12, "{x}");
        }
        assert!((kolmogorov_tail(1.0 - 1e-12) - kolmogorov_tail(1.0)).abs() < 1e-10);
    }

    #[test]
    fn lilliefors_at_its_published_points() {
        // Stephens (1974): 0.895 is the 5% point of the modified statistic.
        for n in [30.0_f64, 100.0, 1000.0] {
            let modified = n.sqrt() - 0.01 + 0.85 / n.sqrt();
            let p = lilliefors_p(0.895 / modified, n);
            assert!((p - 0.05).abs() < 0.001, "{n}: {p}");
        }
    }
}
