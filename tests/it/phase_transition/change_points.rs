//! Detectors against their oracles, exact identities and measured rates.

use super::ar1;
use proptest::prelude::*;
use statrs::function::gamma::ln_gamma;
use thermograd::phase_transition::change_point::{
    Cost, Cusum, CusumConfig, Direction, EarlyWarningConfig, NormalInverseGamma,
    NormalInverseWishart, OnlineChangePoints, OnlineConfig, PageHinkley, PeltConfig, Penalty,
    Prior, Reference, RollingMoments, early_warning, optimal_partitioning, pelt,
};
use thermograd::systems::Random;
use thermograd::{Error, Reading};

/// Noise, steps of the mean and of the variance, and repeated values.
fn random_series(seed: u64, n: usize) -> Vec<f64> {
    let mut random = Random::new(seed);
    let (mut level, mut width) = (0.0, 1.0);
    (0..n)
        .map(|_| {
            match random.below(12) {
                0 => level = 4.0 * random.normal(),
                1 => width = random.uniform() * 2.0,
                2 => return level.round(),
                _ => {}
            }
            level + width * random.normal()
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pruning_changes_nothing(
        seed in any::<u64>(),
        n in 12_usize..90,
        least in 1_usize..6,
        penalty in 0.0..30.0_f64,
        choice in 0..9,
    ) {
        let series = random_series(seed, n);
        let cost = match choice % 3 {
            0 => Cost::Mean,
            1 => Cost::MeanAndVariance,
            _ => Cost::Kernel { bandwidth: None },
        };
        let least = if choice % 3 == 1 { least.max(2) } else { least };
        let penalty = match choice / 3 {
            0 => Penalty::Given(penalty),
            1 => Penalty::Bic,
            _ => Penalty::Mbic,
        };
        let config = PeltConfig::new(cost).penalty(penalty).min_segment(least);
        prop_assert_eq!(pelt(&series, &config).unwrap(), optimal_partitioning(&series, &config).unwrap());
    }
}

/// The textbook cost, without prefix sums.
fn naive_cost(segment: &[f64]) -> f64 {
    let mean = segment.iter().sum::<f64>() / segment.len() as f64;
    segment.iter().map(|x| (x - mean).powi(2)).sum()
}

#[test]
fn dynamic_programme_finds_the_least_of_all_segmentations() {
    let n = 12;
    for seed in 0..40 {
        let series = random_series(seed, n);
        for least in [1, 3] {
            let penalty = 2.0;
            let best = (0..1_u32 << (n - 1))
                .filter_map(|cuts| {
                    let mut bounds: Vec<usize> =
                        (1..n).filter(|i| cuts >> (i - 1) & 1 == 1).collect();
                    let changes = bounds.len() as f64;
                    bounds.insert(0, 0);
                    bounds.push(n);
                    bounds.windows(2).all(|w| w[1] - w[0] >= least).then(|| {
                        let cost: f64 = bounds
                            .windows(2)
                            .map(|w| naive_cost(&series[w[0]..w[1]]))
                            .sum();
                        cost + penalty * changes
                    })
                })
                .fold(f64::INFINITY, f64::min);
            let config = PeltConfig::new(Cost::Mean)
                .penalty(Penalty::Given(penalty))
                .noise_variance(1.0)
                .min_segment(least);
            let answer = optimal_partitioning(&series, &config).unwrap();
            let found = answer.ready().unwrap();
            let value = found.cost + penalty * found.change_points.len() as f64;
            assert!(
                (value - best).abs() < 1e-9 * (1.0 + best),
                "{seed} {least}: {value} {best}"
            );
        }
    }
}

#[test]
fn the_statistic_is_the_gain_of_the_best_single_change() {
    for (seed, cost) in [
        (1, Cost::Mean),
        (2, Cost::MeanAndVariance),
        (3, Cost::Kernel { bandwidth: None }),
    ] {
        let mut random = Random::new(seed);
        let series: Vec<f64> = (0..200)
            .map(|t| random.normal() + if t < 80 { 0.0 } else { 5.0 })
            .collect();
        // A price just below the gain of one change buys it, just above does not.
        let config = PeltConfig::new(cost)
            .penalty(Penalty::Given(1e6))
            .noise_variance(1.0);
        let none = pelt(&series, &config).unwrap();
        let none = none.ready().unwrap();
        assert!(none.change_points.is_empty());
        assert!((none.cost - none.cost_without_change).abs() < 1e-9 * none.cost.abs());
        let config = config.penalty(Penalty::Given(none.statistic * (1.0 - 1e-9)));
        let one = pelt(&series, &config).unwrap();
        let one = one.ready().unwrap();
        assert_eq!(one.change_points.len(), 1, "{cost:?}");
        assert!(one.change_points[0].abs_diff(80) <= 1);
        let gain = one.cost_without_change - one.cost;
        assert!(
            (gain - one.statistic).abs() < 1e-7 * gain,
            "{cost:?}: {gain} {}",
            one.statistic
        );
    }
}

#[test]
fn every_cost_finds_what_it_is_for() {
    let mut random = Random::new(11);
    let mean: Vec<f64> = (0..600)
        .map(|t| random.normal() + if (200..400).contains(&t) { 2.0 } else { 0.0 })
        .collect();
    let width: Vec<f64> = (0..600)
        .map(|t| random.normal() * if (200..400).contains(&t) { 3.0 } else { 1.0 })
        .collect();
    // Mean and variance stay, the shape changes: two values against a normal.
    let shape: Vec<f64> = (0..600)
        .map(|t| {
            if t < 300 {
                random.normal()
            } else {
                random.normal().signum() * 1.0
            }
        })
        .collect();
    let near = |series: &[f64], cost: Cost, truth: &[usize]| {
        let answer = pelt(series, &PeltConfig::new(cost)).unwrap();
        let found = &answer.ready().unwrap().change_points;
        assert_eq!(found.len(), truth.len(), "{cost:?}: {found:?}");
        for (a, b) in found.iter().zip(truth) {
            assert!(a.abs_diff(*b) <= 8, "{cost:?}: {found:?}");
        }
    };
    near(&mean, Cost::Mean, &[200, 400]);
    near(&mean, Cost::MeanAndVariance, &[200, 400]);
    near(&width, Cost::MeanAndVariance, &[200, 400]);
    near(
        &shape,
        Cost::Kernel {
            bandwidth: Some(0.5),
        },
        &[300],
    );
}

#[test]
fn a_step_in_correlated_noise_is_found_and_noise_alone_is_not_cut() {
    let mut random = Random::new(12);
    let mut series = ar1(0.8, 4000, &mut random);
    let config = PeltConfig::new(Cost::Mean);
    let answer = pelt(&series, &config).unwrap();
    let found = answer.ready().unwrap();
    assert!(found.change_points.is_empty(), "{found:?}");
    assert!(found.statistic < found.penalty && found.inefficiency > 5.0);
    // The white-noise price cuts the same series to pieces.
    let naive = pelt(&series, &PeltConfig::new(Cost::Mean).penalty(Penalty::Bic)).unwrap();
    assert!(naive.ready().unwrap().change_points.len() > 20);
    for x in &mut series[2500..] {
        *x += 3.0;
    }
    let answer = pelt(&series, &config).unwrap();
    let found = answer.ready().unwrap();
    assert_eq!(found.change_points.len(), 1, "{found:?}");
    assert!(found.change_points[0].abs_diff(2500) < 20, "{found:?}");
}

#[test]
fn bad_input_is_refused_and_poor_input_is_told() {
    let config = PeltConfig::new(Cost::Mean);
    let mut series = vec![0.0; 50];
    assert!(matches!(
        pelt(&series, &config).unwrap(),
        Reading::Undefined(_)
    ));
    assert!(matches!(
        pelt(&series[..5], &config).unwrap(),
        Reading::Pending { seen: 5, .. }
    ));
    series[17] = f64::NAN;
    assert!(matches!(
        pelt(&series, &config),
        Err(Error::NonFinite { index: 17, .. })
    ));
    series[17] = 1e200;
    assert!(matches!(
        pelt(&series, &config),
        Err(Error::Overflow { .. })
    ));
    series[17] = 1.0;
    for bad in [
        config.clone().min_segment(0),
        config.clone().penalty(Penalty::Given(f64::NAN)),
        config.clone().noise_variance(0.0),
        PeltConfig::new(Cost::Kernel {
            bandwidth: Some(-1.0),
        }),
        PeltConfig::new(Cost::MeanAndVariance).min_segment(1),
    ] {
        assert!(
            matches!(pelt(&series, &bad), Err(Error::OutOfRange { .. })),
            "{bad:?}"
        );
    }
    // Slow correlation: too few independent observations for the automatic price.
    let slow = ar1(0.99, 1000, &mut Random::new(1));
    assert!(matches!(
        pelt(&slow, &config).unwrap(),
        Reading::Pending { seen: 1000, .. }
    ));
    let mut detector =
        OnlineChangePoints::new(&OnlineConfig::scalar(NormalInverseGamma::weak(0.0, 1.0))).unwrap();
    assert!(detector.push(&[f64::INFINITY]).is_err() && detector.push(&[0.0, 1.0]).is_err());
    assert_eq!(detector.seen(), 0);
    assert!(
        OnlineChangePoints::new(&OnlineConfig::scalar(NormalInverseGamma::weak(0.0, 0.0))).is_err()
    );
    assert!(
        OnlineChangePoints::new(
            &OnlineConfig::scalar(NormalInverseGamma::weak(0.0, 1.0)).capacity(usize::MAX)
        )
        .is_err()
    );
    assert!(Cusum::new(CusumConfig::new(0.0, 0.0)).is_err());
    assert!(RollingMoments::new(usize::MAX).is_err());
    assert!(early_warning(&[f64::NAN; 40], &EarlyWarningConfig::default()).is_err());
    assert!(matches!(
        early_warning(&[1.0; 400], &EarlyWarningConfig::default()).unwrap(),
        Reading::Undefined(_)
    ));
    assert!(matches!(
        early_warning(&slow[..40], &EarlyWarningConfig::default()).unwrap(),
        Reading::Pending { .. }
    ));
}

/// `ln ∫ N(x | m, v) NIG(m, v)` of all data at once.
fn log_marginal(prior: &NormalInverseGamma, data: &[f64]) -> f64 {
    let after = data.iter().fold(*prior, |p, x| p.update(*x));
    ln_gamma(after.shape) - ln_gamma(prior.shape) + prior.shape * prior.rate.ln()
        - after.shape * after.rate.ln()
        + 0.5 * (prior.mean_weight / after.mean_weight).ln()
        - 0.5 * data.len() as f64 * std::f64::consts::TAU.ln()
}

const PRIOR: NormalInverseGamma = NormalInverseGamma {
    mean: 0.3,
    mean_weight: 0.7,
    shape: 1.3,
    rate: 2.1,
};

#[test]
fn without_a_hazard_the_evidence_is_the_marginal_likelihood() {
    let mut random = Random::new(21);
    let data: Vec<f64> = (0..400).map(|_| 1.0 + 2.0 * random.normal()).collect();
    let config = OnlineConfig::scalar(PRIOR).hazard(0.0).capacity(2);
    let mut detector = OnlineChangePoints::new(&config).unwrap();
    for x in &data {
        detector.push(&[*x]).unwrap();
    }
    let exact = log_marginal(&PRIOR, &data);
    assert!(
        (detector.log_evidence() - exact).abs() < 1e-10 * exact.abs(),
        "{} {exact}",
        detector.log_evidence()
    );
    assert_eq!(detector.most_probable_run_length(), Some(400));
}

#[test]
fn evidence_is_the_sum_over_all_segmentations() {
    let mut random = Random::new(22);
    let n = 11;
    let data: Vec<f64> = (0..n)
        .map(|t| random.normal() + if t < 6 { 0.0 } else { 4.0 })
        .collect();
    let hazard: f64 = 0.2;
    let mut exact = 0.0;
    let mut last_segment = vec![0.0; n + 1];
    for cuts in 0..1_u32 << (n - 1) {
        let mut bounds: Vec<usize> = (1..n).filter(|i| cuts >> (i - 1) & 1 == 1).collect();
        let changes = bounds.len();
        bounds.insert(0, 0);
        bounds.push(n);
        let mut p: f64 = bounds
            .windows(2)
            .map(|w| log_marginal(&PRIOR, &data[w[0]..w[1]]))
            .sum::<f64>()
            .exp();
        for _ in 0..changes {
            p *= hazard;
        }
        for _ in changes..n - 1 {
            p *= 1.0 - hazard;
        }
        exact += p;
        last_segment[n - bounds[bounds.len() - 2]] += p;
    }
    let mut detector =
        OnlineChangePoints::new(&OnlineConfig::scalar(PRIOR).hazard(hazard)).unwrap();
    for x in &data {
        detector.push(&[*x]).unwrap();
    }
    assert!((detector.log_evidence() - exact.ln()).abs() < 1e-10);
    for (length, p) in detector.posterior() {
        let truth = last_segment[usize::try_from(length).unwrap()] / exact;
        assert!((p - truth).abs() < 1e-10, "{length}: {p} {truth}");
    }
    assert_eq!(detector.most_probable_run_length(), Some(5));
}

#[test]
fn posterior_sums_to_one_in_bounded_memory() {
    let mut random = Random::new(23);
    let mut truncations = Vec::new();
    for capacity in [2, 10, 64, 3000] {
        let config = OnlineConfig::scalar(PRIOR).hazard(0.01).capacity(capacity);
        let mut detector = OnlineChangePoints::new(&config).unwrap();
        for t in 0..3000 {
            let level = f64::from(t / 700) * 5.0;
            detector.push(&[level + random.normal()]).unwrap();
            let sum: f64 = detector.posterior().map(|p| p.1).sum();
            assert!((sum - 1.0).abs() < 1e-10, "{t}: {sum}");
            assert!(detector.posterior().count() <= capacity);
            if capacity >= 64 && t % 700 == 699 && t > 700 {
                assert_eq!(detector.most_probable_run_length(), Some(700));
            }
        }
        truncations.push(detector.largest_truncation());
    }
    // The more room, the less is lost; with room for all nothing is.
    assert!(
        truncations.windows(2).all(|w| w[1] < w[0]),
        "{truncations:?}"
    );
    assert!(
        truncations[2] < 0.01 && truncations[3] == 0.0,
        "{truncations:?}"
    );
}

#[test]
fn joint_prior_of_one_dimension_is_the_scalar_one_and_of_two_has_its_marginal() {
    let mut random = Random::new(24);
    let joint = |mean: Vec<f64>, degrees: f64, scale: Vec<f64>| {
        Prior::Joint(NormalInverseWishart {
            mean,
            mean_weight: 0.7,
            degrees,
            scale,
        })
    };
    let one = joint(vec![0.3], 2.6, vec![4.2]);
    let mut a = OnlineChangePoints::new(&OnlineConfig::new(one)).unwrap();
    let mut b = OnlineChangePoints::new(&OnlineConfig::scalar(PRIOR)).unwrap();
    for t in 0..300 {
        let x = random.normal() + f64::from(t / 100) * 3.0;
        let (p, q) = (a.push(&[x]).unwrap(), b.push(&[x]).unwrap());
        assert!((p - q).abs() < 1e-9, "{t}: {p} {q}");
    }
    // Marginal: ratio of multivariate gamma functions and of determinants.
    let (nu, kappa, n) = (4.0, 0.7, 50);
    let psi = [2.0, 0.5, 0.5, 1.0];
    let two = joint(vec![0.0, 0.0], nu, psi.to_vec());
    let mut detector = OnlineChangePoints::new(&OnlineConfig::new(two).hazard(0.0)).unwrap();
    let (mut sum, mut second) = ([0.0; 2], psi);
    for _ in 0..n {
        let u = random.normal();
        let x = [u, 0.5 * u + random.normal()];
        detector.push(&x).unwrap();
        for i in 0..2 {
            sum[i] += x[i];
            for j in 0..2 {
                second[2 * i + j] += x[i] * x[j];
            }
        }
    }
    let size = f64::from(n);
    for i in 0..2 {
        for j in 0..2 {
            second[2 * i + j] -= sum[i] * sum[j] / (size + kappa);
        }
    }
    let det = |m: [f64; 4]| m[0] * m[3] - m[1] * m[2];
    let ln_gamma_2 = |a: f64| 0.5 * std::f64::consts::PI.ln() + ln_gamma(a) + ln_gamma(a - 0.5);
    let exact = -size * std::f64::consts::PI.ln() + ln_gamma_2(0.5 * (nu + size))
        - ln_gamma_2(0.5 * nu)
        + 0.5 * nu * det(psi).ln()
        - 0.5 * (nu + size) * det(second).ln()
        + (kappa / (kappa + size)).ln();
    assert!(
        (detector.log_evidence() - exact).abs() < 1e-9,
        "{} {exact}",
        detector.log_evidence()
    );
}

#[test]
fn independent_coordinates_multiply() {
    let mut random = Random::new(25);
    let pair = Prior::Independent(vec![PRIOR, NormalInverseGamma::weak(0.0, 1.0)]);
    let mut detector = OnlineChangePoints::new(&OnlineConfig::new(pair).hazard(0.0)).unwrap();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        let x = [random.normal(), random.normal()];
        detector.push(&x).unwrap();
        first.push(x[0]);
        second.push(x[1]);
    }
    let exact =
        log_marginal(&PRIOR, &first) + log_marginal(&NormalInverseGamma::weak(0.0, 1.0), &second);
    assert!((detector.log_evidence() - exact).abs() < 1e-10);
}

/// Mean run length and its standard error.
fn measured_run_length(runs: u32, mut one: impl FnMut(u64) -> u64) -> (f64, f64) {
    let lengths: Vec<f64> = (0..runs).map(|seed| one(u64::from(seed)) as f64).collect();
    let n = f64::from(runs);
    let mean = lengths.iter().sum::<f64>() / n;
    let variance = lengths.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn measured_run_lengths_are_those_of_theory() {
    for (threshold, shift, runs) in [
        (4.0, 0.0, 10_000),
        (5.0, 0.0, 6000),
        (4.0, 1.0, 6000),
        (5.0, 0.5, 6000),
    ] {
        let config = CusumConfig::new(0.0, 1.0).threshold(threshold);
        let theory = config.run_length(shift).unwrap();
        let theory = theory.ready().unwrap();
        let (mean, error) = measured_run_length(runs, |seed| {
            let mut random = Random::new(seed);
            let mut chart = Cusum::new(config).unwrap();
            (1..10_000_000)
                .find(|_| chart.push(shift + random.normal()).unwrap().is_some())
                .unwrap()
        });
        assert!(
            (mean / theory.either - 1.0).abs() < 0.05,
            "{mean} {theory:?}"
        );
        assert!(
            ((mean - theory.either) / error).abs() < 4.0,
            "{mean} ± {error} {theory:?}"
        );
        let (mean, error) = measured_run_length(runs / 2, |seed| {
            let mut random = Random::new(seed + 1_000_000);
            let mut test =
                PageHinkley::new(Reference::Known(0.0), Direction::Down).threshold(threshold);
            (1..10_000_000)
                .find(|_| test.push(-shift - random.normal()).unwrap())
                .unwrap()
        });
        assert!(
            ((mean - theory.up) / error).abs() < 4.0,
            "{mean} ± {error} {theory:?}"
        );
        let chain = config.run_length_by_markov_chain(shift).unwrap();
        assert!((chain.ready().unwrap().either / theory.either - 1.0).abs() < 1e-3);
        let siegmund = config.run_length_by_siegmund(shift).unwrap();
        assert!((siegmund.ready().unwrap().either / theory.either - 1.0).abs() < 0.03);
    }
}

#[test]
fn run_lengths_of_published_tables() {
    // One-sided sums with slack 1/2: Brook and Evans' chain in the limit of many states.
    for (threshold, shift, either) in [
        (4.0, 0.0, 168.0),
        (5.0, 0.0, 465.0),
        (4.0, 1.0, 8.38),
        (5.0, 1.0, 10.4),
    ] {
        let length = CusumConfig::new(0.0, 1.0)
            .threshold(threshold)
            .run_length(shift)
            .unwrap();
        let found = length.ready().unwrap().either;
        assert!((found / either - 1.0).abs() < 0.004, "{found} {either}");
    }
    // Beyond what the linear system resolves it says so.
    let far = CusumConfig::new(0.0, 1.0)
        .slack(2.0)
        .threshold(20.0)
        .run_length(0.0)
        .unwrap();
    assert!(matches!(far, Reading::Undefined(_)));
}

#[test]
fn softening_is_seen_and_its_absence_too() {
    let config = EarlyWarningConfig::default().surrogates(99);
    let (mut warned, mut false_alarms) = (0, 0);
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut w = 0.0;
        let softening: Vec<f64> = (0..3000)
            .map(|t| {
                w = (0.2 + 0.75 * f64::from(t) / 3000.0) * w + random.normal();
                w
            })
            .collect();
        let warning = early_warning(&softening, &config).unwrap();
        let warning = warning.ready().unwrap();
        warned +=
            u32::from(warning.autocorrelation.p_value < 0.05 && warning.variance.p_value < 0.05);
        let steady = early_warning(&ar1(0.5, 3000, &mut random), &config).unwrap();
        let steady = steady.ready().unwrap();
        false_alarms +=
            u32::from(steady.autocorrelation.p_value < 0.05 && steady.variance.p_value < 0.05);
    }
    assert!(warned >= 17, "{warned}");
    assert!(false_alarms <= 2, "{false_alarms}");
}

/// Share of stationary AR(1) series in which the automatic penalty finds a change, and in which it refuses.
#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn automatic_alarms(cost: Cost, rho: f64, n: usize, runs: u32) -> (f64, f64) {
    let (mut alarms, mut refusals) = (0, 0);
    for seed in 0..runs {
        let series = ar1(rho, n, &mut Random::new(u64::from(seed) + 500));
        match pelt(&series, &PeltConfig::new(cost)).unwrap() {
            Reading::Ready(found) => alarms += u32::from(!found.change_points.is_empty()),
            _ => refusals += 1,
        }
    }
    (
        f64::from(alarms) / f64::from(runs),
        f64::from(refusals) / f64::from(runs),
    )
}

#[test]
fn the_automatic_penalty_keeps_its_false_alarms() {
    for cost in [Cost::Mean, Cost::MeanAndVariance] {
        for rho in [0.0, 0.5, 0.8] {
            let (alarms, refusals) = automatic_alarms(cost, rho, 1000, 100);
            // Four standard errors above 2 %.
            assert!(alarms < 0.08, "{cost:?} {rho}: {alarms}");
            assert!(refusals < 0.05, "{cost:?} {rho}: {refusals}");
        }
        assert!(automatic_alarms(cost, 0.99, 1000, 50).1 > 0.9);
    }
}

#[test]
#[ignore = "a minute: 100 series of 5000 elements at each correlation"]
fn the_automatic_penalty_keeps_its_false_alarms_on_long_series() {
    for rho in [0.0, 0.9, 0.99] {
        let (alarms, _) = automatic_alarms(Cost::Mean, rho, 5000, 100);
        assert!(alarms < 0.08, "{rho}: {alarms}");
    }
}

#[test]
fn segmentations_are_those_of_ruptures() {
    let golden: serde_json::Value =
        serde_json::from_str(include_str!("../../golden/change_points.json")).unwrap();
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    let width = (2.0 * number(&golden["gamma"])).sqrt().recip();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for case in cases {
        let series: Vec<f64> = case["series"]
            .as_array()
            .unwrap()
            .iter()
            .map(number)
            .collect();
        let found = |cost: Cost, least: usize, penalty: f64| -> Vec<u64> {
            let config = PeltConfig::new(cost)
                .penalty(Penalty::Given(penalty))
                .min_segment(least)
                .noise_variance(1.0);
            let answer = pelt(&series, &config).unwrap();
            answer
                .ready()
                .unwrap()
                .change_points
                .iter()
                .map(|p| *p as u64)
                .collect()
        };
        let expected = |name: &str| -> Vec<u64> {
            case[name]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| v.as_u64().unwrap())
                .collect()
        };
        let kernel = Cost::Kernel {
            bandwidth: Some(width),
        };
        let kernel_penalty =
            number(&golden["kernel_penalty"]) / number(&case["kernel_per_element"]);
        assert_eq!(
            found(Cost::Mean, 2, number(&golden["mean_penalty"])),
            expected("mean")
        );
        assert_eq!(
            found(Cost::MeanAndVariance, 5, number(&golden["normal_penalty"])),
            expected("normal")
        );
        assert_eq!(found(kernel, 3, kernel_penalty), expected("kernel"));
    }
}
