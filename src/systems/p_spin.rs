//! The scale-invariant p-spin ferromagnet: a gas that condenses, with every number known.
//!
//! `L(w) = −J m^p`, `m = μ̂·ŵ`: a loss of the direction of `w ∈ R^d` alone, as that of a
//! normalised layer. On the sphere `m` has density `∝ (1 − m²)^{(d−3)/2}`, so that every average is
//! one integral. For `d → ∞` at fixed `T̃ = Td`, the free energy per degree of freedom over `T̃` is
//!
//! <!-- math
//! f(m) = -\frac{J m^p}{\tilde T} - \tfrac12 \ln(1 - m^2), \qquad f' = 0: \quad m^{p-2} (1 - m^2) = \frac{\tilde T}{p J}
//! -->
#![doc = include_str!("../math/systems_p_spin.html")]
//!
//! * `p = 2`: continuous. `T̃_c = 2J`, `m² = 1 − T̃/2J`, heat capacity per degree of freedom 1/2 below, 0 above.
//! * `p = 3`: first order. Spinodal of the condensed state `2J/√3` (at `m = 1/√3`), transition at `T̃ = 1.022 099 911 J`
//!   with `m = 0.730 471 925` and latent heat `0.389 771 955 J`. The gas is locally stable at *every* `T > 0`: a gas
//!   trapped below the transition, whose single run cannot be told from a stable gas.
//!
//! The limits hold for `d ≥ 1000`; at `d = 100` the barrier is about a `T` and the gas escapes.
//! The spherical model of this kind without disorder is textbook mean-field theory.

use super::quadrature::integrate;
use crate::Error;
use crate::random::Random;

/// The loss `−J (μ̂·ŵ)^p` in `d` dimensions, with `μ̂` the first axis and `J = 1` unless set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PSpin {
    power: u32,
    dimension: usize,
    coupling: f64,
}

/// Exact averages at finite dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PSpinAverages {
    /// `⟨m⟩`.
    pub overlap: f64,
    /// `⟨m²⟩`.
    pub overlap_squared: f64,
    /// `⟨L⟩`.
    pub energy: f64,
    /// `Var(L)/T²`.
    pub heat_capacity: f64,
    /// Free energy of the region averaged over, less that of the uniform sphere: `−T ln ∫ e^{−L/T}`.
    pub free_energy: f64,
}

/// Part of the sphere.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Region {
    /// All of it.
    Everything,
    /// Overlaps below this: the gas's side of a barrier.
    Below(f64),
    /// Overlaps above this: the condensed side.
    Above(f64),
}

/// The transition in the limit of many dimensions.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Transition {
    /// `T̃ = T d` where gas and condensate have one free energy.
    pub temperature: f64,
    /// `T̃` above which there is no condensate.
    pub spinodal: f64,
    /// Overlap of the condensate at the transition; 0 for a continuous one.
    pub overlap: f64,
    /// Fall of the energy on condensing.
    pub latent_heat: f64,
}

impl PSpin {
    /// The loss with `J = 1`.
    ///
    /// # Errors
    /// A power outside 2 to 8, a dimension outside 3 to 100 000.
    pub fn new(power: u32, dimension: usize) -> Result<Self, Error> {
        if !(2..=8).contains(&power) {
            return Err(Error::OutOfRange {
                what: "power",
                value: f64::from(power),
                allowed: "2 to 8",
            });
        }
        if !(3..=100_000).contains(&dimension) {
            return Err(Error::OutOfRange {
                what: "dimension",
                value: dimension as f64,
                allowed: "3 to 100 000",
            });
        }
        Ok(Self {
            power,
            dimension,
            coupling: 1.0,
        })
    }

    /// The same with another coupling `J`.
    ///
    /// # Errors
    /// A coupling that is not positive and finite.
    pub fn coupling(mut self, coupling: f64) -> Result<Self, Error> {
        if !(1e-9..=1e9).contains(&coupling) {
            return Err(Error::OutOfRange {
                what: "coupling",
                value: coupling,
                allowed: "a number between 1e-9 and 1e9",
            });
        }
        self.coupling = coupling;
        Ok(self)
    }

    fn loss_at(&self, overlap: f64) -> f64 {
        -self.coupling * overlap.powi(self.power.cast_signed())
    }

    /// Overlap of the metastable or stable condensate at `T̃ = T d`, in the limit; `None` above its spinodal.
    ///
    /// ```
    /// let p2 = thermograd::systems::PSpin::new(2, 1000)?;
    /// // m² = 1 − T̃/2J.
    /// assert!((p2.condensed_overlap(1.0).unwrap() - 0.5_f64.sqrt()).abs() < 1e-12);
    /// assert_eq!(p2.condensed_overlap(2.1), None);
    /// # Ok::<(), thermograd::Error>(())
    /// ```
    pub fn condensed_overlap(&self, reduced_temperature: f64) -> Option<f64> {
        let (p, j) = (f64::from(self.power), self.coupling);
        if !(reduced_temperature > 0.0 && reduced_temperature < self.spinodal()) {
            return None;
        }
        let excess = |m: f64| m.powf(p - 2.0) * (1.0 - m * m) - reduced_temperature / (p * j);
        // The larger root, between the spinodal's overlap and 1.
        let (mut low, mut high) = (((p - 2.0) / p).sqrt(), 1.0);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if excess(middle) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(0.5 * (low + high))
    }

    /// Overlap at the top of the barrier between gas and condensate, in the limit; `None` without a barrier.
    pub fn barrier_overlap(&self, reduced_temperature: f64) -> Option<f64> {
        let (p, j) = (f64::from(self.power), self.coupling);
        if self.power == 2 || !(reduced_temperature > 0.0 && reduced_temperature < self.spinodal())
        {
            return None;
        }
        let (mut low, mut high) = (0.0, ((p - 2.0) / p).sqrt());
        for _ in 0..200 {
            let middle: f64 = 0.5 * (low + high);
            let here = middle.powf(p - 2.0) * (1.0 - middle * middle);
            if here < reduced_temperature / (p * j) {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(0.5 * (low + high))
    }

    /// `f(m)`: free energy per degree of freedom over `T̃`, in the limit; `None` unless `|m| < 1` and `T̃ > 0`.
    pub fn free_energy_density(&self, overlap: f64, reduced_temperature: f64) -> Option<f64> {
        let density =
            || self.loss_at(overlap) / reduced_temperature - 0.5 * (-overlap * overlap).ln_1p();
        (overlap.abs() < 1.0 && reduced_temperature > 0.0)
            .then(density)
            .filter(|density| density.is_finite())
    }

    fn spinodal(&self) -> f64 {
        let p = f64::from(self.power);
        p * self.coupling * ((p - 2.0) / p).powf(0.5 * (p - 2.0)) * 2.0 / p
    }

    /// The transition in the limit of many dimensions.
    pub fn transition(&self) -> Transition {
        let spinodal = self.spinodal();
        if self.power == 2 {
            return Transition {
                temperature: spinodal,
                spinodal,
                overlap: 0.0,
                latent_heat: 0.0,
            };
        }
        let depth = |t: f64| {
            self.condensed_overlap(t)
                .and_then(|m| self.free_energy_density(m, t))
                .unwrap_or(f64::INFINITY)
        };
        let (mut low, mut high) = (1e-6 * spinodal, spinodal);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if depth(middle) < 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        let temperature = 0.5 * (low + high);
        let overlap = self.condensed_overlap(temperature).unwrap_or(0.0);
        Transition {
            temperature,
            spinodal,
            overlap,
            latent_heat: -self.loss_at(overlap),
        }
    }

    /// Exact averages over a region of the sphere at the temperature `T` (not `T̃`), by quadrature.
    ///
    /// # Errors
    /// A temperature below `10⁻⁵ J` or above `10⁶ J`; a region that is empty.
    pub fn averages(&self, temperature: f64, region: Region) -> Result<PSpinAverages, Error> {
        self.check_temperature(temperature)?;
        let (low, high) = match region {
            Region::Everything => (-1.0, 1.0),
            Region::Below(m) => (-1.0, m),
            Region::Above(m) => (m, 1.0),
        };
        if !(low < high && low >= -1.0 && high <= 1.0) {
            return Err(Error::OutOfRange {
                what: "edge of the region",
                value: if matches!(region, Region::Below(_)) {
                    high
                } else {
                    low
                },
                allowed: "an overlap between -1 and 1",
            });
        }
        let power = self.dimension as f64 - 2.0;
        // In the angle θ, m = cos θ, the density is sin^{d−2} θ.
        let exponent =
            |theta: f64| power * theta.sin().ln() - self.loss_at(theta.cos()) / temperature;
        let (from, to) = (high.acos(), low.acos());
        let panels = 1000;
        let largest = (0..=10 * panels)
            .map(|i| exponent(from + (to - from) * i as f64 / (10 * panels) as f64))
            .fold(f64::NEG_INFINITY, f64::max);
        let integral = |f: &dyn Fn(f64) -> f64| {
            integrate(from, to, panels, |theta| {
                f(theta.cos()) * (exponent(theta) - largest).exp()
            })
        };
        let z = integral(&|_| 1.0);
        let average = |f: &dyn Fn(f64) -> f64| integral(f) / z;
        let energy = average(&|m| self.loss_at(m));
        // The uniform sphere, by the same quadrature.
        let uniform = integrate(0.0, std::f64::consts::PI, panels, |theta| {
            theta.sin().powf(power)
        });
        Ok(PSpinAverages {
            overlap: average(&|m| m),
            overlap_squared: average(&|m| m * m),
            energy,
            heat_capacity: average(&|m| (self.loss_at(m) - energy).powi(2)) / temperature.powi(2),
            free_energy: -temperature * (largest + (z / uniform).ln()),
        })
    }

    fn check_temperature(&self, temperature: f64) -> Result<(), Error> {
        if (1e-5..=1e6).contains(&(temperature / self.coupling)) {
            return Ok(());
        }
        Err(Error::OutOfRange {
            what: "temperature",
            value: temperature,
            allowed: "a number between 1e-5 and 1e6 times the coupling",
        })
    }
}

/// Where a run starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// A uniformly random direction.
    Gas,
    /// The minimum of the loss.
    Condensed,
}

/// SGD on the unit sphere at a temperature: gradient noise of variance `2T/η` in every direction, and after each step a
/// projection back to unit norm.
///
/// Observe, then step: [`gradient`](Self::gradient) is the noisy gradient, tangent to the sphere,
/// that the next [`step`](Self::step) will use.
#[derive(Debug, Clone)]
pub struct PSpinSgd {
    system: PSpin,
    weights: Vec<f64>,
    gradient: Vec<f64>,
    learning_rate: f64,
    temperature: f64,
    random: Random,
}

impl PSpinSgd {
    /// A run at the temperature `T = T̃/d` with this learning rate.
    ///
    /// # Errors
    /// A temperature out of range, a learning rate outside `[1e-100, 1]`.
    pub fn new(
        system: PSpin,
        temperature: f64,
        learning_rate: f64,
        start: Start,
        seed: u64,
    ) -> Result<Self, Error> {
        system.check_temperature(temperature)?;
        if !(1e-100..=1.0).contains(&learning_rate) {
            return Err(Error::OutOfRange {
                what: "learning rate",
                value: learning_rate,
                allowed: "a number from 1e-100 to 1",
            });
        }
        let mut random = Random::new(seed);
        let mut weights = vec![0.0; system.dimension];
        match start {
            Start::Gas => weights.iter_mut().for_each(|w| *w = random.normal()),
            Start::Condensed => weights.iter_mut().take(1).for_each(|w| *w = 1.0),
        }
        let mut sgd = Self {
            system,
            gradient: vec![0.0; system.dimension],
            weights,
            learning_rate,
            temperature,
            random,
        };
        sgd.project();
        sgd.draw();
        Ok(sgd)
    }

    fn project(&mut self) {
        let norm = self.weights.iter().map(|w| w * w).sum::<f64>().sqrt();
        if norm > 0.0 {
            self.weights.iter_mut().for_each(|w| *w /= norm);
        }
    }

    fn draw(&mut self) {
        let noise = (2.0 * self.temperature / self.learning_rate).sqrt();
        let (m, p) = (self.overlap(), self.system.power);
        let pull = -self.system.coupling * f64::from(p) * m.powi(p.cast_signed().saturating_sub(1));
        let mut radial = 0.0;
        for (g, w) in self.gradient.iter_mut().zip(&self.weights) {
            *g = noise * self.random.normal();
            radial += *g * w;
        }
        // What is left of `pull μ̂` on the tangent plane is `pull (μ̂ − m ŵ)`.
        radial += pull * m;
        if let Some(first) = self.gradient.first_mut() {
            *first += pull;
        }
        for (g, w) in self.gradient.iter_mut().zip(&self.weights) {
            *g -= radial * w;
        }
    }

    /// The weights, of unit norm.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The noisy gradient at the weights.
    pub fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// `m = μ̂·ŵ`.
    pub fn overlap(&self) -> f64 {
        self.weights.first().copied().unwrap_or(0.0)
    }

    /// The loss at the weights, without noise.
    pub fn loss(&self) -> f64 {
        self.system.loss_at(self.overlap())
    }

    /// Another temperature from the next gradient on: a ramp is many of these.
    ///
    /// # Errors
    /// A temperature out of range; nothing changes then.
    pub fn set_temperature(&mut self, temperature: f64) -> Result<(), Error> {
        self.system.check_temperature(temperature)?;
        self.temperature = temperature;
        Ok(())
    }

    /// One update, the projection, and the next gradient.
    pub fn step(&mut self) {
        for (w, g) in self.weights.iter_mut().zip(&self.gradient) {
            *w -= self.learning_rate * g;
        }
        self.project();
        self.draw();
    }
}
