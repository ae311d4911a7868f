//! Laws of the module `entropy`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "helpers of tests fail as tests do, and their numbers are small"
)]

mod followed;
mod gaussian;
mod golden;
mod integration;
mod laws;
mod neighbors;
mod parametric;
mod window;

use thermograd::Reading;
use thermograd::entropy::{EntropyEstimate, Points};
use thermograd::systems::Random;

/// Independent standard normal coordinates.
fn normal(n: usize, d: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..n * d).map(|_| random.normal()).collect()
}

fn gaussian_cloud(n: usize, d: usize, seed: u64) -> Points {
    Points::new(normal(n, d, seed), d).unwrap()
}

/// A stationary first-order autoregression of unit variance in each of d coordinates.
fn autoregression(n: usize, d: usize, rho: f64, seed: u64) -> Points {
    let mut random = Random::new(seed);
    let mut x: Vec<f64> = (0..d).map(|_| random.normal()).collect();
    let mut rows = Vec::with_capacity(n * d);
    for _ in 0..n {
        rows.extend_from_slice(&x);
        for v in &mut x {
            *v = rho * *v + (1.0 - rho * rho).sqrt() * random.normal();
        }
    }
    Points::new(rows, d).unwrap()
}

fn spread_of(distances: &thermograd::entropy::Distances<'_>) -> thermograd::entropy::Spread {
    *thermograd::entropy::spread(distances).ready().unwrap()
}

fn value(reading: &Reading<EntropyEstimate>) -> f64 {
    match reading {
        Reading::Ready(estimate) => estimate.entropy.value,
        other => panic!("not ready: {other:?}"),
    }
}

/// Mean and standard error of the mean.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Root mean square.
fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}
