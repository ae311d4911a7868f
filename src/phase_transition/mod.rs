//! Which phase the network is in, and when it changes.
//!
//! A gas has directions at random and the energy of a random network; a condensate stays about one minimum; a transition
//! leads from one to the other, continuously or with a latent heat. The parts, all pure functions of series, snapshots or curves:
//!
//! | question | answered by | needs |
//! |---|---|---|
//! | how ordered is a window? | [`long_overlap`], [`participation_ratio`], [`step_alignment`], [`energy_fraction`] | snapshots; energies |
//! | which phase is it? | [`classify`] | the [`Evidence`] of a window, the classification before it |
//! | how strongly does it respond? | [`susceptibility`], [`heat_capacity`], [`binder_cumulant`] | a canonical series |
//! | what happens between the temperatures of the runs? | [`reweight`], [`MultiHistogram`] | canonical energies that overlap |
//! | where is the transition, of which order? | [`peak`], [`crossing`], [`latent_heat`], [`hysteresis`], [`ramp_trend`] | a family of runs, or ramps |
//! | when did something change, or is about to? | [`change_point`] | a series |
//!
//! When all of them lie: on a run that is not stationary. Every fluctuation formula presumes equilibrium, and what a run
//! never visited it cannot report: see the trapped gas under [`classify`].
//!
//! In a training loop an [`Observer`](crate::Observer) does it all: declare the energy of the gas, ask for events.
//!
//! ```
//! use thermograd::phase_transition::{Event, MonitorConfig};
//! use thermograd::{slices, Config, Estimate, Groups, Observer, Step, Symmetry};
//! let mut groups = Groups::new();
//! let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
//! // Guessing among ten classes.
//! let gas = Estimate { value: 10_f64.ln(), std_error: 0.0, n_eff: 1.0 };
//! // Alarms in time need every step.
//! let config = Config::every_step().monitor(MonitorConfig::default().gas_energy(gas));
//! let mut observer = Observer::with_config(groups, config)?;
//! # let (w, g) = (vec![0.1_f32; 64], vec![0.0_f32; 64]);
//! # for _ in 0..3 {
//! observer.observe(&Step::new(0.5).learning_rate(0.1), &slices(hidden, &w, &g))?;
//! for event in observer.events() {
//!     if let Event::Overheating { step, cause, .. } = event {
//!         println!("step {step}: lower the learning rate: {cause:?}");
//!     }
//! }
//! # }
//! println!("{:?}", observer.phase());
//! println!("{:?}", observer.order_parameters(hidden)?.long_overlap);
//! # Ok::<(), thermograd::Error>(())
//! ```

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
