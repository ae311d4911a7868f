//! Cooling: how far a schedule stays behind its bath, what that costs, and schedules that look.
//!
//! A learning-rate schedule lowers the temperature of the bath. Whether the network follows is a
//! matter of relaxation times.
//!
//! - [`analysis`]: after a run, or during it: thermodynamic length and speed, lag, fictive
//!   temperature, the point of freezing, dissipation against its least value;
//! - [`caloric`]: what the analysis compares with, the energy of equilibrium at each temperature;
//! - [`control`]: schedules that read an observer and answer with hyper-parameters: small state
//!   machines without a framework, with bounds, and with a mode that advises only.
//!
//! Time is counted in optimiser steps; energies and temperatures have the unit of the loss,
//! entropies are in nats.

pub mod analysis;
pub mod caloric;
pub mod control;

pub use analysis::{
    Assessment, CoolingPoint, CoolingRecord, Fluctuations, FreezeOut, Regime, energy_fluctuations,
};
pub use caloric::CaloricCurve;
pub use control::{
    Action, BatchGrowth, Bounds, ConstantSpeed, Controller, DecayAdvice, Decision,
    EquilibriumTriggered, HyperParameters, Mode, Schedule, Signals, State, decay_advice,
};
