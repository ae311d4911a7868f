//! Equilibrium, cooling and the observer: what their numbers are to the last digit.

mod autocorrelation;
mod burn_in;
mod cooling_analysis;
mod cooling_caloric;
mod cooling_control;
mod cooling_fluctuations;
mod correlation;
mod diagnostics;
mod history;
mod observer;
mod observer_verdict;
mod report;
mod stationarity;
mod step;
mod sums;
mod thermal;
mod verdict;

use std::f64::consts::{FRAC_PI_2, PI};
use thermograd::systems::Random;
use thermograd::{Error, Estimate};

fn estimate(value: f64, std_error: f64, n_eff: f64) -> Estimate {
    Estimate {
        value,
        std_error,
        n_eff,
    }
}

fn exact(value: f64) -> Estimate {
    estimate(value, 0.0, 1.0)
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs().max(1.0),
        "{found} where {expected} is expected"
    );
}

/// The quantity that was refused and its value.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> (&'static str, f64) {
    match answer {
        Err(Error::OutOfRange { what, value, .. }) => (what, value),
        other => panic!("{other:?}"),
    }
}

fn noise(n: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    (0..n).map(|_| random.normal()).collect()
}

/// x' = ρx + noise.
fn memory(n: usize, rho: f64, seed: u64) -> Vec<f64> {
    let mut x = 0.0;
    let step = |e| {
        x = rho * x + e;
        x
    };
    noise(n, seed).into_iter().map(step).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// With n − 1.
fn variance(x: &[f64]) -> f64 {
    let centre = mean(x);
    x.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

/// A number of places, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "places in short series: small and not negative"
)]
const fn whole(x: f64) -> usize {
    x as usize
}

/// Means of so many equal runs; what is over is left out at the start.
fn batches(x: &[f64], count: usize) -> Vec<f64> {
    let length = x.len() / count;
    x[x.len() - length * count..]
        .chunks(length)
        .map(mean)
        .collect()
}

/// Slope by least squares, and what is left of the line.
fn line(x: &[f64]) -> (f64, Vec<f64>) {
    let (centre, middle) = (mean(x), 0.5 * (x.len() as f64 - 1.0));
    let times = || (0..x.len()).map(|t| t as f64 - middle);
    let slope =
        times().zip(x).map(|(t, x)| t * x).sum::<f64>() / times().map(|t| t * t).sum::<f64>();
    let left = times().zip(x).map(|(t, x)| x - centre - slope * t);
    (slope, left.collect())
}

/// 2 Σ Γ/γ₀ − 1 over Geyer's initial monotone sequence of sums of two autocovariances.
fn inefficiency(x: &[f64]) -> f64 {
    let centre = mean(x);
    let gamma = |lag: usize| {
        let pairs = x.iter().zip(&x[lag..]);
        pairs.map(|(a, b)| (a - centre) * (b - centre)).sum::<f64>()
    };
    let (mut sum, mut least) = (0.0, f64::INFINITY);
    for m in 0..x.len() / 2 {
        let pair = gamma(2 * m) + gamma(2 * m + 1);
        if pair < 0.0 && m > 0 {
            break;
        }
        least = pair.min(least);
        sum += least;
    }
    2.0 * sum / gamma(0) - 1.0
}

/// Φ(z) by its power series.
fn normal_cdf(z: f64) -> f64 {
    let (mut term, mut sum, mut k) = (z, z, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        k += 2.0;
        term *= z * z / k;
        sum += term;
    }
    0.5 + sum * (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// Φ⁻¹(p) by bisection.
fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if normal_cdf(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// P(|t| > x) by Simpson's rule: with x = √ν tan θ the density of Student's law is cos^(ν−1) θ.
fn student(x: f64, dof: f64) -> f64 {
    let integral = |from: f64| {
        let (n, width) = (2000, FRAC_PI_2 - from);
        let sum: f64 = (0..=n)
            .map(|i| {
                let weight = match i {
                    0 => 1.0,
                    i if i == n => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                let angle = from + width * f64::from(i) / f64::from(n);
                weight * angle.cos().max(0.0).powf(dof - 1.0)
            })
            .sum();
        sum * width
    };
    integral((x.abs() / dof.sqrt()).atan()) / integral(0.0)
}
