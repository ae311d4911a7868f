//! One integration binary, a module for each law.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test says what it expects by failing, and a law is told in one place"
)]

mod calibration;
#[cfg(feature = "serde")]
mod checkpoint;
mod digits;
mod door;
#[cfg(feature = "statistics")]
mod entropy;
#[cfg(feature = "statistics")]
mod equilibrium;
#[cfg(feature = "statistics")]
mod events;
#[cfg(feature = "statistics")]
mod free_energy;
mod gas;
mod noise;
mod optimizers;
#[cfg(feature = "statistics")]
mod pass;
mod phase_transition;
mod report;
mod systems;
mod thermometers;
#[cfg(feature = "statistics")]
mod verdict;
