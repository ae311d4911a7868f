//! Values by hand, closed forms and boundaries: cooling fluctuations.

use super::{mean, memory, near, noise};
use thermograd::Reading;
use thermograd::cooling::energy_fluctuations;

/// Products of neighbours that begin in none of the left-out steps, averaged.
fn product(x: &[f64], y: &[f64], lag: usize, left_out: std::ops::Range<usize>) -> f64 {
    let pairs: Vec<f64> = (0..x.len() - lag)
        .filter(|t| !left_out.contains(t))
        .map(|t| x[t] * y[t + lag])
        .collect();
    mean(&pairs)
}

/// The definition: C = Cov/T², τ = ½ + Σρ up to five times the sum so far, and each again
/// without each of 16 parts.
#[test]
fn fluctuations_and_their_errors_follow_their_definition() {
    let (n, t) = (512, 0.5);
    let energy = memory(n, 0.7, 5);
    let with = |seed| -> Vec<f64> {
        let pairs = energy.iter().zip(noise(n, seed));
        pairs.map(|(u, e)| u + 0.1 * e).collect()
    };
    let (a, b) = (with(6), with(7));
    let found = energy_fluctuations(&a, &b, t).unwrap();
    let found = found.ready().unwrap();
    let centred = |x: &[f64]| -> Vec<f64> { x.iter().map(|v| v - mean(x)).collect() };
    let (x, y) = (centred(&a), centred(&b));
    let whole = product(&x, &y, 0, 0..0);
    let (mut sum, mut last) = (0.0, 0);
    while (last as f64) < 5.0 * (0.5 + sum / whole).max(1.0) {
        last += 1;
        sum += product(&y, &y, last, 0..0);
    }
    let parts = (0..16).map(|k| 32 * k..32 * (k + 1));
    let of_part = parts.map(|part| {
        let variance = product(&x, &y, 0, part.clone());
        let sum: f64 = (1..=last)
            .map(|lag| product(&y, &y, lag, part.clone()))
            .sum();
        (variance, 0.5 + sum / variance)
    });
    let tau = 0.5 + sum / whole;
    let (mut of_c, mut of_tau) = (0.0, 0.0);
    for (variance, other) in of_part {
        of_c += (variance - whole).powi(2);
        of_tau += (other - tau).powi(2);
    }
    near(found.heat_capacity.value, whole / (t * t), 1e-12);
    near(
        found.heat_capacity.std_error,
        (of_c * 15.0 / 16.0).sqrt() / (t * t),
        1e-11,
    );
    near(found.relaxation_time.value, tau, 1e-12);
    near(
        found.relaxation_time.std_error,
        (of_tau * 15.0 / 16.0).sqrt(),
        1e-11,
    );
    near(found.heat_capacity.n_eff, 512.0 / (2.0 * tau), 1e-11);
    assert_eq!(found.heat_capacity.n_eff, found.relaxation_time.n_eff);
}

/// Half a turn over the whole stretch: its memory is no shorter than the stretch.
#[test]
fn an_energy_slower_than_the_stretch_is_pending() {
    let slow: Vec<f64> = (0..320).map(|t| (f64::from(t) / 50.0).cos()).collect();
    assert_eq!(
        energy_fluctuations(&slow, &slow, 1.0).unwrap(),
        Reading::Pending {
            seen: 320,
            needed: 640
        }
    );
}
