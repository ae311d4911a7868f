//! Straight lines through measurements, and what a table says of them.

use serde_json::{Value, json};
use thermograd::{Estimate, Reading};

/// A measurement in JSON.
pub(crate) fn number(estimate: &Estimate) -> Value {
    let n_eff = Some(estimate.n_eff).filter(|n| n.is_finite());
    json!({ "value": estimate.value, "std_error": estimate.std_error, "n_eff": n_eff })
}

/// A ready reading as value, error and `n_eff`; any other as what it says.
pub(crate) fn reading(reading: &Reading) -> Value {
    match reading {
        Reading::Ready(estimate) => number(estimate),
        other => json!({ "value": null, "why": other.to_string() }),
    }
}

/// A number that is known.
pub(crate) const fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: f64::INFINITY,
    }
}

/// The estimate of a reading, or its refusal as an error.
pub(crate) fn ready(what: &str, reading: &Reading) -> Result<Estimate, String> {
    match reading {
        Reading::Ready(estimate) => Ok(*estimate),
        other => Err(format!("{what}: {other}")),
    }
}

/// The least-squares slope of y over x, every point with equal weight; its error is that of the
/// points. `None` for fewer than two places.
pub(crate) fn slope(x: &[f64], y: &[Estimate]) -> Option<Estimate> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let square: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
    if x.len() != y.len() || square <= 0.0 || square.is_nan() {
        return None;
    }
    let weights = || x.iter().map(|x| (x - mean) / square);
    Some(linear(weights().zip(y.iter().copied())))
}

/// Σ w y of independent measurements.
pub(crate) fn linear(terms: impl IntoIterator<Item = (f64, Estimate)>) -> Estimate {
    let (mut value, mut variance, mut n_eff) = (0.0, 0.0, f64::INFINITY);
    for (weight, y) in terms {
        value += weight * y.value;
        variance += (weight * y.std_error).powi(2);
        n_eff = y.n_eff.min(n_eff);
    }
    Estimate {
        value,
        std_error: variance.sqrt(),
        n_eff,
    }
}

/// The mean of independent measurements, each with the same weight.
pub(crate) fn mean(of: &[Estimate]) -> Estimate {
    linear(of.iter().map(|&y| (1.0 / of.len() as f64, y)))
}

/// The standard deviation of the values.
pub(crate) fn spread(of: &[Estimate]) -> f64 {
    let n = of.len() as f64;
    let mean = of.iter().map(|y| y.value).sum::<f64>() / n;
    let square: f64 = of.iter().map(|y| (y.value - mean).powi(2)).sum();
    (square / (n - 1.0).max(1.0)).sqrt()
}

/// The logarithm of a positive measurement.
pub(crate) fn ln(y: Estimate) -> Estimate {
    Estimate {
        value: y.value.ln(),
        std_error: y.std_error / y.value,
        n_eff: y.n_eff,
    }
}

/// a b of independent measurements.
pub(crate) fn product(a: Estimate, b: Estimate) -> Estimate {
    Estimate {
        value: a.value * b.value,
        std_error: (a.value * b.std_error).hypot(b.value * a.std_error),
        n_eff: a.n_eff.min(b.n_eff),
    }
}

/// a/b of independent measurements.
pub(crate) fn ratio(a: Estimate, b: Estimate) -> Estimate {
    let value = a.value / b.value;
    Estimate {
        value,
        std_error: (a.std_error / b.value).hypot(value * b.std_error / b.value),
        n_eff: a.n_eff.min(b.n_eff),
    }
}
