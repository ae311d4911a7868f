//! Values by hand, closed forms and boundaries: flatness.

use std::cell::{Cell, RefCell};
use std::f64::consts::{E, PI};

use thermograd::correlation::Bootstrap;
use thermograd::curvature::{
    Coordinates, DensityConfig, TraceConfig, gradient, hessian_vector, loss, spectral_density,
    trace,
};
use thermograd::flatness::{
    Basin, Integrator, LearningCoefficientConfig, LocalEntropyConfig, Measure, Noise, ReducedRank,
    ResilienceConfig, StepSize, StudyConfig, Warning, generalisation_study, learning_coefficient,
    local_entropy, localised_learning_coefficient, normal_crossing, reduced_rank, resilience,
    thermal_scale, unit_square_crossing,
};
use thermograd::systems::Random;
use thermograd::{Error, Reading, Reason};

use super::{above, below, close, dot, near, ready, refused};

/// S = Σ ½ (1 + ln 2πT − ln(h + γ)) and U = Σ (T/2) h/(h + γ), with numbers whose logarithms
/// are whole: 2πT/(h + γ) is e³ and e⁵.
#[test]
fn entropy_and_energy_of_a_basin_by_hand() {
    let t = 0.25 / PI;
    let (a, b) = (0.5 * E.powi(-3), 0.5 * E.powi(-5));
    let spring = 0.5 * b;
    let basin = Basin::at_temperature(t).localisation(spring);
    let curvatures = [a - spring, b - spring];
    close(ready(&basin.entropy(&curvatures).unwrap()), 5.0, 1e-14);
    let expected = 0.5 * t * ((a - spring) / a + 0.5);
    near(ready(&basin.energy(&curvatures).unwrap()), expected, 1e-13);
}

/// A spectrum by quadrature gives the trace of the same functions, with their errors.
#[test]
fn basins_of_a_spectrum_are_traces_of_its_functions() {
    // Off-diagonal, and more values than steps: both errors are there.
    let curvature = |i: usize| 0.5 + f64::from(u32::try_from(i).unwrap());
    let mut h = hessian_vector(12, |v: &[f64], out: &mut [f64]| {
        for i in 0..12 {
            out[i] = curvature(i) * v[i] + 0.3 * v[(i + 1) % 12] + 0.3 * v[(i + 11) % 12];
        }
        Ok::<(), std::fmt::Error>(())
    });
    let spectrum = spectral_density(&mut h, &DensityConfig::default().steps(4)).unwrap();
    let (t, spring) = (0.3, 0.7);
    let basin = Basin::at_temperature(t).localisation(spring);
    let entropy = ready(&basin.entropy_of(&spectrum).unwrap());
    let ln_det = ready(&spectrum.ln_det(spring).unwrap());
    let constant = 6.0 * (1.0 + (2.0 * PI * t).ln());
    close(
        entropy.estimate.value,
        constant - 0.5 * ln_det.estimate.value,
        1e-14,
    );
    assert!(ln_det.estimate.std_error > 0.0 && ln_det.truncation > 0.0);
    near(
        entropy.estimate.std_error,
        0.5 * ln_det.estimate.std_error,
        1e-15,
    );
    near(entropy.truncation, 0.5 * ln_det.truncation, 1e-15);
    let energy = ready(&basin.energy_of(&spectrum).unwrap());
    let part = ready(&spectrum.trace_of(|h| h / (h + spring)));
    near(energy.estimate.value, 0.5 * t * part.estimate.value, 1e-14);
    near(
        energy.estimate.std_error,
        0.5 * t * part.estimate.std_error,
        1e-12,
    );
    assert_eq!(energy.estimate.n_eff, 8.0);
    // A direction that falls, steeply or not, or is flat.
    let falls = Reason::Degenerate("a direction in which the loss is flat or falls");
    for bottom in [-1.0, -0.5, 0.0] {
        let mut h = hessian_vector(2, move |v: &[f64], out: &mut [f64]| {
            (out[0], out[1]) = (v[0], bottom * v[1]);
            Ok::<(), std::fmt::Error>(())
        });
        let spectrum = spectral_density(&mut h, &DensityConfig::default()).unwrap();
        let basin = Basin::at_temperature(1.0);
        assert!(matches!(
            basin.entropy_of(&spectrum).unwrap(),
            Reading::Undefined(ref reason) if *reason == falls
        ));
        assert!(matches!(
            basin.energy_of(&spectrum).unwrap(),
            Reading::Undefined(ref reason) if *reason == falls
        ));
        assert!(basin.energy(&[1.0, bottom]).unwrap().ready().is_none());
        let held = basin.localisation(2.0);
        let expected = 1.0 / 6.0 + 0.5 * bottom / (bottom + 2.0);
        let found = ready(&held.energy_of(&spectrum).unwrap());
        close(found.estimate.value, expected, 1e-12);
    }
}

/// −x²γh/2T(h + γ) − ½ ln((h + γ)/2πT), mode by mode.
#[test]
fn local_entropy_of_a_displaced_bowl_by_hand() {
    let basin = Basin::at_temperature(0.5).localisation(3.0);
    let found = ready(&basin.local_entropy(&[1.0, 5.0], &[2.0, -0.5]).unwrap());
    // 4·3·1/4 = 3 and ¼·3·5/8 = 15/32, over 2T = 1.
    let expected = -3.0 - 15.0 / 32.0 - 0.5 * (32.0 / (PI * PI)).ln();
    close(found, expected, 1e-14);
    // The weight of a whole basin does not know where in it one stands.
    let free = Basin::at_temperature(0.5);
    let (near_by, far) = (
        free.local_entropy(&[2.0], &[0.0]).unwrap(),
        free.local_entropy(&[2.0], &[9.0]).unwrap(),
    );
    assert_eq!(near_by, far);
    assert!(matches!(
        basin.local_entropy(&[1.0, 2.0], &[1.0]),
        Err(Error::LengthMismatch {
            expected: 2,
            found: 1,
            ..
        })
    ));
    let far = Basin::at_temperature(1e-140).localisation(1.0);
    assert!(matches!(
        far.local_entropy(&[1.0, 1.0], &[-1e139, 1e138]),
        Err(Error::Overflow { largest, .. }) if largest == 1e139
    ));
    assert!(
        far.local_entropy(&[1.0, -2.0], &[1.0, 1.0])
            .unwrap()
            .ready()
            .is_none()
    );
}

#[test]
fn a_basin_has_a_temperature_and_a_spring_within_bounds() {
    let at = |t: f64| Basin::at_temperature(t).entropy(&[1.0]);
    refused(at(1e-150), "temperature");
    refused(at(1e150), "temperature");
    refused(at(-1.0), "temperature");
    assert!(at(above(1e-150)).unwrap().ready().is_some());
    assert!(at(below(1e150)).unwrap().ready().is_some());
    let with = |spring: f64| {
        Basin::at_temperature(1.0)
            .localisation(spring)
            .energy(&[1.0])
    };
    refused(with(-1e-300), "localisation");
    refused(with(1e150), "localisation");
    assert!(with(below(1e150)).unwrap().ready().is_some());
    let mut h = hessian_vector(1, |v: &[f64], out: &mut [f64]| {
        out.copy_from_slice(v);
        Ok::<(), std::fmt::Error>(())
    });
    let spectrum = spectral_density(&mut h, &DensityConfig::default()).unwrap();
    refused(
        Basin::at_temperature(0.0).entropy_of(&spectrum),
        "temperature",
    );
    refused(
        Basin::at_temperature(0.0).energy_of(&spectrum),
        "temperature",
    );
    assert!(matches!(
        Basin::at_temperature(1.0).energy(&[]),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(
        Basin::at_temperature(1.0).entropy(&[1.0, f64::INFINITY]),
        Err(Error::NonFinite { index: 1, .. })
    ));
}

#[test]
fn thresholds_of_normal_crossings_by_hand() {
    // (h + 1)/2k is 3/4, 1/2, 1/2, nothing, 2: the least one twice.
    let found = normal_crossing(&[2, 1, 3, 0, 1], &[2, 0, 2, 7, 3]).unwrap();
    assert_eq!((found.lambda, found.multiplicity), (0.5, 2));
    // Nothing but the density of the second coordinate matters.
    let found = normal_crossing(&[1, 4], &[9, 1]).unwrap();
    assert_eq!((found.lambda, found.multiplicity), (0.25, 1));
    assert!(matches!(
        normal_crossing(&[0, 0], &[1, 1]),
        Err(Error::Empty { .. })
    ));
    assert!(matches!(
        normal_crossing(&[1, 1], &[0]),
        Err(Error::LengthMismatch {
            expected: 2,
            found: 1,
            ..
        })
    ));
}

fn rank(inputs: u32, hidden: u32, outputs: u32, rank: u32) -> Result<(f64, usize), Error> {
    let shape = ReducedRank {
        inputs,
        hidden,
        outputs,
        rank,
    };
    reduced_rank(shape).map(|found| (found.lambda, found.multiplicity))
}

/// Aoyagi and Watanabe's four cases, each with numbers put in by hand.
#[test]
fn reduced_rank_regression_case_by_case() {
    // M + H < N + r: (HM − Hr + Nr)/2 = (6 − 2 + 7)/2.
    assert_eq!(rank(3, 2, 7, 1).unwrap(), (5.5, 1));
    // Turned about: N + H < M + r.
    assert_eq!(rank(7, 2, 3, 1).unwrap(), (5.5, 1));
    // M + N < H + r: MN/2.
    assert_eq!(rank(2, 9, 3, 1).unwrap(), (3.0, 1));
    // Balanced, odd sum: [−9 − 16 − 16 + 24 + 24 + 32 + 1]/8 = 5 with m = 2.
    assert_eq!(rank(4, 2, 4, 1).unwrap(), (5.0, 2));
    // Balanced, even sum: [−16 − 16 − 16 + 32 + 32 + 32]/8 = 6.
    assert_eq!(rank(4, 4, 4, 0).unwrap(), (6.0, 1));
    // Where the cases meet, M + H = N + r and N + H = M + r and M + N = H + r, they agree:
    // (HM − Hr + Nr)/2 = (6 − 2 + 4)/2 = 4, and MN/2 = 3 for H + r = M + N.
    assert_eq!(rank(3, 2, 4, 1).unwrap(), (4.0, 1));
    assert_eq!(rank(4, 2, 3, 1).unwrap(), (4.0, 1));
    assert_eq!(rank(2, 4, 3, 1).unwrap(), (3.0, 1));
    // One beyond where they meet, and one before.
    assert_eq!(rank(3, 2, 5, 1).unwrap(), (4.5, 1));
    // [−9 − 9 − 9 + 18 + 18 + 18 + 1]/8 = 3.5.
    assert_eq!(rank(3, 2, 3, 1).unwrap(), (3.5, 2));
}

/// Every threshold is that of a bowl at most, grows with the rank that is learnt, and does not
/// know inputs from outputs.
#[test]
fn reduced_rank_is_symmetric_and_monotone() {
    for m in 1..6 {
        for h in 1..6 {
            for n in 1..6 {
                let mut last = 0.5;
                for r in 0..=m.min(h).min(n) {
                    let (lambda, multiplicity) = rank(m, h, n, r).unwrap();
                    assert_eq!((lambda, multiplicity), rank(n, h, m, r).unwrap());
                    assert!(lambda >= last && lambda <= 0.5 * f64::from(h * (m + n)));
                    assert!(lambda <= 0.5 * f64::from(m * n));
                    last = lambda;
                }
            }
        }
    }
}

#[test]
fn shapes_of_reduced_rank_have_bounds() {
    refused(rank(0, 1, 1, 0), "number of inputs");
    refused(rank(1, 0, 1, 0), "number of hidden units");
    refused(rank(1, 1, 0, 0), "number of outputs");
    refused(rank(1_000_001, 1, 1, 0), "number of inputs");
    assert!(rank(1_000_000, 1_000_000, 1_000_000, 1_000_000).is_ok());
    for (m, h, n) in [(1, 2, 2), (2, 1, 2), (2, 2, 1)] {
        refused(rank(m, h, n, 2), "rank");
        assert!(rank(m, h, n, 1).is_ok());
    }
}

/// ½ − 1/(ln 4nβ + γ_E); from 10 on.
#[test]
fn a_crossing_on_the_unit_square_has_a_range() {
    const EULER: f64 = 0.577_215_664_901_532_9;
    let n_beta = 0.25 * (4.0 - EULER).exp();
    refused(unit_square_crossing(n_beta), "n beta");
    let n_beta = 0.25 * (8.0 - EULER).exp();
    close(unit_square_crossing(n_beta).unwrap(), 0.375, 1e-14);
    assert!(unit_square_crossing(10.0).is_ok());
    refused(unit_square_crossing(below(10.0)), "n beta");
    refused(unit_square_crossing(1e140), "n beta");
    assert!(unit_square_crossing(below(1e140)).is_ok());
}

#[test]
fn inverse_temperatures_have_a_range() {
    let at = |n_beta: f64| localised_learning_coefficient(&[1.0], n_beta, 0.0);
    refused(at(1e-70), "n beta");
    refused(at(1e70), "n beta");
    assert!(at(above(1e-70)).is_ok() && at(below(1e70)).is_ok());
    // ½ (20/(20 + 5) + 5/(5 + 5)).
    let found = localised_learning_coefficient(&[4.0, 1.0], 5.0, 5.0).unwrap();
    close(ready(&found), 0.65, 1e-15);
    let falling = localised_learning_coefficient(&[4.0, -1.0], 5.0, 5.0).unwrap();
    assert!(falling.ready().is_none());
}

/// L = ½ Σ h w², with its gradient.
fn bowl(h: &[f64]) -> impl Fn(&[f64], &mut [f64]) -> f64 + '_ {
    move |w, g| {
        let mut sum = 0.0;
        for ((g, w), h) in g.iter_mut().zip(w).zip(h) {
            *g = h * w;
            sum += 0.5 * h * w * w;
        }
        sum
    }
}

/// The chains as they are defined, w' = w − (ε/2)∇Φ + √ε ξ with
/// Φ = nβ L + γ₀|w − w*|²/2, from the same random numbers; in Metropolis' case with the usual
/// odds of a proposal.
fn chains(
    h: &[f64],
    center: &[f64],
    (n_beta, localisation): (f64, f64),
    (step, draws): (f64, usize),
    integrator: Integrator,
    seed: u64,
) -> Vec<(Vec<f64>, f64)> {
    let loss = |w: &[f64]| -> f64 { w.iter().zip(h).map(|(w, h)| 0.5 * h * w * w).sum() };
    let phi = |w: &[f64]| -> f64 {
        let away = w.iter().zip(center).map(|(w, c)| (w - c) * (w - c));
        n_beta * loss(w) + 0.5 * localisation * away.sum::<f64>()
    };
    let slope = |w: &[f64]| -> Vec<f64> {
        (0..w.len())
            .map(|i| n_beta * h[i] * w[i] + localisation * (w[i] - center[i]))
            .collect()
    };
    let mut seeds = Random::new(seed);
    let mut out = Vec::new();
    for _ in 0..2 {
        let mut random = Random::new(seeds.bits());
        let mut w = center.to_vec();
        let mut losses = Vec::new();
        let mut accepted = 0_u32;
        let mut last: Vec<f64> = Vec::new();
        if integrator == Integrator::AveragedNoise || integrator == Integrator::Euler {
            last = w.iter().map(|_| random.normal()).collect();
        }
        for _ in 0..draws {
            if integrator == Integrator::Metropolis {
                let (force, mut forth) = (slope(&w), 0.0);
                let mut there = w.clone();
                for i in 0..w.len() {
                    let kick = random.normal();
                    forth += kick * kick;
                    there[i] += step.sqrt() * kick - 0.5 * step * force[i];
                }
                let back: f64 = slope(&there)
                    .iter()
                    .zip(w.iter().zip(&there))
                    .map(|(f, (w, p))| (w - p + 0.5 * step * f).powi(2) / step)
                    .sum();
                let odds = (phi(&w) - phi(&there) + 0.5 * forth - 0.5 * back).exp();
                if random.uniform() < odds.min(1.0) {
                    w = there;
                    accepted += 1;
                }
                losses.push(loss(&w));
            } else {
                losses.push(loss(&w));
                let force = slope(&w);
                for i in 0..w.len() {
                    let new = random.normal();
                    let kick = if integrator == Integrator::Euler {
                        new
                    } else {
                        0.5 * (last[i] + new)
                    };
                    w[i] += step.sqrt() * kick - 0.5 * step * force[i];
                    last[i] = new;
                }
                accepted += 1;
            }
        }
        out.push((losses, f64::from(accepted) / 40.0));
    }
    out
}

#[test]
fn chains_move_as_their_integrators_are_defined() {
    let (h, center) = ([1.0, 3.0], [0.5, -0.25]);
    for (integrator, step) in [
        (Integrator::Euler, 0.02),
        (Integrator::AveragedNoise, 0.02),
        (Integrator::Metropolis, 0.06),
    ] {
        let config = LearningCoefficientConfig::new(1000)
            .n_beta(20.0)
            .localisation(3.0)
            .integrator(integrator)
            .step(StepSize::Fixed(step))
            .chains(2)
            .draws(40)
            .seed(5);
        let found = learning_coefficient(gradient(bowl(&h)), &center, &config).unwrap();
        let expected = chains(&h, &center, (20.0, 3.0), (step, 40), integrator, 5);
        for (chain, (losses, acceptance)) in found.chains.iter().zip(&expected) {
            assert_eq!((chain.step, chain.diverged), (step, false));
            assert_eq!(chain.acceptance, *acceptance);
            for (found, expected) in chain.losses.iter().zip(losses) {
                close(*found, *expected, 1e-12);
            }
        }
        let tested = u64::from(integrator == Integrator::Metropolis);
        assert_eq!(found.gradient_evaluations, 1 + 2 * (40 + tested));
        assert_eq!((found.n_beta, found.localisation), (20.0, 3.0));
        if integrator == Integrator::Metropolis {
            // Some are accepted and some refused.
            assert!((0.2..0.95).contains(&expected[0].1), "{expected:?}");
        }
    }
}

/// ε is the part given of 1/(nβ h + γ₀), h the largest curvature in size; Metropolis begins
/// with that over d^{1/3}. By default γ₀ = d/|w|² and nβ = n/ln n.
#[test]
fn steps_follow_the_largest_curvature() {
    let h = [1.0, -6.0, 2.0];
    let center = [1.0, 0.0, 2.0];
    let config = LearningCoefficientConfig::new(1000)
        .n_beta(2.0)
        .localisation(20.0)
        .chains(1)
        .draws(40)
        .step(StepSize::Curvature(0.5));
    let run = |config: &LearningCoefficientConfig| {
        learning_coefficient(gradient(bowl(&h)), &center, config).unwrap()
    };
    let found = run(&config);
    near(found.chains[0].step, 0.5 / 32.0, 1e-6);
    let curvature = found.gradient_evaluations - 41;
    // Three directions, two gradients each.
    assert_eq!(curvature, 6);
    let natural = run(&LearningCoefficientConfig::new(100).chains(1).draws(40));
    close(natural.localisation, 0.6, 1e-15);
    near(natural.n_beta, 100.0 / 100_f64.ln(), 1e-15);
    let stiffness = 6.0 * natural.n_beta + 0.6;
    near(natural.chains[0].step, 1.0 / stiffness, 1e-6);
    // Adaptation takes a quarter of the draws, from 16 to 500 steps.
    for (draws, adaptation) in [(40, 16), (400, 100), (3000, 500)] {
        let tested = run(&config.integrator(Integrator::Metropolis).draws(draws));
        let draws = u64::try_from(draws).unwrap();
        assert_eq!(
            tested.gradient_evaluations,
            1 + curvature + 1 + adaptation + draws
        );
    }
    let origin = learning_coefficient(gradient(bowl(&h)), &[0.0; 3], &config.n_beta(1.0));
    assert_eq!(origin.unwrap().localisation, 20.0);
    let origin = LearningCoefficientConfig::new(100).chains(1).draws(40);
    let origin = learning_coefficient(gradient(bowl(&h)), &[0.0; 3], &origin).unwrap();
    assert_eq!(origin.localisation, 1.0);
}

/// The curvature is taken over a tenth of the prior's width or a hundredth of |w|: of the slope
/// 5w + w³ it is 5 + 3w² + ℓ².
#[test]
fn curvature_is_averaged_over_what_the_chains_will_see() {
    let quartic = || {
        gradient(|w: &[f64], g: &mut [f64]| {
            g[0] = 5.0 * w[0] + w[0].powi(3);
            2.5 * w[0] * w[0] + 0.25 * w[0].powi(4)
        })
    };
    for (at, precision, length) in [
        (1.0, 4.0, 0.01),
        (1.0, 400.0, 0.005),
        (1.0, 0.0, 0.01),
        (2.0, 0.25, 0.02),
        (0.0, 4.0, 0.05),
    ] {
        let config = LearningCoefficientConfig::new(1000)
            .n_beta(10.0)
            .localisation(precision)
            .chains(1)
            .draws(16);
        let found = learning_coefficient(quartic(), &[at], &config).unwrap();
        let curvature = 5.0 + 3.0 * at * at + length * length;
        near(
            found.chains[0].step,
            1.0 / (10.0 * curvature + precision),
            1e-10,
        );
    }
}

/// Metropolis' own step ends where Robbins and Monro's rule took it.
#[test]
fn the_step_of_metropolis_adapts_by_robbins_and_monro() {
    let config = LearningCoefficientConfig::new(1000)
        .n_beta(50.0)
        .localisation(1.0)
        .integrator(Integrator::Metropolis)
        .step(StepSize::Curvature(1.0))
        .chains(1)
        .draws(64)
        .seed(3);
    let found = learning_coefficient(gradient(bowl(&[2.0; 8])), &[0.0; 8], &config).unwrap();
    // The same by hand: eight weights of stiffness k = nβ h + γ₀, Φ = k|w|²/2, from 1/k over
    // the cube root of 8.
    let k = 101.0_f64;
    let mut random = Random::new(Random::new(3).bits());
    let (mut w, mut step) = ([0.0_f64; 8], 0.5 / k);
    let mut losses = Vec::new();
    let mut accepted = 0.0;
    for i in 0..80 {
        let mut there = w;
        let mut ln = 0.0;
        for (p, w) in there.iter_mut().zip(&w) {
            let kick = random.normal();
            *p = w - 0.5 * step * k * w + step.sqrt() * kick;
            let back = (w - *p + 0.5 * step * k * *p).powi(2) / step;
            ln += 0.5 * k * (w * w - *p * *p) + 0.5 * (kick * kick - back);
        }
        let chance = ln.exp().min(1.0);
        if random.uniform() < chance {
            w = there;
            accepted += if i < 16 { 0.0 } else { 1.0 };
        }
        if i < 16 {
            step *= ((chance - 0.574) / f64::from(i + 1).powf(0.6)).exp();
        } else {
            losses.push(dot(&w, &w));
        }
    }
    near(found.chains[0].step, step, 1e-6);
    assert_eq!(found.chains[0].acceptance, accepted / 64.0);
    for (found, expected) in found.chains[0].losses.iter().zip(&losses) {
        close(*found, *expected, 1e-6);
    }
    assert_eq!(found.chains[0].losses.len(), 64);
}

/// λ̂ = nβ(⟨L⟩ − L₀), C = (nβ)² Var L and WBIC = n⟨L⟩ from the draws that are left.
#[test]
fn an_answer_follows_from_its_draws() {
    let noise = Cell::new(0);
    let restless = gradient(|w: &[f64], g: &mut [f64]| {
        g[0] = w[0];
        // The centre is looked at four times first: 1, 2, 3, 6.
        let i = noise.get();
        noise.set(i + 1);
        let offset = [1.0, 2.0, 3.0, 6.0].get(i).copied().unwrap_or(3.0);
        offset + 0.5 * w[0] * w[0]
    });
    let config = LearningCoefficientConfig::new(50)
        .localisation(1.0)
        .step(StepSize::Fixed(0.05))
        .center_evaluations(4)
        .draws(500)
        .chains(3);
    let found = learning_coefficient(restless, &[0.0], &config).unwrap();
    // Mean 3, squares 4 + 1 + 0 + 9 over 4·3.
    assert_eq!(found.center.value, 3.0);
    close(found.center.std_error, (14.0_f64 / 12.0).sqrt(), 1e-15);
    assert_eq!(found.center.n_eff, 4.0);
    assert!(found.burn_in >= 50);
    let kept: Vec<f64> = found
        .chains
        .iter()
        .flat_map(|chain| chain.losses[found.burn_in..].to_vec())
        .collect();
    let count = f64::from(u32::try_from(kept.len()).unwrap());
    let mean = kept.iter().sum::<f64>() / count;
    let variance = kept.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    let energy = ready(&found.energy);
    near(energy.value, mean, 1e-13);
    let n_beta = 50.0 / 50_f64.ln();
    let estimate = ready(&found.estimate);
    close(estimate.value, n_beta * (mean - 3.0), 1e-11);
    near(
        estimate.std_error,
        n_beta * energy.std_error.hypot(found.center.std_error),
        1e-13,
    );
    near(
        ready(&found.heat_capacity).value,
        n_beta * n_beta * variance,
        1e-12,
    );
    let wbic = ready(&found.wbic);
    near(wbic.value, 50.0 * mean, 1e-13);
    near(wbic.std_error, 50.0 * energy.std_error, 1e-13);
    for chain in &found.chains {
        let own = &chain.losses[found.burn_in..];
        let count = f64::from(u32::try_from(own.len()).unwrap());
        let mean = own.iter().sum::<f64>() / count;
        close(ready(&chain.estimate).value, n_beta * (mean - 3.0), 1e-11);
    }
    // Once alone it has no error of its own.
    let config = config.center_evaluations(1);
    let found = learning_coefficient(gradient(bowl(&[1.0])), &[0.0], &config).unwrap();
    assert_eq!((found.center.value, found.center.std_error), (0.0, 0.0));
    let (estimate, energy) = (ready(&found.estimate), ready(&found.energy));
    near(estimate.std_error, n_beta * energy.std_error, 1e-13);
    assert_eq!(estimate.n_eff, energy.n_eff);
}

#[test]
fn warnings_say_what_is_the_matter() {
    let base = LearningCoefficientConfig::new(1000)
        .n_beta(100.0)
        .localisation(1.0);
    let run = |config: &LearningCoefficientConfig| {
        learning_coefficient(gradient(bowl(&[1.0])), &[0.0], config).unwrap()
    };
    let quiet = run(&base);
    assert_eq!(quiet.warnings, []);
    assert!(quiet.burn_in >= 100, "{}", quiet.burn_in);
    // An R̂ is at least a little off 1: every alarm below it rings.
    let found = run(&base.chains(2).draws(100).rhat_alarm(1.0));
    let rhat = ready(&found.rhat);
    let rung = found.warnings.contains(&Warning::NotMixed { rhat });
    assert_eq!(rung, rhat > 1.0);
    let quiet = run(&base.chains(2).draws(100).rhat_alarm(above(rhat.max(1.0))));
    assert!(
        !quiet
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::NotMixed { .. }))
    );
    // Few draws of which little is independent.
    let found = run(&base.chains(1).draws(60));
    let n_eff = ready(&found.estimate).n_eff;
    assert!(n_eff < 50.0);
    assert!(found.warnings.contains(&Warning::FewDraws { n_eff }));
    // Proposals ten times as long as the bowl is wide are refused.
    let long = base
        .integrator(Integrator::Metropolis)
        .step(StepSize::Fixed(1.0))
        .draws(200);
    let found = run(&long);
    let acceptance = found
        .chains
        .iter()
        .map(|chain| chain.acceptance)
        .sum::<f64>()
        / 4.0;
    assert!(acceptance < 0.1, "{acceptance}");
    assert!(found.warnings.contains(&Warning::Refused { acceptance }));
    let good = run(&base.integrator(Integrator::Metropolis).draws(200));
    assert!(
        !good
            .warnings
            .iter()
            .any(|w| matches!(w, Warning::Refused { .. }))
    );
}

/// What is beyond 10⁷⁰ or not finite ends a chain; a proposal there is refused and no more.
#[test]
fn chains_end_where_nothing_is_finite() {
    let wall = |limit: f64| {
        gradient(move |w: &[f64], g: &mut [f64]| {
            g[0] = w[0];
            if w[0].abs() > 0.05 {
                limit
            } else {
                0.5 * w[0] * w[0]
            }
        })
    };
    let config = LearningCoefficientConfig::new(1000)
        .n_beta(100.0)
        .localisation(0.0)
        .step(StepSize::Fixed(0.01))
        .draws(200)
        .chains(2);
    for limit in [f64::INFINITY, 1e71, -1e70, 1e70] {
        let found = learning_coefficient(wall(limit), &[0.0], &config).unwrap();
        assert_eq!(found.warnings, [Warning::Diverged { chains: 2 }]);
        for chain in &found.chains {
            assert!(chain.diverged && chain.losses.len() < 200);
            assert!(chain.estimate.ready().is_none());
        }
        let counted: usize = found
            .chains
            .iter()
            .map(|chain| chain.losses.len() + 1)
            .sum();
        assert_eq!(
            found.gradient_evaluations,
            1 + u64::try_from(counted).unwrap()
        );
        assert_eq!(found.burn_in, 0);
        let tested = config.integrator(Integrator::Metropolis);
        let found = learning_coefficient(wall(limit), &[0.0], &tested).unwrap();
        assert!(
            found
                .chains
                .iter()
                .all(|chain| !chain.diverged && chain.losses.len() == 200)
        );
        assert!(
            found
                .chains
                .iter()
                .all(|c| c.losses.iter().all(|l| *l <= 0.5 * 0.05 * 0.05))
        );
    }
    let found = learning_coefficient(wall(below(1e70)), &[0.0], &config).unwrap();
    assert!(found.chains.iter().all(|chain| !chain.diverged));
}

#[test]
fn weights_must_be_there_and_finite() {
    let config = LearningCoefficientConfig::new(100).chains(1).draws(16);
    let run = |w: &[f64]| learning_coefficient(gradient(bowl(&[1.0, 1.0])), w, &config).map(|_| ());
    assert!(matches!(run(&[]), Err(Error::Empty { .. })));
    assert!(matches!(
        run(&[0.0, f64::NAN]),
        Err(Error::NonFinite { index: 1, .. })
    ));
    assert!(matches!(
        run(&[0.0, -1.1e140]),
        Err(Error::Overflow {
            largest: 1.1e140,
            ..
        })
    ));
    let still = resilience(
        loss(|w: &[f64]| w[0]),
        &[f64::INFINITY],
        &ResilienceConfig::new(Noise::Isotropic),
    );
    assert!(matches!(still, Err(Error::NonFinite { index: 0, .. })));
}

#[test]
fn chains_have_sizes_within_bounds() {
    let run = |config: LearningCoefficientConfig| {
        learning_coefficient(gradient(bowl(&[1.0])), &[0.0], &config).map(|_| ())
    };
    let base = LearningCoefficientConfig::new(100)
        .n_beta(1.0)
        .localisation(1.0)
        .step(StepSize::Fixed(0.1))
        .chains(1)
        .draws(16);
    assert!(run(base).is_ok());
    refused(run(base.draws(15)), "draws of a chain");
    refused(run(base.draws(100_000_001)), "draws of a chain");
    refused(run(base.chains(0)), "number of chains");
    refused(run(base.chains(10_001)), "number of chains");
    refused(run(base.center_evaluations(0)), "evaluations at the centre");
    refused(
        run(base.center_evaluations(1_000_001)),
        "evaluations at the centre",
    );
    refused(run(base.rhat_alarm(below(1.0))), "alarm of R-hat");
    refused(run(base.rhat_alarm(f64::INFINITY)), "alarm of R-hat");
    assert!(run(base.rhat_alarm(1.0)).is_ok());
    refused(run(base.localisation(1e140)), "localisation");
    refused(run(base.localisation(-1e-9)), "localisation");
    assert!(run(base.localisation(0.0)).is_ok());
    let step = |size| run(base.step(StepSize::Fixed(size)));
    refused(step(1e-140), "step size");
    refused(step(1e140), "step size");
    refused(run(base.step(StepSize::Curvature(0.0))), "step size");
    assert!(step(above(1e-140)).is_ok() && step(below(1e140)).is_ok());
    refused(run(LearningCoefficientConfig::new(1)), "number of examples");
    let fewest = LearningCoefficientConfig::new(2).chains(1).draws(16);
    assert!(run(fewest).is_ok());
}

/// Nodes of Gauss and Legendre, x = ½(1 ± 1/√3), at s = (e^{ux} − 1)/(e^u − 1) with
/// u = ln((nβ h + γ₀)/γ₀); the integral from what was found there.
#[test]
fn local_entropy_integrates_over_its_nodes() {
    let calls = Cell::new(0_u64);
    let counted = gradient(|w: &[f64], g: &mut [f64]| {
        calls.set(calls.get() + 1);
        g[0] = 4.0 * w[0];
        0.25 + 2.0 * w[0] * w[0]
    });
    let (n_beta, precision) = (10.0, 5.0);
    let config = LocalEntropyConfig::at_n_beta(n_beta)
        .localisation(precision)
        .nodes(2)
        .chains(3)
        .draws(200)
        .seed(1);
    let found = local_entropy(counted, &[0.5], &config).unwrap();
    let u = 9_f64.ln();
    let (mut integral, mut variance) = (0.0, 0.0);
    let mut fewest = f64::INFINITY;
    for (node, sign) in found.nodes.iter().zip([-1.0, 1.0]) {
        let x = 0.5 * (1.0 + sign / 3_f64.sqrt());
        near(node.n_beta, n_beta * ((u * x).exp() - 1.0) / 8.0, 1e-6);
        let factor = n_beta * 0.5 * u * (u * x).exp() / 8.0;
        let energy = ready(&node.energy);
        integral += factor * energy.value;
        variance += (factor * energy.std_error).powi(2);
        fewest = energy.n_eff.min(fewest);
    }
    assert_eq!(found.nodes.len(), 2);
    let value = ready(&found.value);
    let free = 0.5 * (2.0 * PI / precision).ln();
    close(value.value, free - integral, 1e-6);
    near(value.std_error, variance.sqrt(), 1e-6);
    assert_eq!(value.n_eff, fewest);
    // L(w) = 0.25 + 2·0.25.
    let lifted = ready(&found.above_center);
    close(lifted.value, value.value + n_beta * 0.75, 1e-13);
    assert_eq!(lifted.std_error, value.std_error);
    assert_eq!(found.localisation, precision);
    assert_eq!(found.gradient_evaluations, calls.get());
    // By default d/|w|².
    let config = LocalEntropyConfig::at_n_beta(1.0)
        .nodes(2)
        .draws(20)
        .chains(1);
    let found = local_entropy(gradient(bowl(&[1.0, 1.0])), &[3.0, 4.0], &config).unwrap();
    near(found.localisation, 0.08, 1e-14);
}

#[test]
fn local_entropy_is_as_undefined_as_its_worst_node() {
    let flat = gradient(|_: &[f64], g: &mut [f64]| {
        g[0] = 0.0;
        1.0
    });
    let config = LocalEntropyConfig::at_n_beta(1.0).localisation(1.0);
    let found = local_entropy(flat, &[0.0], &config).unwrap();
    assert!(matches!(found.value, Reading::Undefined(_)));
    assert!(matches!(found.above_center, Reading::Undefined(_)));
    assert_eq!(found.nodes.len(), 8);
    let run = |config: LocalEntropyConfig| {
        local_entropy(gradient(bowl(&[1.0])), &[1.0], &config).map(|found| found.nodes.len())
    };
    let few = config.chains(1).draws(16);
    assert_eq!(run(few.nodes(2)).unwrap(), 2);
    assert_eq!(run(few.nodes(64)).unwrap(), 64);
    refused(run(few.nodes(1)), "nodes of the quadrature");
    refused(run(few.nodes(65)), "nodes of the quadrature");
    refused(run(few.localisation(1e-140)), "localisation");
    refused(run(few.localisation(1e140)), "localisation");
    assert!(run(few.localisation(below(1e140))).is_ok());
    refused(run(LocalEntropyConfig::at_n_beta(0.0)), "n beta");
}

/// In L = a + ½ h |w|² the mean of a pair is a + ½ h σ²|u|², so that the loss is f a at
/// σ = √(2 (f − 1) a/(h ⟨|u|²⟩)).
#[test]
fn resilience_of_a_bowl_by_its_own_directions() {
    let directions = 5;
    let (a, h) = (2.0, 3.0);
    let bowl = |w: &[f64]| a + 0.5 * h * w.iter().map(|w| w * w).sum::<f64>();
    let config = ResilienceConfig::new(Noise::Isotropic)
        .directions(directions)
        .scales(&[0.5, 2.0])
        .factor(4.0)
        .seed(9);
    let found = resilience(loss(bowl), &[0.0; 3], &config).unwrap();
    let mut random = Random::new(9);
    let squares: Vec<f64> = (0..directions)
        .map(|_| (0..3).map(|_| random.normal().powi(2)).sum())
        .collect();
    let mean = squares.iter().sum::<f64>() / 5.0;
    let scatter = squares.iter().map(|s| (s - mean).powi(2)).sum::<f64>();
    let error = (scatter / 20.0).sqrt();
    assert_eq!(found.loss, a);
    for (point, scale) in found.curve.iter().zip([0.5, 2.0]) {
        assert_eq!((point.scale, point.loss.n_eff), (scale, 5.0));
        near(point.loss.value, a + 1.5 * scale * scale * mean, 1e-13);
        near(point.loss.std_error, 1.5 * scale * scale * error, 1e-12);
    }
    let doubling = ready(&found.doubling);
    let sigma = (2.0 * 3.0 * a / (h * mean)).sqrt();
    near(doubling.value, sigma, 1e-5);
    // δσ = δL/(dL/dσ), the slope from 2 % above and below: ½ h ⟨u²⟩ σ (1.02 + 1/1.02).
    let slope = 0.5 * h * mean * sigma * (1.02 + 1.0 / 1.02);
    near(
        doubling.std_error,
        1.5 * sigma * sigma * error / slope,
        1e-4,
    );
    assert_eq!(doubling.n_eff, 5.0);
}

/// Two evaluations a direction and a scale: 1 without noise, the smallest scale, doublings up
/// to the level, 20 bisections, two for the slope and one in the end.
#[test]
fn the_search_for_a_scale_takes_doublings_and_bisections() {
    let calls = Cell::new(0_u64);
    let largest = Cell::new(0.0_f64);
    let counted = |level: f64| {
        let (calls, largest) = (&calls, &largest);
        loss(move |w: &[f64]| {
            calls.set(calls.get() + 1);
            largest.set(w[0].abs().max(largest.get()));
            if w[0].abs() > level { 3.0 } else { 1.0 }
        })
    };
    // One filter of norm 1 has noise of exactly σ: the loss jumps at σ = level.
    let filter = || Noise::filters([Coordinates::range(1..2).unwrap()]);
    let of = |w: &[f64]| w[1] - 1.0;
    let jump = |level: f64, config: ResilienceConfig| {
        let mut inner = counted(level);
        let shifted = loss(move |w: &[f64]| {
            use thermograd::curvature::Loss;
            inner.loss(&[of(w)])
        });
        resilience(shifted, &[5.0, 1.0], &config.directions(2)).unwrap()
    };
    let config = ResilienceConfig::new(filter()).between(0.5, 8.0);
    let found = jump(3.0, config.clone());
    // 1/2, 1, 2 and 4 upwards, 20 between 2 and 4, three at the end.
    assert_eq!(found.loss_evaluations, 1 + 4 * (4 + 20 + 3));
    assert_eq!(calls.get(), found.loss_evaluations);
    assert!(largest.get() <= 4.0);
    // All directions agree: no error.
    let doubling = ready(&found.doubling);
    near(doubling.value, 3.0, 1e-5);
    assert_eq!(doubling.std_error, 0.0);
    let already = jump(0.25, config.clone());
    assert_eq!(
        already.doubling,
        Reading::Undefined(Reason::Meaningless(
            "the loss has grown more than that at the smallest scale"
        ))
    );
    assert_eq!(already.loss_evaluations, 1 + 4);
    let never = jump(9.0, config.clone());
    assert_eq!(
        never.doubling,
        Reading::Undefined(Reason::Meaningless(
            "the loss does not grow so much up to the largest scale"
        ))
    );
    // 1/2, 1, 2, 4, 8.
    assert_eq!(never.loss_evaluations, 1 + 4 * 5);
    let between = jump(7.5, config.between(1.0, 6.0));
    assert_eq!(between.loss_evaluations, 1 + 4 * 4);
    assert!(between.doubling.ready().is_none());
    // Twice as much, at least: three times is enough, more is not there.
    let found = jump(3.0, ResilienceConfig::new(filter()).factor(3.0));
    assert!(found.doubling.ready().is_some());
    let found = jump(3.0, ResilienceConfig::new(filter()).factor(above(3.0)));
    assert!(found.doubling.ready().is_none());
}

/// Noise of a filter has σ times the filter's own norm, in both its signs.
#[test]
fn noise_of_filters_is_as_long_as_they_are() {
    let w = [3.0, 4.0, 0.5, 0.0, 12.0, 5.0];
    let seen = RefCell::new(Vec::new());
    let watching = loss(|w: &[f64]| {
        seen.borrow_mut().push(w.to_vec());
        1.0 + w[0] * w[0]
    });
    let filters = Noise::filters([
        Coordinates::range(0..2).unwrap(),
        Coordinates::ranges([3..4, 5..6]).unwrap(),
    ]);
    let config = ResilienceConfig::new(filters)
        .scales(&[0.1])
        .directions(3)
        .between(1e-3, 2e-3);
    resilience(watching, &w, &config).unwrap();
    let seen = seen.borrow();
    assert_eq!(seen[0], w);
    for pair in seen[1..7].chunks(2) {
        for moved in pair {
            let apart = |i: usize| moved[i] - w[i];
            near(apart(0).hypot(apart(1)), 0.5, 1e-13);
            near(apart(3).hypot(apart(5)), 0.5, 1e-13);
            assert_eq!((moved[2], moved[4]), (w[2], w[4]));
        }
        for i in 0..6 {
            close(pair[0][i] - w[i], w[i] - pair[1][i], 1e-14);
        }
    }
    // A bowl along the first row alone: its own norm, not that of the whole.
    let Noise::Filters(rows) = Noise::rows(6, 3).unwrap() else {
        panic!("rows are filters");
    };
    assert_eq!(rows[0], Coordinates::range(0..3).unwrap());
    assert_eq!(rows[1], Coordinates::range(3..6).unwrap());
    assert_eq!(rows.len(), 2);
}

#[test]
fn rows_and_scales_have_bounds() {
    refused(Noise::rows(6, 0), "width of a row");
    refused(Noise::rows(6, 4), "width of a row");
    refused(Noise::rows(0, 4), "width of a row");
    refused(Noise::rows((1 << 24) + 1, 1), "width of a row");
    let run = |config: ResilienceConfig| {
        resilience(loss(|w: &[f64]| 1.0 + w[0] * w[0]), &[0.0], &config).map(|_| ())
    };
    let base = || ResilienceConfig::new(Noise::Isotropic).directions(2);
    assert!(run(base()).is_ok());
    refused(run(base().directions(1)), "number of directions");
    refused(run(base().directions(1_000_001)), "number of directions");
    refused(run(base().factor(1.0)), "factor of the loss");
    refused(run(base().factor(1e100)), "factor of the loss");
    assert!(run(base().factor(above(1.0))).is_ok());
    assert!(run(base().factor(below(1e100))).is_ok());
    refused(run(base().scales(&[1.0, 0.0])), "scale of the noise");
    refused(run(base().scales(&[1e100])), "scale of the noise");
    assert!(run(base().scales(&[1e60])).is_ok());
    refused(run(base().between(0.0, 1.0)), "smallest scale");
    refused(run(base().between(1.0, 1e100)), "largest scale");
    for (low, high) in [(1.0, 1.0), (2.0, 1.0)] {
        assert!(matches!(
            run(base().between(low, high)),
            Err(Error::Conflict { .. })
        ));
    }
    assert!(run(base().between(1.0, above(1.0))).is_ok());
}

/// σ_T = √(T/h̄), with half the relative error of h̄.
#[test]
fn thermal_scales_have_half_the_relative_error_of_the_trace() {
    let matrix = |offset: f64| {
        hessian_vector(3, move |v: &[f64], out: &mut [f64]| {
            for i in 0..3 {
                out[i] = 4.0 * v[i] + offset * (v[(i + 1) % 3] + v[(i + 2) % 3]);
            }
            Ok::<(), std::fmt::Error>(())
        })
    };
    let config = TraceConfig::default().least_probes(20).most_probes(20);
    let found = trace(&mut matrix(1.0), &config).unwrap();
    let mean = found.mean_curvature();
    assert!(mean.std_error > 0.0);
    let scale = ready(&thermal_scale(&found, 0.5).unwrap());
    near(scale.value, (0.5 / mean.value).sqrt(), 1e-15);
    near(
        scale.std_error / scale.value,
        0.5 * mean.std_error / mean.value,
        1e-14,
    );
    assert_eq!(scale.n_eff, 20.0);
    refused(thermal_scale(&found, 1e-150), "temperature");
    refused(thermal_scale(&found, 1e150), "temperature");
    assert!(thermal_scale(&found, above(1e-150)).is_ok());
    // Not positive beyond two of its errors: exactly at two is not beyond.
    let mut edge = found;
    edge.estimate.std_error = 0.5 * edge.estimate.value;
    assert_eq!(
        thermal_scale(&edge, 1.0).unwrap(),
        Reading::Undefined(Reason::DividesByNoise("the trace"))
    );
    edge.estimate.std_error = 0.49 * edge.estimate.value;
    assert!(thermal_scale(&edge, 1.0).unwrap().ready().is_some());
    edge.estimate.value = 0.0;
    edge.estimate.std_error = 0.0;
    assert!(thermal_scale(&edge, 1.0).unwrap().ready().is_none());
}

/// The table: a head, and a row a measure, as wide as the longest name.
#[test]
fn a_study_is_a_table() {
    let gap: Vec<f64> = (0..12).map(f64::from).collect();
    let measures = [
        Measure::known("gap itself", &gap),
        Measure::new("few", gap.iter().map(|g| (*g < 1.0).then_some(*g))),
        Measure::known("same", &[1.0; 12]),
    ];
    let study = generalisation_study(&gap, &[], &measures, &StudyConfig::default()).unwrap();
    let runs: Vec<usize> = study.rows.iter().map(|row| row.runs).collect();
    assert_eq!(runs, [12, 1, 12]);
    assert_eq!(ready(&study.rows[0].plain).value, 1.0);
    let table = study.to_string();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("measure     runs  τ with the gap "));
    assert!(
        lines[1].starts_with("gap itself    12  +1.00 [+1.00, +1.00]  "),
        "{table}"
    );
    let Reading::Pending { seen, needed } = study.rows[1].plain else {
        panic!("{table}");
    };
    let pending = format!("few            1  pending ({seen} of {needed})");
    assert!(lines[2].starts_with(&pending), "{table}");
    assert!(
        lines[3].starts_with("same          12  undefined "),
        "{table}"
    );
    assert_eq!(lines.len(), 4);
    let other = StudyConfig::default().bootstrap(Bootstrap::default().seed(5));
    assert_ne!(other, StudyConfig::default());
    let again = generalisation_study(&gap, &[], &measures, &other).unwrap();
    assert_eq!(ready(&again.rows[0].plain).value, 1.0);
}
