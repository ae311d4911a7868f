//! Whatever comes in: no panic, and no NaN in an answer.

use proptest::prelude::*;
use thermograd::phase_transition::change_point::{
    Cost, Cusum, CusumConfig, Direction, EarlyWarningConfig, NormalInverseGamma,
    NormalInverseWishart, OnlineChangePoints, OnlineConfig, PageHinkley, PeltConfig, Penalty,
    Prior, Reference, RollingMoments, early_warning, pelt,
};
use thermograd::phase_transition::{
    Branches, Conditions, CurvePoint, EnergyScale, MultiHistogram, PeakScale, RampPoint,
    Reweighted, Run, binder_cumulant, crossing, energy_fraction, heat_capacity, hysteresis,
    latent_heat, long_overlap, overlap_at_lag, participation_ratio, peak, ramp_trend,
    replica_overlap, reweight, step_alignment, susceptibility,
};
use thermograd::{Error, Estimate, Reading};

/// Ordinary numbers, a few values that repeat, and everything that f64 has.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -10.0..10.0_f64,
        2 => prop_oneof![Just(0.0), Just(1.0), Just(-1.0)],
        1 => prop_oneof![Just(1e-300), Just(1e149), Just(1e99), Just(-1e149), Just(5e-324)],
    ]
}

fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![8 => number(), 1 => any::<f64>(), 1 => Just(f64::NAN)]
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "called with what a function returned"
)]
fn sound(answer: Result<Reading<Estimate>, Error>) -> bool {
    match answer {
        Ok(Reading::Ready(e)) => {
            e.value.is_finite() && e.std_error.is_finite() && e.n_eff.is_finite()
        }
        _ => true,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn series_are_answered_or_refused(
        series in prop::collection::vec(number(), 0..120),
        t in wild(),
        u in wild(),
        least in 0_usize..70,
    ) {
        for cost in [Cost::Mean, Cost::MeanAndVariance, Cost::Kernel { bandwidth: None }, Cost::Kernel { bandwidth: Some(t) }] {
            for penalty in [Penalty::Automatic, Penalty::Mbic, Penalty::Given(u)] {
                let config = PeltConfig::new(cost).penalty(penalty).min_segment(least);
                if let Ok(Reading::Ready(found)) = pelt(&series, &config) {
                    let numbers = [found.cost, found.cost_without_change, found.statistic, found.penalty, found.inefficiency, found.noise_variance];
                    prop_assert!(numbers.iter().all(|x| x.is_finite()), "{:?}", found);
                }
            }
        }
        let conditions = Conditions::at(t).sites(u);
        prop_assert!(sound(heat_capacity(&series, &conditions)));
        prop_assert!(sound(susceptibility(&series, &conditions)));
        prop_assert!(sound(binder_cumulant(&series)));
        if let Ok(Reading::Ready(w)) = early_warning(&series, &EarlyWarningConfig::default().window(least).surrogates(19)) {
            prop_assert!(w.variance.first.is_finite() && w.autocorrelation.last.is_finite());
        }
        let run = Run::new(t, &series);
        if let Ok(Reading::Ready(Reweighted::Overlap { estimate, .. })) = reweight(&run, u) {
            prop_assert!(estimate.value.is_finite() && estimate.std_error.is_finite());
        }
        if let Ok(Reading::Ready(joined)) = MultiHistogram::new(&[run, Run::new(u, &series)]) {
            prop_assert!(joined.free_energies().iter().all(|f| f.is_finite()));
            if let Ok(Reading::Ready(Reweighted::Overlap { estimate, .. })) = joined.reweight(t) {
                prop_assert!(estimate.value.is_finite() && estimate.std_error.is_finite());
            }
        }
    }

    #[test]
    fn online_detectors_keep_their_heads(
        series in prop::collection::vec(wild(), 0..80),
        a in wild(), b in wild(), c in wild(), d in wild(),
    ) {
        let prior = NormalInverseGamma { mean: a, mean_weight: b.abs(), shape: c.abs(), rate: d.abs() };
        let joint = NormalInverseWishart { mean: vec![a, b], mean_weight: c.abs(), degrees: 1.0 + d.abs(), scale: vec![2.0, 0.1, 0.1, b.abs()] };
        for config in [OnlineConfig::scalar(prior).capacity(7), OnlineConfig::new(Prior::Joint(joint)).capacity(5)] {
            if let Ok(mut detector) = OnlineChangePoints::new(&config) {
                for x in &series {
                    if let Ok(log) = detector.push(&[*x]).or_else(|_| detector.push(&[*x, -*x])) {
                        prop_assert!(log.is_finite(), "{} {:?}", log, config);
                    }
                    let sum: f64 = detector.posterior().map(|p| p.1).sum();
                    prop_assert!(detector.seen() == 0 || (sum - 1.0).abs() < 1e-9);
                    prop_assert!(detector.log_evidence().is_finite());
                }
            }
        }
        let chart = CusumConfig::new(a, b).slack(c).threshold(d);
        if let Ok(Reading::Ready(length)) = chart.run_length(a) {
            prop_assert!(length.either >= 0.99 && length.either.is_finite());
        }
        if let Ok(mut chart) = Cusum::new(chart) {
            for x in &series {
                let _ = chart.push(*x);
                prop_assert!(chart.sums().0.is_finite() && chart.sums().1.is_finite());
            }
        }
        let mut test = PageHinkley::new(Reference::Running, Direction::Down).tolerance(a).threshold(b);
        let mut rolling = RollingMoments::new(6).unwrap();
        for x in &series {
            let _ = test.push(*x);
            let _ = rolling.push(*x);
            prop_assert!(test.excess().is_finite());
            prop_assert!(rolling.variance().ready().is_none_or(|v| v.is_finite()));
            prop_assert!(rolling.autocorrelation().ready().is_none_or(|v| v.is_finite()));
        }
    }

    #[test]
    fn curves_and_snapshots_are_answered_or_refused(
        numbers in prop::collection::vec((wild(), wild(), wild()), 0..12),
        snapshots in prop::collection::vec(prop::array::uniform3(number()), 0..40),
        t in wild(),
        lag in 0_usize..5,
    ) {
        let point = |&(temperature, value, std_error): &(f64, f64, f64)| CurvePoint {
            temperature,
            value: Estimate { value, std_error: std_error.abs(), n_eff: 10.0 },
        };
        let curve: Vec<CurvePoint> = numbers.iter().map(point).collect();
        let other: Vec<CurvePoint> = numbers.iter().map(|n| point(&(n.0, -n.1, n.2))).collect();
        for scale in [PeakScale::Linear, PeakScale::Logarithmic] {
            if let Ok(Reading::Ready(top)) = peak(&curve, scale) {
                prop_assert!(sound(Ok(Reading::Ready(top.location))) && sound(Ok(Reading::Ready(top.height))));
            }
        }
        prop_assert!(sound(crossing(&curve, &other)));
        let branches = Branches { heating: &curve, cooling: &other };
        prop_assert!(sound(latent_heat(&branches, t)));
        if let Ok(Reading::Ready(found)) = hysteresis(&branches) {
            prop_assert!(sound(Ok(Reading::Ready(found.area))) && sound(Ok(Reading::Ready(found.width))));
        }
        let ramps: Vec<RampPoint> = curve.iter().map(|p| RampPoint { rate: p.temperature, size: p.value }).collect();
        if let Ok(Reading::Ready(trend)) = ramp_trend(&ramps) {
            prop_assert!(sound(Ok(Reading::Ready(trend.limit))) && sound(Ok(Reading::Ready(trend.slope))), "{:?}", trend);
        }
        if let [a, b, c, ..] = curve.as_slice() {
            let scale = EnergyScale { gas: b.value, best: c.value };
            prop_assert!(sound(energy_fraction(&a.value, &scale)));
        }
        for q in [long_overlap(&snapshots, lag), overlap_at_lag(&snapshots, lag), replica_overlap(&snapshots)] {
            prop_assert!(sound(q.map(|q| q.map(|q| q.estimate))));
        }
        prop_assert!(sound(participation_ratio(&snapshots)));
        prop_assert!(sound(step_alignment(&snapshots)));
    }
}
