//! The isotropic-noise gas: a scale-invariant group whose radius, temperature and Z are known.
//!
//! # Definition
//! A loss that depends on the direction of w ∈ R^d only, here L(w) = 1 + a μ̂·w/|w| with μ̂ the first
//! axis and a ≥ 0 (a = 0 is the pure gas: noise alone), and a gradient that is its exact gradient
//! plus isotropic noise in the tangent space:
//!
//! <!-- math
//! g = \frac1r P (a \hat\mu + \sigma z), \qquad P = 1 - \hat w \hat w', \qquad z \sim N(0, 1) \text{ per coordinate}, \qquad r = |w|
//! -->
#![doc = include_str!("../math/systems_isotropic_gas_1.html")]
//!
//! so that w·g = 0, as Euler's theorem demands of a scale-invariant loss, and the noise has the variance
//! σ²/r² in each of d − 1 directions. This is the model of arXiv 2511.07308; M = r² E|g|² =
//! (d − 1) σ² is the second moment on the unit sphere. The batch loss behind such a gradient is
//! `L_B`(w) = L(w) + b·ŵ with b = σ P z, which gives the loss of *one batch* before and after a step.
//!
//! # What is exact
//! Taking the expectation of |w′|² over one step gives a recursion in which the only approximation is
//! E\[1/r²\] = 1/E\[r²\] ("moment-closed"). It puts r² too low by the fraction v/2, where v = Var(r²)/E\[r²\]²
//! is (1−q²)/(2q²(d−1)) ≈ ηλ/(d−1) without momentum, q = 1 − ηλ. Momentum makes the radius fluctuate more:
//! simulated at μ = 0.9 and d = 20, v is 0.019 for ηλ = 0.005 and 0.060 for 0.05, falling as 1/d. At large d
//! the closed forms are exact:
//!
//! | quantity | fixed learning rate | fixed effective rate e = η/r² |
//! |---|---|---|
//! | r⁴, or r² | ηM / (λ(1−μ)(2 − ηλ/(1+μ))) | r² = (1 − √(1−e²M)) / (e λ) |
//! | Z = λ r² / ((d−1) T) | 1 / (1 − ηλ/(2(1+μ))) | the same with ηλ = 1 − √(1−e²M) |
//! | 1 − ⟨cos⟩ per step | ηλ/(1+μ) | ηλ |
//! | overlap after t steps | (1−ηλ)^t | (1−e²M)^(t/2) |
//!
//! Dampening τ replaces η by η(1−τ). With a mean gradient (a > 0) M depends on where the direction
//! settles; these answers are then [`Undefined`](Reading::Undefined), and
//! [`stationary_state`](IsotropicGasConfig::stationary_state) has those to first order in the step.
//!
//! # When it lies
//! It is a caricature: real gradient noise is anisotropic and depends on w. Start-up is part of the
//! run: the radius needs some 5/(4ηλ) steps (times 1 − μ) to settle, the direction forgets itself in
//! 1/(ηλ).

use crate::error::check_range;
use crate::pressure::effective_radius;
use crate::random::Random;
use crate::{Decay, Error, Optimizer, Protocol, Reading, Reason, Step};

use super::dot;

/// What no gas answers.
const UNSOUND: Reading<f64> = Reading::Undefined(Reason::Meaningless(
    "a parameter is out of its range: build() says which",
));

/// What is held fixed during the run.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum GasProtocol {
    /// SGD as it is run: the learning rate is fixed, the radius finds its own value.
    FixedLearningRate {
        /// η.
        learning_rate: f64,
        /// λ, in the unit of 1/η.
        weight_decay: f64,
    },
    /// η = e r² at each step, which fixes the temperature e σ²/2.
    FixedEffectiveLearningRate {
        /// e = η/r².
        effective_learning_rate: f64,
        /// λ.
        weight_decay: f64,
    },
    /// A step with η = e r², then a projection back to the starting radius.
    FixedSphere {
        /// e = η/r².
        effective_learning_rate: f64,
    },
}

/// The parameters of an [`IsotropicGas`]; `new` is the pure gas under plain SGD.
///
/// Defaults: noise σ = 1, strength a = 0, radius 1, μ = 0, τ = 0, coupled decay, seed 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IsotropicGasConfig {
    pub(super) dim: usize,
    pub(super) protocol: GasProtocol,
    pub(super) noise: f64,
    pub(super) strength: f64,
    pub(super) radius: f64,
    pub(super) momentum: f64,
    pub(super) dampening: f64,
    pub(super) decay: Decay,
    seed: u64,
}

/// More parameters than any known answer needs; a guard against a count that was not meant.
const MAX_DIM: usize = 1 << 26;

impl IsotropicGasConfig {
    /// `dim` weights under `protocol`.
    pub const fn new(dim: usize, protocol: GasProtocol) -> Self {
        Self {
            dim,
            protocol,
            noise: 1.0,
            strength: 0.0,
            radius: 1.0,
            momentum: 0.0,
            dampening: 0.0,
            decay: Decay::Coupled,
            seed: 0,
        }
    }

    /// σ, the noise per direction on the unit sphere.
    #[must_use]
    pub const fn noise(mut self, sigma: f64) -> Self {
        self.noise = sigma;
        self
    }

    /// a, the amplitude of the mean loss.
    #[must_use]
    pub const fn strength(mut self, strength: f64) -> Self {
        self.strength = strength;
        self
    }

    /// |w| at the start, and throughout on the fixed sphere.
    #[must_use]
    pub const fn radius(mut self, radius: f64) -> Self {
        self.radius = radius;
        self
    }

    /// μ of the heavy ball v′ = μ v + (1 − τ) g; at a fixed learning rate only.
    #[must_use]
    pub const fn momentum(mut self, mu: f64) -> Self {
        self.momentum = mu;
        self
    }

    /// τ; τ = μ makes the velocity an exponential moving average of gradients.
    #[must_use]
    pub const fn dampening(mut self, tau: f64) -> Self {
        self.dampening = tau;
        self
    }

    /// Where weight decay enters.
    #[must_use]
    pub const fn decay(mut self, decay: Decay) -> Self {
        self.decay = decay;
        self
    }

    /// The seed of the starting direction and of all noise.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks everything, places the weights at random on the starting sphere and draws a gradient.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a parameter outside its range, [`Error::Conflict`] for momentum or
    /// dampening in a protocol other than the fixed learning rate.
    pub fn build(self) -> Result<IsotropicGas, Error> {
        self.validate()?;
        let dim = self.dim;
        let mut gas = IsotropicGas {
            config: self,
            random: Random::new(self.seed),
            second_random: Random::new(!self.seed),
            weights: vec![0.0; dim],
            velocity: vec![0.0; dim],
            gradient: vec![0.0; dim],
            second: vec![0.0; dim],
            second_drawn: false,
            next: vec![0.0; dim],
            radius_squared: 0.0,
            batch_losses: None,
            steps: 0,
        };
        for w in &mut gas.weights {
            *w = gas.random.normal();
        }
        let norm = dot(&gas.weights, &gas.weights).sqrt();
        check_range("norm of the random start", norm, "another seed", |n| {
            n > 0.0
        })?;
        let scale = self.radius / norm;
        gas.weights.iter_mut().for_each(|w| *w *= scale);
        gas.radius_squared = dot(&gas.weights, &gas.weights);
        gas.draw();
        Ok(gas)
    }

    /// The update rule.
    pub const fn optimizer(&self) -> Optimizer {
        Optimizer::HeavyBall {
            momentum: self.momentum,
            dampening: self.dampening,
        }
    }

    pub(super) fn validate(&self) -> Result<(), Error> {
        check_range("dimension", self.dim as f64, "2 to 2^26", |_| {
            (2..=MAX_DIM).contains(&self.dim)
        })?;
        let scale = |x: f64| (1e-50..=1e50).contains(&x);
        let scale_or_zero = |x: f64| x == 0.0 || scale(x);
        check_range("noise", self.noise, "0, or 1e-50 to 1e50", scale_or_zero)?;
        check_range(
            "strength",
            self.strength,
            "0, or 1e-50 to 1e50",
            scale_or_zero,
        )?;
        check_range("radius", self.radius, "1e-50 to 1e50", scale)?;
        check_range("momentum", self.momentum, "0 <= mu < 1", |m| {
            (0.0..1.0).contains(&m)
        })?;
        check_range("dampening", self.dampening, "0 <= tau < 1", |t| {
            (0.0..1.0).contains(&t)
        })?;
        let (rate, decay) = match self.protocol {
            GasProtocol::FixedLearningRate {
                learning_rate,
                weight_decay,
            } => {
                check_range(
                    "learning rate times weight decay",
                    learning_rate * weight_decay,
                    "less than 1",
                    |x| x < 1.0,
                )?;
                (learning_rate, weight_decay)
            }
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate,
                weight_decay,
            } => (effective_learning_rate, weight_decay),
            GasProtocol::FixedSphere {
                effective_learning_rate,
            } => (effective_learning_rate, 0.0),
        };
        check_range("learning rate", rate, "1e-50 to 1e50", scale)?;
        check_range("weight decay", decay, "0, or 1e-50 to 1e50", scale_or_zero)?;
        let fixed = matches!(self.protocol, GasProtocol::FixedLearningRate { .. });
        if !fixed && (self.momentum != 0.0 || self.dampening != 0.0) {
            return Err(Error::Conflict {
                what: "momentum or dampening in a protocol that rescales each step",
                remedy: "use GasProtocol::FixedLearningRate, where a velocity keeps its meaning",
            });
        }
        Ok(())
    }

    /// M = r² E|g|² = (d − 1) σ² of the pure gas.
    ///
    /// [`Reading::Undefined`] with a mean gradient, whose share depends on the direction.
    pub fn second_moment(&self) -> Reading<f64> {
        if self.validate().is_err() {
            UNSOUND
        } else if self.strength == 0.0 {
            Reading::Ready((self.dim as f64 - 1.0) * self.noise * self.noise)
        } else {
            Reading::Undefined(Reason::Meaningless(
                "the second moment depends on the direction when there is a mean gradient",
            ))
        }
    }

    /// The stationary √⟨r²⟩, moment-closed, of the protocol in use.
    ///
    /// <!-- math
    /// \begin{aligned}
    /// \text{coupled:} && r^4 &= \frac{\eta (1-\tau) M}{\lambda (1-\mu) \bigl(2 - \eta (1-\tau) \lambda / (1+\mu)\bigr)} \\
    /// \text{decoupled:} && r^4 &= \frac{\eta^2 (1-\tau)^2 M (1 + q \mu)}{(1-q^2) (1-\mu^2) (1 - q \mu)}, \qquad q = 1 - \eta \lambda \\
    /// \text{effective:} && r^2 &= \frac{1 - \sqrt{1 - e^2 M}}{e \lambda}
    /// \end{aligned}
    /// -->
    #[doc = include_str!("../math/systems_isotropic_gas_2.html")]
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.5, weight_decay: 1.0 };
    /// // M = 3: r^4 = 0.5 * 3 / (1 * (2 - 0.5)) = 1.
    /// let radius = IsotropicGasConfig::new(4, protocol).stationary_radius();
    /// assert_eq!(radius.ready(), Some(&1.0));
    /// ```
    ///
    /// [`Reading::Undefined`] without noise or without decay (there is no such radius), with a mean
    /// gradient, and at e²M ≥ 1, where no decay can hold the radius.
    pub fn stationary_radius(&self) -> Reading<f64> {
        let moment = match self.second_moment() {
            Reading::Ready(moment) if moment > 0.0 => moment,
            Reading::Ready(_) => {
                return Reading::Undefined(Reason::Degenerate("no noise: the radius decays to 0"));
            }
            other => return other,
        };
        let without_decay = Reading::Undefined(Reason::Meaningless(
            "without weight decay the radius grows for ever",
        ));
        let no_balance = Reading::Undefined(Reason::Meaningless(
            "the step is too large: no decay holds the radius",
        ));
        match self.protocol {
            GasProtocol::FixedLearningRate { weight_decay, .. }
            | GasProtocol::FixedEffectiveLearningRate { weight_decay, .. }
                if weight_decay == 0.0 =>
            {
                without_decay
            }
            GasProtocol::FixedLearningRate {
                learning_rate,
                weight_decay,
            } => self
                .optimizer()
                .radius_factor(learning_rate, weight_decay, self.decay)
                .map_or(no_balance, |factor| {
                    Reading::Ready((factor * moment).sqrt().sqrt())
                }),
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: e,
                weight_decay,
            } => effective_radius(e * e * moment, e * weight_decay)
                .map_or(no_balance, Reading::Ready),
            GasProtocol::FixedSphere { .. } => Reading::Ready(self.radius),
        }
    }

    /// T = η(1−τ) σ² / (2 (1−μ) r²) at the stationary radius, in units of the loss.
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let protocol = GasProtocol::FixedSphere { effective_learning_rate: 0.02 };
    /// let t = IsotropicGasConfig::new(100, protocol).noise(3.0).temperature();
    /// assert!((t.ready().unwrap() - 0.09).abs() < 1e-15);
    /// ```
    ///
    /// Undefined where the radius is; at a fixed effective rate it is e σ²/2 for any strength.
    pub fn temperature(&self) -> Reading<f64> {
        if self.validate().is_err() {
            return UNSOUND;
        }
        let half_variance = 0.5 * self.noise * self.noise;
        match self.protocol {
            GasProtocol::FixedLearningRate { learning_rate, .. } => {
                let eta = learning_rate * (1.0 - self.dampening) / (1.0 - self.momentum);
                self.stationary_radius()
                    .map(|r| eta * half_variance / (r * r))
            }
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: e,
                ..
            }
            | GasProtocol::FixedSphere {
                effective_learning_rate: e,
            } => Reading::Ready(e * half_variance),
        }
    }

    /// ηλ(1−τ) of the stationary state, for coupled decay.
    fn decay_rate(&self) -> Reading<f64> {
        match (self.protocol, self.decay) {
            (
                GasProtocol::FixedLearningRate {
                    learning_rate,
                    weight_decay,
                },
                decay,
            ) => {
                if decay == Decay::Decoupled && (self.momentum > 0.0 || self.dampening > 0.0) {
                    return Reading::Undefined(Reason::Optimizer(
                        "decoupled decay with momentum or dampening has another effective pressure",
                    ));
                }
                let rate = learning_rate * (1.0 - self.dampening) * weight_decay;
                self.stationary_radius().map(|_| rate)
            }
            (
                GasProtocol::FixedEffectiveLearningRate {
                    effective_learning_rate: e,
                    weight_decay,
                },
                _,
            ) => self.stationary_radius().map(|r| e * weight_decay * r * r),
            (GasProtocol::FixedSphere { .. }, _) => Reading::Undefined(Reason::Missing(
                "weight decay (the sphere is held by force)",
            )),
        }
    }

    /// Z = λ ⟨r²⟩ / ((d − 1) T) = 1 / (1 − ηλ/(2(1+μ))): the discrete step's departure from 1.
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.5, weight_decay: 0.4 };
    /// let z = IsotropicGasConfig::new(9, protocol).compressibility_factor();
    /// assert!((z.ready().unwrap() - 1.0 / 0.9).abs() < 1e-15);
    /// ```
    ///
    /// Undefined on the fixed sphere, for decoupled decay with momentum, and where the radius is.
    pub fn compressibility_factor(&self) -> Reading<f64> {
        self.decay_rate()
            .map(|rate| 1.0 / (1.0 - rate / (2.0 * (1.0 + self.momentum))))
    }

    /// 1 − ⟨cos(`w_t`, `w_(t+1)`)⟩ in the stationary state: ηλ/(1+μ).
    ///
    /// On the fixed sphere 1 − 1/√(1 + e²M), to leading order in 1/d. Undefined as
    /// [`compressibility_factor`](Self::compressibility_factor) is, the sphere excepted.
    pub fn rotation(&self) -> Reading<f64> {
        match self.protocol {
            GasProtocol::FixedSphere { .. } => self.overlap(1).map(|q| 1.0 - q),
            _ => self.decay_rate().map(|rate| rate / (1.0 + self.momentum)),
        }
    }

    /// ⟨`ŵ_t`·`ŵ_0`⟩ of the pure stationary gas after `lag` steps: (1 − ηλ)^lag, without momentum.
    ///
    /// On the fixed sphere (1 + e²M)^(−lag/2), to leading order in 1/d.
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.5, weight_decay: 0.2 };
    /// let q = IsotropicGasConfig::new(9, protocol).overlap(2);
    /// assert!((q.ready().unwrap() - 0.81).abs() < 1e-15);
    /// ```
    pub fn overlap(&self, lag: u32) -> Reading<f64> {
        if let GasProtocol::FixedSphere {
            effective_learning_rate: e,
        } = self.protocol
        {
            return self
                .second_moment()
                .map(|m| (-0.5 * f64::from(lag) * (e * e * m).ln_1p()).exp());
        }
        if self.momentum > 0.0 {
            return Reading::Undefined(Reason::Optimizer(
                "the overlap of the gas with momentum is not a single power",
            ));
        }
        self.decay_rate()
            .map(|rate| (f64::from(lag) * (-rate).ln_1p()).exp())
    }

    /// √E\[r²\] one step after a radius `radius`: the exact relaxation law, step by step.
    ///
    /// <!-- math
    /// \begin{aligned}
    /// \text{fixed rate:} && r'^2 &= (1 - \eta \lambda)^2 r^2 + \frac{\eta^2 M}{r^2} \\
    /// \text{effective rate:} && r'^2 &= r^2 \bigl((1 - e \lambda r^2)^2 + e^2 M\bigr)
    /// \end{aligned}
    /// -->
    #[doc = include_str!("../math/systems_isotropic_gas_3.html")]
    ///
    /// Its continuum limits are r⁴ relaxing exponentially at the rate 4ηλ, and a logistic r².
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.5, weight_decay: 1.0 };
    /// // M = 3, from r = 1: 0.25 + 0.75.
    /// let gas = IsotropicGasConfig::new(4, protocol);
    /// assert_eq!(gas.relaxed_radius(1.0)?.ready(), Some(&1.0));
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// [`Reading::Undefined`] with momentum (the radius alone is no closed state) or a mean gradient.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for a radius that is not positive and finite.
    pub fn relaxed_radius(&self, radius: f64) -> Result<Reading<f64>, Error> {
        check_range("radius", radius, "1e-70 to 1e70", |r| {
            (1e-70..=1e70).contains(&r)
        })?;
        if self.momentum > 0.0 {
            return Ok(Reading::Undefined(Reason::Optimizer(
                "with momentum the radius does not determine its own future",
            )));
        }
        let r2 = radius * radius;
        Ok(self.second_moment().map(|moment| match self.protocol {
            GasProtocol::FixedLearningRate {
                learning_rate,
                weight_decay,
            } => {
                let eta = learning_rate * (1.0 - self.dampening);
                let rate = match self.decay {
                    Decay::Coupled => eta * weight_decay,
                    Decay::Decoupled => learning_rate * weight_decay,
                };
                (1.0 - rate).hypot(eta * moment.sqrt() / r2) * radius
            }
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: e,
                weight_decay,
            } => (1.0 - e * weight_decay * r2).hypot(e * moment.sqrt()) * radius,
            GasProtocol::FixedSphere { .. } => self.radius,
        }))
    }
}

/// A running isotropic gas: weights, the gradient drawn at them, and the update.
///
/// ```
/// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
/// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.1, weight_decay: 0.1 };
/// let mut gas = IsotropicGasConfig::new(50, protocol).seed(1).build()?;
/// let mut mean = 0.0;
/// for _ in 0..500 {
///     // Observe (w_t, g_t) here: the gradient belongs to the weights, the update comes after.
///     let overlap: f64 = gas.weights().iter().zip(gas.gradient()).map(|(w, g)| w * g).sum();
///     assert!(overlap.abs() < 1e-13);
///     mean += gas.radius().powi(2) / 500.0;
///     gas.step()?;
/// }
/// let exact = gas.config().stationary_radius().ready().unwrap().powi(2);
/// assert!((mean / exact - 1.0).abs() < 0.2);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct IsotropicGas {
    config: IsotropicGasConfig,
    random: Random,
    second_random: Random,
    weights: Vec<f64>,
    velocity: Vec<f64>,
    gradient: Vec<f64>,
    second: Vec<f64>,
    second_drawn: bool,
    next: Vec<f64>,
    radius_squared: f64,
    batch_losses: Option<(f64, f64)>,
    steps: u64,
}

impl IsotropicGas {
    /// The parameters, and with them the exact answers.
    pub const fn config(&self) -> &IsotropicGasConfig {
        &self.config
    }

    /// `w_t`.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// `g_t`, drawn at `w_t` for the coming step; without any decay term.
    pub fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// Draws a second gradient at the same weights, independent of the first.
    ///
    /// It comes from a stream of its own: the trajectory is the same with it or without.
    pub fn draw_second(&mut self) -> &[f64] {
        draw_gradient(
            &self.config,
            &self.weights,
            self.radius_squared,
            &mut self.second_random,
            &mut self.second,
        );
        self.second_drawn = true;
        &self.second
    }

    /// The second gradient at these weights; `None` until [`draw_second`](Self::draw_second).
    pub fn second_gradient(&self) -> Option<&[f64]> {
        self.second_drawn.then_some(self.second.as_slice())
    }

    /// r = |w|.
    pub fn radius(&self) -> f64 {
        self.radius_squared.sqrt()
    }

    /// L(`w_t`) = 1 + a μ̂·ŵ, the expected loss; the loss of the drawn batch is the same at `w_t`.
    pub fn loss(&self) -> f64 {
        loss(&self.config, &self.weights, self.radius_squared)
    }

    /// The loss of the last step's batch before and after that step; `None` before the first.
    pub const fn same_batch_losses(&self) -> Option<(f64, f64)> {
        self.batch_losses
    }

    /// η of the coming step.
    pub fn learning_rate(&self) -> f64 {
        match self.config.protocol {
            GasProtocol::FixedLearningRate { learning_rate, .. } => learning_rate,
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate,
                ..
            }
            | GasProtocol::FixedSphere {
                effective_learning_rate,
            } => effective_learning_rate * self.radius_squared,
        }
    }

    /// λ; zero on the fixed sphere.
    pub const fn weight_decay(&self) -> f64 {
        match self.config.protocol {
            GasProtocol::FixedLearningRate { weight_decay, .. }
            | GasProtocol::FixedEffectiveLearningRate { weight_decay, .. } => weight_decay,
            GasProtocol::FixedSphere { .. } => 0.0,
        }
    }

    /// Another protocol from now on, with the weights where they are: a stroke of an engine. A
    /// fixed sphere keeps the radius of this moment.
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let hot = GasProtocol::FixedLearningRate { learning_rate: 0.2, weight_decay: 0.1 };
    /// let cold = GasProtocol::FixedLearningRate { learning_rate: 0.1, weight_decay: 0.1 };
    /// let mut gas = IsotropicGasConfig::new(50, hot).build()?;
    /// gas.set_protocol(cold)?;
    /// assert_eq!(gas.learning_rate(), 0.1);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`IsotropicGasConfig::build`]; the protocol then stays as it was.
    pub fn set_protocol(&mut self, protocol: GasProtocol) -> Result<(), Error> {
        let config = IsotropicGasConfig {
            protocol,
            radius: self.radius(),
            ..self.config
        };
        config.validate()?;
        self.config = config;
        Ok(())
    }

    /// Steps taken.
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The facts of the coming step: loss, learning rate, decay, update rule, protocol.
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// use thermograd::{Groups, Observer, Symmetry, slices};
    /// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.1, weight_decay: 0.1 };
    /// let mut gas = IsotropicGasConfig::new(50, protocol).build()?;
    /// let mut groups = Groups::new();
    /// let all = groups.add("all", Symmetry::ScaleInvariant);
    /// let mut observer = Observer::new(groups)?;
    /// for _ in 0..100 {
    ///     observer.observe(&gas.facts(), &slices(all, gas.weights(), gas.gradient()))?;
    ///     gas.step()?;
    /// }
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn facts(&self) -> Step {
        let config = &self.config;
        let step = Step::new(self.loss())
            .learning_rate(self.learning_rate())
            .optimizer(config.optimizer())
            .protocol(match config.protocol {
                GasProtocol::FixedLearningRate { .. } => Protocol::FixedLearningRate,
                GasProtocol::FixedEffectiveLearningRate { .. } => {
                    Protocol::FixedEffectiveLearningRate
                }
                GasProtocol::FixedSphere { .. } => Protocol::FixedSphere,
            });
        let step = match config.decay {
            Decay::Coupled => step.weight_decay(self.weight_decay()),
            Decay::Decoupled => step.decoupled_weight_decay(self.weight_decay()),
        };
        match self.batch_losses {
            Some((_, after)) => step.previous_batch_loss(after),
            None => step,
        }
    }

    /// Applies the update with `g_t`, then draws the gradient at the new weights. Allocates nothing.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when the radius leaves 1e−100 ..= 1e100 (no stationary radius: it
    /// explodes or decays); the weights then stay where they were.
    pub fn step(&mut self) -> Result<(), Error> {
        let eta = self.learning_rate();
        let lambda = self.weight_decay();
        let (mu, damped) = (self.config.momentum, 1.0 - self.config.dampening);
        let (inside, shrink) = match self.config.decay {
            Decay::Coupled => (lambda, 1.0),
            Decay::Decoupled => (0.0, 1.0 - eta * lambda),
        };
        for (((next, w), g), v) in self
            .next
            .iter_mut()
            .zip(&self.weights)
            .zip(&self.gradient)
            .zip(&self.velocity)
        {
            *next = shrink * w - eta * (mu * v + damped * (g + inside * w));
        }
        let mut squared = dot(&self.next, &self.next);
        check_range(
            "radius after the step",
            squared.sqrt(),
            "1e-100 to 1e100: lower the learning rate, or set weight decay and noise",
            |r| (1e-100..=1e100).contains(&r),
        )?;
        if mu > 0.0 {
            for ((v, w), g) in self
                .velocity
                .iter_mut()
                .zip(&self.weights)
                .zip(&self.gradient)
            {
                *v = mu * *v + damped * (g + inside * w);
            }
        }
        if let GasProtocol::FixedSphere { .. } = self.config.protocol {
            let scale = self.config.radius / squared.sqrt();
            self.next.iter_mut().for_each(|w| *w *= scale);
            squared = dot(&self.next, &self.next);
        }
        // The batch loss is L + b.what with b = r g - r grad L(w_t), which vanishes at w_t.
        let before = self.loss();
        let radius = self.radius_squared.sqrt();
        let next_radius = squared.sqrt();
        let cosine = dot(&self.weights, &self.next) / (radius * next_radius);
        let along = self.first_cosine();
        let next_along = self.next.first().copied().unwrap_or(0.0) / next_radius;
        let drawn = radius * dot(&self.gradient, &self.next) / next_radius;
        let mean = self.config.strength * (next_along - along * cosine);
        let after = loss(&self.config, &self.next, squared) + drawn - mean;
        self.batch_losses = Some((before, after));
        std::mem::swap(&mut self.weights, &mut self.next);
        self.radius_squared = squared;
        self.second_drawn = false;
        self.steps = self.steps.saturating_add(1);
        self.draw();
        Ok(())
    }

    fn first_cosine(&self) -> f64 {
        self.weights.first().copied().unwrap_or(0.0) / self.radius_squared.sqrt()
    }

    fn draw(&mut self) {
        draw_gradient(
            &self.config,
            &self.weights,
            self.radius_squared,
            &mut self.random,
            &mut self.gradient,
        );
    }
}

fn loss(config: &IsotropicGasConfig, w: &[f64], squared: f64) -> f64 {
    1.0 + config.strength * w.first().copied().unwrap_or(0.0) / squared.sqrt()
}

/// (1/r) P (a μ̂ + σ z).
fn draw_gradient(
    config: &IsotropicGasConfig,
    w: &[f64],
    squared: f64,
    random: &mut Random,
    out: &mut [f64],
) {
    let radius = squared.sqrt();
    for g in out.iter_mut() {
        *g = config.noise / radius * random.normal();
    }
    if let Some(first) = out.first_mut() {
        *first += config.strength / radius;
    }
    let along = dot(out, w) / squared;
    for (g, w) in out.iter_mut().zip(w) {
        *g -= along * w;
    }
}
