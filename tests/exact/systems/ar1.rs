//! Values by hand, closed forms and boundaries: ar1.

use thermograd::Error;
use thermograd::systems::{Ar1, Random};

use super::{above, below, close, near, refused};

/// Var of the mean: the double sum of ρ^|i−j| over n².
#[test]
fn variance_of_a_mean_is_a_double_sum() {
    for rho in [-0.9, -0.3, 0.0, 0.4, 0.99] {
        let process = Ar1::new(rho).unwrap().with_variance(2.5).unwrap();
        for n in 1_i32..12 {
            let mut sum = 0.0;
            for i in 0..n {
                for j in 0..n {
                    sum += 2.5 * f64::powi(rho, (i - j).abs());
                }
            }
            let count = u64::try_from(n).unwrap();
            let found = process.variance_of_mean(count).unwrap();
            close(found, sum / f64::from(n * n), 1e-14);
        }
    }
    let process = Ar1::new(0.5).unwrap();
    assert!(matches!(
        process.variance_of_mean(0),
        Err(Error::Empty { .. })
    ));
    // Long means: g/n with g = (1 + ρ)/(1 − ρ) = 3, less 2ρ/(1 − ρ)²/n² = 4/n².
    let n = 1_000_003.0;
    let found = process.variance_of_mean(1_000_003).unwrap();
    near(found, (3.0 - 4.0 / n) / n, 1e-13);
}

#[test]
fn a_series_is_its_recursion() {
    let process = Ar1::new(-0.6).unwrap().with_variance(4.0).unwrap();
    let process = process.with_mean(7.0).unwrap();
    assert_eq!(
        (process.rho(), process.variance(), process.mean()),
        (-0.6, 4.0, 7.0)
    );
    let mut random = Random::new(3);
    // Var of the innovations: 4 (1 − 0.36) = 1.6².
    let mut x = 2.0 * random.normal();
    for found in process.series(3).take(50) {
        close(found, 7.0 + x, 1e-14);
        x = -0.6 * x + 1.6 * random.normal();
    }
}

#[test]
fn memory_of_a_process_in_closed_form() {
    let process = Ar1::new(-0.5).unwrap();
    assert_eq!(process.autocorrelation(3), -0.125);
    assert_eq!(process.autocorrelation(0), 1.0);
    near(process.statistical_inefficiency(), 1.0 / 3.0, 1e-15);
    near(process.integrated_autocorrelation_time(), 1.0 / 6.0, 1e-15);
    refused(Ar1::new(1.0), "lag-one autocorrelation");
    refused(Ar1::new(-1.0), "lag-one autocorrelation");
    assert!(Ar1::new(below(1.0)).is_ok());
    refused(process.with_variance(0.0), "stationary variance");
    refused(process.with_variance(1e150), "stationary variance");
    assert!(process.with_variance(below(1e150)).is_ok());
    refused(process.with_mean(-1e150), "mean");
    assert!(process.with_mean(-below(1e150)).is_ok());
    assert!(process.with_variance(above(0.0)).is_ok());
}
