//! A harmonic well whose bath is cooled: lag, entropy production and freezing in closed form.
//!
//! # In continuous time
//! One mode of curvature a relaxes towards equipartition while the bath cools exponentially,
//!
//! <!-- math
//! \dot U = -2a(U - T/2), \qquad T = T_0 e^{-kt}
//! -->
#![doc = include_str!("../math/systems_cooling_1.html")]
//!
//! For k < 2a it ends up at a constant ratio above equilibrium and produces entropy at a constant
//! rate; the heat capacity is ½ and the relaxation time of the energy 1/(2a):
//!
//! <!-- math
//! \frac{U}{U_\mathrm{eq}} = \frac{2a}{2a-k}, \qquad \dot\Sigma = \frac{k^2}{2(2a-k)}
//! -->
#![doc = include_str!("../math/systems_cooling_2.html")]
//!
//! Over ln(T₁/T₂) = f folds this is Σ = kf/(2(2a−k)), against the bound (∫√(τC) d ln T)²/t = kf/(4a)
//! of [`CoolingRecord::dissipation_bound`](crate::cooling::CoolingRecord::dissipation_bound): their ratio is the lag U/U_eq itself.
//! The exponential is the best of all protocols here: Σ̇ = ẏ²/(2(ẏ+2a)) with y = ln U is convex in
//! ẏ, so constant ẏ has the least integral, and for cooling (ẏ < 0) it lies above the bound.
//!
//! # In steps
//! SGD of step x = ηa with noise variance falling as e^−kt per step:
//!
//! <!-- math
//! V_{t+1} = (1-x)^2 V_t + \eta^2 s^2 e^{-kt}, \qquad
//! \frac{V}{V_\mathrm{eq}} = \frac{1-(1-x)^2}{e^{-k}-(1-x)^2}
//! -->
#![doc = include_str!("../math/systems_cooling_3.html")]
//!
//! as long as e^−k > (1−x)². Faster than that the well is a glass: V falls as (1−x)^2t at its own
//! pace, whatever the bath does.
//!
//! # When it lies
//! A network has many curvatures: its stiff modes follow where its soft modes are glass.

use crate::error::check_range;
use crate::{Error, Reading, Reason};

/// A mode of curvature a under a bath that cools at the rate k.
///
/// ```
/// use thermograd::systems::HarmonicCooling;
/// let cooling = HarmonicCooling::new(1.0, 0.3)?;
/// // 2/1.7; 0.3/3.4 nats a fold, at least 0.3/4.
/// assert!((cooling.lag().ready().unwrap() - 2.0 / 1.7).abs() < 1e-15);
/// assert!((cooling.entropy_production().ready().unwrap() - 0.3 / 3.4).abs() < 1e-15);
/// assert!((cooling.dissipation_bound() - 0.3 / 4.0).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HarmonicCooling {
    curvature: f64,
    rate: f64,
}

impl HarmonicCooling {
    /// Curvature a, and k = −d ln T/dt in the same unit (in steps: both per step, a times η).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] unless a is in 1e-100 to 1e100 and k in 0 to 1e100.
    pub fn new(curvature: f64, rate: f64) -> Result<Self, Error> {
        check_range("curvature", curvature, "1e-100 to 1e100", |a| {
            (1e-100..=1e100).contains(&a)
        })?;
        check_range("cooling rate", rate, "0 to 1e100", |k| {
            (0.0..=1e100).contains(&k)
        })?;
        Ok(Self { curvature, rate })
    }

    /// U/U_eq = 2a/(2a−k) of the steady lag. Undefined for k ≥ 2a, where the lag grows for ever.
    pub fn lag(&self) -> Reading<f64> {
        let left = 2.0 * self.curvature - self.rate;
        if left > 0.0 {
            Reading::Ready(2.0 * self.curvature / left)
        } else {
            Reading::Undefined(GLASS)
        }
    }

    /// Σ = k/(2(2a−k)) in nats for every fold (factor e) of the temperature, in the steady lag.
    pub fn entropy_production(&self) -> Reading<f64> {
        self.lag().map(|lag| self.dissipation_bound() * lag)
    }

    /// The least entropy production in the same time, k/(4a) for every fold.
    pub fn dissipation_bound(&self) -> f64 {
        self.rate / (4.0 * self.curvature)
    }

    /// V/V_eq of SGD with step x = ηa, curvature and rate being those of a step.
    ///
    /// ```
    /// use thermograd::systems::HarmonicCooling;
    /// // x = 0.05, k = 0.02.
    /// let ratio = HarmonicCooling::new(0.05, 0.02)?.discrete_lag();
    /// assert!((ratio.ready().unwrap() - 1.25485).abs() < 1e-5);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// Undefined where e^−k ≤ (1−x)², a glass, and for x ≥ 2, unstable.
    pub fn discrete_lag(&self) -> Reading<f64> {
        let keep = (1.0 - self.curvature).powi(2);
        if keep >= 1.0 {
            return Reading::Undefined(Reason::Meaningless("the step is unstable: x is 2 or more"));
        }
        // e^−k − (1−x)² as 1 − (1−x)² − (1 − e^−k): small steps lose nothing.
        let relaxed = self.curvature * (2.0 - self.curvature);
        let left = relaxed + (-self.rate).exp_m1();
        if left > 0.0 {
            Reading::Ready(relaxed / left)
        } else {
            Reading::Undefined(GLASS)
        }
    }
}

const GLASS: Reason = Reason::Meaningless("the bath cools faster than the mode relaxes: a glass");
