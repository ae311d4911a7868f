//! The trace of a Hessian: the sum of all curvatures, from products with random directions.
//!
//! <!-- math
//! \operatorname{tr} H = \mathrm{E}[z' H z] \quad\text{for}\quad \mathrm{E}[z] = 0, \; \mathrm{E}[z z'] = 1
//! -->
#![doc = include_str!("../math/curvature_trace_1.html")]
//!
//! (Hutchinson 1990). One probe has the variance 2(|H|²_F − Σ H_ii²) for signs (Rademacher) and
//! 2|H|²_F for Gaussian entries: signs see a diagonal Hessian without any noise. Hutch++ (Meyer,
//! Musco, Musco and Woodruff, arXiv 2010.09649) takes the trace over the range Q of H S, S a few
//! random directions, exactly, and probes only what is left:
//!
//! <!-- math
//! \operatorname{tr} H = \operatorname{tr} Q' H Q + \mathrm{E}[z' (1 - Q Q') H (1 - Q Q') z]
//! -->
#![doc = include_str!("../math/curvature_trace_2.html")]
//!
//! which pays where few directions hold most of the curvature, as they do in networks.
//!
//! Probes are drawn until the standard error of their mean falls below the tolerance. Stopping by
//! one's own error bar prefers samples whose bar is small by chance, so no stop is allowed before
//! [`TraceConfig::least_probes`]; how far the bars can be believed then is measured (see there).
//!
//! The trace over d is the mean curvature h̄; T d/2 is what a bath at T holds above the minimum, and
//! √(T/h̄) how far a weight strays. It lies away from a minimum, where positive and negative
//! curvatures cancel, and it changes with the scale of the weights where the loss does not: on a
//! scale-invariant group compare r² tr H.

use super::objective::{Cost, HessianVector, product};
use super::{Coordinates, Probe, Subspace, check_dimension};
use crate::error::check_range;
use crate::sums::dot;
use crate::systems::Random;
use crate::{Error, Estimate};

/// How [`trace`] and [`traces`] probe, and when they stop.
///
/// ```
/// use thermograd::curvature::TraceConfig;
/// let config = TraceConfig::default().relative_error(0.01).most_probes(1000).seed(7);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TraceConfig {
    probe: Probe,
    sketch: usize,
    relative: f64,
    absolute: f64,
    least: usize,
    most: usize,
    seed: u64,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            probe: Probe::Rademacher,
            sketch: 0,
            relative: 0.05,
            absolute: 0.0,
            least: 16,
            most: 200,
            seed: 0,
        }
    }
}

impl TraceConfig {
    /// The law of the probes: signs by default.
    #[must_use]
    pub const fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// Hutch++ with this many sketched directions; 0, the default, is Hutchinson's estimator.
    ///
    /// Takes two products a direction, and as many vectors of the model's size in memory.
    #[must_use]
    pub const fn sketch(mut self, directions: usize) -> Self {
        self.sketch = directions;
        self
    }

    /// Stop where the standard error is below this part of the trace: 0.05 by default.
    #[must_use]
    pub const fn relative_error(mut self, tolerance: f64) -> Self {
        self.relative = tolerance;
        self
    }

    /// Stop where the standard error is below this, in the unit of a curvature: 0 by default.
    #[must_use]
    pub const fn absolute_error(mut self, tolerance: f64) -> Self {
        self.absolute = tolerance;
        self
    }

    /// Never stop before so many probes: 16 by default.
    ///
    /// Over 600 seeds of a Hessian of 40 curvatures between 1 and 2, stopped by its own error bar, z-scores had mean −0.07 and
    /// standard deviation 1.07; of one in which a single curvature holds most of the trace −0.24 and 1.26:
    /// samples that happen to miss it stop early. A sketch takes it out.
    #[must_use]
    pub const fn least_probes(mut self, probes: usize) -> Self {
        self.least = probes;
        self
    }

    /// Stop in any case after so many probes: 200 by default.
    #[must_use]
    pub const fn most_probes(mut self, probes: usize) -> Self {
        self.most = probes;
        self
    }

    /// Seed of the probes.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn check(&self) -> Result<(), Error> {
        let number =
            |what, value| check_range(what, value, "a finite number, 0 or more", |x| x >= 0.0);
        number("relative error of a trace", self.relative)?;
        number("absolute error of a trace", self.absolute)?;
        let count = |what, value: usize, least: usize, allowed| {
            check_range(what, value as f64, allowed, |_| {
                (least..=1_000_000).contains(&value)
            })
        };
        count("least number of probes", self.least, 2, "2 to 1000000")?;
        count(
            "largest number of probes",
            self.most,
            self.least,
            "at least the least number of probes, at most 1000000",
        )?;
        count(
            "number of sketched directions",
            self.sketch,
            0,
            "at most 1000000",
        )
    }

    /// Whether to look at the error bar after so many probes: at the least number and each time
    /// another quarter has come, since every look is a chance to stop at a bar that is too small.
    fn looks(&self, probes: u64) -> bool {
        let mut next = self.least as u64;
        while next < probes {
            next += (next / 4).max(1);
        }
        next == probes
    }

    fn met(&self, offset: f64, values: &Running) -> bool {
        let tolerance = (self.relative * (offset + values.mean).abs()).max(self.absolute);
        values.std_error() <= tolerance
    }
}

/// Whether an iteration met its tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Convergence {
    /// It did.
    Met,
    /// It ran out of what it was allowed; the error bar says how far it came.
    Exhausted,
}

/// The answer of [`trace`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Trace {
    /// tr H in the unit of a curvature, with the standard error over probes.
    ///
    /// `n_eff` is the number of probes. The error is exactly 0 where all probes agree: a
    /// diagonal Hessian under signs, or one that the sketch holds entirely.
    pub estimate: Estimate,
    /// The number d of curvatures in it.
    pub dimension: usize,
    /// Whether the tolerance was met.
    pub convergence: Convergence,
    /// What it took.
    pub cost: Cost,
}

impl Trace {
    /// The mean curvature tr H / d.
    pub fn mean_curvature(&self) -> Estimate {
        let d = self.dimension as f64;
        Estimate {
            value: self.estimate.value / d,
            std_error: self.estimate.std_error / d,
            n_eff: self.estimate.n_eff,
        }
    }
}

/// tr H by Hutchinson's estimator, or Hutch++ where the configuration sketches.
///
/// ```
/// use thermograd::curvature::{CentralDifference, TraceConfig, gradient, trace};
/// // L = (1 w₀² + 2 w₁² + 3 w₂²)/2: diagonal, so that every probe of signs says 6.
/// let bowl = gradient(|w: &[f64], g: &mut [f64]| {
///     (0..3).map(|i| { g[i] = (i + 1) as f64 * w[i]; 0.5 * g[i] * w[i] }).sum::<f64>()
/// });
/// let mut h = CentralDifference::new(bowl, &[1.0, 1.0, 1.0])?;
/// let found = trace(&mut h, &TraceConfig::default())?;
/// assert!((found.estimate.value - 6.0).abs() < 1e-9 && found.estimate.std_error < 1e-9);
/// // 16 probes of two gradients.
/// assert_eq!(found.cost.gradient_evaluations, 32);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for the configuration, [`Error::Empty`] for a Hessian of dimension 0,
/// and what the closure returns: [`Error::Evaluation`], [`Error::NonFinite`], [`Error::Overflow`].
pub fn trace<H: HessianVector + ?Sized>(
    hessian: &mut H,
    config: &TraceConfig,
) -> Result<Trace, Error> {
    config.check()?;
    let dimension = check_dimension(hessian)?;
    let mut random = Random::new(config.seed);
    let mut cost = Cost::default();
    let mut probe = vec![0.0; dimension];
    let mut image = vec![0.0; dimension];

    let mut range = Subspace::default();
    for _ in 0..config.sketch.min(dimension) {
        // Gaussian, whatever the probes: few signs are often dependent.
        Probe::Gaussian.draw(&mut random, &mut probe);
        product(hessian, &probe, &mut image, &mut cost)?;
        range.extend(&image);
    }
    let mut inside = 0.0;
    for q in range.vectors() {
        product(hessian, q, &mut image, &mut cost)?;
        inside += dot(q, &image);
    }
    // Nothing is left outside of a range that is everything.
    let (values, convergence) = if range.len() == dimension {
        (Running::default(), Convergence::Met)
    } else {
        let draw = |probe: &mut [f64]| {
            config.probe.draw(&mut random, probe);
            range.remove(probe);
        };
        probing(hessian, config, inside, draw, dot, &mut cost)?
    };
    Ok(Trace {
        estimate: values.estimate(inside),
        dimension,
        convergence,
        cost,
    })
}

/// The mean of a statistic of probe and product, drawn until its error meets the tolerance.
fn probing<H: HessianVector + ?Sized>(
    hessian: &mut H,
    config: &TraceConfig,
    offset: f64,
    mut draw: impl FnMut(&mut [f64]),
    statistic: impl Fn(&[f64], &[f64]) -> f64,
    cost: &mut Cost,
) -> Result<(Running, Convergence), Error> {
    let mut probe = vec![0.0; hessian.dimension()];
    let mut image = probe.clone();
    let mut values = Running::default();
    while values.count < config.most as u64 {
        draw(&mut probe);
        product(hessian, &probe, &mut image, cost)?;
        values.push(statistic(&probe, &image));
        if config.looks(values.count) && config.met(offset, &values) {
            return Ok((values, Convergence::Met));
        }
    }
    Ok((values, Convergence::Exhausted))
}

/// The traces of the diagonal blocks of several groups from the same products.
///
/// z_g'(Hz)_g has the mean tr H_gg: one product serves every group, at the price of noise that the
/// blocks off the diagonal add. Probes are drawn until every group meets the tolerance. The costs
/// of all answers are the same and were paid once. A sketch in the configuration is not used.
///
/// ```
/// use thermograd::curvature::{Coordinates, TraceConfig, hessian_vector, traces};
/// let mut h = hessian_vector(3, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1], out[2]) = (v[0], 2.0 * v[1], 3.0 * v[2]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// let layers = [Coordinates::range(0..1)?, Coordinates::range(1..3)?];
/// let found = traces(&mut h, &layers, &TraceConfig::default())?;
/// assert_eq!((found[0].estimate.value, found[1].estimate.value), (1.0, 5.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Those of [`trace`], and [`Error::LengthMismatch`] for a group beyond the last coordinate.
pub fn traces<H: HessianVector + ?Sized>(
    hessian: &mut H,
    groups: &[Coordinates],
    config: &TraceConfig,
) -> Result<Vec<Trace>, Error> {
    config.check()?;
    let dimension = check_dimension(hessian)?;
    for group in groups {
        group.check(dimension)?;
    }
    let mut random = Random::new(config.seed);
    let mut cost = Cost::default();
    let mut probe = vec![0.0; dimension];
    let mut image = vec![0.0; dimension];
    let mut values = vec![Running::default(); groups.len()];
    let mut seen = 0;
    while seen < config.most && !groups.is_empty() {
        config.probe.draw(&mut random, &mut probe);
        product(hessian, &probe, &mut image, &mut cost)?;
        seen += 1;
        for (group, values) in groups.iter().zip(&mut values) {
            let (z, hz) = (group.iter_of(&probe), group.iter_of(&image));
            values.push(z.zip(hz).map(|(z, hz)| z * hz).sum());
        }
        if config.looks(seen as u64) && values.iter().all(|v| config.met(0.0, v)) {
            break;
        }
    }
    let answer = |(group, values): (&Coordinates, &Running)| Trace {
        estimate: values.estimate(0.0),
        dimension: group.len(),
        convergence: if config.met(0.0, values) {
            Convergence::Met
        } else {
            Convergence::Exhausted
        },
        cost,
    };
    Ok(groups.iter().zip(&values).map(answer).collect())
}

/// The squared Frobenius norm |H|²_F = Σ h² = E|Hz|²: with the trace it tells how uneven curvature is.
///
/// (tr H)²/|H|²_F is the number of directions that share the curvature, d if all are equal. A sketch
/// in the configuration is not used.
///
/// ```
/// use thermograd::curvature::{TraceConfig, frobenius_squared, hessian_vector};
/// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1]) = (3.0 * v[0], 4.0 * v[1]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// assert_eq!(frobenius_squared(&mut h, &TraceConfig::default())?.estimate.value, 25.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// Those of [`trace`].
pub fn frobenius_squared<H: HessianVector + ?Sized>(
    hessian: &mut H,
    config: &TraceConfig,
) -> Result<Trace, Error> {
    config.check()?;
    let dimension = check_dimension(hessian)?;
    let mut random = Random::new(config.seed);
    let mut cost = Cost::default();
    let draw = |probe: &mut [f64]| config.probe.draw(&mut random, probe);
    let square = |_: &[f64], image: &[f64]| dot(image, image);
    let (values, convergence) = probing(hessian, config, 0.0, draw, square, &mut cost)?;
    Ok(Trace {
        estimate: values.estimate(0.0),
        dimension,
        convergence,
        cost,
    })
}

/// Mean and squared deviations of what was pushed (Welford).
#[derive(Debug, Clone, Copy, Default)]
struct Running {
    count: u64,
    mean: f64,
    squares: f64,
}

impl Running {
    fn push(&mut self, x: f64) {
        self.count += 1;
        let before = x - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (x - self.mean);
    }

    fn std_error(&self) -> f64 {
        if self.count < 2 {
            return 0.0;
        }
        let n = self.count as f64;
        (self.squares / (n * (n - 1.0))).max(0.0).sqrt()
    }

    fn estimate(&self, offset: f64) -> Estimate {
        Estimate {
            value: offset + self.mean,
            std_error: self.std_error(),
            n_eff: self.count as f64,
        }
    }
}
