//! Which phase the network is in, and when it changes.

pub mod change_point;

mod cloud;
mod event;
mod monitor;
mod order_parameter;
mod overheating;
mod phase;
mod response;
mod reweighting;
mod series;
mod transition;

pub(crate) use monitor::Monitor;

pub use event::{Cause, Event, Interval, Quantity};
pub use monitor::{MonitorConfig, OrderParameters};
pub use order_parameter::{
    EnergyScale, Overlap, energy_fraction, long_overlap, mean_resultant_length, overlap,
    overlap_at_lag, participation_ratio, replica_overlap, step_alignment,
};
pub use phase::{
    Classification, Criterion, Evidence, Ground, Phase, PhaseConfig, Witness, classify,
};
pub use response::{
    Conditions, binder_cumulant, heat_capacity, susceptibility, vector_binder_cumulant,
};
pub use reweighting::{MultiHistogram, Reweighted, Run, reweight};
pub use transition::{
    Branches, CurvePoint, Hysteresis, Peak, PeakScale, RampPoint, RampTrend, SlowRamp, crossing,
    hysteresis, latent_heat, peak, ramp_trend,
};
