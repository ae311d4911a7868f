//! Values by hand, closed forms and boundaries: diagnostics.

use super::{batches, mean, near, noise, refused, student, variance};
use thermograd::equilibrium::{Dynamics, distance, fdr1, fdr2, pflug, sasa};
use thermograd::{Error, Reading, Reason};

#[test]
fn dynamics_end_where_they_are_said_to() {
    let at = |rate, momentum| {
        Dynamics::learning_rate(rate)
            .momentum(momentum)
            .critical_curvature()
    };
    near(at(0.25, 0.5).unwrap(), 12.0, 1e-15);
    assert!(at(1.1e-150, 0.0).is_ok() && at(0.9e150, 0.999).is_ok());
    for rate in [0.0, -1.0, 1e-150, 1e150] {
        assert_eq!(refused(at(rate, 0.0)), ("learning_rate", rate));
    }
    for momentum in [1.0, -0.1] {
        assert_eq!(refused(at(0.1, momentum)), ("momentum", momentum));
    }
}

/// K = (1 + μ)/(2η) ⟨|Δ|²⟩ and (η/2) ⟨g'Hg⟩.
#[test]
fn relations_compare_means_with_what_the_dynamics_say() {
    let heavy = Dynamics::learning_rate(0.25).momentum(0.5);
    let found = fdr1(&[1.0, 2.0], &[0.5, 1.5], heavy).unwrap();
    let found = found.ready().unwrap();
    near(found.kinetic, 3.0, 1e-15);
    near(found.virial, 1.5, 1e-15);
    near(found.residual, -0.5, 1e-15);
    let plain = Dynamics::learning_rate(0.25);
    let found = fdr2(&[1.0, 2.0], &[4.0, 12.0], plain).unwrap();
    let found = found.ready().unwrap();
    near(found.kinetic, 1.0, 1e-15);
    near(found.residual, 0.5, 1e-15);
    assert_eq!(refused(fdr2(&[1.0], &[1.0], heavy)), ("momentum", 0.5));
}

#[test]
fn sasa_is_the_mean_of_its_statistic_with_the_error_of_batches() {
    let (wd, squares) = (noise(50, 1), noise(50, 2));
    let squares: Vec<f64> = squares.iter().map(|x| x * x).collect();
    let series: Vec<f64> = wd.iter().zip(&squares).map(|(x, d)| x - 0.1 * d).collect();
    let found = sasa(&wd, &squares, 0.2).unwrap();
    let found = found.ready().unwrap();
    // Seven batches of seven, the first of fifty left out; the mean is over all.
    let means = batches(&series, 7);
    let error = (variance(&means) / 7.0).sqrt();
    near(found.statistic.value, mean(&series), 1e-14);
    near(found.statistic.std_error, error, 1e-13);
    assert_eq!(found.statistic.n_eff, 7.0);
    let t = mean(&series) / error;
    near(found.published_p_value, student(t, 6.0), 1e-9);
    assert_eq!(
        sasa(&wd[..15], &squares[..15], 0.2).unwrap(),
        Reading::Pending {
            seen: 15,
            needed: 16
        }
    );
    assert!(
        sasa(&wd[..16], &squares[..16], 0.2)
            .unwrap()
            .ready()
            .is_some()
    );
    assert_eq!(refused(sasa(&wd, &squares, 0.0)), ("learning_rate", 0.0));
    assert!(matches!(
        sasa(&wd, &squares[..49], 0.2),
        Err(Error::LengthMismatch { .. })
    ));
}

#[test]
fn pflug_is_a_mean_over_twenty_batches() {
    let x = noise(47, 3);
    let means = batches(&x, 20);
    let found = pflug(&x).unwrap();
    let found = found.ready().unwrap();
    near(found.value, mean(&means), 1e-14);
    near(found.std_error, (variance(&means) / 20.0).sqrt(), 1e-14);
    assert_eq!(
        pflug(&x[..39]).unwrap(),
        Reading::Pending {
            seen: 39,
            needed: 40
        }
    );
    assert!(pflug(&x[..40]).unwrap().ready().is_some());
}

/// The slope of a power law is its exponent between any two times.
#[test]
fn distance_is_a_slope_between_logarithms() {
    for exponent in [2, 1] {
        let squares: Vec<f64> = (1..=30).map(|t| f64::from(t).powi(exponent)).collect();
        let found = distance(&squares, 1.5).unwrap();
        near(*found.ready().unwrap(), f64::from(exponent), 1e-12);
    }
    // Between 10/1.5 = 7 and 10, the seventh and the last.
    let mut squares = [1.0; 10];
    squares[6] = 2.0;
    squares[9] = 8.0;
    let found = distance(&squares, 1.5).unwrap();
    near(
        *found.ready().unwrap(),
        4f64.ln() / (10.0 / 7.0_f64).ln(),
        1e-13,
    );
    // Between the first and the last; the last but one and the last.
    squares[0] = 4.0;
    let found = distance(&squares, 1e9).unwrap();
    near(*found.ready().unwrap(), 2f64.ln() / 10f64.ln(), 1e-13);
    let found = distance(&squares, 1.01).unwrap();
    near(
        *found.ready().unwrap(),
        8f64.ln() / (10.0 / 9.0_f64).ln(),
        1e-13,
    );
    assert_eq!(
        distance(&squares[..9], 1.5).unwrap(),
        Reading::Pending {
            seen: 9,
            needed: 10
        }
    );
    assert_eq!(refused(distance(&squares, 1.0)), ("ratio", 1.0));
    for place in [6, 9] {
        let mut zero = squares;
        zero[place] = 0.0;
        assert!(matches!(
            distance(&zero, 1.5).unwrap(),
            Reading::Undefined(Reason::DividesByZero(_))
        ));
        zero[place] = -1.0;
        assert_eq!(refused(distance(&zero, 1.5)), ("squared distance", -1.0));
    }
}
