//! Phase transitions: change points, charts, early warning, reweighting, curves and the rules.

use thermograd::Estimate;
use thermograd::phase_transition::change_point::{
    Cost, Cusum, CusumConfig, Direction, EarlyWarningConfig, NormalInverseGamma,
    NormalInverseWishart, OnlineChangePoints, OnlineConfig, PageHinkley, PeltConfig, Penalty,
    Prior, Reference, RollingMoments, early_warning, optimal_partitioning, pelt,
};
use thermograd::phase_transition::{
    Branches, Classification, Conditions, CurvePoint, EnergyScale, Evidence, MonitorConfig,
    MultiHistogram, Overlap, PeakScale, PhaseConfig, RampPoint, Run, Witness, binder_cumulant,
    classify, crossing, energy_fraction, heat_capacity, hysteresis, latent_heat, long_overlap,
    mean_resultant_length, overlap, overlap_at_lag, participation_ratio, peak, ramp_trend,
    replica_overlap, reweight, step_alignment, susceptibility, vector_binder_cumulant,
};

use crate::check::{answer, made, number, sound};
use crate::source::Source;

fn phase_config(source: &mut Source) -> PhaseConfig {
    let mut config = PhaseConfig::default();
    for threshold in [
        &mut config.significance,
        &mut config.edge_ratio,
        &mut config.effective_samples,
        &mut config.age,
        &mut config.norm_drift,
        &mut config.gas_fraction,
        &mut config.trapped_fraction,
        &mut config.witness_significance,
        &mut config.equipartition_factor,
    ] {
        if source.chance(8) {
            *threshold = source.number();
        }
    }
    config
}

pub(crate) fn monitor_config(source: &mut Source) -> MonitorConfig {
    let mut config = MonitorConfig::default().phase(phase_config(source));
    if source.chance(2) {
        config = config.gas_energy(source.estimate());
    }
    if source.chance(2) {
        config = config.best_energy(source.estimate());
    }
    if source.chance(2) {
        config = config.transition_temperature(source.estimate());
    }
    if source.chance(2) {
        config = config.sketch(source.count(300));
    }
    config
}

fn some_overlap(source: &mut Source) -> Overlap {
    Overlap::new(source.estimate(), source.positive())
}

/// The rules, from window to window.
pub(crate) fn rules(source: &mut Source) {
    let config = phase_config(source);
    let mut previous: Option<Classification> = None;
    for _ in 0..source.below(4) {
        let mut evidence = Evidence::default();
        evidence.non_finite_steps = source.maybe(|source| source.long_count(2));
        for slot in [
            &mut evidence.step_growth,
            &mut evidence.edge_ratio,
            &mut evidence.stability,
            &mut evidence.norm_growth,
            &mut evidence.norm_stationarity,
            &mut evidence.energy_drift,
            &mut evidence.overlap_drift,
            &mut evidence.participation_drift,
            &mut evidence.energy,
            &mut evidence.gas_energy,
            &mut evidence.best_energy,
            &mut evidence.thermal_energy,
            &mut evidence.temperature,
            &mut evidence.transition_temperature,
        ] {
            *slot = source.maybe(Source::estimate);
        }
        evidence.effective_samples = source.maybe(|source| 100.0 * source.number());
        evidence.age = source.maybe(Source::number);
        evidence.long_overlap = source.maybe(some_overlap);
        evidence.witness = source.maybe(|source| {
            let energy = source.estimate();
            Witness {
                energy,
                long_overlap: some_overlap(source),
            }
        });
        if let Some(found) = answer(classify(&evidence, previous.as_ref(), &config)) {
            previous = found.ready().cloned();
        }
    }
}

/// Change points of a whole series.
pub(crate) fn segments(source: &mut Source) {
    let series = source.series(120);
    let cost = match source.below(4) {
        0 => Cost::Mean,
        1 => Cost::MeanAndVariance,
        2 => Cost::Kernel { bandwidth: None },
        _ => Cost::Kernel {
            bandwidth: Some(source.number()),
        },
    };
    let penalty = match source.below(4) {
        0 => Penalty::Automatic,
        1 => Penalty::Mbic,
        2 => Penalty::Bic,
        _ => Penalty::Given(source.number()),
    };
    let mut config = PeltConfig::new(cost).penalty(penalty);
    if source.chance(2) {
        config = config.min_segment(source.count(9));
    }
    if source.chance(4) {
        config = config.noise_variance(source.number());
    }
    let fast = answer(pelt(&series, &config));
    let slow = answer(optimal_partitioning(&series, &config));
    assert_eq!(fast.is_some(), slow.is_some());
}

/// Early warnings and what rolls along.
pub(crate) fn warnings(source: &mut Source) {
    let series = source.series(200);
    let mut config = EarlyWarningConfig::default()
        .surrogates(source.below(30))
        .seed(source.bits());
    if source.chance(2) {
        config = config.window(source.count(60));
    }
    if source.chance(2) {
        config = config.block(source.count(20));
    }
    if source.chance(8) {
        config.windows = source.count(9);
    }
    answer(early_warning(&series, &config));
    if let Some(mut rolling) = made(RollingMoments::new(source.count(12))) {
        for &x in &series {
            let before = format!("{rolling:?}");
            if answer(rolling.push(x)).is_none() {
                assert_eq!(before, format!("{rolling:?}"));
            }
            sound(&rolling.variance());
            sound(&rolling.autocorrelation());
        }
    }
}

/// Detectors that are fed one number at a time; an error leaves them as they were.
pub(crate) fn charts(source: &mut Source) {
    let series = source.series(60);
    let mut config = CusumConfig::new(source.number(), source.positive());
    if source.chance(2) {
        config = config.slack(source.positive()).threshold(source.positive());
    }
    for length in [
        CusumConfig::run_length,
        CusumConfig::run_length_by_markov_chain,
        CusumConfig::run_length_by_siegmund,
    ] {
        if source.chance(255) {
            answer(length(&config, source.number()));
        }
    }
    if let Some(mut chart) = made(Cusum::new(config)) {
        for &x in &series {
            let before = format!("{chart:?}");
            if answer(chart.push(x)).is_none() {
                assert_eq!(before, format!("{chart:?}"));
            }
            sound(&(chart.sums(), chart.rising_for(), chart.falling_for()));
        }
    }
    let reference = if source.chance(2) {
        Reference::Known(source.number())
    } else {
        Reference::Running
    };
    let mut test = PageHinkley::new(reference, source.pick(&[Direction::Up, Direction::Down]))
        .tolerance(source.number())
        .threshold(source.number());
    for &x in &series {
        let before = format!("{test:?}");
        if answer(test.push(x)).is_none() {
            assert_eq!(before, format!("{test:?}"));
        }
        number(test.excess());
    }
}

fn gamma(source: &mut Source) -> NormalInverseGamma {
    if source.chance(2) {
        NormalInverseGamma::weak(source.number(), source.positive())
    } else {
        NormalInverseGamma {
            mean: source.number(),
            mean_weight: source.positive(),
            shape: source.positive(),
            rate: source.positive(),
        }
    }
}

pub(crate) fn online(source: &mut Source) {
    let series = source.series(40);
    let dimension = source.below(4);
    let prior = if source.chance(2) {
        Prior::Independent((0..dimension).map(|_| gamma(source)).collect())
    } else {
        let mut scale = source.numbers(dimension * dimension);
        for i in 0..dimension {
            scale[i * dimension + i] = scale[i * dimension + i].abs() + 1.0;
            for j in 0..i {
                scale[i * dimension + j] = scale[j * dimension + i];
            }
        }
        Prior::Joint(NormalInverseWishart {
            mean: source.numbers(dimension),
            mean_weight: source.positive(),
            degrees: source.positive() + dimension as f64,
            scale,
        })
    };
    let mut config = OnlineConfig::new(prior);
    if source.chance(2) {
        config = config.hazard(source.share()).capacity(source.count(9));
    } else {
        config = config.capacity(7);
    }
    if let Some(mut detector) = made(OnlineChangePoints::new(&config)) {
        let rows: Vec<&[f64]> = series.chunks(dimension.max(1)).collect();
        for row in rows {
            let before = format!("{detector:?}");
            if answer(detector.push(row)).is_none() {
                assert_eq!(before, format!("{detector:?}"));
            }
            let sum: f64 = detector.posterior().map(|(_, p)| p).sum();
            assert!(detector.seen() == 0 || (sum - 1.0).abs() < 1e-9, "{sum}");
            sound(&detector.log_evidence());
            sound(&detector.probability_of_change_within(source.long_count(5)));
            sound(&detector.run_length_probability(source.long_count(5)));
            sound(&(
                detector.most_probable_run_length(),
                detector.largest_truncation(),
            ));
        }
    }
}

fn curve(source: &mut Source) -> Vec<CurvePoint> {
    let mut curve: Vec<CurvePoint> = (0..source.below(14))
        .map(|i| CurvePoint {
            temperature: if source.chance(4) {
                source.number()
            } else {
                1.0 + i as f64
            },
            value: source.estimate(),
        })
        .collect();
    if source.chance(4) {
        curve.reverse();
    }
    curve
}

/// Curves over temperature, fluctuations, reweighting.
pub(crate) fn responses(source: &mut Source) {
    let (first, second) = (curve(source), curve(source));
    answer(peak(
        &first,
        source.pick(&[PeakScale::Linear, PeakScale::Logarithmic]),
    ));
    answer(crossing(&first, &second));
    let branches = Branches {
        heating: &first,
        cooling: &second,
    };
    answer(latent_heat(&branches, source.number()));
    answer(hysteresis(&branches));
    let ramps: Vec<RampPoint> = first
        .iter()
        .map(|point| RampPoint {
            rate: point.temperature,
            size: point.value,
        })
        .collect();
    answer(ramp_trend(&ramps));
    let any = |source: &mut Source| -> Estimate { source.estimate() };
    let scale = EnergyScale {
        gas: any(source),
        best: any(source),
    };
    answer(energy_fraction(&any(source), &scale));
    let series = source.series(120);
    let conditions = Conditions::at(source.number()).sites(source.number());
    answer(susceptibility(&series, &conditions));
    answer(heat_capacity(&series, &conditions));
    answer(binder_cumulant(&series));
    let lengths: Vec<f64> = series.iter().map(|x| x.abs()).collect();
    answer(vector_binder_cumulant(&lengths, source.count(4)));
}

pub(crate) fn reweighting(source: &mut Source) {
    let drawn: Vec<(f64, Vec<f64>, Vec<f64>)> = (0..=source.below(3))
        .map(|_| {
            let len = source.len(60);
            (source.number(), source.numbers(len), source.numbers(len))
        })
        .collect();
    let counts: Vec<f64> = drawn[0].1.iter().map(|x| x.abs().round()).collect();
    let mut runs: Vec<Run> = drawn
        .iter()
        .map(|(t, energies, values)| {
            let run = Run::new(*t, energies);
            if source.chance(2) {
                run.observable(values)
            } else {
                run
            }
        })
        .collect();
    if source.chance(4) {
        runs[0] = runs[0].counts(&counts);
    }
    let t = source.number();
    answer(reweight(&runs[0], t));
    if let Some(joined) = made(MultiHistogram::new(&runs))
        && let Some(joined) = joined.ready()
    {
        sound(joined.free_energies());
        answer(joined.reweight(t));
    }
}

/// Order parameters of snapshots.
pub(crate) fn overlaps(source: &mut Source) {
    let dimension = source.len(6);
    let count = source.len(40);
    let mut snapshots: Vec<Vec<f64>> = (0..count).map(|_| source.numbers(dimension)).collect();
    if source.chance(16)
        && let Some(last) = snapshots.last_mut()
    {
        last.push(1.0);
    }
    let lag = source.count(6);
    answer(long_overlap(&snapshots, lag));
    answer(overlap_at_lag(&snapshots, lag));
    answer(replica_overlap(&snapshots));
    answer(mean_resultant_length(&snapshots, lag));
    answer(participation_ratio(&snapshots));
    answer(step_alignment(&snapshots));
    if let [first, second, ..] = snapshots.as_slice() {
        answer(overlap(first, second));
    }
}
