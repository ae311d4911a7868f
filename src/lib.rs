//! Thermodynamic training metrics.

mod error;
mod estimate;
mod random;

#[cfg(feature = "statistics")]
pub mod entropy;
#[cfg(feature = "statistics")]
pub mod equilibrium;
#[cfg(feature = "statistics")]
pub mod phase_transition;
pub mod systems;

pub use error::Error;
pub use estimate::{Estimate, Reading, Reason};
