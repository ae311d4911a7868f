//! The local learning coefficient: the heat capacity of a minimum, by Langevin chains.
//!
//! The tempered posterior exp(−nβ L(w) − γ₀|w − w*|²/2) about a trained w* is a bath at the temperature
//! T = 1/(nβ). What it holds above the minimum grows as
//!
//! <!-- math
//! U = L_0 + \lambda T, \qquad \hat\lambda = n\beta\, \bigl(\langle L \rangle - L(w^*)\bigr)
//! -->
#![doc = include_str!("../math/flatness_learning_coefficient.html")]
//!
//! with λ the local learning coefficient (Lau et al., arXiv 2308.12108): half the number of weights in a bowl,
//! less where the minimum is degenerate ([`singular`](super::normal_crossing) has exact cases). In the words of this crate it
//! is the excess energy over the temperature, which for a homogeneous loss is the heat capacity; [`LearningCoefficient::heat_capacity`] gives
//! that from the fluctuations, (nβ)² Var L, beside it. With β = 1/ln n the same chains give Watanabe's criterion
//! WBIC = n⟨L⟩ = nL₀ + λ̂ ln n.
//!
//! Chains start at w*, colder than they will be. Their common burn-in is detected ([`detect_by_initial_sequence`]) and never taken
//! below a tenth of the draws: the detected one leaves the end of the warming in, which lies below its error bar but
//! always on the same side. The rest is compared by R̂
//! ([`rhat`]), and the error bar is the Monte Carlo one over all chains ([`mcse_mean`]). What makes an answer
//! doubtful is a [`Warning`]: λ̂ below zero (w* is no minimum, or the step is unstable), chains that differ, that
//! never settled, or of which too little is independent. Where a chain diverges there is no answer at all: those that survive are not a fair sample.
//!
//! Assumptions: L is the same deterministic loss everywhere; chains by minibatch need a small fixed step and many
//! [`center_evaluations`](LearningCoefficientConfig::center_evaluations), and their minibatch noise heats them. λ̂
//! depends on nβ and on γ₀: a spring as stiff as nβ h takes part of the energy
//! ([`localised_learning_coefficient`](super::localised_learning_coefficient) is what to expect), and near a singularity of
//! multiplicity m > 1 the approach to λ is logarithmic. Compare λ̂ only at equal nβ and γ₀; both are in the answer.

use super::sampler::{self, Course, Integrator, Record, Target};
use super::singular::check_n_beta;
use crate::curvature::objective::{check_weights, evaluate, norm};
use crate::curvature::{CentralDifference, LanczosConfig, Objective, extremes};
use crate::equilibrium::{InitialSequenceConfig, detect_by_initial_sequence, mcse_mean, rhat};
use crate::error::check_range;
use crate::systems::Random;
use crate::{Error, Estimate, Reading, Reason};

/// How large a step of the chains is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum StepSize {
    /// This part of 1/(nβ h + γ₀), h the largest curvature at the centre by some twenty products.
    /// Unstable at 4 in a bowl. Metropolis starts from it, over d^{1/3}, and adapts.
    Curvature(f64),
    /// ε itself.
    Fixed(f64),
}

/// How [`learning_coefficient`] samples.
///
/// ```
/// use thermograd::flatness::{Integrator, LearningCoefficientConfig};
/// let config = LearningCoefficientConfig::new(50_000)
///     .localisation(100.0)
///     .chains(4)
///     .draws(2000)
///     .integrator(Integrator::Metropolis);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LearningCoefficientConfig {
    examples: u64,
    n_beta: Option<f64>,
    localisation: Option<f64>,
    integrator: Integrator,
    step: StepSize,
    chains: usize,
    draws: usize,
    center: usize,
    alarm: f64,
    seed: u64,
}

impl LearningCoefficientConfig {
    /// For a loss that is the mean over n examples, at nβ = n/ln n.
    pub const fn new(examples: u64) -> Self {
        Self {
            examples,
            n_beta: None,
            localisation: None,
            integrator: Integrator::AveragedNoise,
            step: StepSize::Curvature(1.0),
            chains: 4,
            draws: 1000,
            center: 1,
            alarm: 1.05,
            seed: 0,
        }
    }

    /// Another inverse temperature nβ = 1/T, in 1/loss.
    #[must_use]
    pub const fn n_beta(mut self, n_beta: f64) -> Self {
        self.n_beta = Some(n_beta);
        self
    }

    /// The prior precision γ₀ about the centre, in 1/weight². By default d/|w*|²: the prior strays as far from a
    /// weight as a typical weight is large. (1 where all weights are 0.)
    #[must_use]
    pub const fn localisation(mut self, precision: f64) -> Self {
        self.localisation = Some(precision);
        self
    }

    /// How the chains move: with averaged noise by default.
    #[must_use]
    pub const fn integrator(mut self, integrator: Integrator) -> Self {
        self.integrator = integrator;
        self
    }

    /// The step size: 1/(nβ h + γ₀) by default, from the largest curvature h.
    #[must_use]
    pub const fn step(mut self, step: StepSize) -> Self {
        self.step = step;
        self
    }

    /// Chains: 4 by default.
    #[must_use]
    pub const fn chains(mut self, chains: usize) -> Self {
        self.chains = chains;
        self
    }

    /// Draws a chain, burn-in included: 1000 by default. One gradient evaluation each.
    #[must_use]
    pub const fn draws(mut self, draws: usize) -> Self {
        self.draws = draws;
        self
    }

    /// How often the loss is taken at the centre: once by default, more for a closure that is noisy.
    #[must_use]
    pub const fn center_evaluations(mut self, evaluations: usize) -> Self {
        self.center = evaluations;
        self
    }

    /// The R̂ above which chains are said to differ: 1.05 by default.
    #[must_use]
    pub const fn rhat_alarm(mut self, alarm: f64) -> Self {
        self.alarm = alarm;
        self
    }

    /// Seed of the chains.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn check(&self) -> Result<(), Error> {
        let n = self.examples as f64;
        check_range("number of examples", n, "at least 2", |n| n >= 2.0)?;
        check_n_beta(self.temperature().recip())?;
        if let Some(precision) = self.localisation {
            check_range("localisation", precision, "0 to 1e140", |x| {
                (0.0..1e140).contains(&x)
            })?;
        }
        let (StepSize::Curvature(step) | StepSize::Fixed(step)) = self.step;
        check_range(
            "step size",
            step,
            "a positive number between 1e-140 and 1e140",
            |x| x > 1e-140 && x < 1e140,
        )?;
        let counts = [
            ("number of chains", self.chains, 1, 10_000, "1 to 10000"),
            (
                "draws of a chain",
                self.draws,
                16,
                100_000_000,
                "16 to 100000000",
            ),
            (
                "evaluations at the centre",
                self.center,
                1,
                1_000_000,
                "1 to 1000000",
            ),
        ];
        for (what, value, least, most, allowed) in counts {
            check_range(what, value as f64, allowed, |_| {
                (least..=most).contains(&value)
            })?;
        }
        check_range(
            "alarm of R-hat",
            self.alarm,
            "a finite number, at least 1",
            |x| x >= 1.0,
        )
    }

    fn temperature(&self) -> f64 {
        let n = self.examples as f64;
        self.n_beta.unwrap_or(n / n.ln()).recip()
    }
}

/// Why a learning coefficient should not be believed as it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Warning {
    /// Chains met a loss or gradient that was not finite: make the step smaller.
    Diverged {
        /// How many.
        chains: usize,
    },
    /// λ̂ is negative beyond two standard errors: w* is no minimum of this loss, or the step is unstable.
    Negative,
    /// So many single chains lie below the centre by more than two of their standard errors.
    NegativeChains {
        /// How many.
        chains: usize,
    },
    /// R̂ is above the alarm: chains differ, or drift. Draw longer.
    NotMixed {
        /// R̂.
        rhat: f64,
    },
    /// The transient took more than half of the draws.
    SlowBurnIn {
        /// Draws of each chain that were left out.
        origin: usize,
    },
    /// Fewer than 50 independent draws in all: the error bar itself is rough.
    FewDraws {
        /// How many.
        n_eff: f64,
    },
    /// Metropolis refused more than nine of ten proposals.
    Refused {
        /// The part that was accepted, over all chains.
        acceptance: f64,
    },
}

/// One chain of [`learning_coefficient`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Chain {
    /// λ̂ from this chain alone, after the common burn-in.
    pub estimate: Reading,
    /// The loss at every draw, burn-in included.
    pub losses: Vec<f64>,
    /// Part of the proposals accepted; 1 where none is tested.
    pub acceptance: f64,
    /// The step size ε that it ended with.
    pub step: f64,
    /// Whether loss or gradient ceased to be finite.
    pub diverged: bool,
}

/// The answer of [`learning_coefficient`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LearningCoefficient {
    /// λ̂ = nβ(U − L₀), a pure number.
    pub estimate: Reading,
    /// nβ = 1/T at which it was taken.
    pub n_beta: f64,
    /// γ₀ at which it was taken.
    pub localisation: f64,
    /// L₀ = L(w*), with an error where it was taken more than once.
    pub center: Estimate,
    /// U = ⟨L⟩.
    pub energy: Reading,
    /// C = (nβ)² Var L: equal to λ where the loss is homogeneous.
    pub heat_capacity: Reading,
    /// WBIC = n⟨L⟩ in nats; undefined at another temperature than its own, β = 1/ln n.
    pub wbic: Reading,
    /// R̂ of the losses after burn-in.
    pub rhat: Reading<f64>,
    /// Draws of each chain that were left out as transient.
    pub burn_in: usize,
    /// The chains.
    pub chains: Vec<Chain>,
    /// What makes the answer doubtful; empty is good.
    pub warnings: Vec<Warning>,
    /// Gradient evaluations in all, those for the step size included.
    pub gradient_evaluations: u64,
}

/// The local learning coefficient at `weights`.
///
/// ```
/// use thermograd::curvature::gradient;
/// use thermograd::flatness::{LearningCoefficientConfig, learning_coefficient};
/// // A bowl of four directions: λ = 4/2, less what the prior takes: ½ Σ nβ h/(nβ h + γ₀) = 1.98.
/// let bowl = gradient(|w: &[f64], g: &mut [f64]| {
///     g.copy_from_slice(w);
///     0.5 * w.iter().map(|w| w * w).sum::<f64>()
/// });
/// let config = LearningCoefficientConfig::new(1000).n_beta(100.0).localisation(1.0);
/// let found = learning_coefficient(bowl, &[0.0; 4], &config)?;
/// let estimate = found.estimate.ready().unwrap();
/// assert!(estimate.z_score(1.98).unwrap().abs() < 4.0 && found.warnings.is_empty());
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Pending where too few draws are left after burn-in, undefined where a chain diverged or the loss does not vary.
///
/// # Errors
/// [`Error::OutOfRange`] for the configuration; [`Error::Empty`], [`Error::NonFinite`], [`Error::Overflow`] for the weights; what
/// the closure returns as an error, and a loss or gradient at the centre that is not finite.
pub fn learning_coefficient<O: Objective>(
    mut objective: O,
    weights: &[f64],
    config: &LearningCoefficientConfig,
) -> Result<LearningCoefficient, Error> {
    config.check()?;
    check_weights(weights)?;
    let mut gradient = vec![0.0; weights.len()];
    let center: Result<Vec<f64>, Error> = (0..config.center)
        .map(|_| evaluate(&mut objective, weights, &mut gradient))
        .collect();
    let center = mean_of(&center?);
    let target = Target {
        center: weights,
        n_beta: config.temperature().recip(),
        localisation: config
            .localisation
            .unwrap_or_else(|| default_precision(weights)),
    };
    let (course, evaluations) = course(&mut objective, &target, config)?;
    let mut random = Random::new(config.seed);
    let mut records = Vec::new();
    for _ in 0..config.chains {
        let mut own = Random::new(random.bits());
        let mut w = weights.to_vec();
        records.push(sampler::run(
            &mut objective,
            &target,
            &course,
            &mut w,
            &mut own,
        )?);
    }
    let spent: u64 = records.iter().map(|record| record.evaluations).sum();
    answer(
        records,
        &target,
        center,
        config,
        evaluations + config.center as u64 + spent,
    )
}

/// d/|w|².
pub(super) fn default_precision(weights: &[f64]) -> f64 {
    let norm = norm(weights);
    if norm > 1e-60 {
        weights.len() as f64 / (norm * norm)
    } else {
        1.0
    }
}

/// The step size, and the gradient evaluations that it took.
fn course<O: Objective>(
    objective: &mut O,
    target: &Target<'_>,
    config: &LearningCoefficientConfig,
) -> Result<(Course, u64), Error> {
    let metropolis = config.integrator == Integrator::Metropolis;
    let (step, evaluations) = match config.step {
        StepSize::Fixed(step) => (step, 0),
        StepSize::Curvature(part) => {
            let (stiffness, evaluations) = stiffness(objective, target)?;
            let step = part / stiffness.max(f64::MIN_POSITIVE);
            let step = if metropolis {
                step / (target.center.len() as f64).cbrt()
            } else {
                step
            };
            (step.min(1e140), evaluations)
        }
    };
    let adapts = metropolis && matches!(config.step, StepSize::Curvature(_));
    Ok((
        Course {
            integrator: config.integrator,
            step,
            draws: config.draws,
            adaptation: if adapts {
                (config.draws / 4).clamp(16, 500)
            } else {
                0
            },
        },
        evaluations,
    ))
}

/// The largest stiffness nβ|h| + γ₀ about the centre, by Lanczos to a twentieth.
///
/// The curvature is averaged over a tenth of the way that the prior lets a weight stray, or a hundredth of
/// |w|: kinks look then as they will to the chains.
pub(super) fn stiffness<O: Objective>(
    objective: &mut O,
    target: &Target<'_>,
) -> Result<(f64, u64), Error> {
    let size = norm(target.center);
    let shortest = objective.rounding().cbrt() * size;
    let mut hessian = CentralDifference::new(objective, target.center)?;
    let by_prior = (target.localisation > 0.0).then(|| 0.1 / target.localisation.sqrt());
    let by_size = (size > 1e-60).then_some(0.01 * size);
    if let Some(length) = by_prior.into_iter().chain(by_size).reduce(f64::min) {
        hessian = hessian.step_length(length.max(shortest))?;
    }
    let lanczos = LanczosConfig::default()
        .smallest(1)
        .steps(20)
        .tolerance(0.05);
    let found = extremes(&mut hessian, &lanczos)?;
    let ends = found.largest.iter().chain(&found.smallest);
    let largest = ends.fold(0.0_f64, |m, pair| m.max(pair.value.abs() + pair.residual));
    Ok((
        target.n_beta * largest + target.localisation,
        found.cost.gradient_evaluations,
    ))
}

fn mean_of(values: &[f64]) -> Estimate {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    Estimate {
        value: mean,
        std_error: (square / (n * (n - 1.0).max(1.0))).sqrt(),
        n_eff: n,
    }
}

/// Chains from here on, cut at their common burn-in.
struct Settled<'a> {
    origin: usize,
    losses: Vec<&'a [f64]>,
}

impl<'a> Settled<'a> {
    fn of(records: &'a [Record]) -> Result<Reading<Self>, Error> {
        let all: Vec<&[f64]> = records.iter().map(|r| r.losses.as_slice()).collect();
        let burn_in = detect_by_initial_sequence(&all, &InitialSequenceConfig::default())?;
        let draws = all.first().map_or(0, |losses| losses.len());
        Ok(burn_in.map(|burn_in| {
            let origin = burn_in.origin.max(draws / 10);
            let rest = all.iter().map(|losses| losses.get(origin..).unwrap_or(&[]));
            Self {
                origin,
                losses: rest.collect(),
            }
        }))
    }

    fn mean(&self) -> Result<Reading, Error> {
        mcse_mean(&self.losses)
    }

    /// Var L with its error: the mean of the squares about the mean.
    fn variance(&self, mean: f64) -> Result<Reading, Error> {
        let squares: Vec<Vec<f64>> = self
            .losses
            .iter()
            .map(|chain| chain.iter().map(|x| (x - mean).powi(2)).collect())
            .collect();
        let views: Vec<&[f64]> = squares.iter().map(Vec::as_slice).collect();
        mcse_mean(&views)
    }
}

fn scaled(estimate: Estimate, by: f64) -> Estimate {
    Estimate {
        value: by * estimate.value,
        std_error: by * estimate.std_error,
        n_eff: estimate.n_eff,
    }
}

/// nβ(U − L₀), with the errors of both.
fn excess(energy: Estimate, center: Estimate, n_beta: f64) -> Estimate {
    let center_error = if center.n_eff > 1.0 {
        center.std_error
    } else {
        0.0
    };
    Estimate {
        value: n_beta * (energy.value - center.value),
        std_error: n_beta * energy.std_error.hypot(center_error),
        n_eff: energy.n_eff,
    }
}

fn answer(
    records: Vec<Record>,
    target: &Target<'_>,
    center: Estimate,
    config: &LearningCoefficientConfig,
    gradient_evaluations: u64,
) -> Result<LearningCoefficient, Error> {
    const DIVERGED: Reason =
        Reason::Meaningless("a chain diverged: those that did not are no fair sample");
    let n_beta = target.n_beta;
    let diverged = records.iter().filter(|record| record.diverged).count();
    let settled = if diverged > 0 {
        Reading::Undefined(DIVERGED)
    } else {
        Settled::of(&records)?
    };
    let mut burn_in = 0;
    let mut own = Vec::new();
    let (energy, heat_capacity, mixing) = match &settled {
        Reading::Ready(settled) => {
            burn_in = settled.origin;
            let energy = settled.mean()?;
            let capacity = match &energy {
                Reading::Ready(mean) => settled
                    .variance(mean.value)?
                    .map(|variance| scaled(variance, n_beta * n_beta)),
                reading => reading.clone(),
            };
            for losses in &settled.losses {
                own.push(mcse_mean(&[losses])?.map(|u| excess(u, center, n_beta)));
            }
            (energy, capacity, rhat(&settled.losses)?)
        }
        Reading::Pending { seen, needed } => {
            let pending = Reading::Pending {
                seen: *seen,
                needed: *needed,
            };
            let mixing = Reading::Pending {
                seen: *seen,
                needed: *needed,
            };
            (pending.clone(), pending, mixing)
        }
        Reading::Undefined(reason) => (
            Reading::Undefined(reason.clone()),
            Reading::Undefined(reason.clone()),
            Reading::Undefined(reason.clone()),
        ),
    };
    own.resize(records.len(), energy.clone());
    let estimate = energy.clone().map(|u| excess(u, center, n_beta));
    let found = Found {
        estimate: &estimate,
        own: &own,
        mixing: &mixing,
        burn_in,
    };
    let warnings = found.warnings(&records, config);
    let wbic = if config.n_beta.is_some() {
        Reading::Undefined(Reason::Meaningless(
            "another temperature than 1/ln n was set",
        ))
    } else {
        energy.clone().map(|u| scaled(u, config.examples as f64))
    };
    let chains = records
        .into_iter()
        .zip(own)
        .map(|(record, estimate)| Chain {
            estimate,
            losses: record.losses,
            acceptance: record.acceptance,
            step: record.step,
            diverged: record.diverged,
        });
    Ok(LearningCoefficient {
        estimate,
        n_beta,
        localisation: target.localisation,
        center,
        energy,
        heat_capacity,
        wbic,
        rhat: mixing,
        burn_in,
        chains: chains.collect(),
        warnings,
        gradient_evaluations,
    })
}

/// What the warnings are about.
struct Found<'a> {
    estimate: &'a Reading,
    own: &'a [Reading],
    mixing: &'a Reading<f64>,
    burn_in: usize,
}

impl Found<'_> {
    fn warnings(&self, records: &[Record], config: &LearningCoefficientConfig) -> Vec<Warning> {
        let below = |reading: &Reading| {
            reading
                .ready()
                .is_some_and(|e| e.value < -2.0 * e.std_error)
        };
        let mut warnings = Vec::new();
        let diverged = records.iter().filter(|record| record.diverged).count();
        if diverged > 0 {
            warnings.push(Warning::Diverged { chains: diverged });
        }
        if below(self.estimate) {
            warnings.push(Warning::Negative);
        }
        let negative = self.own.iter().filter(|reading| below(reading)).count();
        if negative > 0 {
            warnings.push(Warning::NegativeChains { chains: negative });
        }
        if let Reading::Ready(rhat) = self.mixing
            && *rhat > config.alarm
        {
            warnings.push(Warning::NotMixed { rhat: *rhat });
        }
        if self.burn_in > config.draws / 2 {
            warnings.push(Warning::SlowBurnIn {
                origin: self.burn_in,
            });
        }
        if let Reading::Ready(Estimate { n_eff, .. }) = self.estimate
            && *n_eff < 50.0
        {
            warnings.push(Warning::FewDraws { n_eff: *n_eff });
        }
        let acceptance =
            records.iter().map(|r| r.acceptance).sum::<f64>() / records.len().max(1) as f64;
        if diverged == 0 && acceptance < 0.1 {
            warnings.push(Warning::Refused { acceptance });
        }
        warnings
    }
}
