//! Laws of the module `equilibrium`.

mod golden;

use thermograd::systems::Random;

/// A stationary first-order autoregression of unit variance.
pub(crate) fn ar1(random: &mut Random, rho: f64, n: usize) -> Vec<f64> {
    let noise = (1.0 - rho * rho).sqrt();
    let mut x = random.normal();
    (0..n)
        .map(|_| {
            x = rho * x + noise * random.normal();
            x
        })
        .collect()
}
