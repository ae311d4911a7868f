//! Systems, entropy, flatness and the engine: what their numbers are to the last digit.

mod ar1;
mod clouds;
mod cooling;
mod curvature;
mod engine;
mod entropy;
mod flatness;
mod gas;
mod harmonic;
mod instability;
mod integration;
mod invariance;
mod landscape;
mod p_spin;
mod projection;
mod saddle;
mod spins;
mod von_mises_fisher;

use thermograd::{Error, Reading};

/// Equal to within `tolerance` of the larger of 1 and the expectation.
#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64) {
    let scale = expected.abs().max(1.0);
    assert!(
        (found - expected).abs() <= tolerance * scale,
        "{found} for {expected}"
    );
}

/// Equal to within so small a part of the expectation.
#[track_caller]
fn near(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs(),
        "{found} for {expected}"
    );
}

/// Refused as out of range, by the name of the quantity.
#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, quantity: &str) {
    match outcome {
        Err(Error::OutOfRange { what, .. }) => assert_eq!(what, quantity),
        other => panic!("{other:?} where {quantity} is out of range"),
    }
}

#[track_caller]
fn ready<T: Clone + std::fmt::Debug>(reading: &Reading<T>) -> T {
    match reading {
        Reading::Ready(value) => value.clone(),
        other => panic!("{other:?}"),
    }
}

/// The number just above a positive one, and the one just below.
fn above(x: f64) -> f64 {
    f64::from_bits(x.to_bits() + 1)
}

fn below(x: f64) -> f64 {
    f64::from_bits(x.to_bits() - 1)
}

/// ∫ f over [a, b] by the midpoint rule: slow and obvious.
fn integral(a: f64, b: f64, cells: u32, f: impl Fn(f64) -> f64) -> f64 {
    let width = (b - a) / f64::from(cells);
    (0..cells)
        .map(|i| width * f(a + (f64::from(i) + 0.5) * width))
        .sum()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
