//! Flatness: entropies of a bowl, learning coefficients that are known, resilience, and closures
//! that fail.

use std::cell::Cell;

use nalgebra::SymmetricEigen;
use thermograd::curvature::{
    Coordinates, DensityConfig, Loss, Objective, TraceConfig, gradient, loss, spectral_density,
    trace,
};
use thermograd::flatness::{
    Basin, Integrator, LearningCoefficientConfig, LocalEntropyConfig, Measure, Noise, ReducedRank,
    ResilienceConfig, StepSize, StudyConfig, Warning, generalisation_study, learning_coefficient,
    local_entropy, localised_learning_coefficient, normal_crossing, reduced_rank, resilience,
    thermal_scale, unit_square_crossing,
};
use thermograd::systems::Random;
use thermograd::{Error, Reading};

use crate::curvature::{products, quadratic, spread_of, with_spectrum};

/// ∫ f over [a, b] by the midpoint rule.
fn integrate(a: f64, b: f64, cells: u32, f: impl Fn(f64) -> f64) -> f64 {
    let width = (b - a) / f64::from(cells);
    (0..cells)
        .map(|i| width * f(a + (f64::from(i) + 0.5) * width))
        .sum()
}

#[test]
fn entropy_of_a_basin() {
    let spectrum: Vec<f64> = (1..=30).map(|i| 0.2 * f64::from(i)).collect();
    let h = with_spectrum(&spectrum, 1);
    let basin = Basin::at_temperature(0.01).localisation(0.5);
    let exact = *basin.entropy(&spectrum).unwrap().ready().unwrap();
    let energy = *basin.energy(&spectrum).unwrap().ready().unwrap();
    let by_quadrature = spectral_density(&mut products(&h), &DensityConfig::default()).unwrap();
    let entropy = basin.entropy_of(&by_quadrature).unwrap();
    let held = basin.energy_of(&by_quadrature).unwrap();
    for (reading, exact) in [(entropy, exact), (held, energy)] {
        let found = reading.ready().unwrap();
        assert!(
            found.estimate.z_score(exact).unwrap().abs() < 4.0,
            "{found:?} {exact}"
        );
        assert!(found.truncation < 1e-6);
    }
    // T dS = dU at a fixed spring per temperature: S(T) of a free bowl rises as (d/2) ln T.
    let free = |t: f64| {
        *Basin::at_temperature(t)
            .entropy(&spectrum)
            .unwrap()
            .ready()
            .unwrap()
    };
    assert!((free(0.02) - free(0.01) - 15.0 * 2_f64.ln()).abs() < 1e-10);
    // The entropy is −∂F/∂T: F = −T × local entropy at the minimum.
    let f = |t: f64| {
        let basin = Basin::at_temperature(t).localisation(0.5);
        -t * basin
            .local_entropy(&spectrum, &[0.0; 30])
            .unwrap()
            .ready()
            .unwrap()
    };
    let slope = (f(0.01 + 1e-6) - f(0.01 - 1e-6)) / 2e-6;
    assert!((slope + exact).abs() < 1e-4, "{slope} {exact}");
    assert!(basin.entropy(&[1.0, -0.6]).unwrap().ready().is_none());
    assert!(
        Basin::at_temperature(1.0)
            .entropy(&[0.0])
            .unwrap()
            .ready()
            .is_none()
    );
    assert!(Basin::at_temperature(0.0).entropy(&[1.0]).is_err());
    assert!(basin.entropy(&[f64::NAN]).is_err() && basin.entropy(&[]).is_err());
    assert!(basin.local_entropy(&[1.0], &[1.0, 2.0]).is_err());
    assert!(
        Basin::at_temperature(1e-140)
            .localisation(1.0)
            .local_entropy(&[1.0], &[1e139])
            .is_err()
    );
}

#[test]
fn local_entropy_of_a_bowl_by_quadrature_and_by_samples() {
    // One mode, displaced: against the integral itself.
    let (h, x, t, spring) = (3.0, 0.4, 0.05, 2.0);
    let weight = integrate(-10.0, 10.0, 200_000, |w| {
        (-(0.5 * h * w * w + 0.5 * spring * (w - x).powi(2)) / t).exp()
    });
    let basin = Basin::at_temperature(t).localisation(spring);
    let found = basin.local_entropy(&[h], &[x]).unwrap();
    assert!((found.ready().unwrap() - weight.ln()).abs() < 1e-9);

    // Twelve modes at a displaced point, sampled; over seeds the error bars hold.
    let spectrum: Vec<f64> = (0..12).map(|i| 0.1 * 1.3_f64.powi(i)).collect();
    let h = with_spectrum(&spectrum, 2);
    let eigen = SymmetricEigen::new(h.clone());
    let at: Vec<f64> = (0..12).map(|i| 0.1 * (f64::from(i)).sin()).collect();
    let modes = eigen.eigenvectors.transpose() * nalgebra::DVector::from_column_slice(&at);
    let n_beta = 200.0;
    let basin = Basin::at_temperature(1.0 / n_beta).localisation(5.0 / n_beta);
    let exact = basin
        .local_entropy(eigen.eigenvalues.as_slice(), modes.as_slice())
        .unwrap();
    let exact = exact.ready().unwrap() - n_beta * 0.3;
    let mut z = Vec::new();
    for seed in 0..20 {
        let config = LocalEntropyConfig::at_n_beta(n_beta)
            .localisation(5.0)
            .draws(1500)
            .seed(seed);
        let found = local_entropy(quadratic(&h, 0.3), &at, &config).unwrap();
        let value = *found.value.ready().unwrap();
        z.push(value.z_score(exact).unwrap());
        assert!(value.std_error < 1.0, "{value} against {exact}");
    }
    let (mean, sd) = spread_of(&z);
    println!("local entropy: {mean:.2} {sd:.2}");
    assert!(mean.abs() < 4.0 / 20_f64.sqrt() && sd < 1.8, "{mean} {sd}");
}

/// d/2 of a bowl, and what a spring leaves of it.
#[test]
fn learning_coefficients_of_bowls() {
    let spectrum = [0.5, 1.0, 2.0, 4.0];
    let h = with_spectrum(&spectrum, 3);
    for integrator in [Integrator::AveragedNoise, Integrator::Metropolis] {
        for (localisation, n_beta) in [(1e-6, 100.0), (50.0, 100.0)] {
            let exact = localised_learning_coefficient(&spectrum, n_beta, localisation).unwrap();
            let exact = *exact.ready().unwrap();
            let mut z = Vec::new();
            let mut capacity = Vec::new();
            for seed in 0..40 {
                let config = LearningCoefficientConfig::new(1000)
                    .n_beta(n_beta)
                    .localisation(localisation)
                    .integrator(integrator)
                    .seed(seed);
                let found = learning_coefficient(quadratic(&h, 2.0), &[0.0; 4], &config).unwrap();
                let estimate = found.estimate.ready().unwrap();
                assert!(found.warnings.is_empty(), "{:?}", found.warnings);
                z.push(estimate.z_score(exact).unwrap());
                capacity.push(found.heat_capacity.ready().unwrap().z_score(2.0).unwrap());
            }
            let (mean, sd) = spread_of(&z);
            println!("{integrator:?} {localisation}: {exact:.4} {mean:.2} {sd:.2}");
            assert!(
                mean.abs() < 4.0 / 40_f64.sqrt(),
                "{integrator:?} {mean} {sd}"
            );
            assert!((0.6..1.4).contains(&sd), "{integrator:?} {mean} {sd}");
            if localisation < 1.0 {
                assert!((exact - 2.0).abs() < 1e-6);
                // A homogeneous loss: the fluctuations say the same.
                assert!(
                    spread_of(&capacity).0.abs() < 1.0,
                    "{:?}",
                    spread_of(&capacity)
                );
            }
        }
    }
    // Four modes at stiffnesses of the spring times 1, 1/2, ...: the closed sum itself.
    let sum = localised_learning_coefficient(&[0.1, 0.2, 0.4, 0.8], 100.0, 10.0).unwrap();
    let by_hand = 0.5 * (0.5 + 2.0 / 3.0 + 0.8 + 80.0 / 90.0);
    assert!((sum.ready().unwrap() - by_hand).abs() < 1e-12);
}

#[test]
fn euler_is_too_hot_by_its_step() {
    // One mode of stiffness k: the variance is high by 1/(1 − εk/4).
    let bowl = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            g[0] = w[0];
            0.5 * w[0] * w[0]
        })
    };
    let config = LearningCoefficientConfig::new(100)
        .n_beta(10.0)
        .localisation(0.0)
        .step(StepSize::Fixed(0.2))
        .draws(20_000);
    let run = |integrator| {
        let found = learning_coefficient(bowl(), &[0.0], &config.integrator(integrator)).unwrap();
        *found.estimate.ready().unwrap()
    };
    let euler = run(Integrator::Euler);
    assert!(
        euler.z_score(0.5 / (1.0 - 0.5)).unwrap().abs() < 4.0,
        "{euler}"
    );
    for exact in [run(Integrator::AveragedNoise), run(Integrator::Metropolis)] {
        assert!(exact.z_score(0.5).unwrap().abs() < 4.0, "{exact}");
    }
}

#[test]
fn a_power_has_one_over_two_k() {
    for k in [1, 2, 3] {
        let power = gradient(move |w: &[f64], g: &mut [f64]| {
            g[0] = f64::from(2 * k) * w[0].powi(2 * k - 1);
            w[0].powi(2 * k)
        });
        let config = LearningCoefficientConfig::new(1000)
            .n_beta(1000.0)
            .localisation(1e-3)
            .integrator(Integrator::Metropolis)
            // A fifth of what the stiffness of a typical place allows: Langevin proposals from the
            // tails of a steep power overshoot and are refused.
            .step(StepSize::Fixed(if k == 1 { 5e-4 } else { 1e-3 }))
            .draws(20_000);
        let found = learning_coefficient(power, &[0.0], &config).unwrap();
        let exact = normal_crossing(&[k.unsigned_abs()], &[0]).unwrap().lambda;
        assert!((exact - 0.5 / f64::from(k)).abs() < 1e-15);
        let estimate = found.estimate.ready().unwrap();
        assert!(
            estimate.z_score(exact).unwrap().abs() < 4.0,
            "{k}: {estimate} {:?}",
            found.warnings
        );
        assert!(estimate.std_error < 0.1 * exact, "{estimate}");
        let capacity = found.heat_capacity.ready().unwrap();
        assert!(capacity.z_score(exact).unwrap().abs() < 4.0, "{capacity}");
    }
}

/// A walk on the line folded into the unit interval, and the sign of the fold.
fn fold(w: f64) -> (f64, f64) {
    let phase = w.rem_euclid(2.0);
    if phase <= 1.0 {
        (phase, 1.0)
    } else {
        (2.0 - phase, -1.0)
    }
}

#[test]
fn a_crossing_on_the_unit_square_at_finite_n_beta() {
    for (n_beta, reference) in [(1e2, 0.34776), (1e4, 0.41051), (1e6, 0.43662)] {
        let closed = unit_square_crossing(n_beta).unwrap();
        assert!((closed - reference).abs() < 5e-6, "{closed}");
        // The integral over x in closed form, over y in ln y: ∫ e^{−a x²} dx and its moment.
        let moments = |y: f64| {
            let a = n_beta * y * y;
            let z = integrate(0.0, (40.0 / a).sqrt().min(1.0), 400, |x| (-a * x * x).exp());
            let u = integrate(0.0, (40.0 / a).sqrt().min(1.0), 400, |x| {
                a * x * x * (-a * x * x).exp()
            });
            (z, u)
        };
        let z = integrate(-16.0, 0.0, 2000, |ln| ln.exp() * moments(ln.exp()).0);
        let u = integrate(-16.0, 0.0, 2000, |ln| ln.exp() * moments(ln.exp()).1);
        assert!(
            (u / z - closed).abs() < 1e-4,
            "{n_beta}: {} {closed}",
            u / z
        );
    }
    assert_eq!(normal_crossing(&[1, 1], &[0, 0]).unwrap().lambda, 0.5);
    // Sampled with reflecting walls.
    let crossing = gradient(|w: &[f64], g: &mut [f64]| {
        let ((x, sx), (y, sy)) = (fold(w[0]), fold(w[1]));
        (g[0], g[1]) = (2.0 * sx * x * y * y, 2.0 * sy * x * x * y);
        x * x * y * y
    });
    let config = LearningCoefficientConfig::new(1000)
        .n_beta(100.0)
        .localisation(0.0)
        .step(StepSize::Fixed(0.02))
        .integrator(Integrator::Metropolis)
        .draws(30_000);
    let found = learning_coefficient(crossing, &[0.0, 0.0], &config).unwrap();
    let estimate = found.estimate.ready().unwrap();
    println!("x²y²: {estimate} {:?}", found.warnings);
    assert!(
        estimate.z_score(0.34776).unwrap().abs() < 4.0,
        "{estimate} {:?}",
        found.warnings
    );
    assert!(estimate.std_error < 0.02);
}

#[test]
fn reduced_rank_regression() {
    // One hidden unit and nothing learnt: |a|²|b|², so half the smaller of the two dimensions.
    for (inputs, outputs) in [(1, 1), (2, 2), (3, 2), (5, 2), (2, 7)] {
        let found = reduced_rank(ReducedRank {
            inputs,
            hidden: 1,
            outputs,
            rank: 0,
        })
        .unwrap();
        assert_eq!(found.lambda, 0.5 * f64::from(inputs.min(outputs)));
        assert_eq!(found.multiplicity, if inputs == outputs { 2 } else { 1 });
        let turned = reduced_rank(ReducedRank {
            inputs: outputs,
            hidden: 1,
            outputs: inputs,
            rank: 0,
        });
        assert_eq!(turned.unwrap(), found);
    }
    // Full rank learnt: a regular model in the product.
    let found = reduced_rank(ReducedRank {
        inputs: 2,
        hidden: 2,
        outputs: 2,
        rank: 2,
    })
    .unwrap();
    assert_eq!((found.lambda, found.multiplicity), (2.0, 1));
    for shape in [
        ReducedRank {
            inputs: 0,
            hidden: 1,
            outputs: 1,
            rank: 0,
        },
        ReducedRank {
            inputs: 2,
            hidden: 1,
            outputs: 2,
            rank: 2,
        },
        ReducedRank {
            inputs: u32::MAX,
            hidden: 1,
            outputs: 2,
            rank: 0,
        },
    ] {
        assert!(reduced_rank(shape).is_err());
    }

    // |a|²|b|²/2 with five and two components under the prior, at finite nβ: b integrated out
    // leaves E[(1 + nβ a²/γ)^{−1}], and the energy is its logarithmic derivative.
    let (n_beta, precision) = (3000.0, 1.0);
    let radial = |f: &dyn Fn(f64) -> f64| {
        integrate(0.0, 8.0, 40_000, |r| {
            r.powi(4) * (-0.5 * precision * r * r).exp() * f(r)
        })
    };
    let z = radial(&|r| 1.0 / (1.0 + n_beta * r * r / precision));
    let u = radial(&|r| {
        let stiff = n_beta * r * r / precision;
        stiff / (1.0 + stiff).powi(2)
    });
    let exact = u / z;
    // λ = 1 from below.
    assert!((0.95..1.0).contains(&exact), "{exact}");
    let product = gradient(|w: &[f64], g: &mut [f64]| {
        let (a, b) = w.split_at(5);
        let (aa, bb): (f64, f64) = (a.iter().map(|x| x * x).sum(), b.iter().map(|x| x * x).sum());
        for (i, g) in g.iter_mut().enumerate() {
            *g = w[i] * if i < 5 { bb } else { aa };
        }
        0.5 * aa * bb
    });
    let config = LearningCoefficientConfig::new(1000)
        .n_beta(n_beta)
        .localisation(precision)
        .integrator(Integrator::Metropolis)
        .draws(30_000);
    let found = learning_coefficient(product, &[0.0; 7], &config).unwrap();
    let estimate = found.estimate.ready().unwrap();
    println!(
        "reduced rank: {estimate} against {exact:.4}, {:?}",
        found.warnings
    );
    assert!(
        estimate.z_score(exact).unwrap().abs() < 4.0,
        "{estimate} {exact} {:?}",
        found.warnings
    );
    assert!(estimate.std_error < 0.1);
}

#[test]
fn what_is_no_minimum_and_what_does_not_converge() {
    // A slope: the loss falls away from the centre.
    let slope = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            g[0] = 1.0 + w[0];
            w[0] + 0.5 * w[0] * w[0]
        })
    };
    let config = LearningCoefficientConfig::new(1000)
        .n_beta(100.0)
        .localisation(1.0);
    let found = learning_coefficient(slope(), &[0.0], &config).unwrap();
    assert!(
        found.warnings.contains(&Warning::Negative),
        "{:?}",
        found.warnings
    );
    assert!(
        found
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::NegativeChains { chains: 4 }))
    );
    // Too large a step.
    let bowl = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            g[0] = w[0];
            0.5 * w[0] * w[0]
        })
    };
    let unstable = config.step(StepSize::Fixed(1.0));
    let found = learning_coefficient(bowl(), &[0.0], &unstable).unwrap();
    assert_eq!(found.warnings, [Warning::Diverged { chains: 4 }]);
    assert!(matches!(found.estimate, Reading::Undefined(_)));
    assert!(found.chains.iter().all(|chain| chain.diverged));
    // Too small a one: chains that have not forgotten where they began.
    let slow = config.step(StepSize::Fixed(1e-7)).draws(200);
    let found = learning_coefficient(bowl(), &[0.0], &slow).unwrap();
    assert!(!found.warnings.is_empty());
    // A loss that does not vary.
    let flat = gradient(|_: &[f64], g: &mut [f64]| {
        g[0] = 0.0;
        1.0
    });
    let found = learning_coefficient(flat, &[0.0], &config).unwrap();
    assert!(
        matches!(found.estimate, Reading::Undefined(_)),
        "{:?}",
        found.estimate
    );
}

#[test]
fn the_criterion_and_the_count() {
    let calls = Cell::new(0_u64);
    let bowl = gradient(|w: &[f64], g: &mut [f64]| {
        calls.set(calls.get() + 1);
        g.copy_from_slice(w);
        0.7 + 0.5 * w.iter().map(|w| w * w).sum::<f64>()
    });
    let config = LearningCoefficientConfig::new(1000)
        .localisation(1.0)
        .center_evaluations(3);
    let found = learning_coefficient(bowl, &[0.0; 3], &config).unwrap();
    assert_eq!(found.gradient_evaluations, calls.get());
    let n_beta = 1000.0 / 1000_f64.ln();
    assert!((found.n_beta - n_beta).abs() < 1e-9);
    // WBIC = n L₀ + λ̂ ln n, identically.
    let (wbic, lambda) = (
        found.wbic.ready().unwrap().value,
        found.estimate.ready().unwrap().value,
    );
    assert!((wbic - (700.0 + lambda * 1000_f64.ln())).abs() < 1e-9);
    assert_eq!(found.chains.len(), 4);
    assert!(found.chains.iter().all(|chain| chain.losses.len() == 1000));
    assert!(*found.rhat.ready().unwrap() < 1.05);
    let hotter = learning_coefficient(
        gradient(|w: &[f64], g: &mut [f64]| {
            g.copy_from_slice(w);
            0.5 * w[0] * w[0]
        }),
        &[0.0],
        &config.n_beta(10.0),
    );
    assert!(matches!(hotter.unwrap().wbic, Reading::Undefined(_)));

    let calls = Cell::new(0_u64);
    let counted = loss(|w: &[f64]| {
        calls.set(calls.get() + 1);
        1.0 + w[0] * w[0]
    });
    let config = ResilienceConfig::new(Noise::Isotropic).scales(&[0.1, 1.0]);
    let found = resilience(counted, &[0.0], &config).unwrap();
    assert_eq!(found.loss_evaluations, calls.get());
}

#[test]
fn noise_doubles_the_loss_where_the_trace_says() {
    let spectrum: Vec<f64> = (1..=40).map(|i| 0.1 * f64::from(i)).collect();
    let h = with_spectrum(&spectrum, 5);
    let total: f64 = spectrum.iter().sum();
    let bowl = |w: &[f64]| {
        let w = nalgebra::DVector::from_column_slice(w);
        0.5 + 0.5 * w.dot(&(&h * &w))
    };
    let exact = (2.0 * 0.5 / total).sqrt();
    let (mut z, mut curve) = (Vec::new(), Vec::new());
    for seed in 0..100 {
        let config = ResilienceConfig::new(Noise::Isotropic)
            .scales(&[0.1])
            .seed(seed);
        let found = resilience(loss(bowl), &[0.0; 40], &config).unwrap();
        z.push(found.doubling.ready().unwrap().z_score(exact).unwrap());
        curve.push(found.curve[0].loss.z_score(0.5 + 0.005 * total).unwrap());
    }
    let (mean, sd) = spread_of(&z);
    println!("doubling: {mean:.2} {sd:.2}");
    // Sixteen directions: Student's t with 15 degrees has 1.07.
    assert!(mean.abs() < 0.5 && (0.8..1.35).contains(&sd), "{mean} {sd}");
    let (mean, sd) = spread_of(&curve);
    assert!(mean.abs() < 0.5 && (0.8..1.35).contains(&sd), "{mean} {sd}");

    // Noise at the thermal scale costs T d/2.
    let found = trace(
        &mut products(&h),
        &TraceConfig::default()
            .relative_error(0.002)
            .most_probes(5000),
    )
    .unwrap();
    let scale = thermal_scale(&found, 0.01).unwrap().ready().unwrap().value;
    let config = ResilienceConfig::new(Noise::Isotropic)
        .scales(&[scale])
        .directions(400);
    let noisy = resilience(loss(bowl), &[0.0; 40], &config).unwrap().curve[0].loss;
    assert!(
        noisy.z_score(0.5 + 0.01 * 20.0).unwrap().abs() < 4.0,
        "{noisy}"
    );
    assert!(thermal_scale(&found, -1.0).is_err());
}

#[test]
fn filter_noise_does_not_see_a_scale_that_the_loss_does_not() {
    // Each row enters through its direction alone.
    let of_directions = |w: &[f64]| -> f64 {
        let row = |r: &[f64]| {
            let n = r.iter().map(|x| x * x).sum::<f64>().sqrt();
            (r[0] / n - 1.0).powi(2) + 0.1
        };
        w.chunks(4).map(row).sum()
    };
    let w: Vec<f64> = [1.0, 0.1, 0.0, 0.2].repeat(5);
    let scaled: Vec<f64> = w
        .iter()
        .enumerate()
        .map(|(i, x)| x * 3_f64.powi(i32::try_from(i / 4).unwrap()))
        .collect();
    let rows = Noise::rows(20, 4).unwrap();
    let run = |w: &[f64], noise: &Noise| {
        let found = resilience(
            loss(of_directions),
            w,
            &ResilienceConfig::new(noise.clone()),
        )
        .unwrap();
        found.doubling.ready().unwrap().value
    };
    let (a, b) = (run(&w, &rows), run(&scaled, &rows));
    assert!((a / b - 1.0).abs() < 1e-5, "{a} {b}");
    let (a, b) = (run(&w, &Noise::Isotropic), run(&scaled, &Noise::Isotropic));
    assert!((a / b - 1.0).abs() > 0.1, "{a} {b}");
    // Weights outside of all filters stay.
    let only = Noise::filters([Coordinates::range(0..4).unwrap()]);
    let mut seen = Vec::new();
    let watching = loss(|w: &[f64]| {
        seen.push(w[4..].to_vec());
        1.0 + w[0]
    });
    let config = ResilienceConfig::new(only).scales(&[0.3]);
    resilience(watching, &w, &config).unwrap();
    assert!(seen.iter().all(|rest| rest == &w[4..]));
}

#[test]
fn closures_that_fail_and_options_out_of_range() {
    let count = Cell::new(0);
    let failing = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            count.set(count.get() + 1);
            g.copy_from_slice(w);
            if count.get() > 100 {
                Err("lost the device")
            } else {
                Ok(0.5 * w[0] * w[0])
            }
        })
    };
    let config = LearningCoefficientConfig::new(100);
    let failed = learning_coefficient(failing(), &[0.1], &config);
    assert!(
        matches!(
            failed,
            Err(Error::Evaluation {
                evaluation: 101,
                ..
            })
        ),
        "{failed:?}"
    );
    let failed = local_entropy(failing(), &[0.1], &LocalEntropyConfig::at_n_beta(10.0));
    assert!(matches!(failed, Err(Error::Evaluation { .. })));
    let nowhere = gradient(|_: &[f64], g: &mut [f64]| {
        g.fill(0.0);
        f64::NAN
    });
    assert!(matches!(
        learning_coefficient(nowhere, &[0.1], &config),
        Err(Error::NonFinite { .. })
    ));
    let nowhere = loss(|w: &[f64]| if w[0] > 0.2 { f64::INFINITY } else { 1.0 });
    let isotropic = ResilienceConfig::new(Noise::Isotropic);
    assert!(matches!(
        resilience(nowhere, &[0.1], &isotropic),
        Err(Error::NonFinite { .. })
    ));

    let bowl = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            g.copy_from_slice(w);
            0.5 * w[0] * w[0]
        })
    };
    for config in [
        LearningCoefficientConfig::new(1),
        config.n_beta(0.0),
        config.n_beta(f64::NAN),
        config.localisation(-1.0),
        config.step(StepSize::Fixed(0.0)),
        config.chains(0),
        config.draws(4),
        config.draws(usize::MAX),
        config.center_evaluations(0),
        config.rhat_alarm(f64::NAN),
    ] {
        let found = learning_coefficient(bowl(), &[0.1], &config);
        assert!(matches!(found, Err(Error::OutOfRange { .. })), "{config:?}");
    }
    for config in [
        LocalEntropyConfig::at_n_beta(-1.0),
        LocalEntropyConfig::at_n_beta(1.0).localisation(0.0),
        LocalEntropyConfig::at_n_beta(1.0).nodes(1),
    ] {
        assert!(
            local_entropy(bowl(), &[0.1], &config).is_err(),
            "{config:?}"
        );
    }
    let flat = || loss(|_: &[f64]| 1.0);
    for config in [
        isotropic.clone().scales(&[-0.1]),
        isotropic.clone().directions(1),
        isotropic.clone().factor(1.0),
        isotropic.clone().between(1.0, 0.1),
        ResilienceConfig::new(Noise::filters([])),
        ResilienceConfig::new(Noise::filters([Coordinates::range(0..9).unwrap()])),
    ] {
        assert!(resilience(flat(), &[0.1], &config).is_err(), "{config:?}");
    }
    let never = resilience(flat(), &[0.1], &isotropic).unwrap();
    assert!(matches!(never.doubling, Reading::Undefined(_)));
    let nothing = resilience(loss(|_: &[f64]| 0.0), &[0.1], &isotropic).unwrap();
    assert!(matches!(nothing.doubling, Reading::Undefined(_)));
    // Restricted to one weight, the other stays where it was.
    let mut part = Coordinates::range(1..2)
        .unwrap()
        .loss_of(loss(|w: &[f64]| w[0] + 10.0 * w[1]), &[1.0, 2.0])
        .unwrap();
    assert_eq!(part.loss(&[3.0]).unwrap(), 31.0);
    let mut part = Coordinates::range(1..2)
        .unwrap()
        .of(bowl(), &[1.0, 2.0])
        .unwrap();
    assert!(part.evaluate(&[3.0, 4.0], &mut [0.0, 0.0]).is_err());
}

#[test]
fn a_study_tells_a_cause_from_its_shadow() {
    // The gap follows the cause; the shadow follows the training loss, as does the gap in part.
    let mut random = Random::new(8);
    let n = 40;
    let loss: Vec<f64> = (0..n).map(|_| random.normal()).collect();
    let cause: Vec<f64> = (0..n).map(|_| random.normal()).collect();
    let gap: Vec<f64> = loss
        .iter()
        .zip(&cause)
        .map(|(l, c)| 1.5 * l + c + 0.3 * random.normal())
        .collect();
    let shadow: Vec<f64> = loss.iter().map(|l| l + 0.3 * random.normal()).collect();
    let measures = [
        Measure::known("cause", &cause),
        Measure::known("shadow", &shadow),
        Measure::known("training loss", &loss),
        Measure::new(
            "half",
            cause
                .iter()
                .enumerate()
                .map(|(i, c)| (i % 2 == 0).then_some(*c)),
        ),
        Measure::known("constant", &vec![1.0; n]),
    ];
    let study = generalisation_study(&gap, &[&loss], &measures, &StudyConfig::default()).unwrap();
    let [causal, shadowy, held, half, constant] = &study.rows[..] else {
        panic!("five rows");
    };
    assert!(causal.held.ready().unwrap().low > 0.3);
    assert!(shadowy.plain.ready().unwrap().low > 0.2);
    assert!(!shadowy.scores.ready().unwrap().excludes_zero());
    assert!(causal.scores.ready().unwrap().low > 0.5);
    // A partial τ leaves some of the shadow.
    assert!(shadowy.held.ready().unwrap().value > shadowy.scores.ready().unwrap().value);
    assert!(matches!(held.held, Reading::Undefined(_)));
    assert_eq!((half.runs, causal.runs), (20, 40));
    assert!(matches!(constant.plain, Reading::Undefined(_)));
    let table = study.to_string();
    assert_eq!(table.lines().count(), 6);
    assert!(table.contains("shadow") && table.contains("undefined"));
    let short = generalisation_study(&gap, &[&loss[1..]], &measures, &StudyConfig::default());
    assert!(matches!(short, Err(Error::LengthMismatch { .. })));
}
