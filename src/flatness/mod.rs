//! Flatness of a minimum as thermodynamics: its entropy, its heat capacity, the noise it bears.
//!
//! | question | function | needs |
//! |---|---|---|
//! | how much room is there at temperature T, if the minimum is a bowl | [`Basin`] | all curvatures, or a [`SpectralDensity`](crate::curvature::SpectralDensity) |
//! | how much room is there, whatever its shape | [`local_entropy()`] | a gradient closure |
//! | how many directions hold heat | [`learning_coefficient()`] | a gradient closure |
//! | how much noise in the weights doubles the loss | [`resilience()`] | a loss closure |
//! | does any of it go with generalisation | [`generalisation_study`] | a family of runs |
//!
//! They are one thing seen from several sides. In a bowl the learning coefficient is d/2 whatever the
//! curvature, the entropy sees the product of all curvatures, resilience their sum. Which of them is relevant is a question
//! for data; [`generalisation_study`] puts error bars on the answer.
//!
//! Closures are those of [`curvature`](crate::curvature); for one group restrict them by
//! [`Coordinates`](crate::curvature::Coordinates). Every answer counts its evaluations.

mod basin;
mod generalisation;
mod learning_coefficient;
mod local_entropy;
mod resilience;
mod sampler;
mod singular;

pub use basin::Basin;
pub use generalisation::{Association, Measure, Study, StudyConfig, generalisation_study};
pub use learning_coefficient::{
    Chain, LearningCoefficient, LearningCoefficientConfig, StepSize, Warning, learning_coefficient,
};
pub use local_entropy::{LocalEntropy, LocalEntropyConfig, Node, local_entropy};
pub use resilience::{Noise, NoisyLoss, Resilience, ResilienceConfig, resilience, thermal_scale};
pub use sampler::Integrator;
pub use singular::{
    ReducedRank, Threshold, localised_learning_coefficient, normal_crossing, reduced_rank,
    unit_square_crossing,
};
