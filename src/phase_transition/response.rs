//! How strongly the system answers: susceptibility, heat capacity and Binder's cumulant, from fluctuations.
//!
//! Of `N` sites (or parameters, or 1 for totals) at temperature `T`, with order parameter `m` per
//! site and total energy `E`,
//!
//! <!-- math
//! \begin{aligned}
//! \chi &= \frac{N (\langle m^2 \rangle - \langle |m| \rangle^2)}{T}, \qquad c = \frac{\langle E^2 \rangle - \langle E \rangle^2}{T^2 N} \\
//! U_4 &= 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2} && \text{one component: 0 Gaussian, 2/3 ordered} \\
//! U_4 &= 1 - \frac{\langle |m|^4 \rangle}{(1 + 2/n) \langle |m|^2 \rangle^2} && n \text{ components: 0 Gaussian, } 2/(n+2) \text{ ordered}
//! \end{aligned}
//! -->
#![doc = include_str!("../math/phase_transition_response.html")]
//!
//! (Binder, Z. Phys. B 43, 1981.) Averages come first, ratios after; the error bar is the delete-one-block jackknife
//! with blocks of five statistical inefficiencies, which also takes off the bias of order 1/n.
//!
//! When they lie: all are fluctuation formulas and hold in canonical equilibrium. The energy must be that of the full data
//! set or an independent batch, else the noise of the batch adds to `c`. Volume and enthalpy of a training run do *not* fluctuate canonically; take
//! derivatives there. `χ` with `|m|` is right on both sides of a transition of one component but below the true one above it
//! by the factor `1 − 2/π`. A run shorter than the time between flips of sign measures one branch.

use crate::phase_transition::series::{block_jackknife, check_positive, check_series};
use crate::{Error, Estimate, Reading};

/// At what temperature, and for how many sites, a series was recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Conditions {
    /// Temperature, in the unit of the energy.
    pub temperature: f64,
    /// What totals are divided by; 1 unless set.
    pub sites: f64,
}

impl Conditions {
    /// At a temperature, totals not divided.
    pub const fn at(temperature: f64) -> Self {
        Self {
            temperature,
            sites: 1.0,
        }
    }

    /// The same for so many sites.
    #[must_use]
    pub const fn sites(mut self, count: f64) -> Self {
        self.sites = count;
        self
    }

    fn validate(&self) -> Result<(), Error> {
        check_positive("temperature", self.temperature)?;
        check_positive("number of sites", self.sites)
    }
}

/// Fourth powers must stay finite.
fn check_order(series: &[f64]) -> Result<(), Error> {
    check_series("order parameter", series)?;
    let largest = series.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    if largest < 1e70 {
        return Ok(());
    }
    Err(Error::Overflow {
        place: "order parameter".to_owned(),
        largest,
    })
}

/// `χ = N (⟨m²⟩ − ⟨|m|⟩²) / T`, in units of 1/energy.
///
/// ```
/// use thermograd::phase_transition::{Conditions, susceptibility};
/// // |m| takes 1 and 3 by turns: ⟨m²⟩ = 5, ⟨|m|⟩² = 4.
/// let m: Vec<f64> = (0..200).map(|t| if t % 2 == 0 { 1.0 } else { -3.0 }).collect();
/// let chi = susceptibility(&m, &Conditions::at(2.0).sites(10.0))?;
/// // Less what the jackknife takes for bias, of order 1/n.
/// assert!((chi.ready().unwrap().value - 10.0 / 2.0).abs() < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A non-finite or overflowing element; a temperature or number of sites that is not positive.
pub fn susceptibility(
    order_parameter: &[f64],
    conditions: &Conditions,
) -> Result<Reading<Estimate>, Error> {
    conditions.validate()?;
    check_order(order_parameter)?;
    let absolute: Vec<f64> = order_parameter.iter().map(|m| m.abs()).collect();
    let square: Vec<f64> = order_parameter.iter().map(|m| m * m).collect();
    let factor = conditions.sites / conditions.temperature;
    Ok(block_jackknife(&[&absolute, &square], |mean| {
        Some(factor * (mean[1] - mean[0] * mean[0]))
    }))
}

/// `c = Var(E) / (T² N)`, dimensionless.
///
/// ```
/// use thermograd::phase_transition::{Conditions, heat_capacity};
/// // E is 100 ± 1: a variance of 1.
/// let e: Vec<f64> = (0..200).map(|t| if t % 2 == 0 { 99.0 } else { 101.0 }).collect();
/// let c = heat_capacity(&e, &Conditions::at(0.5))?;
/// assert!((c.ready().unwrap().value - 4.0).abs() < 0.01);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A non-finite or overflowing element; a temperature or number of sites that is not positive.
pub fn heat_capacity(
    energies: &[f64],
    conditions: &Conditions,
) -> Result<Reading<Estimate>, Error> {
    conditions.validate()?;
    check_series("energies", energies)?;
    // About the mean, so that no digits cancel.
    let centre = crate::phase_transition::series::mean(energies);
    let shifted: Vec<f64> = energies.iter().map(|e| e - centre).collect();
    let square: Vec<f64> = shifted.iter().map(|e| e * e).collect();
    let factor = (conditions.temperature * conditions.temperature * conditions.sites).recip();
    Ok(block_jackknife(&[&shifted, &square], |mean| {
        Some(factor * (mean[1] - mean[0] * mean[0]))
    }))
}

/// Binder's cumulant of an order parameter with one component and a sign.
///
/// ```
/// use thermograd::phase_transition::binder_cumulant;
/// // |m| is 1 or 2 by turns: 1 − (17/2) / (3 (5/2)²).
/// let m: Vec<f64> = (0..400).map(|t| if t % 2 == 0 { 1.0 } else { -2.0 }).collect();
/// let u = binder_cumulant(&m)?;
/// assert!((u.ready().unwrap().value - (1.0 - 8.5 / 18.75)).abs() < 1e-3);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A non-finite or overflowing element.
pub fn binder_cumulant(order_parameter: &[f64]) -> Result<Reading<Estimate>, Error> {
    vector_binder_cumulant(order_parameter, 1)
}

/// Binder's cumulant of an order parameter with `components` components, from its lengths `|m|`.
///
/// ```
/// use thermograd::phase_transition::vector_binder_cumulant;
/// // |m| is 1 or 2 by turns, of two components: 1 − (17/2) / (2 (5/2)²).
/// let m: Vec<f64> = (0..400).map(|t| if t % 2 == 0 { 1.0 } else { 2.0 }).collect();
/// let u = vector_binder_cumulant(&m, 2)?;
/// assert!((u.ready().unwrap().value - (1.0 - 8.5 / 12.5)).abs() < 1e-3);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A non-finite or overflowing element; no components.
pub fn vector_binder_cumulant(
    lengths: &[f64],
    components: usize,
) -> Result<Reading<Estimate>, Error> {
    check_order(lengths)?;
    if components == 0 {
        return Err(Error::OutOfRange {
            what: "number of components",
            value: 0.0,
            allowed: "1 or more",
        });
    }
    let square: Vec<f64> = lengths.iter().map(|m| m * m).collect();
    let fourth: Vec<f64> = square.iter().map(|m| m * m).collect();
    let gaussian = 1.0 + 2.0 / components as f64;
    Ok(block_jackknife(&[&square, &fourth], |mean| {
        let denominator = gaussian * mean[0] * mean[0];
        (denominator > 0.0).then(|| 1.0 - mean[1] / denominator)
    }))
}
