//! Laws of the module `phase_transition`.

mod any_input;
mod change_points;
mod exact_systems;
mod p_spin;
mod phases;
mod response;

use thermograd::systems::Random;

/// A stationary AR(1) series of unit variance.
fn ar1(rho: f64, n: usize, random: &mut Random) -> Vec<f64> {
    let innovation = (1.0 - rho * rho).sqrt();
    let mut x = random.normal();
    (0..n)
        .map(|_| {
            x = rho * x + innovation * random.normal();
            x
        })
        .collect()
}
