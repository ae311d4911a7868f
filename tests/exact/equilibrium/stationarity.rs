//! Values by hand, closed forms and boundaries: stationarity.

use super::{
    batches, inefficiency, line, mean, memory, near, noise, normal_cdf, normal_quantile, refused,
    student, variance,
};
use thermograd::equilibrium::{
    Drift, TestConfig, TestResult, drift, geweke, kendall_tau, kpss, kpss_statistic, rhat,
    rhat_bulk, rhat_folded, rhat_split, trend,
};
use thermograd::{Error, Reading, Reason};

fn told(inefficiency: f64) -> TestConfig {
    let mut config = TestConfig::default();
    config.inefficiency = Some(inefficiency);
    config
}

fn drifting(x: &[f64], config: &TestConfig) -> Drift {
    *drift(x, config).unwrap().ready().unwrap()
}

fn result(found: Result<Reading<TestResult>, Error>) -> TestResult {
    *found.unwrap().ready().unwrap()
}

#[test]
fn a_series_is_cut_into_batches_by_its_inefficiency() {
    let x = noise(800, 1);
    let dof = |n: usize, config: &TestConfig| drifting(&x[..n], config).degrees_of_freedom;
    // Batches of 10 g steps, 20 at most, less two.
    assert_eq!(dof(800, &told(1.0)), 18.0);
    assert_eq!(dof(130, &told(1.0)), 11.0);
    assert_eq!(dof(130, &told(2.0)), 4.0);
    let mut config = told(1.0);
    config.most_batches = 5;
    assert_eq!(dof(130, &config), 3.0);
    let mut config = told(1.0);
    config.batch_length = 12.5;
    assert_eq!(dof(50, &config), 2.0);
    assert_eq!(drifting(&x[..130], &told(2.0)).rate.n_eff, 65.0);
    // The least inefficiency counts where it is larger.
    let mut config = told(1.5);
    config.least_inefficiency = 2.0;
    let found = drifting(&x[..130], &config);
    assert_eq!((found.degrees_of_freedom, found.rate.n_eff), (4.0, 65.0));
}

#[test]
fn too_short_a_series_is_told_how_long_it_must_be() {
    let x = noise(800, 1);
    let wait = |n: usize, config: &TestConfig| match drift(&x[..n], config).unwrap() {
        Reading::Pending { seen, needed } => (seen, needed),
        other => panic!("{other:?}"),
    };
    assert_eq!(wait(19, &told(1.0)), (19, 20));
    assert_eq!(wait(20, &told(1.0)), (20, 50));
    assert_eq!(wait(49, &told(1.0)), (49, 50));
    assert_eq!(wait(20, &told(2.5)), (20, 125));
    assert_eq!(wait(21, &told(2.51)), (21, 126));
    let mut config = told(1.0);
    // Four batches of twenty.
    config.batch_length = 20.0;
    assert_eq!(wait(79, &config), (79, 80));
    config.batch_length = 1.0;
    config.least_n_eff = 10.0;
    assert_eq!(wait(19, &config), (19, 20));
    assert_eq!(drifting(&x[..20], &config).degrees_of_freedom, 18.0);
}

/// g of the residuals of a line comes out low by 6 g/N; the effective number is of g itself.
#[test]
fn an_unknown_inefficiency_is_that_of_the_residuals_of_a_line() {
    let n = 1000;
    let x: Vec<f64> = memory(n, 0.5, 3)
        .iter()
        .zip(0..)
        .map(|(x, t)| x + 0.002 * f64::from(t))
        .collect();
    let (_, left) = line(&x);
    let g = inefficiency(&left);
    let corrected = g * (1.0 + 6.0 * g / 1000.0);
    let mut config = TestConfig::default();
    config.most_batches = 1000;
    let found = drifting(&x, &config);
    near(found.rate.n_eff, 1000.0 / g, 1e-10);
    let cut = (100.0 / corrected).floor();
    assert_eq!(found.degrees_of_freedom, cut - 2.0);
    // KPSS takes 6 (g − 1) lags, and refers its z of Geweke to N_eff/3 degrees of freedom.
    let lags = (6.0 * (corrected - 1.0)).round();
    let tested = result(kpss(&x, &config));
    let plain = kpss_statistic(&x, super::whole(lags)).unwrap();
    assert_eq!(Reading::Ready(tested.statistic), plain);
    near(tested.n_eff, 1000.0 / g, 1e-10);
    let tested = result(geweke(&x, &config));
    let scale = (variance(&left) * corrected * (1.0 / 100.0 + 1.0 / 500.0)).sqrt();
    let z = (mean(&x[..100]) - mean(&x[500..])) / scale;
    near(tested.statistic, z, 1e-9);
    near(tested.p_value, student(z, 1000.0 / g / 3.0), 1e-8);
    near(tested.n_eff, 1000.0 / g, 1e-10);
    near(2.0 * normal_cdf(-tested.sigmas()), tested.p_value, 1e-10);
}

/// Least squares over 13 batch means of 10, the first 7 of 137 steps left out.
#[test]
fn a_drift_is_the_slope_of_batch_means() {
    for sign in [1.0, -1.0] {
        let x: Vec<f64> = noise(137, 2)
            .iter()
            .zip(0..)
            .map(|(x, t)| 5.0 + sign * (x + 0.01 * f64::from(t)))
            .collect();
        let found = drifting(&x, &told(1.0));
        let means = batches(&x, 13);
        let (slope, left) = line(&means);
        let squares: f64 = left.iter().map(|r| r * r).sum();
        // Σ(j − j̄)² = b(b² − 1)/12.
        let error = (squares / (11.0 * 182.0)).sqrt();
        near(found.rate.value, slope / 10.0, 1e-12);
        near(found.rate.std_error, error / 10.0, 1e-12);
        near(found.t, slope / error, 1e-10);
        near(found.p_value, student(slope / error, 11.0), 1e-9);
        let (_, left) = line(&x);
        near(
            found.relative_change,
            13.0 * slope / variance(&left).sqrt(),
            1e-10,
        );
        assert_eq!(found.sigmas().signum(), sign);
        near(
            2.0 * normal_cdf(-found.sigmas().abs()),
            found.p_value,
            1e-10,
        );
    }
}

#[test]
fn geweke_takes_the_first_tenth_and_the_last_half() {
    let x: Vec<f64> = noise(97, 5).iter().map(|x| 3.0 * x - 1.0).collect();
    let (_, left) = line(&x);
    let z = |g: f64| {
        // 9 and 49 of 97.
        let scale = (variance(&left) * g * (1.0 / 9.0 + 1.0 / 49.0)).sqrt();
        (mean(&x[..9]) - mean(&x[48..])) / scale
    };
    let tested = result(geweke(&x, &told(1.5)));
    near(tested.statistic, z(1.5), 1e-11);
    near(tested.p_value, student(z(1.5), 97.0 / 1.5 / 3.0), 1e-9);
    near(tested.n_eff, 97.0 / 1.5, 1e-12);
    // A least inefficiency above 1 is a floor.
    for (least, g) in [(1.8, 1.8), (1.2, 1.5)] {
        let mut config = told(1.5);
        config.least_inefficiency = least;
        near(result(geweke(&x, &config)).statistic, z(g), 1e-11);
    }
    assert!(matches!(
        geweke(&[1.0; 100], &told(1.0)).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
}

/// Σ S²/(N² σ²) with every partial sum and lagged product formed anew.
#[test]
fn kpss_cumulates_deviations_over_a_windowed_variance() {
    let x: Vec<f64> = memory(60, 0.4, 6).iter().map(|x| 1e3 + x).collect();
    let d: Vec<f64> = x.iter().map(|v| v - mean(&x)).collect();
    let gamma = |k: usize| -> f64 { d.iter().zip(&d[k..]).map(|(a, b)| a * b).sum::<f64>() / 60.0 };
    let level = |t: usize| -> f64 { d[..=t].iter().sum() };
    let squares: f64 = (0..60).map(|t| level(t).powi(2)).sum();
    for lags in [0, 1, 5] {
        let weight = |k: usize| 1.0 - k as f64 / (lags as f64 + 1.0);
        let long: f64 = (1..=lags).map(|k| 2.0 * weight(k) * gamma(k)).sum();
        let found = kpss_statistic(&x, lags).unwrap();
        near(
            *found.ready().unwrap(),
            squares / (3600.0 * (gamma(0) + long)),
            1e-9,
        );
    }
    let tested = result(kpss(&x, &told(1.0)));
    assert_eq!(
        Reading::Ready(tested.statistic),
        kpss_statistic(&x, 0).unwrap()
    );
    assert_eq!(
        Reading::Ready(result(kpss(&x, &told(1.1))).statistic),
        kpss_statistic(&x, 1).unwrap()
    );
    // Fewer lags than values, and two values.
    assert!(kpss_statistic(&[1.0, 2.0], 1).is_ok());
    assert_eq!(refused(kpss_statistic(&[1.0, 2.0], 2)), ("lags", 2.0));
    for n in [0, 1] {
        assert_eq!(
            kpss_statistic(&x[..n], 0).unwrap(),
            Reading::Pending {
                seen: n as u64,
                needed: 2
            }
        );
    }
}

/// C − D over √((n₀ − n₁)(n₀ − n₂)), pair by pair.
#[test]
fn tau_counts_pairs_and_leaves_ties_out() {
    for x in [
        vec![1.0, 3.0, 2.0, 2.0, 5.0, 1.0, 4.0, 4.0, 4.0],
        vec![2.0, 1.0],
        vec![5.0, 4.0, 3.0, 3.0],
        memory(40, 0.9, 7),
    ] {
        let (mut score, mut untied, mut all) = (0.0, 0.0, 0.0);
        for (i, a) in x.iter().enumerate() {
            for b in &x[i + 1..] {
                all += 1.0;
                if a != b {
                    untied += 1.0;
                    score += (b - a).signum();
                }
            }
        }
        let found = kendall_tau(&x).unwrap();
        let root: f64 = all * untied;
        near(*found.ready().unwrap(), score / root.sqrt(), 1e-14);
    }
    assert_eq!(
        kendall_tau(&[1.0]).unwrap(),
        Reading::Pending { seen: 1, needed: 2 }
    );
}

#[test]
fn a_trend_is_ranked_among_shuffled_blocks() {
    let square = |n: u32| -> Vec<f64> { (0..n).map(|t| f64::from(t * t)).collect() };
    // None of 399 orders of 32 blocks is as ordered as the true one.
    let found = result(trend(&square(1000), &told(1.0)));
    assert_eq!((found.statistic, found.p_value), (1.0, 1.0 / 400.0));
    assert_eq!(found.n_eff, 1000.0);
    let falling: Vec<f64> = square(1000).iter().map(|x| -x).collect();
    let found = result(trend(&falling, &told(1.0)));
    assert_eq!((found.statistic, found.p_value), (-1.0, 1.0 / 400.0));
    // Four blocks have 24 orders, one of them the true one: 1 + 399/24 of 400, give or take
    // five times √(399/24).
    let mut config = told(1.0);
    config.batch_length = 12.5;
    let found = result(trend(&square(50), &config));
    assert_eq!(found.statistic, 1.0);
    let beyond = 400.0 * found.p_value - 1.0;
    assert!(
        (beyond - 399.0 / 24.0).abs() < 20.0 && beyond > 0.5,
        "{beyond}"
    );
    // Another seed draws other orders.
    let p = |seed| {
        let mut config = config;
        config.seed = seed;
        result(trend(&square(50), &config)).p_value
    };
    assert_eq!(p(3), p(3));
    assert!((1..10).any(|seed| p(seed) != p(0)));
    // τ is over 32 blocks of 8 cells of 3 steps, the last 768 of 1000.
    let x = memory(1000, 0.3, 8);
    let found = result(trend(&x, &told(1.0)));
    let cells = kendall_tau(&batches(&x, 256)).unwrap();
    assert_eq!(Reading::Ready(found.statistic), cells);
    // Five blocks of 51 cells: 255 cells of one step.
    let mut config = told(1.0);
    config.batch_length = 52.0;
    let found = result(trend(&x[..260], &config));
    let cells = kendall_tau(&batches(&x[..260], 255)).unwrap();
    assert_eq!(Reading::Ready(found.statistic), cells);
}

/// √((B/W + n − 1)/n) of the halves; the middle of an odd length belongs to none.
#[test]
fn rhat_compares_halves() {
    let naive = |halves: &[&[f64]]| {
        let n = halves[0].len() as f64;
        let means: Vec<f64> = halves.iter().map(|h| mean(h)).collect();
        let within = mean(&halves.iter().map(|h| variance(h)).collect::<Vec<_>>());
        ((n * variance(&means) / within + n - 1.0) / n).sqrt()
    };
    let (a, b) = (noise(9, 1), memory(9, 0.8, 2));
    let found = rhat_split(&[&a, &b]).unwrap();
    near(
        *found.ready().unwrap(),
        naive(&[&a[..4], &a[5..], &b[..4], &b[5..]]),
        1e-13,
    );
    let found = rhat_split(&[&b[..8]]).unwrap();
    near(*found.ready().unwrap(), naive(&[&b[..4], &b[4..8]]), 1e-13);
    // Normal scores Φ⁻¹((r − 3/8)/(S + 1/4)) of ranks, ties sharing theirs.
    let x = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
    let ranks = [4.0, 1.5, 5.0, 1.5, 6.0, 8.0, 3.0, 7.0];
    let scores = ranks.map(|r| normal_quantile((r - 0.375) / 8.25));
    let found = rhat_bulk(&[&x]).unwrap();
    near(
        *found.ready().unwrap(),
        naive(&[&scores[..4], &scores[4..]]),
        1e-10,
    );
    // Folded about the median 3.5.
    let folded = x.map(|x: f64| (x - 3.5).abs());
    let found = rhat_folded(&[&x]).unwrap();
    assert_eq!(found, rhat_bulk(&[&folded]).unwrap());
    let both = [rhat_bulk(&[&x]).unwrap(), found];
    let largest = both.iter().map(|r| *r.ready().unwrap());
    assert_eq!(
        rhat(&[&x]).unwrap(),
        Reading::Ready(largest.fold(0.0, f64::max))
    );
}

#[test]
fn rhat_takes_four_values_that_vary_within_a_half() {
    for of in [rhat_split, rhat_bulk, rhat_folded, rhat] {
        assert_eq!(
            of(&[&[1.0, 2.0, 3.0]]).unwrap(),
            Reading::Pending { seen: 3, needed: 4 }
        );
        assert!(of(&[&[1.0, 2.5, 3.0, 5.0]]).unwrap().ready().is_some());
        assert!(matches!(
            of(&[&[2.0; 8]]).unwrap(),
            Reading::Undefined(Reason::Degenerate(_))
        ));
    }
    let steps = [1.0, 1.0, 2.0, 2.0];
    assert!(matches!(
        rhat_split(&[&steps]).unwrap(),
        Reading::Undefined(Reason::DividesByZero(_))
    ));
    // Two values are as far from their median: the bulk alone.
    let two = [0.0, 1.0, 0.0, 1.0];
    assert!(matches!(
        rhat_folded(&[&two]).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert_eq!(rhat(&[&two]).unwrap(), rhat_bulk(&[&two]).unwrap());
}

#[test]
fn configurations_end_where_they_are_said_to() {
    let x = noise(60, 1);
    let ask = |change: fn(&mut TestConfig, f64), value: f64| {
        let mut config = told(1.0);
        change(&mut config, value);
        drift(&x, &config)
    };
    let given: fn(&mut TestConfig, f64) = |c, v| c.inefficiency = Some(v);
    let least: fn(&mut TestConfig, f64) = |c, v| c.least_inefficiency = v;
    let n_eff: fn(&mut TestConfig, f64) = |c, v| c.least_n_eff = v;
    let length: fn(&mut TestConfig, f64) = |c, v| c.batch_length = v;
    for (change, good, bad, what) in [
        (given, 1.0, 0.99, "inefficiency"),
        (least, 1.0, 0.99, "least_inefficiency"),
        (n_eff, 10.0, 9.99, "least_n_eff"),
        (length, 1.0, 0.99, "batch_length"),
        (length, 1e6, 1.1e6, "batch_length"),
    ] {
        assert!(ask(change, good).is_ok(), "{what}");
        assert_eq!(refused(ask(change, bad)), (what, bad));
    }
    for (batches, good) in [(4, true), (3, false)] {
        let mut config = told(1.0);
        config.most_batches = batches;
        assert_eq!(drift(&x, &config).is_ok(), good);
        if !good {
            assert_eq!(refused(drift(&x, &config)), ("most_batches", 3.0));
        }
    }
}
