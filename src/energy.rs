//! Energy: the loss, what weight decay adds to it, what the motion carries, and free energies.
//!
//! Energies are those of the whole model, because the loss is. U = ⟨L⟩ is the mean loss without
//! decay; the decay's potential is pV = (p/2)⟨|w|²⟩; the displacements carry the kinetic energy
//! (1+μ)⟨|Δ|²⟩/(4η(1−τ)) = d·T_kinetic/2. Then
//!
//! <!-- math
//! H = U + pV, \qquad F = U - TS, \qquad G = U + pV - TS
//! -->
#![doc = include_str!("math/energy.html")]
//!
//! with S in nats and T in units of the loss. S is what the observer's snapshots measure, or what
//! it was told ([`Observer::set_entropy`](crate::Observer::set_entropy)), and its error enters. U has no natural zero: compare energies of one
//! model on one loss, and entropies of one parametrisation.
//!
//! Work and heat of every step are booked in the module `engine`.
//!
//! The heat capacity C = Var(L)/T² is a fluctuation of the *full* loss. The loss of a mini-batch
//! varies with the batch too, which can exceed the thermal part many times over; the covariance
//! of two independent batches' losses at the same weights has no such part, and is what
//! [`heat_capacity`] takes. It needs [`Step::independent_loss`](crate::Step::independent_loss).

use crate::{Ensemble, Moment, temperature};

/// Internal energy U = ⟨L⟩.
///
/// ```
/// use thermograd::{energy, Ensemble, Step, Sums, Symmetry};
/// let mut e = Ensemble::default();
/// for loss in [1.0, 2.0] {
///     e.push(&Step::new(loss), None, &Sums::of(&[1.0_f64], &[0.0_f64])?, Symmetry::Generic);
/// }
/// assert_eq!(energy::internal(&e), Some(1.5));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn internal(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::Loss)
}

/// Potential energy of the decay, pV = ⟨p|w|²⟩/2.
///
/// ```
/// use thermograd::{energy, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[3.0_f64, 4.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.5).weight_decay(0.04), None, &sums, Symmetry::Generic);
/// // 0.04·25/2
/// assert_eq!(energy::decay_potential(&e), Some(0.5));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn decay_potential(e: &Ensemble) -> Option<f64> {
    Some(0.5 * e.mean(Moment::PressureNormSquared)?)
}

/// Kinetic energy of the displacements, (1+μ)⟨|Δ|²⟩/(4η(1−τ)).
///
/// ```
/// use thermograd::{energy, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// (sums.w_count, sums.step_count, sums.step_step) = (2.0, 2.0, 0.04);
/// let step = Step::new(0.0).learning_rate(0.1).momentum(0.5);
/// let mut e = Ensemble::default();
/// e.push(&step, Some(&step), &sums, Symmetry::Generic);
/// // 1.5·0.04/0.4
/// assert!((energy::kinetic(&e).unwrap() - 0.15).abs() < 1e-15);
/// ```
pub fn kinetic(e: &Ensemble) -> Option<f64> {
    Some(0.5 * e.mean(Moment::KineticHeat)?)
}

/// Heat Q that a step takes: the change of a batch's loss by its own update, ⟨L_B(w′) − L_B(w)⟩.
/// Negative in a stationary state, where the module `engine` compares it with η tr Σ.
///
/// ```
/// use thermograd::{energy, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// sums.w_count = 1.0;
/// let mut e = Ensemble::default();
/// let now = Step::new(0.8).previous_batch_loss(0.5);
/// e.push(&now, Some(&Step::new(0.75)), &sums, Symmetry::Generic);
/// assert_eq!(energy::heat(&e), Some(-0.25));
/// ```
pub fn heat(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::Heat)
}

/// Enthalpy H = U + pV.
///
/// ```
/// use thermograd::{energy, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[3.0_f64, 4.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.5).weight_decay(0.04), None, &sums, Symmetry::Generic);
/// assert_eq!(energy::decay_potential(&e), Some(0.5));
/// assert_eq!(energy::enthalpy(&e), Some(1.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn enthalpy(e: &Ensemble) -> Option<f64> {
    Some(internal(e)? + decay_potential(e)?)
}

/// Entropy S in nats, as measured or told. Where it is told an observer, the formulas below read it:
///
/// ```
/// use thermograd::{Config, Estimate, Groups, Observer, Step, Symmetry, energy, slices};
/// let mut groups = Groups::new();
/// let all = groups.add("all", Symmetry::Generic);
/// let mut observer = Observer::with_config(groups, Config::every_step())?;
/// observer.set_entropy(Estimate { value: -3.0, std_error: 0.1, n_eff: 40.0 })?;
/// // Two weights, g and g₂ apart by 2 in each: tr Σ = 4, T = 0.1·4/(2·2) = 0.1.
/// for _ in 0..128 {
///     let step = Step::new(0.5).learning_rate(0.1).weight_decay(0.04);
///     let snapshot = slices(all, &[3.0_f64, 4.0], &[1.0_f64, 1.0]).second_gradient(&[-1.0_f64, -1.0]);
///     observer.observe(&step, &snapshot)?;
/// }
/// let read = |name| observer.read_model(name).map(|reading| *reading.ready().unwrap());
/// assert_eq!(read("entropy")?.value, -3.0);
/// let (f, g) = (read("helmholtz")?, read("gibbs")?);
/// assert!((f.value - (0.5 + 0.1 * 3.0)).abs() < 1e-12);
/// assert!((g.value - (f.value + 0.5 * 0.04 * 25.0)).abs() < 1e-12);
/// // Only the entropy has an error: T·0.1.
/// assert!((f.std_error - 0.01).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn entropy(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::Entropy)
}

/// Helmholtz free energy F = U − TS, T from measured noise, S as measured or told.
pub fn helmholtz(e: &Ensemble) -> Option<f64> {
    let energy = internal(e)? - temperature::noise(e)? * entropy(e)?;
    energy.is_finite().then_some(energy)
}

/// Gibbs free energy G = U + pV − TS.
pub fn gibbs(e: &Ensemble) -> Option<f64> {
    Some(helmholtz(e)? + decay_potential(e)?)
}

/// Heat capacity C = Cov(L, L′)/T² from the losses of two independent batches at the same
/// weights.
///
/// On a quadratic well it is (d/2)/(1 − ηa/2)². A window of N correlated steps underestimates
/// it by about a share τ/N, τ being the autocorrelation time of the loss.
///
/// ```
/// use thermograd::{energy, Ensemble, Piece, Step, Sums, Symmetry};
/// let piece = Piece::new(&[0.0_f64], &[1.0_f64]).second_gradient(&[-1.0_f64]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut e = Ensemble::default();
/// for loss in [1.0, 3.0] {
///     let step = Step::new(loss).independent_loss(loss + 10.0).learning_rate(1.0);
///     e.push(&step, None, &sums, Symmetry::Generic);
/// }
/// // Cov = 1, T = tr Σ/2 = 1.
/// assert_eq!(energy::heat_capacity(&e), Some(1.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn heat_capacity(e: &Ensemble) -> Option<f64> {
    let temperature = temperature::noise(e).filter(|&t| t > 0.0)?;
    let covariance = e.mean(Moment::LossProduct)?
        - e.mean(Moment::PairedLoss)? * e.mean(Moment::IndependentLoss)?;
    let capacity = covariance / (temperature * temperature);
    capacity.is_finite().then_some(capacity)
}
