//! One group over many steps: the averages that every formula reads.
//!
//! # The law
//! An [`Ensemble`] holds, for each [`Moment`], a number of steps and a sum over them, and nothing
//! else: `Ensemble::default()` is the identity and [`Ensemble::merge`] is field-wise `+`.
//! Successive windows merge; so do blocks, which is what the error bars are made of.
//!
//! Products are formed within a step and before they are averaged, with that step's own
//! hyper-parameters, and ratios are taken after: the mean of ratios is biased, and a learning
//! rate that changes belongs to the step that it moved.

use crate::optimizer::why_not;
use crate::{Decay, Optimizer, Protocol, Reason, Sampling, Step, Sums, Symmetry};

/// What a step may bring beyond weights and loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Input {
    /// The gradient of every parameter of the group.
    Gradient,
    /// A second, independent gradient at the same weights, or a noise estimate in its place.
    SecondGradient,
    /// The diagonal preconditioner, under a rule that has one.
    Preconditioner,
    /// B.
    BatchSize,
    /// η.
    LearningRate,
    /// λ.
    WeightDecay,
    /// Two consecutive observed steps.
    TwoSteps,
    /// Three consecutive observed steps.
    ThreeSteps,
    /// A window long enough for a mean of the weights.
    Centre,
    /// The loss of an independent batch at the same weights.
    IndependentLoss,
    /// The previous batch's loss after its update.
    PreviousBatchLoss,
    /// The entropy.
    Entropy,
}

impl Input {
    /// The input in words, and the moment that is known whenever it was given.
    const fn evidence(self) -> (&'static str, Moment) {
        match self {
            Self::Gradient => ("the gradient", Moment::GradientNormSquared),
            Self::SecondGradient => ("a second gradient", Moment::NoiseTrace),
            Self::Preconditioner => ("the preconditioner", Moment::PreconditionedGradient),
            Self::BatchSize => ("the batch size", Moment::BatchSize),
            Self::LearningRate => ("the learning rate", Moment::LearningRate),
            Self::WeightDecay => ("the weight decay", Moment::WeightDecay),
            Self::TwoSteps => ("a run of two consecutive steps", Moment::StepSquared),
            Self::ThreeSteps => ("a run of three consecutive steps", Moment::StepProduct),
            Self::Centre => (
                "a window long enough for a mean of the weights",
                Moment::CentredVirial,
            ),
            Self::IndependentLoss => ("an independent loss", Moment::IndependentLoss),
            Self::PreviousBatchLoss => ("the previous batch's loss after its update", Moment::Heat),
            Self::Entropy => ("the entropy", Moment::Entropy),
        }
    }
}

macro_rules! moments {
    ($($(#[$doc:meta])* $name:ident: [$($input:ident),*],)*) => {
        /// A product that is averaged over steps.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Moment {
            $($(#[$doc])* $name,)*
        }

        impl Moment {
            /// All moments, in the order of [`Ensemble::to_array`].
            pub const ALL: [Self; [$(stringify!($name)),*].len()] = [$(Self::$name),*];

            /// Its name, as in stored ensembles.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            /// What a step must bring for the moment to be known.
            pub const fn inputs(self) -> &'static [Input] {
                match self {
                    $(Self::$name => &[$(Input::$input),*],)*
                }
            }
        }
    };
}

moments! {
    /// Thermal degrees of freedom, d − K.
    Dof: [],
    /// Loss of the step's batch, weight decay left out.
    Loss: [],
    /// Loss of the step's batch, in steps that have an independent one beside it.
    PairedLoss: [IndependentLoss],
    /// Loss of an independent batch at the same weights.
    IndependentLoss: [IndependentLoss],
    /// Product of the two losses.
    LossProduct: [IndependentLoss],
    /// S in nats: not of a step, but set where a formula reads it.
    Entropy: [Entropy],
    /// η.
    LearningRate: [LearningRate],
    /// λ.
    WeightDecay: [WeightDecay],
    /// p, the decay's pressure.
    Pressure: [WeightDecay],
    /// |w|².
    NormSquared: [],
    /// |w|.
    Norm: [],
    /// p|w|².
    PressureNormSquared: [WeightDecay],
    /// |g|².
    GradientNormSquared: [Gradient],
    /// w·g.
    Virial: [Gradient],
    /// |w·g|/(|w||g|).
    VirialRatio: [Gradient],
    /// Unbiased tr Σ of the step's gradient: |g − g₂|²/2.
    NoiseTrace: [SecondGradient],
    /// m tr(DΣ)/2 with the mobility m: d·T of the bath.
    NoiseHeat: [SecondGradient, LearningRate],
    /// B, the examples behind the gradient.
    BatchSize: [BatchSize],
    /// tr Σ of one example: tr Σ/(1/B), or tr Σ/(1/B − 1/N) without replacement.
    ExampleNoise: [SecondGradient, BatchSize],
    /// tr(DΣ) of one example, D = 1 without a preconditioner.
    ExampleHeat: [SecondGradient, BatchSize],
    /// g·Dg₂, unbiased for the squared mean gradient in the optimiser's metric.
    PreconditionedSignal: [SecondGradient],
    /// g·Dg, where D was given.
    PreconditionedGradient: [Preconditioner],
    /// Unbiased squared mean gradient: g·g₂.
    SignalSquared: [SecondGradient],
    /// |w|² tr Σ: the noise on the unit sphere.
    UnitNoise: [SecondGradient],
    /// |w|²|g|²: the second moment on the unit sphere.
    UnitMoment: [Gradient],
    /// f|w|² tr Σ with the optimiser's radius factor f: r*⁴ of the gas.
    GasRadiusFourth: [SecondGradient, LearningRate, WeightDecay],
    /// f|w|²|g|²: r*⁴ with the mean gradient's share.
    RadiusFourth: [Gradient, LearningRate, WeightDecay],
    /// f tr(D²Σ), or fd where D was not given: r*² of the gas under a rule that sets its own
    /// step length.
    GasRadiusSquared: [LearningRate, WeightDecay],
    /// f|Dg|², or r*² = (η²|u|² − 2η(1−ηλ)w·u)/(ηλ(2−ηλ)) from the update itself.
    RadiusSquared: [LearningRate, WeightDecay],
    /// |w|²/f: what decay takes from the norm, in units of |Dg|².
    NormLoss: [Gradient, LearningRate, WeightDecay],
    /// |Dg|²: what gradients add to it, D = 1 without a preconditioner.
    NormGain: [Gradient],
    /// m|g + g₋₁|²/4.
    LagSumHeat: [Gradient, LearningRate, TwoSteps],
    /// m|g − g₋₁|²/4.
    LagDifferenceHeat: [Gradient, LearningRate, TwoSteps],
    /// g·g₋₁.
    LagProduct: [Gradient, TwoSteps],
    /// |Δ|².
    StepSquared: [TwoSteps],
    /// Δ·Δ₋₁.
    StepProduct: [ThreeSteps],
    /// (1+μ)|Δ|²/(2η(1−τ)): d·T of the displacements, twice the kinetic energy.
    KineticHeat: [LearningRate, TwoSteps],
    /// |(w₊ − w₋)/2|²/(η(1−τ)): d·T of the midpoints.
    MidpointHeat: [LearningRate, ThreeSteps],
    /// (w − c)·(g + pw) about the running mean c: d·T of the forces.
    CentredVirial: [Gradient, WeightDecay, Centre],
    /// c·(g + pw): zero in a stationary state, and a drift otherwise.
    CentreForce: [Gradient, WeightDecay, Centre],
    /// w₋₁·Δ.
    StepAlong: [TwoSteps],
    /// λ|w₋₁|², whatever the rule.
    DecayNormSquared: [LearningRate, WeightDecay, TwoSteps],
    /// w₋₁·u with the update u = −Δ/η − λw₋₁, whatever the rule.
    UpdateVirial: [LearningRate, WeightDecay, TwoSteps],
    /// |Δ|²/(2η): d·T of the displacements as if each were a kick of its own.
    UpdateHeat: [LearningRate, TwoSteps],
    /// ln η.
    LogRate: [LearningRate],
    /// (ln η)².
    LogRateSquared: [LearningRate],
    /// ln λ.
    LogDecay: [WeightDecay],
    /// (ln λ)².
    LogDecaySquared: [WeightDecay],
    /// Steps under Nesterov's rule.
    NesterovSteps: [],
    /// Steps under Adam.
    AdamSteps: [],
    /// Steps under a preconditioned heavy ball.
    PreconditionedSteps: [],
    /// Steps under a rule known by its update alone.
    UpdateSteps: [],
    /// Steps of an epoch that is shuffled once and then cut into batches.
    ReshuffledSteps: [],
    /// Loss of the previous batch after its update minus before: the heat q.
    Heat: [PreviousBatchLoss],
    /// −q/(2(1−μ)): d·T of the calorimeter.
    CalorimetricHeat: [PreviousBatchLoss],
    /// 1 − cos of the angle between successive weights.
    Rotation: [TwoSteps],
    /// η|g|²/(2|w|²): mechanical pressure, unbiased to leading order.
    MechanicalPressure: [Gradient, LearningRate],
    /// (|w − ηg| − |w|)/(η|w|): the form used in published plots, low by O(η²).
    PublishedPressure: [Gradient, LearningRate],
    /// (1 − √(1 − η²|g|²/|w|²))/η: the decay that cancels the growth exactly.
    ExactPressure: [Gradient, LearningRate],
    /// η²|g|²/|w|² = η_eff² M: squared angle of a step.
    StepAngleSquared: [Gradient, LearningRate],
    /// η|w|⁻²λ = η_eff λ, where the effective learning rate is what is held fixed.
    EffectiveDecay: [LearningRate, WeightDecay],
    /// Rate at which the norm (on the sphere: the direction) forgets its start, per step.
    RelaxationRate: [LearningRate, WeightDecay],
}

const COUNT: usize = Moment::ALL.len();

/// Averages of one group over many steps.
///
/// ```
/// use thermograd::{Ensemble, Moment, Step, Sums, Symmetry};
/// let step = Step::new(0.5).learning_rate(0.1);
/// let sums = Sums::of(&[3.0_f64, 4.0], &[1.0_f64, 0.0])?;
/// let mut ensemble = Ensemble::default();
/// ensemble.push(&step, None, &sums, Symmetry::Generic);
/// assert_eq!(ensemble.mean(Moment::NormSquared), Some(25.0));
/// assert_eq!(ensemble.mean(Moment::WeightDecay), None);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ensemble {
    counts: [f64; COUNT],
    sums: [f64; COUNT],
}

impl Default for Ensemble {
    fn default() -> Self {
        Self {
            counts: [0.0; COUNT],
            sums: [0.0; COUNT],
        }
    }
}

impl Ensemble {
    /// Steps in which the moment was known.
    pub const fn count(&self, moment: Moment) -> f64 {
        self.counts[moment as usize]
    }

    /// Average over the steps in which the moment was known; `None` where there was none, or where
    /// stored sums are no numbers.
    pub fn mean(&self, moment: Moment) -> Option<f64> {
        let count = self.count(moment);
        let mean = || self.sums[moment as usize] / count;
        (count > 0.0).then(mean).filter(|mean| mean.is_finite())
    }

    /// Degrees of freedom, `None` where there are none.
    pub(crate) fn dof(&self) -> Option<f64> {
        self.mean(Moment::Dof).filter(|&dof| dof > 0.0)
    }

    /// Takes in the averages over other steps of the same group.
    pub fn merge(&mut self, other: &Self) {
        for (a, b) in self.counts.iter_mut().zip(other.counts) {
            *a += b;
        }
        for (a, b) in self.sums.iter_mut().zip(other.sums) {
            *a += b;
        }
    }

    /// Takes back what [`Ensemble::merge`] added: the ensemble without one of its blocks.
    pub(crate) fn without(&self, part: &Self) -> Self {
        let mut rest = *self;
        for (a, b) in rest.counts.iter_mut().zip(part.counts) {
            *a -= b;
        }
        for (a, b) in rest.sums.iter_mut().zip(part.sums) {
            *a -= b;
        }
        rest
    }

    /// Counts, then sums, flat: ready for a sum over windows. A later version may have more of them: where their
    /// number is needed, it is `2 * Moment::ALL.len()`, and what is stored for long had better go through serde.
    pub fn to_array(&self) -> [f64; 2 * COUNT] {
        let mut flat = [0.0; 2 * COUNT];
        flat[..COUNT].copy_from_slice(&self.counts);
        flat[COUNT..].copy_from_slice(&self.sums);
        flat
    }

    /// The inverse of [`Ensemble::to_array`].
    pub fn from_array(flat: &[f64; 2 * COUNT]) -> Self {
        let mut ensemble = Self::default();
        ensemble.counts.copy_from_slice(&flat[..COUNT]);
        ensemble.sums.copy_from_slice(&flat[COUNT..]);
        ensemble
    }

    #[cfg(feature = "serde")]
    pub(crate) const fn entry(&self, moment: Moment) -> (f64, f64) {
        (self.counts[moment as usize], self.sums[moment as usize])
    }

    #[cfg(feature = "serde")]
    pub(crate) const fn set(&mut self, moment: Moment, count: f64, sum: f64) {
        self.counts[moment as usize] = count;
        self.sums[moment as usize] = sum;
    }

    /// Why a moment was in no step.
    pub(crate) fn why_absent(&self, moment: Moment) -> Reason {
        let markers = [
            Moment::NesterovSteps,
            Moment::AdamSteps,
            Moment::PreconditionedSteps,
            Moment::UpdateSteps,
        ];
        for rule in markers {
            if self.count(rule) > 0.0
                && let Some(why) = why_not(rule, moment)
                && !(moment == Moment::RelaxationRate && self.mean(Moment::WeightDecay).is_none())
            {
                return Reason::Optimizer(why);
            }
        }
        let preconditioned =
            self.count(Moment::AdamSteps) + self.count(Moment::PreconditionedSteps) > 0.0;
        if preconditioned
            && self.count(Moment::PreconditionedGradient) == 0.0
            && moment.is_weighted()
        {
            return Reason::Missing("the preconditioner");
        }
        for input in moment.inputs() {
            let (what, evidence) = input.evidence();
            match self.mean(evidence) {
                None => return Reason::Missing(what),
                Some(0.0) if matches!(input, Input::LearningRate | Input::WeightDecay) => {
                    return Reason::DividesByZero(what);
                }
                Some(_) => {}
            }
        }
        if moment.inputs().contains(&Input::LearningRate) {
            Reason::Optimizer("no formula for this rule, protocol, decay or step size")
        } else {
            Reason::Degenerate("the weights or the gradient are zero")
        }
    }

    /// How many moments are known at all: the fuller of two single steps stands for both.
    pub(crate) fn known(&self) -> usize {
        self.counts.iter().filter(|&&count| count > 0.0).count()
    }

    /// The same averages with the entropy set.
    pub(crate) fn with_entropy(&self, entropy: f64) -> Self {
        let mut with = *self;
        with.counts[Moment::Entropy as usize] = 1.0;
        with.sums[Moment::Entropy as usize] = entropy;
        with
    }

    /// Adds one value of one moment; a value that is not finite is left out, and so is one beyond
    /// 1e290, whose sum over a run might not be.
    pub fn add(&mut self, moment: Moment, value: f64) {
        if value.abs() < 1e290 {
            self.counts[moment as usize] += 1.0;
            self.sums[moment as usize] += value;
        }
    }

    /// Takes in one step. `before` is the step just before it, if that one was seen as well:
    /// displacements were made with *its* hyper-parameters.
    pub fn push(&mut self, step: &Step, before: Option<&Step>, sums: &Sums, symmetry: Symmetry) {
        let dof = (sums.w_count - symmetry.scales() as f64).max(0.0);
        self.push_with_dof(step, before, sums, dof);
    }

    /// As [`Ensemble::push`], for groups taken together, whose degrees of freedom add.
    pub(crate) fn push_with_dof(
        &mut self,
        step: &Step,
        before: Option<&Step>,
        sums: &Sums,
        dof: f64,
    ) {
        use Moment as M;
        self.add(M::Dof, dof);
        self.push_losses(step, before);
        let facts = Facts::of(step);
        let given = |count: f64| count > 0.0 && count == sums.w_count;
        if let Some(marker) = step.optimizer.marker() {
            self.add(marker, 1.0);
        }
        if step.sampling == Sampling::Reshuffled {
            self.add(M::ReshuffledSteps, 1.0);
        }

        let r2 = sums.w_w;
        let weighted = Weighted::of(step.optimizer, step.decay, sums);
        self.add(M::NormSquared, r2);
        self.add(M::Norm, r2.sqrt());
        self.add_some(M::LearningRate, step.learning_rate);
        self.add_some(M::WeightDecay, step.weight_decay);
        self.add_some(M::Pressure, facts.pressure);
        let decayed = facts.pressure.zip(weighted.decayed).map(|(p, w2)| p * w2);
        self.add_some(M::PressureNormSquared, decayed);
        self.push_schedule(step);
        let radius = facts.radius_factor;
        // r*⁴ = f·M is the law of a fixed learning rate.
        let fixed_rate =
            |value: Option<f64>| value.filter(|_| step.protocol == Protocol::FixedLearningRate);
        if given(sums.g_count) {
            let g2 = sums.g_g;
            self.add(M::GradientNormSquared, g2);
            self.add(M::Virial, sums.w_g);
            if r2 > 0.0 && g2 > 0.0 {
                self.add(M::VirialRatio, sums.w_g.abs() / (r2.sqrt() * g2.sqrt()));
            }
            self.add(M::UnitMoment, r2 * g2);
            if !step.optimizer.is_preconditioned() {
                self.add_some(M::RadiusFourth, fixed_rate(radius.map(|f| f * r2 * g2)));
                self.add_some(M::NormLoss, radius.map(|f| r2 / f));
                self.add(M::NormGain, g2);
            } else if given(sums.d_count) {
                self.add(M::PreconditionedGradient, sums.g_g_d);
                self.add_some(M::NormLoss, radius.map(|f| r2 / f));
                self.add(M::NormGain, sums.dg_dg);
            }
            self.push_sphere(step, sums, &facts);
        }
        self.push_noise(step, sums, &facts);
        self.push_own_length(step, sums, &facts, dof);
        if given(sums.centre_count)
            && given(sums.g_count)
            && let Some(p) = facts.pressure
            && let Some((w2, centred_w)) = weighted.decayed.zip(weighted.centred)
        {
            let centred = sums.centred_g + p * centred_w;
            self.add(M::CentredVirial, centred);
            self.add(M::CentreForce, sums.w_g + p * w2 - centred);
        }
        if given(sums.lag_count) {
            self.add(M::LagProduct, sums.g_g1);
            // Exact without momentum only.
            let plain = step.optimizer.momentum() == 0.0 && !step.optimizer.is_preconditioned();
            let mobility = facts.mobility.filter(|_| plain);
            self.add_some(M::LagSumHeat, mobility.map(|m| 0.25 * m * sums.lag_sum));
            self.add_some(
                M::LagDifferenceHeat,
                mobility.map(|m| 0.25 * m * sums.lag_difference),
            );
        }
        if let Some(before) = before {
            self.push_displacements(before, sums);
        }
        self.push_relaxation(step, sums);
    }

    /// Logarithms of what a schedule changes.
    fn push_schedule(&mut self, step: &Step) {
        use Moment as M;
        for (value, first, second) in [
            (step.learning_rate, M::LogRate, M::LogRateSquared),
            (step.weight_decay, M::LogDecay, M::LogDecaySquared),
        ] {
            if let Some(value) = value.filter(|&value| value > 0.0) {
                let log = value.ln();
                self.add(first, log);
                self.add(second, log * log);
            }
        }
    }

    /// Gradient noise, from an estimate made elsewhere or from a second gradient.
    fn push_noise(&mut self, step: &Step, sums: &Sums, facts: &Facts) {
        use Moment as M;
        let given = |count: f64| count > 0.0 && count == sums.w_count;
        let second = given(sums.g2_count);
        let (trace, signal) = if given(sums.trace_count) {
            (sums.trace, sums.signal)
        } else if second {
            (0.5 * sums.noise, sums.g_g2)
        } else {
            return;
        };
        let r2 = sums.w_w;
        self.add(M::NoiseTrace, trace);
        self.add(M::SignalSquared, signal);
        self.add(M::UnitNoise, r2 * trace);
        let preconditioned = step.optimizer.is_preconditioned();
        let (heat, along) = if !preconditioned {
            (Some(trace), Some(signal))
        } else if second && given(sums.d_count) {
            (Some(sums.noise_d), Some(sums.g_g2_d))
        } else {
            (None, None)
        };
        self.add_some(
            M::NoiseHeat,
            facts.mobility.zip(heat).map(|(m, heat)| 0.5 * m * heat),
        );
        self.add_some(M::PreconditionedSignal, along);
        if let Some(share) = step.batch_share() {
            self.add(M::ExampleNoise, trace / share);
            self.add_some(M::ExampleHeat, heat.map(|heat| heat / share));
        }
        if step.protocol == Protocol::FixedLearningRate && !preconditioned {
            self.add_some(
                M::GasRadiusFourth,
                facts.radius_factor.map(|f| f * r2 * trace),
            );
        }
    }

    /// The stationary norm under rules whose step does not shrink as the weights grow.
    fn push_own_length(&mut self, step: &Step, sums: &Sums, facts: &Facts, dof: f64) {
        use Moment as M;
        let given = |count: f64| count > 0.0 && count == sums.w_count;
        if step.protocol != Protocol::FixedLearningRate {
            return;
        }
        if step.optimizer.is_preconditioned() {
            let Some(factor) = facts.radius_factor else {
                return;
            };
            if given(sums.d_count) {
                self.add(M::RadiusSquared, factor * sums.dg_dg);
                if given(sums.g2_count) {
                    self.add(M::GasRadiusSquared, factor * sums.d_noise);
                }
            } else if matches!(step.optimizer, Optimizer::Adam { .. }) {
                self.add(M::GasRadiusSquared, factor * dof);
            }
        } else if step.optimizer == Optimizer::Update
            && given(sums.u_count)
            && let (Some(rate), Some(decay)) = (step.learning_rate, step.weight_decay)
        {
            let x = rate * decay;
            let square = rate * rate * sums.u_u - 2.0 * rate * (1.0 - x) * sums.w_u;
            self.add(M::RadiusSquared, square / (x * (2.0 - x)));
        }
    }

    fn push_losses(&mut self, step: &Step, before: Option<&Step>) {
        use Moment as M;
        self.add(M::Loss, step.loss);
        if let Some(other) = step.independent_loss {
            self.add(M::PairedLoss, step.loss);
            self.add(M::IndependentLoss, other);
            self.add(M::LossProduct, other * step.loss);
        }
        if let (Some(before), Some(after)) = (before, step.previous_batch_loss) {
            let heat = after - before.loss;
            self.add(M::Heat, heat);
            let factor = before.optimizer.calorimetric_factor();
            self.add_some(M::CalorimetricHeat, factor.map(|f| -heat * f));
        }
    }

    /// Pressure that the gradient alone exerts on the sphere |w| = const.
    fn push_sphere(&mut self, step: &Step, sums: &Sums, facts: &Facts) {
        use Moment as M;
        let (r2, g2) = (sums.w_w, sums.g_g);
        let Some((rate, mobility)) = step
            .learning_rate
            .zip(facts.mobility)
            .filter(|&(rate, _)| rate > 0.0 && r2 > 0.0)
        else {
            return;
        };
        if step.optimizer.is_preconditioned() {
            if sums.d_count == sums.w_count && sums.w_w_d > 0.0 {
                let push = 0.5 * mobility * sums.g_g_d;
                self.add(M::MechanicalPressure, push / sums.w_w_d);
            }
            return;
        }
        let angle2 = rate * rate * g2 / r2;
        self.add(M::StepAngleSquared, angle2);
        self.add(M::MechanicalPressure, 0.5 * mobility * g2 / r2);
        // The other two are forms of a single step without memory.
        if step.optimizer.momentum() > 0.0 {
            return;
        }
        // √(1+x) − 1 as x/(√(1+x) + 1): no cancellation for small steps.
        let growth = angle2 - 2.0 * rate * sums.w_g / r2;
        if growth >= -1.0 {
            self.add(
                M::PublishedPressure,
                growth / ((1.0 + growth).sqrt() + 1.0) / rate,
            );
        }
        if angle2 < 1.0 {
            self.add(
                M::ExactPressure,
                angle2 / (1.0 + (1.0 - angle2).sqrt()) / rate,
            );
        }
    }

    /// Displacements were made by the previous step's rule.
    fn push_displacements(&mut self, before: &Step, sums: &Sums) {
        use Moment as M;
        let facts = Facts::of(before);
        let given = |count: f64| count > 0.0 && count == sums.w_count;
        let weighted = Weighted::of(before.optimizer, before.decay, sums);
        if given(sums.step_count) {
            self.add(M::StepSquared, sums.step_step);
            self.add(M::StepAlong, sums.previous_step);
            let kinetic = facts.kinetic_factor.zip(weighted.step);
            self.add_some(M::KineticHeat, kinetic.map(|(f, step2)| f * step2));
            let r2 = sums.w_w;
            let before2 = r2 - 2.0 * sums.previous_step - sums.step_step;
            if let Some(rate) = before.learning_rate.filter(|&rate| rate > 0.0) {
                self.add(M::UpdateHeat, 0.5 * sums.step_step / rate);
                if let Some(decay) = before.weight_decay {
                    let pull = decay * before2.max(0.0);
                    self.add(M::DecayNormSquared, pull);
                    self.add(M::UpdateVirial, -sums.previous_step / rate - pull);
                }
            }
            if r2 > 0.0 && before2 > 0.0 {
                let (r, r1) = (r2.sqrt(), before2.sqrt());
                let radial = (r2 - before2) / (r + r1);
                self.add(
                    M::Rotation,
                    (sums.step_step - radial * radial) / (2.0 * r * r1),
                );
            }
        }
        if given(sums.midpoint_count) {
            self.add(M::StepProduct, sums.step_step1);
            let midpoint = facts.midpoint_factor.zip(weighted.midpoint);
            self.add_some(M::MidpointHeat, midpoint.map(|(f, mid2)| f * mid2));
        }
    }

    fn push_relaxation(&mut self, step: &Step, sums: &Sums) {
        use Moment as M;
        let r2 = sums.w_w;
        if let (Some(rate), Some(decay)) = (step.learning_rate, step.weight_decay)
            && step.protocol == Protocol::FixedEffectiveLearningRate
            && r2 > 0.0
        {
            self.add(M::EffectiveDecay, rate * decay / r2);
        }
        let angle2 = step
            .learning_rate
            .filter(|_| r2 > 0.0 && sums.g_count == sums.w_count)
            .map(|rate| rate * rate * sums.g_g / r2);
        self.add_some(M::RelaxationRate, step.relaxation_rate(angle2));
    }

    fn add_some(&mut self, moment: Moment, value: Option<f64>) {
        if let Some(value) = value {
            self.add(moment, value);
        }
    }
}

/// The optimiser's factors of one step.
struct Facts {
    mobility: Option<f64>,
    pressure: Option<f64>,
    radius_factor: Option<f64>,
    midpoint_factor: Option<f64>,
    kinetic_factor: Option<f64>,
}

impl Facts {
    fn of(step: &Step) -> Self {
        let rule: Optimizer = step.optimizer;
        let decay: Decay = step.decay;
        let rate = step.learning_rate.filter(|&rate| rate > 0.0);
        let radius_factor = rate
            .zip(step.weight_decay)
            .and_then(|(rate, lambda)| rule.radius_factor(rate, lambda, decay));
        Self {
            mobility: rate.and_then(|rate| rule.mobility(rate)),
            pressure: step
                .weight_decay
                .and_then(|lambda| rule.pressure(lambda, decay)),
            radius_factor,
            midpoint_factor: rate.and_then(|rate| rule.midpoint_factor(rate)),
            kinetic_factor: rate.and_then(|rate| rule.kinetic_factor(rate)),
        }
    }
}

/// Squares in the optimiser's metric: weighted by D⁻¹ under a preconditioner, `None` where it
/// has one that was not given.
struct Weighted {
    /// What the decay's potential is made of: plain for coupled decay.
    decayed: Option<f64>,
    centred: Option<f64>,
    step: Option<f64>,
    midpoint: Option<f64>,
}

impl Weighted {
    fn of(rule: Optimizer, decay: Decay, sums: &Sums) -> Self {
        let known = sums.d_count == sums.w_count;
        let choose = |weighted: bool, plain: f64, by_d: f64| {
            if weighted {
                known.then_some(by_d)
            } else {
                Some(plain)
            }
        };
        let weighted = rule.is_preconditioned();
        let decoupled = weighted && decay == Decay::Decoupled;
        Self {
            decayed: choose(decoupled, sums.w_w, sums.w_w_d),
            centred: choose(decoupled, sums.centred_w, sums.centred_w_d),
            step: choose(weighted, sums.step_step, sums.step_step_d),
            midpoint: choose(weighted, sums.midpoint_midpoint, sums.midpoint_d),
        }
    }
}

impl Moment {
    /// Whether the moment is made of squares in the optimiser's metric.
    const fn is_weighted(self) -> bool {
        matches!(
            self,
            Self::NoiseHeat
                | Self::KineticHeat
                | Self::MidpointHeat
                | Self::PressureNormSquared
                | Self::CentredVirial
                | Self::CentreForce
                | Self::NormLoss
                | Self::NormGain
                | Self::RadiusSquared
                | Self::ExampleHeat
                | Self::PreconditionedSignal
                | Self::MechanicalPressure
        )
    }
}

impl Step {
    /// m/2 of this step: turns noise into heat.
    pub(crate) fn heat_factor(&self) -> Option<f64> {
        let rate = self.learning_rate.filter(|&rate| rate > 0.0)?;
        Some(0.5 * self.optimizer.mobility(rate)?)
    }

    /// tr Σ over that of a single example: 1/B, or 1/B − 1/N for batches without repetition.
    fn batch_share(&self) -> Option<f64> {
        let share = 1.0 / self.batch_size? as f64;
        let rest = match self.sampling {
            Sampling::WithReplacement => 0.0,
            Sampling::WithoutReplacement | Sampling::Reshuffled => 1.0 / self.data_set_size? as f64,
        };
        Some(share - rest).filter(|&share| share > 0.0)
    }

    /// The rate per step at which the norm forgets where it started, or the direction on a fixed
    /// sphere; `angle2` is the squared angle η²|g|²/|w|² of the step.
    ///
    /// Fixed learning rate: r⁴ relaxes by e^(−4mpt), and r² by e^(−2ηλt) under Adam, whose steps
    /// do not shrink as the weights grow. A preconditioner of unknown making gets the slower. Fixed effective learning rate: r² is logistic
    /// with rate η_eff² M. Sphere: the overlap of directions falls as (1+η_eff² M)^(−t/2).
    pub(crate) fn relaxation_rate(&self, angle2: Option<f64>) -> Option<f64> {
        let rate = match self.protocol {
            Protocol::FixedLearningRate => {
                let (rate, lambda) = self.learning_rate.zip(self.weight_decay)?;
                let pressure = self.optimizer.pressure(lambda, self.decay)?;
                let product = self.optimizer.mobility(rate)? * pressure;
                match (self.optimizer.is_preconditioned(), self.decay) {
                    (false, _) => 4.0 * product,
                    (true, Decay::Decoupled) => 2.0 * product,
                    (true, Decay::Coupled) => return None,
                }
            }
            // Closed forms of a step without preconditioner.
            _ if self.optimizer.is_preconditioned() => return None,
            Protocol::FixedEffectiveLearningRate => angle2?,
            Protocol::FixedSphere => 0.5 * angle2?.ln_1p(),
        };
        (rate > 0.0).then_some(rate)
    }
}
