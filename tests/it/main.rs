//! One integration binary, a module for each law.

#[cfg(feature = "statistics")]
mod entropy;
#[cfg(feature = "statistics")]
mod equilibrium;
#[cfg(feature = "statistics")]
mod phase_transition;
mod systems;
