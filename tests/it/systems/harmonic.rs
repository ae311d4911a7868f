//! Harmonic bath: closed forms in one dimension, identities in many, the simulation against both.

use proptest::prelude::*;
use thermograd::systems::{HarmonicBath, HarmonicConfig, HarmonicMoments, Random};
use thermograd::{Decay, Error, Optimizer};

use super::{assert_agrees, assert_close, dot};

#[expect(clippy::unwrap_used, reason = "a helper of tests alone")]
fn one(a: f64, s2: f64, config: HarmonicConfig) -> HarmonicMoments {
    HarmonicBath::new(&[a], &[s2], config)
        .unwrap()
        .stationary()
        .unwrap()
}

#[test]
fn heavy_ball_in_one_dimension() {
    let (a, s2) = (1.7, 0.6);
    for (eta, mu, tau) in [
        (0.1, 0.0, 0.0),
        (0.5, 0.9, 0.0),
        (0.5, 0.9, 0.9),
        (1.1, 0.3, 0.1),
        (1e-4, 0.99, 0.0),
    ] {
        let config = HarmonicConfig::new(eta).momentum(mu).dampening(tau);
        let m = one(a, s2, config);
        let eta = eta * (1.0 - tau);
        let x = eta * a;
        let edge = 2.0 * (1.0 + mu) - x;
        let t0 = eta * s2 / (2.0 * (1.0 - mu));
        let w2 = eta * s2 * (1.0 + mu) / (a * (1.0 - mu) * edge);
        let v2 = (1.0 - tau).powi(2) * 2.0 * s2 / ((1.0 - mu) * edge);
        let virial = t0 / (1.0 - x / (2.0 * (1.0 + mu)));
        assert_close("Var w", m.weight_covariance()[0], w2, 1e-9);
        assert_close("E v^2", m.velocity_covariance()[0], v2, 1e-9);
        assert_close(
            "E w v",
            m.weight_velocity_covariance()[0],
            -config_rate(eta, tau) / 2.0 * v2,
            1e-9,
        );
        assert_close("virial", m.virial_temperature(), virial, 1e-9);
        assert_close("kinetic", m.kinetic_temperature(), virial, 1e-9);
        assert_close("midpoint", m.midpoint_temperature(), t0, 1e-9);
        assert_close("calorimetric", m.calorimetric_temperature(), t0, 1e-9);
        assert!((m.edge_ratio() - x / (2.0 * (1.0 + mu))).abs() < 1e-9);
        assert_close("energy", m.energy(), a * w2 / 2.0, 1e-9);
        assert_close("w.grad L", m.weight_dot_gradient(), a * w2, 1e-9);
        if mu == 0.0 {
            assert_close("lag sum", m.half_square_lag_sum(), s2, 1e-9);
            let difference = s2 * (2.0 + x) / (2.0 - x);
            assert_close(
                "lag difference",
                m.half_square_lag_difference(),
                difference,
                1e-9,
            );
        }
    }
}

/// The bare learning rate behind a dampened one.
fn config_rate(damped: f64, tau: f64) -> f64 {
    damped / (1.0 - tau)
}

#[test]
fn slow_modes_keep_their_digits() {
    for mu in [0.0, 0.9] {
        let (a, s2, eta) = (1e-8, 2.0, 1e-6);
        let m = one(a, s2, HarmonicConfig::new(eta).momentum(mu));
        let t0 = eta * s2 / (2.0 * (1.0 - mu));
        assert_close("midpoint", m.midpoint_temperature(), t0, 1e-9);
        assert_close("virial", m.virial_temperature(), t0, 1e-9);
        assert_close("calorimetric", m.calorimetric_temperature(), t0, 1e-9);
    }
}

#[test]
fn extreme_scales_give_numbers_or_errors() {
    let scales = [1e-300, 1e-150, 1e-50, 1.0, 1e50, 1e99];
    for a in scales {
        for s2 in scales {
            for eta in scales {
                for mu in [0.0, 0.9] {
                    let Ok(bath) =
                        HarmonicBath::new(&[a], &[s2], HarmonicConfig::new(eta).momentum(mu))
                    else {
                        continue;
                    };
                    assert!(!bath.spectral_radius().is_nan() && !bath.temperature().is_nan());
                    let Ok(m) = bath.stationary() else { continue };
                    for x in [
                        m.midpoint_temperature(),
                        m.kinetic_temperature(),
                        m.virial_temperature(),
                        m.calorimetric_temperature(),
                        m.edge_ratio(),
                        m.half_square_lag_sum(),
                        m.half_square_lag_difference(),
                    ] {
                        assert!(x.is_finite(), "{a:e} {s2:e} {eta:e} {mu}: {m:?}");
                    }
                    let Ok(mut run) = bath.stationary_sampler(1) else {
                        continue;
                    };
                    let _ = run.step();
                    assert!(run.loss().is_finite() && run.batch_loss().is_finite());
                }
            }
        }
    }
}

#[test]
fn pflug_statistic() {
    // <g_t.g_(t-1)> = -x s^2/(2 - x): half the gap between lag sum and lag difference.
    let m = one(1.0, 0.49, HarmonicConfig::new(1.0));
    let pflug = (m.half_square_lag_sum() - m.half_square_lag_difference()) / 2.0;
    assert_close("Pflug", pflug, -0.49, 1e-12);
    assert_close(
        "lag difference",
        m.half_square_lag_difference(),
        1.47,
        1e-12,
    );
}

#[test]
fn nesterov_in_one_dimension() {
    let (a, s2) = (0.8, 1.3);
    for (eta, mu) in [(0.1, 0.9), (0.5, 0.5), (0.01, 0.99), (1.0, 0.0)] {
        let m = one(
            a,
            s2,
            HarmonicConfig::new(eta).optimizer(Optimizer::Nesterov { momentum: mu }),
        );
        let x: f64 = eta * a;
        let exact = eta * s2 * (1.0 + mu + mu * x * (1.0 + 2.0 * mu))
            / (a * (1.0 - mu + mu * x) * (2.0 * (1.0 + mu) - x * (1.0 + 2.0 * mu)));
        assert_close("Var w", m.weight_covariance()[0], exact, 1e-9);
        assert_close("heat", m.heat(), -eta * (1.0 + mu) * s2, 1e-9);
    }
}

#[test]
fn weight_decay_in_one_dimension() {
    let (a, s2, eta, lambda) = (0.8, 1.3, 0.2, 0.3);
    for mu in [0.0, 0.5, 0.9] {
        let base = HarmonicConfig::new(eta).momentum(mu);
        let coupled = one(a, s2, base.weight_decay(lambda));
        let shifted = one(a + lambda, s2, base);
        assert_close(
            "coupled",
            coupled.weight_covariance()[0],
            shifted.weight_covariance()[0],
            1e-12,
        );
        assert_close(
            "virial",
            coupled.virial_temperature(),
            coupled.kinetic_temperature(),
            1e-9,
        );
        let decoupled = one(a, s2, base.weight_decay(lambda).decay(Decay::Decoupled));
        let l = eta * lambda;
        let exact = eta * s2 * (1.0 + mu - l * mu)
            / ((a + (1.0 - mu) * lambda)
                * (1.0 - mu * (1.0 - l))
                * (2.0 * (1.0 + mu) - eta * a - l * (1.0 + mu)));
        assert_close("decoupled", decoupled.weight_covariance()[0], exact, 1e-9);
    }
}

#[test]
fn stability_has_its_textbook_edge() {
    for mu in [0.0, 0.5, 0.9] {
        let nesterov = 2.0 * (1.0 + mu) / (1.0 + 2.0 * mu);
        for (rule, edge) in [
            (Optimizer::SGD.with_momentum(mu), 2.0 * (1.0 + mu)),
            (Optimizer::Nesterov { momentum: mu }, nesterov),
        ] {
            let at = |x: f64| {
                let config = HarmonicConfig::new(x).optimizer(rule);
                HarmonicBath::new(&[1.0], &[1.0], config).unwrap()
            };
            let (below, above) = (at(0.999 * edge), at(1.001 * edge));
            assert!(below.spectral_radius() < 1.0 && below.stationary().is_ok());
            assert!(above.spectral_radius() > 1.0);
            assert!(
                matches!(above.stationary(), Err(Error::OutOfRange { value, .. }) if value > 1.0)
            );
        }
    }
    // The radii a thousandth either side of the edge.
    let radius = |x: f64, mu: f64| {
        HarmonicBath::new(&[1.0], &[1.0], HarmonicConfig::new(x).momentum(mu))
            .unwrap()
            .spectral_radius()
    };
    assert!(
        (radius(1.998, 0.0) - 0.998).abs() < 1e-12 && (radius(2.002, 0.0) - 1.002).abs() < 1e-12
    );
    assert!(
        (radius(3.7962, 0.9) - 0.949).abs() < 1e-3 && (radius(3.8038, 0.9) - 1.030).abs() < 5e-3
    );
}

#[test]
fn detailed_balance_fails_as_the_commutator_says() {
    // mu = 0 in the eigenbasis: (eta/2) C12 (a1 - a2), C12 = eta s12/(a1 + a2 - eta a1 a2).
    let (a1, a2, s12, eta) = (1.0, 0.3, 0.4, 0.1);
    let bath = HarmonicBath::new(
        &[a1, 0.0, 0.0, a2],
        &[1.0, s12, s12, 0.5],
        HarmonicConfig::new(eta),
    )
    .unwrap();
    let m = bath.stationary().unwrap();
    let c12 = eta * s12 / (a1 + a2 - eta * a1 * a2);
    assert_close("C12", m.weight_covariance()[1], c12, 1e-9);
    assert_close(
        "area",
        m.area_rate((0, 1)).unwrap(),
        eta / 2.0 * c12 * (a1 - a2),
        1e-9,
    );
    assert_close(
        "area",
        m.area_rate((1, 0)).unwrap(),
        -eta / 2.0 * c12 * (a1 - a2),
        1e-9,
    );
    assert_eq!(m.area_rate((0, 0)), Some(0.0));
    assert_eq!(m.area_rate((0, 2)), None);
    // Commuting: equilibrium.
    let bath = HarmonicBath::new(
        &[a1, 0.0, 0.0, a2],
        &[1.0, 0.0, 0.0, 0.5],
        HarmonicConfig::new(eta).momentum(0.9),
    );
    assert_eq!(
        bath.unwrap().stationary().unwrap().area_rate((0, 1)),
        Some(0.0)
    );
}

/// B B' / d + shift: symmetric, positive definite for a positive shift.
fn gram(dim: usize, rank: usize, shift: f64, random: &mut Random) -> Vec<f64> {
    let b: Vec<f64> = (0..dim * rank).map(|_| random.normal()).collect();
    let row = |i: usize| &b[i * rank..(i + 1) * rank];
    (0..dim * dim)
        .map(|k| {
            let (i, j) = (k / dim, k % dim);
            dot(row(i), row(j)) / rank as f64 + if i == j { shift } else { 0.0 }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn thermometers_on_any_bath(
        seed in any::<u64>(),
        dim in 1_usize..7,
        mu in 0.0_f64..0.95,
        dampened in any::<bool>(),
        fraction in 0.02_f64..0.95,
        lambda in 0.0_f64..0.5,
    ) {
        let mut random = Random::new(seed);
        let a = gram(dim, dim, 0.05, &mut random);
        // A noise covariance of full or deficient rank.
        let rank = 1 + random.below(dim);
        let sigma = gram(dim, rank, 0.0, &mut random);
        let tau = if dampened { mu } else { 0.0 };
        let trace: f64 = a.iter().step_by(dim + 1).sum();
        // tr A bounds the stiffest mode, so this is a fraction of the distance to the edge.
        let eta = fraction * 2.0 * (1.0 + mu) / ((trace + lambda) * (1.0 - tau));
        let config = HarmonicConfig::new(eta).momentum(mu).dampening(tau).weight_decay(lambda);
        let bath = HarmonicBath::new(&a, &sigma, config).unwrap();
        prop_assert!(bath.spectral_radius() < 1.0);
        let m = bath.stationary().unwrap();
        let t0 = bath.temperature();
        prop_assert!((m.midpoint_temperature() / t0 - 1.0).abs() < 1e-9, "midpoint {} {t0}", m.midpoint_temperature());
        prop_assert!((m.calorimetric_temperature() / t0 - 1.0).abs() < 1e-9, "heat {} {t0}", m.calorimetric_temperature());
        prop_assert!((m.kinetic_temperature() / m.virial_temperature() - 1.0).abs() < 1e-9);
        let e = m.edge_ratio();
        prop_assert!((0.0..1.0).contains(&e), "edge ratio {e}");
        if mu == 0.0 && lambda == 0.0 {
            prop_assert!((m.half_square_lag_sum() / bath.noise_trace() - 1.0).abs() < 1e-9);
        }
        // E[w.v] = -(eta/2) E|v|^2.
        let wv: f64 = m.weight_velocity_covariance().iter().step_by(dim + 1).sum();
        let vv: f64 = m.velocity_covariance().iter().step_by(dim + 1).sum();
        prop_assert!((wv / (-0.5 * eta * vv) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn lag_sum_without_momentum(seed in any::<u64>(), dim in 1_usize..7, fraction in 0.02_f64..0.95) {
        let mut random = Random::new(seed);
        let (a, sigma) = (gram(dim, dim, 0.05, &mut random), gram(dim, dim, 0.0, &mut random));
        let trace: f64 = a.iter().step_by(dim + 1).sum();
        let bath = HarmonicBath::new(&a, &sigma, HarmonicConfig::new(fraction * 2.0 / trace)).unwrap();
        let m = bath.stationary().unwrap();
        prop_assert!((m.half_square_lag_sum() / bath.noise_trace() - 1.0).abs() < 1e-9);
        prop_assert!(m.half_square_lag_difference() >= bath.noise_trace());
    }
}

#[test]
fn simulation_agrees_with_the_moments() {
    let a = [2.0, 0.5, -0.3, 0.5, 1.0, 0.2, -0.3, 0.2, 0.7];
    let sigma = [1.0, -0.4, 0.1, -0.4, 3.0, 0.9, 0.1, 0.9, 0.5];
    for (seed, config) in [
        HarmonicConfig::new(0.3),
        HarmonicConfig::new(0.2).momentum(0.9).weight_decay(0.1),
        HarmonicConfig::new(0.2)
            .momentum(0.8)
            .dampening(0.8)
            .weight_decay(0.3)
            .decay(Decay::Decoupled),
        HarmonicConfig::new(0.1).optimizer(Optimizer::Nesterov { momentum: 0.9 }),
    ]
    .into_iter()
    .enumerate()
    {
        let bath = HarmonicBath::new(&a, &sigma, config).unwrap();
        let m = bath.stationary().unwrap();
        let mut run = bath.stationary_sampler(seed as u64 + 1).unwrap();
        let names = [
            "E|w|^2",
            "E|v|^2",
            "E|Delta|^2",
            "midpoint",
            "heat",
            "w.grad",
            "lag sum",
            "area",
            "noise",
        ];
        let mut series: [Vec<f64>; 9] = Default::default();
        let (mut w1, mut g1) = (vec![0.0; 3], vec![0.0; 3]);
        let mut before_last = vec![0.0; 3];
        for t in 0..100_000 {
            let w: Vec<f64> = run.weights().to_vec();
            let g: Vec<f64> = run.gradient().to_vec();
            let g2 = run.draw_second().to_vec();
            let gap: Vec<f64> = g.iter().zip(&g2).map(|(a, b)| a - b).collect();
            let heat_before = run.batch_loss();
            series[0].push(dot(&w, &w));
            series[1].push(dot(run.velocity(), run.velocity()));
            series[5].push(dot(&w, &g2));
            series[8].push(dot(&gap, &gap) / 2.0);
            if t > 1 {
                let middle: Vec<f64> = w
                    .iter()
                    .zip(&before_last)
                    .map(|(a, b)| (a - b) / 2.0)
                    .collect();
                series[3].push(dot(&middle, &middle));
                let sum: Vec<f64> = g.iter().zip(&g1).map(|(a, b)| a + b).collect();
                series[6].push(dot(&sum, &sum) / 2.0);
            }
            run.step().unwrap();
            let step: Vec<f64> = run.weights().iter().zip(&w).map(|(a, b)| a - b).collect();
            series[2].push(dot(&step, &step));
            series[4].push(run.previous_batch_loss().unwrap() - heat_before);
            series[7].push(0.5 * (w[0] * step[1] - w[1] * step[0]));
            before_last = std::mem::replace(&mut w1, w);
            g1 = g;
        }
        let trace = |c: &[f64]| c.iter().step_by(4).sum::<f64>();
        let exact = [
            trace(m.weight_covariance()),
            trace(m.velocity_covariance()),
            m.square_step(),
            m.square_midpoint(),
            m.heat(),
            m.weight_dot_gradient(),
            m.half_square_lag_sum(),
            m.area_rate((0, 1)).unwrap(),
            bath.noise_trace(),
        ];
        for ((name, series), exact) in names.iter().zip(&series).zip(exact) {
            let resolution = if *name == "area" { 0.5 } else { 0.1 };
            assert_agrees(&format!("{name}, config {seed}"), series, exact, resolution);
        }
    }
}

#[test]
fn the_second_gradient_leaves_the_trajectory_alone() {
    let bath = HarmonicBath::new(&[1.0], &[1.0], HarmonicConfig::new(0.1)).unwrap();
    let (mut a, mut b) = (
        bath.sampler(&[1.0], 5).unwrap(),
        bath.sampler(&[1.0], 5).unwrap(),
    );
    assert_eq!(a.second_gradient(), None);
    for _ in 0..50 {
        let second = b.draw_second().to_vec();
        assert_eq!(b.second_gradient(), Some(second.as_slice()));
        assert_ne!(second, b.gradient());
        a.step().unwrap();
        b.step().unwrap();
        assert_eq!(b.second_gradient(), None);
    }
    assert_eq!(a.weights(), b.weights());
    assert_eq!(a.steps(), 50);
}

#[test]
fn an_unstable_run_stops_with_an_error_and_finite_state() {
    let bath = HarmonicBath::new(&[1.0], &[1.0], HarmonicConfig::new(10.0)).unwrap();
    let mut run = bath.sampler(&[0.0], 1).unwrap();
    let failed = (0..1000).find_map(|_| run.step().err());
    assert!(matches!(failed, Some(Error::OutOfRange { .. })));
    assert!(run.weights()[0].is_finite() && run.loss().is_finite());
    assert!(bath.stationary_sampler(1).is_err());
}

#[test]
fn nonsense_is_refused() {
    let config = HarmonicConfig::new(0.1);
    let new = |a: &[f64], s: &[f64]| HarmonicBath::new(a, s, config);
    assert!(matches!(new(&[], &[]), Err(Error::Empty { .. })));
    assert!(matches!(
        new(&[1.0, 2.0], &[1.0, 2.0]),
        Err(Error::LengthMismatch { .. })
    ));
    assert!(matches!(
        new(&[1.0], &[1.0, 0.0, 0.0, 1.0]),
        Err(Error::LengthMismatch { .. })
    ));
    assert!(matches!(
        new(&[f64::NAN], &[1.0]),
        Err(Error::NonFinite { .. })
    ));
    assert!(matches!(new(&[1e200], &[1.0]), Err(Error::Overflow { .. })));
    assert!(
        new(&[0.0], &[1.0]).is_err()
            && new(&[1.0], &[-1.0]).is_err()
            && new(&[1.0], &[0.0]).is_err()
    );
    assert!(new(&[1.0, 0.5, 0.0, 1.0], &[1.0, 0.0, 0.0, 1.0]).is_err());
    for bad in [
        HarmonicConfig::new(0.0),
        HarmonicConfig::new(f64::NAN),
        config.momentum(1.0),
        config.momentum(-0.1),
        config.dampening(1.0),
        config.weight_decay(-1.0),
        config.optimizer(Optimizer::Nesterov { momentum: 1.0 }),
    ] {
        assert!(HarmonicBath::new(&[1.0], &[1.0], bad).is_err(), "{bad:?}");
    }
    let bath = new(&[1.0], &[1.0]).unwrap();
    assert!(bath.sampler(&[1.0, 2.0], 0).is_err() && bath.sampler(&[f64::INFINITY], 0).is_err());
}
