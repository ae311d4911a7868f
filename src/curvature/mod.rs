//! Curvature of the loss at a point, through closures: how sharp a minimum is, and in how many
//! directions.
//!
//! Give a gradient, or a Hessian-vector product, as a closure over flat slices (see
//! [`Objective`]); weights are read and never changed.
//!
//! | function | answers | gradient evaluations by central differences |
//! |---|---|---|
//! | [`trace()`], [`traces`] | tr H with an error bar, of the whole and of groups | 2 a probe, to tolerance; Hutch++ adds 4 a sketched direction |
//! | [`frobenius_squared`] | Σ h² | 2 a probe |
//! | [`extremes`] | the largest and the smallest curvatures | 2 a Lanczos step |
//! | [`spectral_density`] | the whole spectrum, tr f(H), ln det | 2 × probes × steps |
//! | [`sharpness`] | curvature along a direction, as the update | 2 |
//! | [`edge_of_stability`] | how far the largest curvature is from 2(1 + μ)/η | none beyond [`extremes`] |
//!
//! Each answer carries its [`Cost`]. For one group restrict the closure by [`Coordinates`].
//!
//! ```
//! use thermograd::curvature::{CentralDifference, TraceConfig, gradient, trace};
//! // In a framework: set the weights, run forward and backward on one fixed batch, copy out.
//! let model = gradient(|w: &[f64], g: &mut [f64]| {
//!     g.copy_from_slice(w);
//!     0.5 * w.iter().map(|w| w * w).sum::<f64>()
//! });
//! let mut hessian = CentralDifference::new(model, &[0.3, -0.1, 0.2])?;
//! let found = trace(&mut hessian, &TraceConfig::default())?;
//! assert!((found.estimate.value - 3.0).abs() < 1e-8);
//! # Ok::<(), thermograd::Error>(())
//! ```

mod coordinates;
mod density;
mod edge;
mod lanczos;
pub(crate) mod objective;
mod trace;

pub use crate::equilibrium::Dynamics;
pub use coordinates::{Block, Coordinates, Restricted, RestrictedLoss};
pub(crate) use density::check_shift;
pub use density::{DensityConfig, SpectralDensity, TraceOf, spectral_density};
pub use edge::{EdgeOfStability, Sharpness, edge_of_stability, edge_ratio, sharpness};
pub use lanczos::{Eigenpair, Extremes, LanczosConfig, extremes};
pub use objective::{
    CentralDifference, Cost, Gradient, GradientF32, HessianVector, Loss, LossOf, LossOfF32,
    LossValue, Objective, Product, gradient, gradient_f32, hessian_vector, loss, loss_f32,
};
pub use trace::{Convergence, Trace, TraceConfig, frobenius_squared, trace, traces};

use crate::Error;
use crate::sums::dot;
use crate::systems::Random;
use objective::norm;

/// The law of random directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Probe {
    /// Independent signs, ±1 with equal odds: no variance from the diagonal.
    #[default]
    Rademacher,
    /// Independent standard normal entries: the same law in every basis.
    Gaussian,
}

impl Probe {
    pub(crate) fn draw(self, random: &mut Random, out: &mut [f64]) {
        match self {
            Self::Gaussian => out.fill_with(|| random.normal()),
            Self::Rademacher => {
                for chunk in out.chunks_mut(64) {
                    let mut bits = random.bits();
                    for x in chunk {
                        *x = if bits & 1 == 0 { 1.0 } else { -1.0 };
                        bits >>= 1;
                    }
                }
            }
        }
    }
}

/// An orthonormal basis that grows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Subspace {
    basis: Vec<Vec<f64>>,
}

impl Subspace {
    pub(crate) fn len(&self) -> usize {
        self.basis.len()
    }

    pub(crate) fn vectors(&self) -> &[Vec<f64>] {
        &self.basis
    }

    /// Takes the part within the subspace out of `v`; twice, since once leaves rounding times what
    /// was taken out.
    pub(crate) fn remove(&self, v: &mut [f64]) {
        for _ in 0..2 {
            for q in &self.basis {
                let along = dot(q, v);
                for (x, q) in v.iter_mut().zip(q) {
                    *x -= along * q;
                }
            }
        }
    }

    /// Adds the direction of `v` that is new; its length before normalisation, 0 where there was
    /// nothing but rounding and nothing was added.
    pub(crate) fn extend(&mut self, v: &[f64]) -> f64 {
        let mut rest = v.to_vec();
        self.remove(&mut rest);
        let left = norm(&rest);
        if left <= 64.0 * f64::EPSILON * norm(v) {
            return 0.0;
        }
        for x in &mut rest {
            *x /= left;
        }
        // Normalising a small remainder amplifies what it still has within.
        self.remove(&mut rest);
        let again = norm(&rest);
        for x in &mut rest {
            *x /= again;
        }
        self.basis.push(rest);
        left
    }
}

fn check_dimension<H: HessianVector + ?Sized>(hessian: &H) -> Result<usize, Error> {
    match hessian.dimension() {
        0 => Err(Error::Empty {
            place: "the Hessian".to_owned(),
            remedy: "give one of at least one weight",
        }),
        dimension => Ok(dimension),
    }
}
