//! The entropy of a minimum at a temperature, where the loss is a bowl.
//!
//! A bath at temperature T in the loss L₀ + ½ x'Hx, held near the minimum by a spring γ, has the
//! Gaussian density exp(−x'(H + γ)x/2T) over its displacement x. Its entropy, and the loss it holds above
//! the minimum by equipartition, are
//!
//! <!-- math
//! S = \frac d2 \ln(2\pi e T) - \tfrac12 \ln\det(H + \gamma), \qquad U - L_0 = \frac T2 \sum \frac{h}{h + \gamma}
//! -->
#![doc = include_str!("../math/flatness_basin_1.html")]
//!
//! in nats and in the unit of the loss. A flat minimum is one of high entropy: each e-fold of curvature costs half a
//! nat a direction, and at the same loss the bath prefers the wider of two basins by e^{ΔS}. Without a spring
//! every direction holds T/2 and U = L₀ + T d/2.
//!
//! About a point w that is not the minimum, the local entropy of Chaudhari et al. (arXiv 1611.01838)
//! is the logarithm of the weight of its surroundings,
//!
//! <!-- math
//! -\frac{F(w; \gamma)}{T} = \ln \int \exp\Bigl(-\frac{L(w') + \gamma |w' - w|^2/2}{T}\Bigr) dw'
//! = -\frac{L_0}{T} - \sum \frac{x^2 \gamma h}{2T(h + \gamma)} - \tfrac12 \sum \ln\frac{h + \gamma}{2\pi T}
//! -->
#![doc = include_str!("../math/flatness_basin_2.html")]
//!
//! the second line for a bowl whose minimum is displaced by x from w, mode by mode; T = 1 is the original. For any other
//! loss [`local_entropy`](super::local_entropy()) integrates it from samples.
//!
//! Entropies here are of continuous weights: their zero moves by d ln c with the unit of the weights, so compare them
//! between minima of the same network, and on a scale-invariant group only at the same norm. It lies where a
//! direction is flat over the width √(T/(h + γ)) of the basin but not beyond, or the reverse: T is
//! the scale at which the bowl must be one.

use std::f64::consts::PI;

use crate::curvature::{SpectralDensity, TraceOf};
use crate::{Error, Reading, Reason};

/// A temperature, and a spring that holds the weights.
///
/// ```
/// use thermograd::flatness::Basin;
/// // One direction with h = 2πe at T = 1: the entropy is zero.
/// let h = 2.0 * std::f64::consts::PI * std::f64::consts::E;
/// let s = Basin::at_temperature(1.0).entropy(&[h])?;
/// assert!(s.ready().unwrap().abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Basin {
    temperature: f64,
    localisation: f64,
}

const FALLS: Reason = Reason::Degenerate("a direction in which the loss is flat or falls");

impl Basin {
    /// At temperature T in units of the loss, without a spring.
    pub const fn at_temperature(temperature: f64) -> Self {
        Self {
            temperature,
            localisation: 0.0,
        }
    }

    /// With a spring γ, in the unit of a curvature.
    ///
    /// A prior precision γ₀ of the weights, as in the literature on learning coefficients, is γ = γ₀T.
    #[must_use]
    pub const fn localisation(mut self, spring: f64) -> Self {
        self.localisation = spring;
        self
    }

    fn check(&self) -> Result<(), Error> {
        let Self {
            temperature,
            localisation,
        } = *self;
        if !(temperature > 1e-150 && temperature < 1e150) {
            return Err(Error::OutOfRange {
                what: "temperature",
                value: temperature,
                allowed: "a positive number between 1e-150 and 1e150",
            });
        }
        crate::curvature::check_shift(localisation)
    }

    /// Every curvature with the spring added, if all are positive then.
    fn stiffness<'a>(
        &'a self,
        curvatures: &'a [f64],
    ) -> Result<Reading<impl Iterator<Item = f64> + 'a>, Error> {
        self.check()?;
        Error::check_finite("curvatures", curvatures)?;
        if curvatures.is_empty() {
            return Err(Error::Empty {
                place: "the curvatures".to_owned(),
                remedy: "give the eigenvalues of the Hessian",
            });
        }
        let all = curvatures.iter().map(|h| h + self.localisation);
        Ok(if all.clone().all(|k| k > 0.0 && k.is_finite()) {
            Reading::Ready(all)
        } else {
            Reading::Undefined(FALLS)
        })
    }

    /// The entropy S in nats, from all eigenvalues of the Hessian.
    ///
    /// Undefined where a curvature is not above −γ.
    ///
    /// ```
    /// use thermograd::flatness::Basin;
    /// // Four times the curvature in one of the directions: less by ½ ln 4.
    /// let basin = Basin::at_temperature(0.01);
    /// let (wide, sharp) = (basin.entropy(&[1.0, 1.0])?, basin.entropy(&[1.0, 4.0])?);
    /// let difference = wide.ready().unwrap() - sharp.ready().unwrap();
    /// assert!((difference - 2_f64.ln()).abs() < 1e-12);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for temperature and spring, [`Error::Empty`] and [`Error::NonFinite`] for the curvatures.
    pub fn entropy(&self, curvatures: &[f64]) -> Result<Reading<f64>, Error> {
        let unit = 1.0 + (2.0 * PI * self.temperature).ln();
        Ok(self
            .stiffness(curvatures)?
            .map(|all| all.map(|k| 0.5 * (unit - k.ln())).sum()))
    }

    /// The entropy S in nats, from a spectrum by quadrature: for models too large for all eigenvalues.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for temperature and spring.
    pub fn entropy_of(&self, spectrum: &SpectralDensity) -> Result<Reading<TraceOf>, Error> {
        self.check()?;
        let unit = 1.0 + (2.0 * PI * self.temperature).ln();
        let constant = 0.5 * spectrum.dimension() as f64 * unit;
        Ok(spectrum.ln_det(self.localisation)?.map(|mut found| {
            found.estimate.value = constant - 0.5 * found.estimate.value;
            found.estimate.std_error *= 0.5;
            found.truncation *= 0.5;
            found
        }))
    }

    /// The loss above the minimum, U − L₀ = (T/2) Σ h/(h + γ).
    ///
    /// ```
    /// use thermograd::flatness::Basin;
    /// // Free directions hold T/2 each; a spring as stiff as the loss takes half of it.
    /// let basin = Basin::at_temperature(0.1);
    /// assert!((basin.energy(&[3.0, 7.0])?.ready().unwrap() - 0.1).abs() < 1e-15);
    /// assert!((basin.localisation(3.0).energy(&[3.0])?.ready().unwrap() - 0.025).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`entropy`](Self::entropy).
    pub fn energy(&self, curvatures: &[f64]) -> Result<Reading<f64>, Error> {
        let half = 0.5 * self.temperature;
        let reading = self
            .stiffness(curvatures)?
            .map(|all| all.map(|k| half * (k - self.localisation) / k).sum::<f64>());
        Ok(match reading {
            Reading::Ready(energy) if !energy.is_finite() => Reading::Undefined(FALLS),
            reading => reading,
        })
    }

    /// The same from a spectrum by quadrature.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for temperature and spring.
    pub fn energy_of(&self, spectrum: &SpectralDensity) -> Result<Reading<TraceOf>, Error> {
        self.check()?;
        let (half, spring) = (0.5 * self.temperature, self.localisation);
        Ok(spectrum.trace_of_stiffness(spring, |k| half * (k - spring) / k))
    }

    /// The local entropy −F/T + L₀/T in nats of a point displaced from the minimum of a bowl.
    ///
    /// `displacements` are along the eigenvectors of the Hessian, one each. Needs a spring: without, no place is nearer than
    /// any other, and the answer is the weight of the whole basin.
    ///
    /// ```
    /// use thermograd::flatness::Basin;
    /// // h = γ = 1, T = 1, x = 2: −4/4 − ½ ln(2/2π).
    /// let found = Basin::at_temperature(1.0).localisation(1.0).local_entropy(&[1.0], &[2.0])?;
    /// let expected = -1.0 + 0.5 * std::f64::consts::PI.ln();
    /// assert!((found.ready().unwrap() - expected).abs() < 1e-15);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`entropy`](Self::entropy), and [`Error::LengthMismatch`].
    pub fn local_entropy(
        &self,
        curvatures: &[f64],
        displacements: &[f64],
    ) -> Result<Reading<f64>, Error> {
        crate::curvature::objective::check_weights(displacements)?;
        if curvatures.len() != displacements.len() {
            return Err(Error::LengthMismatch {
                place: "displacements".to_owned(),
                expected: curvatures.len(),
                found: displacements.len(),
            });
        }
        let (t, spring) = (self.temperature, self.localisation);
        let reading = self.stiffness(curvatures)?.map(|all| {
            all.zip(displacements)
                .map(|(k, x)| {
                    let strain = x * x * spring * (k - spring) / k;
                    -0.5 * strain / t - 0.5 * (k / (2.0 * PI * t)).ln()
                })
                .sum::<f64>()
        });
        match reading {
            Reading::Ready(value) if !value.is_finite() => {
                let largest = displacements.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
                Err(Error::Overflow {
                    place: "displacements over the temperature".to_owned(),
                    largest,
                })
            }
            reading => Ok(reading),
        }
    }
}
