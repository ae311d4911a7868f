//! Every answer of the verdict, on a system that deserves it.

#![expect(clippy::unwrap_used, reason = "simulated series are valid input")]

use thermograd::equilibrium::{
    Cause, Direction, Observable, Outcome, TestConfig, Verdict, VerdictConfig, area_rates, verdict,
};
use thermograd::systems::Random;

use super::simulation::ar1;

fn ask(observables: &[Observable<'_>]) -> Verdict {
    verdict(observables, None, &VerdictConfig::default()).unwrap()
}

#[test]
fn a_stationary_run_is_in_equilibrium() {
    let mut random = Random::new(1);
    let (loss, norm) = (ar1(&mut random, 0.5, 3000), ar1(&mut random, 0.9, 3000));
    let found = ask(&[
        Observable::new("loss", &loss),
        Observable::new("norm", &norm),
    ]);
    match &found {
        Verdict::Equilibrium { n_eff, evidence } => {
            assert!((50.0..400.0).contains(n_eff));
            assert_eq!(evidence.len(), 2);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_drifting_observable_is_named_with_its_rate() {
    let mut random = Random::new(2);
    let (loss, mut norm) = (ar1(&mut random, 0.5, 3000), ar1(&mut random, 0.9, 3000));
    for (t, x) in norm.iter_mut().enumerate() {
        *x += 0.002 * t as f64;
    }
    match ask(&[
        Observable::new("loss", &loss),
        Observable::new("norm", &norm),
    ]) {
        Verdict::OutOfEquilibrium {
            observable,
            direction,
            rate,
            sigmas,
            ..
        } => {
            assert_eq!(
                (observable.as_str(), direction),
                ("norm", Direction::Rising)
            );
            assert!(rate.z_score(0.002).unwrap().abs() < 4.0 && sigmas > 3.0);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_steep_relaxation_is_a_drift_and_not_a_lack_of_data() {
    let mut random = Random::new(3);
    let loss: Vec<f64> = (0..2000)
        .map(|t| 20.0 * (-f64::from(t) / 700.0).exp() + random.normal())
        .collect();
    match ask(&[Observable::new("loss", &loss)]) {
        Verdict::OutOfEquilibrium { direction, .. } => assert_eq!(direction, Direction::Falling),
        other => panic!("{other}"),
    }
}

#[test]
fn a_noiseless_line_is_a_drift() {
    let line: Vec<f64> = (0..100).map(|t| 5.0 - 0.25 * f64::from(t)).collect();
    match ask(&[Observable::new("loss", &line)]) {
        Verdict::OutOfEquilibrium {
            direction, rate, ..
        } => {
            assert_eq!(direction, Direction::Falling);
            assert!((rate.value + 0.25).abs() < 1e-12);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn slow_memory_asks_for_more_steps() {
    // g = 199: a thousand steps are five observations.
    let mut refused = 0;
    for seed in 0..50 {
        let slow = ar1(&mut Random::new(seed), 0.99, 1000);
        if let Verdict::InsufficientData { more_steps, .. } = ask(&[Observable::new("q", &slow)]) {
            refused += 1;
            assert!(more_steps > 100);
        }
    }
    assert!(refused >= 48, "{refused}");
}

#[test]
fn a_known_relaxation_time_is_respected() {
    let fast = ar1(&mut Random::new(4), 0.0, 1000);
    let mut config = VerdictConfig::default();
    config.relaxation_time = Some(100.0);
    let found = verdict(&[Observable::new("loss", &fast)], None, &config).unwrap();
    // 50 observations of 200 steps each.
    match found {
        Verdict::InsufficientData { more_steps, .. } => assert_eq!(more_steps, 9000),
        other => panic!("{other}"),
    }
}

#[test]
fn unequal_temperatures_are_steady_but_not_thermal() {
    let mut random = Random::new(5);
    let mut layer = |t: f64| {
        (0..2000)
            .map(|_| t * random.normal().powi(2))
            .collect::<Vec<_>>()
    };
    let (a, b) = (layer(1.0), layer(2.0));
    let found = ask(&[
        Observable::temperature("first", &a),
        Observable::temperature("second", &b),
    ]);
    match &found {
        Verdict::SteadyNotThermal { cause, effect, .. } => {
            assert_eq!(*cause, Cause::UnequalTemperatures);
            // sd(1, 2)/1.5.
            assert!((effect / 0.471 - 1.0).abs() < 0.1, "{effect}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_significant_but_small_spread_is_no_alarm() {
    let mut random = Random::new(6);
    let mut layer = |t: f64| {
        (0..50_000)
            .map(|_| t + 0.1 * random.normal())
            .collect::<Vec<_>>()
    };
    let (a, b) = (layer(1.0), layer(1.02));
    let observables = [
        Observable::temperature("first", &a),
        Observable::temperature("second", &b),
    ];
    let found = ask(&observables);
    assert!(matches!(found, Verdict::Equilibrium { .. }), "{found}");
    // It is on record all the same.
    assert!(found.evidence().iter().any(|f| matches!(
        f.outcome,
        Outcome::Tested { adjusted, alarm: false, .. } if adjusted < 1e-6
    )));
    let mut config = VerdictConfig::default();
    config.least_spread = 0.01;
    let found = verdict(&observables, None, &config).unwrap();
    assert!(matches!(found, Verdict::SteadyNotThermal { .. }), "{found}");
}

#[test]
fn a_current_is_steady_but_not_thermal() {
    let (mut x, mut y, mut random) = (0.0, 0.0, Random::new(9));
    let (mut xs, mut ys) = (vec![], vec![]);
    for _ in 0..5000 {
        let (c, s) = (0.1_f64.cos(), 0.1_f64.sin());
        (x, y) = (
            0.8 * (c * x - s * y) + random.normal(),
            0.8 * (s * x + c * y) + random.normal(),
        );
        xs.push(x);
        ys.push(y);
    }
    let currents = area_rates(&[&xs, &ys], 2, &TestConfig::default()).unwrap();
    let found = verdict(
        &[Observable::new("x", &xs), Observable::new("y", &ys)],
        currents.ready(),
        &VerdictConfig::default(),
    )
    .unwrap();
    assert!(
        matches!(
            found,
            Verdict::SteadyNotThermal {
                cause: Cause::Currents,
                ..
            }
        ),
        "{found}"
    );
}

#[test]
fn constant_and_empty_input() {
    let flat = [1.0; 500];
    let found = ask(&[Observable::new("radius on a sphere", &flat)]);
    assert!(matches!(found, Verdict::InsufficientData { .. }), "{found}");
    let moving = ar1(&mut Random::new(1), 0.0, 500);
    let found = ask(&[
        Observable::new("radius on a sphere", &flat),
        Observable::new("loss", &moving),
    ]);
    assert!(matches!(found, Verdict::Equilibrium { .. }), "{found}");
    assert!(verdict(&[], None, &VerdictConfig::default()).is_err());
    let bad = [1.0, f64::NAN];
    assert!(
        verdict(
            &[Observable::new("loss", &bad)],
            None,
            &VerdictConfig::default()
        )
        .is_err()
    );
}
