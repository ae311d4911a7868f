//! The Ising model: sixteen spins counted one by one, and the infinite lattice in closed form.
//!
//! `E = −Σ s s'` over the nearest neighbours of a periodic square lattice. The 2¹⁶ states of 4 × 4
//! spins are enumerated. The infinite lattice has (Onsager, Phys. Rev. 65, 1944; Yang, Phys. Rev. 85, 1952), with `β = 1/T`
//! and the complete elliptic integral `K`,
//!
//! <!-- math
//! u = -\coth 2\beta \Bigl[ 1 + \frac2\pi (2 \tanh^2 2\beta - 1) K(k) \Bigr], \qquad k = \frac{2 \sinh 2\beta}{\cosh^2 2\beta}, \qquad
//! m = (1 - \sinh^{-4} 2\beta)^{1/8} \;\text{ below }\; T_c = \frac{2}{\ln(1 + \sqrt2)}
//! -->
#![doc = include_str!("../math/systems_ising.html")]
//!
//! When it lies: sixteen spins have no transition, only its rounded remains; a periodic lattice
//! of side 4 is *not* small-size data of a simulation with other boundaries.

use super::levels::{Level, Levels, check_temperature};
use crate::Error;

/// The transition temperature of the infinite square lattice, `2/ln(1 + √2)`.
pub const ISING_CRITICAL_TEMPERATURE: f64 = 2.269_185_314_213_022;

/// All 65 536 states of the periodic 4 × 4 lattice.
///
/// ```
/// let ising = thermograd::systems::ising_4x4();
/// // Two ground states of energy −32, all spins alike.
/// let ground = ising.as_slice().iter().find(|l| l.energy == -32.0).unwrap();
/// assert_eq!((ground.ln_count.exp().round(), ground.magnetization), (2.0, 16.0));
/// ```
pub fn ising_4x4() -> Levels {
    // Energy is even between −32 and 32, |M| even up to 16.
    let mut counts = [[0_u32; 9]; 33];
    for state in 0..1_u32 << 16 {
        let mut unequal = 0;
        for row in 0..4 {
            let spins = state >> (4 * row) & 15;
            let right = (spins >> 1) | (spins & 1) << 3;
            let below = state >> (4 * ((row + 1) % 4)) & 15;
            unequal += (spins ^ right).count_ones() + (spins ^ below).count_ones();
        }
        let up = state.count_ones();
        if let Some(count) = counts
            .get_mut(unequal as usize)
            .and_then(|row| row.get_mut(up.abs_diff(8) as usize))
        {
            *count += 1;
        }
    }
    let mut levels = Vec::new();
    for (unequal, row) in counts.iter().enumerate() {
        for (half, &count) in row.iter().enumerate() {
            if count > 0 {
                levels.push(Level::new(
                    2.0 * unequal as f64 - 32.0,
                    2.0 * half as f64,
                    f64::from(count).ln(),
                ));
            }
        }
    }
    Levels::new(16, levels)
}

/// Energy per spin of the infinite lattice.
///
/// ```
/// use thermograd::systems::{ISING_CRITICAL_TEMPERATURE, ising_energy};
/// assert!((ising_energy(ISING_CRITICAL_TEMPERATURE)? + 2_f64.sqrt()).abs() < 1e-9);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A temperature outside `[10⁻³, 10⁹]`.
pub fn ising_energy(temperature: f64) -> Result<f64, Error> {
    check_temperature(temperature)?;
    let x = 2.0 / temperature;
    let tanh = x.tanh();
    let bracket = 2.0 * tanh * tanh - 1.0;
    // 1 − k² = (2 tanh² − 1)²: no cancellation near the transition.
    let integral = if bracket.abs() < 1e-300 {
        0.0
    } else {
        bracket * elliptic_k(bracket.abs())
    };
    Ok(-(1.0 + std::f64::consts::FRAC_2_PI * integral) / tanh)
}

/// Spontaneous magnetisation per spin of the infinite lattice, 0 above the transition.
///
/// ```
/// use thermograd::systems::{ISING_CRITICAL_TEMPERATURE, ising_magnetization};
/// assert!((ising_magnetization(2.0)? - 0.911_319_377_9).abs() < 1e-9);
/// assert_eq!(ising_magnetization(1.01 * ISING_CRITICAL_TEMPERATURE)?, 0.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A temperature outside `[10⁻³, 10⁹]`.
pub fn ising_magnetization(temperature: f64) -> Result<f64, Error> {
    check_temperature(temperature)?;
    let inverse_fourth = (2.0 / temperature).sinh().powi(-4);
    Ok((1.0 - inverse_fourth).max(0.0).powf(0.125))
}

/// Complete elliptic integral of the first kind from the complementary modulus, by the
/// arithmetic-geometric mean.
fn elliptic_k(complementary: f64) -> f64 {
    let (mut a, mut b) = (1.0_f64, complementary);
    for _ in 0..64 {
        if (a - b).abs() <= 1e-16 * a {
            break;
        }
        (a, b) = (0.5 * (a + b), (a * b).sqrt());
    }
    std::f64::consts::FRAC_PI_2 / a
}
