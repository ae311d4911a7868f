//! Values by hand, closed forms and boundaries: gas.

use std::f64::consts::{LN_2, PI};

use thermograd::systems::{GasProtocol, IsotropicGasConfig, Random, VonMisesFisher};
use thermograd::{Decay, Error, Optimizer, Protocol, Reading, Step};

use super::{above, below, close, dot, integral, near, ready, refused};

const fn rate(learning_rate: f64, weight_decay: f64) -> GasProtocol {
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

/// g = P(a μ̂ + σ z)/r by its definition.
fn drawn(w: &[f64], noise: f64, strength: f64, random: &mut Random) -> Vec<f64> {
    let r = dot(w, w).sqrt();
    let mut g: Vec<f64> = w.iter().map(|_| noise * random.normal() / r).collect();
    g[0] += strength / r;
    let along = dot(&g, w) / (r * r);
    for (g, w) in g.iter_mut().zip(w) {
        *g -= along * w;
    }
    g
}

/// The gas moves as it is defined, under every protocol, with the losses of one batch before
/// and after its step: L + b·ŵ with b = σ P z.
#[test]
fn a_run_of_the_gas_is_its_recursion() {
    let (noise, strength, radius, seed) = (0.5, 0.75, 2.0, 6_u64);
    for (protocol, mu, tau, decay) in [
        (rate(0.2, 0.1), 0.6, 0.25, Decay::Coupled),
        (rate(0.2, 0.1), 0.6, 0.25, Decay::Decoupled),
        (effective(0.1, 0.2), 0.0, 0.0, Decay::Coupled),
        (effective(0.1, 0.2), 0.0, 0.0, Decay::Decoupled),
        (sphere(0.3), 0.0, 0.0, Decay::Coupled),
    ] {
        let config = IsotropicGasConfig::new(5, protocol)
            .noise(noise)
            .strength(strength)
            .radius(radius)
            .momentum(mu)
            .dampening(tau)
            .decay(decay)
            .seed(seed);
        let mut gas = config.build().unwrap();
        assert_eq!(*gas.config(), config);
        let (mut random, mut other) = (Random::new(seed), Random::new(!seed));
        let mut w: Vec<f64> = (0..5).map(|_| random.normal()).collect();
        let norm = dot(&w, &w).sqrt();
        for w in &mut w {
            *w *= radius / norm;
        }
        let mut v = [0.0; 5];
        let mut batch: Option<(f64, f64)> = None;
        for step in 0..15 {
            let g = drawn(&w, noise, strength, &mut random);
            let r = dot(&w, &w).sqrt();
            let (eta, lambda) = match protocol {
                GasProtocol::FixedLearningRate { .. } => (0.2, 0.1),
                GasProtocol::FixedEffectiveLearningRate { .. } => (0.1 * r * r, 0.2),
                _ => (0.3 * r * r, 0.0),
            };
            for i in 0..5 {
                close(gas.weights()[i], w[i], 1e-11);
                close(gas.gradient()[i], g[i], 1e-11);
            }
            close(gas.radius(), r, 1e-12);
            close(gas.loss(), 1.0 + strength * w[0] / r, 1e-12);
            close(gas.learning_rate(), eta, 1e-12);
            assert_eq!((gas.weight_decay(), gas.steps()), (lambda, step));
            let twin = drawn(&w, noise, strength, &mut other);
            assert_eq!(gas.second_gradient(), None);
            for (found, expected) in gas.draw_second().iter().zip(&twin) {
                close(*found, *expected, 1e-11);
            }
            assert!(gas.second_gradient().is_some());
            match (gas.same_batch_losses(), batch) {
                (Some(found), Some(expected)) => {
                    close(found.0, expected.0, 1e-11);
                    close(found.1, expected.1, 1e-11);
                }
                (None, None) => assert_eq!(step, 0),
                other => panic!("{other:?}"),
            }
            let facts = gas.facts();
            let told = Step::new(gas.loss())
                .learning_rate(gas.learning_rate())
                .optimizer(Optimizer::HeavyBall {
                    momentum: mu,
                    dampening: tau,
                })
                .protocol(match protocol {
                    GasProtocol::FixedLearningRate { .. } => Protocol::FixedLearningRate,
                    GasProtocol::FixedEffectiveLearningRate { .. } => {
                        Protocol::FixedEffectiveLearningRate
                    }
                    _ => Protocol::FixedSphere,
                });
            let told = match decay {
                Decay::Coupled => told.weight_decay(lambda),
                Decay::Decoupled => told.decoupled_weight_decay(lambda),
            };
            let told = match gas.same_batch_losses() {
                Some((_, after)) => told.previous_batch_loss(after),
                None => told,
            };
            assert_eq!(facts, told);
            // The noise alone: b = r g less the mean gradient a (μ̂ − ŵ₀ ŵ).
            let mut b: Vec<f64> = g.iter().map(|g| r * g).collect();
            b[0] -= strength;
            for i in 0..5 {
                b[i] += strength * (w[0] / r) * (w[i] / r);
            }
            let before = 1.0 + strength * w[0] / r;
            let mut next = [0.0; 5];
            for i in 0..5 {
                let inside = match decay {
                    Decay::Coupled => g[i] + lambda * w[i],
                    Decay::Decoupled => g[i],
                };
                v[i] = mu * v[i] + (1.0 - tau) * inside;
                let shrunk = match decay {
                    Decay::Coupled => w[i],
                    Decay::Decoupled => (1.0 - eta * lambda) * w[i],
                };
                next[i] = shrunk - eta * v[i];
            }
            if let GasProtocol::FixedSphere { .. } = protocol {
                let norm = dot(&next, &next).sqrt();
                for w in &mut next {
                    *w *= radius / norm;
                }
            }
            w = next.to_vec();
            let r = dot(&w, &w).sqrt();
            let after = 1.0 + strength * w[0] / r + dot(&b, &w) / r;
            batch = Some((before, after));
            gas.step().unwrap();
        }
    }
}

/// r⁴, T, Z, rotation and overlap with numbers put in by hand: d = 4, σ = 1, M = 3.
#[test]
fn closed_forms_of_the_pure_gas_by_hand() {
    let gas = |protocol| IsotropicGasConfig::new(4, protocol);
    // η = 0.5, λ = 0.4, μ = 0.6, τ = 0.2: r⁴ = 0.4·3/(0.4·0.4·(2 − 0.16/1.6)).
    let heavy = gas(rate(0.5, 0.4)).momentum(0.6).dampening(0.2);
    let r4: f64 = 1.2 / (0.16 * 1.9);
    close(ready(&heavy.stationary_radius()), r4.powf(0.25), 1e-14);
    // T = η(1−τ)σ²/2(1−μ)r² = 0.4/(0.8 r²).
    close(ready(&heavy.temperature()), 0.5 / r4.sqrt(), 1e-14);
    close(
        ready(&heavy.compressibility_factor()),
        1.0 / (1.0 - 0.16 / 3.2),
        1e-14,
    );
    close(ready(&heavy.rotation()), 0.1, 1e-14);
    assert!(heavy.overlap(1).ready().is_none());
    assert!(heavy.relaxed_radius(1.0).unwrap().ready().is_none());
    // Decoupled: (ητ')² M (1 + qμ)/((1 − q²)(1 − μ²)(1 − qμ)), q = 0.8.
    let apart = heavy.decay(Decay::Decoupled);
    let r4: f64 = 0.16 * 3.0 * 1.48 / (0.36 * 0.64 * 0.52);
    close(ready(&apart.stationary_radius()), r4.powf(0.25), 1e-14);
    assert!(apart.compressibility_factor().ready().is_none());
    assert!(apart.rotation().ready().is_none());
    let damped = gas(rate(0.5, 0.4)).dampening(0.2).decay(Decay::Decoupled);
    assert!(damped.compressibility_factor().ready().is_none());
    let plain = gas(rate(0.5, 0.4)).decay(Decay::Decoupled);
    close(ready(&plain.compressibility_factor()), 1.0 / 0.9, 1e-14);
    // e²M = 0.75: r² = (1 − ½)/(eλ); ηλ = ½.
    let held = gas(effective(0.5, 0.25));
    close(ready(&held.stationary_radius()), 2.0, 1e-14);
    close(ready(&held.temperature()), 0.25, 1e-15);
    close(ready(&held.compressibility_factor()), 1.0 / 0.75, 1e-14);
    close(ready(&held.rotation()), 0.5, 1e-14);
    close(ready(&held.overlap(3)), 0.125, 1e-14);
    // From r = 1: √((1 − 0.125)² + 0.75).
    let relaxed = held.relaxed_radius(1.0).unwrap();
    close(ready(&relaxed), 1.515_625_f64.sqrt(), 1e-14);
    // The sphere: (1 + 0.75)^{−lag/2}.
    let fixed = gas(sphere(0.5)).radius(3.0);
    close(ready(&fixed.overlap(2)), 1.0 / 1.75, 1e-14);
    close(ready(&fixed.rotation()), 1.0 - 1.0 / 1.75_f64.sqrt(), 1e-14);
    assert_eq!(ready(&fixed.stationary_radius()), 3.0);
    assert_eq!(ready(&fixed.relaxed_radius(1.0).unwrap()), 3.0);
    assert!(fixed.compressibility_factor().ready().is_none());
    close(ready(&fixed.temperature()), 0.25, 1e-15);
    close(ready(&fixed.noise(2.0).second_moment()), 12.0, 1e-15);
    close(ready(&fixed.noise(2.0).temperature()), 1.0, 1e-15);
    // e²M = 0.75·0.64 from r = 2: √((1 − 0.5)² + 0.48)·2.
    let damp = held.noise(0.8).relaxed_radius(2.0).unwrap();
    close(ready(&damp), 0.73_f64.sqrt() * 2.0, 1e-14);
    let only = gas(rate(0.5, 0.4)).momentum(0.6).decay(Decay::Decoupled);
    assert!(only.rotation().ready().is_none());
    // η = 0.5, τ = 0.2, λ = 0.4 from r = 2: (1 − 0.16)²·4 + 0.16·3/4; decoupled (1 − 0.2)².
    let damped = gas(rate(0.5, 0.4)).dampening(0.2);
    let from = |gas: IsotropicGasConfig| ready(&gas.relaxed_radius(2.0).unwrap());
    close(from(damped), (0.84_f64.powi(2) * 4.0 + 0.12).sqrt(), 1e-14);
    let apart = damped.decay(Decay::Decoupled);
    close(from(apart), (0.64_f64 * 4.0 + 0.12).sqrt(), 1e-14);
    close(ready(&gas(rate(0.5, 0.4)).overlap(2)), 0.64, 1e-14);
}

#[test]
fn gases_without_an_answer_say_so() {
    let gas = |protocol| IsotropicGasConfig::new(4, protocol);
    let undefined = |reading: Reading<f64>| matches!(reading, Reading::Undefined(_));
    assert!(undefined(
        gas(rate(0.5, 0.4)).noise(0.0).stationary_radius()
    ));
    assert!(undefined(gas(rate(0.5, 0.0)).stationary_radius()));
    assert!(undefined(gas(effective(0.5, 0.0)).stationary_radius()));
    assert!(undefined(
        gas(rate(0.5, 0.4)).strength(1.0).stationary_radius()
    ));
    assert!(undefined(gas(rate(0.5, 0.4)).strength(1.0).second_moment()));
    // e²M reaches 1 at e = 1/√3.
    assert!(undefined(gas(effective(0.578, 0.1)).stationary_radius()));
    assert!(
        gas(effective(0.577, 0.1))
            .stationary_radius()
            .ready()
            .is_some()
    );
    let bad = IsotropicGasConfig::new(1, rate(0.5, 0.4));
    assert!(undefined(bad.second_moment()) && undefined(bad.temperature()));
    // At a fixed effective rate the temperature does not ask for the strength.
    close(
        ready(&gas(effective(0.5, 0.2)).strength(1.0).temperature()),
        0.25,
        1e-15,
    );
    refused(gas(rate(0.5, 0.4)).relaxed_radius(0.9e-70), "radius");
    refused(gas(rate(0.5, 0.4)).relaxed_radius(1.1e70), "radius");
    assert!(gas(rate(0.5, 0.4)).relaxed_radius(1e70).is_ok());
}

#[test]
fn gases_have_bounds() {
    let of = |config: IsotropicGasConfig| config.build().map(|_| ());
    let gas = |protocol| IsotropicGasConfig::new(4, protocol);
    let plain = gas(rate(0.5, 0.4));
    refused(of(IsotropicGasConfig::new(1, rate(0.5, 0.4))), "dimension");
    refused(
        of(IsotropicGasConfig::new((1 << 26) + 1, rate(0.5, 0.4))),
        "dimension",
    );
    assert!(of(IsotropicGasConfig::new(2, rate(0.5, 0.4))).is_ok());
    refused(of(plain.noise(0.9e-50)), "noise");
    refused(of(plain.noise(1.1e50)), "noise");
    refused(of(plain.strength(-1.0)), "strength");
    refused(of(plain.radius(0.0)), "radius");
    refused(of(plain.radius(1.1e50)), "radius");
    refused(of(plain.momentum(1.0)), "momentum");
    refused(of(plain.dampening(-0.1)), "dampening");
    assert!(of(plain.noise(0.0).radius(1e50)).is_ok());
    refused(of(gas(rate(2.0, 0.5))), "learning rate times weight decay");
    assert!(of(gas(rate(2.0, below(0.5)))).is_ok());
    refused(of(gas(rate(0.0, 0.5))), "learning rate");
    refused(of(gas(sphere(above(1e50)))), "learning rate");
    refused(of(gas(effective(0.1, -0.5))), "weight decay");
    for (mu, tau) in [(0.5, 0.0), (0.0, 0.5)] {
        let config = gas(sphere(0.1)).momentum(mu).dampening(tau);
        assert!(matches!(of(config), Err(Error::Conflict { .. })));
    }
    let mut run = plain.radius(2.0).build().unwrap();
    run.set_protocol(sphere(0.25)).unwrap();
    close(
        run.config().stationary_radius().ready().copied().unwrap(),
        2.0,
        1e-14,
    );
    close(run.learning_rate(), 1.0, 1e-14);
    refused(run.set_protocol(sphere(0.0)), "learning rate");
    assert_eq!(run.weight_decay(), 0.0);
    let mut run = plain.radius(2.0).build().unwrap();
    for _ in 0..5 {
        run.step().unwrap();
    }
    let radius = run.radius();
    assert!((radius - 2.0).abs() > 0.1, "{radius}");
    run.set_protocol(sphere(0.25)).unwrap();
    run.step().unwrap();
    close(run.radius(), radius, 1e-13);
    // Noise without decay throws the weights away: the step is refused, the weights stay.
    let mut wild = gas(rate(1e50, 0.0))
        .noise(1e50)
        .radius(1e-10)
        .build()
        .unwrap();
    let before = wild.weights().to_vec();
    refused(wild.step(), "radius after the step");
    assert_eq!((wild.weights(), wild.steps()), (&before[..], 0));
}

/// Averages over the direction by a sum over angles, with the density
/// exp(c/T + e((D+2)c/2 − c²/4T)) in units of the strength.
fn directions(dim: usize, e: f64, strength: f64, noise: f64) -> [f64; 3] {
    // Told by what is missing of c, s = 1 − c, since a cold gas has c = 1 to many digits.
    let d = f64::from(u32::try_from(dim).unwrap()) - 1.0;
    let e = e * strength;
    let t = 0.5 * e * (noise / strength).powi(2);
    let (exponent, reach) = if strength == 0.0 {
        ((0.0, 0.0), PI)
    } else {
        let linear = 1.0 / t + e * (0.5 * (d + 2.0) - 0.5 / t);
        (
            (-linear, -0.25 * e / t),
            f64::min(PI, 4.0 * (t * (40.0 + d)).sqrt()),
        )
    };
    let of = |f: &dyn Fn(f64) -> f64| {
        integral(0.0, reach, 500, |angle| {
            let s = 2.0 * (0.5 * angle).sin().powi(2);
            let weight = (exponent.0 * s + exponent.1 * s * s).exp();
            f(s) * angle.sin().powf(d - 1.0) * weight
        })
    };
    let z = of(&|_| 1.0);
    let mean = of(&|s| s) / z;
    let sine_squared = of(&|s| s * (2.0 - s)) / z;
    // The rest of the directions: a sphere of one dimension less.
    let ln_area = match dim {
        2 => LN_2,
        _ => VonMisesFisher::new(dim - 1, 0.0).unwrap().entropy(),
    };
    let entropy = ln_area + z.ln() - of(&|s| exponent.0 * s + exponent.1 * s * s) / z;
    [mean, sine_squared, entropy]
}

/// The stationary state with a mean loss: M = Dσ² + a²⟨s²⟩ to self-consistency, the norm by
/// its recursion with what it fluctuates, and the direction at the step that it feels.
#[test]
fn stationary_states_of_a_gas_with_a_loss() {
    for (dim, protocol, noise, strength) in [
        (4, rate(0.02, 0.5), 0.8, 0.6),
        (2, rate(0.05, 0.2), 0.5, 1.5),
        (12, effective(0.02, 0.5), 0.9, 2.0),
        (8, effective(0.1, 0.5), 0.3, 0.7),
        (6, sphere(0.05), 0.7, 1.2),
        (6, sphere(0.05), 0.001, 1.0),
        (6, rate(0.02, 0.5), 0.8, 0.0),
        (6, effective(0.02, 0.5), 0.8, 0.0),
    ] {
        let config = IsotropicGasConfig::new(dim, protocol)
            .noise(noise)
            .strength(strength)
            .radius(1.5);
        let d = f64::from(u32::try_from(dim).unwrap()) - 1.0;
        let mut sine_squared = 0.0;
        let (mut squared, mut v, mut step, mut moment) = (0.0, 0.0, 0.0, 0.0);
        let mut state = [0.0; 3];
        for _ in 0..40 {
            moment = d * noise * noise + strength * strength * sine_squared;
            let shrink;
            (squared, v, step, shrink) = match protocol {
                GasProtocol::FixedLearningRate {
                    learning_rate: eta,
                    weight_decay,
                } => {
                    let x = eta * weight_decay;
                    let q2 = (1.0 - x).powi(2);
                    let v = (1.0 - q2) / (2.0 * q2 * d);
                    let fourth = eta * moment * (1.0 + v) / (weight_decay * (2.0 - x));
                    let squared = fourth.sqrt();
                    (squared, v, eta / squared * (1.0 + v), 1.0 - x)
                }
                GasProtocol::FixedEffectiveLearningRate {
                    effective_learning_rate: e,
                    weight_decay,
                } => {
                    // e²M = 2x − x² first, for the memory 1 − 2x + 2x² of r²; then with v.
                    let x = 1.0 - (1.0 - e * e * moment).sqrt();
                    let memory = 1.0 - 2.0 * x + 2.0 * x * x;
                    let v = 2.0 * d * (e * noise).powi(4) / (1.0 - memory * memory);
                    let left = |x: f64| 2.0 * x * (1.0 + v) - x * x * (1.0 + 3.0 * v);
                    let (mut low, mut high) = (0.0, 0.5);
                    for _ in 0..100 {
                        let x = 0.5 * (low + high);
                        if left(x) < e * e * moment {
                            low = x;
                        } else {
                            high = x;
                        }
                    }
                    (low / (e * weight_decay), v, e, 1.0 - low)
                }
                _ => (2.25, 0.0, 0.05, 1.0),
            };
            state = directions(dim, step / shrink, strength, noise);
            let settled = (state[1] - sine_squared).abs() < 1e-13;
            sine_squared = state[1];
            if settled || strength == 0.0 {
                break;
            }
        }
        let found = ready(&config.stationary_state());
        near(found.squared_radius, squared, 1e-7);
        close(found.volume_variance, v, 1e-7);
        near(found.temperature, 0.5 * step * noise * noise, 1e-7);
        near(found.energy, 1.0 - strength + strength * state[0], 1e-7);
        close(found.direction_entropy, state[2], 1e-7);
        let entropy = state[2] + d * (0.5 * squared.ln() - 0.25 * v);
        close(found.entropy, entropy, 1e-6);
        match protocol {
            GasProtocol::FixedSphere { .. } => {
                near(found.pressure, 0.5 * step * moment / squared, 1e-7);
            }
            GasProtocol::FixedLearningRate { weight_decay, .. }
            | GasProtocol::FixedEffectiveLearningRate { weight_decay, .. } => {
                assert_eq!(found.pressure, weight_decay);
            }
            _ => panic!("three protocols"),
        }
    }
}

/// For e → 0: r⁴ = ηM/2λ, r² = eM/2λ, and von Mises and Fisher's direction.
#[test]
fn continuum_states_of_a_gas_with_a_loss() {
    // M = 4·0.25 = 1.
    let gas = |protocol| {
        IsotropicGasConfig::new(5, protocol)
            .noise(0.5)
            .strength(0.3)
            .radius(2.0)
    };
    for (protocol, squared, step, pressure) in [
        (rate(0.02, 0.25), 0.2, 0.1, 0.25),
        (effective(0.1, 0.25), 0.2, 0.1, 0.25),
        (sphere(0.1), 4.0, 0.1, 0.5 * 0.1 / 4.0),
    ] {
        let found = ready(&gas(protocol).continuum_state());
        close(found.squared_radius, squared, 1e-14);
        close(found.temperature, 0.125 * step, 1e-14);
        let law = VonMisesFisher::new(5, 0.3 / 0.0125).unwrap();
        close(found.energy, 0.7 + 0.3 * law.energy(), 1e-13);
        close(found.direction_entropy, law.entropy(), 1e-12);
        close(found.entropy, law.entropy() + 2.0 * squared.ln(), 1e-12);
        close(found.pressure, pressure, 1e-15);
        assert_eq!(found.volume_variance, 0.0);
    }
    for config in [
        gas(rate(0.02, 0.25)).momentum(0.1),
        gas(rate(0.02, 0.25)).dampening(0.1),
        gas(rate(0.02, 0.25)).decay(Decay::Decoupled),
        gas(rate(0.02, 0.25)).noise(0.0),
        gas(rate(0.02, 0.0)),
        gas(effective(0.02, 0.0)),
        gas(rate(0.02, 0.25)).radius(-1.0),
    ] {
        assert!(config.continuum_state().ready().is_none());
        assert!(config.stationary_state().ready().is_none());
    }
    // ea reaches 2: no stationary direction.
    let large = gas(sphere(7.0)).noise(0.01);
    assert!(large.stationary_state().ready().is_none());
    assert!(
        gas(sphere(6.0))
            .noise(0.01)
            .stationary_state()
            .ready()
            .is_some()
    );
}
