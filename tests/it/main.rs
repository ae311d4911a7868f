//! One integration binary, a module for each law.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a test says what it expects by failing, and a law is told in one place"
)]

mod api;
mod calibration;
#[cfg(feature = "serde")]
mod checkpoint;
#[cfg(feature = "statistics")]
mod cooling;
#[cfg(feature = "statistics")]
mod correlation;
#[cfg(feature = "statistics")]
mod curvature;
#[cfg(feature = "statistics")]
mod diagram;
mod digits;
mod door;
#[cfg(feature = "statistics")]
mod engine;
#[cfg(feature = "statistics")]
mod entropy;
#[cfg(feature = "statistics")]
mod equilibrium;
#[cfg(feature = "statistics")]
mod events;
#[cfg(feature = "statistics")]
mod flatness;
mod formulas;
#[cfg(feature = "statistics")]
mod free_energy;
mod gas;
mod guide;
mod invariance;
#[cfg(feature = "statistics")]
mod law;
mod moments;
mod noise;
mod optimizers;
#[cfg(feature = "statistics")]
mod pass;
#[cfg(feature = "statistics")]
mod phase_transition;
mod report;
#[cfg(feature = "safetensors")]
mod series;
#[cfg(any(feature = "csv", feature = "json", feature = "tensorboard"))]
mod sinks;
mod systems;
mod thermometers;
#[cfg(feature = "statistics")]
mod verdict;
