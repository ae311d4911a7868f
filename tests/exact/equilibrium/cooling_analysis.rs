//! Values by hand, closed forms and boundaries: cooling analysis.

use super::{estimate, exact, near, refused};
use thermograd::cooling::{CaloricCurve, CoolingPoint, CoolingRecord, Regime, energy_fluctuations};
use thermograd::{Error, Estimate, Reading, Reason};

fn record(points: Vec<CoolingPoint>) -> CoolingRecord {
    CoolingRecord::new(points).unwrap()
}

fn bath(time: f64, t: f64) -> CoolingPoint {
    CoolingPoint::new(time, exact(t))
}

#[test]
fn a_record_gives_back_its_points_and_lasts_from_first_to_last() {
    let points = vec![bath(3.0, 2.0), bath(5.0, 1.5), bath(10.0, 1.0)];
    let found = record(points.clone());
    assert_eq!(found.points(), points.as_slice());
    assert_eq!(found.duration(), 7.0);
    assert_eq!(record(vec![bath(4.0, 1.0)]).duration(), 0.0);
    assert_eq!(record(Vec::new()).duration(), 0.0);
}

/// √C = 1 2 3 over two halvings: ½(1+2) ln 2 + ½(2+3) ln 2. Moving C of the middle from 4 to 9
/// adds ½(3−2)·2 ln 2; moving T of the middle by a quarter adds (−½·3 + ½·5) ln 1.25.
#[test]
fn the_error_of_a_length_is_that_of_each_point_moved() {
    let found = record(vec![
        CoolingPoint::new(0.0, estimate(4.0, 0.0, 30.0)).heat_capacity(exact(1.0)),
        CoolingPoint::new(10.0, estimate(2.0, 0.5, 20.0)).heat_capacity(estimate(4.0, 5.0, 5.0)),
        CoolingPoint::new(50.0, estimate(1.0, 0.0, 40.0)).heat_capacity(exact(9.0)),
    ]);
    let length = found.thermodynamic_length();
    let length = length.ready().unwrap();
    near(length.value, 4.0 * 2f64.ln(), 1e-14);
    near(length.std_error, 2f64.ln().hypot(1.25_f64.ln()), 1e-14);
    assert_eq!(length.n_eff, 20.0);
}

/// Both ends moved by a tenth change √6 ln 4 by √6 ln 1.1 each.
#[test]
fn the_bound_is_the_squared_length_over_the_duration_and_so_is_its_error() {
    let point = |time, t: f64| {
        CoolingPoint::new(time, estimate(t, 0.1 * t, 9.0))
            .heat_capacity(exact(2.0))
            .relaxation_time(exact(3.0))
    };
    let found = record(vec![point(7.0, 4.0), point(57.0, 1.0)]);
    let (length, error) = (
        6f64.sqrt() * 4f64.ln(),
        6f64.sqrt() * 1.1_f64.ln() * 2f64.sqrt(),
    );
    let along = found.relaxation_length();
    near(along.ready().unwrap().value, length, 1e-14);
    near(along.ready().unwrap().std_error, error, 1e-13);
    let bound = found.dissipation_bound();
    let bound = bound.ready().unwrap();
    near(bound.value, length * length / 50.0, 1e-14);
    near(bound.std_error, 2.0 * length * error / 50.0, 1e-13);
    assert_eq!(bound.n_eff, 9.0);
}

#[test]
fn a_bound_that_overflows_or_whose_error_does_is_undefined() {
    let point = |time, t: Estimate, size: f64| {
        CoolingPoint::new(time, t)
            .heat_capacity(exact(size))
            .relaxation_time(exact(size))
    };
    // (1e70 ln 2)² / 1e-200.
    let huge = record(vec![
        point(0.0, exact(2.0), 1e70),
        point(1e-200, exact(1.0), 1e70),
    ]);
    assert!(huge.relaxation_length().ready().is_some());
    assert!(matches!(
        huge.dissipation_bound(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    // A length of 1e60·1e-10 and an error of 1e60·ln 1e70: 1e100/1e-205 fits, 3e112/1e-205 not.
    let wide = record(vec![
        point(0.0, estimate(1.0, 1e70, 1.0), 1e60),
        point(1e-205, exact(1.0 + 1e-10), 1e60),
    ]);
    let length = wide.relaxation_length();
    let length = length.ready().unwrap();
    assert!((length.value * length.value / 1e-205).is_finite());
    assert!((length.value * length.std_error / 1e-205).is_infinite());
    assert!(matches!(
        wide.dissipation_bound(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
}

#[test]
fn rates_lie_in_the_middle_of_two_points_with_the_mean_of_their_factors() {
    let point = |time, t, tau, c| {
        bath(time, t)
            .relaxation_time(exact(tau))
            .heat_capacity(exact(c))
    };
    let found = record(vec![
        point(10.0, 4.0, 1.0, 4.0),
        point(14.0, 2.0, 3.0, 9.0),
        point(24.0, 1.0, 5.0, 16.0),
    ]);
    let ln2 = 2f64.ln();
    let check = |rates: Vec<(f64, f64)>, expected: [(f64, f64); 2]| {
        assert_eq!(rates.len(), 2);
        for (found, expected) in rates.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            near(found.1, expected.1, 1e-14);
        }
    };
    check(
        found.deborah(),
        [(12.0, 2.0 * ln2 / 4.0), (19.0, 4.0 * ln2 / 10.0)],
    );
    // τ√C = 2, 9, 20.
    check(
        found.thermodynamic_speed(),
        [(12.0, 5.5 * ln2 / 4.0), (19.0, 14.5 * ln2 / 10.0)],
    );
    // Heating is as fast as cooling.
    let back = record(vec![point(10.0, 2.0, 1.0, 4.0), point(14.0, 4.0, 3.0, 9.0)]);
    near(back.deborah()[0].1, 2.0 * ln2 / 4.0, 1e-14);
    // A point without what it takes gives no rate.
    let gap = record(vec![point(0.0, 2.0, 1.0, 1.0), bath(1.0, 1.0)]);
    assert_eq!(gap.deborah(), []);
    assert_eq!(gap.thermodynamic_speed(), []);
}

/// Steps of 0.3 in ln T with errors of 0.1 are no real change one by one (5·0.14 = 0.7), yet
/// ups and downs of 1.5 are, and each is counted from its extreme.
#[test]
fn real_turns_are_read_from_their_extremes() {
    let along = |folds: &[i32]| {
        let points = folds.iter().zip(0..).map(|(&fold, time)| {
            let t = (0.3 * f64::from(fold)).exp();
            CoolingPoint::new(f64::from(time), estimate(t, 0.1 * t, 1.0)).heat_capacity(exact(1.0))
        });
        let length = record(points.collect()).thermodynamic_length();
        length.ready().unwrap().value
    };
    near(along(&[0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0]), 3.0, 1e-13);
    near(
        along(&[0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5]),
        4.5,
        1e-13,
    );
    near(along(&[5, 4, 3, 2, 1, 0, 1, 2, 3, 4]), 2.7, 1e-13);
    // A dip of two steps is jitter.
    near(along(&[0, 1, 2, 3, 4, 2, 4, 5]), 1.5, 1e-13);
}

#[test]
fn fictive_temperatures_carry_the_error_of_the_energy() {
    let with = |curve: &CaloricCurve, u: Estimate| {
        record(vec![bath(0.0, 1.0).energy(u)]).fictive_temperatures(curve)[0]
    };
    let line = CaloricCurve::linear(1.0, 0.5).unwrap();
    assert_eq!(
        with(&line, estimate(3.0, 0.25, 7.0)),
        Some(estimate(4.0, 0.5, 7.0))
    );
    // Upwards along the flatter line: ½ over a slope of ½.
    let bent = CaloricCurve::table(&[(1.0, 1.0), (3.0, 5.0), (5.0, 6.0)]).unwrap();
    assert_eq!(
        with(&bent, estimate(5.0, 0.5, 2.0)),
        Some(estimate(3.0, 1.0, 2.0))
    );
    // Upwards off the curve: downwards along a slope of ½.
    assert_eq!(
        with(&bent, estimate(6.0, 0.5, 2.0)),
        Some(estimate(5.0, 1.0, 2.0))
    );
    assert_eq!(with(&bent, exact(6.5)), None);
}

#[test]
fn tool_follows_at_once_or_not_at_all_or_by_an_exponential() {
    let run = |time: f64, taus: [f64; 2]| {
        let found = record(vec![
            bath(0.0, 4.0).relaxation_time(exact(taus[0])),
            bath(time, 2.0).relaxation_time(exact(taus[1])),
        ]);
        let found = found.tool_temperatures();
        let found = found.ready().unwrap();
        assert_eq!((found.len(), found[0]), (2, 4.0));
        found[1]
    };
    // τ = √(½·2): the lag of a steady ramp of −2/1000 a step.
    near(run(1000.0, [0.5, 2.0]), 2.002, 1e-15);
    assert_eq!(run(10.0, [0.0, 0.0]), 2.0);
    // Over 1e-11 relaxation times a mean pull of 3 − 4.
    let still = run(10.0, [1e12, 1e12]);
    assert!((still - (4.0 - 1e-11)).abs() < 2e-15, "{still}");
    // One relaxation time: 2 + 2 + (4 − 4)/e − 2/e, from the solution of the linear ramp.
    near(run(3.0, [3.0, 3.0]), 4.0 - 2.0 / 1f64.exp(), 1e-14);
}

/// C ln(T_b/T_a) less ΔU times the mean of 1/T, and what each energy moved by its error adds.
#[test]
fn entropy_is_produced_by_energies_above_the_bath() {
    let curve = CaloricCurve::linear(1.0, 0.5).unwrap();
    let point = |time, t, u, error| bath(time, t).energy(estimate(u, error, 1.0));
    let found = record(vec![
        point(0.0, 4.0, 3.0, 0.5),
        point(1.0, 2.0, 2.5, 0.0),
        point(2.0, 1.0, 2.0, 0.0),
    ]);
    let sigma = |first: f64| {
        0.5 * (2.0 / (2.0 * (first - 1.0))).ln()
            - ((2.5 - first) * 0.5 * (0.25 + 0.5) + (2.0 - 2.5) * 0.5 * (0.5 + 1.0))
    };
    let produced = found.entropy_production(&curve);
    let produced = produced.ready().unwrap();
    near(produced.value, sigma(3.0), 1e-14);
    near(produced.std_error, (sigma(3.5) - sigma(3.0)).abs(), 1e-13);
    // One point is none yet, and at the ground the temperature is not above zero.
    assert_eq!(
        record(vec![point(0.0, 1.0, 2.0, 0.0)]).entropy_production(&curve),
        Reading::Pending { seen: 1, needed: 2 }
    );
    let ground = record(vec![point(0.0, 1.0, 2.0, 0.0), point(1.0, 0.5, 1.0, 0.0)]);
    assert!(matches!(
        ground.entropy_production(&curve),
        Reading::Undefined(Reason::Meaningless(_))
    ));
    let unknown = record(vec![point(0.0, 1.0, 2.0, 0.0), bath(1.0, 0.5)]);
    assert!(matches!(
        unknown.entropy_production(&curve),
        Reading::Undefined(Reason::Missing(_))
    ));
}

/// With U = T_f the lags are U/T − 1: 0.1, 0.7, 0.5.
#[test]
fn a_run_is_assessed_by_its_lags() {
    let curve = CaloricCurve::linear(0.0, 1.0).unwrap();
    let run = |last: CoolingPoint| {
        let found = record(vec![
            bath(0.0, 4.0).energy(exact(4.4)),
            bath(1.0, 3.0).energy(exact(5.1)),
            last,
        ]);
        let found = found.assess(Some(&curve));
        found.ready().unwrap().clone()
    };
    let lagging =
        run(CoolingPoint::new(2.0, estimate(2.0, 0.2, 9.0)).energy(estimate(3.0, 0.3, 7.0)));
    assert_eq!(lagging.regime, Regime::Lagging);
    near(lagging.largest_lag, 0.7, 1e-14);
    near(lagging.final_lag.value, 0.5, 1e-14);
    near(lagging.final_lag.std_error, 0.15_f64.hypot(0.15), 1e-14);
    assert_eq!(lagging.final_lag.n_eff, 7.0);
    assert_eq!(lagging.freeze_out, None);
    // Twice the temperature of the bath is not more than twice.
    let twice = run(bath(2.0, 2.0).energy(exact(4.0)));
    assert_eq!(
        (twice.regime, twice.final_lag.value),
        (Regime::Lagging, 1.0)
    );
    let frozen = run(bath(2.0, 2.0).energy(exact(4.0 + 1e-12)));
    assert_eq!(frozen.regime, Regime::FrozenOut);
    assert!(frozen.freeze_out.is_some());
}

#[test]
fn freezing_is_where_the_bath_had_the_last_fictive_temperature() {
    let curve = CaloricCurve::linear(0.0, 1.0).unwrap();
    let run = |end: f64, taus: bool, baths: &[(f64, f64)]| {
        let points = baths
            .iter()
            .zip([3.0, 5.0, 9.0, 2.0])
            .map(|(&(time, t), tau)| {
                let point = bath(time, t).energy(exact(end));
                if taus {
                    point.relaxation_time(exact(tau))
                } else {
                    point
                }
            });
        let found = record(points.collect()).assess(Some(&curve));
        found.ready().unwrap().freeze_out.unwrap()
    };
    let cooling = [(0.0, 8.0), (10.0, 4.0), (30.0, 2.0), (50.0, 1.0)];
    let freeze = run(3.0, true, &cooling);
    let share = (4f64 / 3.0).ln() / 2f64.ln();
    assert_eq!(freeze.temperature.value, 3.0);
    near(freeze.time, 10.0 + 20.0 * share, 1e-13);
    near(
        freeze.deborah.unwrap(),
        (5.0 + 4.0 * share) * 2f64.ln() / 20.0,
        1e-13,
    );
    assert_eq!(run(3.0, false, &cooling).deborah, None);
    // A bath that was always colder: before the record.
    let before = run(3.0, true, &[(5.0, 1.0), (6.0, 0.5)]);
    assert_eq!((before.time, before.deborah), (5.0, None));
}

#[test]
fn variables_end_where_they_are_said_to() {
    let check = |point: CoolingPoint| CoolingRecord::new(vec![point]);
    for t in [1e-70, 1e70] {
        check(bath(1e70, t)).unwrap();
    }
    for t in [9e-71, 1.1e70, 0.0, -1.0] {
        assert_eq!(refused(check(bath(0.0, t))), ("temperature", t));
    }
    check(bath(-1e70, 1.0)).unwrap();
    for time in [-1.1e70, 1.1e70] {
        assert_eq!(refused(check(bath(time, 1.0))), ("time", time));
    }
    for u in [-1e70, 1e70] {
        check(bath(0.0, 1.0).energy(exact(u))).unwrap();
        let beyond = check(bath(0.0, 1.0).energy(exact(1.1 * u)));
        assert_eq!(refused(beyond), ("energy", 1.1 * u));
    }
    for size in [0.0, 1e70] {
        check(bath(0.0, 1.0).heat_capacity(exact(size))).unwrap();
        check(bath(0.0, 1.0).relaxation_time(exact(size))).unwrap();
        check(bath(0.0, 1.0).energy(estimate(0.0, size, 1.0))).unwrap();
    }
    for size in [-1e-300, 1.1e70] {
        let found = check(bath(0.0, 1.0).heat_capacity(exact(size)));
        assert_eq!(refused(found), ("heat capacity", size));
        let found = check(bath(0.0, 1.0).relaxation_time(exact(size)));
        assert_eq!(refused(found), ("relaxation time", size));
        let found = check(bath(0.0, 1.0).energy(estimate(0.0, size, 1.0)));
        assert_eq!(refused(found), ("standard error", size));
    }
    let counted = |n| check(bath(0.0, 1.0).energy(estimate(0.0, 0.0, n)));
    counted(0.0).unwrap();
    counted(f64::INFINITY).unwrap();
    assert_eq!(refused(counted(-1.0)).1, -1.0);
    let unknown = check(bath(0.0, 1.0).energy(estimate(0.0, f64::INFINITY, 1.0)));
    assert!(matches!(unknown, Err(Error::NonFinite { index: 0, .. })));
}

#[test]
fn fluctuations_take_256_losses_of_at_most_1e140() {
    let series = |n: u32, size: f64| -> Vec<f64> {
        (0..n)
            .map(|t| if t % 2 == 0 { size } else { -size })
            .collect()
    };
    let ask = |n, size| {
        let losses = series(n, size);
        energy_fluctuations(&losses, &losses, 1.0)
    };
    assert_eq!(
        ask(255, 1.0).unwrap(),
        Reading::Pending {
            seen: 255,
            needed: 256
        }
    );
    // Alternation forgets at once: C = Var/T², τ at its least.
    let found = ask(256, 1.0).unwrap();
    let found = found.ready().unwrap();
    near(found.heat_capacity.value, 1.0, 1e-14);
    near(found.relaxation_time.value, 0.5, 1e-14);
    assert!(ask(256, 1e140).is_ok());
    let beyond = ask(256, 2e140);
    assert!(matches!(
        beyond,
        Err(Error::Overflow { largest, .. }) if largest == 2e140
    ));
    let losses = series(256, 1.0);
    for temperature in [1e-70, 1e70] {
        assert!(energy_fluctuations(&losses, &losses, temperature).is_ok());
    }
    for temperature in [9e-71, 1.1e70] {
        let found = energy_fluctuations(&losses, &losses, temperature);
        assert_eq!(refused(found), ("temperature", temperature));
    }
}
