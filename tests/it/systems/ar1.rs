//! AR(1): autocorrelation time and the error of the mean.

use proptest::prelude::*;
use thermograd::Error;
use thermograd::systems::Ar1;

use super::{assert_close, mean_and_error};

#[test]
fn reference_inefficiencies() {
    for (rho, g) in [
        (0.0, 1.0),
        (0.5, 3.0),
        (0.9, 19.0),
        (0.99, 199.0),
        (-0.5, 1.0 / 3.0),
    ] {
        let process = Ar1::new(rho).unwrap();
        assert_close("g", process.statistical_inefficiency(), g, 1e-12);
        assert_close(
            "tau",
            process.integrated_autocorrelation_time(),
            g / 2.0,
            1e-12,
        );
    }
}

#[test]
fn no_cancellation_near_one() {
    // n (1 - rho) << 1: the variance of the mean is var (1 - (1 - rho)(n^2 - 1)/(3 n)) to first order.
    let (gap, n) = (1e-12, 1000_u64);
    let process = Ar1::new(1.0 - gap).unwrap();
    let exact = 1.0 - gap * (1e6 - 1.0) / 3e3;
    assert_close(
        "variance",
        process.variance_of_mean(n).unwrap(),
        exact,
        1e-14,
    );
    // n (1 - rho) >> 1: var g / n.
    let process = Ar1::new(0.9).unwrap();
    let n = 1_u64 << 60;
    assert_close(
        "variance",
        process.variance_of_mean(n).unwrap(),
        19.0 / n as f64,
        1e-12,
    );
}

#[test]
fn realisations_have_the_moments_they_claim() {
    for (seed, rho) in [(1, 0.0), (2, 0.7), (3, 0.95), (4, -0.6)] {
        let process = Ar1::new(rho)
            .unwrap()
            .with_variance(4.0)
            .unwrap()
            .with_mean(-3.0)
            .unwrap();
        let n = 50;
        let means: Vec<f64> = (0..4000)
            .map(|k| process.series(1000 * seed + 7919 * k).take(n).sum::<f64>() / n as f64)
            .collect();
        let (mean, error) = mean_and_error(&means);
        assert!(
            ((mean + 3.0) / error).abs() < 4.0,
            "rho {rho}: {mean} ± {error}"
        );
        // The variance of 4000 Gaussian means has the relative error sqrt(2/4000) = 0.022.
        let exact = process.variance_of_mean(n as u64).unwrap();
        let measured = error * error * 4000.0;
        assert!(
            (measured / exact - 1.0).abs() < 0.09,
            "rho {rho}: {measured} {exact}"
        );
    }
}

#[test]
fn nonsense_is_refused() {
    for rho in [1.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(Ar1::new(rho), Err(Error::OutOfRange { .. })));
    }
    let process = Ar1::new(0.5).unwrap();
    assert!(process.with_variance(0.0).is_err());
    assert!(process.with_mean(f64::NAN).is_err());
    assert!(matches!(
        process.variance_of_mean(0),
        Err(Error::Empty { .. })
    ));
}

proptest! {
    #[test]
    fn variance_of_the_mean_is_the_double_sum(rho in -0.999_f64..0.999, n in 1_u32..60) {
        let process = Ar1::new(rho).unwrap().with_variance(2.0).unwrap();
        let mut sum = 0.0;
        for i in 0..n {
            for j in 0..n {
                sum += rho.powi(i.abs_diff(j).cast_signed());
            }
        }
        let slow = 2.0 * sum / f64::from(n * n);
        let ours = process.variance_of_mean(u64::from(n)).unwrap();
        prop_assert!((ours - slow).abs() <= 1e-13 * (slow + 2.0), "{ours} {slow}");
    }
}
