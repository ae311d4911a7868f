//! Pressure, volume and the equation of state, with predictions before the run and checks after.
//!
//! The volume of a group is V = |w|²/2, so that weight decay (λ/2)|w|² is the energy pV of an
//! external pressure p. Rescaling the weights of a scale-invariant group does not change the
//! loss: only noise pushes its norm outwards, and where decay balances it
//!
//! <!-- math
//! pV = RT, \qquad R = d/2
//! -->
#![doc = include_str!("math/pressure.html")]
//!
//! with d thermal degrees of freedom (arXiv 2511.07308). Any other group is a real gas:
//! 2⟨w·Δ⟩ + ⟨|Δ|²⟩ = 0 holds in every state of stationary norm and becomes Clausius' virial
//! theorem, p⟨r²⟩ + ⟨w·g⟩ = d·T_kinetic.
//!
//! Two ratios say how far a group is from the law, and why:
//! - [`z`] = p⟨r²⟩/(dT) with *measured* noise. The exact value for a pure gas is
//!   1/(1 − ηλ/(2(1+μ))) ([`gas_z`]); a mean gradient adds its share |∇L|²/tr Σ.
//! - [`z_d`] compares what decay takes from the norm with what gradients add. It is 1 when the
//!   norm is stationary, whatever the signal: z_d − 1 tests stationarity, z/z_d − 1 measures the
//!   signal. With momentum it assumes that successive gradients are uncorrelated with velocity.
//!
//! When it lies: the fluctuations of V are not those of a gas under a piston,
//! Var V/⟨V⟩² = ηλ/d and not 2/d, because only noise moves the norm. No compressibility follows
//! from them. And the norm needs 5/(4ηλ) steps to settle, the direction 1/(ηλ) for each
//! independent look: before that every ratio here reads the start of the run.

use crate::{Ensemble, Error, Moment, Optimizer, Reading, Reason, Step};

/// What is held fixed while the weights move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Protocol {
    /// The learning rate η: ordinary training.
    #[default]
    FixedLearningRate,
    /// The effective learning rate η_eff = η/|w|²: η is rescaled at every step.
    FixedEffectiveLearningRate,
    /// The norm: weights are projected back to the sphere after every step.
    FixedSphere,
}

/// External pressure ⟨p⟩ of the weight decay, in loss per unit of |w|²/2.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[3.0_f64, 4.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// // Undampened momentum amplifies the gradient 10 times, and decoupled decay not at all.
/// let step = Step::new(0.0).momentum(0.9).decoupled_weight_decay(0.02);
/// e.push(&step, None, &sums, Symmetry::Generic);
/// assert!((pressure::pressure(&e).unwrap() - 0.002).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn pressure(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::Pressure)
}

/// Volume ⟨|w|²⟩/2.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let mut e = Ensemble::default();
/// for w in [[3.0_f64, 4.0], [0.0, 1.0]] {
///     e.push(&Step::new(0.0), None, &Sums::of(&w, &[0.0_f64; 2])?, Symmetry::Generic);
/// }
/// // |w| is 5 and 1.
/// assert_eq!(pressure::volume(&e), Some((25.0 + 1.0) / 4.0));
/// assert_eq!(pressure::radius(&e), Some(3.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn volume(e: &Ensemble) -> Option<f64> {
    Some(0.5 * e.mean(Moment::NormSquared)?)
}

/// Radius ⟨|w|⟩.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.0), None, &Sums::of(&[3.0_f64, 4.0], &[0.0_f64; 2])?, Symmetry::Generic);
/// assert_eq!(pressure::radius(&e), Some(5.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn radius(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::Norm)
}

/// Mechanical pressure of the gradient on the sphere, ⟨η|g|²/(2r²)⟩: the default form, whose
/// mean is RT/V exactly for a gas.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[2.0_f64, 0.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.0).learning_rate(0.4), None, &sums, Symmetry::ScaleInvariant);
/// // η|g|²/(2r²) = 0.4/8; (√(1+0.04) − 1)/0.4; (1 − √(1−0.04))/0.4.
/// assert!((pressure::mechanical(&e).unwrap() - 0.05).abs() < 1e-15);
/// assert!((pressure::mechanical_published(&e).unwrap() - (1.04_f64.sqrt() - 1.0) / 0.4).abs() < 1e-15);
/// assert!((pressure::mechanical_exact(&e).unwrap() - (1.0 - 0.96_f64.sqrt()) / 0.4).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn mechanical(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::MechanicalPressure)
}

/// Mechanical pressure in the form of the plots of arXiv 2511.07308,
/// ⟨(|w − ηg| − r)/(η_eff r³)⟩: low by a fraction η²|g|²/(4r²).
pub fn mechanical_published(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::PublishedPressure)
}

/// The decay that would cancel the growth of the norm exactly, ⟨(1 − √(1 − η²|g|²/r²))/η⟩.
/// Steps with η|g| ≥ r have none and are left out.
pub fn mechanical_exact(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::ExactPressure)
}

/// Compressibility factor Z = ⟨p r²⟩/(dT) with T from measured noise.
///
/// ```
/// use thermograd::{pressure, Ensemble, Piece, Step, Sums, Symmetry};
/// let piece = Piece::new(&[2.0_f64, 0.0], &[0.0_f64, 1.0]).second_gradient(&[0.0_f64, -1.0]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.1).weight_decay(0.025);
/// e.push(&step, None, &sums, Symmetry::ScaleInvariant);
/// // p r² = 0.1, dT = η tr Σ/2 = 0.1·2/2.
/// assert!((pressure::z(&e).unwrap() - 1.0).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn z(e: &Ensemble) -> Option<f64> {
    let heat = e.mean(Moment::NoiseHeat).filter(|&heat| heat > 0.0)?;
    Some(e.mean(Moment::PressureNormSquared)? / heat)
}

/// The virial term −⟨w·g⟩/(dT): what sets a real gas apart from the ideal one in [`z`].
/// Zero in a scale-invariant group.
///
/// ```
/// use thermograd::{pressure, Ensemble, Piece, Step, Sums, Symmetry};
/// let piece = Piece::new(&[2.0_f64, 0.0], &[0.02_f64, 1.0]).second_gradient(&[0.02_f64, -1.0]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.0).learning_rate(0.1), None, &sums, Symmetry::Generic);
/// // w·g = 0.04, dT = η tr Σ/2 = 0.1·2/2.
/// assert!((pressure::z_virial(&e).unwrap() + 0.4).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn z_virial(e: &Ensemble) -> Option<f64> {
    let heat = e.mean(Moment::NoiseHeat).filter(|&heat| heat > 0.0)?;
    Some(-e.mean(Moment::Virial)? / heat)
}

/// Z_d: what decay takes from |w|² over what gradients add to it; 1 when the norm is stationary.
///
/// For coupled decay this is λ(1−μ)(2 − ηλ/(1+μ))⟨r²⟩/(η⟨|g|²⟩).
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[2.0_f64, 0.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.5).weight_decay(0.1);
/// e.push(&step, None, &sums, Symmetry::ScaleInvariant);
/// // 0.1·(2 − 0.05)·4/0.5
/// assert!((pressure::z_d(&e).unwrap() - 1.56).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn z_d(e: &Ensemble) -> Option<f64> {
    let growth = e.mean(Moment::NormGain).filter(|&growth| growth > 0.0)?;
    Some(e.mean(Moment::NormLoss)? / growth)
}

/// Real-gas balance (⟨p r²⟩ + ⟨w·g⟩)/(d·T_kinetic): 1 in a state of stationary norm, for any
/// loss. It is an identity of the update rule: it checks bookkeeping and the norm, and is by
/// itself no test of equilibrium.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::of(&[2.0_f64, 0.0], &[0.25_f64, 1.0])?;
/// (sums.step_count, sums.step_step) = (2.0, 0.18);
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.1).weight_decay(0.1);
/// e.push(&step, Some(&step), &sums, Symmetry::Generic);
/// // (0.1·4 + 0.5)/(0.18/0.2)
/// assert!((pressure::real_gas_balance(&e).unwrap() - 1.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn real_gas_balance(e: &Ensemble) -> Option<f64> {
    let kinetic = e.mean(Moment::KineticHeat).filter(|&heat| heat > 0.0)?;
    let balance = (e.mean(Moment::PressureNormSquared)? + e.mean(Moment::Virial)?) / kinetic;
    balance.is_finite().then_some(balance)
}

/// Departure from scale invariance, ⟨|w·g|/(|w||g|)⟩: rounding for a group that has it.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let mut e = Ensemble::default();
/// for g in [[0.0_f64, 2.0], [3.0, 4.0]] {
///     e.push(&Step::new(0.0), None, &Sums::of(&[1.0_f64, 0.0], &g)?, Symmetry::Generic);
/// }
/// // Cosines 0 and 3/5.
/// assert!((pressure::virial_ratio(&e).unwrap() - 0.3).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn virial_ratio(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::VirialRatio)
}

/// Stationary radius predicted for a gas, from measured noise alone.
///
/// Fixed learning rate: r*⁴ = f⟨r² tr Σ⟩; fixed effective learning rate:
/// r*² = (1 − √(1 − η_eff² M))/(η_eff λ) with M the noise on the unit sphere. `AdamW`:
/// r*² = f⟨tr(D²Σ)⟩ where the preconditioner D is given, and else ηd/(2λ) up to O(ηλ), its value
/// where noise makes up the second moment (arXiv 2305.17212).
///
/// ```
/// use thermograd::{pressure, Ensemble, Piece, Step, Sums, Symmetry};
/// let piece = Piece::new(&[2.0_f64, 0.0], &[0.0_f64, 1.0]).second_gradient(&[0.0_f64, -1.0]);
/// let sums = Sums::reduce(&piece, std::num::NonZero::<usize>::MIN)?;
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.5).weight_decay(0.1);
/// e.push(&step, None, &sums, Symmetry::ScaleInvariant);
/// // r*⁴ = ηM/(λ(2−ηλ)) with M = r² tr Σ = 4·2.
/// assert!((pressure::radius_gas(&e).unwrap().powi(4) - 4.0 / 0.195).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn radius_gas(e: &Ensemble) -> Option<f64> {
    if let Some(fourth) = e.mean(Moment::GasRadiusFourth) {
        return Some(fourth.max(0.0).powf(0.25));
    }
    if let Some(square) = e.mean(Moment::GasRadiusSquared) {
        return Some(square.max(0.0).sqrt());
    }
    let share =
        e.mean(Moment::NoiseTrace)? / e.mean(Moment::GradientNormSquared).filter(|&g2| g2 > 0.0)?;
    effective_radius(
        share * e.mean(Moment::StepAngleSquared)?,
        e.mean(Moment::EffectiveDecay)?,
    )
}

/// Stationary radius predicted from the whole second moment of the gradient, the mean gradient's
/// share included: r*⁴ = f⟨r²|g|²⟩ at a fixed learning rate, and as [`radius_gas`] with |g|² in the
/// place of tr Σ elsewhere.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[2.0_f64, 0.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.5).weight_decay(0.1);
/// e.push(&step, None, &sums, Symmetry::ScaleInvariant);
/// // r*⁴ = ηM/(λ(2−ηλ)) with M = 4.
/// assert!((pressure::radius_balance(&e).unwrap().powi(4) - 2.0 / 0.195).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn radius_balance(e: &Ensemble) -> Option<f64> {
    if let Some(fourth) = e.mean(Moment::RadiusFourth) {
        return Some(fourth.max(0.0).powf(0.25));
    }
    if let Some(square) = e.mean(Moment::RadiusSquared) {
        return Some(square.max(0.0).sqrt());
    }
    effective_radius(
        e.mean(Moment::StepAngleSquared)?,
        e.mean(Moment::EffectiveDecay)?,
    )
}

/// Steps in which the norm (on a fixed sphere: the direction) forgets its start by a factor e.
///
/// At a fixed learning rate r⁴ relaxes, in 1/(4mp); under decoupled decay and a preconditioner r²,
/// in 1/(2mp). At a fixed effective learning rate r² does, in 1/(η_eff²M), and on a sphere the
/// overlap of directions, in 2/ln(1 + η_eff²M), with M = r²⟨|g|²⟩.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[2.0_f64, 0.0], &[0.0_f64, 1.0])?;
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.1).momentum(0.5).weight_decay(0.05);
/// e.push(&step, None, &sums, Symmetry::ScaleInvariant);
/// // m = 0.1/(1 − 0.5), p = 0.05.
/// assert!((pressure::relaxation_steps(&e).unwrap() - 25.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn relaxation_steps(e: &Ensemble) -> Option<f64> {
    let rate = e.mean(Moment::RelaxationRate).filter(|&rate| rate > 0.0)?;
    Some(1.0 / rate)
}

/// Rotation per step, ⟨1 − cos⟩ of the angle between successive weights; a gas at a fixed
/// learning rate has ηλ/(1+μ).
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// // From (1, 0) to (0.6, 0.8): cos = 0.6, |Δ|² = 0.8, w·Δ = −0.4.
/// (sums.w_count, sums.w_w, sums.step_count) = (2.0, 1.0, 2.0);
/// (sums.step_step, sums.previous_step) = (0.8, -0.4);
/// let mut e = Ensemble::default();
/// e.push(&Step::new(0.0), Some(&Step::new(0.0)), &sums, Symmetry::Generic);
/// assert!((pressure::rotation(&e).unwrap() - 0.4).abs() < 1e-15);
/// ```
pub fn rotation(e: &Ensemble) -> Option<f64> {
    e.mean(Moment::Rotation)
}

/// How far a norm is along its relaxation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Settling {
    /// τ, the steps in which the deviation falls by a factor e.
    pub relaxation_steps: f64,
    /// r⁴/r*⁴ − 1 now, with r* from the gradients of now.
    pub deviation: f64,
    /// Steps until the deviation is below 5 %: 0 when it is.
    pub remaining_steps: f64,
}

impl Settling {
    /// Deviation of r⁴ below which the norm counts as settled: 5 %, or 1.2 % of r.
    pub const TOLERANCE: f64 = 0.05;

    /// The forecast of the relaxation law r⁴ − r*⁴ ∝ e^(−t/τ).
    ///
    /// It takes the gradient's second moment for constant: a network that still learns lowers it,
    /// and with it r*.
    ///
    /// ```
    /// use thermograd::pressure::Settling;
    /// // Twice r*⁴: ln 20 relaxation times to 5 %.
    /// let settling = Settling::forecast(2.0, 100.0);
    /// assert!((settling.remaining_steps - 100.0 * 20f64.ln()).abs() < 1e-9);
    /// assert_eq!(Settling::forecast(1.01, 100.0).remaining_steps, 0.0);
    /// ```
    pub fn forecast(ratio_fourth: f64, relaxation_steps: f64) -> Self {
        // What is unknown never settles.
        let known = |x: f64| if x.is_nan() { f64::INFINITY } else { x };
        let (deviation, relaxation_steps) = (known(ratio_fourth - 1.0), known(relaxation_steps));
        let folds = (deviation.abs() / Self::TOLERANCE).max(1.0).ln();
        Self {
            relaxation_steps,
            deviation,
            remaining_steps: if folds > 0.0 && relaxation_steps > 0.0 {
                relaxation_steps * folds
            } else {
                0.0
            },
        }
    }

    /// The forecast from what a stretch of the run measured.
    pub(crate) fn measured(e: &Ensemble) -> Option<Self> {
        let target = radius_balance(e).filter(|&radius| radius > 0.0)?;
        let ratio = e.mean(Moment::NormSquared)? / (target * target);
        let found = Self::forecast(ratio * ratio, relaxation_steps(e)?);
        (found.deviation.is_finite() && found.remaining_steps.is_finite()).then_some(found)
    }
}

/// r* at a fixed effective learning rate, from x = η_eff² M and y = η_eff λ:
/// r*² = (1 − √(1 − x))/y. `None` for x ≥ 1, where the norm has no stationary value.
pub(crate) fn effective_radius(angle_squared: f64, effective_decay: f64) -> Option<f64> {
    if !(0.0..1.0).contains(&angle_squared) || effective_decay <= 0.0 {
        return None;
    }
    // 1 − √(1−x) as x/(1 + √(1−x)): no cancellation for small steps.
    let square = angle_squared / (1.0 + (1.0 - angle_squared).sqrt()) / effective_decay;
    Some(square.sqrt())
}

/// Departure of the norm from the law 2⟨w·Δ⟩ + ⟨|Δ|²⟩ = 0 that any update obeys in a state of
/// stationary norm, as the ratio −2⟨w·Δ⟩/⟨|Δ|²⟩: 1 where it holds, whatever the optimiser.
///
/// Summed over a window the law telescopes to the change of |w|²: it says whether the norm has
/// settled and nothing else.
///
/// ```
/// use thermograd::{pressure, Ensemble, Optimizer, Step, Sums, Symmetry};
/// let mut sums = Sums::default();
/// // From (2, 0) by Δ = (−0.1, 0.6): 2·0.2 against 0.37.
/// (sums.w_count, sums.w_w, sums.step_count) = (2.0, 3.97, 2.0);
/// (sums.step_step, sums.previous_step) = (0.37, -0.2);
/// let mut e = Ensemble::default();
/// let step = Step::new(0.0).learning_rate(0.1).decoupled_weight_decay(0.5).optimizer(Optimizer::Update);
/// e.push(&step, Some(&step), &sums, Symmetry::Generic);
/// assert!((pressure::norm_balance(&e).unwrap() - 0.4 / 0.37).abs() < 1e-12);
/// // λ|w|² = 2 against |Δ|²/(2η) = 1.85; w·u = −w·Δ/η − λ|w|² = 2 − 2.
/// assert!((pressure::z_update(&e).unwrap() - 2.0 / 1.85).abs() < 1e-12);
/// assert!(pressure::z_update_virial(&e).unwrap().abs() < 1e-12);
/// ```
pub fn norm_balance(e: &Ensemble) -> Option<f64> {
    let square = e.mean(Moment::StepSquared).filter(|&square| square > 0.0)?;
    Some(-2.0 * e.mean(Moment::StepAlong)? / square)
}

/// Compressibility factor of the updates, λ⟨|w|²⟩/⟨|Δ|²/(2η)⟩, for any optimiser.
///
/// With w′ = (1−ηλ)w − ηu the law of the norm reads λ⟨|w|²⟩ + ⟨w·u⟩ = ⟨|Δ|²⟩/(2η): the gas law
/// with u in the gradient's place, and [`z_update`] = 1 + [`z_update_virial`] where the norm has
/// settled. It is 1 for updates that are orthogonal to the weights. An optimiser's memory counts
/// as interaction: a heavy-ball gas has 1 + μ, its velocity being correlated with the weights.
pub fn z_update(e: &Ensemble) -> Option<f64> {
    let heat = e.mean(Moment::UpdateHeat).filter(|&heat| heat > 0.0)?;
    Some(e.mean(Moment::DecayNormSquared)? / heat)
}

/// The virial term of the updates, −⟨w·u⟩/⟨|Δ|²/(2η)⟩; see [`z_update`].
pub fn z_update_virial(e: &Ensemble) -> Option<f64> {
    let heat = e.mean(Moment::UpdateHeat).filter(|&heat| heat > 0.0)?;
    Some(-e.mean(Moment::UpdateVirial)? / heat)
}

/// Standard deviation of ln η over the window: how far the window mixes temperatures. 0.1 is a
/// learning rate that changes by a third from first step to last.
///
/// ```
/// use thermograd::{pressure, Ensemble, Step, Sums, Symmetry};
/// let sums = Sums::of(&[1.0_f64], &[0.0_f64])?;
/// let mut e = Ensemble::default();
/// for rate in [0.1, 0.2] {
///     let step = Step::new(0.0).learning_rate(rate).weight_decay(0.01);
///     e.push(&step, None, &sums, Symmetry::Generic);
/// }
/// assert!((pressure::rate_spread(&e).unwrap() - 2f64.ln() / 2.0).abs() < 1e-12);
/// assert_eq!(pressure::decay_spread(&e), Some(0.0));
/// # Ok::<(), thermograd::Error>(())
/// ```
pub fn rate_spread(e: &Ensemble) -> Option<f64> {
    Some(spread(
        e.mean(Moment::LogRate)?,
        e.mean(Moment::LogRateSquared)?,
    ))
}

/// Standard deviation of ln λ over the window.
pub fn decay_spread(e: &Ensemble) -> Option<f64> {
    Some(spread(
        e.mean(Moment::LogDecay)?,
        e.mean(Moment::LogDecaySquared)?,
    ))
}

/// Below a relative variance of 1e−12 the two means differ by rounding alone.
fn spread(mean: f64, square: f64) -> f64 {
    let variance = square - mean * mean;
    if variance > 1e-12 * square {
        variance.sqrt()
    } else {
        0.0
    }
}

/// 1 − ⟨cos⟩ per step of a pure gas at its stationary norm and a fixed learning rate, to all
/// orders in ηλ: ηλ/(1+μ) for coupled decay, ηλ(1−μ)/(1+(1−ηλ)μ) for decoupled decay and for
/// `AdamW` with μ = β₁; Nesterov's rule has its own.
///
/// ```
/// use thermograd::{pressure, Optimizer, Step};
/// let step = Step::new(0.0).learning_rate(0.1).weight_decay(0.5).momentum(0.25);
/// assert!((pressure::gas_rotation(&step).unwrap() - 0.04).abs() < 1e-15);
/// let adamw = Step::new(0.0).learning_rate(0.1).decoupled_weight_decay(0.5);
/// let adamw = adamw.optimizer(Optimizer::ADAM);
/// // 0.05·0.1/(1 + 0.95·0.9)
/// assert!((pressure::gas_rotation(&adamw).unwrap() - 0.005 / 1.855).abs() < 1e-15);
/// ```
pub fn gas_rotation(step: &Step) -> Option<f64> {
    if step.protocol != Protocol::FixedLearningRate {
        return None;
    }
    let (rate, decay) = step.learning_rate.zip(step.weight_decay)?;
    step.optimizer.rotation(rate, decay, step.decay)
}

/// Z of a pure gas at a fixed learning rate, to all orders in the step: 2pf/m with the rule's
/// radius factor f, which is 1/(1 − ηλ/(2(1+μ))) for the heavy ball with coupled decay.
///
/// ```
/// use thermograd::{pressure, Step};
/// let step = Step::new(0.0).learning_rate(0.1).weight_decay(0.5);
/// assert!((pressure::gas_z(&step).unwrap() - 1.0 / 0.975).abs() < 1e-15);
/// ```
pub fn gas_z(step: &Step) -> Option<f64> {
    let (rate, decay) = step.learning_rate.zip(step.weight_decay)?;
    let mobility = step.optimizer.mobility(rate).filter(|&m| m > 0.0)?;
    let pressure = step.optimizer.pressure(decay, step.decay)?;
    let factor = step.optimizer.radius_factor(rate, decay, step.decay)?;
    Some(2.0 * pressure * factor / mobility)
}

/// The heat bath that a scale-invariant group feels, apart from any hyper-parameter but the batch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Bath {
    unit_noise: f64,
    dof: f64,
}

impl Bath {
    /// A bath of this many thermal degrees of freedom with `unit_noise` = |w|² tr Σ, the noise
    /// that the gradient has on the unit sphere. For isotropic noise of variance σ² per degree of
    /// freedom it is dσ².
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless both are finite, `dof` at least 1 and the noise not negative.
    pub fn new(dof: usize, unit_noise: f64) -> Result<Self, Error> {
        if dof == 0 {
            return Err(Error::OutOfRange {
                what: "degrees of freedom",
                value: 0.0,
                allowed: "at least 1",
            });
        }
        if !(0.0..1e150).contains(&unit_noise) {
            return Err(Error::OutOfRange {
                what: "unit noise",
                value: unit_noise,
                allowed: "a number from 0 to 1e150",
            });
        }
        Ok(Self {
            unit_noise,
            dof: dof as f64,
        })
    }

    /// The bath that a run measured, from ⟨|w|² tr Σ⟩.
    ///
    /// `None` where noise or degrees of freedom were not measured, or the estimate of the noise
    /// came out negative.
    pub fn measured(e: &Ensemble) -> Option<Self> {
        let noise = e.mean(Moment::UnitNoise);
        Some(Self {
            unit_noise: noise.filter(|noise| (0.0..1e150).contains(noise))?,
            dof: e.dof()?,
        })
    }

    /// The same bath with batches `factor` times as large: the noise falls as 1/B.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless the factor is positive and finite.
    pub fn scale_batch(self, factor: f64) -> Result<Self, Error> {
        if !(factor > 0.0 && factor.is_finite()) {
            return Err(Error::OutOfRange {
                what: "batch factor",
                value: factor,
                allowed: "a positive number",
            });
        }
        Ok(Self {
            unit_noise: self.unit_noise / factor,
            ..self
        })
    }

    /// What training at these hyper-parameters settles to, before it is run.
    ///
    /// `step` gives learning rate, weight decay, optimiser and [`Protocol`]. At a fixed effective
    /// learning rate, [`Step::learning_rate`] is read as η_eff; Adam's noise is taken to be the
    /// same in every coordinate and to make up its second moment; on a fixed sphere, `radius` is
    /// the sphere's and elsewhere it is ignored.
    ///
    /// ```
    /// use thermograd::{pressure::Bath, Step};
    /// let bath = Bath::new(1000, 1000.0)?;
    /// let now = Step::new(0.0).learning_rate(0.1).weight_decay(1e-3);
    /// let a = bath.forecast(&now, None)?;
    /// let b = bath.scale_batch(0.5)?.forecast(&now, None)?;
    /// let (a, b) = (a.ready().unwrap(), b.ready().unwrap());
    /// // Half the batch: T and V grow by √2, p and the time to settle stay.
    /// assert!((b.temperature / a.temperature - 2f64.sqrt()).abs() < 1e-12);
    /// assert!((b.volume / a.volume - 2f64.sqrt()).abs() < 1e-12);
    /// assert!((b.relaxation_steps - 2500.0).abs() < 1e-9);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Step::check`]; [`Error::OutOfRange`] for a radius that is not positive.
    pub fn forecast(&self, step: &Step, radius: Option<f64>) -> Result<Reading<Forecast>, Error> {
        step.check()?;
        if let Some(radius) = radius
            && !(radius > 0.0 && radius < 1e75)
        {
            return Err(Error::OutOfRange {
                what: "radius",
                value: radius,
                allowed: "a positive number below 1e75",
            });
        }
        let Some(rate) = step.learning_rate else {
            return Ok(Reading::Undefined(Reason::Missing("the learning rate")));
        };
        if rate == 0.0 {
            return Ok(Reading::Undefined(Reason::DividesByZero(
                "the learning rate",
            )));
        }
        let noise = self.unit_noise;
        let plain = step.optimizer.momentum() == 0.0 && !step.optimizer.is_preconditioned();
        let (Some(mobility), Some(factor_pressure)) = (
            step.optimizer.mobility(rate),
            step.optimizer
                .pressure(step.weight_decay.unwrap_or(0.0), step.decay),
        ) else {
            return Ok(Reading::Undefined(Reason::Optimizer(
                "no forecast under a rule known by its update alone",
            )));
        };
        let decay = match (step.protocol, step.weight_decay) {
            (Protocol::FixedSphere, decay) => decay.unwrap_or(0.0),
            (_, None) => return Ok(Reading::Undefined(Reason::Missing("the weight decay"))),
            (_, Some(0.0)) => {
                return Ok(Reading::Undefined(Reason::DividesByZero(
                    "the weight decay",
                )));
            }
            (_, Some(decay)) => decay,
        };
        if step.protocol != Protocol::FixedLearningRate && !plain {
            return Ok(Reading::Undefined(Reason::Optimizer(
                "closed form without momentum and preconditioner only in this protocol",
            )));
        }
        let square = match step.protocol {
            Protocol::FixedLearningRate => step
                .optimizer
                .radius_factor(rate, decay, step.decay)
                .map(|factor| match step.optimizer {
                    // |Dg|² = d, whatever the noise.
                    Optimizer::Adam { .. } => factor * self.dof,
                    _ => (factor * noise).sqrt(),
                }),
            Protocol::FixedEffectiveLearningRate => {
                effective_radius(rate * rate * noise, rate * decay).map(|radius| radius * radius)
            }
            Protocol::FixedSphere => match radius {
                Some(radius) => Some(radius * radius),
                None => return Ok(Reading::Undefined(Reason::Missing("the sphere's radius"))),
            },
        };
        let Some(square) = square.filter(|&square| square > 0.0) else {
            return Ok(Reading::Undefined(if noise == 0.0 {
                Reason::DividesByZero("the noise")
            } else if step.optimizer.is_preconditioned() && step.decay == crate::Decay::Coupled {
                Reason::Optimizer("no closed form for the stationary norm")
            } else {
                Reason::Meaningless("no stationary norm: the step is too large")
            }));
        };
        let mobility = match step.protocol {
            Protocol::FixedEffectiveLearningRate => rate * square,
            _ => mobility,
        };
        let temperature = match step.optimizer {
            Optimizer::Adam { .. } => 0.5 * rate * (noise / (self.dof * square)).sqrt(),
            _ => mobility * noise / (2.0 * self.dof * square),
        };
        let angle2 = (mobility / square).powi(2) * noise;
        let pressure = match step.protocol {
            Protocol::FixedSphere => self.dof * temperature / square,
            _ => factor_pressure,
        };
        let Some(relaxation) = step.relaxation_rate(Some(angle2)) else {
            return Ok(Reading::Undefined(Reason::DividesByZero("the noise")));
        };
        let relaxation_steps = 1.0 / relaxation;
        let numbers = [temperature, pressure, square, relaxation_steps];
        if !numbers.iter().all(|x| x.is_finite()) {
            return Ok(Reading::Undefined(Reason::Meaningless(
                "the hyper-parameters are too many orders of magnitude apart",
            )));
        }
        Ok(Reading::Ready(Forecast {
            temperature,
            pressure,
            volume: 0.5 * square,
            radius: square.sqrt(),
            relaxation_steps,
        }))
    }
}

/// What a scale-invariant group settles to.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Forecast {
    /// T, in units of the loss.
    pub temperature: f64,
    /// p: the decay's, or on a fixed sphere the gradient's.
    pub pressure: f64,
    /// V = r*²/2.
    pub volume: f64,
    /// r*.
    pub radius: f64,
    /// Steps in which the norm (on a sphere: the direction) forgets its start by a factor e.
    pub relaxation_steps: f64,
}

#[cfg(test)]
mod tests {
    use super::Settling;
    use crate::{Ensemble, Moment};

    #[test]
    fn settling_of_a_measured_norm() {
        let measured = |fourth: f64| {
            let mut e = Ensemble::default();
            e.add(Moment::RadiusFourth, fourth);
            e.add(Moment::NormSquared, 13.5);
            e.add(Moment::RelaxationRate, 0.125);
            Settling::measured(&e)
        };
        // r² = 27/2 for r*² = 9: r⁴/r*⁴ = 9/4, ln 25 relaxation times from 5 %.
        let settling = measured(81.0).unwrap();
        assert!((settling.deviation - 1.25).abs() < 1e-12);
        assert_eq!(settling.relaxation_steps, 8.0);
        assert!((settling.remaining_steps - 8.0 * 25_f64.ln()).abs() < 1e-9);
        assert_eq!(measured(0.0), None);
    }
}
