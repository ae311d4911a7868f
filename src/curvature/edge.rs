//! Curvature along the update, and how far a step is from the edge of stability.
//!
//! Gradient descent with learning rate η and heavy-ball momentum μ amplifies a mode of curvature h
//! once h > 2(1 + μ)/η. In units of that bound
//!
//! <!-- math
//! e(h) = \frac{\eta h}{2(1 + \mu)}
//! -->
#![doc = include_str!("../math/curvature_edge_1.html")]
//!
//! is 0 for small steps and 1 at the edge. There are two curvatures to put in. The largest one (by
//! [`extremes`](super::extremes)) says when the first mode goes; networks trained with large batches hover there
//! (Cohen et al., arXiv 2103.00065). The curvature along the update Δ, averaged as a ratio of means,
//!
//! <!-- math
//! e = \frac{\eta \langle \Delta' H \Delta \rangle}{2(1 + \mu) \langle |\Delta|^2 \rangle} = 1 - \frac{T_\mathrm{mid}}{T_\mathrm{kin}}
//! -->
#![doc = include_str!("../math/curvature_edge_2.html")]
//!
//! equals the edge ratio that the observer reads off the motion for nothing
//! ([`temperature::edge_ratio`](crate::temperature::edge_ratio)), in every stationary state of a
//! quadratic loss whatever the noise: stationarity of ⟨w'Hw⟩ gives 2⟨Δ₋₁'Hw⟩ = ⟨Δ'HΔ⟩, and the
//! update rule then ⟨Δ·Δ₋₁⟩ = μ⟨|Δ|²⟩ − η⟨Δ'HΔ⟩/2. Where the two differ, the state drifts or the
//! loss is not quadratic over a step.
//!
//! The first is 1 or more away from trouble only in its own mode; the second is an average over modes by how
//! much they move, always at or below the first. It lies for optimisers other than SGD with heavy ball, for which the
//! curvature that counts is that of the preconditioned Hessian.

use super::objective::{Cost, HessianVector, check_length, check_within, norm, product};
use super::{Extremes, check_dimension};
use crate::equilibrium::{Dynamics, Truncation, correlated_mean};
use crate::sums::dot;
use crate::{Error, Estimate, Reading, Reason};

/// The curvature along one direction ([`sharpness`]).
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Sharpness {
    /// Δ'HΔ, in the unit of the loss.
    pub quadratic_form: f64,
    /// |Δ|².
    pub squared_length: f64,
    /// One product.
    pub cost: Cost,
}

impl Sharpness {
    /// Δ'HΔ/|Δ|²; undefined for a direction of length 0.
    pub fn curvature(&self) -> Reading<f64> {
        if self.squared_length > 0.0 {
            Reading::Ready(self.quadratic_form / self.squared_length)
        } else {
            Reading::Undefined(Reason::DividesByZero("the length of the direction"))
        }
    }
}

/// The curvature along a direction: the update, the gradient, the way to another minimum.
///
/// ```
/// use thermograd::curvature::{hessian_vector, sharpness};
/// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1]) = (1.0 * v[0], 4.0 * v[1]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// // (1 + 4)/2.
/// let along = sharpness(&mut h, &[1.0, 1.0])?.curvature();
/// assert!((along.ready().unwrap() - 2.5).abs() < 1e-14);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::LengthMismatch`], [`Error::NonFinite`], [`Error::Overflow`] for the direction, [`Error::Empty`] for a
/// Hessian of dimension 0, and what the closure returns.
pub fn sharpness<H: HessianVector + ?Sized>(
    hessian: &mut H,
    direction: &[f64],
) -> Result<Sharpness, Error> {
    let dimension = check_dimension(hessian)?;
    check_length("the direction", dimension, direction.len())?;
    check_within("the direction", direction, 1e100)?;
    let mut cost = Cost::default();
    let length = norm(direction);
    if length == 0.0 {
        return Ok(Sharpness {
            quadratic_form: 0.0,
            squared_length: 0.0,
            cost,
        });
    }
    let unit: Vec<f64> = direction.iter().map(|x| x / length).collect();
    let mut image = vec![0.0; dimension];
    product(hessian, &unit, &mut image, &mut cost)?;
    let squared_length = length * length;
    Ok(Sharpness {
        quadratic_form: dot(&unit, &image) * squared_length,
        squared_length,
        cost,
    })
}

/// The edge ratio e from the curvature along successive updates, with its error bar.
///
/// A ratio of means, by the autocorrelated error of its linearisation. Compare it with
/// [`temperature::edge_ratio`](crate::temperature::edge_ratio) of the same steps. Pending below 8 updates, undefined where
/// nothing moved, or where all updates say the same, which leaves no error bar.
///
/// ```
/// use thermograd::curvature::{Dynamics, edge_ratio, hessian_vector, sharpness};
/// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1]) = (2.0 * v[0], 4.0 * v[1]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// let updates = [[1.0, 0.0], [0.0, 1.0]].repeat(8);
/// let along: Result<Vec<_>, _> = updates.iter().map(|u| sharpness(&mut h, u)).collect();
/// // η ⟨3⟩ / 2.
/// let e = edge_ratio(&along?, Dynamics::learning_rate(0.1))?;
/// assert!((e.ready().unwrap().value - 0.15).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for learning rate or momentum; [`Error::NonFinite`] and [`Error::Overflow`] for values made by hand.
pub fn edge_ratio(along: &[Sharpness], dynamics: Dynamics) -> Result<Reading<Estimate>, Error> {
    const FEWEST: usize = 8;
    let critical = dynamics.critical_curvature()?;
    if along.len() < FEWEST {
        return Ok(Reading::Pending {
            seen: along.len() as u64,
            needed: FEWEST as u64,
        });
    }
    let n = along.len() as f64;
    let mean = |of: fn(&Sharpness) -> f64| along.iter().map(of).sum::<f64>() / n;
    let square = mean(|s| s.squared_length);
    Error::check_finite("squared lengths of the updates", &[square])?;
    if square <= 0.0 {
        return Ok(Reading::Undefined(Reason::DividesByZero(
            "the length of the updates",
        )));
    }
    let ratio = mean(|s| s.quadratic_form) / square;
    let residuals: Vec<f64> = along
        .iter()
        .map(|s| (s.quadratic_form - ratio * s.squared_length) / square)
        .collect();
    let scatter = correlated_mean(&residuals, Truncation::InitialPositive)?;
    Ok(scatter.map(|scatter| Estimate {
        value: ratio / critical,
        std_error: scatter.std_error / critical,
        n_eff: scatter.n_eff,
    }))
}

/// How far the largest curvature is from the edge ([`edge_of_stability`]).
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EdgeOfStability {
    /// The curvature at which a mode becomes unstable, 2(1 + μ)/η.
    pub critical: f64,
    /// The largest curvature over the critical one: 1 at the edge.
    pub ratio: f64,
    /// 1 − ratio: negative beyond the edge.
    pub margin: f64,
    /// A bound on the error of both, from the residual of the eigenvalue.
    pub bound: f64,
}

/// The margin to the edge of stability, from the largest curvature.
///
/// ```
/// use thermograd::curvature::{LanczosConfig, Dynamics, edge_of_stability, extremes, hessian_vector};
/// let mut h = hessian_vector(2, |v: &[f64], out: &mut [f64]| {
///     (out[0], out[1]) = (1.0 * v[0], 15.0 * v[1]);
///     Ok::<(), std::fmt::Error>(())
/// });
/// let found = extremes(&mut h, &LanczosConfig::default())?;
/// // The edge is at 2/0.1 = 20.
/// let edge = edge_of_stability(&found, Dynamics::learning_rate(0.1))?;
/// assert!((edge.ready().unwrap().margin - 0.25).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined where no largest eigenvalue was asked for.
///
/// # Errors
/// [`Error::OutOfRange`] for learning rate or momentum.
pub fn edge_of_stability(
    extremes: &Extremes,
    dynamics: Dynamics,
) -> Result<Reading<EdgeOfStability>, Error> {
    let critical = dynamics.critical_curvature()?;
    Ok(extremes.top().map_or(
        Reading::Undefined(Reason::Missing("the largest eigenvalue")),
        |top| {
            let ratio = top.value / critical;
            Reading::Ready(EdgeOfStability {
                critical,
                ratio,
                margin: 1.0 - ratio,
                bound: top.residual / critical,
            })
        },
    ))
}
