//! Values by hand, closed forms and boundaries: thermal.

use super::{
    batches, estimate, inefficiency, mean, memory, near, noise, normal_cdf, refused, student,
    variance,
};
use std::f64::consts::PI;
use thermograd::equilibrium::{
    EnsembleRun, Heterogeneity, TestConfig, Width, area_rates, ensemble_test, equipartition,
    estimate_heterogeneity, kinetic_virial_balance, maxwell_boltzmann, thermometer_agreement,
};
use thermograd::{Error, Estimate, Reading, Reason};

fn told(inefficiency: f64) -> TestConfig {
    let mut config = TestConfig::default();
    config.inefficiency = Some(inefficiency);
    config
}

/// The upper tail of F with two degrees of freedom above: (1 + 2f/ν)^(−ν/2).
fn fisher_two(f: f64, below: f64) -> f64 {
    (1.0 + 2.0 * f / below).powf(-0.5 * below)
}

fn sd(x: &[f64]) -> f64 {
    variance(x).sqrt()
}

#[test]
fn a_balance_is_relative_to_the_kinetic_mean() {
    let found = kinetic_virial_balance(&[2.0, 6.0], &[1.0, 2.0]).unwrap();
    let found = found.ready().unwrap();
    assert_eq!((found.kinetic, found.virial), (4.0, 1.5));
    assert_eq!(found.residual, -0.625);
    assert_eq!(
        kinetic_virial_balance(&[], &[]).unwrap(),
        Reading::Pending { seen: 0, needed: 1 }
    );
    assert!(matches!(
        kinetic_virial_balance(&[1.0, -1.0], &[1.0, 2.0]).unwrap(),
        Reading::Undefined(Reason::DividesByZero(_))
    ));
}

/// Welch's formula with every square written out.
fn welch(all: &[Estimate]) -> (f64, f64) {
    let k = all.len() as f64;
    let w: Vec<f64> = all.iter().map(|e| e.std_error.powi(-2)).collect();
    let total: f64 = w.iter().sum();
    let centre = w.iter().zip(all).map(|(w, e)| w * e.value).sum::<f64>() / total;
    let between = w
        .iter()
        .zip(all)
        .map(|(w, e)| w * (e.value - centre).powi(2));
    let between = between.sum::<f64>() / (k - 1.0);
    let lambda = w.iter().zip(all);
    let lambda = lambda.map(|(w, e)| (1.0 - w / total).powi(2) / (e.n_eff - 1.0));
    let lambda: f64 = lambda.sum();
    let f = between / (1.0 + 2.0 * (k - 2.0) * lambda / (k * k - 1.0));
    (f, (k * k - 1.0) / (3.0 * lambda))
}

#[test]
fn heterogeneity_is_welchs_with_unequal_errors_and_sizes() {
    let all = [
        estimate(1.0, 0.2, 12.0),
        estimate(1.5, 0.1, 30.0),
        estimate(1.9, 0.4, 7.0),
    ];
    let (f, below) = welch(&all);
    let found = estimate_heterogeneity(&all).unwrap();
    let found = found.ready().unwrap();
    near(found.statistic, f, 1e-13);
    assert_eq!(found.degrees_of_freedom.0, 2.0);
    near(found.degrees_of_freedom.1, below, 1e-13);
    near(found.p_value, fisher_two(f, below), 1e-10);
    let values = [1.0, 1.5, 1.9];
    let centre = mean(&values);
    near(found.mean, centre, 1e-14);
    near(found.spread, sd(&values) / centre, 1e-13);
    let noise = (0.04 + 0.01 + 0.16) / 3.0;
    near(
        found.excess_spread,
        (variance(&values) - noise).sqrt() / centre,
        1e-13,
    );
    near(2.0 * normal_cdf(-found.sigmas()), found.p_value, 1e-12);
    // Two: Welch's t test; four: the statistic alone.
    let found = estimate_heterogeneity(&all[..2]).unwrap();
    let found = found.ready().unwrap();
    let (f, below) = welch(&all[..2]);
    near(f, 0.25 / 0.05, 1e-12);
    near(found.statistic, f, 1e-12);
    near(found.p_value, student(f.sqrt(), below), 1e-9);
    let four = [all[0], all[1], all[2], estimate(-1.0, 0.3, 9.0)];
    let found = estimate_heterogeneity(&four).unwrap();
    let (f, below) = welch(&four);
    near(found.ready().unwrap().statistic, f, 1e-12);
    assert_eq!(found.ready().unwrap().degrees_of_freedom.0, 3.0);
    near(found.ready().unwrap().degrees_of_freedom.1, below, 1e-12);
}

#[test]
fn spreads_of_equal_values_are_none_and_about_zero_without_scale() {
    let of = |values: [f64; 2], error: f64| -> Heterogeneity {
        let all = values.map(|value| estimate(value, error, 9.0));
        *estimate_heterogeneity(&all).unwrap().ready().unwrap()
    };
    let same = of([2.0, 2.0], 0.1);
    assert_eq!((same.statistic, same.p_value), (0.0, 1.0));
    assert_eq!(
        (same.mean, same.spread, same.excess_spread),
        (2.0, 0.0, 0.0)
    );
    // A variance of 0.02 is within the noise of 0.04.
    let within = of([-0.9, -1.1], 0.2);
    near(within.mean, -1.0, 1e-15);
    near(within.spread, 0.02_f64.sqrt(), 1e-13);
    assert_eq!(within.excess_spread, 0.0);
    let about = of([1.0, -1.0], 0.1);
    assert_eq!((about.spread, about.excess_spread), (f64::MAX, f64::MAX));
}

#[test]
fn heterogeneity_takes_two_estimates_of_two_observations_with_errors() {
    let e = |error, n| estimate(1.0, error, n);
    let pending = |seen| Reading::Pending { seen, needed: 2 };
    assert_eq!(estimate_heterogeneity(&[]).unwrap(), pending(0));
    assert_eq!(estimate_heterogeneity(&[e(0.1, 9.0)]).unwrap(), pending(1));
    let few = estimate_heterogeneity(&[e(0.1, 1.99), e(0.1, 9.0)]).unwrap();
    assert_eq!(few, pending(1));
    let enough = estimate_heterogeneity(&[e(0.1, 2.0), e(0.1, 9.0)]).unwrap();
    assert!(enough.ready().is_some());
    let negative = estimate_heterogeneity(&[e(0.1, 9.0), e(-0.1, 9.0)]);
    assert_eq!(refused(negative), ("standard error", -0.1));
    for (small, known) in [(0.0, false), (1e-13, false), (1e-11, true)] {
        let found = estimate_heterogeneity(&[e(1.0, 9.0), e(small, 9.0)]).unwrap();
        assert_eq!(found.ready().is_some(), known, "{small}");
    }
}

/// At a known g of 1 a series of 800 is cut into 20 batches and one of 130 into 13, the fewest of all counts.
#[test]
fn equipartition_is_welchs_test_of_batch_means() {
    let long = noise(800, 1);
    let short: Vec<f64> = noise(130, 2).iter().map(|x| 1.2 * x + 0.5).collect();
    let of = |x: &[f64], b: usize| {
        let means = batches(x, b);
        estimate(mean(&means), (variance(&means) / b as f64).sqrt(), b as f64)
    };
    let same = |a: &[f64], b: &[f64], count| {
        let found = equipartition(&[a, b], &told(1.0)).unwrap();
        let found = *found.ready().unwrap();
        let expected = estimate_heterogeneity(&[of(a, count), of(b, count)]).unwrap();
        let expected = *expected.ready().unwrap();
        for (x, y) in [
            (found.statistic, expected.statistic),
            (found.p_value, expected.p_value),
            (found.spread, expected.spread),
            (found.excess_spread, expected.excess_spread),
            (found.degrees_of_freedom.1, expected.degrees_of_freedom.1),
        ] {
            near(x, y, 1e-10);
        }
    };
    same(&long, &short, 13);
    same(&short, &long, 13);
    same(&long, &noise(800, 3), 20);
    // The longest wait counts.
    let tiny = noise(30, 4);
    let wait = |layers: &[&[f64]], g| equipartition(layers, &told(g)).unwrap();
    assert_eq!(
        wait(&[&long, &tiny], 1.0),
        Reading::Pending {
            seen: 30,
            needed: 50
        }
    );
    assert_eq!(
        wait(&[&noise(15, 5), &tiny, &long], 2.0),
        Reading::Pending {
            seen: 30,
            needed: 100
        }
    );
    assert_eq!(wait(&[&long], 1.0), Reading::Pending { seen: 1, needed: 2 });
    assert!(matches!(
        wait(&[&long, &[1.0; 100]], 1.0),
        Reading::Undefined(_)
    ));
}

/// Two thermometers: the paired t test of batch means. Three: T² by the inverse of a 2 × 2
/// covariance, F with two degrees of freedom above.
#[test]
fn agreement_is_hotellings_test_of_differences() {
    let shared = noise(800, 11);
    let read = |seed, bias: f64, size: f64| -> Vec<f64> {
        let pairs = shared.iter().zip(noise(800, seed));
        pairs.map(|(x, e)| 1.0 + x + bias + size * e).collect()
    };
    let (a, b, c) = (read(12, 0.0, 0.1), read(13, 0.02, 0.2), read(14, 0.01, 0.3));
    let means = [&a, &b, &c].map(|x| batches(x, 20));
    let apart =
        |i: usize| -> Vec<f64> { means[i].iter().zip(&means[0]).map(|(x, y)| x - y).collect() };
    let (first, second) = (apart(1), apart(2));

    let found = thermometer_agreement(&[&a, &b], &told(1.0)).unwrap();
    let found = *found.ready().unwrap();
    let t = mean(&first) / (variance(&first) / 20.0).sqrt();
    near(found.statistic, t * t, 1e-10);
    assert_eq!(found.degrees_of_freedom, (1.0, 19.0));
    near(found.p_value, student(t, 19.0), 1e-9);
    let values = [mean(&means[0]), mean(&means[1])];
    near(found.mean, mean(&values), 1e-12);
    near(found.spread, sd(&values) / mean(&values), 1e-10);
    let noise = 0.5 * variance(&first) / 20.0;
    let excess = (variance(&values) - noise).max(0.0).sqrt();
    near(found.excess_spread, excess / mean(&values), 1e-10);

    let found = thermometer_agreement(&[&a, &b, &c], &told(1.0)).unwrap();
    let found = *found.ready().unwrap();
    let (m1, m2) = (mean(&first), mean(&second));
    let (s1, s2) = (variance(&first), variance(&second));
    let pairs = first.iter().zip(&second);
    let s12 = pairs.map(|(x, y)| (x - m1) * (y - m2)).sum::<f64>() / 19.0;
    let squared =
        20.0 * (m1 * m1 * s2 - 2.0 * m1 * m2 * s12 + m2 * m2 * s1) / (s1 * s2 - s12 * s12);
    let f = squared * 18.0 / (19.0 * 2.0);
    near(found.statistic, f, 1e-9);
    assert_eq!(found.degrees_of_freedom, (2.0, 18.0));
    near(found.p_value, fisher_two(f, 18.0), 1e-9);
    let values = [0, 1, 2].map(|i| mean(&means[i]));
    let noise = 0.5 * (s1 + s2) / 20.0 / 2.0;
    near(found.spread, sd(&values) / mean(&values), 1e-10);
    let excess = (variance(&values) - noise).max(0.0).sqrt();
    near(found.excess_spread, excess / mean(&values), 1e-9);
}

#[test]
fn agreement_takes_three_batches_more_than_thermometers() {
    let (a, b) = (noise(60, 1), noise(60, 2));
    let mut config = told(1.0);
    config.least_n_eff = 40.0;
    let ask = |n: usize| thermometer_agreement(&[&a[..n], &b[..n]], &config).unwrap();
    // Four batches of ten where five are needed; five of nine.
    assert_eq!(
        ask(44),
        Reading::Pending {
            seen: 44,
            needed: 55
        }
    );
    assert!(ask(50).ready().is_some());
    assert!(matches!(
        thermometer_agreement(&[&a, &a], &told(1.0)).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(matches!(
        thermometer_agreement(&[&a, &b[..50]], &told(1.0)),
        Err(Error::LengthMismatch { .. })
    ));
}

/// Kolmogorov's upper tail as an alternating sum.
fn kolmogorov(x: f64) -> f64 {
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
        sign * (-2.0 * (f64::from(k) * x).powi(2)).exp()
    };
    2.0 * (1..200).map(term).sum::<f64>()
}

/// Largest distance of the empirical distribution from the normal one.
fn distance(x: &[f64], centre: f64, width: f64) -> f64 {
    let share = |below: &dyn Fn(f64) -> bool| {
        x.iter().filter(|x| below(**x)).count() as f64 / x.len() as f64
    };
    x.iter()
        .map(|&at| {
            let f = normal_cdf((at - centre) / width);
            let (low, high) = (share(&|x| x < at), share(&|x| x <= at));
            (f - low).max(high - f)
        })
        .fold(0.0, f64::max)
}

#[test]
fn displacements_are_compared_with_a_normal_law_of_known_or_own_width() {
    // Turning back at each step: nothing is thinned out.
    let x: Vec<f64> = memory(60, -0.6, 3).iter().map(|x| x + 0.3).collect();
    assert!(inefficiency(&x) < 1.0);
    let known = maxwell_boltzmann(&x, Width::Known(1.1)).unwrap();
    let known = *known.ready().unwrap();
    assert_eq!(known.used, 60);
    let d = distance(&x, 0.0, 1.1);
    near(known.distance, d, 1e-12);
    let root = 60f64.sqrt();
    near(
        known.p_value,
        kolmogorov(d * (root + 0.12 + 0.11 / root)),
        1e-10,
    );
    let own = maxwell_boltzmann(&x, Width::Estimated).unwrap();
    let own = *own.ready().unwrap();
    near(own.distance, distance(&x, mean(&x), sd(&x)), 1e-12);
    for found in [known, own] {
        let m = mean(&x);
        let power = |k: i32| mean(&x.iter().map(|x| (x - m).powi(k)).collect::<Vec<_>>());
        let kurtosis = found.excess_kurtosis;
        near(kurtosis.value, power(4) / power(2).powi(2) - 3.0, 1e-12);
        near(kurtosis.std_error, (24.0 / 60.0_f64).sqrt(), 1e-15);
        assert_eq!(kurtosis.n_eff, 60.0);
    }
    // The same on the other side, and of the fewest that will do.
    let back: Vec<f64> = x.iter().map(|x| -x - 0.5).collect();
    for n in [20, 60] {
        let found = maxwell_boltzmann(&back[..n], Width::Known(1.1)).unwrap();
        let found = *found.ready().unwrap();
        assert_eq!(found.used, n);
        near(found.distance, distance(&back[..n], 0.0, 1.1), 1e-12);
    }
    // A narrow law is found out, and so is one of another place.
    let p = |x: &[f64], width| {
        let found = maxwell_boltzmann(x, Width::Known(width)).unwrap();
        found.ready().unwrap().p_value
    };
    assert!(p(&x, 0.1) < 1e-6 && p(&x, 100.0) < 1e-6);
}

/// Dallal and Wilkinson (1986) below 0.1, Stephens' (1974) modified statistic above it.
fn lilliefors(d: f64, n: f64) -> f64 {
    let modified = |n: f64| n.sqrt() - 0.01 + 0.85 / n.sqrt();
    let m = n.min(100.0);
    let e = d * modified(n) / modified(m);
    let small = -7.01256 * e.powi(2) * (m + 2.78019) + 2.99587 * e * (m + 2.78019).sqrt();
    let small = (small - 0.122_119 + 0.974_598 / m.sqrt() + 1.67997 / m).exp();
    let k = d * modified(n);
    let power = |c: [f64; 5]| c.iter().rev().fold(0.0, |sum, c| sum * k + c);
    if small <= 0.1 {
        small
    } else if k <= 0.302 {
        1.0
    } else if k <= 0.5 {
        power([2.76773, -19.828_315, 80.709_644, -138.551_52, 81.218_052])
    } else {
        power([-4.901_232, 40.662_806, -97.490_286, 94.029_866, -32.355_711])
    }
}

/// Quantiles of a normal law bent more and more, small beside large so that none is thinned out.
#[test]
fn the_law_of_an_estimated_width_is_that_of_lilliefors() {
    let mut seen = [0; 4];
    for n in [40_usize, 300] {
        for bend in 0..40 {
            let bend = 1.0 + 0.05 * f64::from(bend);
            let sorted: Vec<f64> = (0..n)
                .map(|i| super::normal_quantile((i as f64 + 0.5) / n as f64))
                .map(|z| z.signum() * z.abs().powf(bend))
                .collect();
            let x: Vec<f64> = (0..n / 2)
                .flat_map(|i| [sorted[i], sorted[n - 1 - i]])
                .collect();
            let found = maxwell_boltzmann(&x, Width::Estimated).unwrap();
            let found = found.ready().unwrap();
            assert_eq!(found.used, n);
            let p = lilliefors(found.distance, n as f64);
            near(found.p_value, p, 1e-12);
            let k = found.distance * (n as f64).sqrt();
            let range = match p {
                p if p <= 0.1 => 3,
                _ if k < 0.28 => 0,
                _ if k < 0.48 => 1,
                _ => 2,
            };
            seen[range] += 1;
        }
    }
    assert!(seen.iter().all(|&n| n > 1), "{seen:?}");
}

/// A small distance is no surprise: both series of the tail meet at 1.
#[test]
fn good_fits_have_large_p_values() {
    let sorted: Vec<f64> = (0..60)
        .map(|i| super::normal_quantile((f64::from(i) + 0.5) / 60.0))
        .collect();
    let x: Vec<f64> = (0..30).flat_map(|i| [sorted[i], sorted[59 - i]]).collect();
    let p = |width: f64| {
        let found = maxwell_boltzmann(&x, Width::Known(width)).unwrap();
        let found = *found.ready().unwrap();
        let root = 60f64.sqrt();
        (found.p_value, found.distance * (root + 0.12 + 0.11 / root))
    };
    for width in [1.2, 1.3, 1.4, 1.6, 2.0, 2.5] {
        let (p, x) = p(width);
        assert!((0.3..3.0).contains(&x));
        near(p, kolmogorov(x), 1e-10);
    }
    // Half a step from every quantile: D = 1/120, as good as the two Φ agree.
    let (p, x) = p(1.0);
    let d = x / (60f64.sqrt() + 0.12 + 0.11 / 60f64.sqrt());
    near(d, 1.0 / 120.0, 1e-10);
    assert_eq!(p, 1.0);
}

/// Thinned to every (2g − 1)-th step, rounded to even.
#[test]
fn displacements_with_memory_are_thinned() {
    let x = memory(600, 0.6, 4);
    let spacing = 2.0 * inefficiency(&x) - 1.0;
    assert!(spacing > 2.0);
    let kept: Vec<f64> = (0..600)
        .map(|k| super::whole((f64::from(k) * spacing).round_ties_even()))
        .take_while(|&i| i < 600)
        .map(|i| x[i])
        .collect();
    let found = maxwell_boltzmann(&x, Width::Estimated).unwrap();
    let found = *found.ready().unwrap();
    assert_eq!(found.used, kept.len());
    near(
        found.distance,
        distance(&kept, mean(&kept), sd(&kept)),
        1e-12,
    );
    // Few are left of a short series.
    let short = &x[..60];
    let spacing = 2.0 * inefficiency(short) - 1.0;
    assert_eq!(
        maxwell_boltzmann(short, Width::Estimated).unwrap(),
        Reading::Pending {
            seen: 60,
            needed: super::whole((20.0 * spacing).ceil()) as u64
        }
    );
    assert_eq!(
        maxwell_boltzmann(&x[..19], Width::Estimated).unwrap(),
        Reading::Pending {
            seen: 19,
            needed: 20
        }
    );
    for width in [0.0, -1.0] {
        let found = maxwell_boltzmann(&x, Width::Known(width));
        assert_eq!(refused(found), ("width", width));
    }
}

/// Two values alone: the slope is the logarithm of a ratio of odds, with Woolf's variance
/// Σ 1/n, and the overlap follows from the two odds.
#[test]
fn the_slope_of_a_two_level_system_is_a_ratio_of_odds() {
    // Repeated triples turn back so often that no step is thinned out.
    let cold = [2.0, 2.0, 5.0].repeat(20);
    let hot = [2.0, 5.0, 5.0].repeat(30);
    assert!(inefficiency(&cold) < 1.0 && inefficiency(&hot) < 1.0);
    let found = ensemble_test(
        &EnsembleRun::at_temperature(&cold, 1.0),
        &EnsembleRun::at_temperature(&hot, 2.0),
    );
    let found = found.unwrap();
    let found = found.ready().unwrap();
    let slope = 4f64.ln() / 3.0;
    let error = (1.0 / 40.0 + 1.0 / 20.0 + 1.0 / 30.0 + 1.0 / 60.0_f64).sqrt() / 3.0;
    near(found.energy.fitted.value, slope, 1e-9);
    near(found.energy.fitted.std_error, error, 1e-9);
    assert_eq!(found.energy.fitted.n_eff, 150.0);
    assert_eq!(found.energy.expected, 0.5);
    let sigmas = (slope - 0.5) / error;
    near(found.energy.sigmas, sigmas, 1e-8);
    near(found.p_value, 2.0 * normal_cdf(-sigmas.abs()), 1e-8);
    assert_eq!(found.volume, None);
    // At equal weights P(2|low) = 1/3: 4·⅓·⅔ at either level.
    near(found.overlap, 8.0 / 9.0, 1e-9);
}

/// Three places in the plane of E and V: two slopes, their covariance 1/n of the place between.
#[test]
fn two_slopes_of_three_places_are_ratios_of_odds() {
    let energies = [0.0, 1.0, 0.0];
    let volumes = [0.0, 0.0, 2.0];
    let run = |pattern: &[usize], times: usize| {
        let pick = |from: [f64; 3]| {
            let once: Vec<f64> = pattern.iter().map(|&i| from[i]).collect();
            once.repeat(times)
        };
        let run = (pick(energies), pick(volumes));
        assert!(inefficiency(&run.0) < 1.0 && inefficiency(&run.1) < 1.0);
        run
    };
    let (e1, v1) = run(&[0, 1, 2, 1], 20);
    let (e2, v2) = run(&[0, 2, 1, 2, 0, 2, 1], 12);
    let (n1, n2) = ([20.0, 40.0, 20.0], [24.0, 24.0, 36.0_f64]);
    let found = ensemble_test(
        &EnsembleRun::at_temperature(&e1, 1.0).at_pressure(&v1, 0.5),
        &EnsembleRun::at_temperature(&e2, 2.0).at_pressure(&v2, 0.25),
    );
    let found = found.unwrap();
    let found = found.ready().unwrap();
    let odds = |i: usize| (n2[i] / n1[i]).ln();
    let part = |i: usize| 1.0 / n1[i] + 1.0 / n2[i];
    let (a, b) = (odds(1) - odds(0), 0.5 * (odds(2) - odds(0)));
    let volume = found.volume.unwrap();
    near(found.energy.fitted.value, a, 1e-9);
    near(volume.fitted.value, b, 1e-9);
    // β₁ − β₂ and β₁p₁ − β₂p₂.
    assert_eq!((found.energy.expected, volume.expected), (0.5, 0.375));
    let (sa, sb) = (part(1) + part(0), 0.25 * (part(2) + part(0)));
    near(found.energy.fitted.std_error, sa.sqrt(), 1e-9);
    near(volume.fitted.std_error, sb.sqrt(), 1e-9);
    let (da, db, sab) = (a - 0.5, b - 0.375, 0.5 * part(0));
    near(found.energy.sigmas, da / sa.sqrt(), 1e-8);
    near(volume.sigmas, db / sb.sqrt(), 1e-8);
    let squared = (da * da * sb - 2.0 * da * db * sab + db * db * sa) / (sa * sb - sab * sab);
    near(found.p_value, (-0.5 * squared).exp(), 1e-8);
}

/// Both runs are thinned to every (2g − 1)-th step, by the slower of their two series.
#[test]
fn runs_with_memory_are_thinned_before_they_are_compared() {
    let (e1, e2) = (memory(400, 0.5, 1), memory(500, 0.4, 2));
    let (v1, v2) = (memory(400, 0.8, 3), memory(500, 0.1, 4));
    let kept = |n: usize, g: f64| {
        let spacing = 2.0 * g.max(1.0) - 1.0;
        (0..n)
            .take_while(|&k| (k as f64 * spacing).round_ties_even() < n as f64)
            .count() as f64
    };
    let n_eff = |a: EnsembleRun<'_>, b: EnsembleRun<'_>| {
        let found = ensemble_test(&a, &b).unwrap();
        found.ready().unwrap().energy.fitted.n_eff
    };
    let (first, second) = (
        EnsembleRun::at_temperature(&e1, 1.0),
        EnsembleRun::at_temperature(&e2, 1.0),
    );
    let (g1, g2) = (inefficiency(&e1), inefficiency(&e2));
    assert!(g1 > 2.0 && g2 > 1.5);
    assert_eq!(n_eff(first, second), kept(400, g1) + kept(500, g2));
    let (h1, h2) = (inefficiency(&v1), inefficiency(&v2));
    assert!(h1 > g1 && h2 < g2);
    assert_eq!(
        n_eff(first.at_pressure(&v1, 1.0), second.at_pressure(&v2, 1.0)),
        kept(400, h1) + kept(500, g2)
    );
}

#[test]
fn two_runs_take_twenty_values_each_and_one_kind_of_data() {
    let x = [2.0, 5.0, 5.0].repeat(10);
    let run = |n: usize| EnsembleRun::at_temperature(&x[..n], 1.0);
    let pending = |seen| Reading::Pending { seen, needed: 20 };
    let ask = |a: usize, b: usize| ensemble_test(&run(a), &run(b)).unwrap();
    assert_eq!(ask(19, 30), pending(19));
    assert_eq!(ask(30, 19), pending(19));
    assert!(ask(20, 21).ready().is_some());
    for t in [0.0, -1.0] {
        let bad = EnsembleRun::at_temperature(&x, t);
        assert_eq!(refused(ensemble_test(&run(30), &bad)), ("temperature", t));
    }
    let volumes = run(30).at_pressure(&x, 1.0);
    assert!(matches!(
        ensemble_test(&volumes, &run(30)),
        Err(Error::Conflict { .. })
    ));
    let short = run(30).at_pressure(&x[..29], 1.0);
    assert!(matches!(
        ensemble_test(&volumes, &short),
        Err(Error::LengthMismatch { .. })
    ));
    // Equal energy and volume are one variable.
    assert!(matches!(
        ensemble_test(&volumes, &volumes).unwrap(),
        Reading::Undefined(_)
    ));
    let above: Vec<f64> = x.iter().map(|x| x + 10.0).collect();
    let apart = EnsembleRun::at_temperature(&above, 1.0);
    assert!(matches!(
        ensemble_test(&run(30), &apart).unwrap(),
        Reading::Undefined(Reason::Meaningless(_))
    ));
}

/// Waves of unlike frequency over whole turns are uncorrelated: they are their own components,
/// with variances of half their squared size.
#[test]
fn area_is_swept_in_the_planes_of_the_components() {
    let n = 400;
    let wave = |size: f64, turns: i32, phase: f64| -> Vec<f64> {
        let angle = |t: i32| 2.0 * PI * f64::from(turns * t) / f64::from(n) + phase;
        (0..n).map(|t| 7.0 + size * angle(t).cos()).collect()
    };
    let (a, b, c) = (wave(3.0, 3, 0.1), wave(2.0, 8, 0.7), wave(1.0, 17, 0.4));
    let sorted = [(&a, 4.5), (&b, 2.0), (&c, 0.5)];
    // In another order than that of their variances.
    let found = area_rates(&[&b, &c, &a], 3, &told(1.0)).unwrap();
    let found = found.ready().unwrap();
    for (variance, (_, expected)) in found.variances.iter().zip(sorted) {
        near(*variance, expected, 1e-12);
    }
    let (mut least, mut largest) = (1.0_f64, 0.0_f64);
    let planes = [(0, 1), (0, 2), (1, 2)];
    assert_eq!(found.planes.len(), 3);
    for (plane, (i, j)) in found.planes.iter().zip(planes) {
        let ((x, vx), (y, vy)) = (sorted[i], sorted[j]);
        let swept: Vec<f64> = (0..x.len() - 1)
            .map(|t| {
                let (x0, y0) = (x[t] - 7.0, y[t] - 7.0);
                0.5 * (x0 * (y[t + 1] - 7.0) - y0 * (x[t + 1] - 7.0))
            })
            .collect();
        let means = batches(&swept, 20);
        let (rate, error) = (mean(&means), (variance(&means) / 20.0).sqrt());
        assert_eq!(plane.plane, (i, j));
        near(plane.rate.value.abs(), rate.abs(), 1e-11);
        near(plane.rate.std_error, error, 1e-11);
        assert_eq!(plane.rate.n_eff, 400.0);
        near(plane.angular.abs(), rate.abs() / (vx * vy).sqrt(), 1e-11);
        least = least.min(student(rate / error, 19.0));
        largest = largest.max(rate.abs() / (vx * vy).sqrt());
    }
    near(found.p_value, (3.0 * least).min(1.0), 1e-8);
    near(found.largest_angular, largest, 1e-11);
    // Two of three: the plane of the two largest.
    let two = area_rates(&[&c, &b, &a], 2, &told(1.0)).unwrap();
    let two = two.ready().unwrap();
    assert_eq!((two.planes.len(), two.variances.len()), (1, 2));
    near(
        two.planes[0].angular.abs(),
        found.planes[0].angular.abs(),
        1e-11,
    );
}

/// Two coordinates have one plane, whatever its axes.
#[test]
fn area_does_not_depend_on_the_axes() {
    let (x, y) = (memory(300, 0.5, 1), memory(300, 0.3, 2));
    let turned =
        |a: f64, b: f64| -> Vec<f64> { x.iter().zip(&y).map(|(x, y)| a * x + b * y).collect() };
    let read = |a: &[f64], b: &[f64]| {
        let found = area_rates(&[a, b], 2, &told(1.0)).unwrap();
        let found = found.ready().unwrap().clone();
        (found.planes[0].rate, found.largest_angular, found.p_value)
    };
    let (rate, angular, p) = read(&x, &y);
    let (other, same, q) = read(&turned(0.6, 0.8), &turned(-0.8, 0.6));
    near(other.value.abs(), rate.value.abs(), 1e-11);
    near(other.std_error, rate.std_error, 1e-11);
    near(same, angular, 1e-11);
    near(q, p, 1e-9);
    // The determinant of the covariance is the product of its eigenvalues.
    let (mx, my) = (mean(&x), mean(&y));
    let product = |a: &[f64], ma: f64, b: &[f64], mb: f64| {
        let sum: f64 = a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum();
        sum / 300.0
    };
    let determinant =
        product(&x, mx, &x, mx) * product(&y, my, &y, my) - product(&x, mx, &y, my).powi(2);
    near(angular, rate.value.abs() / determinant.sqrt(), 1e-10);
    let swept: Vec<f64> = (0..299)
        .map(|t| 0.5 * ((x[t] - mx) * (y[t + 1] - my) - (y[t] - my) * (x[t + 1] - mx)))
        .collect();
    let means = batches(&swept, 20);
    let error = (variance(&means) / 20.0).sqrt();
    near(rate.std_error, error, 1e-12);
    near(p, student(mean(&means) / error, 19.0), 1e-9);
}

/// A cosine and a sine of one frequency beside another wave: a current with scatter, and the
/// smallest of three p-values counts three times.
#[test]
fn the_smallest_p_value_counts_for_every_plane() {
    let n = 400;
    let of = |terms: &[(f64, i32, f64)]| -> Vec<f64> {
        let angle = |t: i32, turns: i32| 2.0 * PI * f64::from(turns * t) / f64::from(n);
        (0..n)
            .map(|t| {
                let term = |&(size, turns, phase): &(f64, i32, f64)| {
                    size * (angle(t, turns) + phase).cos()
                };
                terms.iter().map(term).sum()
            })
            .collect()
    };
    let x = of(&[(3.0, 3, 0.0)]);
    let y = of(&[(1.5, 3, 0.5 * PI), (2.0, 8, 0.3)]);
    let z = of(&[(1.0, 17, 0.4)]);
    let all = [x, y, z];
    let p = |a: &[f64], b: &[f64]| {
        let swept: Vec<f64> = (0..399)
            .map(|t| a[t] * b[t + 1] - b[t] * a[t + 1])
            .collect();
        let means = batches(&swept, 20);
        student(mean(&means) / (variance(&means) / 20.0).sqrt(), 19.0)
    };
    let least = p(&all[0], &all[1])
        .min(p(&all[0], &all[2]))
        .min(p(&all[1], &all[2]));
    assert!(least < 0.2);
    let found = area_rates(&[&all[0], &all[1], &all[2]], 3, &told(1.0)).unwrap();
    near(found.ready().unwrap().p_value / (3.0 * least), 1.0, 1e-6);
}

#[test]
fn coordinates_and_components_end_where_they_are_said_to() {
    let x = noise(100, 1);
    let y = noise(100, 2);
    let many: Vec<&[f64]> = vec![&x; 513];
    let ask = |d: usize, components| area_rates(&many[..d], components, &told(1.0));
    assert_eq!(refused(ask(1, 2)), ("coordinates", 1.0));
    assert_eq!(refused(ask(513, 2)), ("coordinates", 513.0));
    assert_eq!(refused(ask(12, 1)), ("components", 1.0));
    assert_eq!(refused(ask(12, 11)), ("components", 11.0));
    assert_eq!(refused(ask(3, 4)), ("components", 4.0));
    // Copies have one component only.
    assert!(matches!(
        ask(2, 2).unwrap(),
        Reading::Undefined(Reason::Degenerate(_))
    ));
    assert!(
        area_rates(&[&x, &y], 2, &told(1.0))
            .unwrap()
            .ready()
            .is_some()
    );
    let wait = |n: usize| area_rates(&[&x[..n], &y[..n]], 2, &told(1.0)).unwrap();
    assert_eq!(wait(2), Reading::Pending { seen: 2, needed: 3 });
    assert_eq!(
        wait(3),
        Reading::Pending {
            seen: 3,
            needed: 20
        }
    );
    assert_eq!(
        wait(40),
        Reading::Pending {
            seen: 40,
            needed: 50
        }
    );
    assert!(matches!(
        area_rates(&[&[1.0; 60], &[2.0; 60]], 2, &told(1.0)).unwrap(),
        Reading::Undefined(_)
    ));
}
