//! What an optimiser does to the formulas: one place for every factor of learning rate, momentum
//! and weight decay.
//!
//! An optimiser turns a noisy gradient g into a displacement Δ. On time scales longer than its
//! memory every rule below moves the weights as `Δ = −m D (g + p D⁻¹ w)`, or `−m (g + p w)` where
//! D = 1, with a *mobility* m and a *pressure* p, which is all that temperature and equation of
//! state need:
//!
//! | rule | m | p, coupled decay | p, decoupled | D |
//! |---|---|---|---|---|
//! | SGD | η | λ | λ | 1 |
//! | heavy ball | η(1−τ)/(1−μ) | λ | λ(1−μ)/(1−τ) | 1 |
//! | Nesterov | η/(1−μ) | λ | λ(1−μ) | 1 |
//! | Adam, AdamW | η | λ (potential λ∣w∣²/2) | λ (potential λ w·D⁻¹w/2) | 1/(√v+ε) |
//! | preconditioned heavy ball | η(1−τ)/(1−μ) | as Adam's | λ(1−μ)/(1−τ) | given |
//! | known by its update alone | – | – | – | – |
//!
//! with learning rate η, momentum μ, dampening τ, decay λ. The heavy ball is
//! v′ = μv + (1−τ)g, w′ = w − ηDv′; coupled decay adds λw to g, decoupled decay multiplies w by
//! 1−ηλ. Decoupled decay under undampened momentum is weaker than it looks: the momentum
//! amplifies the gradient 1/(1−μ) times and not the decay.
//!
//! What follows from a rule, with M = |w|² tr Σ the noise on the unit sphere, d its degrees of
//! freedom, and q = 1−ηλ:
//!
//! | rule | T | r* (leading order) | 1−⟨cos⟩ per step | steps to forget the norm |
//! |---|---|---|---|---|
//! | SGD | η tr Σ/(2d) | r⁴ = ηM/(2λ) | ηλ | 1/(4ηλ) |
//! | heavy ball, coupled | η(1−τ) tr Σ/(2(1−μ)d) | r⁴ = η(1−τ)M/(2λ(1−μ)) | η(1−τ)λ/(1+μ) | 1/(4mp) |
//! | heavy ball, decoupled | the same | r⁴ = η(1−τ)²M/(2λ(1−μ)²) | ηλ(1−μ)/(1+qμ) | 1/(4mp) |
//! | Nesterov, coupled | η tr Σ/(2(1−μ)d) | r⁴ = ηM/(2λ(1−μ)) | ηλ(1+2μ−2μ³)/(1+μ) | 1/(4mp) |
//! | AdamW | η tr(DΣ)/(2d) | r² = ηd/(2λ) | ηλ(1−β₁)/(1+qβ₁) | 1/(2ηλ) |
//!
//! Exact forms are in [`Optimizer`]'s private factors and reach the user through
//! [`pressure::Bath::forecast`](crate::pressure::Bath::forecast),
//! [`pressure::gas_z`](crate::pressure::gas_z) and
//! [`pressure::gas_rotation`](crate::pressure::gas_rotation).
//!
//! # Adam
//! The formulas treat D as constant. In a stationary state v fluctuates about its mean by
//! O(√(1−β₂)), which leaves an O(1−β₂) error in averages; while the noise itself changes, D follows
//! it with a delay of 1/(1−β₂) steps. The learning rate then acts through ηD, and each coordinate has its own temperature
//! `Tᵢ = η Dᵢ Σᵢᵢ/2`, near ηsᵢ/2 where the noise of standard deviation sᵢ makes up v. Multiplying
//! the loss by c multiplies T by c and not by c². r* = √(ηd/(2λ)) knows neither the loss nor the
//! batch (arXiv 2305.17212); it holds where |Du|² ≈ d, and reads low by ε/s and high by a few 1−β₂.
//!
//! A factor that a rule does not have is `None`, and the metric that needs it is undefined with
//! that reason; it is never computed by a formula of another rule. What is left for any rule is
//! the law of the norm, 2⟨w·Δ⟩ + ⟨|Δ|²⟩ = 0 ([`pressure::norm_balance`](crate::pressure::norm_balance)).
//!
//! Sources: arXiv 1704.04289, 2012.03636 (heavy ball), 1711.05101 (AdamW), 2006.08419 and
//! 2305.17212 (rotation and radius). The heavy ball's, Nesterov's and the decoupled forms were
//! solved from the two-by-two stationary moments and are tested against simulation.

use crate::Moment;

/// Where weight decay enters the update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Decay {
    /// λw is added to the gradient, so that momentum carries it (L2 regularisation).
    #[default]
    Coupled,
    /// w shrinks by 1−ηλ apart from the gradient step.
    Decoupled,
}

/// The update rule, as data.
///
/// `AdamW` is [`Optimizer::Adam`] with
/// [`Step::decoupled_weight_decay`](crate::Step::decoupled_weight_decay).
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Optimizer {
    /// Stochastic gradient descent with heavy-ball momentum: v′ = μv + (1−τ)g, w′ = w − ηv′.
    HeavyBall {
        /// μ in [0, 1); 0 is plain SGD.
        momentum: f64,
        /// τ in [0, 1); τ = μ averages the gradient.
        dampening: f64,
    },
    /// Nesterov's momentum: v′ = μv + g, w′ = w − η(g + μv′).
    Nesterov {
        /// μ in [0, 1).
        momentum: f64,
    },
    /// Adam: m′ = β₁m + (1−β₁)g, v′ = β₂v + (1−β₂)g², w′ = w − ηm̂′/(√v̂′ + ε) with bias-corrected
    /// m̂ and v̂. Its thermometers need [`Piece::preconditioner`](crate::Piece::preconditioner).
    Adam {
        /// β₁ in [0, 1).
        beta1: f64,
        /// β₂ in [0, 1).
        beta2: f64,
        /// ε, not negative.
        epsilon: f64,
    },
    /// Heavy ball with any diagonal preconditioner D: v′ = μv + (1−τ)g, w′ = w − ηDv′. Needs
    /// [`Piece::preconditioner`](crate::Piece::preconditioner).
    Preconditioned {
        /// μ in [0, 1).
        momentum: f64,
        /// τ in [0, 1); τ = μ averages the gradient.
        dampening: f64,
    },
    /// Any other rule, w′ = (1−ηλ)w − ηu, known by its update u
    /// ([`Piece::update`](crate::Piece::update)) or by the displacements alone: Lion, Muon,
    /// Shampoo. The law of the norm is read; temperatures are not.
    Update,
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::SGD
    }
}

impl Optimizer {
    /// Plain stochastic gradient descent.
    pub const SGD: Self = Self::HeavyBall {
        momentum: 0.0,
        dampening: 0.0,
    };

    /// Adam with β₁ = 0.9, β₂ = 0.999, ε = 10⁻⁸.
    pub const ADAM: Self = Self::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
    };

    /// The same rule with another momentum (β₁ of Adam). A rule known by its update alone stays
    /// as it is.
    #[must_use]
    pub const fn with_momentum(self, momentum: f64) -> Self {
        match self {
            Self::HeavyBall { dampening, .. } => Self::HeavyBall {
                momentum,
                dampening,
            },
            Self::Nesterov { .. } => Self::Nesterov { momentum },
            Self::Adam { beta2, epsilon, .. } => Self::Adam {
                beta1: momentum,
                beta2,
                epsilon,
            },
            Self::Preconditioned { dampening, .. } => Self::Preconditioned {
                momentum,
                dampening,
            },
            Self::Update => self,
        }
    }

    /// The same rule with another dampening; a rule that has none stays as it is.
    #[must_use]
    pub const fn with_dampening(self, dampening: f64) -> Self {
        match self {
            Self::HeavyBall { momentum, .. } => Self::HeavyBall {
                momentum,
                dampening,
            },
            Self::Preconditioned { momentum, .. } => Self::Preconditioned {
                momentum,
                dampening,
            },
            Self::Nesterov { .. } | Self::Adam { .. } | Self::Update => self,
        }
    }

    /// μ, the share of the last velocity that is kept; β₁ of Adam, 0 where it is not known.
    pub const fn momentum(self) -> f64 {
        match self {
            Self::HeavyBall { momentum, .. }
            | Self::Nesterov { momentum }
            | Self::Preconditioned { momentum, .. } => momentum,
            Self::Adam { beta1, .. } => beta1,
            Self::Update => 0.0,
        }
    }

    /// τ, the share of the gradient that is left out of the velocity; β₁ of Adam.
    pub const fn dampening(self) -> f64 {
        match self {
            Self::HeavyBall { dampening, .. } | Self::Preconditioned { dampening, .. } => dampening,
            Self::Adam { beta1, .. } => beta1,
            Self::Nesterov { .. } | Self::Update => 0.0,
        }
    }

    /// Whether the rule multiplies the gradient by a diagonal D.
    pub const fn is_preconditioned(self) -> bool {
        matches!(self, Self::Adam { .. } | Self::Preconditioned { .. })
    }

    /// Mobility m = η(1−τ)/(1−μ): displacement per step under a steady (preconditioned) gradient
    /// of one. `None` for a rule known by its update alone.
    ///
    /// ```
    /// use thermograd::Optimizer;
    /// let m = Optimizer::SGD.with_momentum(0.9).mobility(0.1);
    /// assert!((m.unwrap() - 1.0).abs() < 1e-12);
    /// assert!((Optimizer::ADAM.mobility(0.1).unwrap() - 0.1).abs() < 1e-15);
    /// assert_eq!(Optimizer::Update.mobility(0.1), None);
    /// ```
    pub fn mobility(self, learning_rate: f64) -> Option<f64> {
        match self {
            Self::Update => None,
            // η(1−β₁)/(1−β₁), without the rounding.
            Self::Adam { .. } => Some(learning_rate),
            _ => Some(learning_rate * (1.0 - self.dampening()) / (1.0 - self.momentum())),
        }
    }

    /// Pressure p: the coefficient of the potential (p/2)|w|² that the decay λ stands for, or of
    /// (p/2) w·D⁻¹w for decoupled decay under a preconditioner. `None` for a rule known by its
    /// update alone.
    ///
    /// ```
    /// use thermograd::{Decay, Optimizer};
    /// let heavy = Optimizer::SGD.with_momentum(0.9);
    /// assert_eq!(heavy.pressure(0.01, Decay::Coupled), Some(0.01));
    /// assert!((heavy.pressure(0.01, Decay::Decoupled).unwrap() - 0.001).abs() < 1e-15);
    /// assert_eq!(Optimizer::ADAM.pressure(0.01, Decay::Decoupled), Some(0.01));
    /// ```
    pub fn pressure(self, weight_decay: f64, decay: Decay) -> Option<f64> {
        match (self, decay) {
            (Self::Update, _) => None,
            (_, Decay::Coupled) | (Self::Adam { .. }, _) => Some(weight_decay),
            (_, Decay::Decoupled) => {
                Some(weight_decay * (1.0 - self.momentum()) / (1.0 - self.dampening()))
            }
        }
    }

    /// 1/(η(1−τ)): turns |(w₊ − w₋)/2|² (weighted by D⁻¹) into d·T, exactly on any stationary
    /// quadratic. `None` for η = 0, for Nesterov's rule, for which the midpoint is no
    /// thermometer, and for a rule known by its update alone.
    pub(crate) fn midpoint_factor(self, learning_rate: f64) -> Option<f64> {
        match self {
            Self::Nesterov { .. } | Self::Update => None,
            _ => (learning_rate > 0.0).then(|| 1.0 / (learning_rate * (1.0 - self.dampening()))),
        }
    }

    /// (1+μ)/(2η(1−τ)), the mass of the weights over two: turns |Δ|² into d·T.
    /// `None` where the midpoint factor is.
    pub(crate) fn kinetic_factor(self, learning_rate: f64) -> Option<f64> {
        self.midpoint_factor(learning_rate)
            .map(|per_rate| 0.5 * (1.0 + self.momentum()) * per_rate)
    }

    /// Turns the heat −q given off to the batch in one step into d·T: 1/(2(1−μ)), and for
    /// Nesterov 1/(2(1−μ²)). Dampening cancels, and so does D.
    pub(crate) fn calorimetric_factor(self) -> Option<f64> {
        match self {
            Self::Update => None,
            Self::Nesterov { momentum } => Some(0.5 / (1.0 - momentum * momentum)),
            _ => Some(0.5 / (1.0 - self.momentum())),
        }
    }

    /// f in ⟨|w|²⟩ = f⟨|Dg|²⟩, the stationary norm under noise orthogonal to the weights. With
    /// D = 1 and |g|² = M/|w|² it is r*⁴ = f·M: the norm at which noise blows the weights up as
    /// fast as decay shrinks them, at a fixed learning rate.
    ///
    /// With x = ηλ, x′ = η′λ, q = 1−x, η′ = η(1−τ):
    ///
    /// <!-- math
    /// f_\mathrm{coupled} = \frac{\eta'}{\lambda(1-\mu)(2-x'/(1+\mu))}, \qquad
    /// f_\mathrm{decoupled} = \frac{\eta'^2(1+q\mu)}{(1-q^2)(1-\mu^2)(1-q\mu)}
    /// -->
    #[doc = include_str!("math/optimizer_1.html")]
    ///
    /// and for Nesterov
    ///
    /// <!-- math
    /// f_\mathrm{coupled} = \frac{\eta(1+\mu+\mu x(1+2\mu))}{\lambda(1-\mu+\mu x)(2(1+\mu)-x(1+2\mu))}, \qquad
    /// f_\mathrm{decoupled} = \frac{\eta^2(1+\mu+\mu x-2\mu^3x)}{x(2-x)(1-\mu^2)(1-\mu+\mu x)}
    /// -->
    #[doc = include_str!("math/optimizer_2.html")]
    ///
    /// `None` where there is no stationary norm (λ = 0, ηλ too large) or no closed form: coupled
    /// decay under a preconditioner, and a rule known by its update alone.
    pub(crate) fn radius_factor(
        self,
        learning_rate: f64,
        weight_decay: f64,
        decay: Decay,
    ) -> Option<f64> {
        let mu = self.momentum();
        let rate = learning_rate * (1.0 - self.dampening());
        let x = learning_rate * weight_decay;
        let factor = match (self, decay) {
            (Self::Update, _)
            | (Self::Adam { .. } | Self::Preconditioned { .. }, Decay::Coupled) => return None,
            (Self::HeavyBall { .. }, Decay::Coupled) => {
                rate / (weight_decay * (1.0 - mu) * (2.0 - rate * weight_decay / (1.0 + mu)))
            }
            (Self::Nesterov { .. }, Decay::Coupled) => {
                let edge = 2.0 * (1.0 + mu) - x * (1.0 + 2.0 * mu);
                rate * (1.0 + mu + mu * x * (1.0 + 2.0 * mu))
                    / (weight_decay * (1.0 - mu + mu * x) * edge)
            }
            (Self::Nesterov { .. }, Decay::Decoupled) => {
                rate * rate * (1.0 + mu + mu * x - 2.0 * mu.powi(3) * x)
                    / (x * (2.0 - x) * (1.0 - mu * mu) * (1.0 - mu + mu * x))
            }
            (_, Decay::Decoupled) => {
                let q = 1.0 - x;
                // 1 − q² as x(2 − x): exact for the small x of practice.
                rate * rate * (1.0 + q * mu) / (x * (2.0 - x) * (1.0 - mu * mu) * (1.0 - q * mu))
            }
        };
        (factor > 0.0 && factor.is_finite()).then_some(factor)
    }

    /// 1 − ⟨cos⟩ of the angle of one step of a gas at its stationary norm and a fixed learning
    /// rate, to all orders in ηλ.
    pub(crate) fn rotation(
        self,
        learning_rate: f64,
        weight_decay: f64,
        decay: Decay,
    ) -> Option<f64> {
        // No stationary norm, no stationary rotation.
        self.radius_factor(learning_rate, weight_decay, decay)?;
        let mu = self.momentum();
        let x = learning_rate * weight_decay;
        Some(match (self, decay) {
            (Self::Nesterov { .. }, Decay::Coupled) => {
                let cube = mu.powi(3);
                x * (1.0 + 2.0 * mu - 2.0 * cube + mu * x * (1.0 + 3.0 * mu) + 2.0 * cube * x)
                    / (1.0 + mu + mu * x * (1.0 + 2.0 * mu))
            }
            (Self::Nesterov { .. }, Decay::Decoupled) => {
                let cube = mu.powi(3);
                let top = 1.0 + 2.0 * mu - 2.0 * cube + x * (mu + 2.0 * mu * mu + cube);
                x * (1.0 - mu) * top / (1.0 + mu + mu * x - 2.0 * cube * x)
            }
            (_, Decay::Coupled) => x * (1.0 - self.dampening()) / (1.0 + mu),
            (_, Decay::Decoupled) => x * (1.0 - mu) / (1.0 + (1.0 - x) * mu),
        })
    }

    /// The moment that counts the steps of a rule for which some formula does not hold.
    pub(crate) const fn marker(self) -> Option<Moment> {
        match self {
            Self::HeavyBall { .. } => None,
            Self::Nesterov { .. } => Some(Moment::NesterovSteps),
            Self::Adam { .. } => Some(Moment::AdamSteps),
            Self::Preconditioned { .. } => Some(Moment::PreconditionedSteps),
            Self::Update => Some(Moment::UpdateSteps),
        }
    }
}

/// Why a moment does not exist under the rule that a marker counts; `None` if it does.
pub(crate) const fn why_not(rule: Moment, moment: Moment) -> Option<&'static str> {
    use Moment as M;
    Some(match (rule, moment) {
        (M::NesterovSteps, M::MidpointHeat) => {
            "Nesterov's rule damps stiff modes by itself, so that midpoints read no bath temperature"
        }
        (M::NesterovSteps, M::KineticHeat) => {
            "Nesterov's displacements carry no mass that is the same in every mode"
        }
        (
            M::NesterovSteps | M::AdamSteps | M::PreconditionedSteps,
            M::LagSumHeat | M::LagDifferenceHeat,
        ) => "successive gradients are a thermometer without momentum and preconditioner only",
        (M::AdamSteps | M::PreconditionedSteps, M::PublishedPressure | M::ExactPressure) => {
            "a preconditioned step is not orthogonal to the weights"
        }
        (
            M::AdamSteps | M::PreconditionedSteps,
            M::GasRadiusFourth | M::RadiusFourth | M::NormLoss | M::RelaxationRate,
        ) => {
            "coupled decay is divided by the gradient's size as the gradient is, and the norm has no closed form"
        }
        (
            M::UpdateSteps,
            M::NoiseHeat
            | M::KineticHeat
            | M::MidpointHeat
            | M::LagSumHeat
            | M::LagDifferenceHeat
            | M::CalorimetricHeat,
        ) => "a rule known by its update alone has no temperature: its mobility is not known",
        (M::UpdateSteps, M::Pressure | M::PressureNormSquared | M::CentredVirial) => {
            "the decay of a rule known by its update alone is in no known proportion to the gradient: see z_update"
        }
        (
            M::UpdateSteps,
            M::GasRadiusFourth | M::RadiusFourth | M::NormLoss | M::RelaxationRate,
        ) => "no closed form for the norm under a rule known by its update alone",
        _ => return None,
    })
}
