//! Which phase the network is in, and when it changes.

pub mod change_point;

mod response;
mod reweighting;
mod series;
mod transition;

pub use response::{
    Conditions, binder_cumulant, heat_capacity, susceptibility, vector_binder_cumulant,
};
pub use reweighting::{MultiHistogram, Reweighted, Run, reweight};
pub use transition::{
    Branches, CurvePoint, Hysteresis, Peak, PeakScale, RampPoint, RampTrend, SlowRamp, crossing,
    hysteresis, latent_heat, peak, ramp_trend,
};
