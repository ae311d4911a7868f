//! Where training stops being stable: three thresholds in closed form.
//!
//! * Heavy ball on a curvature `a`, `x = ηa`: the companion matrix has spectral radius 1 at `x = 2(1 + μ)`.
//! * Regression on `x ~ N(0, 1)` with batches of `B`: `E(1 − ηq)² = 1 − 2η + η²(1 + 2/B)` with `q` the mean
//!   of `x²` over the batch, so that the second moment diverges from `η = 2B/(B + 2)` on, long
//!   before the mean does.
//! * A scale-invariant loss `−cos θ` on the unit circle, `θ' = θ − arctan(e sin θ)`: beyond `e = 2` the minimum gives way to a cycle
//!   of two angles `±θ` with `cos θ = (1 + √(1 + 2e²))/2e`.

use crate::Error;

/// Spectral radius of the heavy ball, `stiffness = η a`.
///
/// ```
/// use thermograd::systems::heavy_ball_radius;
/// // Without momentum it is |1 − x|.
/// assert!((heavy_ball_radius(1.5, 0.0)? - 0.5).abs() < 1e-15);
/// assert!((heavy_ball_radius(2.0 * 1.9, 0.9)? - 1.0).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A momentum outside `[0, 1)`, a stiffness that is not finite.
pub fn heavy_ball_radius(stiffness: f64, momentum: f64) -> Result<f64, Error> {
    check_size("stiffness", stiffness)?;
    if !(0.0..1.0).contains(&momentum) {
        return Err(Error::OutOfRange {
            what: "momentum",
            value: momentum,
            allowed: "a number from 0 to below 1",
        });
    }
    // z² − (1 + μ − x) z + μ = 0.
    let half = 0.5 * (1.0 + momentum - stiffness);
    let discriminant = half * half - momentum;
    Ok(if discriminant < 0.0 {
        momentum.sqrt()
    } else {
        half.abs() + discriminant.sqrt()
    })
}

/// `E(1 − ηq)²`: the factor by which one step multiplies the second moment of the regression's error.
///
/// ```
/// use thermograd::systems::regression_growth;
/// // Batches of two: stationary at 2·2/(2 + 2) = 1, where the mean alone would converge at once.
/// assert_eq!(regression_growth(1.0, 2)?, 1.0);
/// assert_eq!(regression_growth(0.5, 2)?, 0.5);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// An empty batch, a learning rate that is not finite.
pub fn regression_growth(learning_rate: f64, batch: usize) -> Result<f64, Error> {
    check_size("learning rate", learning_rate)?;
    if batch == 0 {
        return Err(Error::OutOfRange {
            what: "batch size",
            value: 0.0,
            allowed: "1 or more",
        });
    }
    let eta = learning_rate;
    Ok(1.0 - 2.0 * eta + eta * eta * (1.0 + 2.0 / batch as f64))
}

/// The angle of the two-cycle on the circle; 0 where the minimum is stable (`e ≤ 2`).
///
/// ```
/// use thermograd::systems::circle_cycle;
/// assert_eq!(circle_cycle(1.9)?, 0.0);
/// // θ ↦ θ − arctan(e sin θ) goes to −θ.
/// let angle = circle_cycle(2.1)?;
/// assert!((angle - (2.1 * angle.sin()).atan() + angle).abs() < 1e-12);
/// # Ok::<(), thermograd::Error>(())
/// ```
///
/// # Errors
/// A negative or non-finite rate.
pub fn circle_cycle(effective_rate: f64) -> Result<f64, Error> {
    if !(0.0..1e150).contains(&effective_rate) {
        return Err(Error::OutOfRange {
            what: "effective learning rate",
            value: effective_rate,
            allowed: "a number from 0 to 1e150",
        });
    }
    if effective_rate <= 2.0 {
        return Ok(0.0);
    }
    let e = effective_rate;
    Ok(((1.0 + (1.0 + 2.0 * e * e).sqrt()) / (2.0 * e))
        .min(1.0)
        .acos())
}

/// Squares of it are finite.
fn check_size(what: &'static str, value: f64) -> Result<(), Error> {
    if value.abs() < 1e150 {
        return Ok(());
    }
    Err(Error::OutOfRange {
        what,
        value,
        allowed: "a number below 1e150 in size",
    })
}
