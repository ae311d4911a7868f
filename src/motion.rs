//! Motion: how far a step goes, and whether successive steps go on, diffuse or turn back.
//!
//! With Δ the displacement of a step, their alignment is
//!
//! <!-- math
//! \rho_1 = \frac{\langle \Delta\cdot\Delta_{-1}\rangle}{\langle|\Delta|^2\rangle}
//! -->
#![doc = include_str!("math/motion.html")]
//!
//! a pure number: 1 in a straight drift, 0 in diffusion, −1 at the edge of stability, where each step undoes the one
//! before. In a bath with heavy-ball momentum μ it is μ − (1 + μ)e with the edge ratio e of [`temperature`](crate::temperature), so a gas
//! under momentum shows μ and not 0.
//!
//! It lies where the learning rate changes much within the window, which weights the products of the large steps.

use crate::{Ensemble, Moment};

/// Alignment of successive steps, ⟨Δ·Δ₋₁⟩/⟨|Δ|²⟩.
///
/// ```
/// use thermograd::{motion, Ensemble, Moment};
/// let mut ensemble = Ensemble::default();
/// ensemble.add(Moment::StepSquared, 4.0);
/// ensemble.add(Moment::StepProduct, -1.0);
/// assert_eq!(motion::alignment(&ensemble), Some(-0.25));
/// ```
pub fn alignment(e: &Ensemble) -> Option<f64> {
    let square = e.mean(Moment::StepSquared)?;
    (square > 0.0).then(|| e.mean(Moment::StepProduct).map(|product| product / square))?
}

/// Length of a step over that of the weights, √(⟨|Δ|²⟩/⟨|w|²⟩): the update ratio.
///
/// A pure number, between 10⁻⁴ and 10⁻² in most training. In a scale-invariant group whose norm is stationary, SGD
/// without momentum makes it √(2ηλ), whatever the noise: decay takes 2ηλ|w|² from |w|² in a step, and |Δ|² is what
/// the step gives back.
///
/// It lies about progress: steps that undo each other are as long as those that lead somewhere, which is what
/// [`alignment`] tells apart. A group that starts at zero, such as biases, has a large ratio at first and is well.
///
/// ```
/// use thermograd::{motion, Ensemble, Moment};
/// let mut ensemble = Ensemble::default();
/// assert_eq!(motion::update_ratio(&ensemble), None);
/// ensemble.add(Moment::StepSquared, 4e-4);
/// ensemble.add(Moment::NormSquared, 4.0);
/// assert!((motion::update_ratio(&ensemble).unwrap() - 0.01).abs() < 1e-15);
/// ```
pub fn update_ratio(e: &Ensemble) -> Option<f64> {
    let weights = e.mean(Moment::NormSquared)?;
    (weights > 0.0).then(|| {
        e.mean(Moment::StepSquared)
            .map(|step| (step / weights).sqrt())
    })?
}

#[cfg(test)]
mod tests {
    use crate::systems::{GasProtocol, IsotropicGasConfig};
    use crate::{Cadence, Config, Groups, Observer, Step, Symmetry, Window, slices};

    /// Where noise alone holds the norm, hyper-parameters alone say how far a step goes beside the weights.
    #[test]
    fn the_update_ratio_of_a_gas_is_set_by_its_hyper_parameters() {
        for (learning_rate, weight_decay) in [(0.5, 0.02), (0.1, 0.5), (0.5, 0.4)] {
            let held = GasProtocol::FixedLearningRate {
                learning_rate,
                weight_decay,
            };
            let config = IsotropicGasConfig::new(200, held).seed(9);
            let radius = *config.stationary_radius().ready().unwrap();
            let mut gas = config.radius(radius).build().unwrap();
            let mut groups = Groups::new();
            let group = groups.add("gas", Symmetry::ScaleInvariant);
            let config = Config::default()
                .cadence(Cadence::EVERY_STEP)
                .window(Window::Growing);
            let mut observer = Observer::with_config(groups, config).unwrap();
            let facts = Step::new(1.0)
                .learning_rate(learning_rate)
                .weight_decay(weight_decay);
            for step in 0..10_500 {
                if step >= 500 {
                    let snapshot = slices(group, gas.weights(), gas.gradient());
                    observer.observe(&facts, &snapshot).unwrap();
                }
                gas.step().unwrap();
            }
            let ratio = *observer
                .read(group, "update_ratio")
                .unwrap()
                .ready()
                .unwrap();
            let law = (2.0 * learning_rate * weight_decay).sqrt();
            assert!(ratio.z_score(law).unwrap().abs() < 4.5, "{ratio} {law}");
            assert!(ratio.std_error < 0.01 * law, "{ratio} cannot test {law}");
        }
    }
}
