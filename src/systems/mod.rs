//! Systems with known answers: what every metric is checked against.
//!
//! | system | what is known of it |
//! |---|---|
//! | [`IsotropicGas`] | radius, temperature, compressibility factor, rotation and memory of a scale-invariant group |
//! | [`HarmonicBath`] | every stationary second moment of momentum SGD on a quadratic, non-commuting noise included |
//! | [`Ar1`] | autocorrelation time of a series and the variance of its mean |
//! | [`VonMisesFisher`] | energy, entropy, heat capacity of a Gibbs measure on the sphere, and exact samples of it |
//!
//! They are public, so that a training loop can be rehearsed on one of them and the answer compared
//! before it is believed on a network. The first two share one shape: at each step look at the
//! weights and at the gradient drawn there, hand both to whatever observes, then call `step`.

pub mod ar1;
pub mod harmonic;
pub mod isotropic_gas;
pub mod von_mises_fisher;

pub use crate::random::Random;
pub use ar1::{Ar1, Ar1Series};
pub use harmonic::{HarmonicBath, HarmonicConfig, HarmonicMoments, HarmonicSampler};
pub use isotropic_gas::{IsotropicGas, IsotropicGasConfig, Protocol};
pub use von_mises_fisher::VonMisesFisher;

use crate::Error;

/// Where weight decay enters the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Decay {
    /// λ w is added to the gradient, before momentum: L₂ regularisation.
    #[default]
    Coupled,
    /// The weights shrink by 1 − η λ beside the step, past momentum.
    Decoupled,
}

/// How momentum enters the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Momentum {
    /// v′ = μ v + (1 − τ) g, then w′ = w − η v′.
    #[default]
    HeavyBall,
    /// v′ = μ v + g, then w′ = w − η (g + μ v′): the convention of `PyTorch`, no dampening.
    Nesterov,
}

/// A number that must be finite and satisfy `ok`.
fn check(
    what: &'static str,
    value: f64,
    allowed: &'static str,
    ok: impl FnOnce(f64) -> bool,
) -> Result<(), Error> {
    if value.is_finite() && ok(value) {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what,
            value,
            allowed,
        })
    }
}

/// Σ a b, in order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
