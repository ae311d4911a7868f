//! Order parameters against their laws, and the classifier on systems whose phase is known.

use thermograd::equilibrium::{Truncation, correlated_mean};
use thermograd::phase_transition::{
    Classification, Conditions, Criterion, EnergyScale, Evidence, Overlap, Phase, PhaseConfig,
    Witness, classify, energy_fraction, heat_capacity, long_overlap, mean_resultant_length,
    overlap, overlap_at_lag, participation_ratio, replica_overlap, step_alignment,
};
use thermograd::systems::{CurieWeissSampler, PSpin, PSpinSgd, Random, SaddleToSaddle, Start};
use thermograd::{Error, Estimate, Reading, Reason};

fn vectors(
    n: usize,
    d: usize,
    random: &mut Random,
    mut at: impl FnMut(usize, f64) -> f64,
) -> Vec<Vec<f64>> {
    (0..n)
        .map(|_| (0..d).map(|k| at(k, random.normal())).collect())
        .collect()
}

#[test]
fn isotropic_directions_have_the_null_overlap() {
    let (d, runs) = (50, 200);
    let mut z2 = [0.0; 3];
    for seed in 0..runs {
        let cloud = vectors(40, d, &mut Random::new(seed), |_, x| x);
        let long = long_overlap(&cloud, 1).unwrap();
        let replicas = replica_overlap(&cloud).unwrap();
        let (long, replicas) = (long.ready().unwrap(), replicas.ready().unwrap());
        assert!((long.estimate.value - replicas.estimate.value).abs() < 1e-12);
        z2[0] += (long.estimate.value / long.null_std_dev).powi(2) / runs as f64;
        let many = vectors(200, d, &mut Random::new(seed), |_, x| x);
        let lagged = overlap_at_lag(&many, 3).unwrap();
        let lagged = lagged.ready().unwrap();
        z2[1] += (lagged.estimate.value / lagged.null_std_dev).powi(2) / runs as f64;
        z2[2] += lagged.estimate.z_score(0.0).unwrap().powi(2) / runs as f64;
    }
    // Mean squares over 200, of standard error 0.1; the last has the spread of 40 blocks too.
    assert!(z2.iter().all(|z| (0.7..1.4).contains(z)), "{z2:?}");
}

#[test]
fn condensed_directions_have_the_overlap_of_their_mean() {
    // w = (a, 0, …) + noise: q = ⟨cos⟩² along the axis, from 200 000 draws.
    let (d, a, runs) = (20, 3.0, 100);
    let shifted = |k: usize, x: f64| if k == 0 { a + x } else { x };
    let sample = vectors(200_000, d, &mut Random::new(9), shifted);
    let axis = sample
        .iter()
        .map(|w| w[0] / w.iter().map(|x| x * x).sum::<f64>().sqrt())
        .sum::<f64>()
        / 2e5;
    let (mut z2, mut mean) = (0.0, 0.0);
    for seed in 0..runs {
        let cloud = vectors(30, d, &mut Random::new(seed), shifted);
        let r = mean_resultant_length(&cloud, 1).unwrap();
        let q = long_overlap(&cloud, 1).unwrap();
        mean += r.ready().unwrap().value / runs as f64;
        z2 += q
            .ready()
            .unwrap()
            .estimate
            .z_score(axis * axis)
            .unwrap()
            .powi(2)
            / runs as f64;
    }
    assert!((mean - axis).abs() < 0.01, "{mean} {axis}");
    assert!((0.6..1.6).contains(&z2), "{z2}");
}

#[test]
fn participation_ratio_has_no_bias() {
    let (d, n, runs) = (100, 20, 100);
    let (mut isotropic, mut two) = (0.0, 0.0);
    for seed in 0..runs {
        let cloud = vectors(n, d, &mut Random::new(seed), |_, x| x);
        isotropic += participation_ratio(&cloud).unwrap().ready().unwrap().value / runs as f64;
        let cloud = vectors(60, 12, &mut Random::new(seed), |k, x| {
            if k < 2 { 3.0 * x } else { 0.3 * x }
        });
        two += participation_ratio(&cloud).unwrap().ready().unwrap().value / runs as f64;
    }
    // The naive ratio of these 20 snapshots is 15.9.
    assert!((isotropic / 100.0 - 1.0).abs() < 0.15, "{isotropic}");
    let truth = (18.0_f64 + 0.9).powi(2) / (2.0 * 81.0 + 10.0 * 0.0081);
    assert!((two / truth - 1.0).abs() < 0.02, "{two} {truth}");
    assert!(matches!(
        participation_ratio(&vec![[1.0, 2.0]; 30]).unwrap(),
        Reading::Undefined(_)
    ));
}

#[test]
fn alignment_tells_drift_diffusion_and_oscillation() {
    let mut random = Random::new(4);
    let walk = |drift: f64, sign: f64, random: &mut Random| -> Vec<Vec<f64>> {
        let mut w = vec![0.0; 30];
        let mut direction = 1.0;
        (0..600)
            .map(|_| {
                direction *= sign;
                for x in &mut w {
                    *x += drift * direction + random.normal();
                }
                w.clone()
            })
            .collect()
    };
    let mut alignment = |drift, sign| {
        let found = step_alignment(&walk(drift, sign, &mut random)).unwrap();
        *found.ready().unwrap()
    };
    let diffusion = alignment(0.0, 1.0);
    assert!(diffusion.z_score(0.0).unwrap().abs() < 4.0, "{diffusion}");
    assert!(alignment(3.0, 1.0).value > 0.85 && alignment(3.0, -1.0).value < -0.85);
}

#[test]
fn bad_snapshots_are_refused() {
    assert!(matches!(
        overlap(&[1.0, 2.0], &[1.0]),
        Err(Error::LengthMismatch { .. })
    ));
    assert!(matches!(
        overlap(&[1.0, f64::NAN], &[1.0, 0.0]),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(matches!(
        overlap(&[1e200], &[1.0]),
        Err(Error::Overflow { .. })
    ));
    assert!(matches!(
        overlap(&[0.0], &[1.0]).unwrap(),
        Reading::Undefined(_)
    ));
    assert!(matches!(overlap(&[], &[]).unwrap(), Reading::Undefined(_)));
    assert!(long_overlap(&[[1.0]; 20], 0).is_err());
    assert!(matches!(
        long_overlap(&[[1.0]; 20], 5).unwrap(),
        Reading::Pending {
            seen: 20,
            needed: 40
        }
    ));
    assert!(matches!(
        long_overlap::<Vec<f64>>(&[], 1).unwrap(),
        Reading::Pending { .. }
    ));
    assert!(matches!(
        overlap_at_lag(&[[1.0]; 3], 7).unwrap(),
        Reading::Pending { .. }
    ));
    assert!(matches!(
        step_alignment(&[[1.0]; 30]).unwrap(),
        Reading::Undefined(_)
    ));
    let noisy = Estimate {
        value: 1.0,
        std_error: 0.5,
        n_eff: 9.0,
    };
    let scale = EnergyScale {
        gas: noisy,
        best: noisy,
    };
    assert!(matches!(
        energy_fraction(&noisy, &scale).unwrap(),
        Reading::Undefined(Reason::DividesByNoise(_))
    ));
}

/// Least-squares slope over 20 batch means, and its error.
fn slope(series: &[f64]) -> Estimate {
    let size = series.len() / 20;
    let means: Vec<f64> = series
        .chunks_exact(size)
        .map(|c| c.iter().sum::<f64>() / size as f64)
        .collect();
    let n = means.len() as f64;
    let (x, y) = (0.5 * (n - 1.0), means.iter().sum::<f64>() / n);
    let sxx: f64 = (0..means.len()).map(|i| (i as f64 - x).powi(2)).sum();
    let b = means
        .iter()
        .enumerate()
        .map(|(i, m)| (i as f64 - x) * (m - y))
        .sum::<f64>()
        / sxx;
    let residual: f64 = means
        .iter()
        .enumerate()
        .map(|(i, m)| (m - y - b * (i as f64 - x)).powi(2))
        .sum();
    Estimate {
        value: b / size as f64,
        std_error: (residual / (n - 2.0) / sxx).sqrt() / size as f64,
        n_eff: n,
    }
}

fn exact(value: f64) -> Estimate {
    Estimate {
        value,
        std_error: 0.0,
        n_eff: 1e9,
    }
}

/// Evidence of a stationary window of the p-spin ferromagnet.
#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn window(p: u32, d: usize, reduced: f64, start: Start, seed: u64) -> Evidence {
    let system = PSpin::new(p, d).unwrap();
    let t = reduced / d as f64;
    let eta = 0.02;
    let mut sgd = PSpinSgd::new(system, t, eta, start, seed).unwrap();
    for _ in 0..2000 {
        sgd.step();
    }
    let (mut losses, mut snapshots) = (Vec::new(), Vec::new());
    for i in 0..16_000 {
        sgd.step();
        losses.push(sgd.loss());
        if i % 250 == 0 {
            snapshots.push(sgd.weights().to_vec());
        }
    }
    // Any estimate of the series carries its number of independent samples.
    let n_eff = heat_capacity(&losses, &Conditions::at(t))
        .unwrap()
        .ready()
        .unwrap()
        .n_eff;
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / losses.len() as f64;
    let mut evidence = Evidence::default();
    evidence.non_finite_steps = Some(0);
    evidence.effective_samples = Some(n_eff);
    evidence.energy_drift = Some(slope(&losses));
    evidence.energy = Some(Estimate {
        value: mean,
        std_error: (variance / n_eff).sqrt(),
        n_eff,
    });
    // ⟨L⟩ over the uniform sphere.
    evidence.gas_energy = Some(exact(if p == 2 { -1.0 / d as f64 } else { 0.0 }));
    evidence.best_energy = Some(exact(-1.0));
    evidence.thermal_energy = Some(exact(0.5 * (d as f64 - 1.0) * t));
    evidence.long_overlap = long_overlap(&snapshots, 1).unwrap().ready().copied();
    evidence.temperature = Some(exact(t));
    evidence
}

#[expect(clippy::unwrap_used, reason = "a test wants the value or the panic")]
fn label(evidence: &Evidence) -> Classification {
    let answer = classify(evidence, None, &PhaseConfig::default()).unwrap();
    answer.ready().unwrap().clone()
}

#[test]
fn p_spin_phases_are_named() {
    let condensed = window(2, 100, 1.0, Start::Condensed, 1);
    assert_eq!(
        label(&condensed).phase,
        Phase::Condensed,
        "{:?}",
        label(&condensed)
    );
    let gas = label(&window(2, 100, 4.0, Start::Gas, 2));
    assert_eq!(gas.phase, Phase::Gas, "{gas:?}");

    // First order: one temperature, two states.
    let condensed = window(3, 1000, 0.9, Start::Condensed, 3);
    assert_eq!(
        label(&condensed).phase,
        Phase::Condensed,
        "{:?}",
        label(&condensed)
    );
    let mut gas = window(3, 1000, 0.9, Start::Gas, 4);
    let alone = label(&gas);
    assert_eq!(alone.phase, Phase::Gas, "{alone:?}");
    assert!(alone.metastability_not_excluded);
    gas.witness = Some(Witness {
        energy: condensed.energy.unwrap(),
        long_overlap: condensed.long_overlap.unwrap(),
    });
    let trapped = label(&gas);
    assert_eq!(trapped.phase, Phase::Trapped, "{trapped:?}");
    assert!(
        trapped
            .grounds
            .iter()
            .any(|g| g.criterion == Criterion::Witness && g.value > g.threshold)
    );
    // The transition's temperature is a witness as well.
    gas.witness = None;
    gas.transition_temperature = Some(exact(1.0221 / 1000.0));
    assert_eq!(label(&gas).phase, Phase::Trapped);
    // Above the spinodal both starts are one gas, and a known transition excludes a lower state.
    let mut hot = window(3, 1000, 1.25, Start::Condensed, 5);
    assert_eq!(label(&hot).phase, Phase::Gas, "{:?}", label(&hot));
    hot.transition_temperature = Some(exact(1.0221 / 1000.0));
    assert_eq!(label(&hot).phase, Phase::Gas);
    assert!(!label(&hot).metastability_not_excluded);
}

/// A magnet of 1000 spins on both sides of its Curie point: the overlap of two moments is the product of
/// their magnetisations.
#[test]
fn a_magnet_is_condensed_below_its_curie_point_and_a_gas_above() {
    let (sites, lag) = (1000, 20);
    let size = sites as f64;
    for (temperature, expected) in [
        (0.5, Phase::Condensed),
        (0.8, Phase::Condensed),
        (1.5, Phase::Gas),
    ] {
        let mut magnet = CurieWeissSampler::new(sites, temperature, 3).unwrap();
        (0..200).for_each(|_| magnet.step());
        let (energies, moments): (Vec<f64>, Vec<f64>) = (0..4000)
            .map(|_| {
                magnet.step();
                (magnet.energy() / size, magnet.magnetization() / size)
            })
            .unzip();
        let overlaps: Vec<f64> = moments.windows(lag + 1).map(|m| m[0] * m[lag]).collect();
        let mean = |series: &[f64]| {
            let mean = correlated_mean(series, Truncation::default()).unwrap();
            *mean.ready().unwrap()
        };
        let (energy, overlap) = (mean(&energies), mean(&overlaps));
        let mut evidence = Evidence::default();
        evidence.effective_samples = Some(energy.n_eff);
        evidence.energy_drift = Some(slope(&energies));
        evidence.overlap_drift = Some(slope(&overlaps));
        evidence.energy = Some(energy);
        evidence.gas_energy = Some(exact(-0.5 / size));
        evidence.best_energy = Some(exact(-0.5));
        evidence.long_overlap = Some(Overlap::new(overlap, (size * overlap.n_eff).sqrt().recip()));
        evidence.temperature = Some(exact(temperature));
        let found = label(&evidence);
        assert_eq!(found.phase, expected, "{temperature}: {found:?}");
    }
}

#[test]
fn ramps_and_quenches_are_out_of_equilibrium() {
    // A gas quenched below its continuous transition condenses.
    let system = PSpin::new(2, 200).unwrap();
    let mut sgd = PSpinSgd::new(system, 0.3 / 200.0, 0.005, Start::Gas, 3).unwrap();
    let (mut losses, mut overlaps) = (Vec::new(), Vec::new());
    for _ in 0..600 {
        sgd.step();
        losses.push(sgd.loss());
        overlaps.push(sgd.overlap().powi(2));
    }
    let mut evidence = Evidence::default();
    evidence.effective_samples = Some(5.0);
    evidence.energy_drift = Some(slope(&losses));
    evidence.overlap_drift = Some(slope(&overlaps));
    assert_eq!(label(&evidence).phase, Phase::Condensing);
    // The same without an order parameter is only out of equilibrium; rising energy too.
    evidence.overlap_drift = None;
    assert_eq!(label(&evidence).phase, Phase::OutOfEquilibrium);

    // Saddle to saddle: a plateau and a fall, no stationary state.
    let mut descent = SaddleToSaddle::new(2.0, 1e-4)
        .unwrap()
        .descent(0.005)
        .unwrap();
    let losses: Vec<f64> = (0..800)
        .map(|_| {
            descent.step();
            descent.loss()
        })
        .collect();
    let mut evidence = Evidence::default();
    evidence.effective_samples = Some(1000.0);
    evidence.energy_drift = Some(slope(&losses));
    assert_eq!(label(&evidence).phase, Phase::OutOfEquilibrium);

    // Otherwise fit for a verdict, each of these unsettles it.
    let settled = window(2, 100, 4.0, Start::Gas, 2);
    for unsettle in [
        |e: &mut Evidence| e.effective_samples = Some(49.0),
        |e: &mut Evidence| e.age = Some(1.0),
        |e: &mut Evidence| e.norm_stationarity = Some(exact(1.06)),
        |e: &mut Evidence| {
            e.energy_drift = Some(Estimate {
                value: 4.0,
                std_error: 1.0,
                n_eff: 9.0,
            });
        },
    ] {
        let mut evidence = settled.clone();
        unsettle(&mut evidence);
        assert_eq!(label(&evidence).phase, Phase::OutOfEquilibrium);
    }
}

#[test]
fn instability_is_overheating() {
    // Gradient descent on w²/2 just beyond the edge: each step is 1.1 times the last.
    let (mut w, mut steps, mut losses) = (1.0_f64, Vec::new(), Vec::new());
    for _ in 0..200 {
        losses.push(0.5 * w * w);
        let step = -2.1 * w;
        steps.push((step * step).ln());
        w += step;
    }
    let mut evidence = Evidence::default();
    evidence.step_growth = Some(slope(&steps));
    evidence.energy = Some(exact(losses[199]));
    evidence.gas_energy = Some(exact(1.0));
    assert_eq!(label(&evidence).phase, Phase::Overheating);
    // Growing steps under the energy of the gas are no overheating, and too little for a phase.
    evidence.energy = Some(exact(0.5));
    assert!(matches!(
        classify(&evidence, None, &PhaseConfig::default()).unwrap(),
        Reading::Undefined(Reason::Missing(_))
    ));
    for overheat in [
        |e: &mut Evidence| e.non_finite_steps = Some(1),
        |e: &mut Evidence| e.edge_ratio = Some(exact(0.95)),
        |e: &mut Evidence| e.stability = Some(exact(1.0)),
        |e: &mut Evidence| e.norm_growth = Some(exact(1.2)),
    ] {
        let mut evidence = Evidence::default();
        overheat(&mut evidence);
        assert_eq!(label(&evidence).phase, Phase::Overheating);
    }
    evidence.energy = Some(exact(f64::NAN));
    assert!(classify(&evidence, None, &PhaseConfig::default()).is_err());
}

#[test]
fn a_label_changes_when_two_windows_agree() {
    let config = PhaseConfig::default();
    let mut cold = Evidence::default();
    cold.effective_samples = Some(400.0);
    cold.energy_drift = Some(Estimate {
        value: 0.0,
        std_error: 1.0,
        n_eff: 9.0,
    });
    cold.energy = Some(Estimate {
        value: -0.5,
        std_error: 0.001,
        n_eff: 400.0,
    });
    cold.gas_energy = Some(exact(0.0));
    cold.best_energy = Some(exact(-1.0));
    cold.thermal_energy = Some(exact(0.45));
    cold.long_overlap = Some(Overlap::new(
        Estimate {
            value: 0.6,
            std_error: 0.01,
            n_eff: 30.0,
        },
        0.01,
    ));
    let mut hot = cold.clone();
    hot.energy = Some(Estimate {
        value: 0.0,
        std_error: 0.001,
        n_eff: 400.0,
    });
    hot.long_overlap = Some(Overlap::new(
        Estimate {
            value: 0.0,
            std_error: 0.01,
            n_eff: 30.0,
        },
        0.01,
    ));
    let next = |e: &Evidence, before: Option<&Classification>| {
        classify(e, before, &config)
            .unwrap()
            .ready()
            .unwrap()
            .clone()
    };
    let first = next(&cold, None);
    assert_eq!(first.phase, Phase::Condensed);
    let second = next(&hot, Some(&first));
    assert_eq!(
        (second.phase, second.candidate),
        (Phase::Condensed, Phase::Gas)
    );
    let third = next(&hot, Some(&second));
    assert_eq!(third.phase, Phase::Gas);
    // One window off does not count.
    assert_eq!(next(&cold, Some(&second)).phase, Phase::Condensed);
    // A step that is not finite counts at once.
    hot.non_finite_steps = Some(1);
    assert_eq!(next(&hot, Some(&first)).phase, Phase::Overheating);
    // Stationary between the two, with an overlap that equipartition does not explain: mixed.
    cold.thermal_energy = Some(exact(0.1));
    assert_eq!(label(&cold).phase, Phase::Mixed);
    // An overlap that no longer changes explains it.
    cold.overlap_drift = Some(Estimate {
        value: 0.0,
        std_error: 1.0,
        n_eff: 9.0,
    });
    assert_eq!(label(&cold).phase, Phase::Condensed);
}
