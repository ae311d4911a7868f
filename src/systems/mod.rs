//! Systems with known answers: what every metric is checked against.
//!
//! | system | what is known of it |
//! |---|---|
//! | [`IsotropicGas`] | radius, temperature, compressibility factor, rotation and memory of a scale-invariant group; with a mean loss its state to first order in the step |
//! | [`HarmonicBath`] | every stationary second moment of momentum SGD on a quadratic, non-commuting noise included |
//! | [`Ar1`] | autocorrelation time of a series and the variance of its mean |
//! | [`VonMisesFisher`] | energy, entropy, heat capacity of a Gibbs measure on the sphere, and exact samples of it |
//!
//! They are public, so that a training loop can be rehearsed on one of them and the answer compared
//! before it is believed on a network. The first two share one shape: at each step look at the
//! weights and at the gradient drawn there, hand both to whatever observes, then call `step`.

pub mod ar1;
mod cooling;
mod curie_weiss;
pub mod gas_state;
pub mod harmonic;
mod instability;
mod ising;
pub mod isotropic_gas;
mod landscape;
mod levels;
mod p_spin;
pub(crate) mod quadrature;
mod saddle;
pub mod von_mises_fisher;

pub use crate::random::Random;
pub use ar1::{Ar1, Ar1Series};
pub use cooling::HarmonicCooling;
pub use curie_weiss::{
    CURIE_WEISS_CRITICAL_BINDER, CurieWeissSampler, curie_weiss, curie_weiss_limit,
};
pub use gas_state::GasState;
pub use harmonic::{HarmonicBath, HarmonicConfig, HarmonicMoments, HarmonicSampler};
pub use instability::{circle_cycle, heavy_ball_radius, regression_growth};
pub use ising::{ISING_CRITICAL_TEMPERATURE, ising_4x4, ising_energy, ising_magnetization};
pub use isotropic_gas::{GasProtocol, IsotropicGas, IsotropicGasConfig};
pub use landscape::{Landscape, LandscapeSgd, Moments, kramers_time, passage_time};
pub use levels::{Averages, Level, Levels};
pub use p_spin::{PSpin, PSpinAverages, PSpinSgd, Region, Start, Transition};
pub use saddle::{SaddleDescent, SaddleToSaddle};
pub use von_mises_fisher::VonMisesFisher;

/// Σ a b, in order.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
