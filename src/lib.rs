//! Thermodynamic training metrics: how hot, how dense and how settled a network in training is.
//!
//! Training by SGD is a heat bath. The weights are the particles of a gas; learning rate and batch
//! size set its temperature, weight decay its pressure, and the loss is its energy. Layers with
//! normalisation are an ideal gas, pV = RT (arXiv 2511.07308); any other layer is a real one. This
//! crate takes snapshots of parameters and gradients from any training loop and returns these
//! quantities, per group of parameters, each with an error bar.
//!
//! # Quickstart
//! ```
//! use thermograd::{slices, Groups, Observer, Step, Symmetry};
//! let mut groups = Groups::new();
//! let hidden = groups.add("hidden", Symmetry::ScaleInvariant);
//! // Looks at 4 steps in 64: see Config for how often, and over how many.
//! let mut observer = Observer::new(groups)?;
//! # let (w, g) = (vec![0.1_f32; 64], vec![0.0_f32; 64]);
//! # for _ in 0..3 {
//! // in the loop, after the backward pass and before the update:
//! let step = Step::new(0.5).learning_rate(0.1).weight_decay(1e-3).batch_size(128);
//! observer.observe(&step, &slices(hidden, &w, &g))?;
//! # }
//! // now and then:
//! println!("{}", observer.report());
//! # Ok::<(), thermograd::Error>(())
//! ```
//!
//! New here? [`guide::first_steps`] explains a report line by line, [`guide::diagnosis`] goes from
//! symptoms ("my loss plateaued", "which batch size") to readings and remedies, and
//! [`guide::metrics`] has every reading with its formula, its source, and when it lies.
//!
//! # How it is built
//! Three decisions carry the crate.
//! 1. Reduction is a monoid homomorphism, in space and in time. [`Sums`] (one group, one step) merge
//!    over pieces, threads, devices and shards; an [`Ensemble`] (one group, many steps) merges over
//!    steps. Both hold sums and nothing else.
//! 2. The element type is a value, [`View`], and not a type parameter. After the pass everything is
//!    `f64`.
//! 3. A metric is a plain function of an [`Ensemble`]; its error bar comes from one mechanism, the
//!    jackknife over blocks of steps. Each formula stands in one place, and the [`Observer`] holds
//!    none.
//!
//! # Conventions
//! - The loss is the mean over the batch. The gradient g is its gradient, *without* weight decay.
//! - k_B = 1: temperature has the unit of the loss. Entropy is in nats.
//! - Volume V = |w|²/2, so that weight decay (λ/2)|w|² is the energy pV of a pressure p = λ.
//! - d counts thermal degrees of freedom: parameters less the scales that the loss ignores.
//! - Time is counted in optimiser steps.
//!
//! # Quantities
//! | symbol | name in reports | unit | needs beyond weights and gradient |
//! |---|---|---|---|
//! | U | `loss` | loss | |
//! | T | `temperature_noise` | loss | η, a second gradient |
//! | T_mid | `temperature_midpoint` | loss | η, three consecutive steps |
//! | T_kin | `temperature_kinetic` | loss | η, two consecutive steps |
//! | T_vir | `temperature_virial` | loss | λ |
//! | T_sum, T_dif | `temperature_lag_sum`, `temperature_lag_difference` | loss | η, two consecutive steps, no momentum |
//! | T_cal | `temperature_calorimetric` | loss | the previous batch's loss after its update |
//! | e | `edge_ratio` | 1 | η, three consecutive steps |
//! | ρ₁ | `step_alignment` | 1 | three consecutive steps |
//! | SNR | `signal_to_noise` | 1 | a second gradient |
//! | B_simple, B_crit | `gradient_noise_scale`, `critical_batch_size` | examples | B, a second gradient |
//! | p | `pressure` | loss/V | λ |
//! | p_mech | `pressure_mechanical` | loss/V | η |
//! | V, r | `volume`, `radius` | weight², weight | |
//! | r*, r*_M | `radius_predicted`, `radius_balance` | weight | η, λ, a second gradient for the first |
//! | Z, Z_vir | `z`, `z_virial` | 1 | η, λ, a second gradient |
//! | Z_d | `z_d` | 1 | η, λ |
//! | bal | `real_gas_balance` | 1 | η, λ, two consecutive steps |
//! | Z_u | `z_update`, `z_update_virial`, `norm_balance` | 1 | η, λ, two consecutive steps, any optimiser |
//! | \|cos\| | `virial_ratio` | 1 | |
//! | 1−cos | `rotation` | 1 | two consecutive steps |
//! | τ | `relaxation_steps` | steps | η, λ |
//! | pV | `decay_potential` | loss | λ |
//! | K | `kinetic_energy` | loss | η, two consecutive steps |
//! | Q | `heat` | loss | the previous batch's loss after its update |
//! | S | `entropy` | nats | snapshots, or to be told |
//! | H, F, G | `enthalpy`, `helmholtz`, `gibbs` | loss | λ; S; both |
//! | C | `heat_capacity` | 1 | η, a second gradient, an independent loss |
//!
//! [`CATALOGUE`] holds them all. A reading is [`Ready`](Reading::Ready) with its error bar,
//! [`Pending`](Reading::Pending) with what it needs, or [`Undefined`](Reading::Undefined) with the
//! [`Reason`]; NaN never leaves the crate.
//!
//! # What merges, and how
//! Tensor-parallel shards add their [`Sums`]: they hold different coordinates. Successive windows
//! add their [`Ensemble`]s. Data-parallel ranks hold the *same* weights and different gradients:
//! adding their sums would be wrong, and what they measure is gradient noise ([`noise::Replicas`]).
//! A second gradient, accumulated micro-batches, replicas and two batch sizes are interchangeable
//! wherever the table asks for a second gradient; under Adam it is a second gradient with the
//! preconditioner.
//!
//! # Ways in and out
//! [`adapters`] take the tensors of other libraries and series of checkpoint files, [`Assignment`] maps
//! parameter names to groups, [`invariance`] measures which of them are scale-invariant, and
//! [`sink`] writes reports to files.
//!
//! # Limits
//! Everything here is about stationary states. A run that still drifts gives numbers that read the
//! drift, and [`Report::remarks`] says so. What holds for which optimiser is told in [`Optimizer`]
//! and by readings that are undefined for that reason. Batches drawn without replacement make slow modes colder
//! than the noise of a step says. Scale invariance is declared by the user and checked: an epsilon
//! in a normalisation layer breaks it.

// What a feature brings is marked with its name on docs.rs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod assignment;
mod blocks;
#[cfg(feature = "serde")]
mod checkpoint;
mod ensemble;
mod error;
mod estimate;
mod groups;
mod history;
mod kernel;
mod metric;
mod observer;
mod optimizer;
mod projection;
mod random;
mod report;
mod snapshot;
mod step;
mod sums;
#[cfg(feature = "statistics")]
mod verdict;

pub mod adapters;
#[cfg(feature = "statistics")]
pub mod cooling;
#[cfg(feature = "statistics")]
pub mod correlation;
#[cfg(feature = "statistics")]
pub mod curvature;
pub mod energy;
#[cfg(feature = "statistics")]
pub mod engine;
#[cfg(feature = "statistics")]
pub mod entropy;
#[cfg(feature = "statistics")]
pub mod equilibrium;
#[cfg(feature = "statistics")]
pub mod flatness;
pub mod guide;
pub mod invariance;
pub mod motion;
pub mod noise;
#[cfg(feature = "statistics")]
pub mod phase_transition;
pub mod pressure;
pub mod sink;
pub mod systems;
pub mod temperature;

pub use assignment::Assignment;
#[cfg(feature = "serde")]
pub use checkpoint::State;
pub use ensemble::{Ensemble, Input, Moment};
pub use error::{Error, FileFault, TensorFault};
pub use estimate::{Estimate, Reading, Reason};
pub use groups::{GroupId, Groups, Symmetry};
pub use kernel::Instructions;
pub use metric::{CATALOGUE, Formula, Metric, Scope};
pub use observer::{Cadence, Config, Observed, Observer, Window};
pub use optimizer::{Decay, Optimizer};
pub use pressure::Protocol;
pub use projection::Projection;
pub use report::{Remark, Report, Row};
pub use snapshot::{Collector, FromFn, Piece, Slices, Snapshot, View, from_fn, slices};
pub use step::{Sampling, Step};
pub use sums::Sums;

/// The README's code is run as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
