//! What no estimate can come from has a typed outcome, everywhere.

use thermograd::equilibrium::{
    Balance, BurnIn, Circulation, CorrelationTime, Drift, Dynamics, EnsembleRun, Heterogeneity,
    InitialSequenceConfig, LagGrid, MaxwellBoltzmann, Observable, Sasa, Spacing, TestConfig,
    TestResult, Truncation, Verdict, VerdictConfig, Width, WindowConfig, area_rates,
    autocorrelation, autocovariance, batch_means_estimate, correlated_mean,
    detect_by_initial_sequence, detect_by_window, detect_equilibration, distance, drift,
    ensemble_test, equipartition, ess_bulk, ess_mean, ess_quantile, ess_tail,
    estimate_heterogeneity, fdr1, fdr2, geweke, kendall_tau, kinetic_virial_balance, kpss,
    kpss_statistic, maxwell_boltzmann, mcse_mean, mcse_quantile, mcse_sd, mser, mser5, pflug, rhat,
    rhat_bulk, rhat_folded, rhat_split, sasa, statistical_inefficiency,
    statistical_inefficiency_multiple, thermometer_agreement, thinning, trend, verdict,
};
use thermograd::systems::Random;
use thermograd::{Error, Estimate, Reading};

/// The numbers of an answer, all of which must be finite.
trait Numbers {
    fn numbers(&self) -> Vec<f64>;
}

macro_rules! numbers {
    ($($type:ty: |$x:ident| $list:expr;)*) => {$(
        impl Numbers for $type {
            fn numbers(&self) -> Vec<f64> {
                let $x = self;
                $list
            }
        }
    )*};
}

numbers! {
    f64: |x| vec![*x];
    usize: |x| vec![*x as f64];
    Vec<f64>: |x| x.clone();
    Estimate: |x| vec![x.value, x.std_error, x.n_eff];
    CorrelationTime: |x| vec![x.inefficiency, x.integrated_time, x.n_eff];
    BurnIn: |x| vec![x.inefficiency, x.n_eff];
    TestResult: |x| vec![x.statistic, x.p_value, x.n_eff, x.sigmas()];
    Drift: |x| vec![x.rate.value, x.rate.std_error, x.relative_change, x.t, x.p_value, x.sigmas()];
    MaxwellBoltzmann: |x| vec![x.distance, x.p_value, x.excess_kurtosis.value];
    Heterogeneity: |x| vec![x.statistic, x.p_value, x.spread, x.excess_spread, x.sigmas()];
    Balance: |x| vec![x.residual];
    Sasa: |x| vec![x.statistic.value, x.statistic.std_error, x.published_p_value];
    Circulation: |x| vec![x.p_value, x.largest_angular];
    thermograd::equilibrium::EnsembleCheck: |x| vec![x.energy.sigmas, x.p_value, x.overlap];
    Verdict: |x| match x {
        Verdict::Equilibrium { n_eff, .. } => vec![*n_eff],
        Verdict::OutOfEquilibrium { rate, sigmas, .. } => vec![rate.value, rate.std_error, *sigmas],
        Verdict::SteadyNotThermal { effect, sigmas, .. } => vec![*effect, *sigmas],
        _ => vec![],
    };
}

type Answer = Result<Option<Vec<f64>>, Error>;
type Call = Box<dyn Fn(&[f64]) -> Answer>;

fn answer<T: Numbers>(found: Result<Reading<T>, Error>) -> Answer {
    found.map(|reading| reading.ready().map(Numbers::numbers))
}

/// Every public function of series, as a function of one series.
fn all() -> Vec<(&'static str, Call)> {
    macro_rules! list {
        ($($name:literal: |$x:ident| $call:expr;)*) => {
            vec![$(($name, Box::new(|$x: &[f64]| answer($call)) as Call)),*]
        };
    }
    fn config() -> TestConfig {
        TestConfig::default()
    }
    fn eta() -> Dynamics {
        Dynamics::learning_rate(0.1)
    }
    fn last(x: &[f64]) -> usize {
        x.len().saturating_sub(1)
    }
    list! {
        "autocovariance": |x| autocovariance(x, last(x)).map(Reading::Ready);
        "autocorrelation": |x| autocorrelation(x, last(x));
        "positive": |x| statistical_inefficiency(x, Truncation::InitialPositive);
        "monotone": |x| statistical_inefficiency(x, Truncation::InitialMonotone);
        "convex": |x| statistical_inefficiency(x, Truncation::InitialConvex);
        "first zero": |x| statistical_inefficiency(x, Truncation::FirstZero);
        "sparse": |x| statistical_inefficiency(x, Truncation::FirstZeroSparse);
        "multiple": |x| statistical_inefficiency_multiple(&[x, x], Truncation::FirstZero);
        "multiple convex": |x| statistical_inefficiency_multiple(&[x, x], Truncation::InitialConvex);
        "mean": |x| correlated_mean(x, Truncation::InitialMonotone);
        "batch means": |x| batch_means_estimate(x, 4);
        "ess_bulk": |x| ess_bulk(&[x]);
        "ess_tail": |x| ess_tail(&[x, x]);
        "ess_mean": |x| ess_mean(&[x]);
        "ess_quantile": |x| ess_quantile(&[x], 0.5);
        "mcse_mean": |x| mcse_mean(&[x]);
        "mcse_sd": |x| mcse_sd(&[x]);
        "mcse_quantile": |x| mcse_quantile(&[x], 0.9);
        "detect sparse": |x| detect_equilibration(x, LagGrid::Sparse);
        "detect every": |x| detect_equilibration(x, LagGrid::Every);
        "mser": |x| mser(x, 1);
        "mser5": |x| mser5(x);
        "initial sequence": |x| detect_by_initial_sequence(&[x], &InitialSequenceConfig::default());
        "window": |x| detect_by_window(&[x], &WindowConfig::default());
        "drift": |x| drift(x, &config());
        "geweke": |x| geweke(x, &config());
        "kpss": |x| kpss(x, &config());
        "kpss_statistic": |x| kpss_statistic(x, 0);
        "trend": |x| trend(x, &config());
        "kendall": |x| kendall_tau(x);
        "rhat": |x| rhat(&[x]);
        "rhat_bulk": |x| rhat_bulk(&[x, x]);
        "rhat_folded": |x| rhat_folded(&[x]);
        "rhat_split": |x| rhat_split(&[x]);
        "balance": |x| kinetic_virial_balance(x, x);
        "equipartition": |x| equipartition(&[x, x, x], &config());
        "thermometers": |x| thermometer_agreement(&[x, x], &config());
        "known width": |x| maxwell_boltzmann(x, Width::Known(1.0));
        "estimated width": |x| maxwell_boltzmann(x, Width::Estimated);
        "ensemble": |x| ensemble_test(
            &EnsembleRun::at_temperature(x, 1.0),
            &EnsembleRun::at_temperature(x, 2.0),
        );
        "ensemble with volumes": |x| ensemble_test(
            &EnsembleRun::at_temperature(x, 1.0).at_pressure(x, 1.0),
            &EnsembleRun::at_temperature(x, 2.0).at_pressure(x, 1.0),
        );
        "areas": |x| area_rates(&[x, x], 2, &config());
        "fdr1": |x| fdr1(x, x, eta());
        "fdr2": |x| fdr2(x, x, eta());
        "sasa": |x| sasa(x, x, 0.1);
        "pflug": |x| pflug(x);
        "distance": |x| distance(&x.iter().map(|x| x.abs()).collect::<Vec<_>>(), 1.5);
        "verdict": |x| verdict(
            &[Observable::temperature("a", x), Observable::temperature("b", x)],
            None,
            &VerdictConfig::default(),
        ).map(Reading::Ready);
    }
}

fn noise(n: usize) -> Vec<f64> {
    let mut random = Random::new(1);
    (0..n).map(|_| random.normal()).collect()
}

#[test]
fn what_is_not_finite_or_squares_beyond_range_is_an_error() {
    for (name, call) in all() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut x = noise(300);
            x[17] = bad;
            match call(&x) {
                Err(Error::NonFinite { index: 17, .. }) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
        let mut x = noise(300);
        x[17] = 1e200;
        match call(&x) {
            Err(Error::Overflow { .. }) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn short_constant_tied_huge_and_tiny_series_have_finite_answers_or_none() {
    let mut inputs: Vec<(String, Vec<f64>)> = (0..40)
        .flat_map(|n| {
            [
                (format!("{n} of noise"), noise(n)),
                (format!("{n} constants"), vec![0.1; n]),
                (format!("{n} zeros"), vec![0.0; n]),
            ]
        })
        .collect();
    let scaled = |scale: f64| {
        noise(400)
            .into_iter()
            .map(|x| x * scale)
            .collect::<Vec<_>>()
    };
    let n = 400_u32;
    inputs.extend([
        ("constants".to_owned(), vec![-7.3; 400]),
        ("huge".to_owned(), scaled(1e148)),
        ("tiny".to_owned(), scaled(1e-300)),
        ("subnormal".to_owned(), scaled(1e-310)),
        (
            "far away".to_owned(),
            noise(400).into_iter().map(|x| 1e12 + x).collect(),
        ),
        ("a line".to_owned(), (0..n).map(f64::from).collect()),
        (
            "two values".to_owned(),
            (0..n).map(|i| f64::from(i / 7 % 2)).collect(),
        ),
        (
            "alternating".to_owned(),
            (0..n).map(|i| f64::from(i % 2)).collect(),
        ),
        (
            "one jump".to_owned(),
            (0..n).map(|i| f64::from(i / 200)).collect(),
        ),
        (
            "one spike".to_owned(),
            (0..n).map(|i| f64::from(u32::from(i == 200))).collect(),
        ),
        (
            "constant tail".to_owned(),
            (0..n).map(|i| f64::from(i.min(30) % 7)).collect(),
        ),
        (
            "an exponential".to_owned(),
            (0..n).map(|i| (0.5 * f64::from(i)).exp()).collect(),
        ),
    ]);
    for (name, call) in all() {
        for (kind, x) in &inputs {
            match call(x) {
                Ok(None) => {}
                Ok(Some(numbers)) => assert!(
                    numbers.iter().all(|x| x.is_finite()),
                    "{name} of {kind}: {numbers:?}"
                ),
                // An empty series has no lag below its length.
                Err(Error::Empty { .. }) if x.is_empty() => {}
                Err(error) => panic!("{name} of {kind}: {error}"),
            }
        }
    }
}

#[test]
fn a_constant_series_has_no_correlation_time_and_no_error_bar() {
    for (name, call) in all() {
        let answers = call(&[0.1; 400]).unwrap();
        let may = matches!(
            name,
            "autocovariance" | "balance" | "fdr1" | "fdr2" | "distance" | "verdict"
        );
        assert!(may || answers.is_none(), "{name}: {answers:?}");
    }
}

#[test]
fn options_out_of_range_are_errors() {
    let x = noise(100);
    let out = |r: bool| assert!(r);
    out(autocovariance(&x, 100).is_err());
    out(autocovariance(&[], 0).is_err());
    out(batch_means_estimate(&x, 1).is_err());
    out(thinning(10, 0.5, Spacing::Nearest).is_err());
    out(thinning(10, f64::NAN, Spacing::Even).is_err());
    out(thinning(usize::MAX, 1.0, Spacing::Even).is_err());
    out(ess_quantile(&[&x], 1.0).is_err());
    out(mcse_quantile(&[&x], f64::NAN).is_err());
    out(ess_bulk(&[]).is_err());
    out(ess_bulk(&[&x, &x[1..]]).is_err());
    out(mser(&x, 0).is_err());
    out(kpss_statistic(&x, 100).is_err());
    out(maxwell_boltzmann(&x, Width::Known(0.0)).is_err());
    out(sasa(&x, &x, -1.0).is_err());
    out(sasa(&x, &x[1..], 0.1).is_err());
    out(distance(&[1.0; 20], 1.0).is_err());
    out(distance(&[-1.0; 20], 1.5).is_err());
    out(fdr2(&x, &x, Dynamics::learning_rate(0.1).momentum(0.9)).is_err());
    out(fdr1(&x, &x, Dynamics::learning_rate(0.1).momentum(1.0)).is_err());
    out(area_rates(&[&x, &x], 3, &TestConfig::default()).is_err());
    out(area_rates(&[&x], 2, &TestConfig::default()).is_err());
    out(ensemble_test(
        &EnsembleRun::at_temperature(&x, 0.0),
        &EnsembleRun::at_temperature(&x, 1.0),
    )
    .is_err());
    out(ensemble_test(
        &EnsembleRun::at_temperature(&x, 1.0).at_pressure(&x, 1.0),
        &EnsembleRun::at_temperature(&x, 1.0),
    )
    .is_err());
    let negative = Estimate {
        value: 1.0,
        std_error: -1.0,
        n_eff: 10.0,
    };
    out(estimate_heterogeneity(&[negative, negative]).is_err());
    let mut rule = InitialSequenceConfig::default();
    rule.rule = Truncation::FirstZero;
    out(detect_by_initial_sequence(&[&x], &rule).is_err());
    let mut window = WindowConfig::default();
    window.padding = 1.0;
    out(detect_by_window(&[&x], &window).is_err());
    for change in [
        |c: &mut TestConfig| c.inefficiency = Some(0.5),
        |c: &mut TestConfig| c.least_n_eff = f64::NAN,
        |c: &mut TestConfig| c.batch_length = 0.0,
        |c: &mut TestConfig| c.most_batches = 0,
    ] {
        let mut config = TestConfig::default();
        change(&mut config);
        out(drift(&x, &config).is_err());
    }
    let mut config = VerdictConfig::default();
    config.level = 0.0;
    out(verdict(&[Observable::new("loss", &x)], None, &config).is_err());
}
