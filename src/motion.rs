//! Motion: whether successive steps go on, diffuse or turn back.
//!
//! With Δ the displacement of a step, their alignment is
//!
//! <!-- math
//! \rho_1 = \frac{\langle \Delta\cdot\Delta_{-1}\rangle}{\langle|\Delta|^2\rangle}
//! -->
#![doc = include_str!("math/motion.html")]
//!
//! a pure number: 1 in a straight drift, 0 in diffusion, −1 at the edge of stability, where each step undoes the one
//! before. In a bath with heavy-ball momentum μ it is μ − (1 + μ)e with the edge ratio e of [`temperature`](crate::temperature), so a gas
//! under momentum shows μ and not 0.
//!
//! It lies where the learning rate changes much within the window, which weights the products of the large steps.

use crate::{Ensemble, Moment};

/// Alignment of successive steps, ⟨Δ·Δ₋₁⟩/⟨|Δ|²⟩.
///
/// ```
/// use thermograd::{motion, Ensemble, Moment};
/// let mut ensemble = Ensemble::default();
/// ensemble.add(Moment::StepSquared, 4.0);
/// ensemble.add(Moment::StepProduct, -1.0);
/// assert_eq!(motion::alignment(&ensemble), Some(-0.25));
/// ```
pub fn alignment(e: &Ensemble) -> Option<f64> {
    let square = e.mean(Moment::StepSquared)?;
    (square > 0.0).then(|| e.mean(Moment::StepProduct).map(|product| product / square))?
}
