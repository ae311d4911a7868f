//! The whole spectrum of curvatures, and the trace of any function of the Hessian.
//!
//! A Lanczos iteration of m steps from a random unit vector v is a Gauss quadrature: with Ritz values θ and
//! the squared first components τ of their vectors
//!
//! <!-- math
//! v' f(H) v \approx \sum_j \tau_j f(\theta_j), \qquad \operatorname{tr} f(H) = d\, \mathrm{E}[v' f(H) v]
//! -->
#![doc = include_str!("../math/curvature_density.html")]
//!
//! exact for polynomials of degree 2m − 1 (Golub and Welsch 1969; Bai, Fahey and Golub 1996; for
//! networks Ghorbani, Krishnan and Xiao, arXiv 1901.10159). With a narrow Gaussian for f it is the
//! spectral density; with ln(h + γ) it is the log-determinant that entropies of a minimum need.
//!
//! The error has two parts. The scatter over probes is the standard error. The truncation of the
//! quadrature is estimated by repeating it with three quarters of the steps and reported beside; it
//! is what remains when probes are many, and large where f varies fast near the edge of the
//! spectrum, as a logarithm with a small γ does.
//!
//! It lies for fractions and densities of exactly degenerate parts: a quadrature resolves at most m
//! values, and the bulk near zero appears as a few spikes until it is broadened.

use super::lanczos::{Tridiagonal, UNSOLVED, check_steps, ritz};
use super::objective::{Cost, HessianVector};
use super::{Probe, check_dimension};
use crate::systems::Random;
use crate::{Error, Estimate, Reading, Reason};

/// How [`spectral_density`] probes.
///
/// ```
/// use thermograd::curvature::DensityConfig;
/// let config = DensityConfig::default().probes(10).steps(50).seed(3);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DensityConfig {
    probe: Probe,
    probes: usize,
    steps: usize,
    seed: u64,
}

impl Default for DensityConfig {
    fn default() -> Self {
        Self {
            probe: Probe::Rademacher,
            probes: 8,
            steps: 40,
            seed: 0,
        }
    }
}

impl DensityConfig {
    /// The law of the probes before they are normalised: signs by default.
    #[must_use]
    pub const fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// Random directions: 8 by default, at least 2, so that there is an error bar.
    #[must_use]
    pub const fn probes(mut self, probes: usize) -> Self {
        self.probes = probes;
        self
    }

    /// Lanczos steps a probe: 40 by default. As many vectors of the model's size are kept.
    #[must_use]
    pub const fn steps(mut self, steps: usize) -> Self {
        self.steps = steps;
        self
    }

    /// Seed of the probes.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// Nodes and weights of one quadrature; the weights add up to 1.
type Nodes = Vec<(f64, f64)>;

/// A spectrum as quadratures, one a probe ([`spectral_density`]).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct SpectralDensity {
    dimension: usize,
    fine: Vec<Nodes>,
    /// The same with three quarters of the steps.
    coarse: Vec<Nodes>,
    cost: Cost,
}

/// An estimate of tr f(H).
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TraceOf {
    /// The value with the standard error over probes; `n_eff` is their number.
    pub estimate: Estimate,
    /// The change from a quadrature of three quarters of the steps: the size of the truncation.
    pub truncation: f64,
}

impl SpectralDensity {
    /// The number d of curvatures.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// What it took: probes × steps products, fewer where a Krylov space closed.
    pub const fn cost(&self) -> Cost {
        self.cost
    }

    /// The nodes of all quadratures as (curvature, part of the spectrum); the parts add up to 1.
    pub fn nodes(&self) -> impl Iterator<Item = (f64, f64)> {
        let probes = self.fine.len() as f64;
        let all = self.fine.iter().flatten();
        all.map(move |&(curvature, weight)| (curvature, weight / probes))
    }

    /// tr f(H) = d Σ τ f(θ), averaged over probes.
    ///
    /// Undefined where f is not finite on a node that has a part in the spectrum.
    ///
    /// ```
    /// use thermograd::curvature::{DensityConfig, hessian_vector, spectral_density};
    /// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
    ///     (out[0], out[1]) = (1.0 * v[0], 4.0 * v[1]);
    ///     Ok::<(), std::fmt::Error>(())
    /// });
    /// let spectrum = spectral_density(&mut h, &DensityConfig::default())?;
    /// let root = spectrum.trace_of(f64::sqrt);
    /// assert!((root.ready().unwrap().estimate.value - 3.0).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn trace_of(&self, f: impl Fn(f64) -> f64) -> Reading<TraceOf> {
        const NOWHERE: Reason = Reason::Meaningless("the function is not finite on the spectrum");
        let mean = |of: &[Nodes]| {
            let values: Option<Vec<f64>> = of.iter().map(|nodes| integral(nodes, &f)).collect();
            values.map(|values| self.over_probes(&values))
        };
        let (Some(fine), Some(coarse)) = (mean(&self.fine), mean(&self.coarse)) else {
            return Reading::Undefined(NOWHERE);
        };
        if !(fine.value.is_finite() && fine.std_error.is_finite() && coarse.value.is_finite()) {
            return Reading::Undefined(NOWHERE);
        }
        Reading::Ready(TraceOf {
            estimate: fine,
            truncation: (fine.value - coarse.value).abs(),
        })
    }

    /// ln det(H + γ) in nats, with γ = `shift` in the unit of a curvature.
    ///
    /// Undefined where a curvature is not above −γ, by more than the rounding of the largest.
    ///
    /// ```
    /// use thermograd::curvature::{DensityConfig, hessian_vector, spectral_density};
    /// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
    ///     (out[0], out[1]) = (1.0 * v[0], 4.0 * v[1]);
    ///     Ok::<(), std::fmt::Error>(())
    /// });
    /// let spectrum = spectral_density(&mut h, &DensityConfig::default())?;
    /// let found = spectrum.ln_det(1.0)?;
    /// assert!((found.ready().unwrap().estimate.value - 10_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a shift that is negative or not finite.
    pub fn ln_det(&self, shift: f64) -> Result<Reading<TraceOf>, Error> {
        check_shift(shift)?;
        Ok(self.trace_of_stiffness(shift, f64::ln))
    }

    /// tr f(H + γ), undefined where a curvature is not above −γ.
    pub(crate) fn trace_of_stiffness(
        &self,
        shift: f64,
        f: impl Fn(f64) -> f64,
    ) -> Reading<TraceOf> {
        // A node is known to the rounding of the largest: below that a flat direction may look like one that rises.
        let all = self.fine.iter().chain(&self.coarse).flatten();
        let largest = all.fold(shift, |most, (h, _)| most.max(h.abs()));
        let least = 16.0 * f64::EPSILON * largest;
        let part = |h: f64| {
            if h + shift > least {
                f(h + shift)
            } else {
                f64::NAN
            }
        };
        match self.trace_of(part) {
            Reading::Undefined(_) => Reading::Undefined(FALLS),
            reading => reading,
        }
    }

    /// The part of the spectrum at or below a curvature, from 0 to 1.
    ///
    /// Undefined for a bound that is NaN.
    pub fn fraction_below(&self, curvature: f64) -> Reading<Estimate> {
        if curvature.is_nan() {
            return Reading::Undefined(Reason::Meaningless("a bound that is not a number"));
        }
        let below = |h: f64| if h <= curvature { 1.0 } else { 0.0 };
        self.per_coordinate(below)
    }

    /// The density of the spectrum at a curvature, broadened by a Gaussian of standard deviation
    /// `width`, in 1/curvature; its integral is 1.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a width that is not positive, or a curvature that is not finite.
    pub fn density(&self, curvature: f64, width: f64) -> Result<Reading<Estimate>, Error> {
        if !curvature.is_finite() {
            return Err(Error::OutOfRange {
                what: "curvature",
                value: curvature,
                allowed: "a finite number",
            });
        }
        if !(width > 1e-150 && width < 1e150) {
            return Err(Error::OutOfRange {
                what: "width of the broadening",
                value: width,
                allowed: "a positive number between 1e-150 and 1e150",
            });
        }
        let height = 1.0 / (width * (2.0 * std::f64::consts::PI).sqrt());
        Ok(self.per_coordinate(|h| height * (-0.5 * ((h - curvature) / width).powi(2)).exp()))
    }

    fn per_coordinate(&self, f: impl Fn(f64) -> f64) -> Reading<Estimate> {
        let d = self.dimension as f64;
        self.trace_of(f).map(|found| Estimate {
            value: found.estimate.value / d,
            std_error: found.estimate.std_error / d,
            n_eff: found.estimate.n_eff,
        })
    }

    /// d times the mean, with its standard error.
    fn over_probes(&self, values: &[f64]) -> Estimate {
        let (n, d) = (values.len() as f64, self.dimension as f64);
        let mean = values.iter().sum::<f64>() / n;
        let square: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Estimate {
            value: d * mean,
            std_error: d * (square / (n * (n - 1.0).max(1.0))).sqrt(),
            n_eff: n,
        }
    }
}

const FALLS: Reason = Reason::Degenerate("a direction in which the loss is flat or falls");

pub(crate) fn check_shift(shift: f64) -> Result<(), Error> {
    if (0.0..1e150).contains(&shift) {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what: "localisation",
            value: shift,
            allowed: "a finite curvature, 0 or more",
        })
    }
}

/// Σ τ f(θ), or `None` where f is not finite on a node that counts.
fn integral(nodes: &Nodes, f: impl Fn(f64) -> f64) -> Option<f64> {
    /// Smaller parts are the rounding of the eigenvectors.
    const NOTHING: f64 = 1e-14;
    let parts = nodes.iter().filter(|(_, weight)| *weight > NOTHING);
    let sum: f64 = parts.map(|&(h, weight)| weight * f(h)).sum();
    sum.is_finite().then_some(sum)
}

fn quadrature(krylov: &Tridiagonal, steps: usize) -> Option<Nodes> {
    let diagonal = krylov.diagonal.get(..steps)?;
    let (values, vectors) = ritz(diagonal, &krylov.coupling)?;
    let weight = |j: usize| vectors[(0, j)] * vectors[(0, j)];
    Some(
        values
            .iter()
            .enumerate()
            .map(|(j, &h)| (h, weight(j)))
            .collect(),
    )
}

/// The spectrum of a Hessian by stochastic Lanczos quadrature.
///
/// ```
/// use thermograd::curvature::{DensityConfig, hessian_vector, spectral_density};
/// // Three curvatures of 1 and one of 5.
/// let mut h = hessian_vector(4, |v: &[f64], out: &mut [f64]| {
///     out.copy_from_slice(v);
///     out[3] *= 5.0;
///     Ok::<(), std::fmt::Error>(())
/// });
/// let spectrum = spectral_density(&mut h, &DensityConfig::default())?;
/// let below = spectrum.fraction_below(2.0);
/// assert!((below.ready().unwrap().value - 0.75).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for the configuration, [`Error::Empty`] for a Hessian of dimension 0,
/// and what the closure returns: [`Error::Evaluation`], [`Error::NonFinite`], [`Error::Overflow`].
pub fn spectral_density<H: HessianVector + ?Sized>(
    hessian: &mut H,
    config: &DensityConfig,
) -> Result<SpectralDensity, Error> {
    check_steps(config.steps)?;
    if !(2..=1_000_000).contains(&config.probes) {
        return Err(Error::OutOfRange {
            what: "number of probes",
            value: config.probes as f64,
            allowed: "2 to 1000000",
        });
    }
    let dimension = check_dimension(hessian)?;
    let mut random = Random::new(config.seed);
    let mut cost = Cost::default();
    let mut image = vec![0.0; dimension];
    let (mut fine, mut coarse) = (Vec::new(), Vec::new());
    for _ in 0..config.probes {
        config.probe.draw(&mut random, &mut image);
        let mut krylov = Tridiagonal::starting_at(&image);
        let mut more = true;
        while more && krylov.diagonal.len() < config.steps {
            // A space that closes makes the quadrature exact: no new direction.
            more = krylov.step(hessian, &mut image, &mut cost, |_| false)?;
        }
        let m = krylov.diagonal.len();
        fine.push(quadrature(&krylov, m).ok_or(UNSOLVED)?);
        let fewer = if more { m - m / 4 } else { m };
        coarse.push(quadrature(&krylov, fewer).ok_or(UNSOLVED)?);
    }
    Ok(SpectralDensity {
        dimension,
        fine,
        coarse,
        cost,
    })
}
