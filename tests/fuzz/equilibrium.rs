//! Every function of the module `equilibrium`, of series in any order.

use thermograd::equilibrium::{
    self as eq, Blocking, Dynamics, EnsembleRun, InitialSequenceConfig, LagGrid, LagWindow,
    Objective, Observable, Spacing, TestConfig, Truncation, VerdictConfig, Width, WindowConfig,
};

use crate::check::{answer, prints, sound};
use crate::source::Source;

const RULES: [Truncation; 5] = [
    Truncation::InitialPositive,
    Truncation::InitialMonotone,
    Truncation::InitialConvex,
    Truncation::FirstZero,
    Truncation::FirstZeroSparse,
];

pub(crate) fn test_config(source: &mut Source) -> TestConfig {
    let mut config = TestConfig::default();
    config.least_n_eff = 10.0;
    config.batch_length = 1.0;
    if source.chance(4) {
        config.inefficiency = Some(source.number());
    }
    if source.chance(8) {
        config.least_inefficiency = source.number();
    }
    if source.chance(8) {
        config.least_n_eff = source.number();
    }
    if source.chance(8) {
        config.batch_length = source.number();
    }
    if source.chance(8) {
        config.most_batches = source.count(30);
    }
    config.seed = source.bits();
    config
}

pub(crate) fn verdict_config(source: &mut Source) -> VerdictConfig {
    let mut config = VerdictConfig::default();
    config.tests = test_config(source);
    if source.chance(4) {
        config.level = source.share();
    }
    if source.chance(4) {
        config.relaxation_time = Some(source.number());
    }
    if source.chance(4) {
        config.least_change = source.number();
        config.least_angular = source.number();
        config.least_spread = source.number();
    }
    config
}

/// Series of one length, or of any.
fn replicas(source: &mut Source) -> Vec<Vec<f64>> {
    let len = source.len(150);
    let even = !source.chance(8);
    (0..source.below(5))
        .map(|_| {
            if even {
                source.numbers(len)
            } else {
                source.series(150)
            }
        })
        .collect()
}

/// Autocorrelation, thinning, burn-in.
pub(crate) fn correlation_times(source: &mut Source) {
    let series = source.series(260);
    let lag = source.count(300);
    let fast = answer(eq::autocovariance(&series, lag));
    let slow = answer(eq::autocovariance_direct(&series, lag));
    assert_eq!(fast.is_some(), slow.is_some());
    answer(eq::autocorrelation(&series, lag));
    let rule = source.pick(&RULES);
    answer(eq::statistical_inefficiency(&series, rule));
    answer(eq::correlated_mean(&series, rule));
    let spacing = source.pick(&[Spacing::Nearest, Spacing::Even]);
    answer(eq::thinning(source.len(2000), source.number(), spacing));
    answer(eq::batch_means_estimate(&series, source.count(40)));
    let mut blocking = Blocking::new();
    for &x in &series {
        let before = blocking.clone();
        if answer(blocking.push(x)).is_none() {
            assert_eq!(format!("{before:?}"), format!("{blocking:?}"));
        }
    }
    sound(&blocking.mean());
    sound(&blocking.inefficiency());
    answer(eq::detect_equilibration(
        &series,
        source.pick(&[LagGrid::Sparse, LagGrid::Every]),
    ));
    answer(eq::mser(&series, source.count(10)));
    answer(eq::mser5(&series));
}

/// What many series say together.
pub(crate) fn many(source: &mut Source) {
    let drawn = replicas(source);
    let replicas: Vec<&[f64]> = drawn.iter().map(Vec::as_slice).collect();
    let rule = source.pick(&RULES);
    answer(eq::statistical_inefficiency_multiple(&replicas, rule));
    for function in [
        eq::ess_bulk,
        eq::ess_tail,
        eq::ess_mean,
        eq::rhat_split,
        eq::rhat_bulk,
        eq::rhat_folded,
        eq::rhat,
    ] {
        answer(function(&replicas));
    }
    let probability = source.share();
    answer(eq::ess_quantile(&replicas, probability));
    answer(eq::mcse_quantile(&replicas, probability));
    answer(eq::mcse_mean(&replicas));
    answer(eq::mcse_sd(&replicas));
    let objective = source.pick(&[Objective::SquaredError, Objective::EffectiveSize]);
    let mut initial = InitialSequenceConfig::default();
    initial.rule = rule;
    initial.objective = objective;
    let mut window = WindowConfig::default();
    window.objective = objective;
    if source.chance(2) {
        initial.kept_pairs = source.count(9);
        initial.padding = source.number();
        window.padding = source.number();
        window.window = LagWindow::Fixed(source.count(90));
    }
    answer(eq::detect_by_initial_sequence(&replicas, &initial));
    answer(eq::detect_by_window(&replicas, &window));
    let config = test_config(source);
    answer(eq::equipartition(&replicas, &config));
    answer(eq::thermometer_agreement(&replicas, &config));
    let circulation = answer(eq::area_rates(&replicas, source.count(4), &config));
    let observables: Vec<Observable> = replicas
        .iter()
        .enumerate()
        .map(|(i, series)| match i % 2 {
            0 => Observable::new("a", series),
            _ => Observable::temperature("b", series),
        })
        .collect();
    let circulation = circulation.as_ref().and_then(|found| found.ready());
    if let Some(verdict) = answer(eq::verdict(
        &observables,
        circulation,
        &verdict_config(source),
    )) {
        prints(&verdict);
        sound(verdict.evidence());
    }
}

/// Tests of one or two series.
pub(crate) fn tests(source: &mut Source) {
    let len = source.len(200);
    let first = source.numbers(len);
    let second = if source.chance(8) {
        source.series(200)
    } else {
        source.numbers(len)
    };
    let config = test_config(source);
    if let Some(found) = answer(eq::drift(&first, &config)) {
        sound(&found.ready().map(thermograd::equilibrium::Drift::sigmas));
    }
    for test in [eq::geweke, eq::kpss, eq::trend] {
        if let Some(found) = answer(test(&first, &config)) {
            sound(
                &found
                    .ready()
                    .map(thermograd::equilibrium::TestResult::sigmas),
            );
        }
    }
    answer(eq::kpss_statistic(&first, source.count(20)));
    answer(eq::kendall_tau(&first));
    let squares: Vec<f64> = second.iter().map(|x| x.abs()).collect();
    let dynamics = Dynamics::learning_rate(source.number()).momentum(source.share());
    answer(eq::fdr1(&first, &squares, dynamics));
    answer(eq::fdr2(&squares, &first, dynamics));
    answer(eq::sasa(&first, &squares, source.positive()));
    answer(eq::pflug(&first));
    answer(eq::distance(&squares, source.positive()));
    answer(eq::kinetic_virial_balance(&squares, &first));
    let width = if source.chance(2) {
        Width::Known(source.number())
    } else {
        Width::Estimated
    };
    answer(eq::maxwell_boltzmann(&first, width));
    let (t, u) = (source.positive(), source.positive());
    let mut run = EnsembleRun::at_temperature(&first, t);
    let mut other = EnsembleRun::at_temperature(&second, u);
    let (v, x) = (source.numbers(len), source.numbers(second.len()));
    if source.chance(2) {
        run = run.at_pressure(&v, source.positive());
        other = other.at_pressure(&x, source.positive());
    }
    answer(eq::ensemble_test(&run, &other));
    let estimates: Vec<_> = (0..source.below(8)).map(|_| source.estimate()).collect();
    if let Some(found) = answer(eq::estimate_heterogeneity(&estimates)) {
        sound(
            &found
                .ready()
                .map(thermograd::equilibrium::Heterogeneity::sigmas),
        );
    }
}
