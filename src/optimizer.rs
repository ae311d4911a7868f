//! What an optimiser does to the formulas: one place for every factor of learning rate, momentum
//! and weight decay.
//!
//! An optimiser turns a noisy gradient g into a displacement Δ. On time scales longer than its
//! memory every rule below moves the weights as `Δ = −m (g + p w)` with a *mobility* m and a
//! *pressure* p, which is all that temperature and equation of state need:
//!
//! | rule | mobility m | pressure p |
//! |---|---|---|
//! | SGD | η | λ |
//! | heavy ball, coupled decay | η(1−τ)/(1−μ) | λ |
//! | heavy ball, decoupled decay | η(1−τ)/(1−μ) | λ(1−μ)/(1−τ) |
//! | Nesterov | η/(1−μ) | λ |
//!
//! with learning rate η, momentum μ, dampening τ, decay λ. The heavy ball is
//! v′ = μv + (1−τ)g, w′ = w − ηv′; coupled decay adds λw to g, decoupled decay multiplies w by
//! 1−ηλ. Decoupled decay under undampened momentum is weaker than it looks: the momentum
//! amplifies the gradient 1/(1−μ) times and not the decay.
//!
//! A factor that a rule does not have is `None`, and the metric that needs it is undefined with
//! that reason; it is never computed by a formula of another rule.

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

    /// The same rule with another momentum.
    #[must_use]
    pub const fn with_momentum(self, momentum: f64) -> Self {
        match self {
            Self::HeavyBall { dampening, .. } => Self::HeavyBall {
                momentum,
                dampening,
            },
            Self::Nesterov { .. } => Self::Nesterov { momentum },
        }
    }

    /// The same rule with another dampening; Nesterov's has none and stays as it is.
    #[must_use]
    pub const fn with_dampening(self, dampening: f64) -> Self {
        match self {
            Self::HeavyBall { momentum, .. } => Self::HeavyBall {
                momentum,
                dampening,
            },
            Self::Nesterov { .. } => self,
        }
    }

    /// μ, the share of the last velocity that is kept.
    pub const fn momentum(self) -> f64 {
        match self {
            Self::HeavyBall { momentum, .. } | Self::Nesterov { momentum } => momentum,
        }
    }

    /// τ, the share of the gradient that is left out of the velocity.
    pub const fn dampening(self) -> f64 {
        match self {
            Self::HeavyBall { dampening, .. } => dampening,
            Self::Nesterov { .. } => 0.0,
        }
    }

    /// Mobility m = η(1−τ)/(1−μ): displacement per step under a steady gradient of one.
    ///
    /// ```
    /// use thermograd::Optimizer;
    /// let m = Optimizer::SGD.with_momentum(0.9).mobility(0.1);
    /// assert!((m - 1.0).abs() < 1e-12);
    /// ```
    pub fn mobility(self, learning_rate: f64) -> f64 {
        learning_rate * (1.0 - self.dampening()) / (1.0 - self.momentum())
    }

    /// Pressure p: the coefficient of the potential (p/2)|w|² that the decay λ stands for.
    ///
    /// ```
    /// use thermograd::{Decay, Optimizer};
    /// let heavy = Optimizer::SGD.with_momentum(0.9);
    /// assert_eq!(heavy.pressure(0.01, Decay::Coupled), 0.01);
    /// assert!((heavy.pressure(0.01, Decay::Decoupled) - 0.001).abs() < 1e-15);
    /// ```
    pub fn pressure(self, weight_decay: f64, decay: Decay) -> f64 {
        match decay {
            Decay::Coupled => weight_decay,
            Decay::Decoupled => weight_decay * (1.0 - self.momentum()) / (1.0 - self.dampening()),
        }
    }

    /// 1/(η(1−τ)): turns |(w₊ − w₋)/2|² into d·T, exactly on any stationary quadratic.
    /// `None` for Nesterov's rule, for which the midpoint is no thermometer, and for η = 0.
    pub(crate) fn midpoint_factor(self, learning_rate: f64) -> Option<f64> {
        match self {
            Self::HeavyBall { dampening, .. } if learning_rate > 0.0 => {
                Some(1.0 / (learning_rate * (1.0 - dampening)))
            }
            _ => None,
        }
    }

    /// (1+μ)/(2η(1−τ)), the mass of the weights over two: turns |Δ|² into d·T.
    /// `None` for Nesterov's rule and for η = 0.
    pub(crate) fn kinetic_factor(self, learning_rate: f64) -> Option<f64> {
        self.midpoint_factor(learning_rate)
            .map(|per_rate| 0.5 * (1.0 + self.momentum()) * per_rate)
    }

    /// Turns the heat −q given off to the batch in one step into d·T: 1/(2(1−μ)), and for
    /// Nesterov 1/(2(1−μ²)). Dampening cancels.
    pub(crate) fn calorimetric_factor(self) -> f64 {
        match self {
            Self::HeavyBall { momentum, .. } => 0.5 / (1.0 - momentum),
            Self::Nesterov { momentum } => 0.5 / (1.0 - momentum * momentum),
        }
    }

    /// f in r*⁴ = f·M, where M = r²⟨|g|²⟩ is the second moment on the unit sphere: the norm at
    /// which noise blows the weights up as fast as decay shrinks them, at a fixed learning rate.
    ///
    /// ```math
    /// f_{coupled} = \frac{\eta'}{\lambda(1-\mu)(2-\eta'\lambda/(1+\mu))}, \qquad
    /// f_{decoupled} = \frac{\eta'^2(1+q\mu)}{(1-q^2)(1-\mu^2)(1-q\mu)}, \quad q = 1-\eta\lambda, \eta' = \eta(1-\tau)
    /// ```
    /// `None` where there is no stationary norm (λ = 0, ηλ too large) or no closed form (Nesterov).
    pub(crate) fn radius_factor(
        self,
        learning_rate: f64,
        weight_decay: f64,
        decay: Decay,
    ) -> Option<f64> {
        let Self::HeavyBall {
            momentum: mu,
            dampening,
        } = self
        else {
            return None;
        };
        let rate = learning_rate * (1.0 - dampening);
        let factor = match decay {
            Decay::Coupled => {
                rate / (weight_decay * (1.0 - mu) * (2.0 - rate * weight_decay / (1.0 + mu)))
            }
            Decay::Decoupled => {
                let x = learning_rate * weight_decay;
                let q = 1.0 - x;
                // 1 − q² as x(2 − x): exact for the small x of practice.
                rate * rate * (1.0 + q * mu) / (x * (2.0 - x) * (1.0 - mu * mu) * (1.0 - q * mu))
            }
        };
        (factor > 0.0 && factor.is_finite()).then_some(factor)
    }
}
