//! The gas with a mean loss: the first-order law against SGD, its limits, and what it refuses.

use proptest::prelude::*;
use thermograd::systems::{GasProtocol, GasState, IsotropicGasConfig, VonMisesFisher};
use thermograd::{Decay, Reading};

use super::batch_means;

const fn sphere(effective_learning_rate: f64) -> GasProtocol {
    GasProtocol::FixedSphere {
        effective_learning_rate,
    }
}

fn corrected(gas: IsotropicGasConfig) -> GasState {
    *gas.stationary_state().ready().unwrap()
}

fn continuum(gas: IsotropicGasConfig) -> GasState {
    *gas.continuum_state().ready().unwrap()
}

/// U, ⟨r²⟩ and ⟨η|g|²/(2r²)⟩ of a run from the stationary radius, each with its error.
fn run(gas: IsotropicGasConfig, steps: usize) -> [(f64, f64); 3] {
    let mut gas = gas.build().unwrap();
    (0..5000).for_each(|_| gas.step().unwrap());
    let mut series = [vec![], vec![], vec![]];
    for _ in 0..steps / 4 {
        (0..4).for_each(|_| gas.step().unwrap());
        let r2 = gas.radius().powi(2);
        let g2: f64 = gas.gradient().iter().map(|g| g * g).sum();
        let seen = [gas.loss(), r2, 0.5 * gas.learning_rate() * g2 / r2];
        series.iter_mut().zip(seen).for_each(|(s, x)| s.push(x));
    }
    series.map(|s| batch_means(&s))
}

/// On the sphere, with what is left out: second order in the step.
#[test]
fn the_law_is_that_of_the_steps() {
    for (dim, e, sigma, a) in [
        (3, 0.05, 1.0, 1.0),
        (3, 0.2, 1.0, 1.0),
        (3, 0.4, 1.0, 1.0),
        (3, 0.1, 2.0, 1.0),
        (2, 0.2, 0.7, 1.5),
        (10, 0.1, 1.0, 1.0),
        (30, 0.05, 1.0, 2.0),
    ] {
        let gas = IsotropicGasConfig::new(dim, sphere(e))
            .noise(sigma)
            .strength(a);
        let (theory, limit) = (corrected(gas), continuum(gas));
        let [(u, u_error), _, (p, p_error)] = run(gas.seed(3), 600_000);
        let freedom = dim as f64 - 1.0;
        let order = (e * a).powi(2) + (e * e * freedom * sigma * sigma).powi(2);
        let left_out = 0.3 * order;
        let allowed = |error: f64, size: f64| 4.5 * error + left_out * size;
        // The loss counts from 1 − a, and the mean gradient's share of p is a²⟨s²⟩.
        let name = format!("d = {dim}, e = {e}, sigma = {sigma}, a = {a}");
        assert!(
            (u - theory.energy).abs() < allowed(u_error, theory.energy - 1.0 + a),
            "{name}: U {u} ± {u_error}, {theory:?}"
        );
        assert!(
            (p - theory.pressure).abs() < allowed(p_error, theory.pressure),
            "{name}: p {p} ± {p_error}, {theory:?}"
        );
        // It is a test: the limit of small steps is told from what is measured.
        if e * a >= 0.2 {
            let z = (p - limit.pressure).abs() / p_error;
            assert!(z > 10.0, "{name}: {z}");
        }
    }
}

#[test]
fn the_radius_knows_of_gradient_and_fluctuations() {
    let effective = |e, lambda| GasProtocol::FixedEffectiveLearningRate {
        effective_learning_rate: e,
        weight_decay: lambda,
    };
    let fixed = |eta, lambda| GasProtocol::FixedLearningRate {
        learning_rate: eta,
        weight_decay: lambda,
    };
    for protocol in [effective(0.1, 0.3), fixed(0.1, 0.1), fixed(0.2, 0.05)] {
        let gas = IsotropicGasConfig::new(3, protocol).strength(1.0);
        let theory = corrected(gas);
        let start = gas.radius(theory.squared_radius.sqrt()).seed(12);
        let [(u, u_error), (r2, r2_error), _] = run(start, 2_000_000);
        let z = (r2 - theory.squared_radius) / r2_error;
        let limit = (r2 - continuum(gas).squared_radius) / r2_error;
        assert!(
            z.abs() < 4.0 && limit.abs() > 10.0,
            "{protocol:?}: {z} {limit}"
        );
        let off = (u - theory.energy).abs();
        assert!(
            off < 4.0 * u_error + 0.01 * theory.energy,
            "{protocol:?}: {u} {theory:?}"
        );
    }
}

#[test]
fn small_steps_are_von_mises_and_fisher_s() {
    for dim in [2, 3, 10, 100, 5000] {
        for t in [0.001, 0.1, 3.0] {
            // The noise that makes T of tiny steps.
            let e = 1e-7;
            let gas = IsotropicGasConfig::new(dim, sphere(e)).strength(1.0);
            let gas = gas.noise((2.0 * t / e).sqrt()).radius(2.0);
            let exact = VonMisesFisher::at_temperature(dim, t).unwrap();
            let freedom = dim as f64 - 1.0;
            for (state, within) in [(continuum(gas), 1e-9), (corrected(gas), 1e-2)] {
                let within = if freedom * t > 3.0 {
                    10.0 * within
                } else {
                    within
                };
                assert!((state.temperature / t - 1.0).abs() < 1e-12);
                assert!(
                    (state.energy / exact.energy() - 1.0).abs() < within,
                    "{dim} {t} {state:?}"
                );
                let entropy = exact.entropy();
                let off = (state.direction_entropy - entropy).abs();
                assert!(off < within * entropy.abs().max(1.0), "{dim} {t}: {off}");
                let shift = state.entropy - state.direction_entropy;
                assert!((shift - freedom * 2_f64.ln()).abs() < 1e-9 * freedom);
            }
        }
    }
}

/// The first-order change of U and S is linear in e: a tenth of the step, a tenth of the change.
#[test]
fn the_correction_is_of_first_order() {
    let t = 0.05_f64;
    let change = |e: f64| {
        let gas = IsotropicGasConfig::new(4, sphere(e)).strength(1.0);
        let gas = gas.noise((2.0 * t / e).sqrt());
        let (a, b) = (corrected(gas), continuum(gas));
        (
            a.energy - b.energy,
            a.direction_entropy - b.direction_entropy,
        )
    };
    let (large, small) = (change(1e-3), change(1e-4));
    assert!(
        (large.0 / small.0 - 10.0).abs() < 0.02,
        "{large:?} {small:?}"
    );
    assert!(
        (large.1 / small.1 - 10.0).abs() < 0.02,
        "{large:?} {small:?}"
    );
    // To first order in e the change is that of a Gibbs average: dS = dU/T.
    assert!((small.1 / (small.0 / t) - 1.0).abs() < 1e-3, "{small:?}");
}

#[test]
fn without_a_mean_loss_the_directions_are_uniform() {
    let gas = IsotropicGasConfig::new(7, sphere(0.1)).radius(1.0);
    for state in [corrected(gas), continuum(gas)] {
        assert!((state.energy - 1.0).abs() < 1e-12);
        let area = VonMisesFisher::new(7, 0.0).unwrap().entropy();
        assert!(
            (state.direction_entropy - area).abs() < 1e-9,
            "{state:?} {area}"
        );
    }
    // The radius is the pure gas's, moment-closed up to the variance that is stated.
    let fixed = GasProtocol::FixedLearningRate {
        learning_rate: 0.1,
        weight_decay: 0.2,
    };
    let gas = IsotropicGasConfig::new(50, fixed);
    let closed = gas.stationary_radius().ready().unwrap().powi(2);
    let state = corrected(gas);
    let excess = state.squared_radius / closed - 1.0;
    assert!((excess / (0.5 * state.volume_variance) - 1.0).abs() < 0.01);
}

#[test]
fn what_has_no_stationary_state_is_undefined() {
    let fixed = |eta, lambda| GasProtocol::FixedLearningRate {
        learning_rate: eta,
        weight_decay: lambda,
    };
    let gas = IsotropicGasConfig::new(3, fixed(0.1, 0.1)).strength(1.0);
    for bad in [
        gas.noise(0.0),
        gas.momentum(0.5),
        gas.momentum(0.5).dampening(0.5),
        gas.decay(Decay::Decoupled),
        gas.noise(f64::NAN),
        IsotropicGasConfig::new(1, fixed(0.1, 0.1)),
        IsotropicGasConfig::new(3, fixed(0.1, 0.0)),
    ] {
        assert!(
            matches!(bad.stationary_state(), Reading::Undefined(_)),
            "{bad:?}"
        );
        assert!(
            matches!(bad.continuum_state(), Reading::Undefined(_)),
            "{bad:?}"
        );
    }
    let explodes = GasProtocol::FixedEffectiveLearningRate {
        effective_learning_rate: 0.8,
        weight_decay: 0.1,
    };
    let explodes = IsotropicGasConfig::new(3, explodes).strength(1.0);
    assert!(matches!(explodes.stationary_state(), Reading::Undefined(_)));
    // Steps of twice the inverse curvature overshoot.
    let unstable = IsotropicGasConfig::new(3, sphere(2.5))
        .strength(1.0)
        .noise(0.01);
    assert!(matches!(unstable.stationary_state(), Reading::Undefined(_)));
}

proptest! {
    #[test]
    fn answers_are_finite_or_undefined(
        dim in 2_usize..2000,
        rate in -60.0_f64..10.0,
        other in -60.0_f64..10.0,
        noise in -30.0_f64..30.0,
        strength in -30.0_f64..30.0,
        which in 0..3,
    ) {
        let (rate, other) = (rate.exp(), other.exp());
        let protocol = match which {
            0 => GasProtocol::FixedLearningRate { learning_rate: rate, weight_decay: other },
            1 => GasProtocol::FixedEffectiveLearningRate {
                effective_learning_rate: rate,
                weight_decay: other,
            },
            _ => sphere(rate),
        };
        let gas = IsotropicGasConfig::new(dim, protocol).noise(noise.exp()).strength(strength.exp());
        for state in [gas.stationary_state(), gas.continuum_state()] {
            if let Reading::Ready(state) = state {
                for x in [
                    state.temperature,
                    state.energy,
                    state.direction_entropy,
                    state.entropy,
                    state.squared_radius,
                    state.volume_variance,
                    state.pressure,
                ] {
                    prop_assert!(x.is_finite(), "{gas:?} {state:?}");
                }
                prop_assert!(state.temperature > 0.0 && state.squared_radius > 0.0);
                let least = 1.0 - strength.exp();
                prop_assert!(state.energy >= least - 1e-12 * least.abs(), "{state:?}");
            }
        }
    }
}
