//! Values by hand, closed forms and boundaries: harmonic.

use thermograd::systems::{HarmonicBath, HarmonicConfig, Random};
use thermograd::{Decay, Error, Optimizer, Step};

use super::{above, below, close, dot, near, refused};

/// Flat square matrices, the obvious way.
fn times(n: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            out[i * n + j] = (0..n).map(|k| a[i * n + k] * b[k * n + j]).sum();
        }
    }
    out
}

fn turned(n: usize, a: &[f64]) -> Vec<f64> {
    (0..n * n).map(|k| a[(k % n) * n + k / n]).collect()
}

const A: [f64; 4] = [2.0, 0.5, 0.5, 1.0];
const SIGMA: [f64; 4] = [1.0, -0.4, -0.4, 3.0];

/// What a rule does: w' = q w − η (α (A w + ξ + λ w) + β v), v' = μ v + γ (A w + ξ + λ w).
struct Rule {
    config: HarmonicConfig,
    eta: f64,
    mu: f64,
    alpha: f64,
    beta: f64,
    gamma: f64,
    lambda: f64,
    q: f64,
    pressure: f64,
}

fn rules() -> [Rule; 4] {
    let plain = HarmonicConfig::new(0.2);
    // Nesterov: the step is g + μ v' with v' = μ v + g.
    let nesterov = plain.optimizer(Optimizer::Nesterov { momentum: 0.5 });
    [
        Rule {
            config: plain.momentum(0.6).dampening(0.25),
            eta: 0.2,
            mu: 0.6,
            alpha: 0.75,
            beta: 0.6,
            gamma: 0.75,
            lambda: 0.0,
            q: 1.0,
            pressure: 0.0,
        },
        Rule {
            config: nesterov.weight_decay(0.4),
            eta: 0.2,
            mu: 0.5,
            alpha: 1.5,
            beta: 0.25,
            gamma: 1.0,
            lambda: 0.4,
            q: 1.0,
            pressure: 0.4,
        },
        Rule {
            config: plain.momentum(0.6).dampening(0.2).weight_decay(0.4),
            eta: 0.2,
            mu: 0.6,
            alpha: 0.8,
            beta: 0.6,
            gamma: 0.8,
            lambda: 0.4,
            q: 1.0,
            pressure: 0.4,
        },
        // Decoupled decay presses as λ(1 − μ)/(1 − τ) = 0.4·0.4/0.8.
        Rule {
            config: plain
                .momentum(0.6)
                .dampening(0.2)
                .weight_decay(0.4)
                .decay(Decay::Decoupled),
            eta: 0.2,
            mu: 0.6,
            alpha: 0.8,
            beta: 0.6,
            gamma: 0.8,
            lambda: 0.0,
            q: 1.0 - 0.08,
            pressure: 0.2,
        },
    ]
}

/// All moments from the covariance of (w, w one step ago, v, ξ one step ago), iterated until it
/// stands still.
#[test]
fn moments_of_every_rule_by_iteration() {
    for rule in rules() {
        let bath = HarmonicBath::new(&A, &SIGMA, rule.config).unwrap();
        let found = bath.stationary().unwrap();
        let (eta, mu) = (rule.eta, rule.mu);
        // State (w, w₋, v, ξ₋), two of each; one step is F, its kick G.
        let n = 8;
        let mut f = vec![0.0; n * n];
        let mut g = vec![0.0; n * n];
        for i in 0..2 {
            for j in 0..2 {
                let one = if i == j { 1.0 } else { 0.0 };
                let stiff = A[i * 2 + j] + rule.lambda * one;
                f[i * n + j] = rule.q * one - eta * rule.alpha * stiff;
                f[i * n + 4 + j] = -eta * rule.beta * one;
                f[(2 + i) * n + j] = one;
                f[(4 + i) * n + j] = rule.gamma * stiff;
                f[(4 + i) * n + 4 + j] = mu * one;
                g[i * n + j] = -eta * rule.alpha * one;
                g[(4 + i) * n + j] = rule.gamma * one;
                g[(6 + i) * n + j] = one;
            }
        }
        let mut noise = vec![0.0; n * n];
        for i in 0..2 {
            for j in 0..2 {
                noise[i * n + j] = SIGMA[i * 2 + j];
            }
        }
        let kicks = times(n, &times(n, &g, &noise), &turned(n, &g));
        let mut c = kicks.clone();
        for _ in 0..600 {
            c = times(n, &times(n, &f, &c), &turned(n, &f));
            for (c, k) in c.iter_mut().zip(&kicks) {
                *c += k;
            }
        }
        let part = |row: usize, column: usize, k: usize| c[(row + k / 2) * n + column + k % 2];
        for k in 0..4 {
            close(found.weight_covariance()[k], part(0, 0, k), 1e-11);
            close(found.velocity_covariance()[k], part(4, 4, k), 1e-11);
            close(found.weight_velocity_covariance()[k], part(0, 4, k), 1e-11);
        }
        // Δ = w − w₋, of stationary size; E|x|² of x = Σ (coefficients) · state.
        let trace = |x: usize, y: usize| c[x * n + y] + c[(x + 1) * n + y + 1];
        let square_step = trace(0, 0) + trace(2, 2) - 2.0 * trace(0, 2);
        close(found.square_step(), square_step, 1e-11);
        // One more step: w₊ − w₋ = F_w state − w₋ + kick.
        let mut ahead = vec![0.0; n * n];
        for i in 0..2 {
            for j in 0..n {
                ahead[i * n + j] = f[i * n + j];
            }
            ahead[i * n + 2 + i] -= 1.0;
        }
        let spread = times(n, &times(n, &ahead, &c), &turned(n, &ahead));
        let kick = eta * rule.alpha;
        let noise_trace = SIGMA[0] + SIGMA[3];
        let midpoint = 0.25 * (spread[0] + spread[n + 1] + kick * kick * noise_trace);
        close(found.square_midpoint(), midpoint, 1e-11);
        // tr A⟨ww'⟩ and what follows.
        let loss: f64 = (0..4).map(|k| A[k] * part(0, 0, k)).sum();
        close(found.weight_dot_gradient(), loss, 1e-11);
        close(found.energy(), 0.5 * loss, 1e-11);
        close(found.heat(), -kick * noise_trace, 1e-11);
        let virial = loss + rule.pressure * trace(0, 0);
        close(found.virial_temperature(), 0.5 * virial, 1e-11);
        let rate = eta * rule.gamma;
        close(found.midpoint_temperature(), midpoint / (rate * 2.0), 1e-11);
        let kinetic = (1.0 + mu) * square_step / (4.0 * rate);
        close(found.kinetic_temperature(), kinetic, 1e-11);
        let calorimetric = kick * noise_trace / (4.0 * (1.0 - mu));
        close(found.calorimetric_temperature(), calorimetric, 1e-11);
        close(
            found.edge_ratio(),
            1.0 - midpoint / (2.0 * rate * kinetic),
            1e-11,
        );
        // g = A w + ξ, g₋ = A w₋ + ξ₋: the new noise knows nothing of the past.
        let mut same = noise_trace;
        let mut lagged = 0.0;
        for i in 0..2 {
            for j in 0..2 {
                for k in 0..2 {
                    same += A[i * 2 + j] * c[j * n + k] * A[k * 2 + i];
                    lagged += A[i * 2 + j] * c[j * n + 2 + k] * A[k * 2 + i];
                }
                lagged += A[i * 2 + j] * c[j * n + 6 + i];
            }
        }
        close(found.half_square_lag_sum(), same + lagged, 1e-10);
        close(found.half_square_lag_difference(), same - lagged, 1e-10);
        // ½ E[w₀Δ₁ − w₁Δ₀] with w = w₋ + Δ: ½ E[w₋₀ w₁ − w₋₁ w₀].
        let area = 0.5 * (c[2 * n + 1] - c[3 * n]);
        close(found.area_rate((0, 1)).unwrap(), area, 1e-11);
        close(found.area_rate((1, 0)).unwrap(), -area, 1e-11);
        assert_eq!(found.area_rate((0, 0)), Some(0.0));
        assert!(found.area_rate((2, 0)).is_none() && found.area_rate((0, 2)).is_none());
    }
}

/// Every rule moves as it is written, the noise being what the gradient has beside A w.
#[test]
fn a_run_in_a_bath_is_its_recursion() {
    for rule in rules() {
        let bath = HarmonicBath::new(&A, &SIGMA, rule.config).unwrap();
        let mut run = bath.sampler(&[1.0, -2.0], 4).unwrap();
        assert_eq!(run.velocity(), [0.0, 0.0]);
        assert_eq!(run.previous_batch_loss(), None);
        let (mut w, mut v) = ([1.0, -2.0], [0.0, 0.0]);
        let mut last = None;
        for step in 0..20 {
            let slope = [dot(&A[..2], &w), dot(&A[2..], &w)];
            let loss = 0.5 * dot(&slope, &w);
            let g = [run.gradient()[0], run.gradient()[1]];
            let xi = [g[0] - slope[0], g[1] - slope[1]];
            for i in 0..2 {
                close(run.weights()[i], w[i], 1e-12);
                close(run.velocity()[i], v[i], 1e-12);
                close(run.mean_gradient()[i], slope[i], 1e-12);
            }
            close(run.loss(), loss, 1e-11);
            close(run.batch_loss(), loss + dot(&xi, &w), 1e-11);
            assert_eq!(run.steps(), step);
            if let (Some(found), Some(expected)) = (run.previous_batch_loss(), last) {
                close(found, expected, 1e-11);
            }
            assert_eq!(run.second_gradient(), None);
            let second = run.draw_second().to_vec();
            assert_eq!(run.second_gradient(), Some(&second[..]));
            assert_ne!(second, g);
            for i in 0..2 {
                let force = g[i] + rule.lambda * w[i];
                let next = rule.q * w[i] - rule.eta * (rule.alpha * force + rule.beta * v[i]);
                v[i] = rule.mu * v[i] + rule.gamma * force;
                w[i] = next;
            }
            let slope = [dot(&A[..2], &w), dot(&A[2..], &w)];
            last = Some(0.5 * dot(&slope, &w) + dot(&xi, &w));
            run.step().unwrap();
        }
    }
}

/// One weight: the noise is √Σ z, the second gradient from the stream of the flipped seed.
#[test]
fn noise_of_one_weight_is_drawn_from_its_seed() {
    let config = HarmonicConfig::new(0.1).weight_decay(0.5);
    let bath = HarmonicBath::new(&[3.0], &[4.0], config).unwrap();
    let mut run = bath.sampler(&[1.5], 11).unwrap();
    let (mut random, mut second) = (Random::new(11), Random::new(!11));
    for _ in 0..10 {
        let slope = 3.0 * run.weights()[0];
        close(run.gradient()[0] - slope, 2.0 * random.normal(), 1e-12);
        close(run.draw_second()[0] - slope, 2.0 * second.normal(), 1e-12);
        run.step().unwrap();
    }
    let expected = Step::new(run.batch_loss())
        .learning_rate(0.1)
        .optimizer(Optimizer::SGD)
        .weight_decay(0.5)
        .previous_batch_loss(run.previous_batch_loss().unwrap());
    assert_eq!(run.facts(), expected);
    let bath = HarmonicBath::new(&[3.0], &[4.0], config.decay(Decay::Decoupled)).unwrap();
    let run = bath.sampler(&[1.5], 11).unwrap();
    let expected = Step::new(run.batch_loss())
        .learning_rate(0.1)
        .optimizer(Optimizer::SGD)
        .decoupled_weight_decay(0.5);
    assert_eq!(run.facts(), expected);
    assert_eq!(run.bath().dim(), 1);
}

/// Over many seeds the first states have the stationary covariance, w and v together.
#[test]
fn stationary_starts_have_the_stationary_covariance() {
    let rule = &rules()[2];
    let bath = HarmonicBath::new(&A, &SIGMA, rule.config).unwrap();
    let moments = bath.stationary().unwrap();
    let count = 800_u64;
    let mut sums = [0.0; 16];
    for seed in 0..count {
        let run = bath.stationary_sampler(seed).unwrap();
        let state = [run.weights(), run.velocity()].concat();
        for (k, sum) in sums.iter_mut().enumerate() {
            *sum += state[k / 4] * state[k % 4] / 800.0;
        }
    }
    let exact = |i: usize, j: usize| match (i < 2, j < 2) {
        (true, true) => moments.weight_covariance()[i * 2 + j],
        (true, false) => moments.weight_velocity_covariance()[i * 2 + j - 2],
        (false, true) => moments.weight_velocity_covariance()[j * 2 + i - 2],
        (false, false) => moments.velocity_covariance()[(i - 2) * 2 + j - 2],
    };
    for i in 0..4 {
        for j in 0..4 {
            // Isserlis: Var = (C_ii C_jj + C_ij²)/n.
            let error = ((exact(i, i) * exact(j, j) + exact(i, j).powi(2)) / 800.0).sqrt();
            let z = (sums[4 * i + j] - exact(i, j)) / error;
            assert!(z.abs() < 4.5, "{i} {j}: {z}");
        }
    }
}

/// One weight, a = 2, Σ = 3, η = 0.1: Var w = 0.3/3.6 over 500 seeds.
#[test]
fn one_weight_starts_in_its_stationary_state() {
    let bath = HarmonicBath::new(&[2.0], &[3.0], HarmonicConfig::new(0.1)).unwrap();
    let squares: f64 = (0..500)
        .map(|seed| bath.stationary_sampler(seed).unwrap().weights()[0].powi(2))
        .sum();
    let ratio = squares / 500.0 / (0.3 / 3.6);
    assert!(
        (ratio - 1.0).abs() < 4.5 * (2.0_f64 / 500.0).sqrt(),
        "{ratio}"
    );
}

#[test]
fn baths_know_what_they_were_given() {
    let config = HarmonicConfig::new(0.1).momentum(0.5).dampening(0.25);
    let bath = HarmonicBath::new(&A, &SIGMA, config).unwrap();
    assert_eq!(
        (bath.dim(), bath.hessian(), bath.noise()),
        (2, &A[..], &SIGMA[..])
    );
    assert_eq!((bath.noise_trace(), bath.config()), (4.0, &config));
    // 0.1·0.75·4/(2·0.5·2).
    close(bath.temperature(), 0.15, 1e-15);
    // Without momentum the larger of |1 − ηa|.
    let fast = HarmonicBath::new(&[18.0, 0.0, 0.0, 1.0], &SIGMA, HarmonicConfig::new(0.1));
    near(fast.unwrap().spectral_radius(), 0.9, 1e-14);
    let edge = HarmonicBath::new(&[20.0], &[1.0], HarmonicConfig::new(0.1)).unwrap();
    near(edge.spectral_radius(), 1.0, 1e-14);
    refused(edge.stationary(), "spectral radius of the step");
    refused(edge.stationary_sampler(0), "spectral radius of the step");
    // Complex roots of the heavy ball: √μ. Decoupled decay: q − ηa.
    let round = HarmonicBath::new(&[1.0], &[1.0], HarmonicConfig::new(1.0).momentum(0.49));
    near(round.unwrap().spectral_radius(), 0.7, 1e-14);
    let decayed = HarmonicConfig::new(0.5)
        .weight_decay(0.3)
        .decay(Decay::Decoupled);
    let decayed = HarmonicBath::new(&[0.2], &[1.0], decayed).unwrap();
    near(decayed.spectral_radius(), 0.75, 1e-14);
}

#[test]
fn baths_have_bounds() {
    let of = |config: HarmonicConfig| HarmonicBath::new(&[1.0], &[1.0], config).map(|_| ());
    let plain = HarmonicConfig::new(0.1);
    refused(of(HarmonicConfig::new(0.0)), "learning rate");
    refused(of(HarmonicConfig::new(above(1e100))), "learning rate");
    assert!(of(HarmonicConfig::new(1e100)).is_ok());
    refused(of(plain.momentum(1.0)), "momentum");
    refused(of(plain.momentum(-0.1)), "momentum");
    refused(of(plain.momentum(0.5).dampening(1.0)), "dampening");
    refused(of(plain.weight_decay(-1.0)), "weight decay");
    refused(of(plain.weight_decay(above(1e100))), "weight decay");
    assert!(of(plain.weight_decay(1e100)).is_ok());
    assert!(matches!(
        of(plain.optimizer(Optimizer::Update)),
        Err(Error::Conflict { .. })
    ));
    let with = |a: &[f64], sigma: &[f64]| HarmonicBath::new(a, sigma, plain).map(|_| ());
    assert!(matches!(with(&[], &[]), Err(Error::Empty { .. })));
    assert!(matches!(
        with(&[1.0; 3], &[1.0; 3]),
        Err(Error::LengthMismatch {
            expected: 1,
            found: 3,
            ..
        })
    ));
    assert!(matches!(
        with(&[1.0], &[1.0; 4]),
        Err(Error::LengthMismatch {
            expected: 1,
            found: 4,
            ..
        })
    ));
    let asymmetric = "asymmetry of a matrix that must be symmetric";
    refused(with(&[1.0, 1e-9, 0.0, 1.0], &SIGMA), asymmetric);
    assert!(with(&[1.0, 0.9e-10, 0.0, 1.0], &SIGMA).is_ok());
    assert!(with(&[100.0, 5e-9, 0.0, 100.0], &SIGMA).is_ok());
    let soft = "smallest eigenvalue of the Hessian";
    refused(with(&[1.0, 0.0, 0.0, 0.9e-13], &SIGMA), soft);
    refused(with(&[-1.0], &[1.0]), soft);
    assert!(with(&[1.0, 0.0, 0.0, 1.1e-13], &SIGMA).is_ok());
    refused(
        with(&[1.0], &[0.0]),
        "largest eigenvalue of the noise covariance",
    );
    let negative = "smallest eigenvalue of the noise covariance";
    refused(with(&A, &[1.0, 0.0, 0.0, -1.1e-10]), negative);
    assert!(with(&A, &[1.0, 0.0, 0.0, -0.9e-10]).is_ok());
    assert!(matches!(
        with(&[1.1e100], &[1.0]),
        Err(Error::Overflow {
            largest: 1.1e100,
            ..
        })
    ));
    assert!(with(&[1e100], &[1.0]).is_ok());
    let bath = HarmonicBath::new(&A, &SIGMA, plain).unwrap();
    assert!(matches!(
        bath.sampler(&[1.0], 0),
        Err(Error::LengthMismatch {
            expected: 2,
            found: 1,
            ..
        })
    ));
    refused(
        bath.sampler(&[1e101, 0.0], 0),
        "squared norm of the starting weights",
    );
    assert!(bath.sampler(&[below(1e100), 0.0], 0).is_ok());
    // A step that would throw the weights out of range leaves them where they are.
    let wild = HarmonicBath::new(&[1e10], &[1.0], HarmonicConfig::new(1e10)).unwrap();
    let mut run = wild.sampler(&[1e90], 0).unwrap();
    refused(run.step(), "squared norm of the weights after the step");
    assert_eq!((run.weights(), run.steps()), (&[1e90][..], 0));
}
