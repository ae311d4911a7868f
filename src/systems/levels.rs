//! Systems whose states can be listed: exact averages at any temperature.
//!
//! With `n` states at energy `E` and magnetisation `M`, everything is a finite sum (`k_B = 1`):
//!
//! <!-- math
//! Z = \sum n e^{-E/T}, \qquad \langle A \rangle = \frac1Z \sum A n e^{-E/T}, \qquad S = \ln Z + \frac{\langle E \rangle}{T}
//! -->
#![doc = include_str!("../math/systems_levels.html")]
//!
//! evaluated with the largest exponent taken out. Temperatures are in the unit of the energy; averages are per site.
//! Exact to rounding: these are the fixtures of susceptibility, heat capacity, Binder's cumulant and reweighting.

use crate::Error;
use crate::random::Random;

/// States of one energy and one magnetisation.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Level {
    /// Total energy.
    pub energy: f64,
    /// Absolute value of the total magnetisation.
    pub magnetization: f64,
    /// Logarithm of the number of states.
    pub ln_count: f64,
}

impl Level {
    pub(super) const fn new(energy: f64, magnetization: f64, ln_count: f64) -> Self {
        Self {
            energy,
            magnetization,
            ln_count,
        }
    }
}

/// All states of a system.
#[derive(Debug, Clone, PartialEq)]
pub struct Levels {
    sites: usize,
    levels: Vec<Level>,
}

/// Exact averages per site.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Averages {
    /// `⟨E⟩ / N`.
    pub energy: f64,
    /// `Var(E) / (T² N)`.
    pub heat_capacity: f64,
    /// `⟨|M|⟩ / N`.
    pub magnetization: f64,
    /// `(⟨M²⟩ − ⟨|M|⟩²) / (T N)`.
    pub susceptibility: f64,
    /// `1 − ⟨M⁴⟩ / 3⟨M²⟩²`.
    pub binder_cumulant: f64,
    /// `S / N`, in nats.
    pub entropy: f64,
}

impl Levels {
    pub(super) const fn new(sites: usize, levels: Vec<Level>) -> Self {
        Self { sites, levels }
    }

    /// Number of sites.
    pub const fn sites(&self) -> usize {
        self.sites
    }

    /// The levels.
    pub fn as_slice(&self) -> &[Level] {
        &self.levels
    }

    /// Boltzmann probability of each level.
    fn probabilities(&self, temperature: f64) -> Result<(Vec<f64>, f64), Error> {
        check_temperature(temperature)?;
        let exponents: Vec<f64> = self
            .levels
            .iter()
            .map(|l| l.ln_count - l.energy / temperature)
            .collect();
        let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut weights: Vec<f64> = exponents.iter().map(|e| (e - largest).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for w in &mut weights {
            *w /= sum;
        }
        Ok((weights, largest + sum.ln()))
    }

    /// Exact averages at a temperature.
    ///
    /// # Errors
    /// A temperature outside `[10⁻³, 10⁹]`.
    pub fn averages(&self, temperature: f64) -> Result<Averages, Error> {
        let (p, ln_z) = self.probabilities(temperature)?;
        let average = |f: &dyn Fn(&Level) -> f64| -> f64 {
            p.iter().zip(&self.levels).map(|(p, l)| p * f(l)).sum()
        };
        let sites = self.sites as f64;
        let energy = average(&|l| l.energy);
        let variance = average(&|l| (l.energy - energy).powi(2));
        let (m1, m2, m4) = (
            average(&|l| l.magnetization),
            average(&|l| l.magnetization.powi(2)),
            average(&|l| l.magnetization.powi(4)),
        );
        Ok(Averages {
            energy: energy / sites,
            heat_capacity: variance / (temperature * temperature * sites),
            magnetization: m1 / sites,
            susceptibility: (m2 - m1 * m1) / (temperature * sites),
            binder_cumulant: 1.0 - m4 / (3.0 * m2 * m2),
            entropy: (ln_z + energy / temperature) / sites,
        })
    }

    /// Independent samples of the level: `(energy, |magnetisation|)` of each.
    ///
    /// # Errors
    /// A temperature outside `[10⁻³, 10⁹]`.
    pub fn draw(
        &self,
        temperature: f64,
        count: usize,
        random: &mut Random,
    ) -> Result<Vec<(f64, f64)>, Error> {
        let (p, _) = self.probabilities(temperature)?;
        let mut cumulative = p;
        let mut sum = 0.0;
        for c in &mut cumulative {
            sum += *c;
            *c = sum;
        }
        Ok((0..count)
            .filter_map(|_| {
                let u = random.uniform() * sum;
                let at = cumulative.partition_point(|c| *c <= u);
                self.levels.get(at.min(self.levels.len().saturating_sub(1)))
            })
            .map(|l| (l.energy, l.magnetization))
            .collect())
    }
}

/// Refuses a temperature at which exponents leave the range of f64.
pub(super) fn check_temperature(temperature: f64) -> Result<(), Error> {
    if (1e-3..=1e9).contains(&temperature) {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what: "temperature",
        value: temperature,
        allowed: "a number between 1e-3 and 1e9, in units of the coupling",
    })
}
