//! What the isotropic gas with a mean loss settles to, to first order in the step.
//!
//! # The direction
//! One step of the gas with loss 1 − a c, c = −μ̂·ŵ, takes ŵ to the direction of ŵ + v with
//! v = e P(a m − σ z), m = −μ̂ and e = η/r². At e → 0 with T = eσ²/2 held fixed the stationary density
//! on the sphere is Gibbs', e^(ac/T), which is von Mises-Fisher's. At finite e the moments of
//! c′ − c are polynomials in c; with D = d − 1, a = 1 and s² = 1 − c² they are
//!
//! <!-- math
//! \begin{aligned}
//! m_1 &= e\, (s^2 - T D c) + e^2 \bigl[ -\tfrac12 c s^2 + \tfrac32 c T^2 D (D+2) - T s^2 (D+2) \bigr] \\
//! m_2 &= 2 T e s^2 + e^2 \bigl[ s^4 + c^2 T^2 D (D+2) - 2 T c s^2 (D+2) - 4 T^2 s^2 (D+2) \bigr] \\
//! m_3 &= e^2 \bigl[ 6 T s^4 - 6 T^2 c s^2 (D+2) \bigr], \qquad m_4 = 12 e^2 T^2 s^4
//! \end{aligned}
//! -->
#![doc = include_str!("../math/systems_gas_state_1.html")]
//!
//! and the Kramers-Moyal expansion −(m₁ρ)′ + (m₂ρ)″/2 − (m₃ρ)‴/6 + (m₄ρ)⁗/24 = 0 has, to first order in e,
//! the solution (all terms beyond a quadratic cancel)
//!
//! <!-- math
//! \rho(\hat w) \propto \exp\Bigl( \frac cT + e \Bigl( \frac{D+2}{2}\, c - \frac{c^2}{4T} \Bigr) \Bigr)
//! -->
#![doc = include_str!("../math/systems_gas_state_2.html")]
//!
//! The second term in e is that of flat space, −(L − (e/4)|∇L|²)/T: a minimum is softened by the
//! step, and its variance T/(1 − e/2) comes out to all orders. The first is the sphere's curvature.
//! Strength a rescales: e → ea, σ → σ/a, T → T/a.
//!
//! # The radius
//! With w·g = 0, E|w′|² is that of the pure gas with the second moment M = Dσ² + a²⟨s²⟩, and what
//! fluctuates of r² enters by its variance v = Var r²/⟨r²⟩²:
//!
//! ```text
//! fixed rate:      <r^2>^2 = eta M (1 + v) / (lambda (2 - eta lambda)),       v = (1 - q^2)/(2 q^2 D),  q = 1 - eta lambda
//! effective rate:  e^2 M = 2 x (1 + v) - x^2 (1 + 3v),  x = e lambda <r^2>,   v = 2 D (e sigma)^4 / (1 - (1 - 2x + 2x^2)^2) / ...
//! ```
//!
//! where q is the memory of r² over one step. Decay shrinks the weights before the kick: the
//! direction feels e/(1 − ηλ). The model is that of arXiv 2511.07308, whose predictions are the
//! limit e → 0, here [`IsotropicGasConfig::continuum_state`].
//!
//! # When it lies
//! What is left out is of the order of (e a)² and (e²M)². Without momentum and with coupled decay only.

use crate::pressure::effective_radius;
use crate::{Decay, Reading, Reason};

use super::isotropic_gas::{GasProtocol, IsotropicGasConfig};
use super::quadrature::integrate;
use super::von_mises_fisher::VonMisesFisher;

/// The stationary state of an isotropic gas with a mean loss.
///
/// Energies are in units of the loss, entropies in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GasState {
    /// T = ⟨e⟩σ²/2 of the noise, e = η/r².
    pub temperature: f64,
    /// U = ⟨L⟩.
    pub energy: f64,
    /// Entropy of the direction, on the unit sphere.
    pub direction_entropy: f64,
    /// S = entropy of the direction + (d − 1)⟨ln r⟩.
    pub entropy: f64,
    /// ⟨r²⟩, twice the volume.
    pub squared_radius: f64,
    /// Var r²/⟨r²⟩².
    pub volume_variance: f64,
    /// p: λ, or on the fixed sphere that of the gradient, ⟨η|g|²/(2r²)⟩.
    pub pressure: f64,
}

/// Rounds of the fixed point; it gains a factor of order 1/e in each.
const ROUNDS: u32 = 60;

/// The density ∝ e^(b c − k c²) of directions, c the cosine with the best one.
#[derive(Debug, Clone, Copy)]
struct Law {
    /// D = d − 1.
    freedom: f64,
    linear: f64,
    quadratic: f64,
}

/// What a [`Law`] says.
#[derive(Debug, Clone, Copy)]
struct Averages {
    /// ⟨1 − c⟩.
    shortfall: f64,
    /// ⟨1 − c²⟩.
    sine_squared: f64,
    entropy: f64,
}

impl Law {
    /// The law of steps e on the loss 1 − a c with noise σ; `None` from the edge of stability on.
    fn new(dim: usize, step: f64, strength: f64, noise: f64) -> Option<Self> {
        let e = step * strength;
        let freedom = dim as f64 - 1.0;
        if strength == 0.0 {
            let (linear, quadratic) = (0.0, 0.0);
            return Some(Self {
                freedom,
                linear,
                quadratic,
            });
        }
        // 1/T in units of the strength.
        let kappa = 2.0 * strength * strength / (e * noise * noise);
        (e < 2.0 && kappa.is_finite()).then_some(Self {
            freedom,
            linear: kappa + 0.5 * e * (freedom + 2.0),
            quadratic: 0.25 * e * kappa,
        })
    }

    fn averages(&self, dim: usize) -> Option<Averages> {
        let Self {
            freedom,
            linear,
            quadratic,
        } = *self;
        // In units of 1 - c = 2 sin²(θ/2), the exponent is -b (1-c) + k (1 - c²) up to a constant.
        let stiffness = (linear - 2.0 * quadratic).max(0.0);
        let pi = std::f64::consts::PI;
        let reach = if stiffness > 0.0 {
            (pi * (0.5 * (4.0 * freedom + 80.0) / stiffness).sqrt()).min(pi)
        } else {
            pi
        };
        let of = |angle: f64| {
            let half = (0.5 * angle).sin();
            let shortfall = 2.0 * half * half;
            let sine_squared = shortfall * (2.0 - shortfall);
            (
                shortfall,
                sine_squared,
                quadratic * sine_squared - linear * shortfall,
            )
        };
        let ln_weight = |angle: f64| {
            0.5 * (freedom - 1.0) * of(angle).1.max(f64::MIN_POSITIVE).ln() + of(angle).2
        };
        let panels = 60 + 4 * dim.isqrt();
        let nodes = 4 * panels;
        let top = (1..nodes)
            .map(|i| ln_weight(reach * i as f64 / nodes as f64))
            .fold(f64::NEG_INFINITY, f64::max);
        let mean = |f: &dyn Fn(f64) -> f64| {
            integrate(0.0, reach, panels, |angle| {
                f(angle) * (ln_weight(angle) - top).exp()
            })
        };
        let total = mean(&|_| 1.0);
        let shortfall = mean(&|angle| of(angle).0) / total;
        let sine_squared = mean(&|angle| of(angle).1) / total;
        let exponent = mean(&|angle| of(angle).2) / total;
        // The directions at one angle are a sphere of one dimension less.
        let ln_area = match dim {
            2 => std::f64::consts::LN_2,
            _ => VonMisesFisher::new(dim - 1, 0.0).ok()?.entropy(),
        };
        Some(Averages {
            shortfall,
            sine_squared,
            entropy: ln_area + top + total.ln() - exponent,
        })
    }
}

/// What the radius does at a given second moment.
#[derive(Debug, Clone, Copy)]
struct Norm {
    squared: f64,
    variance: f64,
    /// ⟨η/r²⟩.
    step: f64,
    /// 1 − ηλ.
    shrink: f64,
}

const TOO_LARGE: Reason = Reason::Meaningless("the step is too large for a stationary state");

impl IsotropicGasConfig {
    /// The stationary state to first order in the step, mean gradient included; formulas and their
    /// derivation in [the module's essay](crate::systems::gas_state).
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// // A step e = 0.02 on the sphere in three dimensions: T = 0.01, U = T/(1 − e/2 + 3eT).
    /// let protocol = GasProtocol::FixedSphere { effective_learning_rate: 0.02 };
    /// let state = IsotropicGasConfig::new(3, protocol).strength(1.0).stationary_state();
    /// let state = state.ready().unwrap();
    /// assert_eq!(state.temperature, 0.01);
    /// assert!((state.energy * (1.0 - 0.01 + 0.0006) / 0.01 - 1.0).abs() < 1e-4);
    /// ```
    ///
    /// [`Reading::Undefined`] without noise or decay, with momentum or dampening, with decoupled
    /// decay, for parameters that [`build`](Self::build) refuses, and where the step is too large
    /// for a stationary state.
    pub fn stationary_state(&self) -> Reading<GasState> {
        self.corrected()
            .map_or_else(Reading::Undefined, Reading::Ready)
    }

    /// The limit e → 0 of [`stationary_state`](Self::stationary_state), with von Mises and Fisher's
    /// law for the direction and the noise alone for the radius: the predictions of
    /// arXiv 2511.07308.
    ///
    /// ```
    /// use thermograd::systems::{GasProtocol, IsotropicGasConfig};
    /// let protocol = GasProtocol::FixedLearningRate { learning_rate: 0.02, weight_decay: 0.005 };
    /// let state = IsotropicGasConfig::new(3, protocol).strength(1.0).continuum_state();
    /// let state = state.ready().unwrap();
    /// // r⁴ = η (d−1) σ²/(2λ) = 4, T = ησ²/(2r²) = 0.005, U = T in three dimensions.
    /// assert!((state.squared_radius - 2.0).abs() < 1e-12);
    /// assert!((state.energy - 0.005).abs() < 1e-12);
    /// ```
    ///
    /// Undefined as the other is.
    pub fn continuum_state(&self) -> Reading<GasState> {
        self.continuum()
            .map_or_else(Reading::Undefined, Reading::Ready)
    }

    fn freedom(&self) -> f64 {
        self.dim as f64 - 1.0
    }

    fn answerable(&self) -> Result<(), Reason> {
        if self.validate().is_err() {
            return Err(Reason::Meaningless("parameters that no gas can have"));
        }
        if self.momentum > 0.0 || self.dampening > 0.0 {
            return Err(Reason::Optimizer(
                "no closed form with momentum or dampening",
            ));
        }
        if self.decay == Decay::Decoupled {
            return Err(Reason::Optimizer("stated for coupled decay"));
        }
        if self.noise == 0.0 {
            return Err(Reason::Degenerate("no noise: the radius decays to 0"));
        }
        match self.protocol {
            GasProtocol::FixedLearningRate { weight_decay, .. }
            | GasProtocol::FixedEffectiveLearningRate { weight_decay, .. }
                if weight_decay == 0.0 =>
            {
                Err(Reason::Meaningless(
                    "without weight decay the radius grows for ever",
                ))
            }
            _ => Ok(()),
        }
    }

    fn corrected(&self) -> Result<GasState, Reason> {
        self.answerable()?;
        let noise = self.freedom() * self.noise * self.noise;
        let mut sine_squared = 0.0;
        // The mean gradient's share of the second moment is of order e: a contraction.
        for round in 1..=ROUNDS {
            let moment = noise + self.strength * self.strength * sine_squared;
            let norm = self.norm(moment).ok_or(TOO_LARGE)?;
            let law = Law::new(self.dim, norm.step / norm.shrink, self.strength, self.noise);
            let averages = law
                .and_then(|law| law.averages(self.dim))
                .ok_or(TOO_LARGE)?;
            let change = (averages.sine_squared - sine_squared).abs();
            if round == ROUNDS || self.strength == 0.0 || change <= 1e-13 * sine_squared {
                return self.state(&norm, moment, averages.shortfall, averages.entropy);
            }
            sine_squared = averages.sine_squared;
        }
        Err(TOO_LARGE)
    }

    fn continuum(&self) -> Result<GasState, Reason> {
        self.answerable()?;
        let moment = self.freedom() * self.noise * self.noise;
        let squared = match self.protocol {
            GasProtocol::FixedLearningRate {
                learning_rate: eta,
                weight_decay,
            } => (eta * moment / (2.0 * weight_decay)).sqrt(),
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: e,
                weight_decay,
            } => e * moment / (2.0 * weight_decay),
            GasProtocol::FixedSphere { .. } => self.radius * self.radius,
        };
        let norm = Norm {
            squared,
            variance: 0.0,
            step: self.step_at(squared),
            shrink: 1.0,
        };
        let temperature = 0.5 * norm.step * self.noise * self.noise;
        let kappa = self.strength / temperature;
        let law = VonMisesFisher::new(self.dim, kappa).map_err(|_| TOO_LARGE)?;
        self.state(&norm, moment, law.energy(), law.entropy())
    }

    /// e at a radius.
    fn step_at(&self, squared: f64) -> f64 {
        match self.protocol {
            GasProtocol::FixedLearningRate { learning_rate, .. } => learning_rate / squared,
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: e,
                ..
            }
            | GasProtocol::FixedSphere {
                effective_learning_rate: e,
            } => e,
        }
    }

    fn norm(&self, moment: f64) -> Option<Norm> {
        let freedom = self.freedom();
        match self.protocol {
            GasProtocol::FixedLearningRate {
                learning_rate: eta,
                weight_decay,
            } => {
                let rate = eta * weight_decay;
                let q2 = (1.0 - rate) * (1.0 - rate);
                let variance = rate * (2.0 - rate) / (2.0 * q2 * freedom);
                let factor = self
                    .optimizer()
                    .radius_factor(eta, weight_decay, self.decay)?;
                let squared = (factor * moment * (1.0 + variance)).sqrt();
                Some(Norm {
                    squared,
                    variance,
                    step: self.step_at(squared) * (1.0 + variance),
                    shrink: 1.0 - rate,
                })
            }
            GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: e,
                weight_decay,
            } => {
                let angle2 = e * e * moment;
                let plain = effective_radius(angle2, e * weight_decay)?;
                let x = e * weight_decay * plain * plain;
                // 1 − q², with q = 1 − 2x(1 − x).
                let slack = 2.0 * x * (1.0 - x);
                let kick = e * e * self.noise * self.noise;
                let variance = 2.0 * freedom * kick * kick / (slack * (2.0 - slack));
                let (b, c) = (1.0 + variance, 1.0 + 3.0 * variance);
                let root = (b * b - c * angle2).max(0.0).sqrt();
                let x = angle2 / (b + root);
                let squared = x / (e * weight_decay);
                Some(Norm {
                    squared,
                    variance,
                    step: e,
                    shrink: 1.0 - x,
                })
            }
            GasProtocol::FixedSphere {
                effective_learning_rate: e,
            } => Some(Norm {
                squared: self.radius * self.radius,
                variance: 0.0,
                step: e,
                shrink: 1.0,
            }),
        }
    }

    fn state(
        &self,
        norm: &Norm,
        moment: f64,
        shortfall: f64,
        direction_entropy: f64,
    ) -> Result<GasState, Reason> {
        let pressure = match self.protocol {
            GasProtocol::FixedLearningRate { weight_decay, .. }
            | GasProtocol::FixedEffectiveLearningRate { weight_decay, .. } => weight_decay,
            GasProtocol::FixedSphere { .. } => 0.5 * norm.step * moment / norm.squared,
        };
        let mean_ln_radius = 0.5 * norm.squared.ln() - 0.25 * norm.variance;
        let state = GasState {
            temperature: 0.5 * norm.step * self.noise * self.noise,
            energy: 1.0 - self.strength * (1.0 - shortfall),
            direction_entropy,
            entropy: direction_entropy + self.freedom() * mean_ln_radius,
            squared_radius: norm.squared,
            volume_variance: norm.variance,
            pressure,
        };
        let finite = state.energy.is_finite() && state.entropy.is_finite();
        if finite && norm.squared.is_normal() && pressure.is_finite() {
            Ok(state)
        } else {
            Err(TOO_LARGE)
        }
    }
}
