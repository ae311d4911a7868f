//! One integration binary, a module for each law.

mod digits;
#[cfg(feature = "statistics")]
mod entropy;
#[cfg(feature = "statistics")]
mod equilibrium;
#[cfg(feature = "statistics")]
mod phase_transition;
mod systems;
