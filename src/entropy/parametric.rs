//! Entropy of directions by a fitted von Mises-Fisher distribution.
//!
//! One parameter, the concentration κ, stands for the whole distribution: directions with density
//! ∝ `e^(κ m·x)`. The mean of N directions has length R, and the likelihood is largest where the
//! distribution's own mean length equals it (Mardia and Jupp, *Directional Statistics*, 10.3.1):
//!
//! <!-- math
//! A_d(\hat\kappa) = R, \qquad 1 - R^2 = \frac{1}{2 N^2} \sum_{ij} |\hat w_i - \hat w_j|^2 .
//! -->
#![doc = include_str!("../math/entropy_parametric.html")]
//!
//! The right-hand side needs the distances between directions alone and keeps its digits however
//! concentrated they are. R is biased upwards, E R² = A² + (1 − A²)/N, which for N < d is most of it;
//! the same sum over distinct pairs divided by N (N − 1) has no bias and is the default here.
//! Entropy and heat capacity are then those of
//! [`VonMisesFisher`](crate::systems::VonMisesFisher), the toy model of arXiv 2511.07308.
//!
//! When it lies: whenever the directions are not von Mises-Fisher. A cloud that is wide in a few
//! directions and narrow in others has far less entropy than the isotropic one of equal R. The fit
//! is an upper bound: of all densities with mean length R this has the largest entropy.

use super::distances::Distances;
use super::estimate::{Caveat, EntropyEstimate, Estimator};
use super::gaussian::Sampling;
use super::knn::Context;
use crate::systems::VonMisesFisher;
use crate::{Error, Estimate, Reading, Reason};

/// How the mean length of the distribution is estimated from N directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Resultant {
    /// Over distinct pairs: A² without bias at any N.
    #[default]
    DistinctPairs,
    /// The length of the mean direction: maximum likelihood, biased by (1 − A²)/N in the square.
    MaximumLikelihood,
}

/// A von Mises-Fisher distribution fitted to directions.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct VonMisesFisherFit {
    /// The concentration κ; zero where the directions are no more alike than uniform ones.
    pub concentration: Estimate,
    /// The mean length A of a direction along the mean direction, between 0 and 1.
    pub mean_resultant_length: Estimate,
    /// Entropy on the unit sphere, in nats.
    pub entropy: EntropyEstimate,
    /// Heat capacity of the linear loss with temperature 1/κ, in units of `k_B`.
    pub heat_capacity: Estimate,
}

/// The concentration κ at which the mean of 1 − m·x is `shortfall`: the inverse of
/// [`VonMisesFisher::energy`].
///
/// Given as 1 − A and not as A, so that κ = 10⁸ keeps its digits. Zero or more; 0 for a shortfall of
/// 1 or more.
///
/// ```
/// use thermograd::entropy::concentration;
/// use thermograd::systems::VonMisesFisher;
/// let shortfall = VonMisesFisher::new(10, 1e8)?.energy();
/// assert!((concentration(10, shortfall)? / 1e8 - 1.0).abs() < 1e-12);
/// // In three dimensions and for large κ, A = 1 − 1/κ.
/// assert!((concentration(3, 0.01)? - 100.0).abs() < 1e-10);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for d < 2 or a shortfall that is not positive.
pub fn concentration(dimension: usize, shortfall: f64) -> Result<f64, Error> {
    super::sphere::check_dimension(dimension, 2)?;
    if !(shortfall > 1e-140 && shortfall < f64::INFINITY) {
        return Err(Error::OutOfRange {
            what: "shortfall 1 - A of the mean direction",
            value: shortfall,
            allowed: "a finite number above 1e-140",
        });
    }
    let length = 1.0 - shortfall;
    if length <= 0.0 {
        return Ok(0.0);
    }
    let d = dimension as f64;
    // Exact at both ends, and within a few per cent between (Banerjee et al., JMLR 6, 1345 (2005)).
    let mut kappa = length * (d - length * length) / (shortfall * (1.0 + length));
    // Newton's method for the logarithm of A or of 1 − A, both nearly straight in ln κ.
    for _ in 0..60 {
        let system = VonMisesFisher::new(dimension, kappa)?;
        let (energy, resultant) = (system.energy(), system.mean_resultant_length());
        let slope = system.heat_capacity() / kappa; // dA / d ln κ
        let step = if shortfall < 0.5 {
            (energy / shortfall).ln() * energy / slope
        } else {
            -(resultant / length).ln() * resultant / slope
        };
        if !step.is_finite() {
            break;
        }
        kappa *= step.clamp(-2.0, 2.0).exp();
        if step.abs() < 1e-15 {
            break;
        }
    }
    Ok(kappa)
}

/// Fits a von Mises-Fisher distribution to the directions of the snapshots.
///
/// Error bars are by a jackknife over blocks of the trajectory.
///
/// ```
/// use thermograd::entropy::{Points, Resultant, Sampling, fit_von_mises_fisher};
/// // Four directions at ±0.1 from the pole along two axes: 1 − R² = mean chord²/2, so A = cos 0.1.
/// let (s, c) = 0.1_f64.sin_cos();
/// let points = Points::new(vec![s, 0., c, -s, 0., c, 0., s, c, 0., -s, c], 3)?;
/// let fit = fit_von_mises_fisher(
///     &points.distances()?,
///     Resultant::MaximumLikelihood,
///     Sampling::Independent,
/// );
/// let fit = fit.ready().unwrap().clone();
/// assert!((fit.mean_resultant_length.value - c).abs() < 1e-14);
/// assert!((fit.concentration.value * (1.0 - c) - 1.0).abs() < 1e-10);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn fit_von_mises_fisher(
    distances: &Distances<'_>,
    resultant: Resultant,
    sampling: Sampling,
) -> Reading<VonMisesFisherFit> {
    let d = distances.dimension();
    let directions = match distances.directions() {
        Reading::Ready(directions) => directions,
        Reading::Pending { seen, needed } => return Reading::Pending { seen, needed },
        Reading::Undefined(reason) => return Reading::Undefined(reason),
    };
    let mut context = match Context::of(&directions, sampling == Sampling::Independent) {
        Reading::Ready(context) => context,
        Reading::Pending { seen, needed } => return Reading::Pending { seen, needed },
        Reading::Undefined(reason) => return Reading::Undefined(reason),
    };
    // Sums of squared chords between blocks, and the whole.
    let (n, blocks) = (context.n, context.blocks);
    let block_of: Vec<usize> = (0..blocks)
        .flat_map(|b| {
            let (start, end) = context.block(b);
            std::iter::repeat_n(b, end - start)
        })
        .collect();
    let mut rows = vec![0.0; blocks];
    let mut own = vec![0.0; blocks];
    for i in 0..n {
        let (old, new) = directions.row(i);
        let b = block_of[i];
        for (j, &chord) in old.iter().chain(new).enumerate() {
            rows[b] += chord;
            if block_of[j] == b {
                own[b] += chord;
            }
        }
    }
    let total: f64 = rows.iter().sum();
    let fitted = |sum: f64, n: f64| -> Option<[f64; 4]> {
        let pairs = match resultant {
            Resultant::DistinctPairs => n * (n - 1.0),
            Resultant::MaximumLikelihood => n * n,
        };
        let complement = 0.5 * sum / pairs; // 1 − A²
        let length = (1.0 - complement).max(0.0).sqrt();
        let shortfall = if complement < 1.0 {
            complement / (1.0 + length)
        } else {
            1.0
        };
        let kappa = concentration(d, shortfall).ok()?;
        let system = VonMisesFisher::new(d, kappa).ok()?;
        Some([kappa, length, system.entropy(), system.heat_capacity()])
    };
    let equal = Reading::Undefined(Reason::Degenerate("all directions are equal"));
    let Some(values) = fitted(total, n as f64) else {
        return equal;
    };
    let mut without = Vec::with_capacity(blocks);
    for b in 0..blocks {
        let (start, end) = context.block(b);
        let sum = (total - 2.0 * rows[b] + own[b]).max(0.0);
        match fitted(sum, (n - (end - start)) as f64) {
            Some(values) => without.push(values),
            None => return equal,
        }
    }
    let error = |which: usize| {
        let parts: Vec<f64> = without.iter().map(|values| values[which]).collect();
        Context::jackknife(&parts)
    };
    let estimate = |which: usize| Estimate {
        value: values[which],
        std_error: error(which),
        n_eff: context.n_eff,
    };
    let (concentration, mean_resultant_length) = (estimate(0), estimate(1));
    let heat_capacity = estimate(3);
    let std_error = error(2);
    // One parameter asks for no number of snapshots per dimension.
    context
        .caveats
        .retain(|&caveat| caveat != Caveat::FewPerDimension);
    context.caveats.push(Caveat::Parametric);
    Reading::Ready(VonMisesFisherFit {
        concentration,
        mean_resultant_length,
        entropy: context.estimate(Estimator::VonMisesFisher, None, values[2], std_error),
        heat_capacity,
    })
}
