//! Isotropic gas: radius, Z, rotation, memory and relaxation in every protocol.

use thermograd::systems::{GasProtocol, IsotropicGas, IsotropicGasConfig, VonMisesFisher};
use thermograd::{Decay, Error, Reading};

use super::{assert_agrees, assert_close, batch_means, dot, mean_and_error, squared};

const fn fixed(learning_rate: f64, weight_decay: f64) -> GasProtocol {
    GasProtocol::FixedLearningRate {
        learning_rate,
        weight_decay,
    }
}

const fn effective(effective_learning_rate: f64, weight_decay: f64) -> GasProtocol {
    GasProtocol::FixedEffectiveLearningRate {
        effective_learning_rate,
        weight_decay,
    }
}

const fn sphere(effective_learning_rate: f64) -> GasProtocol {
    GasProtocol::FixedSphere {
        effective_learning_rate,
    }
}

/// A gas brought to its stationary radius and left there for some memory times.
#[expect(clippy::unwrap_used, reason = "a helper of tests alone")]
fn settled(config: IsotropicGasConfig, steps: usize) -> IsotropicGas {
    let radius = *config.stationary_radius().ready().unwrap();
    let mut gas = config.radius(radius).build().unwrap();
    for _ in 0..steps {
        gas.step().unwrap();
    }
    gas
}

#[test]
fn stationary_radius_z_and_rotation() {
    let dim = 2000;
    for (name, config) in [
        (
            "sgd",
            IsotropicGasConfig::new(dim, fixed(0.1, 0.5)).noise(0.7),
        ),
        ("large steps", IsotropicGasConfig::new(dim, fixed(0.5, 0.6))),
        (
            "dampened",
            IsotropicGasConfig::new(dim, fixed(0.4, 0.5)).dampening(0.5),
        ),
        (
            "momentum",
            IsotropicGasConfig::new(dim, fixed(0.1, 0.5)).momentum(0.5),
        ),
        (
            "ema",
            IsotropicGasConfig::new(dim, fixed(0.5, 0.4))
                .momentum(0.6)
                .dampening(0.6),
        ),
        (
            "decoupled",
            IsotropicGasConfig::new(dim, fixed(0.1, 0.5))
                .momentum(0.5)
                .decay(Decay::Decoupled),
        ),
        (
            "effective",
            IsotropicGasConfig::new(dim, effective(0.02, 0.3)),
        ),
    ] {
        let config = config.seed(11);
        let mut gas = settled(config, 100);
        let (mut r2, mut rotation, mut noise) = (vec![], vec![], vec![]);
        let mut last = gas.weights().to_vec();
        for _ in 0..3000 {
            let gap: f64 = {
                let second = gas.draw_second().to_vec();
                gas.gradient()
                    .iter()
                    .zip(&second)
                    .map(|(a, b)| (a - b).powi(2))
                    .sum::<f64>()
                    / 2.0
            };
            // T d_f of this step: eta |noise|^2 / 2.
            noise.push(gas.learning_rate() * gap / 2.0);
            r2.push(gas.radius().powi(2));
            let before = gas.radius();
            gas.step().unwrap();
            rotation.push(1.0 - dot(gas.weights(), &last) / before / gas.radius());
            last.copy_from_slice(gas.weights());
        }
        // The closure is off by at most 1.3e-4 at this d (below), less than the error bars.
        let exact = config.stationary_radius().ready().unwrap().powi(2);
        assert_agrees(&format!("{name}: r^2"), &r2, exact, 0.005);
        let (r2, _) = batch_means(&r2);
        let (heat, _) = batch_means(&noise);
        if let Reading::Ready(z) = config.compressibility_factor() {
            let damped = match name {
                "dampened" => 0.5,
                "ema" => 0.4,
                _ => 1.0,
            };
            let mu = match name {
                "momentum" => 0.5,
                "ema" => 0.6,
                _ => 0.0,
            };
            let measured = gas.weight_decay() * r2 / (heat * damped / (1.0 - mu));
            assert!(
                (measured / z - 1.0).abs() < 0.01,
                "{name}: Z {measured} against {z}"
            );
            // Far finer than |Z - 1| where the steps are large.
            assert_agrees(
                &format!("{name}: 1 - cos"),
                &rotation,
                *config.rotation().ready().unwrap(),
                0.02,
            );
        } else {
            assert_eq!(name, "decoupled");
        }
    }
}

#[test]
fn exact_z_is_told_from_one() {
    // eta lambda = 0.1: Z = 1/0.95. Without momentum each step's norm balance gives it.
    let config = IsotropicGasConfig::new(2000, fixed(0.2, 0.5)).seed(4);
    let mut gas = settled(config, 200);
    // The mean of the ratio would be off by 2/d: the sums first.
    let (mut pv, mut rt) = (0.0, 0.0);
    for _ in 0..4000 {
        pv += 0.5 * gas.radius().powi(2);
        rt += 0.1 * squared(gas.gradient());
        gas.step().unwrap();
    }
    // What remains is |w|^2 at the two ends of the run, 1e-5 of the sum.
    assert_close("Z", pv / rt, 1.0 / 0.95, 1e-4);
    assert_close(
        "Z",
        *config.compressibility_factor().ready().unwrap(),
        1.0 / 0.95,
        1e-15,
    );
}

#[test]
fn closed_forms_are_fixed_points_of_the_relaxation() {
    for config in [
        IsotropicGasConfig::new(50, fixed(0.1, 0.5)),
        IsotropicGasConfig::new(50, fixed(0.3, 0.5)).dampening(0.4),
        IsotropicGasConfig::new(50, fixed(0.3, 0.5))
            .dampening(0.4)
            .decay(Decay::Decoupled),
        IsotropicGasConfig::new(50, effective(0.05, 2.0)),
    ] {
        let exact = *config.stationary_radius().ready().unwrap();
        for start in [0.3, 3.0] {
            let mut r = start * exact;
            for _ in 0..2000 {
                r = *config.relaxed_radius(r).unwrap().ready().unwrap();
            }
            assert_close("radius", r, exact, 1e-12);
        }
    }
}

#[test]
fn the_closed_forms_hold_their_dictionary() {
    // T at a fixed learning rate is sqrt(eta lambda sigma^2/(2 (d-1))) to leading order; p V = Z R T exactly.
    let config = IsotropicGasConfig::new(101, fixed(1e-4, 0.1)).noise(2.0);
    let t = *config.temperature().ready().unwrap();
    assert_close("T", t, (1e-5_f64 * 4.0 / 200.0).sqrt(), 1e-5);
    for config in [
        config,
        IsotropicGasConfig::new(101, fixed(0.5, 0.9)).momentum(0.8),
        IsotropicGasConfig::new(101, effective(0.05, 0.3)),
    ] {
        let (r, t) = (
            *config.stationary_radius().ready().unwrap(),
            *config.temperature().ready().unwrap(),
        );
        let lambda = config.build().unwrap().weight_decay();
        assert_close(
            "Z",
            lambda * r * r / (100.0 * t),
            *config.compressibility_factor().ready().unwrap(),
            1e-12,
        );
    }
}

#[test]
fn the_closure_error_is_the_one_stated() {
    // r^2 lies above the closed form by half of Var(r^2)/E[r^2]^2 = (1 - q^2)/(2 q^2 (d - 1)).
    let (dim, q2) = (30, 0.7_f64 * 0.7);
    let config = IsotropicGasConfig::new(dim, fixed(0.5, 0.6)).seed(77);
    let mut gas = settled(config, 100);
    let r2: Vec<f64> = (0..400_000)
        .map(|_| {
            gas.step().unwrap();
            gas.radius().powi(2)
        })
        .collect();
    let (mean, error) = batch_means(&r2);
    let exact = config.stationary_radius().ready().unwrap().powi(2);
    let excess = (1.0 - q2) / (4.0 * q2 * 29.0);
    assert!((error / exact) < 0.05 * excess, "no test: {error}");
    // The next order in 1/d is of relative size (1 - q^2)/(q^2 (d - 1)) = 0.04.
    assert!(
        (mean / exact - 1.0 - excess).abs() < 0.1 * excess + 4.0 * error / exact,
        "{mean} {exact} {excess}"
    );
}

#[test]
fn relaxation_from_both_sides() {
    for (name, config, start) in [
        (
            "sgd, from above",
            IsotropicGasConfig::new(100, fixed(0.1, 0.2)),
            3.0,
        ),
        (
            "sgd, from below",
            IsotropicGasConfig::new(100, fixed(0.1, 0.2)),
            0.5,
        ),
        (
            "effective, from above",
            IsotropicGasConfig::new(100, effective(0.02, 0.3)),
            2.0,
        ),
        (
            "effective, from below",
            IsotropicGasConfig::new(100, effective(0.02, 0.3)),
            0.3,
        ),
    ] {
        let mut r = start * *config.stationary_radius().ready().unwrap();
        let begin = r;
        let steps = 25;
        for _ in 0..steps {
            r = *config.relaxed_radius(r).unwrap().ready().unwrap();
        }
        let ends: Vec<f64> = (0..100)
            .map(|seed| {
                let mut gas = config.radius(begin).seed(seed).build().unwrap();
                (0..steps).for_each(|_| gas.step().unwrap());
                gas.radius().powi(2)
            })
            .collect();
        let (mean, error) = mean_and_error(&ends);
        let z = (mean - r * r) / error;
        assert!(z.abs() < 4.0, "{name}: {mean} ± {error} against {}", r * r);
        assert!(
            error < 0.02 * mean && (begin * begin / mean - 1.0).abs() > 0.05,
            "{name}: no test"
        );
    }
}

#[test]
fn continuum_laws_are_the_limit_of_small_steps() {
    // r^4 relaxes at the rate 4 eta lambda; the logistic has k = e^2 M.
    let (eta, lambda, steps) = (1e-3, 0.1, 5000_u32);
    let config = IsotropicGasConfig::new(21, fixed(eta, lambda));
    let exact = config.stationary_radius().ready().unwrap().powi(4);
    let mut r = 2.0 * exact.sqrt().sqrt();
    let r0 = r.powi(4);
    for _ in 0..steps {
        r = *config.relaxed_radius(r).unwrap().ready().unwrap();
    }
    let law = exact + (r0 - exact) * (-4.0 * eta * lambda * f64::from(steps)).exp();
    assert_close("r^4", r.powi(4), law, 5.0 * eta * lambda);

    let (e, lambda, steps) = (1e-3, 0.1, 30_000_u32);
    let config = IsotropicGasConfig::new(101, effective(e, lambda));
    let exact = config.stationary_radius().ready().unwrap().powi(2);
    let z0 = exact / 5.0;
    let mut r = z0.sqrt();
    for _ in 0..steps {
        r = *config.relaxed_radius(r).unwrap().ready().unwrap();
    }
    let k = e * e * 100.0;
    let law = exact / (1.0 + (exact / z0 - 1.0) * (-k * f64::from(steps)).exp());
    assert_close("r^2", r * r, law, 1e-3);
}

#[test]
fn the_direction_is_forgotten_at_the_known_rate() {
    for (name, config) in [
        ("sgd", IsotropicGasConfig::new(100, fixed(0.1, 0.5))),
        (
            "effective",
            IsotropicGasConfig::new(100, effective(0.03, 0.3)),
        ),
        ("sphere", IsotropicGasConfig::new(100, sphere(0.03))),
    ] {
        let lag = 20;
        let overlaps: Vec<f64> = (0..200)
            .map(|seed| {
                let mut gas = settled(config.seed(seed), 0);
                let (start, r0) = (gas.weights().to_vec(), gas.radius());
                (0..lag).for_each(|_| gas.step().unwrap());
                dot(&start, gas.weights()) / r0 / gas.radius()
            })
            .collect();
        let (mean, error) = mean_and_error(&overlaps);
        let exact = *config.overlap(lag).ready().unwrap();
        // Corrections to the closed form are of order 1/d times 1 - q.
        assert!(
            (mean - exact).abs() < 4.0 * error + 0.01 * (1.0 - exact),
            "{name}: {mean} ± {error}, {exact}"
        );
        assert!(error < 0.02, "{name}: {error}");
    }
}

#[test]
fn sgd_on_the_sphere_samples_von_mises_fisher() {
    // d = 3, strength 1: U exceeds the Gibbs value by the discretisation, at most 1/(1 - e/2).
    for (e, steps, seed) in [(0.02, 3_000_000, 1), (0.1, 2_000_000, 2)] {
        let mut gas = IsotropicGasConfig::new(3, sphere(e))
            .strength(1.0)
            .seed(seed)
            .build()
            .unwrap();
        let t = *gas.config().temperature().ready().unwrap();
        (0..5000).for_each(|_| gas.step().unwrap());
        let losses: Vec<f64> = (0..steps)
            .map(|_| {
                gas.step().unwrap();
                gas.loss()
            })
            .collect();
        let (mean, error) = batch_means(&losses);
        let gibbs = VonMisesFisher::at_temperature(3, t).unwrap().energy();
        assert!(mean > gibbs - 4.0 * error, "{mean} ± {error} {gibbs}");
        assert!(
            mean < gibbs / (1.0 - e / 2.0) + 4.0 * error,
            "{mean} ± {error} {gibbs}"
        );
        assert!(error < 0.01 * mean);
    }
}

#[test]
fn gradients_are_what_the_model_says() {
    let config = IsotropicGasConfig::new(30, fixed(0.05, 0.5))
        .noise(2.0)
        .strength(1.5)
        .radius(3.0)
        .seed(8);
    let mut gas = config.build().unwrap();
    let (mut scaled, mut product) = (vec![], vec![]);
    for _ in 0..4000 {
        let r = gas.radius();
        let second = gas.draw_second().to_vec();
        let g = gas.gradient();
        assert!(dot(g, gas.weights()).abs() < 1e-13 * r * squared(g).sqrt());
        // r^2 |g - g2|^2 / 2 = (d - 1) sigma^2, r^2 g.g2 = a^2 (1 - what_1^2).
        let gap: f64 = g.iter().zip(&second).map(|(a, b)| (a - b).powi(2)).sum();
        scaled.push(r * r * gap / 2.0);
        product.push(r * r * dot(g, &second) - 2.25 * (1.0 - (gas.weights()[0] / r).powi(2)));
        assert!((gas.loss() - 1.0 - 1.5 * gas.weights()[0] / r).abs() < 1e-14);
        gas.step().unwrap();
    }
    assert_agrees("noise", &scaled, 29.0 * 4.0, 0.02);
    let (mean, error) = batch_means(&product);
    assert!((mean / error).abs() < 4.5 && error < 1.0);
}

#[test]
fn same_batch_loss_falls_along_the_gradient() {
    // To first order L_B(w + Delta) - L_B(w) = g.Delta.
    for protocol in [fixed(1e-6, 0.0), sphere(1e-6)] {
        let mut gas = IsotropicGasConfig::new(20, protocol)
            .strength(0.7)
            .seed(3)
            .build()
            .unwrap();
        assert!(gas.same_batch_losses().is_none());
        for _ in 0..20 {
            let fall = -gas.learning_rate() * squared(gas.gradient());
            let loss = gas.loss();
            gas.step().unwrap();
            let (before, after) = gas.same_batch_losses().unwrap();
            assert_eq!(before, loss);
            assert!(
                ((after - before) / fall - 1.0).abs() < 1e-4,
                "{after} {before} {fall}"
            );
        }
    }
}

#[test]
fn calorimetry_reads_the_temperature() {
    // <q> = -2 T (d - 1) for small steps: the batch loss is curved by the sphere, an error of eta lambda.
    let config = IsotropicGasConfig::new(400, fixed(0.01, 0.2)).seed(6);
    let mut gas = settled(config, 1000);
    let drops: Vec<f64> = (0..8000)
        .map(|_| {
            gas.step().unwrap();
            let (before, after) = gas.same_batch_losses().unwrap();
            (before - after) / (2.0 * 399.0)
        })
        .collect();
    let (mean, _) = batch_means(&drops);
    assert!((mean / config.temperature().ready().unwrap() - 1.0).abs() < 0.01);
}

#[test]
fn second_gradients_and_seeds() {
    let config = IsotropicGasConfig::new(5, fixed(0.1, 0.5)).seed(1);
    let (mut a, mut b) = (config.build().unwrap(), config.build().unwrap());
    assert_eq!(a.second_gradient(), None);
    for _ in 0..20 {
        assert_ne!(b.draw_second().to_vec(), b.gradient());
        assert!(b.second_gradient().is_some());
        a.step().unwrap();
        b.step().unwrap();
        assert_eq!(b.second_gradient(), None);
    }
    assert_eq!(a.weights(), b.weights());
    assert_ne!(a.weights(), config.seed(2).build().unwrap().weights());
}

#[test]
fn undefined_is_told_not_computed() {
    let undefined = |r: Reading<f64>| matches!(r, Reading::Undefined(_));
    assert!(undefined(
        IsotropicGasConfig::new(9, fixed(0.1, 0.0)).stationary_radius()
    ));
    assert!(undefined(
        IsotropicGasConfig::new(9, fixed(0.1, 0.1))
            .noise(0.0)
            .stationary_radius()
    ));
    assert!(undefined(
        IsotropicGasConfig::new(9, fixed(0.1, 0.1))
            .strength(1.0)
            .stationary_radius()
    ));
    assert!(undefined(
        IsotropicGasConfig::new(9, effective(0.5, 0.1)).stationary_radius()
    ));
    assert!(undefined(
        IsotropicGasConfig::new(9, sphere(0.5)).compressibility_factor()
    ));
    assert!(undefined(
        IsotropicGasConfig::new(9, fixed(0.1, 0.1))
            .momentum(0.5)
            .overlap(1)
    ));
    let decoupled = IsotropicGasConfig::new(9, fixed(0.1, 0.1))
        .momentum(0.5)
        .decay(Decay::Decoupled);
    assert!(undefined(decoupled.compressibility_factor()));
    assert!(undefined(decoupled.relaxed_radius(1.0).unwrap()));
}

#[test]
fn nonsense_is_refused() {
    let ok = IsotropicGasConfig::new(9, fixed(0.1, 0.1));
    for bad in [
        IsotropicGasConfig::new(1, fixed(0.1, 0.1)),
        IsotropicGasConfig::new(usize::MAX, fixed(0.1, 0.1)),
        IsotropicGasConfig::new(9, fixed(0.0, 0.1)),
        IsotropicGasConfig::new(9, fixed(f64::NAN, 0.1)),
        IsotropicGasConfig::new(9, fixed(0.1, -0.1)),
        IsotropicGasConfig::new(9, fixed(1.0, 1.0)),
        ok.noise(-1.0),
        ok.noise(f64::INFINITY),
        ok.strength(-1.0),
        ok.radius(0.0),
        ok.momentum(1.0),
        ok.dampening(1.0),
        ok.dampening(-0.1),
    ] {
        assert!(
            matches!(bad.build(), Err(Error::OutOfRange { .. })),
            "{bad:?}"
        );
    }
    let conflict = IsotropicGasConfig::new(9, sphere(0.1)).momentum(0.9);
    assert!(matches!(conflict.build(), Err(Error::Conflict { .. })));
    assert!(ok.relaxed_radius(0.0).is_err() && ok.relaxed_radius(f64::NAN).is_err());
}

#[test]
fn a_radius_that_explodes_is_an_error_with_the_state_kept() {
    let mut gas = IsotropicGasConfig::new(50, effective(1.0, 0.0))
        .build()
        .unwrap();
    let failed = (0..1000).find_map(|_| gas.step().err());
    assert!(matches!(failed, Some(Error::OutOfRange { .. })));
    assert!(
        gas.weights()
            .iter()
            .chain(gas.gradient())
            .all(|x| x.is_finite())
    );
}
