//! Learning coefficients that are known exactly.
//!
//! The volume of weights with a loss below ε above the minimum shrinks as ε^λ (−ln ε)^{m−1}: λ is
//! the learning coefficient, or real log canonical threshold, and m its multiplicity (Watanabe 2009). The
//! bath then holds U = L₀ + λT at low temperatures, so λ is a heat capacity, and d/2 for a bowl.
//!
//! | loss | λ | m |
//! |---|---|---|
//! | ½ Σ h x², h > 0 | d/2 | 1 |
//! | w^{2k} | 1/(2k) | 1 |
//! | Π w_j^{2k_j} under a prior Π \|w_j\|^{h_j} | min (h_j + 1)/(2k_j) | how often it is attained |
//! | reduced-rank regression | [`reduced_rank`] | |
//!
//! Where m > 1 the mean loss approaches λT only as 1/ln: for x²y² on the unit square see
//! [`unit_square_crossing`]. An estimate at finite n is then *not* λ, however good its sampling.

use super::Basin;
use crate::{Error, Reading};

/// A learning coefficient with its multiplicity.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Threshold {
    /// λ.
    pub lambda: f64,
    /// m.
    pub multiplicity: usize,
}

/// The expected estimate in a bowl, ½ Σ nβ h/(nβ h + γ₀), for a prior precision γ₀.
///
/// This is what an estimator with a localising prior measures in a regular model; it approaches
/// d/2 from below as nβ grows.
///
/// ```
/// use thermograd::flatness::localised_learning_coefficient;
/// // nβ h = γ₀ in one direction, free in the other: ½ (½ + 1).
/// let found = localised_learning_coefficient(&[0.1, 1e9], 100.0, 10.0)?;
/// assert!((found.ready().unwrap() - 0.75).abs() < 1e-9);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// Undefined where nβ h + γ₀ is not positive.
///
/// # Errors
/// [`Error::OutOfRange`] for nβ or γ₀, [`Error::Empty`] and [`Error::NonFinite`] for the curvatures.
pub fn localised_learning_coefficient(
    curvatures: &[f64],
    n_beta: f64,
    localisation: f64,
) -> Result<Reading<f64>, Error> {
    check_n_beta(n_beta)?;
    let temperature = n_beta.recip();
    let basin = Basin::at_temperature(temperature).localisation(localisation * temperature);
    Ok(basin.energy(curvatures)?.map(|energy| energy * n_beta))
}

pub(super) fn check_n_beta(n_beta: f64) -> Result<(), Error> {
    if n_beta > 1e-70 && n_beta < 1e70 {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what: "n beta",
            value: n_beta,
            allowed: "a positive number between 1e-70 and 1e70",
        })
    }
}

/// λ and m of the loss Π w_j^{2k_j} at the origin under the density Π |w_j|^{h_j}.
///
/// ```
/// use thermograd::flatness::normal_crossing;
/// // w⁴: ¼. x²y²: ½ from both, m = 2. x²y⁶: 1/6 from y alone.
/// assert_eq!(normal_crossing(&[2], &[0])?.lambda, 0.25);
/// assert_eq!(normal_crossing(&[1, 1], &[0, 0])?.multiplicity, 2);
/// assert_eq!(normal_crossing(&[1, 3], &[0, 0])?.lambda, 1.0 / 6.0);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// A coordinate with k = 0 does not enter the loss and sets no threshold.
///
/// # Errors
/// [`Error::LengthMismatch`]; [`Error::Empty`] where no k is positive.
pub fn normal_crossing(powers: &[u32], densities: &[u32]) -> Result<Threshold, Error> {
    if powers.len() != densities.len() {
        return Err(Error::LengthMismatch {
            place: "powers of the density".to_owned(),
            expected: powers.len(),
            found: densities.len(),
        });
    }
    let candidates = || {
        let pairs = powers.iter().zip(densities).filter(|(k, _)| **k > 0);
        pairs.map(|(&k, &h)| (f64::from(h) + 1.0) / (2.0 * f64::from(k)))
    };
    let lambda = candidates().fold(f64::INFINITY, f64::min);
    if lambda.is_infinite() {
        return Err(Error::Empty {
            place: "the powers of the loss".to_owned(),
            remedy: "give at least one that is not 0",
        });
    }
    Ok(Threshold {
        lambda,
        multiplicity: candidates().filter(|c| *c == lambda).count(),
    })
}

/// The shape of a two-layer linear network B A, and the rank of the map that it has learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReducedRank {
    /// Inputs: columns of A.
    pub inputs: u32,
    /// Hidden units: rows of A, columns of B.
    pub hidden: u32,
    /// Outputs: rows of B.
    pub outputs: u32,
    /// The rank of the true map, at most each of the three.
    pub rank: u32,
}

/// λ and m of reduced-rank regression, the loss |B A − B₀A₀|² (Aoyagi and Watanabe 2005).
///
/// ```
/// use thermograd::flatness::{ReducedRank, reduced_rank};
/// // One of each and nothing to learn: the loss a²b², as on the unit square.
/// let found = reduced_rank(ReducedRank { inputs: 1, hidden: 1, outputs: 1, rank: 0 })?;
/// assert_eq!((found.lambda, found.multiplicity), (0.5, 2));
/// // Everything learnt: the product is free and nothing else is seen: inputs × outputs / 2.
/// let found = reduced_rank(ReducedRank { inputs: 3, hidden: 2, outputs: 2, rank: 2 })?;
/// assert_eq!((found.lambda, found.multiplicity), (3.0, 1));
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] for a size of 0 or above 10⁶, or a rank that the network cannot have.
pub fn reduced_rank(shape: ReducedRank) -> Result<Threshold, Error> {
    for (what, size) in [
        ("number of inputs", shape.inputs),
        ("number of hidden units", shape.hidden),
        ("number of outputs", shape.outputs),
    ] {
        if !(1..=1_000_000).contains(&size) {
            return Err(Error::OutOfRange {
                what,
                value: f64::from(size),
                allowed: "1 to 1000000",
            });
        }
    }
    if shape.rank > shape.inputs.min(shape.hidden).min(shape.outputs) {
        return Err(Error::OutOfRange {
            what: "rank",
            value: f64::from(shape.rank),
            allowed: "at most the number of inputs, of hidden units and of outputs",
        });
    }
    let [m, h, n, r] = [shape.inputs, shape.hidden, shape.outputs, shape.rank].map(i64::from);
    // Eight times λ: every case is an integer then.
    let (eighths, multiplicity) = if m + h < n + r {
        (4 * (h * m - h * r + n * r), 1)
    } else if n + h < m + r {
        (4 * (h * n - h * r + m * r), 1)
    } else if m + n < h + r {
        (4 * m * n, 1)
    } else {
        let sum = h + r;
        let even = 2 * (sum * m + sum * n + m * n) - sum * sum - m * m - n * n;
        let odd = (m + h + n + r) % 2;
        (even + odd, if odd == 0 { 1 } else { 2 })
    };
    Ok(Threshold {
        lambda: eighths as f64 / 8.0,
        multiplicity,
    })
}

/// nβ⟨L⟩ for L = x²y² uniform on the unit square, at finite nβ ≥ 10.
///
/// <!-- math
/// n\beta \langle L \rangle = \tfrac12 - \frac{1}{\ln(4n\beta) + \gamma_E}, \qquad \lambda = \tfrac12, \; m = 2
/// -->
#[doc = include_str!("../math/flatness_singular.html")]
///
/// up to terms of order e^{−nβ}; γ_E = 0.5772… is Euler's constant. The approach to λ is logarithmic: at a million examples'
/// worth of nβ it is still 13 % off.
///
/// ```
/// use thermograd::flatness::unit_square_crossing;
/// assert!((unit_square_crossing(1e2)? - 0.34776).abs() < 1e-5);
/// assert!((unit_square_crossing(1e4)? - 0.41051).abs() < 1e-5);
/// assert!((unit_square_crossing(1e6)? - 0.43662).abs() < 1e-5);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// [`Error::OutOfRange`] below 10, where the neglected terms show.
pub fn unit_square_crossing(n_beta: f64) -> Result<f64, Error> {
    const EULER: f64 = 0.577_215_664_901_532_9;
    if !(10.0..1e140).contains(&n_beta) {
        return Err(Error::OutOfRange {
            what: "n beta",
            value: n_beta,
            allowed: "10 to 1e140",
        });
    }
    Ok(0.5 - 1.0 / ((4.0 * n_beta).ln() + EULER))
}
