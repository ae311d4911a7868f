//! Curvature: exact cases, calibrated error bars, the edge of stability, closures that fail.

use std::cell::Cell;

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use proptest::prelude::*;
use thermograd::curvature::{
    CentralDifference, Convergence, Coordinates, DensityConfig, Dynamics, HessianVector,
    LanczosConfig, Objective, Probe, TraceConfig, edge_ratio, extremes, frobenius_squared,
    gradient, gradient_f32, hessian_vector, sharpness, spectral_density, trace, traces,
};
use thermograd::systems::{HarmonicBath, HarmonicConfig, Random};
use thermograd::{Error, Groups, Observer, Step, Symmetry, Window, slices};

/// A symmetric matrix with these eigenvalues in a random basis.
pub(crate) fn with_spectrum(eigenvalues: &[f64], seed: u64) -> DMatrix<f64> {
    // Not the stream from which a seed's probes come: they would be eigenvectors.
    let (d, mut random) = (eigenvalues.len(), Random::new(!seed));
    let q = DMatrix::from_fn(d, d, |_, _| random.normal()).qr().q();
    let h = &q * DMatrix::from_diagonal(&DVector::from_column_slice(eigenvalues)) * q.transpose();
    0.5 * (&h + h.transpose())
}

/// Exact products with a matrix.
pub(crate) fn products(matrix: &DMatrix<f64>) -> impl HessianVector + '_ {
    hessian_vector(matrix.nrows(), move |v: &[f64], out: &mut [f64]| {
        out.copy_from_slice((matrix * DVector::from_column_slice(v)).as_slice());
        Ok::<(), std::fmt::Error>(())
    })
}

/// The loss w'Hw/2 + c.
pub(crate) fn quadratic(matrix: &DMatrix<f64>, floor: f64) -> impl Objective + '_ {
    gradient(move |w: &[f64], g: &mut [f64]| {
        let w = DVector::from_column_slice(w);
        let hw = matrix * &w;
        g.copy_from_slice(hw.as_slice());
        floor + 0.5 * w.dot(&hw)
    })
}

fn network_like(d: usize) -> Vec<f64> {
    // A few outliers over a decaying bulk, slightly indefinite.
    (0..d)
        .map(|i| 30.0 / (1.0 + i as f64).powi(2) - 0.01 * i as f64 / d as f64)
        .collect()
}

#[test]
fn signs_see_a_diagonal_without_noise() {
    let diagonal: Vec<f64> = (0..50).map(|i| f64::from(i) - 10.0).collect();
    let mut h = hessian_vector(50, |v: &[f64], out: &mut [f64]| {
        for ((o, v), h) in out.iter_mut().zip(v).zip(&diagonal) {
            *o = h * v;
        }
        Ok::<(), std::fmt::Error>(())
    });
    let found = trace(&mut h, &TraceConfig::default()).unwrap();
    assert_eq!(found.estimate.value, diagonal.iter().sum::<f64>());
    assert_eq!(found.estimate.std_error, 0.0);
    assert_eq!(
        (found.cost.products, found.cost.gradient_evaluations),
        (16, 0)
    );
    let config = TraceConfig::default().probe(Probe::Gaussian);
    assert!(trace(&mut h, &config).unwrap().estimate.std_error > 0.0);
}

#[test]
fn one_probe_has_the_variance_of_its_law() {
    let h = with_spectrum(&network_like(20), 1);
    let frobenius = h.norm_squared();
    let diagonal: f64 = h.diagonal().norm_squared();
    for (probe, variance) in [
        (Probe::Rademacher, 2.0 * (frobenius - diagonal)),
        (Probe::Gaussian, 2.0 * frobenius),
    ] {
        let probes = 20_000;
        let config = TraceConfig::default()
            .probe(probe)
            .relative_error(0.0)
            .most_probes(probes);
        let found = trace(&mut products(&h), &config).unwrap();
        let measured = found.estimate.std_error.powi(2) * probes as f64;
        // Forms of this spectrum have a kurtosis of up to 15: a standard error of √(14/20000).
        assert!(
            (measured / variance - 1.0).abs() < 4.0 * (14.0 / probes as f64).sqrt(),
            "{probe:?}: {measured} against {variance}"
        );
        assert!(found.estimate.z_score(h.trace()).unwrap().abs() < 4.0);
    }
}

/// Mean and standard deviation of the z-scores of `estimate` over seeds.
pub(crate) fn spread_of(z: &[f64]) -> (f64, f64) {
    let n = z.len() as f64;
    let mean = z.iter().sum::<f64>() / n;
    let square: f64 = z.iter().map(|z| (z - mean).powi(2)).sum();
    (mean, (square / (n - 1.0)).sqrt())
}

#[test]
fn error_bars_of_traces_are_calibrated() {
    let h = with_spectrum(&network_like(40), 2);
    let truth = h.trace();
    let z = |config: TraceConfig, seeds: u64| -> Vec<f64> {
        let of = |seed| {
            let found = trace(&mut products(&h), &config.seed(seed)).unwrap();
            found.estimate.z_score(truth).unwrap()
        };
        (0..seeds).map(of).collect()
    };
    // At a fixed number of probes, with and without a sketch.
    for sketch in [0, 8] {
        let fixed = TraceConfig::default()
            .sketch(sketch)
            .relative_error(0.0)
            .most_probes(50);
        let (mean, sd) = spread_of(&z(fixed, 600));
        assert!(
            mean.abs() < 4.0 / 600_f64.sqrt() + 0.1,
            "{sketch}: mean {mean}"
        );
        assert!((sd - 1.0).abs() < 0.15, "{sketch}: sd {sd}");
    }
    // Stopped by their own error bar: one curvature dominates here, probes are skewed, and samples
    // that happen to miss it stop early. The documentation tells how far the bars are off.
    let stopped = TraceConfig::default().relative_error(0.1).most_probes(2000);
    let (mean, sd) = spread_of(&z(stopped, 600));
    println!("stopped, dominated by one: {mean:.2} {sd:.2}");
    assert!(
        (-0.35..0.0).contains(&mean) && (1.1..1.4).contains(&sd),
        "{mean} {sd}"
    );
    // With many curvatures of one size they hold.
    let even: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i) / 40.0).collect();
    let h = with_spectrum(&even, 3);
    let stopped = stopped.relative_error(0.02);
    let z: Vec<f64> = (0..600)
        .map(|seed| {
            let found = trace(&mut products(&h), &stopped.seed(seed)).unwrap();
            found.estimate.z_score(h.trace()).unwrap()
        })
        .collect();
    let (mean, sd) = spread_of(&z);
    println!("stopped, even: {mean:.2} {sd:.2}");
    assert!(mean.abs() < 0.2 && (sd - 1.05).abs() < 0.15, "{mean} {sd}");
}

#[test]
fn a_sketch_that_holds_the_range_is_exact_and_one_that_holds_most_is_cheaper() {
    let mut low = vec![0.0; 40];
    low[..5].copy_from_slice(&[9.0, 5.0, -3.0, 2.0, 1.0]);
    let h = with_spectrum(&low, 3);
    let found = trace(&mut products(&h), &TraceConfig::default().sketch(6)).unwrap();
    assert!(
        (found.estimate.value - 14.0).abs() < 1e-10,
        "{}",
        found.estimate
    );
    assert!(found.estimate.std_error < 1e-10);

    let h = with_spectrum(&network_like(100), 4);
    let config = TraceConfig::default()
        .relative_error(0.01)
        .most_probes(100_000);
    let plain = trace(&mut products(&h), &config).unwrap();
    let sketched = trace(&mut products(&h), &config.sketch(10)).unwrap();
    for found in [plain, sketched] {
        assert_eq!(found.convergence, Convergence::Met);
        assert!(found.estimate.z_score(h.trace()).unwrap().abs() < 4.0);
    }
    assert!(
        10 * sketched.cost.products < plain.cost.products,
        "{} against {}",
        sketched.cost.products,
        plain.cost.products
    );
    // A sketch of everything leaves nothing to probe.
    let whole = trace(&mut products(&h), &config.sketch(1000)).unwrap();
    assert!((whole.estimate.value - h.trace()).abs() < 1e-9);
    assert_eq!((whole.estimate.std_error, whole.cost.products), (0.0, 200));
}

#[test]
fn groups_add_up() {
    let h = with_spectrum(&network_like(30), 5);
    let groups = [
        Coordinates::range(0..10).unwrap(),
        Coordinates::ranges([10..12, 20..30]).unwrap(),
        Coordinates::mask(&std::array::from_fn::<_, 30, _>(|i| (12..20).contains(&i))).unwrap(),
    ];
    let config = TraceConfig::default().relative_error(0.0).most_probes(500);
    let shared = traces(&mut products(&h), &groups, &config).unwrap();
    let whole = trace(&mut products(&h), &config).unwrap();
    let sum: f64 = shared.iter().map(|t| t.estimate.value).sum();
    assert!((sum - whole.estimate.value).abs() < 1e-9 * whole.estimate.value.abs());
    let full = SymmetricEigen::new(h.clone()).eigenvalues;
    for (group, shared) in groups.iter().zip(&shared) {
        let exact: f64 = group
            .as_ranges()
            .iter()
            .flat_map(Clone::clone)
            .map(|i| h[(i, i)])
            .sum();
        assert!(shared.estimate.z_score(exact).unwrap().abs() < 4.0);
        assert_eq!(shared.cost.products, 500);
        let mut block = group.block(products(&h)).unwrap();
        let alone = trace(&mut block, &config).unwrap();
        assert!(alone.estimate.z_score(exact).unwrap().abs() < 4.0);
        // Interlacing.
        let config = LanczosConfig::default().smallest(1).tolerance(1e-10);
        let found = extremes(&mut block, &config).unwrap();
        assert!(found.largest[0].value <= full.max() + 1e-9);
        assert!(found.smallest[0].value >= full.min() - 1e-9);
        // The same block by differences over the restricted objective.
        let restricted = group.of(quadratic(&h, 0.0), &[0.3; 30]).unwrap();
        let at = vec![0.3; group.len()];
        let mut differences = CentralDifference::new(restricted, &at).unwrap();
        let again = extremes(&mut differences, &config).unwrap();
        assert!((again.largest[0].value - found.largest[0].value).abs() < 1e-7);
    }
}

#[test]
fn extremes_are_those_of_the_full_decomposition() {
    for (seed, d) in [(1, 1), (2, 2), (3, 7), (4, 60), (5, 150)] {
        for h in [
            with_spectrum(&network_like(d), seed),
            // Wigner: no gaps to help.
            {
                let mut random = Random::new(seed);
                let a = DMatrix::from_fn(d, d, |_, _| random.normal());
                (&a + a.transpose()) / (8.0 * d as f64).sqrt()
            },
        ] {
            let mut exact: Vec<f64> = SymmetricEigen::new(h.clone())
                .eigenvalues
                .iter()
                .copied()
                .collect();
            exact.sort_by(f64::total_cmp);
            let config = LanczosConfig::default()
                .largest(3.min(d))
                .smallest(d.min(5) - 3.min(d))
                .tolerance(1e-9)
                .steps(150);
            let found = extremes(&mut products(&h), &config).unwrap();
            assert_eq!(found.convergence, Convergence::Met);
            let by_differences = {
                let w: Vec<f64> = (0..d).map(|i| (i as f64).sin()).collect();
                let mut h = CentralDifference::new(quadratic(&h, 1.0), &w).unwrap();
                extremes(&mut h, &config.tolerance(1e-7)).unwrap()
            };
            for (k, pair) in found.largest.iter().enumerate() {
                assert!(
                    (pair.value - exact[d - 1 - k]).abs() < 1e-8,
                    "{d}: {}",
                    pair.value
                );
                let v = DVector::from_column_slice(&pair.vector);
                assert!((v.norm() - 1.0).abs() < 1e-12);
                assert!((&h * &v - pair.value * &v).norm() < pair.residual + 1e-9);
                let other = &by_differences.largest[k];
                assert!(
                    (other.value - exact[d - 1 - k]).abs() < 1e-6,
                    "{}",
                    other.value
                );
            }
            for (k, pair) in found.smallest.iter().enumerate() {
                assert!((pair.value - exact[k]).abs() < 1e-8, "{d}: {}", pair.value);
            }
        }
    }
}

#[test]
fn what_ran_out_of_steps_says_so_and_its_bound_holds() {
    let mut random = Random::new(9);
    let a = DMatrix::from_fn(200, 200, |_, _| random.normal());
    let h = (&a + a.transpose()) / 40.0;
    let exact = SymmetricEigen::new(h.clone()).eigenvalues;
    let config = LanczosConfig::default().steps(12).tolerance(1e-9);
    let found = extremes(&mut products(&h), &config).unwrap();
    assert_eq!(found.convergence, Convergence::Exhausted);
    let top = found.top().unwrap();
    assert!(top.residual > 0.0);
    assert!(exact.iter().any(|e| (e - top.value).abs() <= top.residual));
    // Equal eigenvalues of a small Hessian are all found once asked for.
    let identity = DMatrix::identity(4, 4);
    let config = LanczosConfig::default().largest(4);
    let found = extremes(&mut products(&identity), &config).unwrap();
    assert_eq!(found.largest.len(), 4);
    assert!(
        found
            .largest
            .iter()
            .all(|pair| (pair.value - 1.0).abs() < 1e-12)
    );
}

#[test]
fn the_spectrum_by_quadrature() {
    let spectrum: Vec<f64> = (0..60)
        .map(|i| 0.5 + 3.0 * (f64::from(i) / 59.0).powi(2))
        .collect();
    let h = with_spectrum(&spectrum, 6);
    let ln_det: f64 = spectrum.iter().map(|h| (h + 0.1).ln()).sum();
    let mut z = Vec::new();
    for seed in 0..200 {
        let config = DensityConfig::default().probes(10).steps(20).seed(seed);
        let found = spectral_density(&mut products(&h), &config).unwrap();
        let reading = found.ln_det(0.1).unwrap();
        let value = reading.ready().unwrap();
        assert!(
            value.truncation < 1e-3 * value.estimate.std_error,
            "{value:?}"
        );
        z.push(value.estimate.z_score(ln_det).unwrap());
        if seed == 0 {
            assert_eq!(found.cost().products, 200);
            let total: f64 = found.nodes().map(|(_, weight)| weight).sum();
            assert!((total - 1.0).abs() < 1e-12);
            // The first moment is the trace by the same probes, exactly.
            let first = found.trace_of(|h| h);
            let config = TraceConfig::default()
                .relative_error(0.0)
                .least_probes(10)
                .most_probes(10);
            let same = trace(&mut products(&h), &config).unwrap();
            let first = first.ready().unwrap().estimate;
            assert!((first.value - same.estimate.value).abs() < 1e-9);
            assert!((first.std_error - same.estimate.std_error).abs() < 1e-9);
            // The density integrates to one.
            let area: f64 = (-100..=500)
                .map(|i| {
                    found
                        .density(0.01 * f64::from(i), 0.1)
                        .unwrap()
                        .ready()
                        .unwrap()
                        .value
                })
                .sum();
            assert!((0.01 * area - 1.0).abs() < 1e-9, "{area}");
        }
    }
    // Ten probes: Student's t with nine degrees of freedom has standard deviation √(9/7) = 1.13.
    let (mean, sd) = spread_of(&z);
    assert!(mean.abs() < 0.35, "{mean}");
    assert!((sd - 1.13).abs() < 0.25, "{sd}");
    let indefinite = with_spectrum(&[1.0, -0.2, 3.0], 7);
    let found = spectral_density(&mut products(&indefinite), &DensityConfig::default()).unwrap();
    assert!(found.ln_det(0.0).unwrap().ready().is_none());
    assert!(found.ln_det(0.3).unwrap().ready().is_some());
}

#[test]
fn curvature_along_the_update_is_the_edge_ratio_for_free() {
    // Exactly, in every stationary state, whatever Hessian and noise.
    let mut random = Random::new(4);
    for (eta, mu) in [(0.1, 0.0), (0.4, 0.0), (0.2, 0.9)] {
        let hessian = with_spectrum(&[0.5, 1.0, 2.0, 3.0], 8);
        let root = DMatrix::from_fn(4, 4, |_, _| random.normal());
        let noise = &root * root.transpose();
        let config = HarmonicConfig::new(eta).momentum(mu);
        let bath = HarmonicBath::new(hessian.as_slice(), noise.as_slice(), config).unwrap();
        let moments = bath.stationary().unwrap();
        // Δ = −η v.
        let velocity = DMatrix::from_row_slice(4, 4, moments.velocity_covariance());
        let along = (&hessian * &velocity).trace() / velocity.trace();
        let expected = eta * along / (2.0 * (1.0 + mu));
        assert!((moments.edge_ratio() - expected).abs() < 1e-9 * expected);

        // And in a run, by the two instruments.
        let mut groups = Groups::new();
        let group = groups.add("w", Symmetry::Generic);
        let config = thermograd::Config::every_step().window(Window::Growing);
        let mut observer = Observer::with_config(groups, config).unwrap();
        let mut run = bath.stationary_sampler(3).unwrap();
        let mut along = Vec::new();
        for _ in 0..4000 {
            let before = run.weights().to_vec();
            let facts = Step::new(run.batch_loss()).learning_rate(eta).momentum(mu);
            observer
                .observe(&facts, &slices(group, run.weights(), run.gradient()))
                .unwrap();
            run.step().unwrap();
            let update: Vec<f64> = run
                .weights()
                .iter()
                .zip(&before)
                .map(|(a, b)| a - b)
                .collect();
            along.push(sharpness(&mut products(&hessian), &update).unwrap());
        }
        let rates = Dynamics::learning_rate(eta).momentum(mu);
        let direct = edge_ratio(&along, rates).unwrap();
        let direct = direct.ready().unwrap();
        let z = direct.z_score(expected).unwrap();
        assert!(z.abs() < 4.0, "{direct} against {expected}");
        let free = observer.read(group, "edge_ratio").unwrap();
        let z = free.ready().unwrap().z_score(expected).unwrap();
        assert!(z.abs() < 4.0, "{free} against {expected}");
    }
}

#[test]
fn every_evaluation_is_counted() {
    let h = with_spectrum(&network_like(12), 10);
    let calls = Cell::new(0_u64);
    let counted = || {
        let counting = gradient(|w: &[f64], g: &mut [f64]| {
            calls.set(calls.get() + 1);
            let hw = &h * DVector::from_column_slice(w);
            g.copy_from_slice(hw.as_slice());
            0.0
        });
        CentralDifference::new(counting, &[1.0; 12]).unwrap()
    };
    let config = TraceConfig::default().sketch(3);
    let cost = [
        trace(&mut counted(), &config).unwrap().cost,
        frobenius_squared(&mut counted(), &config).unwrap().cost,
        extremes(&mut counted(), &LanczosConfig::default().largest(2))
            .unwrap()
            .cost,
        spectral_density(&mut counted(), &DensityConfig::default())
            .unwrap()
            .cost(),
        sharpness(&mut counted(), &[1.0; 12]).unwrap().cost,
    ];
    assert_eq!(
        calls.get(),
        cost.iter().map(|c| c.gradient_evaluations).sum::<u64>()
    );
    assert!(
        cost.iter()
            .all(|c| c.gradient_evaluations == 2 * c.products)
    );
}

#[test]
fn single_precision_is_told_from_curvature() {
    let h = with_spectrum(&network_like(50), 11);
    let narrow = gradient_f32(|w: &[f32], g: &mut [f32]| {
        let w: Vec<f64> = w.iter().map(|w| f64::from(*w)).collect();
        let hw = &h * DVector::from_vec(w);
        for (g, hw) in g.iter_mut().zip(hw.iter()) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "single precision is the point"
            )]
            let rounded = *hw as f32;
            *g = rounded;
        }
        0.0_f32
    });
    let w: Vec<f64> = (0..50).map(|i| f64::from(i).cos()).collect();
    let mut hessian = CentralDifference::new(narrow, &w).unwrap();
    let found = extremes(&mut hessian, &LanczosConfig::default()).unwrap();
    assert!(
        (found.largest[0].value - 30.0).abs() < 0.03,
        "{}",
        found.largest[0].value
    );
    let config = TraceConfig::default().sketch(5).relative_error(0.001);
    let found = trace(&mut hessian, &config).unwrap();
    let z = found.estimate.z_score(h.trace()).unwrap();
    assert!(
        z.abs() < 4.0 && found.estimate.std_error < 0.3,
        "{}",
        found.estimate
    );
}

#[test]
fn closures_that_fail() {
    let at = [1.0, 2.0];
    let run = |answer: fn(&mut [f64]) -> Result<f64, String>| {
        let objective = gradient(move |_: &[f64], g: &mut [f64]| answer(g));
        let mut h = CentralDifference::new(objective, &at)?;
        trace(&mut h, &TraceConfig::default()).map(|_| ())
    };
    let failed = run(|_| Err("no memory".to_owned())).unwrap_err();
    assert!(
        matches!(&failed, Error::Evaluation { evaluation: 1, cause, .. } if cause == "no memory"),
        "{failed}"
    );
    // Written in part.
    let partly = run(|g| {
        g[0] = 1.0;
        Ok(0.0)
    });
    assert!(
        matches!(partly, Err(Error::NonFinite { index: 1, .. })),
        "{partly:?}"
    );
    let endless = run(|g| {
        g.fill(0.0);
        Ok(f64::INFINITY)
    });
    assert!(
        matches!(endless, Err(Error::NonFinite { .. })),
        "{endless:?}"
    );
    let huge = run(|g| {
        g.fill(1e200);
        Ok(0.0)
    });
    assert!(matches!(huge, Err(Error::Overflow { .. })), "{huge:?}");
    let mut wrong = hessian_vector(2, |_: &[f64], out: &mut [f64]| {
        out.fill(f64::NAN);
        Ok::<(), std::fmt::Error>(())
    });
    assert!(extremes(&mut wrong, &LanczosConfig::default()).is_err());
    assert!(spectral_density(&mut wrong, &DensityConfig::default()).is_err());
    assert!(sharpness(&mut wrong, &[1.0]).is_err());
    assert!(sharpness(&mut wrong, &[1.0, f64::NAN]).is_err());
    assert!(
        traces(
            &mut wrong,
            &[Coordinates::range(0..3).unwrap()],
            &TraceConfig::default()
        )
        .is_err()
    );
}

#[test]
fn options_out_of_range() {
    let h = DMatrix::<f64>::identity(2, 2);
    let bad = [
        TraceConfig::default().least_probes(1),
        TraceConfig::default().most_probes(3),
        TraceConfig::default().relative_error(f64::NAN),
        TraceConfig::default().absolute_error(-1.0),
        TraceConfig::default().sketch(usize::MAX),
    ];
    for config in bad {
        assert!(
            matches!(
                trace(&mut products(&h), &config),
                Err(Error::OutOfRange { .. })
            ),
            "{config:?}"
        );
    }
    let bad = [
        LanczosConfig::default().largest(0),
        LanczosConfig::default().largest(usize::MAX).smallest(1),
        LanczosConfig::default().steps(0),
        LanczosConfig::default().tolerance(f64::INFINITY),
    ];
    for config in bad {
        assert!(
            matches!(
                extremes(&mut products(&h), &config),
                Err(Error::OutOfRange { .. })
            ),
            "{config:?}"
        );
    }
    let bad = [
        DensityConfig::default().probes(1),
        DensityConfig::default().steps(1_000_000),
    ];
    for config in bad {
        assert!(matches!(
            spectral_density(&mut products(&h), &config),
            Err(Error::OutOfRange { .. })
        ));
    }
    assert!(CentralDifference::new(quadratic(&h, 0.0), &[]).is_err());
    assert!(CentralDifference::new(quadratic(&h, 0.0), &[1.0, f64::NAN]).is_err());
    assert!(
        CentralDifference::new(quadratic(&h, 0.0), &[1.0; 2])
            .unwrap()
            .step_length(0.0)
            .is_err()
    );
    for rates in [
        Dynamics::learning_rate(0.0),
        Dynamics::learning_rate(f64::NAN),
        Dynamics::learning_rate(0.1).momentum(1.0),
    ] {
        assert!(rates.critical_curvature().is_err());
    }
    assert!(Coordinates::ranges([2..4, 3..5]).is_err());
    assert!(Coordinates::mask(&[false; 3]).is_err());
    assert!(
        Coordinates::range(0..usize::MAX)
            .unwrap()
            .block(products(&h))
            .is_err()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The trace does not care about the basis; extremes bound it; scaling scales all.
    #[test]
    fn invariants(spectrum in prop::collection::vec(-5.0..5.0_f64, 2..12), scale in 0.1..10.0_f64, seed: u64) {
        let h = with_spectrum(&spectrum, seed);
        let scaled = scale * &h;
        let config = LanczosConfig::default().smallest(1).tolerance(1e-9).seed(seed);
        let (a, b) = (extremes(&mut products(&h), &config).unwrap(), extremes(&mut products(&scaled), &config).unwrap());
        let (top, bottom) = (a.largest[0].value, a.smallest[0].value);
        prop_assert!((b.largest[0].value - scale * top).abs() < 1e-7 * scale);
        let d = spectrum.len() as f64;
        let whole = trace(&mut products(&h), &TraceConfig::default().sketch(12)).unwrap().estimate.value;
        prop_assert!((whole - spectrum.iter().sum::<f64>()).abs() < 1e-9);
        prop_assert!(d * bottom <= whole + 1e-7 && whole <= d * top + 1e-7);
        let found = spectral_density(&mut products(&h), &DensityConfig::default().seed(seed)).unwrap();
        let inside = |x: f64| bottom - 1e-7 <= x && x <= top + 1e-7;
        prop_assert!(found.nodes().all(|(x, weight)| inside(x) && weight >= 0.0), "{:?} {top} {bottom}", found.nodes().collect::<Vec<_>>());
    }
}
