//! Values by hand, closed forms and boundaries: phase.

use super::*;
use thermograd::Reason;
use thermograd::phase_transition::{
    Classification, Criterion, Evidence, Overlap, Phase, PhaseConfig, Witness, classify,
};

fn judge(evidence: &Evidence) -> Classification {
    ready(classify(evidence, None, &PhaseConfig::default()))
}

const fn exact(value: f64) -> Estimate {
    est(value, 0.0, 400.0)
}

const fn about(value: f64) -> Estimate {
    est(value, 1.0, 400.0)
}

/// A settled window at the energy of the gas, without order.
fn gas() -> Evidence {
    let mut evidence = Evidence::default();
    evidence.effective_samples = Some(400.0);
    evidence.energy_drift = Some(about(0.0));
    evidence.energy = Some(exact(10.0));
    evidence.gas_energy = Some(exact(10.0));
    evidence.long_overlap = Some(Overlap::new(est(0.0, 0.01, 9.0), 0.02));
    evidence
}

/// A settled window half way down, with order; best energy 0.
fn ordered() -> Evidence {
    let mut evidence = gas();
    evidence.energy = Some(exact(4.0));
    evidence.best_energy = Some(exact(0.0));
    evidence.long_overlap = Some(Overlap::new(est(0.5, 0.01, 9.0), 0.02));
    evidence
}

fn ground(found: &Classification, criterion: Criterion) -> (f64, f64) {
    let ground = found.grounds.iter().find(|g| g.criterion == criterion);
    let ground = ground.unwrap();
    (ground.value, ground.threshold)
}

#[test]
fn thresholds_of_overheating_are_met_or_passed() {
    let hot = |set: &dyn Fn(&mut Evidence)| {
        let mut evidence = gas();
        set(&mut evidence);
        judge(&evidence).phase == Phase::Overheating
    };
    assert!(!hot(&|_| ()));
    assert!(!hot(&|e| e.non_finite_steps = Some(0)));
    assert!(hot(&|e| e.non_finite_steps = Some(1)));
    for (value, expected) in [(0.9, false), (0.91, true)] {
        assert_eq!(hot(&|e| e.edge_ratio = Some(exact(value))), expected);
    }
    for (value, expected) in [(0.999, false), (1.0, true), (1.001, true)] {
        assert_eq!(hot(&|e| e.stability = Some(exact(value))), expected);
        assert_eq!(hot(&|e| e.norm_growth = Some(exact(value))), expected);
    }
    for (value, expected) in [(3.0, false), (3.01, true), (-9.0, false)] {
        assert_eq!(hot(&|e| e.step_growth = Some(about(value))), expected);
    }
    // Growing steps count from the energy of the gas on.
    for (energy, expected) in [(9.999, false), (10.0, true), (11.0, true)] {
        assert_eq!(
            hot(&|e| {
                e.step_growth = Some(about(5.0));
                e.energy = Some(exact(energy));
            }),
            expected
        );
    }
    // An exact value is beyond any number of standard errors, and an exact zero beyond none.
    for (value, expected) in [(1e-9, true), (0.0, false), (-1e-9, false)] {
        assert_eq!(hot(&|e| e.step_growth = Some(exact(value))), expected);
    }
}

#[test]
fn thresholds_of_equilibrium_are_met_or_passed() {
    let settled = |set: &dyn Fn(&mut Evidence)| {
        let mut evidence = gas();
        set(&mut evidence);
        judge(&evidence).phase == Phase::Gas
    };
    assert!(settled(&|_| ()));
    for (value, expected) in [(49.9, false), (50.0, true), (51.0, true)] {
        assert_eq!(settled(&|e| e.effective_samples = Some(value)), expected);
    }
    for (value, expected) in [(1.24, false), (1.25, true), (1.3, true)] {
        assert_eq!(settled(&|e| e.age = Some(value)), expected);
    }
    for (value, expected) in [(0.94, false), (0.96, true), (1.04, true), (1.06, false)] {
        assert_eq!(
            settled(&|e| e.norm_stationarity = Some(exact(value))),
            expected
        );
    }
    for (value, expected) in [(-3.01, false), (-3.0, true), (3.0, true), (3.01, false)] {
        assert_eq!(settled(&|e| e.energy_drift = Some(about(value))), expected);
    }
    let mut evidence = gas();
    evidence.norm_stationarity = Some(exact(0.25));
    let found = judge(&evidence);
    assert_eq!(found.phase, Phase::OutOfEquilibrium);
    assert_eq!(ground(&found, Criterion::NormDrift), (0.75, 0.05));
    assert_eq!(ground(&found, Criterion::EffectiveSamples), (400.0, 50.0));
    assert_eq!(ground(&found, Criterion::EnergyDrift), (0.0, 3.0));
}

#[test]
fn condensing_takes_a_fall_of_the_energy_and_growing_order() {
    let phase = |drift: f64, q: Option<f64>, spread: Option<f64>| {
        let mut evidence = gas();
        evidence.effective_samples = Some(1.0);
        evidence.energy_drift = Some(about(drift));
        evidence.overlap_drift = q.map(about);
        evidence.participation_drift = spread.map(about);
        judge(&evidence).phase
    };
    let (on, off) = (Phase::Condensing, Phase::OutOfEquilibrium);
    for (drift, q, spread, expected) in [
        (-3.01, Some(3.01), None, on),
        (-3.0, Some(3.01), None, off),
        (3.01, Some(3.01), None, off),
        (-3.01, Some(3.0), None, off),
        (-3.01, Some(-9.0), None, off),
        (-3.01, None, Some(-3.01), on),
        (-3.01, None, Some(-3.0), off),
        (-3.01, None, Some(9.0), off),
        (-3.01, Some(0.0), Some(-4.0), on),
        (-3.01, None, None, off),
    ] {
        assert_eq!(
            phase(drift, q, spread),
            expected,
            "{drift} {q:?} {spread:?}"
        );
    }
}

#[test]
fn order_is_an_overlap_beyond_the_null_and_beyond_its_error() {
    let phase = |value: f64, error: f64, null: f64| {
        let mut evidence = gas();
        evidence.long_overlap = Some(Overlap::new(est(value, error, 9.0), null));
        let found = judge(&evidence);
        assert_eq!(
            ground(&found, Criterion::LongOverlap),
            (value, 3.0 * error.max(null))
        );
        found.phase
    };
    for (error, null) in [(0.25, 0.125), (0.125, 0.25)] {
        assert_eq!(phase(0.75, error, null), Phase::Gas);
        assert_eq!(phase(0.76, error, null), Phase::Mixed);
        assert_eq!(phase(-0.9, error, null), Phase::Gas);
    }
}

#[test]
fn a_gas_has_nine_tenths_of_the_energy_or_that_of_the_gas() {
    let phase = |energy: Estimate, best: Option<f64>| {
        let mut evidence = gas();
        evidence.energy = Some(energy);
        evidence.best_energy = best.map(exact);
        judge(&evidence).phase
    };
    assert_eq!(phase(exact(9.0), Some(0.0)), Phase::Mixed);
    assert_eq!(phase(exact(9.01), Some(0.0)), Phase::Gas);
    assert_eq!(phase(exact(9.01), None), Phase::Mixed);
    // Three standard errors below that of the gas.
    assert_eq!(phase(about(7.01), None), Phase::Gas);
    assert_eq!(phase(about(7.0), None), Phase::Mixed);
    assert_eq!(phase(about(99.0), None), Phase::Gas);
    // The errors of both count: 3-4-5.
    let mut evidence = gas();
    evidence.gas_energy = Some(est(10.0, 3.0, 9.0));
    for (energy, expected) in [(-5.0, Phase::Mixed), (-4.99, Phase::Gas)] {
        evidence.energy = Some(est(energy, 4.0, 9.0));
        let found = judge(&evidence);
        assert_eq!(found.phase, expected);
        near(
            ground(&found, Criterion::GasEnergy).0,
            (energy - 10.0) / 5.0,
            1e-12,
        );
    }
}

#[test]
fn a_trapped_gas_has_a_witness_or_is_undercooled() {
    let with = |energy: f64, q: f64, u: f64| {
        let mut evidence = gas();
        evidence.energy = Some(exact(u));
        evidence.best_energy = Some(exact(0.0));
        evidence.witness = Some(Witness {
            energy: about(energy),
            long_overlap: Overlap::new(est(q, 0.25, 9.0), 0.125),
        });
        judge(&evidence).phase
    };
    assert_eq!(with(4.99, 0.8, 10.0), Phase::Trapped);
    assert_eq!(with(5.0, 0.8, 10.0), Phase::Gas);
    assert_eq!(with(4.99, 0.75, 10.0), Phase::Gas);
    // More than half way up is enough with a witness, and mixed without.
    assert_eq!(with(0.0, 0.8, 5.01), Phase::Trapped);
    assert_eq!(with(-5.0, 0.8, 5.0), Phase::Mixed);
    assert_eq!(with(0.5, 0.8, 5.01), Phase::Mixed);
    let at = |temperature: f64, transition: f64| {
        let mut evidence = gas();
        evidence.temperature = Some(about(temperature));
        evidence.transition_temperature = Some(exact(transition));
        let found = judge(&evidence);
        assert_eq!(
            ground(&found, Criterion::Undercooling),
            (transition - temperature, 3.0)
        );
        (found.phase, found.metastability_not_excluded)
    };
    assert_eq!(at(10.0, 13.5), (Phase::Trapped, false));
    assert_eq!(at(10.0, 13.0), (Phase::Gas, true));
    assert_eq!(at(10.0, 7.0), (Phase::Gas, true));
    assert_eq!(at(10.0, 6.5), (Phase::Gas, false));
    // Order is no gas, whoever knows better.
    let mut evidence = ordered();
    evidence.temperature = Some(about(0.0));
    evidence.transition_temperature = Some(exact(99.0));
    let found = judge(&evidence);
    assert_eq!(found.phase, Phase::Mixed);
    assert!(!found.metastability_not_excluded);
}

#[test]
fn a_condensate_has_its_share_of_heat_or_a_lasting_overlap() {
    let phase = |thermal: Option<f64>, drift: Option<f64>| {
        let mut evidence = ordered();
        evidence.thermal_energy = thermal.map(exact);
        evidence.overlap_drift = drift.map(about);
        judge(&evidence).phase
    };
    let (yes, no) = (Phase::Condensed, Phase::Mixed);
    // The energy is 4 above the best.
    for (thermal, expected) in [
        (1.99, no),
        (2.0, yes),
        (4.0, yes),
        (8.0, yes),
        (8.1, no),
        (0.0, no),
        (-4.0, no),
    ] {
        assert_eq!(phase(Some(thermal), None), expected, "{thermal}");
    }
    for (drift, expected) in [(0.0, yes), (3.0, yes), (-3.0, yes), (3.01, no), (-3.01, no)] {
        assert_eq!(phase(None, Some(drift)), expected, "{drift}");
        assert_eq!(phase(Some(1.0), Some(drift)), expected, "{drift}");
    }
    assert_eq!(phase(None, None), no);
    let mut evidence = ordered();
    evidence.best_energy = Some(exact(1.0));
    evidence.thermal_energy = Some(exact(2.0));
    let found = judge(&evidence);
    assert_eq!(ground(&found, Criterion::Equipartition), (1.5, 0.5));
    assert_eq!(found.evidence, evidence);
    // The factor is one either way, and never below 1.
    evidence.thermal_energy = Some(exact(3.0));
    let mut config = PhaseConfig::default();
    config.equipartition_factor = 0.2;
    let answer = ready(classify(&evidence, None, &config));
    assert_eq!(answer.phase, Phase::Condensed);
}

#[test]
fn what_is_missing_is_named() {
    let missing = |set: &dyn Fn(&mut Evidence)| {
        let mut evidence = gas();
        set(&mut evidence);
        match classify(&evidence, None, &PhaseConfig::default()) {
            Ok(Reading::Undefined(Reason::Missing(what))) => what,
            other => panic!("{other:?}"),
        }
    };
    assert!(missing(&|e| e.effective_samples = None).contains("samples"));
    assert!(missing(&|e| e.energy_drift = None).contains("drift"));
    assert!(missing(&|e| e.energy = None).contains("energy"));
    assert!(missing(&|e| e.gas_energy = None).contains("energy"));
    assert!(missing(&|e| e.long_overlap = None).contains("overlap"));
}

type Setter<'a> = &'a dyn Fn(&mut Evidence, Estimate);

#[test]
fn evidence_and_thresholds_are_checked() {
    let ask = |set: &dyn Fn(&mut Evidence)| {
        let mut evidence = gas();
        evidence.witness = Some(Witness {
            energy: exact(1.0),
            long_overlap: Overlap::new(exact(0.1), 0.1),
        });
        set(&mut evidence);
        classify(&evidence, None, &PhaseConfig::default())
    };
    assert!(ask(&|_| ()).is_ok());
    let setters: [Setter<'_>; 17] = [
        &|e, x| e.step_growth = Some(x),
        &|e, x| e.edge_ratio = Some(x),
        &|e, x| e.stability = Some(x),
        &|e, x| e.norm_growth = Some(x),
        &|e, x| e.norm_stationarity = Some(x),
        &|e, x| e.energy_drift = Some(x),
        &|e, x| e.overlap_drift = Some(x),
        &|e, x| e.participation_drift = Some(x),
        &|e, x| e.energy = Some(x),
        &|e, x| e.gas_energy = Some(x),
        &|e, x| e.best_energy = Some(x),
        &|e, x| e.thermal_energy = Some(x),
        &|e, x| e.temperature = Some(x),
        &|e, x| e.transition_temperature = Some(x),
        &|e, x| e.long_overlap = Some(Overlap::new(x, 0.1)),
        &|e, x| e.witness.as_mut().unwrap().energy = x,
        &|e, x| e.witness.as_mut().unwrap().long_overlap.estimate = x,
    ];
    for set in setters {
        assert!(ask(&|e| set(e, est(0.0, 0.0, 0.0))).is_ok());
        assert_eq!(refused(ask(&|e| set(e, est(0.0, -0.5, 9.0)))), -0.5);
        assert_eq!(refused(ask(&|e| set(e, est(0.0, 0.5, -9.0)))), -9.0);
        for bad in [est(f64::NAN, 0.0, 1.0), est(0.0, f64::INFINITY, 1.0)] {
            assert!(matches!(
                ask(&|e| set(e, bad)),
                Err(Error::NonFinite { .. })
            ));
        }
    }
    for answer in [
        ask(&|e| e.effective_samples = Some(f64::NAN)),
        ask(&|e| e.age = Some(f64::NAN)),
        ask(&|e| e.long_overlap.as_mut().unwrap().null_std_dev = f64::NAN),
        ask(&|e| e.witness.as_mut().unwrap().long_overlap.null_std_dev = f64::NAN),
    ] {
        assert!(matches!(answer, Err(Error::NonFinite { .. })));
    }
    let thresholds: [&dyn Fn(&mut PhaseConfig); 9] = [
        &|c| c.significance = f64::NAN,
        &|c| c.edge_ratio = f64::NAN,
        &|c| c.effective_samples = f64::NAN,
        &|c| c.age = f64::NAN,
        &|c| c.norm_drift = f64::NAN,
        &|c| c.gas_fraction = f64::NAN,
        &|c| c.trapped_fraction = f64::NAN,
        &|c| c.witness_significance = f64::NAN,
        &|c| c.equipartition_factor = f64::NAN,
    ];
    for (index, spoil) in thresholds.iter().enumerate() {
        let mut config = PhaseConfig::default();
        spoil(&mut config);
        assert!(matches!(
            classify(&gas(), None, &config),
            Err(Error::NonFinite { index: found, .. }) if found == index
        ));
    }
}

#[test]
fn a_label_waits_for_the_second_window_unless_a_step_was_not_finite() {
    let config = PhaseConfig::default();
    let next = |e: &Evidence, before: &Classification| ready(classify(e, Some(before), &config));
    let first = judge(&gas());
    assert!(first.metastability_not_excluded);
    let second = next(&ordered(), &first);
    assert_eq!((second.phase, second.candidate), (Phase::Gas, Phase::Mixed));
    // The label, not the candidate, says whether a lower state is excluded.
    assert!(second.metastability_not_excluded);
    let third = next(&ordered(), &second);
    assert_eq!((third.phase, third.candidate), (Phase::Mixed, Phase::Mixed));
    let mut wild = gas();
    wild.non_finite_steps = Some(2);
    assert_eq!(next(&wild, &first).phase, Phase::Overheating);
    wild.non_finite_steps = Some(0);
    wild.edge_ratio = Some(exact(2.0));
    let hot = next(&wild, &first);
    assert_eq!((hot.phase, hot.candidate), (Phase::Gas, Phase::Overheating));
}
