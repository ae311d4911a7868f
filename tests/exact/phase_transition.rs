//! Phase transitions: what their numbers are to the last digit.

mod chart;
mod early_warning;
mod event;
mod monitor;
mod online_bayes;
mod order_parameter;
mod overheating;
mod pelt;
mod phase;
mod response;
mod reweighting;
mod running;
mod transition;

use thermograd::systems::Random;
use thermograd::{Error, Estimate, Reading};

const fn est(value: f64, std_error: f64, n_eff: f64) -> Estimate {
    Estimate {
        value,
        std_error,
        n_eff,
    }
}

/// Fails unless two numbers agree to this part of the expected one.
#[track_caller]
fn near(found: f64, expected: f64, relative: f64) {
    assert!(
        (found - expected).abs() <= relative * expected.abs(),
        "{found} where {expected} is expected"
    );
}

/// The same for an estimate.
#[track_caller]
fn same(found: Estimate, expected: Estimate, relative: f64) {
    near(found.value, expected.value, relative);
    near(found.std_error, expected.std_error, relative);
    near(found.n_eff, expected.n_eff, relative);
}

#[track_caller]
fn ready<T: Clone + std::fmt::Debug>(answer: Result<Reading<T>, Error>) -> T {
    match answer {
        Ok(Reading::Ready(value)) => value,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn pending<T: std::fmt::Debug>(answer: Result<Reading<T>, Error>) -> (u64, u64) {
    match answer {
        Ok(Reading::Pending { seen, needed }) => (seen, needed),
        other => panic!("{other:?}"),
    }
}

fn undefined<T>(answer: &Result<Reading<T>, Error>) -> bool {
    matches!(answer, Ok(Reading::Undefined(_)))
}

/// What was refused as out of range: its value.
#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Error>) -> f64 {
    match answer {
        Err(Error::OutOfRange { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

fn average(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Gaussian elimination with pivots.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))
            .unwrap();
        a.swap(i, pivot);
        b.swap(i, pivot);
        for r in i + 1..n {
            let factor = a[r][i] / a[i][i];
            let above = a[i].clone();
            for (x, above) in a[r].iter_mut().zip(&above).skip(i) {
                *x -= factor * above;
            }
            b[r] -= factor * b[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|c| a[i][c] * b[c]).sum();
        b[i] = (b[i] - known) / a[i][i];
    }
    b
}

/// Statistical inefficiency by Geyer's initial monotone sequence, at least 1: pair sums of the autocorrelation as long as
/// they are positive, none larger than the one before.
fn inefficiency(x: &[f64]) -> f64 {
    let (n, centre) = (x.len(), average(x));
    let covariance = |lag: usize| -> f64 {
        (0..n - lag)
            .map(|t| (x[t] - centre) * (x[t + lag] - centre))
            .sum()
    };
    let (mut sum, mut last, mut lag) = (0.0, f64::INFINITY, 0);
    while lag + 1 < n {
        let pair = (covariance(lag) + covariance(lag + 1)).min(last);
        if pair <= 0.0 {
            break;
        }
        sum += pair;
        last = pair;
        lag += 2;
    }
    (2.0 * sum / covariance(0) - 1.0).max(1.0)
}

/// Delete-one-block jackknife of a function of the means of columns; blocks of five inefficiencies, as even as can be.
fn jackknife(columns: &[Vec<f64>], function: impl Fn(&[f64]) -> f64) -> Estimate {
    let n = columns[0].len();
    let g = columns.iter().map(|c| inefficiency(c)).fold(1.0, f64::max);
    let k = n / (5.0 * g).ceil() as usize;
    let without = |range: std::ops::Range<usize>| {
        let means: Vec<f64> = columns
            .iter()
            .map(|c| {
                let kept: Vec<f64> = (0..n)
                    .filter(|i| !range.contains(i))
                    .map(|i| c[i])
                    .collect();
                average(&kept)
            })
            .collect();
        function(&means)
    };
    let partial: Vec<f64> = (0..k)
        .map(|b| without(b * n / k..(b + 1) * n / k))
        .collect();
    let (size, centre) = (k as f64, average(&partial));
    let spread: f64 = partial.iter().map(|p| (p - centre).powi(2)).sum();
    est(
        size * without(0..0) - (size - 1.0) * centre,
        ((size - 1.0) / size * spread).sqrt(),
        n as f64 / g,
    )
}

/// Standard error of an unbiased estimate from its values without one group each.
fn group_error(partial: &[f64]) -> f64 {
    let (k, centre) = (partial.len() as f64, average(partial));
    let spread: f64 = partial.iter().map(|p| (p - centre).powi(2)).sum();
    ((k - 1.0) / k * spread).sqrt()
}

/// An autoregression of unit noise.
fn ar1(rho: f64, n: usize, seed: u64) -> Vec<f64> {
    let (mut random, mut x) = (Random::new(seed), 0.0);
    (0..n)
        .map(|_| {
            x = rho * x + random.normal();
            x
        })
        .collect()
}
