//! Systems with known answers: what every metric is checked against.

pub use crate::random::Random;

pub(crate) mod quadrature;

mod curie_weiss;
mod instability;
mod ising;
mod landscape;
mod levels;
mod p_spin;
mod saddle;

pub use curie_weiss::{
    CURIE_WEISS_CRITICAL_BINDER, CurieWeissSampler, curie_weiss, curie_weiss_limit,
};
pub use instability::{circle_cycle, heavy_ball_radius, regression_growth};
pub use ising::{ISING_CRITICAL_TEMPERATURE, ising_4x4, ising_energy, ising_magnetization};
pub use landscape::{Landscape, LandscapeSgd, Moments, kramers_time, passage_time};
pub use levels::{Averages, Level, Levels};
pub use p_spin::{PSpin, PSpinAverages, PSpinSgd, Region, Start, Transition};
pub use saddle::{SaddleDescent, SaddleToSaddle};
