//! The Curie-Weiss ferromagnet: every spin sees every other, finite sizes summed, the limit solved.
//!
//! `E = −M²/2N` with `M = Σ s`, so that `N − M` even spins down can be chosen in `N` over `(N − M)/2` ways.
//! In the limit (`T_c = 1`)
//!
//! <!-- math
//! m = \tanh\frac mT, \qquad c = \frac{m^2 (1 - m^2)}{T (T - 1 + m^2)}, \qquad \chi = \frac{1 - m^2}{T - 1 + m^2}
//! -->
#![doc = include_str!("../math/systems_curie_weiss.html")]
//!
//! with `m = 0` and hence `c = 0`, `χ = 1/(T − 1)` above. At `T_c` Binder's cumulant tends to
//! `1 − Γ(¼)²/12Γ(¾)² = 0.270 520 128`.

use super::levels::{Averages, Level, Levels, check_temperature};
use crate::Error;
use crate::random::Random;

/// Binder's cumulant of the Curie-Weiss model at its transition, in the limit.
pub const CURIE_WEISS_CRITICAL_BINDER: f64 = 0.270_520_128_257_841;

/// All states of `sites` spins.
///
/// ```
/// use thermograd::systems::curie_weiss;
/// // Two spins, E = −(s₁ + s₂)²/4: −1 aligned and 0 against each other, two states of each.
/// let averages = curie_weiss(2)?.averages(1.0)?;
/// // For each of the two:
/// assert!((averages.energy + 0.5 / (1.0 + (-1.0_f64).exp())).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// No spins, or more than a million.
pub fn curie_weiss(sites: usize) -> Result<Levels, Error> {
    check_sites(sites)?;
    let n = sites as f64;
    let mut ln_choose = 0.0;
    let mut levels = Vec::with_capacity(sites / 2 + 1);
    for down in 0..=sites / 2 {
        let k = down as f64;
        if down > 0 {
            ln_choose += ((n - k + 1.0) / k).ln();
        }
        let m = n - 2.0 * k;
        let both_signs = if m > 0.0 { std::f64::consts::LN_2 } else { 0.0 };
        levels.push(Level::new(-0.5 * m * m / n, m, ln_choose + both_signs));
    }
    Ok(Levels::new(sites, levels))
}

fn check_sites(sites: usize) -> Result<(), Error> {
    if (1..=1_000_000).contains(&sites) {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what: "number of spins",
        value: sites as f64,
        allowed: "1 to 1 000 000",
    })
}

/// The limit of many spins, per spin. `None` at the transition, where the susceptibility diverges.
///
/// ```
/// let cold = thermograd::systems::curie_weiss_limit(0.5)?.unwrap();
/// let m = cold.magnetization;
/// assert!((m - (m / 0.5).tanh()).abs() < 1e-14);
/// assert!((cold.energy + 0.5 * m * m).abs() < 1e-15);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A temperature outside `[10⁻³, 10⁹]`.
pub fn curie_weiss_limit(temperature: f64) -> Result<Option<Averages>, Error> {
    check_temperature(temperature)?;
    if (temperature - 1.0).abs() < 1e-12 {
        return Ok(None);
    }
    let mut m = 0.0;
    if temperature < 1.0 {
        let (mut low, mut high) = (1e-9, 1.0);
        for _ in 0..200 {
            m = 0.5 * (low + high);
            if (m / temperature).tanh() > m {
                low = m;
            } else {
                high = m;
            }
        }
    }
    let m2 = m * m;
    let stiffness = temperature - 1.0 + m2;
    let half = |x: f64| if x > 0.0 { x * x.ln() } else { 0.0 };
    Ok(Some(Averages {
        energy: -0.5 * m2,
        heat_capacity: m2 * (1.0 - m2) / (temperature * stiffness),
        magnetization: m,
        susceptibility: (1.0 - m2) / stiffness,
        binder_cumulant: if m > 0.0 { 2.0 / 3.0 } else { 0.0 },
        entropy: -half(0.5 * (1.0 + m)) - half(0.5 * (1.0 - m)),
    }))
}

/// A heat bath on the magnetisation: one step is one attempted spin for each spin.
#[derive(Debug, Clone)]
pub struct CurieWeissSampler {
    sites: usize,
    up: usize,
    temperature: f64,
    random: Random,
}

impl CurieWeissSampler {
    /// All spins up.
    ///
    /// # Errors
    /// No spins or more than a million; a temperature outside `[10⁻³, 10⁹]`.
    pub fn new(sites: usize, temperature: f64, seed: u64) -> Result<Self, Error> {
        check_sites(sites)?;
        check_temperature(temperature)?;
        Ok(Self {
            sites,
            up: sites,
            temperature,
            random: Random::new(seed),
        })
    }

    /// Total magnetisation, with its sign.
    pub fn magnetization(&self) -> f64 {
        2.0 * self.up as f64 - self.sites as f64
    }

    /// Total energy.
    pub fn energy(&self) -> f64 {
        -0.5 * self.magnetization().powi(2) / self.sites as f64
    }

    /// Attempts as many spins as there are.
    pub fn step(&mut self) {
        for _ in 0..self.sites {
            let is_up = self.random.below(self.sites) < self.up;
            let spin = if is_up { 1.0 } else { -1.0 };
            let rise = 2.0 * spin * (self.magnetization() - spin) / self.sites as f64;
            if self.random.uniform() < 1.0 / (1.0 + (rise / self.temperature).exp()) {
                if is_up {
                    self.up -= 1;
                } else {
                    self.up += 1;
                }
            }
        }
    }
}
