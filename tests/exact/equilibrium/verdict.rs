//! Values by hand, closed forms and boundaries: verdict.

use super::{
    batches, estimate, inefficiency, line, memory, near, noise, refused, student, variance,
};
use std::f64::consts::PI;
use thermograd::Error;
use thermograd::equilibrium::{
    Cause, Check, Circulation, Direction, Finding, Observable, Outcome, TestConfig, Verdict,
    VerdictConfig, area_rates, drift, equipartition, verdict,
};

fn told(inefficiency: f64) -> VerdictConfig {
    let mut config = VerdictConfig::default();
    config.tests.inefficiency = Some(inefficiency);
    config
}

fn rising(n: u32, slope: f64, seed: u64) -> Vec<f64> {
    let noise = noise(n as usize, seed);
    (0..n)
        .zip(noise)
        .map(|(t, x)| x + slope * f64::from(t))
        .collect()
}

/// (p, adjusted, effect, alarm) of a test that was made.
#[track_caller]
fn tested(finding: &Finding) -> (f64, f64, f64, bool) {
    match finding.outcome {
        Outcome::Tested {
            p_value,
            adjusted,
            effect,
            alarm,
        } => (p_value, adjusted, effect, alarm),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn a_verdict_is_told_in_words_and_numbers() {
    let evidence = Vec::new;
    let all = [
        (
            Verdict::Equilibrium {
                n_eff: 119.6,
                evidence: evidence(),
            },
            false,
            "equilibrium (N_eff 120)",
        ),
        (
            Verdict::OutOfEquilibrium {
                observable: "loss".to_owned(),
                direction: Direction::Falling,
                rate: estimate(-2e-3, 1e-4, 9.0),
                sigmas: -12.34,
                evidence: evidence(),
            },
            true,
            "out of equilibrium: loss falls at -2.000e-3 ± 1.0e-4 a step (12.3 sigma)",
        ),
        (
            Verdict::OutOfEquilibrium {
                observable: "T".to_owned(),
                direction: Direction::Rising,
                rate: estimate(0.5, 0.25, 9.0),
                sigmas: 2.0,
                evidence: evidence(),
            },
            true,
            "out of equilibrium: T rises at 5.000e-1 ± 2.5e-1 a step (2.0 sigma)",
        ),
        (
            Verdict::InsufficientData {
                more_steps: 17,
                observable: "loss".to_owned(),
                evidence: evidence(),
            },
            false,
            "insufficient data: loss needs 17 more steps",
        ),
        (
            Verdict::SteadyNotThermal {
                cause: Cause::UnequalTemperatures,
                effect: 0.123,
                sigmas: 4.56,
                evidence: evidence(),
            },
            true,
            "steady, not thermal: temperatures spread by 12% (4.6 sigma)",
        ),
        (
            Verdict::SteadyNotThermal {
                cause: Cause::Currents,
                effect: 0.0123,
                sigmas: 4.56,
                evidence: evidence(),
            },
            true,
            "steady, not thermal: currents of 1.2e-2 rad a step (4.6 sigma)",
        ),
    ];
    for (verdict, alarm, text) in all {
        assert_eq!(verdict.to_string(), text);
        assert_eq!(verdict.is_alarm(), alarm);
        assert_eq!(verdict.evidence(), []);
    }
}

#[test]
fn configurations_end_where_they_are_said_to() {
    let x = noise(60, 1);
    let ask = |change: fn(&mut VerdictConfig, f64), value: f64| {
        let mut config = told(1.0);
        change(&mut config, value);
        verdict(&[Observable::new("x", &x)], None, &config)
    };
    let level: fn(&mut VerdictConfig, f64) = |c, v| c.level = v;
    let spread: fn(&mut VerdictConfig, f64) = |c, v| c.least_spread = v;
    let change: fn(&mut VerdictConfig, f64) = |c, v| c.least_change = v;
    let angular: fn(&mut VerdictConfig, f64) = |c, v| c.least_angular = v;
    let time: fn(&mut VerdictConfig, f64) = |c, v| c.relaxation_time = Some(v);
    for (set, good, bad, what) in [
        (level, 1e-300, 0.0, "level"),
        (level, 0.999, 1.0, "level"),
        (spread, 0.0, -0.1, "least_spread"),
        (change, 0.0, -0.1, "least_change"),
        (angular, 0.0, -0.1, "least_angular"),
        (time, 1e-300, 0.0, "relaxation_time"),
    ] {
        assert!(ask(set, good).is_ok(), "{what}");
        assert_eq!(refused(ask(set, bad)), (what, bad));
    }
    assert!(matches!(
        verdict(&[], None, &told(1.0)),
        Err(Error::Empty { .. })
    ));
}

/// The least effective number, and p-values adjusted by Holm: the i-th smallest of m counts
/// m − i + 1 times, and no less than the one before.
#[test]
fn equilibrium_has_the_effective_number_of_its_slowest_observable() {
    let all = [noise(800, 1), noise(200, 2), noise(400, 3)];
    let names = ["a", "b", "c"];
    let observables: Vec<Observable<'_>> = names
        .iter()
        .zip(&all)
        .map(|(name, x)| Observable::new(name, x))
        .collect();
    let found = verdict(&observables, None, &told(1.0)).unwrap();
    let Verdict::Equilibrium { n_eff, evidence } = &found else {
        panic!("{found}");
    };
    assert_eq!(*n_eff, 200.0);
    assert_eq!(found.evidence(), evidence.as_slice());
    let drifts = all
        .each_ref()
        .map(|x| *drift(x, &told(1.0).tests).unwrap().ready().unwrap());
    let mut order = [0, 1, 2];
    order.sort_by(|&a, &b| drifts[a].p_value.total_cmp(&drifts[b].p_value));
    let mut least = 0.0_f64;
    for (i, times) in order.into_iter().zip([3.0, 2.0, 1.0]) {
        least = (times * drifts[i].p_value).min(1.0).max(least);
        let expected = (drifts[i].p_value, least, drifts[i].relative_change, false);
        assert_eq!(evidence[i].check, Check::Drift(names[i].to_owned()));
        assert_eq!(tested(&evidence[i]), expected);
    }
    // A relaxation time τ is an inefficiency of 2τ at least.
    let mut config = told(1.0);
    config.relaxation_time = Some(1.5);
    let found = verdict(&observables, None, &config).unwrap();
    let Verdict::Equilibrium { n_eff, .. } = found else {
        panic!("{found}");
    };
    near(n_eff, 200.0 / 3.0, 1e-14);
}

#[test]
fn the_most_significant_drift_is_told() {
    let (slow, fast) = (rising(400, 0.004, 1), rising(400, -0.02, 2));
    let observables = [
        Observable::new("slow", &slow),
        Observable::new("fast", &fast),
        Observable::new("slow too", &slow),
    ];
    let found = verdict(&observables, None, &told(1.0)).unwrap();
    let expected = *drift(&fast, &told(1.0).tests).unwrap().ready().unwrap();
    let Verdict::OutOfEquilibrium {
        observable,
        direction,
        rate,
        sigmas,
        evidence,
    } = &found
    else {
        panic!("{found}");
    };
    assert_eq!(
        (observable.as_str(), *direction),
        ("fast", Direction::Falling)
    );
    assert_eq!((*rate, *sigmas), (expected.rate, expected.sigmas()));
    assert!(evidence.iter().all(|finding| tested(finding).3));
    // A change of less than what counts is no alarm.
    let mut config = told(1.0);
    config.least_change = 3.0;
    let found = verdict(&observables[..1], None, &config).unwrap();
    assert!(!found.is_alarm() && !tested(&found.evidence()[0]).3);
    config.least_change = tested(&found.evidence()[0]).2;
    let found = verdict(&observables[..1], None, &config).unwrap();
    assert!(matches!(
        found,
        Verdict::OutOfEquilibrium {
            direction: Direction::Rising,
            ..
        }
    ));
}

/// With fewer than ten batches the error is no less than √(σ²g/length/Σ(j − j̄)²).
#[test]
fn few_batches_have_no_less_error_than_the_autocorrelation_says() {
    let mut floored = 0;
    for seed in 1..9 {
        for (n, b) in [(60, 6), (90, 9), (100, 10)] {
            let x = noise(n, seed);
            let found = verdict(&[Observable::new("x", &x)], None, &told(1.0)).unwrap();
            let (slope, left) = line(&batches(&x, b));
            let squares: f64 = left.iter().map(|r| r * r).sum();
            let size = b as f64;
            let spread = size * (size * size - 1.0) / 12.0;
            let mut error = (squares / ((size - 2.0) * spread)).sqrt();
            let of_steps = variance(&line(&x).1) / 10.0;
            if b < 10 && (of_steps / spread).sqrt() > error {
                error = (of_steps / spread).sqrt();
                floored += 1;
            }
            let p = tested(&found.evidence()[0]).0;
            near(p, student(slope / error, size - 2.0), 1e-9);
        }
    }
    assert!((3..14).contains(&floored), "{floored}");
}

#[test]
fn a_line_without_noise_drifts_beyond_doubt() {
    let line = |t: u32| 1.0 - 0.25 * f64::from(t);
    let straight: Vec<f64> = (0..100).map(line).collect();
    // Every other step half a unit higher: the means of ten steps lie on the line.
    let teeth: Vec<f64> = (0..100).map(|t| line(t) + 0.5 * f64::from(t % 2)).collect();
    for x in [straight, teeth] {
        let found = verdict(&[Observable::new("x", &x)], None, &told(1.0)).unwrap();
        let Verdict::OutOfEquilibrium {
            direction, rate, ..
        } = &found
        else {
            panic!("{found}");
        };
        assert_eq!(*direction, Direction::Falling);
        near(rate.value, -0.25, 1e-3);
        assert_eq!((rate.std_error, rate.n_eff), (0.0, 100.0));
        let (p, adjusted, effect, alarm) = tested(&found.evidence()[0]);
        assert_eq!((p, adjusted, effect, alarm), (0.0, 0.0, -f64::MAX, true));
    }
}

#[test]
fn what_does_not_vary_says_nothing() {
    let flat = [2.0; 100];
    // The means of ten steps are equal.
    let swings = [0.0, 1.0].repeat(50);
    let all = [
        Observable::temperature("flat", &flat),
        Observable::temperature("swings", &swings),
    ];
    let found = verdict(&all, None, &told(1.0)).unwrap();
    assert_eq!(
        found.to_string(),
        "insufficient data: every observable (constant so far) needs 1 more steps"
    );
    let outcomes: Vec<&Outcome> = found.evidence().iter().map(|f| &f.outcome).collect();
    assert_eq!(outcomes, [&Outcome::Constant; 3]);
    assert_eq!(found.evidence()[2].check, Check::EqualTemperatures);
    // Beside one that does vary a constant does not matter.
    let moving = noise(100, 1);
    let both = [
        Observable::new("flat", &flat),
        Observable::new("x", &moving),
    ];
    let found = verdict(&both, None, &told(1.0)).unwrap();
    assert!(matches!(found, Verdict::Equilibrium { n_eff: 100.0, .. }));
}

#[test]
fn the_longest_wait_is_told() {
    let (a, b) = (noise(40, 1), noise(30, 2));
    let all = [
        Observable::temperature("a", &a),
        Observable::temperature("b", &b),
        Observable::new("b too", &b),
    ];
    let found = verdict(&all, None, &told(1.0)).unwrap();
    assert_eq!(
        found.to_string(),
        "insufficient data: b needs 20 more steps"
    );
    let short = |seen| Outcome::TooShort { seen, needed: 50 };
    let outcomes: Vec<&Outcome> = found.evidence().iter().map(|f| &f.outcome).collect();
    assert_eq!(outcomes, [&short(40), &short(30), &short(30), &short(30)]);
    // A drift elsewhere is told all the same.
    let falling = rising(100, -0.1, 3);
    let both = [
        Observable::new("b", &b),
        Observable::new("falling", &falling),
    ];
    let found = verdict(&both, None, &told(1.0)).unwrap();
    assert!(matches!(found, Verdict::OutOfEquilibrium { .. }));
}

#[test]
fn unequal_temperatures_count_from_their_least_spread_up() {
    let (cold, hot) = (noise(400, 1), noise(400, 4));
    let cold: Vec<f64> = cold.iter().map(|x| 5.0 + x).collect();
    let hot: Vec<f64> = hot.iter().map(|x| 7.0 + x).collect();
    let all = [
        Observable::temperature("cold", &cold),
        Observable::temperature("hot", &hot),
    ];
    let expected = equipartition(&[&cold, &hot], &told(1.0).tests).unwrap();
    let expected = *expected.ready().unwrap();
    let mut config = told(1.0);
    for (least, alarm) in [
        (expected.excess_spread, true),
        (1.001 * expected.excess_spread, false),
    ] {
        config.least_spread = least;
        let found = verdict(&all, None, &config).unwrap();
        let (p, _, effect, alarmed) = tested(&found.evidence()[2]);
        assert_eq!(
            (p, effect, alarmed),
            (expected.p_value, expected.excess_spread, alarm)
        );
        assert_eq!(found.is_alarm(), alarm);
        if let Verdict::SteadyNotThermal {
            cause,
            effect,
            sigmas,
            ..
        } = found
        {
            assert_eq!(cause, Cause::UnequalTemperatures);
            assert_eq!(
                (effect, sigmas),
                (expected.excess_spread, expected.sigmas())
            );
        }
    }
    // One temperature, or monitors, are not compared.
    let monitors = [all[0], Observable::new("hot", &hot)];
    let found = verdict(&monitors, None, &told(1.0)).unwrap();
    assert_eq!(found.evidence().len(), 2);
}

/// Rotation by 0.1 a step with noise.
fn current() -> Circulation {
    let mut random = thermograd::systems::Random::new(9);
    let (mut x, mut y) = (0.0, 0.0);
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    let (c, s) = (0.1_f64.cos(), 0.1_f64.sin());
    for _ in 0..8000 {
        (x, y) = (
            0.8 * (c * x - s * y) + random.normal(),
            0.8 * (s * x + c * y) + random.normal(),
        );
        xs.push(x);
        ys.push(y);
    }
    let found = area_rates(&[&xs, &ys], 2, &TestConfig::default()).unwrap();
    found.ready().unwrap().clone()
}

#[test]
fn currents_count_from_their_least_rate_up() {
    let x = noise(400, 1);
    let found = current();
    let mut config = told(1.0);
    for (least, alarm) in [
        (found.largest_angular, true),
        (1.001 * found.largest_angular, false),
    ] {
        config.least_angular = least;
        let answer = verdict(&[Observable::new("x", &x)], Some(&found), &config).unwrap();
        assert_eq!(answer.evidence()[1].check, Check::NoCurrents);
        let (p, _, effect, alarmed) = tested(&answer.evidence()[1]);
        assert_eq!(
            (p, effect, alarmed),
            (found.p_value, found.largest_angular, alarm)
        );
        let steady = matches!(
            answer,
            Verdict::SteadyNotThermal {
                cause: Cause::Currents,
                ..
            }
        );
        assert_eq!(steady, alarm);
    }
    // Of currents and unequal temperatures the more significant is told.
    let shifted = |by: f64, seed| -> Vec<f64> { noise(400, seed).iter().map(|x| by + x).collect() };
    let cold = shifted(1.0, 1);
    for (by, cause) in [(1.4, Cause::Currents), (50.0, Cause::UnequalTemperatures)] {
        let hot = shifted(by, 4);
        let all = [
            Observable::temperature("cold", &cold),
            Observable::temperature("hot", &hot),
        ];
        let answer = verdict(&all, Some(&found), &told(1.0)).unwrap();
        let (equal, flow) = (tested(&answer.evidence()[2]), tested(&answer.evidence()[3]));
        assert!(equal.3 && flow.3);
        assert_eq!(flow.0 < equal.0, cause == Cause::Currents);
        assert!(matches!(
            answer,
            Verdict::SteadyNotThermal { cause: told, .. } if told == cause
        ));
    }
}

/// What is left of polynomials up to degree five, by projections on Legendre's, made orthogonal
/// on the places of the steps.
fn without_quintic(x: &[f64]) -> Vec<f64> {
    let places: Vec<f64> = (0..x.len())
        .map(|t| 2.0 * t as f64 / (x.len() as f64 - 1.0) - 1.0)
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let remove = |from: &mut Vec<f64>, along: &[f64]| {
        let share = dot(from, along) / dot(along, along);
        for (x, a) in from.iter_mut().zip(along) {
            *x -= share * a;
        }
    };
    let mut left = x.to_vec();
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for degree in 0..6 {
        let mut next: Vec<f64> = places.iter().map(|p| p.powi(degree)).collect();
        for _ in 0..3 {
            for known in &basis {
                remove(&mut next, known);
            }
        }
        remove(&mut left, &next);
        basis.push(next);
    }
    left
}

/// A relaxation so steep that its residual about a line is correlated: the slope against the noise
/// about a quintic, if that leaves two hundred effective observations.
#[test]
fn a_curved_transient_is_seen_against_the_noise_about_a_quintic() {
    let relaxing = |n: usize, sign: f64| -> Vec<f64> {
        (0..n)
            .zip(memory(n, 0.2, 3))
            .map(|(t, e)| 3.0 + sign * (4.0 * (-5.0 * t as f64 / n as f64).exp() + 0.5 * e))
            .collect()
    };
    for sign in [1.0, -1.0] {
        let x = relaxing(600, sign);
        let found = verdict(&[Observable::new("x", &x)], None, &VerdictConfig::default());
        let found = found.unwrap();
        let Verdict::OutOfEquilibrium {
            direction, rate, ..
        } = &found
        else {
            panic!("{found}");
        };
        assert_eq!(*direction == Direction::Falling, sign > 0.0);
        let left = without_quintic(&x);
        let (slope, g) = (line(&x).0, inefficiency(&left));
        assert!(g > 1.0);
        // Σ(t − t̄)² = n(n² − 1)/12.
        let error = (12.0 * variance(&left) * g / (600.0 * (360_000.0 - 1.0))).sqrt();
        near(rate.value / slope, 1.0, 1e-9);
        near(rate.std_error / error, 1.0, 1e-8);
        near(rate.n_eff, 600.0 / g, 1e-8);
        let (p, _, effect, _) = tested(&found.evidence()[0]);
        near(effect, 600.0 * slope / variance(&left).sqrt(), 1e-8);
        let expected = student(slope / error, 200.0 / g);
        near(p.ln(), expected.ln(), 1e-5);
    }
    let x = relaxing(190, 1.0);
    let found = verdict(&[Observable::new("x", &x)], None, &VerdictConfig::default());
    assert!(matches!(
        found.unwrap(),
        Verdict::InsufficientData {
            more_steps: 1..,
            ..
        }
    ));
    // A slow wave about one level is curved and does not drift: too short, and no alarm.
    let wave: Vec<f64> = (0..600)
        .zip(noise(600, 5))
        .map(|(t, e)| (2.0 * PI * f64::from(t) / 300.0 + 0.5 * PI).sin() + 0.1 * e)
        .collect();
    let found = verdict(
        &[Observable::new("x", &wave)],
        None,
        &VerdictConfig::default(),
    );
    assert!(matches!(found.unwrap(), Verdict::InsufficientData { .. }));
}
